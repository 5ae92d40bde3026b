"""Hits, predictions and true samples of each class: what precision, recall and F1 are made of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from striate.core.records import TargetKind
from striate.metrics._metric import THRESHOLD, Additive, Floats, divide


@dataclass(frozen=True)
class ClassCounts:
    """Counts of each class, (..., K).

    Args:
        hits: predicted and true.
        predicted: predicted, true or not.
        support: true, predicted or not.
    """

    hits: Floats
    predicted: Floats
    support: Floats

    @property
    def precision(self) -> Floats:
        """hits / predicted; NaN for a class that is never predicted."""
        return divide(self.hits, self.predicted)

    @property
    def recall(self) -> Floats:
        """hits / support; NaN for a class that no sample has."""
        return divide(self.hits, self.support)

    @property
    def f1(self) -> Floats:
        """2 hits / (predicted + support), the harmonic mean of both; NaN for a class that no sample has."""
        return np.where(self.support > 0, divide(2 * self.hits, self.predicted + self.support), np.nan)

    def macro(self, values: Floats) -> Floats:
        """The mean of a figure over the classes that samples have.

        A class that samples have and that is never predicted counts 0, as its precision would otherwise raise the
        mean by being left out. NaN where no class has samples.
        """
        present = self.support > 0
        filled = np.where(present, np.nan_to_num(values), 0.0)
        return divide(filled.sum(axis=-1), present.sum(axis=-1).astype(np.float64))


def decide(scores: Floats, kind: TargetKind) -> NDArray[np.bool_]:
    """What is held present, (N, K): the likeliest class (the first of equals), or all labels from `THRESHOLD` on."""
    if kind == "labels":
        return scores >= THRESHOLD
    chosen = np.zeros(scores.shape, np.bool_)
    chosen[np.arange(len(scores)), scores.argmax(axis=1)] = True
    return chosen


def class_counts(scores: Floats, targets: Floats, kind: TargetKind, counts: Floats | None = None) -> ClassCounts:
    """Counts of each class.

    Args:
        scores, targets: (N, K).
        kind: "label" or "labels".
        counts: (R, N), how often each row counts; once each, without the axis R, when not given.

    Returns:
        arrays of (K,) or (R, K).
    """
    predicted, true = decide(scores, kind), targets >= THRESHOLD
    if counts is None:
        return ClassCounts(*(part.sum(axis=0).astype(np.float64) for part in (predicted & true, predicted, true)))
    if kind == "labels":
        return ClassCounts(*(counts @ part.astype(np.float64) for part in (predicted & true, predicted, true)))
    guess, truth, classes = predicted.argmax(axis=1), true.argmax(axis=1), scores.shape[1]
    hit = np.where(guess == truth, truth, classes)
    return ClassCounts(*(_by_class(place, counts, classes) for place in (hit, guess, truth)))


def _by_class(places: NDArray[np.int64], counts: Floats, classes: int) -> Floats:
    return np.stack([np.bincount(places, weights=row, minlength=classes + 1)[:classes] for row in counts])


def moved(probabilities: Floats, factors: Sequence[float]) -> Floats:
    """Probabilities times a factor a class, each row summing to 1 again: another threshold for every class.

    >>> moved(np.array([[0.8, 0.2]]), [1.0, 6.0])
    array([[0.4, 0.6]])
    """
    weighed = probabilities * np.asarray(factors, np.float64)
    return np.asarray(weighed / weighed.sum(axis=1, keepdims=True))


def possible(probabilities: Floats, bounds: Sequence[float]) -> NDArray[np.bool_]:
    """Which classes are held possible, (N, K): those at least as probable as their bound; there may be none.

    >>> possible(np.array([[0.5, 0.3, 0.2], [0.4, 0.3, 0.3]]), [0.6, 0.3, 0.25])
    array([[False,  True, False],
           [False,  True,  True]])
    """
    return np.asarray(probabilities >= np.asarray(bounds))


def confusion_matrix(scores: Floats, targets: Floats) -> NDArray[np.int64]:
    """Samples by true class (rows) and predicted class (columns), (K, K), for one class out of several.

    >>> confusion_matrix(np.array([[0.9, 0.1], [0.8, 0.2], [0.3, 0.7]]), np.array([[1, 0], [0, 1], [0, 1]]))
    array([[1, 0],
           [1, 1]])
    """
    classes = scores.shape[1]
    cells = targets.argmax(axis=1) * classes + scores.argmax(axis=1)
    return np.bincount(cells, minlength=classes * classes).reshape(classes, classes)


class ByClass(Additive):
    """A metric that is a function of the counts of each class."""

    of_decisions = True

    def sums(self, scores: Floats, targets: Floats, counts: Floats) -> Floats:
        """Hits, predictions and support, (R, 3 K)."""
        found = class_counts(scores, targets, self.kind, counts)
        return np.concatenate([found.hits, found.predicted, found.support], axis=1)

    def split(self, sums: Floats) -> ClassCounts:
        """The sums as counts again, each (R, K)."""
        return ClassCounts(*np.split(sums, 3, axis=1))
