"""Explained variance: R² of predictions that are forgiven a constant error."""

from __future__ import annotations

import numpy as np

from striate.metrics import METRICS, Floats, Metric, divide, mean_defined


def explained_variance(scores: Floats, targets: Floats) -> float:
    """The mean over the K values of 1 − Var(t − s) / Var(t).

    Where it is above R², predictions are off by a constant, which could be subtracted.

    Args:
        scores, targets: (N, K).

    Returns:
        the mean over the values whose targets differ; NaN where none do.

    >>> explained_variance(np.array([[2.0], [3.0], [4.0]]), np.array([[1.0], [2.0], [3.0]]))
    1.0
    """
    return ExplainedVariance("value", scores.shape[1]).measure(scores, targets)


@METRICS.register("explained_variance")
class ExplainedVariance(Metric):
    """`explained_variance`, gathered."""

    kinds = ("value",)

    def measure(self, scores: Floats, targets: Floats) -> float:
        """`explained_variance` of all rows."""
        return float(self.resample(scores, targets, np.ones((1, len(scores))))[0]) if len(scores) else float("nan")

    def resample(self, scores: Floats, targets: Floats, counts: Floats) -> Floats:
        """The metric of many resamples, (R,), from how often each row is in each, (R, N)."""
        varied = [_spread(one, counts) for one in (targets - scores, targets)]
        return mean_defined((1 - divide(*varied)).T)


def _spread(values: Floats, counts: Floats) -> Floats:
    """Σ (v − mean v)² of each column, (R, K); exactly 0 where all that counts is the same."""
    shifted = values - values.mean(axis=0)
    total = counts.sum(axis=1, keepdims=True)
    squares, linear = counts @ np.square(shifted), counts @ shifted
    found = squares - divide(linear * linear, total)
    rounding = np.finfo(np.float64).eps * total * squares  # what the difference of two equals may leave
    return np.where(found > rounding, found, 0.0)
