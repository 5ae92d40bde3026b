"""Charts as inline SVG: colours come from the page's CSS variables, so they follow light, dark and print."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from striate.report.html import Html, join, shown, tag

WIDTH, HEIGHT = 420, 250
LEFT, RIGHT, TOP, BOTTOM = 52, 14, 14, 34


@dataclass(frozen=True)
class Line:
    """One line of a chart.

    Args:
        name: shown in the legend.
        points: (x, y); y is None where there is no value, which breaks the line.
        style: CSS class: "first", "second" or "third"; each has a colour and a dash of its own.
    """

    name: str
    points: Sequence[tuple[float, float | None]]
    style: str


def ticks(low: float, high: float, count: int = 5) -> list[float]:
    """About `count` round numbers that lie within [low, high] (Heckbert, "Nice numbers for graph labels", 1990).

    >>> ticks(0, 1), ticks(3, 3)
    ([0.0, 0.2, 0.4, 0.6, 0.8, 1.0], [3])
    """
    if not high > low:
        return [low]
    raw = (high - low) / count
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= raw * 0.999)
    digits = max(0, -math.floor(math.log10(step)) + 1)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [round(index * step, digits) for index in range(first, last + 1)]


def line_chart(
    title: str, lines: Sequence[Line], *, x_name: str, mark: tuple[float, str] | None = None, powers: bool = False
) -> Html:
    """Lines over a shared axis.

    Args:
        title: what the chart shows; its heading and its accessible name.
        mark: an x to mark with a dashed rule, and what it is, for the legend.
        powers: whether each x is a power of ten, by its exponent.
    """
    values = [(x, y) for line in lines for x, y in line.points if y is not None]
    if not values:
        return _figure(title, tag("p", "Nothing was recorded.", class_="missing"), None)
    x_low, x_high = min(x for x, _ in values), max(x for x, _ in values)
    y_low, y_high = _padded([y for _, y in values])
    frame = _Frame(x_low, x_high, y_low, y_high)
    parts = [_axes(frame, x_name, whole=True, powers=powers)]
    marked = mark is not None and x_low <= mark[0] <= x_high
    if mark is not None and marked:
        x = _n(frame.x(mark[0]))
        parts.append(tag("line", class_="mark", x1=x, x2=x, y1=TOP, y2=HEIGHT - BOTTOM))
    for line in lines:
        for stretch in _stretches(line.points):
            placed = [(frame.x(x), frame.y(y)) for x, y in stretch]
            if len(placed) == 1:
                parts.append(tag("circle", class_=line.style, cx=_n(placed[0][0]), cy=_n(placed[0][1]), r=3.5))
            else:
                path = "M" + "L".join(f"{_n(x)} {_n(y)}" for x, y in placed)
                parts.append(tag("path", class_=f"line {line.style}", d=path))
    described = "; ".join(
        f"{line.name}: from {shown(drawn[0])} to {shown(drawn[-1])}, lowest {shown(min(drawn))}, "
        f"highest {shown(max(drawn))}"
        for line in lines
        if (drawn := [y for _, y in line.points if y is not None])
    )
    entries = [(line.style, line.name) for line in lines] if len(lines) > 1 else []
    if mark is not None and marked:
        entries.append(("rule", mark[1]))
    keys = (tag("li", tag("span", class_=f"key {style}"), name) for style, name in entries)
    legend = tag("ul", *keys, class_="legend") if entries else None
    return _figure(title, _svg(title, described, parts), legend)


def scatter(title: str, points: Sequence[tuple[float, float]], *, x_name: str, y_name: str) -> Html:
    """Points on equal axes with the line where both agree."""
    if not points:
        return _figure(title, tag("p", "Nothing was recorded.", class_="missing"), None)
    low, high = _padded([value for point in points for value in point])
    frame = _Frame(low, high, low, high, height=WIDTH)
    parts = [_axes(frame, x_name, y_name=y_name)]
    parts.append(
        tag(
            "line",
            class_="mark",
            x1=_n(frame.x(low)),
            y1=_n(frame.y(low)),
            x2=_n(frame.x(high)),
            y2=_n(frame.y(high)),
        )
    )
    parts += [tag("circle", class_="point", cx=_n(frame.x(x)), cy=_n(frame.y(y)), r=3) for x, y in points]
    described = f"{len(points)} points; on the dashed line {y_name} equals {x_name}"
    return _figure(title, _svg(title, described, parts, height=WIDTH), None)


def residual_chart(title: str, points: Sequence[tuple[float, float]], *, x_name: str, y_name: str) -> Html:
    """Points above and below the line where y is 0."""
    if not points:
        return _figure(title, tag("p", "Nothing was recorded.", class_="missing"), None)
    x_low, x_high = _padded([x for x, _ in points])
    y_low, y_high = _padded([0.0, *(y for _, y in points)])
    frame = _Frame(x_low, x_high, min(y_low, 0.0), y_high)
    level = _n(frame.y(0.0))
    parts = [_axes(frame, x_name, y_name=y_name)]
    parts.append(tag("line", class_="mark", x1=LEFT, x2=WIDTH - RIGHT, y1=level, y2=level))
    parts += [tag("circle", class_="point", cx=_n(frame.x(x)), cy=_n(frame.y(y)), r=3) for x, y in points]
    above = sum(y > 0 for _, y in points)
    described = f"{len(points)} points, {above} above the dashed line, where {y_name} is 0"
    return _figure(title, _svg(title, described, parts), None)


def square_chart(
    title: str, lines: Sequence[Line], described: str, *, x_name: str, y_name: str, diagonal: bool = False
) -> Html:
    """Lines of shares over shares, both axes from 0 to 1.

    Args:
        lines: those of the style "faint" share one entry of the legend, the name of the first.
        described: the text that stands for the picture.
        diagonal: whether to draw the line where both are equal.
    """
    drawn = [line for line in lines if line.points]
    if not drawn:
        return _figure(title, tag("p", "Nothing was recorded.", class_="missing"), None)
    frame = _Frame(0.0, 1.0, 0.0, 1.0, height=WIDTH - 60)
    parts = [_axes(frame, x_name, y_name=y_name)]
    if diagonal:
        ends = {"x1": frame.x(0), "y1": frame.y(0), "x2": frame.x(1), "y2": frame.y(1)}
        parts.append(tag("line", class_="mark", **{name: _n(value) for name, value in ends.items()}))
    for line in drawn:
        placed = [f"{_n(frame.x(x))} {_n(frame.y(y))}" for x, y in line.points if y is not None]
        parts.append(tag("path", class_=f"line {line.style}", d="M" + "L".join(placed)))
        if len(placed) == 1:
            parts.append(tag("circle", class_=line.style, cx=placed[0].split()[0], cy=placed[0].split()[1], r=3.5))
    names = {(line.style, line.style if line.style == "faint" else line.name): line.name for line in reversed(drawn)}
    entries = [(style, name) for (style, _), name in reversed(names.items())]
    keys = (tag("li", tag("span", class_=f"key {style}"), name) for style, name in entries)
    return _figure(title, _svg(title, described, parts, height=frame.height), tag("ul", *keys, class_="legend"))


def interval_bar(value: float, low: float, high: float, bottom: float, top: float) -> Html:
    """A value and its interval on a scale from `bottom` to `top`."""

    def place(number: float) -> str:
        return f"{100 * min(1.0, max(0.0, (number - bottom) / (top - bottom))):.2f}%"

    width = f"calc({place(high)} - {place(low)})"
    return tag(
        "div",
        tag("span", class_="range", style=f"left:{place(low)};width:max(3px,{width})"),
        tag("span", class_="dot", style=f"left:{place(value)}"),
        class_="interval",
        role="img",
        aria_label=f"{shown(value)}, interval {shown(low)} to {shown(high)}, on a scale from {bottom:g} to {top:g}",
    )


@dataclass(frozen=True)
class _Frame:
    x_low: float
    x_high: float
    y_low: float
    y_high: float
    height: int = HEIGHT

    def x(self, value: float) -> float:
        share = (value - self.x_low) / (self.x_high - self.x_low) if self.x_high > self.x_low else 0.5
        return LEFT + share * (WIDTH - LEFT - RIGHT)

    def y(self, value: float) -> float:
        share = (value - self.y_low) / (self.y_high - self.y_low)
        return self.height - BOTTOM - share * (self.height - TOP - BOTTOM)


def _axes(frame: _Frame, x_name: str, *, y_name: str | None = None, whole: bool = False, powers: bool = False) -> Html:
    bottom = frame.height - BOTTOM
    parts = []
    y_ticks = ticks(frame.y_low, frame.y_high)
    y_texts = _tick_texts(y_ticks)
    for value, text in zip(y_ticks, y_texts, strict=True):
        y = frame.y(value)
        parts.append(tag("line", class_="grid", x1=LEFT, x2=WIDTH - RIGHT, y1=_n(y), y2=_n(y)))
        parts.append(tag("text", text, x=LEFT - 6, y=_n(y + 4), text_anchor="end"))
    x_ticks = [value for value in ticks(frame.x_low, frame.x_high) if not whole or value == round(value)]
    x_texts = [f"{10.0**value:g}" for value in x_ticks] if powers else _tick_texts(x_ticks)
    for value, text in zip(x_ticks, x_texts, strict=True):
        x = frame.x(value)
        parts.append(tag("line", class_="tick", x1=_n(x), x2=_n(x), y1=bottom, y2=bottom + 4))
        parts.append(tag("text", text, x=_n(x), y=bottom + 17, text_anchor="middle"))
    parts.append(tag("line", class_="axis", x1=LEFT, x2=WIDTH - RIGHT, y1=bottom, y2=bottom))
    middle = (LEFT + WIDTH - RIGHT) / 2
    parts.append(tag("text", x_name, class_="note", x=_n(middle), y=frame.height - 3, text_anchor="middle"))
    if y_name is not None:
        height = (TOP + bottom) / 2
        place = f"rotate(-90 11 {_n(height)})"
        parts.append(tag("text", y_name, class_="note", x=11, y=_n(height), text_anchor="middle", transform=place))
    return join(parts)


def _tick_texts(values: Sequence[float]) -> list[str]:
    """All ticks of an axis with the same number of decimals, or all in powers of ten."""
    largest = max((abs(value) for value in values), default=0.0)
    if largest and (largest >= 1e5 or largest < 1e-3):
        return [f"{value:.1e}".replace("e-0", "e-").replace("e+0", "e") if value else "0" for value in values]
    digits = max((len(f"{value:.6f}".rstrip("0").split(".")[1]) for value in values), default=0)
    return [f"{value:.{digits}f}" for value in values]


def _padded(values: Sequence[float]) -> tuple[float, float]:
    low, high = min(values), max(values)
    room = (high - low) * 0.06 or abs(high) * 0.1 or 1.0
    return (low if 0 <= low < room else low - room), high + room


def _stretches(points: Sequence[tuple[float, float | None]]) -> list[list[tuple[float, float]]]:
    found: list[list[tuple[float, float]]] = [[]]
    for x, y in points:
        if y is None:
            found.append([])
        else:
            found[-1].append((x, y))
    return [stretch for stretch in found if stretch]


def _svg(title: str, described: str, parts: Sequence[Html], height: int = HEIGHT) -> Html:
    return tag(
        "svg",
        tag("title", f"{title}. {described}"),
        *parts,
        class_="chart",
        viewBox=f"0 0 {WIDTH} {height}",
        role="img",
    )


def _figure(title: str, body: Html, legend: Html | None) -> Html:
    return tag("figure", tag("figcaption", tag("h3", title), legend), body, class_="card")


def _n(value: float) -> str:
    return f"{value:.1f}"
