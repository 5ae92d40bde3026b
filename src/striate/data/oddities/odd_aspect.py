"""Pictures far longer than the others, whichever way they lie."""

from __future__ import annotations

import numpy as np

from striate.core.wording import plural
from striate.data.oddities import Examined, Oddity, oddity, outliers, worst
from striate.data.oddities.odd_size import RARE

FACTOR = 1.6
"""Of the median, within which nothing is odd: 16:9 beside 4:3 is 1.33 apart."""


@oddity("odd_aspect", order=11)
def odd_aspect(examined: Examined) -> Oddity | None:
    """The longer side over the shorter is 1.6 times off the median, and beyond 3.5 robust deviations."""
    lengths = np.array([max(one.width, one.height) / min(one.width, one.height) for one in examined.facts], np.float64)
    found = outliers(np.log(lengths), np.log(FACTOR) + 1e-9)
    if not found or len(found) > RARE * len(lengths):
        return None
    first = examined.facts[found[0].number]
    return Oddity(
        "odd aspect",
        f"{plural(len(found), 'picture is', 'pictures are')} far from the usual shape, whose longer side is "
        f"{np.median(lengths):.2f} times the shorter, such as one of {first.width}×{first.height}",
        len(found),
        worst(examined.keys([one.number for one in found])),
        "low",
        "look at them: brought to the shape of the others, they are squeezed or cut",
    )
