"""The area under the ROC curve of all pairs of sample and class at once."""

from __future__ import annotations

from collections.abc import Iterable

from striate.core.records import TargetKind
from striate.metrics import METRICS, Floats, Ordered, Ranked, of_all_pairs


def micro_roc_auc(scores: Floats, targets: Floats, kind: TargetKind = "label") -> float:
    """How often a class that a sample has is given a higher score than one that a sample has not; ties count half.

    Args:
        scores: (N, K).
        targets: 0 or 1, (N, K).
        kind: "label" for one class out of several, "labels" for any number at once.

    Returns:
        NaN where every class is given to every sample, or none to any.

    >>> import numpy as np
    >>> micro_roc_auc(np.array([[0.9, 0.1], [0.4, 0.6]]), np.array([[1, 0], [1, 0]]))
    0.75
    """
    return MicroROCAUC(kind, scores.shape[1]).measure(scores, targets)


@METRICS.register("micro_roc_auc")
class MicroROCAUC(Ranked):
    """`micro_roc_auc`, gathered."""

    def ordered(self, scores: Floats, targets: Floats) -> Iterable[Ordered]:
        """All pairs at once."""
        return [of_all_pairs(scores, targets)]

    def of(self, ordered: Ordered, weights: Floats) -> Floats:
        """The area, (R,)."""
        return ordered.area(weights)
