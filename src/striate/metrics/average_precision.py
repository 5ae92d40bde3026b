"""Average precision, each class against the rest: the area under the precision-recall curve."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from striate.core.records import TargetKind
from striate.metrics import METRICS, Floats, Ordered, Ranked, of_each_class


def average_precision(scores: Floats, targets: Floats, kind: TargetKind = "label") -> float:
    """The mean over classes of Σ (R_n − R_{n−1}) P_n, over the thresholds n from the highest score down.

    Without interpolation, which would be too kind (Davis and Goadrich 2006). Guessing has the share of the positives.

    Args:
        scores: (N, K).
        targets: 0 or 1, (N, K).
        kind: "label" for one class out of several, "labels" for any number at once.

    Returns:
        the mean over the classes that samples have; NaN where there is none.

    >>> average_precision(np.array([[0.9], [0.8], [0.7]]), np.array([[1], [0], [1]]), "labels")  # doctest: +ELLIPSIS
    0.833...
    """
    return AveragePrecision(kind, scores.shape[1]).measure(scores, targets)


def average_precision_by_class(scores: Floats, targets: Floats) -> Floats:
    """Average precision of each class against the rest, (K,); NaN for one that no sample has."""
    once = np.ones((len(scores), 1))
    return np.array([one.precision(once)[0] for one in of_each_class(scores, targets)])


@METRICS.register("average_precision")
class AveragePrecision(Ranked):
    """`average_precision`, gathered."""

    def ordered(self, scores: Floats, targets: Floats) -> Iterable[Ordered]:
        """Each class against the rest."""
        return of_each_class(scores, targets)

    def of(self, ordered: Ordered, weights: Floats) -> Floats:
        """Average precision, (R,)."""
        return ordered.precision(weights)
