"""What several networks find in one picture, as one."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from striate.core.boxes import FOUND, FOUND_LABEL, LABEL, MOST, SCORE, Floats

OVERLAP = 0.55
"""From which on boxes of a class are of one thing (Solovyev et al. 2021, section 4)."""


def agreed(found: Sequence[Floats], overlap: float = OVERLAP, most: int = MOST) -> Floats:
    """Boxes of several networks fused: Solovyev, Wang and Gabruseva 2021, "Weighted boxes fusion", section 3.

    From the surest on, a box joins the first cluster of its class whose fused box it overlaps by more than `overlap`,
    or begins one. The edges of a cluster are the mean of its boxes by score; its score is their mean, times the share
    of networks that found it, so that what one alone has found is less sure.

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
    fused = np.zeros((len(rows), FOUND))
    members: list[list[Floats]] = []
    for row in rows:
        known = fused[: len(members)]
        near = np.where(known[:, FOUND_LABEL] == row[FOUND_LABEL], _overlaps(row, known), 0.0)
        place = int(np.argmax(near)) if len(near) and near.max() > overlap else len(members)
        if place == len(members):
            fused[place] = row
            members.append([])
        members[place].append(row)
        cluster = np.stack(members[place])
        weights = cluster[:, SCORE].clip(1e-9)
        edges = (weights[:, None] * cluster[:, :LABEL]).sum(0) / weights.sum()
        fused[place] = np.array([*edges, cluster[:, SCORE].mean(), row[FOUND_LABEL]])
    result = fused[: len(members)]
    shares = [min(1.0, len(its) / len(found)) for its in members]
    result[:, SCORE] *= np.array(shares)
    return result[np.argsort(-result[:, SCORE], kind="stable")][:most]


def _overlaps(one: Floats, others: Floats) -> Floats:
    """Intersection over union of a box and each of others, (N,)."""
    spans = np.minimum(one[2:4], others[:, 2:4]) - np.maximum(one[:2], others[:, :2])
    both = np.where((spans > 0).all(1), spans.prod(1), 0.0)
    whole = (one[2:4] - one[:2]).prod() + (others[:, 2:4] - others[:, :2]).prod(1) - both
    return np.asarray(both / np.where(both > 0, whole, 1.0))
