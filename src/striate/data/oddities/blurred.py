"""Pictures far less sharp than the others."""

from __future__ import annotations

import numpy as np

from striate.core.wording import plural
from striate.data.oddities import Examined, Oddity, oddity, outliers, worst
from striate.data.oddities.odd_size import RARE

FACTOR = 4.0
"""Of the median within which nothing is odd: second differences fall with the fourth power of a blur's width."""
REACH = 0.4
"""Of the median detail: pictures whose detail reaches further are not blurred but hold little; judged on trashnet."""


@oddity("blurred", order=7)
def blurred(examined: Examined) -> Oddity | None:
    """Second differences are weak beside the contrast, and detail ends early, compared with the others."""
    sharpness = np.array([one.looks.sharpness for one in examined.facts], np.float64)
    reach = np.array([one.detail for one in examined.facts], np.float64)
    values = np.where(examined.constant | (sharpness <= 0), np.nan, np.log(np.maximum(sharpness, 1e-12)))
    told = np.isfinite(values)
    if not told.any():
        return None
    least = REACH * float(np.median(reach[told]))
    found = [one for one in outliers(values, np.log(FACTOR), 2.5) if one.distance < 0 and reach[one.number] <= least]
    if not found or len(found) > RARE * int(told.sum()):
        return None
    usual, worst_one = float(np.exp(np.median(values[told]))), sharpness[found[0].number]
    return Oddity(
        "blurred",
        f"{plural(len(found), 'picture is', 'pictures are')} far less sharp than the others: where these have second "
        f"differences of {usual:.3f} of the contrast, the worst has {worst_one:.4f}",
        len(found),
        worst(examined.keys([one.number for one in found])),
        "low",
        "look at them: out of focus, moved, or enlarged from a thumbnail",
    )
