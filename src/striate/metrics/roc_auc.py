"""The area under the ROC curve, each class against the rest: how well scores order, whatever the threshold."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from striate.core.records import TargetKind
from striate.metrics import METRICS, Floats, Ordered, Ranked, of_each_class


def roc_auc(scores: Floats, targets: Floats, kind: TargetKind = "label") -> float:
    """The mean over classes of how often a sample of the class has a higher score for it than one of another class.

    Ties count half (Hanley and McNeil 1982); the two classes of a pair have the same area.

    Args:
        scores: (N, K).
        targets: 0 or 1, (N, K).
        kind: "label" for one class out of several, "labels" for any number at once.

    Returns:
        the mean over the classes that some samples have and some do not; NaN where there is none.

    >>> roc_auc(np.array([[0.9, 0.1], [0.4, 0.6], [0.6, 0.4]]), np.array([[1, 0], [0, 1], [0, 1]]))
    1.0
    """
    return ROCAUC(kind, scores.shape[1]).measure(scores, targets)


def roc_auc_by_class(scores: Floats, targets: Floats) -> Floats:
    """The area of each class against the rest, (K,); NaN for one that all samples have, or none."""
    once = np.ones((len(scores), 1))
    return np.array([one.area(once)[0] for one in of_each_class(scores, targets)])


@METRICS.register("roc_auc")
class ROCAUC(Ranked):
    """`roc_auc`, gathered."""

    def ordered(self, scores: Floats, targets: Floats) -> Iterable[Ordered]:
        """Each class against the rest."""
        return of_each_class(scores, targets)

    def of(self, ordered: Ordered, weights: Floats) -> Floats:
        """The area, (R,)."""
        return ordered.area(weights)
