"""Positives ordered among negatives: what areas under curves are made of, weighed by how often each sample counts."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from striate.metrics._metric import Floats, Metric, divide

Rows = NDArray[np.intp]
_EXACT = 2**24  # whole numbers below it are exact in single precision, which is summed in half the time
_AT_ONCE = 2**24  # numbers of scores times resamples


class Ordered:
    """Pairs of score and truth in the order of their scores, weighed for many resamples at once.

    Args:
        scores: (M,).
        truth: (M,), whether each is a positive.
        rows: (M,), the sample that each belongs to.
    """

    def __init__(self, scores: Floats, truth: NDArray[np.bool_], rows: Rows) -> None:
        self._positive = _Side(scores[truth], rows[truth])
        self._negative = _Side(scores[~truth], rows[~truth])

    def __len__(self) -> int:
        return len(self._positive.rows) + len(self._negative.rows)

    def area(self, weights: Floats) -> Floats:
        """How often a positive is above a negative, ties counting half (Mann and Whitney 1947).

        Args:
            weights: (N, R), how often each sample counts in each resample.

        Returns:
            (R,), NaN where there is no positive or no negative.
        """
        positive, negative = self._positive, self._negative
        below = negative.summed(weights)
        less = np.searchsorted(negative.scores, positive.scores, "left")
        most = np.searchsorted(negative.scores, positive.scores, "right")
        own = weights[positive.rows].astype(np.float64)
        ahead = np.einsum("mr,mr->r", own, below[less] + below[most].astype(np.float64))
        return divide(ahead / 2, own.sum(axis=0) * below[-1])

    def precision(self, weights: Floats) -> Floats:
        """The mean over the positives of the precision at the score of each, without interpolation.

        Args:
            weights: (N, R), how often each sample counts in each resample.

        Returns:
            (R,), NaN where there is no positive.
        """
        positive, negative = self._positive, self._negative
        own, below = positive.summed(weights.astype(np.float64)), negative.summed(weights)
        hits = own[-1] - own[np.searchsorted(positive.scores, positive.scores, "left")]
        called = hits + (below[-1] - below[np.searchsorted(negative.scores, positive.scores, "left")])
        precise = np.divide(hits, called, out=np.zeros_like(hits), where=called > 0)
        return divide(np.einsum("mr,mr->r", np.diff(own, axis=0), precise), own[-1])


class _Side:
    """The positives or the negatives, the lowest score first."""

    def __init__(self, scores: Floats, rows: Rows) -> None:
        order = np.argsort(scores, kind="stable")
        self.scores, self.rows = scores[order], rows[order]

    def summed(self, weights: Floats) -> Floats:
        """The weight of the first m, for m from 0 to all, (M + 1, R)."""
        found = np.zeros((len(self.rows) + 1, weights.shape[1]), weights.dtype)
        np.cumsum(weights[self.rows], axis=0, out=found[1:])
        return found


def of_each_class(scores: Floats, targets: Floats) -> Iterator[Ordered]:
    """Each class against the rest, from scores and targets (N, K)."""
    rows = np.arange(len(scores))
    for score, target in zip(scores.T, targets.T, strict=True):
        yield Ordered(score, target > 0.5, rows)


def of_all_pairs(scores: Floats, targets: Floats) -> Ordered:
    """All pairs of sample and class as one."""
    return Ordered(scores.ravel(), targets.ravel() > 0.5, np.repeat(np.arange(len(scores)), scores.shape[1]))


def mean_defined(values: Floats) -> Floats:
    """The mean over the first axis of what is not NaN; NaN where all is."""
    defined = ~np.isnan(values)
    return divide(np.where(defined, values, 0.0).sum(axis=0), defined.sum(axis=0).astype(np.float64))


class Ranked(Metric):
    """A metric of the order of scores, which hangs on all of them: its resamples take the longest."""

    kinds = ("label", "labels")
    costly = True

    @abstractmethod
    def ordered(self, scores: Floats, targets: Floats) -> Iterable[Ordered]:
        """What is put in order, such as each class against the rest; the metric is the mean of its values over them."""

    @abstractmethod
    def of(self, ordered: Ordered, weights: Floats) -> Floats:
        """The value of one of them (R,) with samples that count weights (N, R) times."""

    def measure(self, scores: Floats, targets: Floats) -> float:
        """The metric of all rows."""
        return float(self._weighed(scores, targets, np.ones((len(scores), 1)))[0])

    def resample(self, scores: Floats, targets: Floats, counts: Floats) -> Floats:
        """The metric of many resamples, (R,), from how often each row is in each, (R, N)."""
        whole = scores.shape[1] * counts.sum(axis=1).max(initial=0) < _EXACT and (counts == np.round(counts)).all()
        return self._weighed(scores, targets, np.ascontiguousarray(counts.T, np.float32 if whole else np.float64))

    def _weighed(self, scores: Floats, targets: Floats, weights: Floats) -> Floats:
        """The metric (R,) with samples that count weights (N, R) times, so many resamples at once that memory bears."""
        found = []
        for one in self.ordered(scores, targets):
            step = max(1, _AT_ONCE // max(1, len(one)))
            parts = [self.of(one, weights[:, start : start + step]) for start in range(0, weights.shape[1], step)]
            found.append(np.concatenate(parts))
        return mean_defined(np.stack(found))
