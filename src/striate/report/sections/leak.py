"""What a leak would have added: what a random split would have said, and a test that shares with training."""

from __future__ import annotations

from typing import Any

from striate.report.facts import Facts
from striate.report.html import Html, join, label, number, prose, tag
from striate.report.judged import interval_bounds
from striate.report.tables import Column, table

_PARTS = {
    "given": {"all": "the given test", "shared": "of it, what shares with training", "rest": "of it, the rest"},
    "random": {"all": "a random split", "shared": "of it, what belongs with others", "rest": "of it, the rest"},
}


def leak(facts: Facts) -> Html | None:
    """What was found in words, and a table with the leak and without; None where nothing was measured."""
    rows = _rows(measured(facts))
    if not rows:
        return None
    found = facts.metrics["leak"]
    columns = [
        Column("judged", "name"),
        Column("metric"),
        Column("with the leak", "number"),
        Column("without", "number"),
        Column("worth", "number"),
    ]
    words = [tag("p", prose(str(one.get("words"))), class_="note strong") for one in measured(facts).values()]
    title = "Scores of heads with the leak and without; the score of this Run has none"
    return join([*words, table(title, columns, rows), tag("p", prose(str(found.get("method"))), class_="note")])


def measured(facts: Facts) -> dict[str, dict[str, Any]]:
    """What was looked at, "given" and "random", each with its words."""
    found = facts.metrics.get("leak")
    found = found if isinstance(found, dict) else {}
    return {name: found[name] for name in ("given", "random") if isinstance(found.get(name), dict)}


def large(facts: Facts) -> Html | None:
    """In words the leaks that are large, for the answer; None without any."""
    told = [str(one["words"]) for one in measured(facts).values() if one.get("large")]
    if not told:
        return None
    link = tag("a", "With and without it", href="#leak")
    return join([prose(" ".join(told)), " The score of this Run has no such leak. ", link, "."])


def _rows(found: dict[str, dict[str, Any]]) -> list[list[Any]]:
    return [
        _row(_PARTS[name].get(part, part), one)
        for name, kind in found.items()
        for part, one in (kind.get("parts") or {}).items()
        if isinstance(one, dict)
    ]


def _row(words: str, one: dict[str, Any]) -> list[Any]:
    return [words, label(str(one.get("metric"))), number(one.get("with")), number(one.get("without")), _worth(one)]


def _worth(one: dict[str, Any]) -> Html:
    bounds = interval_bounds(one.get("interval"))
    if bounds is None:
        return number(one.get("worth"))
    return join([number(one.get("worth")), tag("small", number(bounds[0]), " – ", number(bounds[1]))], " ")
