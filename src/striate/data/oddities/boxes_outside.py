"""Boxes that reach out of their picture, or lie outside of it."""

from __future__ import annotations

import numpy as np

from striate.core.wording import plural
from striate.data.oddities import Examined, Oddity, oddity, worst

BEYOND = 1.0
"""Pixels that a box may reach out: formats that count from 1 and those that count from 0 differ by one."""


@oddity("boxes_outside", order=14)
def boxes_outside(examined: Examined) -> Oddity | None:
    """An edge lies more than a pixel outside of the picture; high where a box has no part in it."""
    found = examined.boxes
    limits = found.sides[:, [1, 0, 1, 0]]
    out = np.maximum(-found.edges, found.edges - limits).max(1, initial=0)
    cut = found.cut
    gone = np.asarray((cut[:, 2:] <= cut[:, :2]).any(1))
    odd = np.flatnonzero((out > BEYOND) | gone)
    if not len(odd):
        return None
    order = odd[np.lexsort((odd, -out[odd], ~gone[odd]))]
    first = int(order[0])
    x1, y1, x2, y2 = found.edges[first]
    height, width = found.sides[first]
    pictures = list(dict.fromkeys(found.pictures[order].tolist()))
    lost = int(gone.sum())
    wholly = f", {plural(lost, 'of which lies', 'of which lie')} wholly outside" if lost else ""
    return Oddity(
        "boxes outside the picture",
        f"{plural(len(odd), 'box reaches', 'boxes reach')} out of the picture{wholly}, such as one from {x1:g}, {y1:g} "
        f"to {x2:g}, {y2:g} in a picture of {width:g}×{height:g}",
        len(pictures),
        worst(examined.keys(pictures)),
        "high" if lost else "low",
        "look whether they belong to another picture, or to one of another size; what is left inside counts",
    )
