"""Where the model is weak: parts of the samples held against the rest."""

from __future__ import annotations

from typing import Any

from striate.report.facts import Facts
from striate.report.html import Html, join, number, prose, tag
from striate.report.tables import Column, table


def slices(facts: Facts) -> Html | None:
    """The weakest slice in words, and the table of all; None for a Run that was not cut into slices."""
    found = facts.metrics.get("slices")
    if not isinstance(found, dict) or not found:
        return None
    entries = [one for one in found.get("slices") or [] if isinstance(one, dict)]
    parts: list[Html | None] = [tag("p", prose(str(found.get("words"))), class_="note strong")]
    if found.get("too_small"):
        parts.append(tag("p", number(found["too_small"]), " slices are too small to be judged.", class_="note"))
    if entries:
        better = -1 if found.get("figure") == "mean absolute error" else 1
        ordered = sorted(entries, key=lambda one: better * float(one.get("difference") or 0.0))
        columns = [
            Column("cut by", "name"),
            Column("slice"),
            Column("pictures", "number"),
            Column(str(found.get("figure")), "number"),
            Column("rest", "number"),
            Column("difference", "number"),
            Column("p, corrected", "number"),
        ]
        caption = f"Parts of the {found.get('split')} split against the rest, the furthest behind first"
        rows = [_row(one) for one in ordered]
        parts.append(table(caption, columns, rows, sortable=True, tall=len(rows) > 16))
    return join(part for part in parts if part is not None)


def _row(one: dict[str, Any]) -> list[object]:
    return [
        str(one.get("by")),
        str(one.get("value")),
        number(one.get("samples")),
        _between(one.get("figure"), one.get("low"), one.get("high")),
        number(one.get("rest")),
        _between(one.get("difference"), one.get("difference_low"), one.get("difference_high")),
        number(one.get("adjusted")),
    ]


def _between(value: Any, low: Any, high: Any) -> Html:
    if low is None or high is None:
        return number(value)
    return join([number(value), tag("small", number(low), " – ", number(high))], " ")
