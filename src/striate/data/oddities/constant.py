"""Pictures of one shade."""

from __future__ import annotations

import numpy as np

from striate.core.wording import plural
from striate.data.oddities import Examined, Oddity, oddity, worst


@oddity("constant", order=1)
def constant(examined: Examined) -> Oddity | None:
    """All pixels of a picture are equal, or nearly so: their deviation is below half a hundredth of white."""
    found = np.flatnonzero(examined.constant)
    if not len(found):
        return None
    return Oddity(
        "constant pictures",
        f"{plural(len(found), 'picture holds', 'pictures hold')} one shade and nothing else",
        len(found),
        worst(examined.keys(found)),
        "high",
        "remove them: they teach a label without a picture",
    )
