"""Things that are looked for: the best, median and worst pictures, every threshold, and mistakes by kind."""

from __future__ import annotations

from typing import Any

from striate.report.charts import Line, square_chart
from striate.report.facts import Facts
from striate.report.html import Html, join, number, prose, shown, tag
from striate.report.sections.masks import worst_pictures
from striate.report.sections.pictures import gallery
from striate.report.tables import Column, share_bar, table

STYLES = ("second", "first", "third", "fourth", "fifth", "sixth")
"""Lines that one chart can tell apart; of more classes the best and the weakest are told."""
_KEYS = (
    ("#56b4e9", "rightly found; its truth is dashed"),
    ("#f0e442", "missed, dashed"),
    ("#d55e00", "invented"),
    ("#000000", "found as another class than the dashed truth"),
    ("#e0e0e0", "difficult, or a crowd: not judged"),
)
_KINDS = {
    "place": ("wrong place", "a thing of its class is there, but the two overlap by less than one half"),
    "class": ("wrong class", "a thing of another class is there, found besides or not"),
    "duplicate": ("found twice", "a surer box has found the thing already"),
    "background": ("background", "nothing is there"),
    "both": ("class and place", "near a thing, and wrong in both"),
    "missed": ("missed", "no box is about the thing"),
}


def boxes(facts: Facts) -> Html | None:
    """What was found in some pictures, what of it is right, and the pictures with the lowest scores."""
    drawn = gallery(facts, "boxes", "gallery pairs")
    if facts.task != "detect" or drawn is None:
        return None
    note = (
        "Left: what is held to be there, with class and score. Right: over the picture in grey, found boxes whole and "
        "true ones dashed:"
    )
    keys = (tag("li", tag("span", class_="key cased", style=f"border-color:{one}"), words) for one, words in _KEYS)
    parts = (tag("p", note, class_="note"), tag("ul", *keys, class_="legend"), drawn, worst_pictures(facts))
    return join(part for part in parts if part is not None)


def told(facts: Facts) -> tuple[str, dict[str, Any]] | None:
    """What `metrics.json` tells of boxes, and the name of the split in words; None where it tells nothing."""
    found = facts.metrics.get("boxes")
    if isinstance(found, dict):
        for key, words in (("test", "test"), ("val", "validation")):
            if isinstance(found.get(key), dict):
                return words, found[key]
    return None


# Every threshold


def box_ranking(facts: Facts) -> Html | None:
    """Recall and precision of each class at every score, and where its threshold lies."""
    found = told(facts)
    curves = found[1].get("curves") if found is not None else None
    if found is None or not isinstance(curves, dict) or not curves:
        return None
    words = found[0]
    note = (
        "From the surest box of a class down to the least sure: how many of its things are found, and how many of the "
        "boxes are right, at an overlap of one half. A dot is where the class's threshold lies: what is less sure is "
        "not shown."
    )
    chart = _chart({name: one for name, one in curves.items() if isinstance(one, dict)}, words)
    parts = [tag("p", note, class_="note"), tag("div", chart, class_="grid one"), _thresholds(facts, curves, words)]
    return join(parts)


def _chart(curves: dict[str, dict[str, Any]], words: str) -> Html:
    areas = {name: one["area"] for name, one in curves.items() if isinstance(one.get("area"), int | float)}
    order = sorted(areas, key=lambda name: (-areas[name], name))
    lines: list[Line] = []
    if len(order) <= len(STYLES):
        for name, style in zip(order, STYLES, strict=False):
            lines += _lines(name, curves[name], style)
    else:
        lines += [line for name in order[1:-1] for line in _lines("each class", curves[name], "faint")[:1]]
        for name, style, which in ((order[0], "second", "best"), (order[-1], "first", "weakest")):
            lines += _lines(f"{which}: {name}", curves[name], style)
    described = "Average precision " + ", ".join(f"{name} {shown(areas[name])}" for name in order[:12])
    return square_chart(f"Precision and recall, {words}", lines, described, x_name="recall", y_name="precision")


def _lines(name: str, curve: dict[str, Any], style: str) -> list[Line]:
    """A class's line, and the dot of its threshold."""
    points = [(float(x), float(y)) for x, y in curve.get("points") or []]
    held = curve.get("held") or []
    dot = [(float(held[0]), float(held[1]))] if len(held) == 2 and None not in held else []
    return [Line(name, points, style), *([Line(name, dot, style)] if dot else [])]


def _thresholds(facts: Facts, curves: dict[str, Any], words: str) -> Html:
    found = facts.metrics.get("thresholds")
    found = found if isinstance(found, dict) else {}
    values = found.get("values") or {}
    rows = []
    for name, curve in curves.items():
        recall, precision = (curve.get("held") or [None, None])[:2]
        rows.append([name, number(values.get(name, 0.5)), number(recall), number(precision), number(curve.get("area"))])
    columns = [Column("class", "name"), Column("shown from a score of", "number"), Column("recall", "number"),
               Column("precision", "number"), Column("average precision", "number")]  # fmt: skip
    said = tag("p", prose(str(found["because"])), ".") if found.get("because") else None
    caption = f"Thresholds by class, and what they give on the {words} split"
    return join([tag("h3", "Thresholds"), said, table(caption, columns, rows, sortable=True, tall=len(rows) > 16)])


# Mistakes by kind


def kinds(facts: Facts) -> Html | None:
    """How many mistakes are of each kind, and what average precision would gain without it."""
    errors = errors_of(facts)
    if errors is None:
        return None
    words, counts, costs = errors
    note = (
        "The cost of a kind is what the mean average precision at an overlap of one half would gain if it alone was "
        "mended (Bolya et al. 2020, “TIDE”), over all boxes, however unsure; costs do not add up. Counts are of what "
        "is shown from the thresholds on."
    )
    known = [value for value in costs.values() if isinstance(value, int | float)]
    most = max((value for value in known if value > 0), default=0.0)
    rows = []
    for kind in sorted(_KINDS, key=lambda kind: (-(costs.get(kind) or 0.0), list(_KINDS).index(kind))):
        name, meaning = _KINDS[kind]
        cost = costs.get(kind)
        bar = share_bar(cost / most) if isinstance(cost, int | float) and most else None
        rows.append([name, number(counts.get(kind)), join([number(cost), bar], " "), meaning])
    columns = [Column("mistake", "name"), Column("number", "number"), Column("cost in mAP50", "number"),
               Column("what it is", "about")]  # fmt: skip
    caption = f"Mistakes by kind on the {words} split, the costliest first"
    return join([tag("p", note, class_="note"), table(caption, columns, rows)])


def errors_of(facts: Facts) -> tuple[str, dict[str, Any], dict[str, Any]] | None:
    """The split in words, the number of mistakes by kind, and what each costs; None where it is not told."""
    found = told(facts)
    errors = found[1].get("errors") if found is not None else None
    if found is None or not isinstance(errors, dict):
        return None
    return found[0], errors.get("counts") or {}, errors.get("costs") or {}


def kind_in_words(kind: str) -> str:
    """A kind of mistake, and what it is.

    >>> kind_in_words("missed")
    'missed: no box is about the thing'
    """
    return ": ".join(_KINDS[kind])
