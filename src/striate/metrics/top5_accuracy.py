"""Top-5 accuracy: how often the true class is among the five likeliest."""

from __future__ import annotations

import numpy as np

from striate.core.records import TargetKind
from striate.metrics import METRICS, Floats, Mean

PLACES = 5


def top5_accuracy(scores: Floats, targets: Floats) -> float:
    """The share of samples whose true class is among the five likeliest; of equals, the first classes come first.

    Args:
        scores: (N, K) with K > 5, since with fewer it would always be 1.
        targets: one-hot, (N, K).

    >>> top5_accuracy(np.array([[0.3, 0.2, 0.2, 0.1, 0.1, 0.1]]), np.eye(6)[[4]])
    1.0
    """
    return Top5Accuracy("label", scores.shape[1]).measure(scores, targets)


@METRICS.register("top5_accuracy")
class Top5Accuracy(Mean):
    """`top5_accuracy`, gathered."""

    kinds = ("label",)

    @classmethod
    def applies(cls, kind: TargetKind, outputs: int) -> bool:
        """Only with more than five classes."""
        return kind in cls.kinds and outputs > PLACES

    def each(self, scores: Floats, targets: Floats) -> Floats:
        """1 for a hit, 0 for a miss, (N,)."""
        true = targets.argmax(axis=1)[:, None]
        own = np.take_along_axis(scores, true, axis=1)
        before = (scores > own) | ((scores == own) & (np.arange(scores.shape[1]) < true))
        return np.asarray(before.sum(axis=1) < PLACES, np.float64)
