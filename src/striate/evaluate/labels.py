"""Labels that are likely wrong, by confident learning on probabilities that were not learnt from them.

Northcutt, Jiang and Chuang 2021, "Confident learning: estimating uncertainty in dataset labels". A sample is
confidently of a class where its probability reaches what samples of that label have on average, so that classes that a
model is less sure of are not flagged for it. How many are confidently of another class than their label says how many
labels of each class are wrong; those of the least probability are taken for them ("prune by class", section 3.2, ranked
by the label's own probability: with 5 % of trashnet's labels flipped, about seven of ten of the first 5 % were flipped
ones, against five to six where samples that are confidently of another class come first, by their margin).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_SLACK = 1e-6
"""Below the threshold, as far as rounding may put a sample that is on it."""


@dataclass(frozen=True)
class Doubts:
    """What the probabilities say of the labels.

    Args:
        flagged: (N,), whether each label is likely wrong.
        suggested: (N,), the likeliest class other than the label.
        own: (N,), the probability of the label.
        joint: (K, K), the estimated share of samples that are labelled i (rows) and are j (columns).
        thresholds: (K,), from which probability on a sample is confidently of a class; NaN of one without samples.
    """

    flagged: NDArray[np.bool_]
    suggested: NDArray[np.int64]
    own: NDArray[np.float64]
    joint: NDArray[np.float64]
    thresholds: NDArray[np.float64]

    @property
    def order(self) -> NDArray[np.int64]:
        """All samples, the likeliest wrong first: those that are flagged, then the others."""
        return np.lexsort((self.own, ~self.flagged))


def doubts(probabilities: NDArray[np.floating], labels: NDArray[np.int64]) -> Doubts:
    """Judge labels by probabilities that come of models which had not learnt them.

    Args:
        probabilities: (N, K), out of fold.
        labels: (N,), the places of the given classes.

    Raises:
        ValueError: the shapes do not fit, or there is no sample.

    >>> found = doubts(np.array([[0.9, 0.1], [0.8, 0.2], [0.9, 0.1], [0.2, 0.8]]), np.array([0, 0, 1, 1]))
    >>> found.flagged.tolist(), int(found.suggested[2])
    ([False, False, True, False], 0)
    """
    found = np.asarray(probabilities, np.float64)
    if found.ndim != 2 or labels.shape != found.shape[:1] or not len(found):
        raise ValueError(f"probabilities {found.shape} and labels {labels.shape} must be (N, K) and (N,), N at least 1")
    count, classes = found.shape
    rows = np.arange(count)
    own = found[rows, labels]
    sizes = np.bincount(labels, minlength=classes)
    sums = np.bincount(labels, weights=own, minlength=classes)
    thresholds = np.divide(sums, sizes, out=np.full(classes, np.nan), where=sizes > 0)
    confident = found >= np.where(sizes > 0, thresholds, np.inf) - _SLACK
    kept = np.where(confident, found, -1.0)
    surest, sure = kept.argmax(axis=1), confident.any(axis=1)
    counts = np.zeros((classes, classes))
    np.add.at(counts, (labels[sure], surest[sure]), 1)
    joint = _calibrated(counts, sizes)
    others = found.copy()
    others[rows, labels] = -1.0
    suggested = others.argmax(axis=1)
    wrong = np.rint((joint.sum(axis=1) - np.diag(joint)) * count).astype(np.int64)
    flagged = np.zeros(count, bool)
    for place in range(classes):
        members = np.flatnonzero(labels == place)
        flagged[members[np.argsort(own[members], kind="stable")[: wrong[place]]]] = True
    return Doubts(flagged & (others[rows, suggested] > own), suggested, own, joint, thresholds)


def _calibrated(counts: NDArray[np.float64], sizes: NDArray[np.int64]) -> NDArray[np.float64]:
    """Counts (K, K) of confident samples as shares of all, each row as large as its label is frequent."""
    totals = counts.sum(axis=1, keepdims=True)
    rows = np.divide(counts, totals, out=np.eye(len(counts)), where=totals > 0)
    return np.asarray(rows * sizes[:, None] / sizes.sum())


def folds_of(
    classes: NDArray[np.int64], units: NDArray[np.int64], count: int, order: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Which of so many parts each sample is in: units whole, and those of a class spread evenly over the parts.

    Args:
        classes: (N,), of the samples; a unit is of its first one's.
        units: (N,), numbers from 0 on of what must not straddle two parts.
        order: (units,), an order of the units, which decides between those of a class.

    >>> folds_of(np.array([0, 1, 0, 1, 0, 1]), np.arange(6), 3, np.arange(6))
    array([0, 0, 1, 1, 2, 2])
    """
    first = np.empty(int(units.max()) + 1, np.int64)
    first[units[::-1]] = classes[::-1]
    place = np.empty(len(first), np.int64)
    place[order] = np.arange(len(order))
    fold = np.empty(len(first), np.int64)
    fold[np.lexsort((place, first))] = np.arange(len(first)) % count
    return np.asarray(fold[units])
