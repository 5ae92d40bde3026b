"""A confusion matrix of many classes as a picture: a map whose every row and column bears its class's name."""

from __future__ import annotations

import math

from striate.report.html import Html, join, shown, tag
from striate.report.judged import confused
from striate.report.tables import scroll

NAMED = 110
"""Rows that can bear a name at a size that can be read; of more, every second, third … does."""
CELL = 11
LEVELS = (0.02, 0.05, 0.1, 0.2, 0.35, 0.5, 0.75, 1.0)
"""Shares of a row up to which a cell has one shade."""
_LETTER = 5.6  # pixels that a letter takes at the size of the names, about
_LONGEST = 22
_CORNER = 96  # pixels that the words in the corner take
_LEAST = 0.8  # of its own size, below which the map scrolls and shrinks no more


def matrix_map(
    names: list[str], matrix: list[list[int]], words: str, *, called: list[str] | None = None, what: str = "pictures"
) -> Html:
    """The map, in a box that scrolls where the screen is narrower, and the key to its shades.

    Args:
        names: what rows stand for.
        matrix: samples by true class (rows) and called class (columns).
        words: the split's name.
        called: what columns stand for; the names, where it is not said.
        what: is counted.
    """
    called, count = called or names, len(names)
    step = math.ceil(count / NAMED)
    side = max(2.0, round(CELL / step, 1))
    short, above = ([_short(name) for name in side] for side in (names, called))
    room = max(_CORNER, round(_LETTER * max(len(name) for name in short)) + 10)
    size = side * count
    width, height = room + size + 4, room + size + 4
    parts = [_marks(short, above, step, side, room, size), *_cells(matrix, side, room), _grid(count, side, room)]
    title = f"Confusion on the {words} split: {count} classes by {count}"
    svg = tag(
        "svg",
        tag("title", f"{title}. {_described(names, called, matrix, what)}"),
        *parts,
        class_="matrix",
        viewBox=f"0 0 {width:.0f} {height:.0f}",
        style=f"max-width:{width:.0f}px;min-width:{_LEAST * width:.0f}px",
        role="img",
    )
    return join([_key(), scroll(title, svg)])


def _short(name: str) -> str:
    return name if len(name) <= _LONGEST else name[: _LONGEST - 1] + "…"


def _described(names: list[str], called: list[str], matrix: list[list[int]], what: str) -> str:
    """What is seen, for those who do not see it."""
    right, total = sum(matrix[row][row] for row in range(len(names))), sum(map(sum, matrix))
    pairs = confused(names, matrix, called)
    said = f"{shown(right)} of {shown(total)} {what} lie on the diagonal, where both are the same"
    if pairs:
        most, true, taken, _ = pairs[0]
        said += f"; {shown(len(pairs))} cells off it hold the others, at most {shown(most)} ({true} called {taken})"
    return said + "."


def _marks(names: list[str], called: list[str], step: int, side: float, room: int, size: float) -> Html:
    """Names down the left, true classes, and along the top, called ones, with a hair line to their cells."""
    parts = []
    for place in range(0, len(names), step):
        middle = room + (place + 0.5) * side
        parts.append(tag("text", names[place], x=room - 4, y=f"{middle + 3.2:.1f}", text_anchor="end"))
        turn = f"rotate(-90 {middle + 3.2:.1f} {room - 4})"
        parts.append(tag("text", called[place], x=f"{middle + 3.2:.1f}", y=room - 4, transform=turn))
    parts.append(tag("text", "true ↓ called →", class_="corner", x=4, y=14))
    return join(parts)


def _grid(count: int, side: float, room: int) -> Html:
    """A line after every tenth class, to follow a row or a column by."""
    end = room + count * side
    lines = "".join(
        f"M{room} {room + place * side:.1f}H{end:.1f}M{room + place * side:.1f} {room}V{end:.1f}"
        for place in range(0, count + 1, 10)
    )
    return tag("path", class_="grid", d=lines)


def _cells(matrix: list[list[int]], side: float, room: int) -> list[Html]:
    """One path a shade, so that ten thousand cells are a page of text and not a thousand pages."""
    drawn: dict[tuple[str, int], list[str]] = {}
    for row, counts in enumerate(matrix):
        total = sum(counts)
        for column, count in enumerate(counts):
            if count:
                kind = "right" if row == column else "wrong"
                level = next(place for place, most in enumerate(LEVELS) if count / total <= most + 1e-9)
                cell = f"M{room + column * side:.1f} {room + row * side:.1f}h{side:.1f}v{side:.1f}h-{side:.1f}z"
                drawn.setdefault((kind, level), []).append(cell)
    return [
        tag("path", class_=kind, style=f"--shade:{_shade(level):.2f}", d="".join(cells))
        for (kind, level), cells in sorted(drawn.items())
    ]


def _shade(level: int) -> float:
    """Of one in fifty still seen against the page: the square root, as in the table of few classes."""
    return float(LEVELS[level] ** 0.5)


def _key() -> Html:
    entries = []
    for kind, words in (("right", "right"), ("wrong", "wrong")):
        swatches = (
            tag("span", class_=f"swatch {kind}", style=f"--shade:{_shade(level):.2f}") for level in range(len(LEVELS))
        )
        entries.append(tag("li", words, ": ", *swatches))
    scale = f"from at most {LEVELS[0]:.0%} of the row to all of it".replace("%", " %")
    return tag("ul", *entries, tag("li", scale), class_="legend")
