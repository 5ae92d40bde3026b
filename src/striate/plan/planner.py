"""The planner: asks each rule when its leaf is needed, lets the user's word win, never trains."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

from striate.core.errors import PlanError, nearest
from striate.core.plan import Decision, Plan, read_decisions
from striate.core.records import Dataset
from striate.data.audit import Audit
from striate.data.split import SplitTable
from striate.nets import Weights
from striate.plan import boxes
from striate.plan.context import Budget, Context, Machine
from striate.plan.leaves import Leaf, check_value, parse_value
from striate.plan.remedies import check_remedies, reconciled
from striate.plan.rule import RULES
from striate.plan.rules.validated import check_validated


class _Planning(Context):
    """A context that asks the rules."""

    def decision(self, key: str) -> Decision:
        if key not in self._decided:
            self._ask(_owner(key))
        return self._decided[key]

    def _ask(self, name: str) -> None:
        if name in self._asking:
            raise RuntimeError(f"the rules {' → '.join([*self._asking, name])} wait for each other")
        self._asking.append(name)
        found = RULES.get(name)
        for key in found.leaves:
            if key in self.overrides:
                self._decided[key] = self.overrides[key]
        if not all(key in self._decided for key in found.leaves):
            for key, (value, because) in found.decide(self).items():
                if key not in found.leaves:
                    raise RuntimeError(f"the rule {name!r} decided {key!r}, which is not its own")
                if key not in self._decided:
                    self._decided[key] = Decision(check_value(key, found.leaves[key], value), because)
        self._asking.pop()

    @cached_property
    def _decided(self) -> dict[str, Decision]:
        return {}

    @cached_property
    def _asking(self) -> list[str]:
        return []


def leaves() -> dict[str, Leaf]:
    """Every leaf that a plan has, by dotted key."""
    return {key: leaf for _, found in RULES.items() for key, leaf in found.leaves.items()}


def _owner(key: str) -> str:
    for name, found in RULES.items():
        if key in found.leaves:
            return name
    raise RuntimeError(f"no rule decides {key!r}")


def check_key(key: str) -> Leaf:
    """The leaf of that key. Raises `PlanError` offering the nearest."""
    known = leaves()
    if key not in known:
        near = nearest(key, known) or next((name for name in known if name.endswith("." + key)), None)
        raise PlanError(
            f"a plan has no {key!r}" + (f"; did you mean {near!r}?" if near else ""),
            fix="`striate plan DATA` prints every key",
        )
    return known[key]


def user_decisions(settings: Mapping[str, Any], because: str = "set by you") -> dict[str, Decision]:
    """The user's own values as decisions, names and types checked.

    Args:
        settings: by dotted key; strings are read as `--set` reads them.
    """
    return {key: Decision(parse_value(key, check_key(key), value), because, "user") for key, value in settings.items()}


def read_plan(path: Path) -> dict[str, Decision]:
    """The decisions of a plan file, names and types checked. Raises `PlanError`."""
    found = read_decisions(path)
    return {key: replace(one, value=check_value(key, check_key(key), one.value)) for key, one in found.items()}


def make_plan(
    dataset: Dataset,
    audit: Audit,
    split: SplitTable,
    machine: Machine,
    *,
    budget: Budget | None = None,
    weights: Weights | None = None,
    overrides: Mapping[str, Decision] | None = None,
) -> Plan:
    """Decide every leaf.

    Args:
        dataset, audit, split: what is to be learnt, as found.
        machine: what it runs on.
        budget: the time or epochs allowed.
        weights: pretrained weights at hand.
        overrides: decisions of the user or of a plan file; they win.

    Returns:
        a plan with every leaf; those that only measuring can tell are "auto".
    """
    chosen = reconciled(overrides or {})
    context = _Planning(dataset, audit, split, machine, budget or Budget(), weights, chosen)
    if context.finds and "network.arguments" in chosen:
        chosen = {**chosen, "network.arguments": boxes.laid_over(context, chosen["network.arguments"])}
        context = _Planning(dataset, audit, split, machine, budget or Budget(), weights, chosen)
    decided = {key: context.decision(key) for _, found in RULES.items() for key in found.leaves}
    smallest = min((count for count in context.class_counts.values() if count), default=0)
    check_remedies(decided, smallest, validated=bool(split.keys("val")))
    check_validated(decided, validated=bool(split.keys("val")))
    order = ["task", "split", "input", "normalize", "network", "transfer", "augment", "loss", "optimizer", "schedule"]
    rank = {group: place for place, group in enumerate(order)}
    return Plan(dict(sorted(decided.items(), key=lambda entry: rank.get(entry[0].split(".")[0], len(rank)))))
