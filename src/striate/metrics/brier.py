"""The Brier score: the squared distance of probabilities from what is true."""

from __future__ import annotations

import numpy as np

from striate.core.records import TargetKind
from striate.metrics import METRICS, Floats, Mean


def brier(scores: Floats, targets: Floats, kind: TargetKind = "label") -> float:
    """The mean over samples of half of Σ (p − t)² over the classes; for "labels", of the mean of (p − t)² over labels.

    Halved, it is between 0 and 1, and for two classes what is usually given; Brier 1950 does not halve.

    Args:
        scores: probabilities, (N, K).
        targets: 0 or 1, (N, K).
        kind: "label" for one class out of several, "labels" for any number at once.

    >>> round(brier(np.array([[0.5, 0.5], [0.2, 0.8]]), np.array([[1.0, 0.0], [0.0, 1.0]])), 4)
    0.145
    """
    return Brier(kind, scores.shape[1]).measure(scores, targets)


@METRICS.register("brier")
class Brier(Mean):
    """`brier`, gathered."""

    kinds = ("label", "labels")
    higher_is_better = False

    def each(self, scores: Floats, targets: Floats) -> Floats:
        """Squared distance of each sample, (N,)."""
        squares = np.square(scores - targets)
        return np.asarray(squares.sum(axis=1) / 2 if self.kind == "label" else squares.mean(axis=1))
