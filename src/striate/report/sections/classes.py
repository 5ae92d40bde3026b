"""Class by class: how well each is recognised."""

from __future__ import annotations

from typing import Any

from striate.report.facts import Facts
from striate.report.html import Html, join, label, number
from striate.report.tables import Column, missing, share_bar, table

_SHARES = ("precision", "recall", "f1", "iou", "dice", "ap50")


def classes(facts: Facts) -> Html | None:
    """The per-class table of the test split, or of validation where there is no test."""
    return None if facts.task == "regress" else _table(facts)


def _split(found: Any) -> tuple[str, Any] | None:
    if isinstance(found, dict):
        for key, words in (("test", "test"), ("val", "validation")):
            if found.get(key):
                return words, found[key]
    return None


def _table(facts: Facts) -> Html:
    found = _split(facts.metrics.get("per_class"))
    if found is None:
        return missing("metrics.json holds no figures class by class.")
    words, entries = found
    names = list(dict.fromkeys(name for entry in entries for name in entry if name != "class"))
    by = {"segment": "dice", "detect": "ap50"}.get(facts.task, "f1")
    entries = sorted(entries, key=lambda entry: (entry.get(by) is None, entry.get(by) or 0.0))
    rows = [
        [
            str(entry.get("class")),
            *(
                join([number(entry.get(name)), share_bar(entry[name])], " ")
                if name in _SHARES and isinstance(entry.get(name), int | float)
                else number(entry.get(name))
                for name in names
            ),
        ]
        for entry in entries
    ]
    columns = [Column("class", "name"), *(Column(label(name), "number") for name in names)]
    caption = f"Every class on the {words} split, weakest first"
    return table(caption, columns, rows, sortable=True, tall=len(rows) > 16)
