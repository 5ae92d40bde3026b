"""The Plan: every decision of a training, each with its value and its because, as a file that can be edited."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any, Literal

import yaml

from striate.core.artifacts import parse_yaml, write_yaml
from striate.core.errors import PlanError

FORMAT = 1
AUTO = "auto"
By = Literal["rule", "user", "measured"]


@dataclass(frozen=True)
class Decision:
    """One leaf of a plan.

    Args:
        value: a plain value (bool, int, float, str, None, list, dict), or "auto" where only measuring can tell.
        because: one sentence with the numbers that led to it.
        by: who decided: a rule, the user, or a measurement.
    """

    value: Any
    because: str
    by: By = "rule"


class Plan(Mapping[str, Any]):
    """Decisions by dotted key; indexing gives the value, `decisions` the because.

    >>> plan = Plan({"optimizer.name": Decision("sgd", "trained from scratch")})
    >>> plan["optimizer.name"], plan.decisions["optimizer.name"].because
    ('sgd', 'trained from scratch')
    """

    def __init__(self, decisions: Mapping[str, Decision]) -> None:
        self.decisions = dict(decisions)

    def __getitem__(self, key: str) -> Any:
        return self.decisions[key].value

    def __iter__(self) -> Iterator[str]:
        return iter(self.decisions)

    def __len__(self) -> int:
        return len(self.decisions)

    @property
    def resolved(self) -> bool:
        """Whether nothing is left to measure."""
        return AUTO not in self.values()

    def unresolved(self) -> list[str]:
        """The keys that only measuring can decide."""
        return [key for key, value in self.items() if value == AUTO]

    def replace(self, **groups: Mapping[str, Decision]) -> Plan:
        """The same plan with some decisions replaced: `plan.replace(train={"epochs": Decision(…)})`."""
        changed = {f"{group}.{leaf}": new for group, leaves in groups.items() for leaf, new in leaves.items()}
        return Plan({**self.decisions, **changed})

    def section(self, group: str) -> dict[str, Any]:
        """The values of one group, by leaf name."""
        return {key.split(".", 1)[1]: value for key, value in self.items() if key.startswith(group + ".")}

    def to_dict(self) -> dict[str, Any]:
        """Nested plain values, as the file holds them."""
        groups: dict[str, Any] = {"striate_plan": FORMAT}
        for key, decision in self.decisions.items():
            group, leaf = key.split(".", 1)
            groups.setdefault(group, {})[leaf] = {
                "value": decision.value,
                "because": decision.because,
                "by": decision.by,
            }
        return groups

    def write(self, path: Path) -> None:
        """Write the plan as YAML, whole or not at all."""
        write_yaml(path, self.to_dict())

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><td><code>{escape(key)}</code></td><td>{escape(str(decision.value))}</td>"
            f"<td>{escape(decision.because)}</td></tr>"
            for key, decision in self.decisions.items()
        )
        return f"<table><tr><th>decision</th><th>value</th><th>because</th></tr>{rows}</table>"


def read_decisions(path: Path) -> dict[str, Decision]:
    """Read a plan file. A leaf may be a bare value: then it is the user's.

    Returns:
        decisions by dotted key; names and types are checked by the planner, which knows them.

    Raises:
        PlanError: not a plan of this version.
    """
    try:
        content = parse_yaml(path.read_text("utf-8"))
    except FileNotFoundError:
        raise PlanError(f"the plan {path} does not exist") from None
    except (yaml.YAMLError, UnicodeDecodeError, OSError) as error:
        raise PlanError(f"the plan {path} is not readable YAML: {error}") from error
    if not isinstance(content, dict) or content.get("striate_plan") != FORMAT:
        raise PlanError(
            f"{path} is not a plan of version {FORMAT}: its first key must be `striate_plan: {FORMAT}`",
            fix="write one with `striate plan DATA --out plan.yaml`",
        )
    decisions = {}
    for group, leaves in content.items():
        if group == "striate_plan":
            continue
        if not isinstance(leaves, dict):
            raise PlanError(f"{path}: `{group}` must hold leaves, not {leaves!r}")
        for leaf, entry in leaves.items():
            if isinstance(entry, dict) and set(entry) == {"value", "because", "by"}:
                decision = Decision(entry["value"], entry["because"], entry["by"])
            else:
                decision = Decision(entry, "written into the plan by hand", "user")
            decisions[f"{group}.{leaf}"] = decision
    return decisions
