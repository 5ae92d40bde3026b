"""Bars of one shade at the edges, as letterboxed films, framed and padded pictures have them."""

from __future__ import annotations

import numpy as np

from striate.core.wording import plural
from striate.data.oddities import Examined, Oddity, oddity, worst


@oddity("bars", order=6)
def bars(examined: Examined) -> Oddity | None:
    """Two opposite edges have bars of one shade that end in a straight line; worse where one class has them."""
    covered = np.array([_covered(one.height, one.width, one.looks.bars) for one in examined.facts], np.float64)
    found = [int(number) for number in np.argsort(-covered, kind="stable") if covered[number] > 0]
    if not found:
        return None
    first = examined.facts[found[0]]
    sides = [
        f"{count} at the {name}"
        for name, count in zip(("top", "bottom", "left", "right"), first.looks.bars, strict=True)
        if count
    ]
    text = (
        f"{plural(len(found), 'picture has', 'pictures have')} bars of one shade at opposite edges, over "
        f"{np.median(covered[found]):.0%} of the picture in the median; the widest, of {first.width}×{first.height}, "
        f"has {', '.join(sides)}"
    )
    within = examined.concentrated(found)
    if within is not None:
        text += f"; {within[1]:.0%} of the class {within[0]} have them, {within[2]:.0%} of the others"
    return Oddity(
        "bars at the edges",
        text,
        len(found),
        worst(examined.keys(found)),
        "high" if within is not None else "medium" if len(found) > 0.1 * len(covered) else "low",
        "cut them off in copies, in all classes alike"
        + (": a network tells a class by its bars" if within is not None else ""),
    )


def _covered(height: int, width: int, found: tuple[int, int, int, int]) -> float:
    """The share of the picture that bars cover.

    >>> _covered(100, 100, (10, 10, 0, 0))
    0.2
    """
    top, bottom, left, right = found
    return round(1 - (height - top - bottom) * (width - left - right) / (height * width), 9)
