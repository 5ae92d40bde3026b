"""Whether the model needs the subject: what it keeps of its accuracy with parts of the pictures hidden."""

from __future__ import annotations

from typing import Any

from striate.report.facts import Facts
from striate.report.html import Html, join, number, prose, tag
from striate.report.tables import Column, table

_NAMES = {
    "whole": "nothing",
    "centre_hidden": "the centre, half of the picture",
    "border_hidden": "all but the centre",
    "frame_only": "all but the outermost quarter",
}


def shortcuts(facts: Facts) -> Html | None:
    """The finding in words, and what was kept with each part hidden; None where it was not asked for."""
    found = facts.metrics.get("shortcuts")
    if not isinstance(found, dict) or not found:
        return None
    alarm = bool(found.get("alarms"))
    parts = [tag("p", prose(str(found.get("words"))), class_="note strong" if alarm else "note")]
    hidden = found.get("hidden")
    if isinstance(hidden, dict):
        limits = found.get("thresholds") or {}
        columns = [
            Column("hidden", "name"),
            Column("accuracy", "number"),
            Column("kept beyond chance", "number"),
            Column("alarm above", "number"),
        ]
        rows = [
            [_NAMES.get(name, name), number(one.get("accuracy")), _kept(one), number(limits.get(name))]
            for name, one in hidden.items()
            if isinstance(one, dict)
        ]
        parts.append(table(f"{found.get('samples')} {found.get('split')} pictures with parts hidden", columns, rows))
    return join(parts)


def _kept(one: dict[str, Any]) -> Html:
    if one.get("low") is None:
        return number(one.get("share"))
    return join([number(one.get("share")), tag("small", number(one["low"]), " – ", number(one.get("high")))], " ")
