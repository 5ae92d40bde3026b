"""Matthews' correlation of what is decided with what is true."""

from __future__ import annotations

import numpy as np

from striate.metrics import METRICS, ByClass, ClassCounts, Floats, class_counts, divide


def matthews(scores: Floats, targets: Floats) -> float:
    """(c s − Σ p_k t_k) / √((s² − Σ p_k²) (s² − Σ t_k²)), of s samples, c right, p_k decided for and t_k of class k.

    Matthews 1975; for several classes Gorodkin 2004. 1 is perfect and 0 is chance, however unequal the classes are.

    Args:
        scores: (N, K).
        targets: one-hot, (N, K).

    Returns:
        NaN where all samples are of one class, or all decisions for one: there is nothing that could vary together.

    >>> round(matthews(np.eye(2)[[0, 0, 1, 1]], np.eye(2)[[0, 0, 0, 1]]), 4)
    0.5774
    """
    return Matthews("label", scores.shape[1]).measure(scores, targets)


@METRICS.register("matthews")
class Matthews(ByClass):
    """`matthews`, gathered."""

    kinds = ("label",)

    def measure(self, scores: Floats, targets: Floats) -> float:
        """`matthews` of all rows."""
        return float(_correlation(class_counts(scores, targets, "label")))

    def value(self, sums: Floats) -> Floats:
        """From the counts of each class, (R,)."""
        return _correlation(self.split(sums))


def _correlation(found: ClassCounts) -> Floats:
    samples = found.support.sum(axis=-1)
    together = found.hits.sum(axis=-1) * samples - (found.predicted * found.support).sum(axis=-1)
    varied = [samples**2 - np.square(one).sum(axis=-1) for one in (found.predicted, found.support)]
    return divide(together, np.sqrt(varied[0]) * np.sqrt(varied[1]))
