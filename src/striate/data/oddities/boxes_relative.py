"""Boxes whose numbers are no pixels: percent or fractions of the picture."""

from __future__ import annotations

import numpy as np

from striate.core.wording import plural
from striate.data.oddities import Examined, Oddity, oddity, worst
from striate.data.relative import SHARE, are_relative, near, strays

SIDE = 150
"""Of a picture, in pixels: in larger ones, things lie beyond the first hundred."""
REACH = 50
"""Percent: where no edge lies further out, all boxes are in one corner, be they in pixels or not."""
LEAST = 20
"""Boxes from which on it is no chance that none lies further out."""


@oddity("boxes_relative", order=13)
def boxes_relative(examined: Examined) -> Oddity | None:
    """As good as all edges lie between 0 and 1, or in pictures of 150 px and more between 0 and 100."""
    found = examined.boxes
    edges, shorter = found.edges, found.sides.min(1)
    if are_relative(edges, 1) and (shorter > 2).mean() >= SHARE:
        what, limit = "fractions", 1
    elif are_relative(edges, 100) and (shorter >= SIDE).mean() >= SHARE and len(edges) >= LEAST:
        if edges[near(edges, 100)].max() < REACH:
            return None
        what, limit = "percent", 100
    else:
        return None
    pictures = np.unique(found.pictures).tolist()
    middle = np.median(found.sides, axis=0)
    out = strays(edges, limit)
    but = f" but {len(out):,} (from {out.min():g} to {out.max():g})" if len(out) else ""
    return Oddity(
        "boxes that are no pixels",
        f"all edges{but} of {plural(len(edges), 'box', 'boxes')} lie between 0 and {limit}, in pictures of "
        f"{middle[1]:g}×{middle[0]:g} in the median: they seem to be {what} of the picture",
        len(pictures),
        worst(examined.keys(pictures)),
        "high",
        f"multiply x by the picture's width and y by its height{', divided by 100' if limit == 100 else ''}",
    )
