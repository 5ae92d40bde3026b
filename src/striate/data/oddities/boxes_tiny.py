"""Boxes of a few pixels, or of next to nothing of their picture."""

from __future__ import annotations

import numpy as np

from striate.core.wording import plural
from striate.data.oddities import Examined, Oddity, oddity, worst

PIXELS = 4.0
SHARE = 0.001


@oddity("boxes_tiny", order=17)
def boxes_tiny(examined: Examined) -> Oddity | None:
    """A box is less than 4 px wide or high, or has less than a thousandth of the picture's area."""
    found = examined.boxes
    spans = found.edges[:, 2:] - found.edges[:, :2]
    shares = spans.prod(1) / found.sides.prod(1)
    thin = spans.min(1, initial=np.inf) < PIXELS
    odd = np.flatnonzero(thin | (shares < SHARE))
    if not len(odd):
        return None
    order = odd[np.lexsort((odd, shares[odd]))]
    pictures = list(dict.fromkeys(found.pictures[order].tolist()))
    width, height = spans[order[0]]
    return Oddity(
        "tiny boxes",
        f"{plural(len(odd), 'box is', 'boxes are')} tiny ({len(odd) / len(spans):.1%} of all): {int(thin.sum())} below "
        f"{PIXELS:g} px on a side, {int((shares < SHARE).sum())} below {SHARE:.1%} of the picture, the smallest of "
        f"{width:g}×{height:g} px",
        len(pictures),
        worst(examined.keys(pictures)),
        "low",
        "look at them: some are slips of the mouse; real ones need large inputs, or pictures cut into tiles",
    )
