"""Average precision of all pairs of sample and class at once."""

from __future__ import annotations

from collections.abc import Iterable

from striate.core.records import TargetKind
from striate.metrics import METRICS, Floats, Ordered, Ranked, of_all_pairs


def micro_average_precision(scores: Floats, targets: Floats, kind: TargetKind = "label") -> float:
    """`average_precision` of all pairs of sample and class as one list.

    Args:
        scores: (N, K).
        targets: 0 or 1, (N, K).
        kind: "label" for one class out of several, "labels" for any number at once.

    Returns:
        NaN where no class is given to any sample.

    >>> import numpy as np
    >>> micro_average_precision(np.array([[0.9, 0.6], [0.4, 0.7]]), np.array([[1, 0], [1, 0]]))
    0.75
    """
    return MicroAveragePrecision(kind, scores.shape[1]).measure(scores, targets)


@METRICS.register("micro_average_precision")
class MicroAveragePrecision(Ranked):
    """`micro_average_precision`, gathered."""

    def ordered(self, scores: Floats, targets: Floats) -> Iterable[Ordered]:
        """All pairs at once."""
        return [of_all_pairs(scores, targets)]

    def of(self, ordered: Ordered, weights: Floats) -> Floats:
        """Average precision, (R,)."""
        return ordered.precision(weights)
