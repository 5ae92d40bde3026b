"""Boxes that say the same twice, or name one thing by two classes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from striate.core.wording import plural
from striate.data.oddities import Examined, Oddity, oddity, worst

SAME = 0.95
"""Intersection over union from which two boxes are of one thing: those of neighbours in a crowd overlap less."""


@oddity("boxes_duplicated", order=16)
def boxes_duplicated(examined: Examined) -> Oddity | None:
    """Two boxes of a picture overlap by 0.95 of their union, those of crowds aside."""
    found = examined.boxes
    twice, twofold, pictures = 0, 0, []
    for group in np.split(np.arange(len(found.labels)), np.flatnonzero(np.diff(found.pictures)) + 1):
        chosen = group[~found.crowd[group]]
        pairs = _pairs(found.edges[chosen])
        if len(pairs):
            labels = [found.labels[int(number)] for number in chosen]
            same = sum(labels[int(one)] == labels[int(other)] for one, other in pairs)
            twice, twofold = twice + same, twofold + len(pairs) - same
            pictures.append((-len(pairs), int(found.pictures[chosen[0]])))
    if not pictures:
        return None
    words = []
    if twice:
        words.append(f"{plural(twice, 'box stands', 'boxes stand')} twice")
    if twofold:
        words.append(f"{plural(twofold, 'pair names', 'pairs name')} one thing by two classes")
    return Oddity(
        "boxes that are doubled",
        " and ".join(words),
        len(pictures),
        worst(examined.keys([number for _, number in sorted(pictures)])),
        "medium",
        "keep one of them: the second is counted as missed when it is not found, and two classes contradict each other",
    )


def _pairs(edges: NDArray[np.float64]) -> NDArray[np.int64]:
    """The pairs of boxes that are of one thing, (P, 2). A box like another begins and ends near it, so neighbours in
    the order of left edges are compared until they begin too far right."""
    order = np.argsort(edges[:, 0], kind="stable")
    edges = edges[order]
    found = []
    for number in range(len(edges) - 1):
        box = edges[number]
        reach = box[0] + (1 - SAME) * (box[2] - box[0])
        end = int(np.searchsorted(edges[:, 0], reach, "right"))
        others = edges[number + 1 : end]
        if not len(others):
            continue
        spans = np.minimum(box[2:], others[:, 2:]) - np.maximum(box[:2], others[:, :2])
        both = spans.clip(0).prod(1)
        union = (box[2:] - box[:2]).prod() + (others[:, 2:] - others[:, :2]).prod(1) - both
        found += [(order[number], order[number + 1 + int(other)]) for other in np.flatnonzero(both >= SAME * union)]
    return np.array(found, np.int64).reshape(-1, 2)
