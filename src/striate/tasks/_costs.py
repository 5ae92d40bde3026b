"""Costs of mistakes, from what a plan says to a matrix over the classes."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from striate.core.errors import UnknownName, UsageError

Costs = tuple[tuple[float, ...], ...]


def cost_matrix(said: Mapping[str, Any] | Sequence[Sequence[float]], names: Sequence[str]) -> Costs:
    """Rows of what each decision costs where a class is true.

    Args:
        said: {true class: {predicted class: cost}}, where a mistake that is left out costs 1 and what is right
            nothing; or rows of true classes in the order of `names`.

    Raises:
        UnknownName: a class that there is not.
        UsageError: rows of another shape, a cost that is no number, negative or not finite, or one of them that makes
            another decision than the right one the cheapest.

    >>> cost_matrix({"ill": {"well": 5}}, ["ill", "well"])
    ((0.0, 5.0), (1.0, 0.0))
    """
    rows = _named(said, names) if isinstance(said, Mapping) else [list(row) for row in said]
    count = len(names)
    if len(rows) != count or any(len(row) != count for row in rows):
        shape = f"{len(rows)} rows of {', '.join(sorted({str(len(row)) for row in rows})) or 'nothing'}"
        raise UsageError(
            f"evaluate.costs has {shape}; {count} rows of {count} were expected, true classes down, decisions across",
            fix=f"their order is {', '.join(names)}; or name the classes, as in {{{names[0]}: {{{names[-1]}: 5}}}}",
        )
    for true, row in zip(names, rows, strict=True):
        for decision, cost in zip(names, row, strict=True):
            number = isinstance(cost, int | float) and not isinstance(cost, bool)
            if not number or not math.isfinite(cost) or cost < 0:
                raise UsageError(
                    f"evaluate.costs: {cost!r}, of deciding for {decision!r} where {true!r} is true, is no cost",
                    fix="give finite numbers of at least 0",
                )
        own = row[names.index(true)]
        cheaper = [decision for decision, cost in zip(names, row, strict=True) if cost < own]
        if cheaper:
            raise UsageError(
                f"evaluate.costs: where {true!r} is true, deciding for {cheaper[0]!r} costs less than being right",
                fix="let what is right cost least in each row",
            )
    return tuple(tuple(map(float, row)) for row in rows)


def _by_name(said: Mapping[Any, Any]) -> dict[str, Any]:
    """By the names of classes, which YAML may have read as numbers."""
    found = {str(name): value for name, value in said.items()}
    if len(found) < len(said):
        raise UsageError("evaluate.costs names a class twice", fix="name each once")
    return found


def _named(said: Mapping[str, Any], names: Sequence[str]) -> list[list[Any]]:
    rows: list[list[Any]] = [[float(true != decision) for decision in names] for true in names]
    for true, row in _by_name(said).items():
        if true not in names:
            raise UnknownName("class in evaluate.costs", str(true), names)
        if not isinstance(row, Mapping):
            raise UsageError(
                f"evaluate.costs.{true} takes {{predicted class: cost}}, not {row!r}",
                fix=f"as in {{{names[0]}: {{{names[-1]}: 5}}}}",
            )
        for decision, cost in _by_name(row).items():
            if decision not in names:
                raise UnknownName("class in evaluate.costs", str(decision), names)
            rows[names.index(true)][names.index(decision)] = cost
    return rows
