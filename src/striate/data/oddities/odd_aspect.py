"""Pictures far longer or taller than the others."""

from __future__ import annotations

import numpy as np

from striate.core.wording import plural
from striate.data.oddities import Examined, Oddity, oddity, outliers, worst
from striate.data.oddities.odd_size import RARE

FACTOR = 2.0
"""Of the median aspect within which nothing is odd: 3:2 beside 2:3 is 2.25 apart and 1.5 from square."""


@oddity("odd_aspect", order=11)
def odd_aspect(examined: Examined) -> Oddity | None:
    """Width over height is half or twice the median, and beyond 3.5 robust deviations."""
    aspects = np.array([one.width / one.height for one in examined.facts], np.float64)
    found = outliers(np.log(aspects), np.log(FACTOR) + 1e-9)
    if not found or len(found) > RARE * len(aspects):
        return None
    first = examined.facts[found[0].number]
    return Oddity(
        "odd aspect",
        f"{plural(len(found), 'picture is', 'pictures are')} far from the usual width over height of "
        f"{np.median(aspects):.2f}, such as one of {first.width}×{first.height}",
        len(found),
        worst(examined.keys([one.number for one in found])),
        "low",
        "look at them: brought to the shape of the others, they are squeezed or cut",
    )
