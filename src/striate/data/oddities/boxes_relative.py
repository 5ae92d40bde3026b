"""Boxes whose numbers are no pixels: percent or fractions of the picture."""

from __future__ import annotations

import numpy as np

from striate.core.wording import plural
from striate.data.oddities import Examined, Oddity, oddity, worst

SIDE = 150
"""Of a picture, in pixels: in larger ones, things lie beyond the first hundred."""
MOST = 0.9
LEAST = 20
"""Boxes from which on it is no chance that none lies further out."""


@oddity("boxes_relative", order=13)
def boxes_relative(examined: Examined) -> Oddity | None:
    """No edge is above 1, or in pictures of 150 px and more none is above 100 although some come near it."""
    found = examined.boxes
    if not len(found.labels):
        return None
    largest = float(found.edges.max())
    inside = float(found.edges.min()) >= 0
    fractions = inside and largest <= 1 and bool((found.sides.min(1) > 2).all())
    percent = inside and MOST * 100 <= largest <= 100 and len(found.labels) >= LEAST
    percent = percent and bool((found.sides.min(1) >= SIDE).all())
    if not (fractions or percent):
        return None
    pictures = np.unique(found.pictures).tolist()
    what, limit = ("fractions", 1) if fractions else ("percent", 100)
    middle = np.median(found.sides, axis=0)
    return Oddity(
        "boxes that are no pixels",
        f"none of the edges of {plural(len(found.labels), 'box', 'boxes')} is above {limit}, in pictures of "
        f"{middle[1]:g}×{middle[0]:g} in the median: they seem to be {what} of the picture",
        len(pictures),
        worst(examined.keys(pictures)),
        "high",
        f"multiply x by the picture's width and y by its height{', divided by 100' if percent else ''}",
    )
