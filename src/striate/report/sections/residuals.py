"""Regression: residuals against predictions, their quantiles, and the error by range of the true value."""

from __future__ import annotations

from typing import Any

from striate.report.charts import residual_chart
from striate.report.facts import Facts
from striate.report.html import Html, join, number, shown, tag
from striate.report.sections.ranking import points_of
from striate.report.tables import Column, table


def residuals(facts: Facts) -> Html | None:
    """Of each value on the test split, or on validation where there is no test; None without any."""
    found = facts.metrics.get("residuals")
    for key, words in (("test", "test"), ("val", "validation")):
        content = found.get(key) if isinstance(found, dict) else None
        if isinstance(content, dict) and content:
            charts = [_chart(name, one, words) for name, one in content.items()]
            ranges = [_ranges(name, one, words) for name, one in content.items()]
            return join([tag("div", *charts, class_="grid"), _quantiles(content, words), *ranges])
    return None


def _chart(name: str, content: dict[str, Any], words: str) -> Html:
    points = [(x, y) for x, y in points_of(content) if y is not None]
    return residual_chart(f"{name}: prediction less truth, {words}", points, x_name="predicted", y_name="residual")


def _quantiles(content: dict[str, Any], words: str) -> Html:
    shares = list(dict.fromkeys(share for one in content.values() for share in one.get("quantiles") or {}))
    columns = [Column("value", "name"), Column("mean", "number")]
    columns += [Column(f"{100 * float(share):g} %", "number") for share in shares]
    rows = [
        [name, number(one.get("bias")), *(number((one.get("quantiles") or {}).get(share)) for share in shares)]
        for name, one in content.items()
    ]
    return table(f"Prediction less truth on the {words} split: its mean and quantiles", columns, rows)


def _ranges(name: str, content: dict[str, Any], words: str) -> Html:
    columns = [Column("true value", "name"), Column("pictures", "number")]
    columns += [Column("MAE", "number"), Column("mean of prediction less truth", "number")]
    rows = [
        [
            f"{shown(one.get('from'))} – {shown(one.get('to'))}",
            *(number(one.get(key)) for key in ("count", "mae", "bias")),
        ]
        for one in content.get("by_range") or []
    ]
    return table(f"{name}: the error by fifths of the true value, {words}", columns, rows)
