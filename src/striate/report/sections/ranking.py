"""Every threshold at once: ROC and precision-recall curves, and the areas below them, class by class."""

from __future__ import annotations

from typing import Any

from striate.report.charts import Line, square_chart
from striate.report.facts import Facts
from striate.report.html import Html, join, number, shown, tag
from striate.report.sections.boxes import box_ranking
from striate.report.tables import Column, table

_CHARTS = (
    ("roc", "ROC", "share of others called it", "share of its own found", True),
    ("precision_recall", "Precision and recall", "recall", "precision", False),
)


def ranking(facts: Facts) -> Html | None:
    """The curves of the test split, or of validation where there is no test; nothing of what has no classes."""
    if facts.task == "detect":
        return box_ranking(facts)
    found = drawn_split(facts)
    if found is None:
        return None
    words, content = found
    charts = [
        _chart(content[key], f"{title}, {words}", x_name, y_name, diagonal)
        for key, title, x_name, y_name, diagonal in _CHARTS
        if isinstance(content.get(key), dict)
    ]
    note = "Each class against the rest, over all thresholds. A guess has half of the first area, and of the second "
    note += "the share of pictures of the class."
    return join([tag("p", note, class_="note"), tag("div", *charts, class_="grid"), _table(content, words)])


def drawn_split(facts: Facts) -> tuple[str, dict[str, Any]] | None:
    """The curves in `metrics.json`, and the name of their split in words; None where there are none."""
    found = facts.metrics.get("curves")
    if isinstance(found, dict):
        for key, words in (("test", "test"), ("val", "validation")):
            if isinstance(found.get(key), dict):
                return words, found[key]
    return None


def points_of(curve: Any) -> list[tuple[float, float | None]]:
    """The points of a curve in `metrics.json`; those that are none are left out."""
    points = curve.get("points") if isinstance(curve, dict) else None
    return [
        (float(one[0]), float(one[1]))
        for one in points or []
        if isinstance(one, list) and len(one) == 2 and all(isinstance(value, int | float) for value in one)
    ]


def _chart(content: dict[str, Any], title: str, x_name: str, y_name: str, diagonal: bool) -> Html:
    classes = content.get("classes") or {}
    known = {name: one["area"] for name, one in classes.items() if isinstance(one.get("area"), int | float)}
    weakest = min(known, key=lambda name: known[name], default=None)
    others = "each class" if len(known) > 1 else "the class"
    lines = [Line(others, points_of(classes[name]), "faint") for name in known if name != weakest]
    if weakest is not None:
        lines.append(Line(f"weakest: {weakest}", points_of(classes[weakest]), "first"))
    lines.append(Line("all at once", points_of(content.get("micro")), "second"))
    areas = {"all at once": (content.get("micro") or {}).get("area"), **known}
    described = "Area " + ", ".join(f"{name} {shown(area)}" for name, area in list(areas.items())[:12])
    return square_chart(title, lines, described, x_name=x_name, y_name=y_name, diagonal=diagonal)


def _table(content: dict[str, Any], words: str) -> Html:
    parts = [content.get(key) or {} for key, *_ in _CHARTS]
    names = list(dict.fromkeys(name for part in parts for name in part.get("classes") or {}))
    rows = [
        [name, *(number(((part.get("classes") or {}).get(name) or {}).get("area")) for part in parts)] for name in names
    ]
    rows.append(["all at once", *(number((part.get("micro") or {}).get("area")) for part in parts)])
    columns = [Column("class", "name"), Column("ROC area", "number"), Column("average precision", "number")]
    caption = f"Areas below the curves on the {words} split"
    return table(caption, columns, rows, sortable=True, tall=len(rows) > 16)
