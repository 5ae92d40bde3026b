"""Bars by class: a bar a class with its name while they are few, a skyline in order of size when many."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from striate.report.charts import ticks
from striate.report.html import Html, shown, tag

NAMED = 40
"""Classes above which bars stand side by side without names: the table below has them."""
WIDTH = 420


@dataclass(frozen=True)
class Part:
    """One colour of every bar.

    Args:
        name: shown in the legend.
        style: CSS class of its colour: "first", "second", "third" or "fourth".
    """

    name: str
    style: str


def bars(title: str, rows: Sequence[tuple[str, Sequence[int]]], parts: Sequence[Part]) -> Html:
    """Stacked bars, largest first.

    Args:
        title: what the chart shows; its heading and its accessible name.
        rows: a class's name and its counts, one of each part.
    """
    ordered = sorted(rows, key=lambda row: (-sum(row[1]), row[0]))
    largest = max((sum(counts) for _, counts in ordered), default=0)
    if not largest:
        return tag("figure", tag("figcaption", tag("h3", title)), tag("p", "Nothing is in them."), class_="card")
    keys = (tag("li", tag("span", class_=f"swatch {part.style}"), part.name) for part in parts)
    legend = tag("ul", *keys, class_="legend") if len(parts) > 1 else None
    if len(ordered) <= NAMED:
        return _card(title, legend, _named(ordered, parts, largest), "wide")
    height, drawn = _skyline(ordered, parts, largest)
    name = tag("title", f"{title}. {_described(ordered)}")
    return _card(title, legend, tag("svg", name, *drawn, class_="chart bars", viewBox=f"0 0 {WIDTH} {height}",
                                    role="img"), "sky")  # fmt: skip


def _card(title: str, legend: Html | None, body: Html, kind: str) -> Html:
    return tag("figure", tag("figcaption", tag("h3", title), legend), body, class_=f"card {kind}")


def _described(ordered: Sequence[tuple[str, Sequence[int]]]) -> str:
    (most, high), (least, low) = ordered[0], ordered[-1]
    ends = f"{most} has most, {shown(sum(high))}, and {least} fewest, {shown(sum(low))}"
    return f"{shown(len(ordered))} classes; {ends}."


def _named(ordered: Sequence[tuple[str, Sequence[int]]], parts: Sequence[Part], largest: int) -> Html:
    """A list, whose names and counts keep their size on a phone; each bar only repeats its row's count."""
    rows = []
    for name, counts in ordered:
        pieces = (
            tag("span", class_=part.style, style=f"width:{100 * count / largest:.2f}%")
            for part, count in zip(parts, counts, strict=True)
            if count
        )
        told = ", ".join(f"{shown(count)} {part.name}" for part, count in zip(parts, counts, strict=True))
        bar = tag("span", *pieces, class_="stack", aria_hidden="true")
        rows.append(tag("li", tag("span", name, class_="name"), bar, tag("span", shown(sum(counts))), title=told))
    return tag("ol", *rows, class_="bars")


def _skyline(
    ordered: Sequence[tuple[str, Sequence[int]]], parts: Sequence[Part], largest: int
) -> tuple[int, list[Html]]:
    left, top, tall = 44, 12, 160
    wide = (WIDTH - left - 6) / len(ordered)
    drawn = []
    for value in ticks(0, largest, 4):
        y = f"{top + tall * (1 - value / largest):.1f}"
        drawn.append(tag("line", class_="grid", x1=left, x2=WIDTH, y1=y, y2=y))
        drawn.append(tag("text", shown(round(value)), x=left - 6, y=f"{float(y) + 4:.1f}", text_anchor="end"))
    for place, (_, counts) in enumerate(ordered):
        y_end = float(top + tall)
        for part, count in zip(parts, counts, strict=True):
            height = tall * count / largest
            y_end -= height
            if count:
                x, across = left + place * wide, max(0.5, wide - 1)
                drawn.append(
                    tag("rect", class_=part.style, x=f"{x:.1f}", y=f"{y_end:.1f}", width=f"{across:.1f}",
                        height=f"{height:.1f}")
                )  # fmt: skip
    bottom = top + tall
    drawn.append(tag("line", class_="axis", x1=left, x2=WIDTH, y1=bottom, y2=bottom))
    words = f"{shown(len(ordered))} classes by size, from {ordered[0][0]} to {ordered[-1][0]}"
    drawn.append(tag("text", words, class_="note", x=left, y=bottom + 18))
    return bottom + 26, drawn
