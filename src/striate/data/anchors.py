"""Anchors: the sizes that boxes of a set have, by k-means with overlap for a distance.

Redmon and Farhadi 2017, "YOLO9000", section 2, "Dimension clusters": with Euclidean distance large boxes err more than
small ones; what matters is d(box, centre) = 1 − IoU(box, centre), both with one corner in common.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

MOST = 20_000
"""Boxes that are looked at, evenly spread over all by their area."""

ROUNDS = 100


def overlaps(sizes: Floats, others: Floats) -> Floats:
    """Intersection over union of boxes that share a corner.

    Args:
        sizes: (N, 2), width and height.
        others: (K, 2).

    Returns:
        (N, K).

    >>> overlaps(np.array([[2.0, 2.0]]), np.array([[2.0, 2.0], [1.0, 2.0], [4.0, 4.0]])).tolist()
    [[1.0, 0.5, 0.25]]
    """
    both = np.minimum(sizes[:, None], others[None]).prod(2)
    return np.asarray(both / (sizes.prod(1)[:, None] + others.prod(1)[None] - both))


def anchors(sizes: Floats, count: int) -> tuple[Floats, float]:
    """The centres of `count` clusters of sizes, smallest first.

    The clusters begin with sizes evenly spread by area, so that nothing is drawn; of the rounds the one with the
    largest mean overlap counts, since means of clusters need not raise it.

    Args:
        sizes: (N, 2), width and height, in any unit in which pictures are alike; those without area are passed over.
        count: fewer are given where there are fewer different sizes.

    Returns:
        (K, 2) and the mean over boxes of the overlap with the nearest.
    """
    sizes = sizes[(sizes > 0).all(1)]
    sizes = sizes[np.lexsort((sizes[:, 0], sizes.prod(1)))]
    if len(sizes) > MOST:
        sizes = sizes[np.linspace(0, len(sizes) - 1, MOST).round().astype(np.int64)]
    distinct = np.unique(sizes, axis=0)
    if not len(sizes):
        return np.zeros((0, 2)), 0.0
    if len(distinct) <= count:
        return distinct[np.argsort(distinct.prod(1), kind="stable")], 1.0
    ordered = distinct[np.argsort(distinct.prod(1), kind="stable")]
    centres = ordered[((np.arange(count) + 0.5) / count * len(ordered)).astype(np.int64)]
    best, most = centres, 0.0
    nearest = np.full(len(sizes), -1)
    for _ in range(ROUNDS):
        found = overlaps(sizes, centres)
        chosen = found.argmax(1)
        mean = float(found.max(1).mean())
        if mean > most:
            best, most = centres, mean
        if (chosen == nearest).all():
            break
        nearest = chosen
        members = np.bincount(chosen, minlength=count)
        sums = np.stack([np.bincount(chosen, sizes[:, side], count) for side in (0, 1)], axis=1)
        centres = np.where(members[:, None] > 0, sums / np.maximum(members, 1)[:, None], centres)
    return best[np.argsort(best.prod(1), kind="stable")], most
