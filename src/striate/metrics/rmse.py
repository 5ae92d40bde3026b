"""Root mean squared error, in the target's own unit."""

from __future__ import annotations

import numpy as np

from striate.metrics import METRICS, Additive, Floats, divide


def rmse(scores: Floats, targets: Floats) -> float:
    """The mean over the K values of √(mean over samples of (s − t)²).

    Args:
        scores, targets: (N, K), in the target's own unit.

    >>> rmse(np.array([[3.0], [4.0]]), np.array([[0.0], [0.0]]))  # doctest: +ELLIPSIS
    3.535...
    """
    return float(np.sqrt(np.square(scores - targets).mean(axis=0)).mean()) if len(scores) else float("nan")


@METRICS.register("rmse")
class RMSE(Additive):
    """`rmse`, gathered."""

    kinds = ("value",)
    higher_is_better = False

    def measure(self, scores: Floats, targets: Floats) -> float:
        """`rmse` of all rows."""
        return rmse(scores, targets)

    def sums(self, scores: Floats, targets: Floats, counts: Floats) -> Floats:
        """Squared errors of each value and the number of samples, (R, K + 1)."""
        return np.concatenate([counts @ np.square(scores - targets), counts.sum(axis=1, keepdims=True)], axis=1)

    def value(self, sums: Floats) -> Floats:
        """From the sums, (R,)."""
        return np.asarray(np.sqrt(divide(sums[:, :-1], sums[:, -1:])).mean(axis=1))
