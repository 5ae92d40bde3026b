"""Pictures with more things than a network finds."""

from __future__ import annotations

import numpy as np

from striate.core.boxes import MOST
from striate.core.wording import plural
from striate.data.oddities import Examined, Oddity, oddity, worst


@oddity("boxes_many", order=18)
def boxes_many(examined: Examined) -> Oddity | None:
    """A picture has more than 100 things, of which no network here finds more than that."""
    found = examined.boxes
    counts = np.bincount(found.pictures[~found.crowd], minlength=1)
    crowded = np.flatnonzero(counts > MOST)
    if not len(crowded):
        return None
    order = crowded[np.argsort(-counts[crowded], kind="stable")].tolist()
    lost = int((counts[crowded] - MOST).sum())
    return Oddity(
        "more boxes than are found",
        f"{plural(len(crowded), 'picture has', 'pictures have')} more than {MOST} things, up to {int(counts.max()):,}; "
        f"no network finds more in a picture, so that {lost:,} ({lost / len(found.labels):.1%} of all) are missed",
        len(crowded),
        worst(examined.keys(order)),
        "medium",
        "cut these pictures into parts",
    )
