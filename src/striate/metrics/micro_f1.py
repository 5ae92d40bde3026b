"""Micro F1: the balance of precision and recall over all labels of all samples, each label given counting the same."""

from __future__ import annotations

import numpy as np

from striate.metrics import METRICS, ByClass, Floats, class_counts, divide


def micro_f1(scores: Floats, targets: Floats) -> float:
    """2 Σ hits / (Σ predicted + Σ support), the sums over all labels.

    Args:
        scores: (N, K).
        targets: 0 or 1, (N, K).

    Returns:
        NaN where no label is given and none predicted.

    >>> micro_f1(np.array([[0.9, 0.6], [0.2, 0.1]]), np.array([[1.0, 0.0], [0.0, 0.0]]))  # doctest: +ELLIPSIS
    0.666...
    """
    found = class_counts(scores, targets, "labels")
    return float(divide(2 * found.hits.sum(), found.predicted.sum() + found.support.sum()))


@METRICS.register("micro_f1")
class MicroF1(ByClass):
    """`micro_f1`, gathered."""

    kinds = ("labels",)

    def measure(self, scores: Floats, targets: Floats) -> float:
        """`micro_f1` of all rows."""
        return micro_f1(scores, targets)

    def value(self, sums: Floats) -> Floats:
        """From the counts of each label, (R,)."""
        found = self.split(sums)
        return divide(2 * found.hits.sum(axis=1), np.asarray(found.predicted + found.support).sum(axis=1))
