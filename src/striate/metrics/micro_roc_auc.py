"""The area under the ROC curve of all pairs of sample and class at once."""

from __future__ import annotations

import numpy as np

from striate.core.records import TargetKind
from striate.metrics import METRICS, Floats, Ranked, of_all_pairs


def micro_roc_auc(scores: Floats, targets: Floats, kind: TargetKind = "label") -> float:
    """How often a class that a sample has is given a higher score than one that a sample has not; ties count half.

    Args:
        scores: (N, K).
        targets: 0 or 1, (N, K).
        kind: "label" for one class out of several, "labels" for any number at once.

    Returns:
        NaN where every class is given to every sample, or none to any.

    >>> micro_roc_auc(np.array([[0.9, 0.1], [0.4, 0.6]]), np.array([[1, 0], [1, 0]]))
    0.75
    """
    return MicroROCAUC(kind, scores.shape[1]).measure(scores, targets)


@METRICS.register("micro_roc_auc")
class MicroROCAUC(Ranked):
    """`micro_roc_auc`, gathered."""

    def weighed(self, scores: Floats, targets: Floats, weights: Floats) -> Floats:
        """The area of all pairs, (R,)."""
        return np.asarray(of_all_pairs(scores, targets).area(weights))
