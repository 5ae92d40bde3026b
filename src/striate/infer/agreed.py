"""What several networks find in one picture, as one."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from striate.core.boxes import FOUND, FOUND_LABEL, LABEL, MOST, SCORE, Floats

OVERLAP = 0.55
"""From which on boxes of a class are of one thing (Solovyev et al. 2021, section 4)."""


def agreed(found: Sequence[Floats], overlap: float = OVERLAP) -> Floats:
    """Boxes of several networks fused: Solovyev, Wang and Gabruseva 2021, "Weighted boxes fusion", section 3.

    From the surest on, a box joins the first cluster of its class whose fused box it overlaps by more than `overlap`,
    or begins one. The edges of a cluster are the mean of its boxes by score; its score is their mean, times the share
    of networks that found it, so that what one alone has found is less sure.

    Args:
        found: of each network (D, 6), in the pixels of one picture.

    Returns:
        (D, 6), the surest first, `MOST` at most.

    >>> one = np.array([[0.0, 0, 10, 10, 0.8, 0]])
    >>> agreed([one, one + [2, 0, 2, 0, -0.4, 0]]).round(2).tolist()
    [[0.67, 0.0, 10.67, 10.0, 0.6, 0.0]]
    """
    rows = np.concatenate([np.zeros((0, FOUND)), *found])
    rows = rows[np.argsort(-rows[:, SCORE], kind="stable")]
    fused: list[Floats] = []
    members: list[list[Floats]] = []
    for row in rows:
        near = [_overlap(row, one) if row[FOUND_LABEL] == one[FOUND_LABEL] else 0.0 for one in fused]
        place = int(np.argmax(near)) if near and max(near) > overlap else len(fused)
        if place == len(fused):
            fused.append(row)
            members.append([])
        members[place].append(row)
        cluster = np.stack(members[place])
        weights = cluster[:, SCORE].clip(1e-9)
        edges = (weights[:, None] * cluster[:, :LABEL]).sum(0) / weights.sum()
        fused[place] = np.array([*edges, cluster[:, SCORE].mean(), row[FOUND_LABEL]])
    scored = [
        np.array([*one[:LABEL], one[SCORE] * min(1.0, len(its) / len(found)), one[FOUND_LABEL]])
        for one, its in zip(fused, members, strict=True)
    ]
    result = np.stack(scored) if scored else np.zeros((0, FOUND))
    return result[np.argsort(-result[:, SCORE], kind="stable")][:MOST]


def _overlap(one: Floats, other: Floats) -> float:
    """Intersection over union of two boxes."""
    spans = np.minimum(one[2:4], other[2:4]) - np.maximum(one[:2], other[:2])
    if (spans <= 0).any():
        return 0.0
    both = float(spans.prod())
    return both / float((one[2:4] - one[:2]).prod() + (other[2:4] - other[:2]).prod() - both)
