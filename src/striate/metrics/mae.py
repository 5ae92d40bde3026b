"""Mean absolute error, in the target's own unit."""

from __future__ import annotations

import numpy as np

from striate.metrics import METRICS, Floats, Mean


def mae(scores: Floats, targets: Floats) -> float:
    """The mean over samples, then over the K values, of |s − t|.

    Args:
        scores, targets: (N, K), in the target's own unit.

    >>> mae(np.array([[1.0], [4.0]]), np.array([[2.0], [2.0]]))
    1.5
    """
    return MAE("value", scores.shape[1]).measure(scores, targets)


@METRICS.register("mae")
class MAE(Mean):
    """`mae`, gathered."""

    kinds = ("value",)
    higher_is_better = False

    def each(self, scores: Floats, targets: Floats) -> Floats:
        """Mean absolute error of each sample, (N,)."""
        return np.asarray(np.abs(scores - targets).mean(axis=1))
