"""Subset accuracy: how often all labels of a sample are right at once."""

from __future__ import annotations

import numpy as np

from striate.metrics import METRICS, THRESHOLD, Floats, Mean, decide


def subset_accuracy(scores: Floats, targets: Floats) -> float:
    """The share of samples all of whose labels are right, present or not.

    Args:
        scores: (N, K).
        targets: 0 or 1, (N, K).

    >>> subset_accuracy(np.array([[0.9, 0.6], [0.2, 0.1]]), np.array([[1.0, 0.0], [0.0, 0.0]]))
    0.5
    """
    return SubsetAccuracy("labels", scores.shape[1]).measure(scores, targets)


@METRICS.register("subset_accuracy")
class SubsetAccuracy(Mean):
    """`subset_accuracy`, gathered."""

    kinds = ("labels",)
    of_decisions = True

    def each(self, scores: Floats, targets: Floats) -> Floats:
        """1 where all labels are right, (N,)."""
        return np.asarray((decide(scores, "labels") == (targets >= THRESHOLD)).all(axis=1), np.float64)
