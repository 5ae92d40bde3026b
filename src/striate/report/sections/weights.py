"""What the training began with: the sources of its weights, how far its pictures are from them, what is forgotten."""

from __future__ import annotations

from typing import Any

from striate.report.facts import Facts
from striate.report.html import Html, join, number, tag
from striate.report.tables import Column, table


def weights(facts: Facts) -> Html | None:
    """The sources with licence and known bias, and what was measured against them; nothing of a Run from scratch."""
    if not facts.weights:
        return None
    sources = [one for one in facts.weights.get("sources") or [] if isinstance(one, dict)]
    columns = [Column("trained on", "name"), Column("network"), Column("licence"), Column("known bias", "wide")]
    rows = [
        [
            one.get("source", "not stated"),
            one.get("network", ""),
            one.get("license", "not stated"),
            one.get("bias", "nothing is stated, which is not to say that there is none"),
        ]
        for one in sources
    ]
    said = facts.weights.get("gap_in_words")
    forgotten = facts.metrics.get("forgetting")
    parts = [
        table("What the weights come from, the nearest first", columns, rows) if rows else None,
        tag("p", _sentence(str(said))) if said else None,
        _layers(facts.weights.get("gap")),
        tag("p", _sentence(str(forgotten.get("in_words")))) if isinstance(forgotten, dict) else None,
    ]
    return join(part for part in parts if part is not None)


def _layers(gap: Any) -> Html | None:
    layers = gap.get("layers") if isinstance(gap, dict) else None
    if not isinstance(layers, dict) or not layers:
        return None
    columns = [Column("batch norm", "name"), Column("deviations", "number")]
    caption = "How far the pictures are from what each batch norm remembers, from the stem on"
    rows = [[name, number(value)] for name, value in layers.items()]
    return tag("details", tag("summary", caption), table(caption, columns, rows, tall=len(rows) > 12))


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:].rstrip('.')}."
