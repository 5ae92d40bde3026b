"""Regression: predicted against true values, and the largest misses."""

from __future__ import annotations

import math

from striate.report.charts import scatter
from striate.report.facts import Facts
from striate.report.html import Html, join, label, number, shown, tag
from striate.report.tables import Column, missing, table

POINT_LIMIT = 1500
_PREDICTED, _TRUE = "prediction_", "target_"


def values(facts: Facts) -> Html | None:
    """A scatter for every predicted column, and the pictures that are farthest off."""
    if facts.task != "regress":
        return None
    rows = [row for row in facts.predictions if row.get("split") == "test"]
    words = "test"
    if not rows:
        rows, words = [row for row in facts.predictions if row.get("split") == "val"], "validation"
    if not rows:
        reason = facts.missing.get("predictions.csv", "it holds no test or validation picture")
        return missing(f"There is nothing to draw: predictions.csv cannot be shown ({reason}).")
    names = [key.removeprefix(_TRUE) for key in rows[0] if key and key.startswith(_TRUE)]
    charts = [_chart(rows, name, words) for name in names]
    parts = [tag("div", *charts, class_="grid"), _thinned(len(rows)), _each(facts), _misses(rows, names, words)]
    return join(part for part in parts if part is not None)


def _each(facts: Facts) -> Html | None:
    """The metrics of each value, where there are several."""
    found = facts.metrics.get("per_class")
    entries = (found.get("test") or found.get("val") or []) if isinstance(found, dict) else []
    if len(entries) < 2:
        return None
    metrics = list(dict.fromkeys(name for entry in entries for name in entry if name != "value"))
    rows = [[entry.get("value"), *(number(entry.get(name)) for name in metrics)] for entry in entries]
    columns = [Column("value", "name"), *(Column(label(name), "number") for name in metrics)]
    return join([tag("h3", "Each value"), table("Every predicted value, in its own unit", columns, rows)])


def _chart(rows: list[dict[str, str]], name: str, words: str) -> Html:
    step = max(1, math.ceil(len(rows) / POINT_LIMIT))
    points = [(_float(row.get(_TRUE + name)), _float(row.get(_PREDICTED + name))) for row in rows[::step]]
    whole = [(x, y) for x, y in points if x is not None and y is not None]
    return scatter(f"{name}: predicted against true, {words}", whole, x_name="true", y_name="predicted")


def _thinned(count: int) -> Html | None:
    step = max(1, math.ceil(count / POINT_LIMIT))
    return tag("p", f"One in {step} of {shown(count)} pictures is drawn.", class_="note") if step > 1 else None


def _misses(rows: list[dict[str, str]], names: list[str], words: str, limit: int = 20) -> Html | None:
    judged = [(abs(error), row) for row in rows if (error := _float(row.get("error"))) is not None]
    if not judged:
        return None
    judged.sort(key=lambda entry: (-entry[0], entry[1].get("key", "")))
    columns = [Column("picture", "name")]
    columns += [Column(f"{part} {name}", "number") for name in names for part in ("true", "predicted")]
    cells = [
        [
            row.get("key", ""),
            *(number(_float(row.get(part + name))) for name in names for part in (_TRUE, _PREDICTED)),
            number(_float(row.get("error"))),
        ]
        for _, row in judged[:limit]
    ]
    caption = f"The {len(cells)} pictures of the {words} split that are farthest off"
    return join([tag("h3", "Largest misses"), table(caption, [*columns, Column("error", "number")], cells)])


def _float(text: str | None) -> float | None:
    try:
        value = float(text or "")
    except ValueError:  # an empty cell, or a word: no number to show
        return None
    return value if math.isfinite(value) else None
