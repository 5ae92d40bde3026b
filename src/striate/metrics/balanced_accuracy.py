"""Balanced accuracy: how often decisions are right, each class counting the same."""

from __future__ import annotations

import numpy as np

from striate.core.records import TargetKind
from striate.metrics import METRICS, Additive, Floats, class_counts, divide, mean_defined


def balanced_accuracy(scores: Floats, targets: Floats, kind: TargetKind = "label") -> float:
    """The mean of recalls: of the classes that samples have, or, for each label, of those with and those without it.

    For single classes it is `macro_recall` (Brodersen et al. 2010). A label that all samples have, or none, is judged
    by the recall that there is.

    Args:
        scores: (N, K).
        targets: 0 or 1, (N, K).
        kind: "label" for one class out of several, "labels" for any number at once.

    Returns:
        NaN where there are no samples.

    >>> balanced_accuracy(np.array([[0.9, 0.1], [0.8, 0.2], [0.3, 0.7]]), np.array([[1, 0], [0, 1], [0, 1]]))
    0.75
    """
    return BalancedAccuracy(kind, scores.shape[1]).measure(scores, targets)


@METRICS.register("balanced_accuracy")
class BalancedAccuracy(Additive):
    """`balanced_accuracy`, gathered."""

    kinds = ("label", "labels")
    of_decisions = True

    def measure(self, scores: Floats, targets: Floats) -> float:
        """`balanced_accuracy` of all rows."""
        return float(self.value(self.sums(scores, targets, np.ones((1, len(scores)))))[0])

    def sums(self, scores: Floats, targets: Floats, counts: Floats) -> Floats:
        """Hits, predictions and support of each class, and the number of samples, (R, 3 K + 1)."""
        found = class_counts(scores, targets, self.kind, counts)
        return np.concatenate([found.hits, found.predicted, found.support, counts.sum(axis=1, keepdims=True)], axis=1)

    def value(self, sums: Floats) -> Floats:
        """From the counts, (R,)."""
        hits, predicted, support = np.split(sums[:, :-1], 3, axis=1)
        recall = divide(hits, support)
        if self.kind == "label":
            return mean_defined(recall.T)
        absent = sums[:, -1:] - support
        rejected = divide(absent - (predicted - hits), absent)
        return mean_defined(mean_defined(np.stack([recall, rejected])).T)
