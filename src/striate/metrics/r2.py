"""R²: the share of the targets' variance that is explained."""

from __future__ import annotations

import numpy as np

from striate.core.records import TargetKind
from striate.metrics import METRICS, Additive, Floats, divide, mean_defined


def r2(scores: Floats, targets: Floats) -> float:
    """The mean over the K values of 1 − Σ (s − t)² / Σ (t − mean t)².

    1 is perfect, 0 is as good as always saying the mean, below 0 is worse than that.

    Args:
        scores, targets: (N, K).

    Returns:
        the mean over the values whose targets differ; NaN where none do.

    >>> r2(np.array([[1.0], [2.0], [4.0]]), np.array([[1.0], [2.0], [3.0]]))
    0.5
    """
    return float(mean_defined(r2_by_value(scores, targets)))


def r2_by_value(scores: Floats, targets: Floats) -> Floats:
    """R² of each of the K values, (K,); NaN for one whose targets are all the same."""
    if not len(scores):
        return np.full(scores.shape[1], np.nan)
    errors = np.square(scores - targets).sum(axis=0)
    spread = np.square(targets - targets.mean(axis=0)).sum(axis=0)
    return 1 - divide(errors, np.where(np.ptp(targets, axis=0) > 0, spread, 0.0))


@METRICS.register("r2")
class R2(Additive):
    """`r2`, gathered: targets are summed from the first batch's mean, so that a large offset costs no digits."""

    kinds = ("value",)

    def __init__(self, kind: TargetKind, outputs: int) -> None:
        super().__init__(kind, outputs)
        self._origin: Floats | None = None

    def measure(self, scores: Floats, targets: Floats) -> float:
        """`r2` of all rows."""
        return r2(scores, targets)

    def sums(self, scores: Floats, targets: Floats, counts: Floats) -> Floats:
        """Squared errors, shifted targets and their squares of each value, and the number of samples, (R, 3 K + 1)."""
        if self._origin is None:
            self._origin = targets.mean(axis=0) if len(targets) else np.zeros(self.outputs)
        shifted = targets - self._origin
        parts = np.concatenate([np.square(scores - targets), shifted, np.square(shifted)], axis=1)
        return np.concatenate([counts @ parts, counts.sum(axis=1, keepdims=True)], axis=1)

    def value(self, sums: Floats) -> Floats:
        """From the sums, (R,)."""
        errors, linear, squares = np.split(sums[:, :-1], 3, axis=1)
        spread = squares - divide(linear * linear, sums[:, -1:])
        rounding = np.finfo(np.float64).eps * sums[:, -1:] * squares  # what the difference of two equals may leave
        return mean_defined((1 - divide(errors, np.where(spread > rounding, spread, 0.0))).T)
