"""Pictures far darker or brighter than the others."""

from __future__ import annotations

import numpy as np

from striate.core.wording import plural
from striate.data.oddities import Examined, Oddity, oddity, outliers, worst
from striate.data.oddities.odd_size import RARE


@oddity("brightness", order=8)
def brightness(examined: Examined) -> Oddity | None:
    """The mean is beyond three robust deviations, and less than a third as far from black, or white, as is usual."""
    values = np.where(examined.constant, np.nan, examined.brightness)
    finite = values[np.isfinite(values)]
    if not len(finite):
        return None
    middle = float(np.median(finite))
    far = outliers(values, 1e-3, deviations=2.5)
    dark = [one for one in far if values[one.number] < middle / 3]
    bright = [one for one in far if 1 - values[one.number] < (1 - middle) / 3]
    found = sorted(dark + bright, key=lambda one: (-abs(one.distance), one.number))
    if not found or len(found) > RARE * len(finite):
        return None
    parts = [f"{len(side)} {word}" for side, word in ((dark, "very dark"), (bright, "very bright")) if side]
    return Oddity(
        "very dark or bright",
        f"{plural(len(found), 'picture is', 'pictures are')} far from the usual brightness of {middle:.2f}: "
        f"{', '.join(parts)}, such as one of {values[found[0].number]:.3f}",
        len(found),
        worst(examined.keys([one.number for one in found])),
        "low",
        "look at them: what cannot be seen cannot be learnt, and may be wrongly labelled",
    )
