"""Cohen's kappa: agreement beyond what chance gives."""

from __future__ import annotations

import numpy as np

from striate.metrics import METRICS, ByClass, ClassCounts, Floats, class_counts, divide


def kappa(scores: Floats, targets: Floats) -> float:
    """(p_o − p_e) / (1 − p_e), of the accuracy p_o and what as many decisions for each class would hit by chance, p_e.

    Cohen 1960.

    Args:
        scores: (N, K).
        targets: one-hot, (N, K).

    Returns:
        NaN where all samples are of one class, and all decisions for it.

    >>> kappa(np.eye(2)[[0, 0, 1, 1]], np.eye(2)[[0, 0, 0, 1]])
    0.5
    """
    return Kappa("label", scores.shape[1]).measure(scores, targets)


@METRICS.register("kappa")
class Kappa(ByClass):
    """`kappa`, gathered."""

    kinds = ("label",)

    def measure(self, scores: Floats, targets: Floats) -> float:
        """`kappa` of all rows."""
        return float(_agreement(class_counts(scores, targets, "label")))

    def value(self, sums: Floats) -> Floats:
        """From the counts of each class, (R,)."""
        return _agreement(self.split(sums))


def _agreement(found: ClassCounts) -> Floats:
    samples = found.support.sum(axis=-1)
    chance = np.asarray((found.predicted * found.support).sum(axis=-1))
    return divide(found.hits.sum(axis=-1) * samples - chance, samples**2 - chance)
