"""What several networks find in one picture, as one."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from striate.core.boxes import FOUND, FOUND_LABEL, LABEL, MOST, SCORE, Floats
from striate.metrics import overlaps

OVERLAP = 0.55
"""From which on boxes of a class are of one thing (Solovyev et al. 2021, section 4)."""


def agreed(found: Sequence[Floats], overlap: float = OVERLAP, most: int = MOST) -> Floats:
    """Boxes of several networks fused: Solovyev, Wang and Gabruseva 2021, "Weighted boxes fusion", section 3.

    From the surest on, a box joins the cluster of its class whose fused box it overlaps most, if by more than
    `overlap`, or begins one. The edges of a cluster are the mean of its boxes by score; its score is their mean, times
    the share of networks that found it, so that what one alone has found is less sure.

    Args:
        found: of each network (D, 6), in the pixels of one picture.
        most: boxes that are given at most; `MOST` for each tile of a large picture.

    Returns:
        (D, 6), the surest first.

    >>> one = np.array([[0.0, 0, 10, 10, 0.8, 0]])
    >>> agreed([one, one + [2, 0, 2, 0, -0.4, 0]]).round(2).tolist()
    [[0.67, 0.0, 10.67, 10.0, 0.6, 0.0]]
    """
    rows = np.concatenate([np.zeros((0, FOUND)), *found])
    rows = rows[np.argsort(-rows[:, SCORE], kind="stable")]
    parts = [_of_class(rows[rows[:, FOUND_LABEL] == label], len(found), overlap) for label in np.unique(rows[:, -1])]
    result = np.concatenate([np.zeros((0, FOUND)), *parts])
    return result[np.argsort(-result[:, SCORE], kind="stable")][:most]


def _of_class(rows: Floats, networks: int, overlap: float) -> Floats:
    """The clusters of boxes of one class, the surest of which come first."""
    fused, sums = np.zeros((len(rows), LABEL)), np.zeros((len(rows), LABEL))
    weights, counts, scores = (np.zeros(len(rows)) for _ in range(3))
    used = 0
    for row in rows:
        near = overlaps(row[None, :LABEL], fused[:used])[0]
        place = int(near.argmax()) if used and near.max() > overlap else used
        used = max(used, place + 1)
        weight = max(float(row[SCORE]), 1e-9)
        sums[place] += weight * row[:LABEL]
        weights[place] += weight
        scores[place] += row[SCORE]
        counts[place] += 1
        fused[place] = sums[place] / weights[place]
    share = scores[:used] / counts[:used] * np.minimum(1.0, counts[:used] / networks)
    return np.concatenate([fused[:used], share[:, None], np.full((used, 1), rows[0, FOUND_LABEL])], axis=1)
