"""Spearman's correlation: whether predictions have the order of the true values."""

from __future__ import annotations

import numpy as np

from striate.metrics import METRICS, Floats, Metric, divide, mean_defined


def spearman(scores: Floats, targets: Floats) -> float:
    """The mean over the K values of the correlation of ranks, equal values sharing the mean of theirs (Spearman 1904).

    Args:
        scores, targets: (N, K).

    Returns:
        the mean over the values of which both predictions and targets differ; NaN where there is none.

    >>> round(spearman(np.array([[1.0], [4.0], [9.0]]), np.array([[1.0], [2.0], [3.0]])), 12)
    1.0
    """
    return Spearman("value", scores.shape[1]).measure(scores, targets)


@METRICS.register("spearman")
class Spearman(Metric):
    """`spearman`, gathered."""

    kinds = ("value",)
    costly = True

    def measure(self, scores: Floats, targets: Floats) -> float:
        """`spearman` of all rows."""
        return float(self.resample(scores, targets, np.ones((1, len(scores))))[0]) if len(scores) else float("nan")

    def resample(self, scores: Floats, targets: Floats, counts: Floats) -> Floats:
        """The metric of many resamples, (R,), from how often each row is in each, (R, N)."""
        pairs = zip(scores.T, targets.T, strict=True)
        return mean_defined(np.stack([_correlation(_ranks(s, counts), _ranks(t, counts), counts) for s, t in pairs]))


def _ranks(values: Floats, counts: Floats) -> Floats:
    """Rank of each among all that count, equals sharing the mean of theirs, less the mean of all ranks; (R, N)."""
    order = np.argsort(values, kind="stable")
    sorted_values = values[order]
    passed = np.concatenate([np.zeros((len(counts), 1)), np.cumsum(counts[:, order], axis=1)], axis=1)
    first, last = (np.searchsorted(sorted_values, values, side) for side in ("left", "right"))
    return np.asarray((passed[:, first] + passed[:, last] - passed[:, -1:]) / 2)


def _correlation(first: Floats, second: Floats, counts: Floats) -> Floats:
    """Of centred ranks, (R,); NaN where one of the two does not vary."""
    together, own, other = (
        np.einsum("rn,rn,rn->r", counts, one, two) for one, two in ((first, second), (first, first), (second, second))
    )
    return divide(together, np.sqrt(own) * np.sqrt(other))
