"""A rule: which leaves it decides, and the function that decides them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from striate.core.registry import Registry
from striate.plan.context import Context
from striate.plan.leaves import Leaf

Decisions: TypeAlias = Mapping[str, tuple[Any, str]]


@dataclass(frozen=True)
class Rule:
    """A named rule.

    Args:
        leaves: the leaves it decides, by dotted key.
        decide: from the context to (value, because) for each of them.
    """

    leaves: Mapping[str, Leaf]
    decide: Callable[[Context], Decisions]


RULES: Registry[Rule] = Registry("rule", "striate.plan.rules")


def rule(name: str, leaves: Mapping[str, Leaf]) -> Callable[[Callable[[Context], Decisions]], Rule]:
    """A decorator that registers a function as the rule for these leaves."""

    def wrap(decide: Callable[[Context], Decisions]) -> Rule:
        return RULES.register(name)(Rule(leaves, decide))

    return wrap
