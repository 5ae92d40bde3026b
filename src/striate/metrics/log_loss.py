"""Log loss: how well the probabilities fit, not only the decisions."""

from __future__ import annotations

import numpy as np

from striate.core.records import TargetKind
from striate.metrics import METRICS, Floats, Mean

CLIP = float(np.finfo(np.float32).eps)
"""Probabilities are kept this far from 0 and 1, as scikit-learn does for single precision: one certain mistake costs
16 nats, not infinitely many."""


def log_loss(scores: Floats, targets: Floats, kind: TargetKind = "label") -> float:
    """The mean over samples of −log p of the true class, in nats; for "labels", of the mean over labels.

    Args:
        scores: probabilities, (N, K).
        targets: 0 or 1, (N, K).
        kind: "label" for one class out of several, "labels" for any number at once.

    >>> round(log_loss(np.array([[0.5, 0.5], [0.25, 0.75]]), np.array([[1.0, 0.0], [0.0, 1.0]])), 4)
    0.4904
    """
    return LogLoss(kind, scores.shape[1]).measure(scores, targets)


@METRICS.register("log_loss")
class LogLoss(Mean):
    """`log_loss`, gathered."""

    kinds = ("label", "labels")
    higher_is_better = False

    def each(self, scores: Floats, targets: Floats) -> Floats:
        """Nats of each sample, (N,)."""
        sure = np.clip(scores, CLIP, 1 - CLIP)
        if self.kind == "label":
            return np.asarray(-(targets * np.log(sure)).sum(axis=1))
        return np.asarray(-(targets * np.log(sure) + (1 - targets) * np.log1p(-sure)).mean(axis=1))
