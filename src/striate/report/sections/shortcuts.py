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
    "background_hidden": "all but the subject",
    "subject_hidden": "the subject, in its rectangle",
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
        told = _of_subjects(found.get("subjects"))
        if told is not None:
            parts.append(told)
    return join(parts)


def _of_subjects(found: Any) -> Html | None:
    """Of how many pictures the rows about the subject are, or why there are none; None in Runs of before."""
    if not isinstance(found, dict) or not found:
        return None
    clear = (number(found.get("clear")), " of ", number(found.get("searched")), " pictures have a clear subject")
    if "why" in found:
        return tag("p", *clear, f"; what is kept without it is not told: {found['why']}.", class_="note")
    rest = (", far from the border over edges of colour; ", number(found.get("samples")), " of them were judged, ")
    whole = ("of which ", number(found.get("accuracy")), " are recognised with nothing hidden.")
    return tag("p", *clear, *rest, *whole, class_="note")


def _kept(one: dict[str, Any]) -> Html:
    if one.get("low") is None:
        return number(one.get("share"))
    return join([number(one.get("share")), tag("small", number(one["low"]), " – ", number(one.get("high")))], " ")
