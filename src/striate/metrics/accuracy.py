"""Accuracy: how often the likeliest class is the true one."""

from __future__ import annotations

import numpy as np

from striate.metrics import METRICS, Floats, Mean


def accuracy(scores: Floats, targets: Floats) -> float:
    """The share of samples whose likeliest class (the first of equals) is the true one.

    Args:
        scores: (N, K).
        targets: one-hot, (N, K).

    >>> accuracy(np.array([[0.9, 0.1], [0.8, 0.2]]), np.array([[1.0, 0.0], [0.0, 1.0]]))
    0.5
    """
    return Accuracy("label", scores.shape[1]).measure(scores, targets)


@METRICS.register("accuracy")
class Accuracy(Mean):
    """`accuracy`, gathered."""

    kinds = ("label",)
    of_decisions = True

    def each(self, scores: Floats, targets: Floats) -> Floats:
        """1 for a hit, 0 for a miss, (N,)."""
        return np.asarray(scores.argmax(axis=1) == targets.argmax(axis=1), np.float64)
