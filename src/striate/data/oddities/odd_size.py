"""Pictures far larger or smaller than the others."""

from __future__ import annotations

import numpy as np

from striate.core.wording import plural
from striate.data.oddities import Examined, Oddity, oddity, outliers, worst

FACTOR = 2.0
"""Of the median side within which nothing is odd."""
RARE = 0.1
"""Share of the pictures beyond which sizes are many rather than odd."""


@oddity("odd_size", order=10)
def odd_size(examined: Examined) -> Oddity | None:
    """A picture's side, the root of its area, is half or twice the median, and beyond 3.5 robust deviations."""
    sides = np.array([(one.height * one.width) ** 0.5 for one in examined.facts], np.float64)
    found = outliers(np.log(sides), np.log(FACTOR) + 1e-9)
    if not found or len(found) > RARE * len(sides):
        return None
    first = examined.facts[found[0].number]
    smaller = sum(one.distance < 0 for one in found)
    middle = np.exp(np.median(np.log(sides)))
    return Oddity(
        "odd size",
        f"{plural(len(found), 'picture is', 'pictures are')} far from the usual side of {middle:.0f} px ({smaller} "
        f"smaller, {len(found) - smaller} larger), such as one of {first.width}×{first.height}",
        len(found),
        worst(examined.keys([one.number for one in found])),
        "low",
        "look at them: thumbnails and icons among photographs are often strays",
    )
