"""Several Runs side by side on one page: scores on one axis, curves in one chart, and what differs between them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from striate.core.events import duration
from striate.core.plan import Decision
from striate.core.wording import plural
from striate.report.charts import Line, interval_bar, line_chart, ticks
from striate.report.facts import Facts
from striate.report.html import Html, join, label, number, shown, tag
from striate.report.judged import Judged, judged
from striate.report.page import document, section_of
from striate.report.tables import Column, badge, missing, table

STYLES = ("second", "first", "third", "fourth", "fifth", "sixth")
"""Colours with dashes of their own: what one chart can tell apart."""
_COSTS = ("epochs", "best_epoch", "samples_per_second", "parameters", "macs")


@dataclass(frozen=True)
class Seen:
    """One Run of the page.

    Args:
        name: what sets it apart from the others.
        found: the split that it is judged by; None where it has no scores.
        link: where its own report is, seen from the page; None where it has none there.
    """

    name: str
    facts: Facts
    found: Judged | None
    link: str | None


def beside(runs: Sequence[Facts], links: Sequence[str | None]) -> str:
    """The page.

    Args:
        runs: two or more, in the order in which they are shown.
        links: where the report of each is, seen from the page.
    """
    names = [one.name for one in runs]
    distinct = names if len(set(names)) == len(names) else [str(one.path) for one in runs]
    seen = [Seen(name, facts, judged(facts), link) for name, facts, link in zip(distinct, runs, links, strict=True)]
    parts = [(name, title, body) for name, title, section in SECTIONS if (body := section(seen)) is not None]
    top = tag("header", tag("div", tag("p", "striate · Runs side by side", class_="brand"),
                            tag("h1", f"{len(seen)} Runs side by side")), class_="top")  # fmt: skip
    foot = tag("footer", tag("p", "Written by striate from the files of these Runs. This page loads nothing."))
    return document(
        f"{len(seen)} Runs · striate",
        top,
        [(name, title) for name, title, _ in parts],
        [section_of(name, title, body) for name, title, body in parts],
        foot,
    )


def metric(seen: Sequence[Seen]) -> str | None:
    """A headline that every judged Run has a figure of, to hold them beside each other by; None where there is none."""
    judged_ = [one for one in seen if one.found is not None]
    for name in dict.fromkeys(one.facts.headline for one in judged_):
        if name and all(one.found is not None and one.found.value(name) is not None for one in judged_):
            return name
    return None


def _scores(seen: Sequence[Seen]) -> Html:
    """Each Run's score and interval on one axis, after what speaks against comparing them."""
    name = metric(seen)
    warnings = [missing(text) for text in incomparable(seen)]
    if name is None:
        return join([*warnings, missing("These Runs share no metric, so that their scores cannot share an axis.")])
    ends: list[float] = []
    for one in seen:
        if one.found is not None:
            ends += [one.found.value(name) or 0.0, *(one.found.bounds(name) or ())]
    room = (max(ends) - min(ends)) * 0.1 or abs(max(ends)) * 0.1 or 1.0
    low, high = min(ends) - room, max(ends) + room
    rows = [_row(one, name, low, high) for one in seen]
    axis = tag("div", *(_tick(value, low, high) for value in ticks(low, high, 4)), class_="axis", aria_hidden="true")
    note = (
        "Each bar is a 95 % interval. Where two overlap widely, chance may have set their order; where the pictures "
        "are the same, a paired comparison tells more than the intervals do."
    )
    heading = tag("figcaption", tag("h3", f"{label(name)} on one axis"))
    figure = tag("figure", heading, tag("ol", *rows, class_="race"), axis, class_="card")
    return join([*warnings, figure, tag("p", note, class_="note")])


def _row(one: Seen, name: str, low: float, high: float) -> Html:
    who = tag("a", one.name, href=one.link) if one.link is not None else join([one.name])
    value = one.found.value(name) if one.found is not None else None
    if one.found is None or value is None:
        return tag("li", tag("span", who, class_="name"), tag("span", "no score", class_="note"))
    bounds = one.found.bounds(name) or (value, value)
    split = f" on {shown(one.found.count)} {one.found.words} pictures" if one.found.count is not None else ""
    figures = [tag("b", number(one.found.scores[name])), f" ({shown(bounds[0])} to {shown(bounds[1])}){split}"]
    return tag(
        "li",
        tag("span", who, class_="name"),
        interval_bar(value, *bounds, low, high),
        tag("span", *figures, class_="note"),
    )


def _tick(value: float, low: float, high: float) -> Html:
    return tag("span", f"{value:g}", style=f"left:{100 * (value - low) / (high - low):.1f}%")


def incomparable(seen: Sequence[Seen]) -> list[str]:
    """Why the scores are not of the same thing, in sentences; empty where they are."""
    told = []
    tasks = {one.facts.task for one in seen if one.facts.task}
    if len(tasks) > 1:
        told.append(f"The tasks differ ({', '.join(sorted(tasks))}): the scores are not comparable.")
    prints = {str(one.facts.audit["fingerprint"]) for one in seen if one.facts.audit.get("fingerprint")}
    if len(prints) > 1:
        told.append(
            f"The data differ: {plural(len(prints), 'fingerprint', 'fingerprints')} among {len(seen)} Runs. "
            "The scores are of other pictures, and not comparable."
        )
    unknown = [one.name for one in seen if not one.facts.audit.get("fingerprint")]
    if unknown:
        told.append(
            f"Of {', '.join(unknown)} the data is not recorded: whether the scores are comparable is not known."
        )
    splits = {one.found.words for one in seen if one.found is not None}
    if len(splits) > 1:
        told.append("Some are judged by a test and some by validation, which also chose their epochs: not comparable.")
    held = {
        frozenset(row.get("key", "") for row in one.facts.split if row.get("split") == one.found.key)
        for one in seen
        if one.found is not None and one.facts.split
    }
    if len(held) > 1 and len(prints) == 1 and len(splits) == 1:
        told.append(
            "The data is the same but divided otherwise: the scores are of other pictures, and differ by luck too."
        )
    return told


def _curves(seen: Sequence[Seen]) -> Html | None:
    """Validation and training loss of every Run over the epochs."""
    with_history = [one for one in seen if one.facts.history]
    name = metric(seen)
    if not with_history:
        return None
    drawn = with_history[: len(STYLES)]
    charts = []
    if name is not None:
        lines = [Line(one.name, _points(one, "val", name), style) for one, style in zip(drawn, STYLES, strict=False)]
        if any(y is not None for line in lines for _, y in line.points):
            charts.append(line_chart(f"Validation {label(name)}", lines, x_name="epoch"))
    lines = [Line(one.name, _points(one, "train_loss"), style) for one, style in zip(drawn, STYLES, strict=False)]
    charts.append(line_chart("Training loss", lines, x_name="epoch"))
    left = len(with_history) - len(drawn)
    note = tag("p", f"The first {len(drawn)} are drawn; {left} more would not be told apart.", class_="note")
    return join([tag("div", *charts, class_="grid"), note if left else None])


def _points(one: Seen, *keys: str) -> list[tuple[float, float | None]]:
    points = []
    for place, row in enumerate(one.facts.history, 1):
        value: Any = row
        for key in keys:
            value = value.get(key) if isinstance(value, dict) else None
        epoch = row.get("epoch", place)
        points.append((float(epoch), float(value) if isinstance(value, int | float) else None))
    return points


def _costs(seen: Sequence[Seen]) -> Html:
    """What each training cost."""
    rows: list[list[object]] = []
    for one in seen:
        training = one.facts.metrics.get("training")
        training = training if isinstance(training, dict) else {}
        seconds = training.get("seconds")
        time = tag("data", duration(seconds), value=repr(seconds)) if isinstance(seconds, int | float) else number(None)
        rows.append([one.name, time, *(number(training.get(name)) for name in _COSTS)])
    columns = [Column("Run", "name"), Column("time", "number")]
    columns += [Column(label(name), "number") for name in _COSTS]
    return table("What each training cost", columns, rows, sortable=True)


def _decisions(seen: Sequence[Seen]) -> Html:
    """Every leaf of the plan on which the Runs differ, the users' own marked."""
    keys = list(dict.fromkeys(key for one in seen for key in one.facts.decisions))
    rows: list[list[object]] = []
    for key in keys:
        found = [one.facts.decisions.get(key) for one in seen]
        if len({_said(decision) for decision in found}) > 1:
            rows.append([tag("code", key), *(_leaf(decision) for decision in found)])
    if not rows:
        return tag("p", f"All {len(keys)} decisions are the same.")
    columns = [Column("setting", "name"), *(Column(one.name, "value") for one in seen)]
    note = f"{plural(len(rows), 'decision', 'decisions')} of {len(keys)} differ; each Run's report has the becauses."
    return join([tag("p", note, class_="note"), table("Decisions that differ", columns, rows)])


def _said(decision: Decision | None) -> str:
    return "absent" if decision is None else f"={decision.value!r}"


def _leaf(decision: Decision | None) -> Html:
    if decision is None:
        return tag("span", "not decided", class_="note")
    value = decision.value
    text = "none" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
    return join([tag("code", text), badge("yours", "user") if decision.by == "user" else None], " ")


def _places(seen: Sequence[Seen]) -> Html:
    """Data, versions and machines: alike or not."""
    facts: list[tuple[str, Callable[[Facts], Any]]] = [
        ("data fingerprint", lambda one: one.audit.get("fingerprint")),
        ("samples", lambda one: one.audit.get("samples")),
        ("processor", lambda one: _inside(one.environment, "machine").get("processor")),
        ("cores", lambda one: _inside(one.environment, "machine").get("cores")),
        *((f"version of {name}", _version(name)) for name in ("striate", "torch", "python")),
    ]
    rows: list[list[object]] = []
    for words, read in facts:
        values = ["–" if (value := read(one.facts)) is None else str(value) for one in seen]
        alike = badge("same", "fine") if len(set(values)) == 1 else badge("differs", "careful")
        rows.append([words, alike, *(tag("code", value) for value in values)])
    rows.append(["folder", "", *(tag("code", str(one.facts.path)) for one in seen)])
    columns = [Column("what", "name"), Column("alike"), *(Column(one.name, "value") for one in seen)]
    return table("Data, versions and machines", columns, rows)


def _version(name: str) -> Callable[[Facts], Any]:
    return lambda one: _inside(one.environment, "versions").get(name)


def _inside(content: dict[str, Any], name: str) -> dict[str, Any]:
    found = content.get(name)
    return found if isinstance(found, dict) else {}


SECTIONS: tuple[tuple[str, str, Callable[[Sequence[Seen]], Html | None]], ...] = (
    ("scores", "Scores", _scores),
    ("curves", "Curves", _curves),
    ("costs", "Cost", _costs),
    ("decisions", "What was decided otherwise", _decisions),
    ("places", "Data and machines", _places),
)
"""The id, the heading and the function of each section, in their order."""
