"""How sure predictions are and how right: reliability, calibration, and what is still possible where unsure."""

from __future__ import annotations

from typing import Any

from striate.report.charts import Line, square_chart
from striate.report.facts import Facts
from striate.report.html import Html, join, label, number, prose, shown, tag
from striate.report.judged import interval_bounds
from striate.report.sections.ranking import drawn_split
from striate.report.tables import Column, table

_SPLITS = (("test", "test"), ("val", "validation"))


def calibration(facts: Facts) -> Html | None:
    """The reliability chart, what calibration was worth, thresholds of labels, and the sets; None without any, and
    of boxes, whose thresholds stand beside their curves."""
    if facts.task == "detect":
        return None
    parts = [_reliability(facts), _worth(facts), _thresholds(facts), _possible(facts)]
    known = [part for part in parts if part is not None]
    return join(known) if known else None


def _reliability(facts: Facts) -> Html | None:
    found = drawn_split(facts)
    if found is None:
        return None
    words, content = found
    lines = [
        Line(name, _bins(content.get(key)), style)
        for key, name, style in (
            ("reliability_before", "before calibration", "first"),
            ("reliability", "as predicted", "second"),
        )
    ]
    described = "; ".join(
        f"{line.name}: " + ", ".join(f"sure {shown(x)} right {shown(y)}" for x, y in line.points)
        for line in lines
        if line.points
    )
    described = f"On the dashed line confidence is how often it is right. {described}"
    title = f"How often what is so sure is right, {words}"
    chart = square_chart(title, lines, described, x_name="confidence", y_name="share that is right", diagonal=True)
    note = "Below the dashed line predictions are surer than they are right, above it less sure."
    columns = [
        Column("confidence", "name"),
        Column("number", "number"),
        Column("mean", "number"),
        Column("right", "number"),
    ]
    rows = [
        [
            f"{shown(one.get('from'))} – {shown(one.get('to'))}",
            *(number(one.get(key)) for key in ("count", "confidence", "right")),
        ]
        for one in content.get("reliability") or []
        if isinstance(one, dict)
    ]
    bins = tag("details", tag("summary", "The bins as a table"), table(f"Confidence and truth, {words}", columns, rows))
    return join([tag("div", chart, class_="grid one"), tag("p", note, class_="note"), bins])


def _bins(content: Any) -> list[tuple[float, float | None]]:
    return [(float(one["confidence"]), float(one["right"])) for one in content or [] if isinstance(one, dict)]


def _worth(facts: Facts) -> Html | None:
    found = _object(facts.metrics.get("calibration"))
    if not found:
        return None
    value = found.get("temperature")
    words = [
        f"Outputs are divided by a temperature of {shown(value)}" if value else "Probabilities are left as they are"
    ]
    said = tag("p", *words, ": ", prose(str(found.get("because"))), ".")
    before, after = _object(found.get("before")), _object(found.get("after"))
    if not before:
        return said
    columns = [Column("metric", "name")]
    columns += [
        Column(f"{words} {when}", "number") for key, words in _SPLITS if key in before for when in ("before", "after")
    ]
    splits = [key for key, _ in _SPLITS if key in before]
    rows = [
        [label(name), *(number(_object(when.get(key)).get(name)) for key in splits for when in (before, after))]
        for name in _object(before[splits[0]])
    ]
    return join([said, table("Probabilities before and after calibration, lower is better", columns, rows)])


def _thresholds(facts: Facts) -> Html | None:
    found = _object(facts.metrics.get("thresholds"))
    values = _object(found.get("values"))
    if not values:
        return None
    rows = [[name, number(value)] for name, value in values.items()]
    columns = [Column("label", "name"), Column("held present from", "number")]
    said = tag("p", prose(str(found.get("because"))), ".")
    return join([tag("h3", "Thresholds"), said, table("Thresholds of the labels", columns, rows, tall=len(rows) > 16)])


def _possible(facts: Facts) -> Html | None:
    found = _object(facts.metrics.get("possible"))
    if not found:
        return None
    heading = tag("h3", "What is still possible")
    if found.get("bounds") is None:
        return join([heading, tag("p", "This is not said: ", prose(str(found.get("because"))), ".")])
    each = "of each class " if found.get("by_class") else ""
    what = "the labels of new pictures" if facts.task == "multilabel" else "new pictures"
    words = f"Predictions hold possible what covers {shown(found.get('wanted'))} of {what} {each}by "
    said = tag("p", words, prose(str(found.get("because"))), ".")
    splits = [(key, name) for key, name in _SPLITS if isinstance(found.get(key), dict)]
    if facts.task == "regress":
        return join([heading, said, _values(found, splits)])
    names = {
        "coverage": "truth among what is held possible",
        "size": "classes held possible, in the mean",
        "single": "answered: one class alone",
        "accuracy_of_single": "of these, right",
        "empty": "no class likely enough",
    }
    if facts.task == "multilabel":
        names = {
            "coverage": "of a picture's labels, among what is held possible",
            "complete": "pictures with all of theirs among it",
            "size": "labels held possible, in the mean",
            "more": "of these, not held present",
        }
    rows = [[text, *(_cell(found[key], name) for key, _ in splits)] for name, text in names.items()]
    columns = [Column("what", "name"), *(Column(name, "number") for _, name in splits)]
    return join([heading, said, table("How the sets hold, with 95 % intervals", columns, rows)])


def _values(found: dict[str, Any], splits: list[tuple[str, str]]) -> Html:
    names = list(dict.fromkeys(name for key, _ in splits for name in found[key]))
    rows = [
        [
            name,
            number(_object(found.get("bounds")).get(name)),
            *(_cell(found[key].get(name), "coverage") for key, _ in splits),
        ]
        for name in names
    ]
    columns = [Column("value", "name"), Column("plus or minus", "number")]
    columns += [Column(f"covered, {name}", "number") for _, name in splits]
    return table("How the ranges hold, with 95 % intervals", columns, rows)


def _cell(content: Any, name: str) -> Html:
    content = _object(content)
    bounds = interval_bounds(content.get(f"{name}_interval"))
    spread = None if bounds is None else tag("small", number(bounds[0]), " – ", number(bounds[1]))
    return join([number(content.get(name)), spread], " ")


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
