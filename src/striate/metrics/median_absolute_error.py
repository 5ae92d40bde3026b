"""Median absolute error, in the target's own unit."""

from __future__ import annotations

import numpy as np

from striate.metrics import METRICS, Floats, Metric


def median_absolute_error(scores: Floats, targets: Floats) -> float:
    """The mean over the K values of the median over samples of |s − t|, which a few large misses do not move.

    Args:
        scores, targets: (N, K), in the target's own unit.

    >>> median_absolute_error(np.array([[1.0], [2.0], [90.0]]), np.array([[1.5], [2.0], [3.0]]))
    0.5
    """
    return MedianAbsoluteError("value", scores.shape[1]).measure(scores, targets)


@METRICS.register("median_absolute_error")
class MedianAbsoluteError(Metric):
    """`median_absolute_error`, gathered."""

    kinds = ("value",)
    higher_is_better = False

    def measure(self, scores: Floats, targets: Floats) -> float:
        """`median_absolute_error` of all rows."""
        return float(np.median(np.abs(scores - targets), axis=0).mean()) if len(scores) else float("nan")

    def resample(self, scores: Floats, targets: Floats, counts: Floats) -> Floats:
        """The metric of many resamples, (R,), from how often each row is in each, (R, N)."""
        errors = np.abs(scores - targets)
        medians = [_medians(one, counts) for one in errors.T]
        return np.asarray(np.mean(medians, axis=0))


def _medians(errors: Floats, counts: Floats) -> Floats:
    """The mean of the lower and the upper median of errors that count so often, (R,)."""
    order = np.argsort(errors, kind="stable")
    passed = np.cumsum(counts[:, order], axis=1)
    found = np.full(len(counts), np.nan)
    for row, cumulated in enumerate(passed):
        total = cumulated[-1]
        if total:
            places = np.searchsorted(cumulated, [np.floor((total - 1) / 2), np.floor(total / 2)], side="right")
            found[row] = errors[order[places]].mean()
    return found
