"""Pinball loss as a metric, in the target's own unit: how good values are as a quantile."""

from __future__ import annotations

import numpy as np

from striate.core.errors import UsageError
from striate.core.records import TargetKind
from striate.metrics import METRICS, Floats, Mean


def pinball(scores: Floats, targets: Floats, *, share: float = 0.5) -> float:
    """The mean over samples, then over the K values, of max(q (t − s), (q − 1) (t − s)).

    It is least where a share q of the targets lies below the scores: Koenker and Bassett 1978, "Regression quantiles",
    section 3. No other metric knows q.

    Args:
        scores, targets: (N, K), in the target's own unit.
        share: q, between 0 and 1; ½ is half the mean absolute error.

    >>> pinball(np.array([[1.0], [4.0]]), np.array([[2.0], [2.0]]), share=0.75)
    0.625
    """
    return Pinball("value", scores.shape[1], share=share).measure(scores, targets)


@METRICS.register("pinball")
class Pinball(Mean):
    """`pinball`, gathered."""

    kinds = ("value",)
    higher_is_better = False
    of_loss = "quantile"

    def __init__(self, kind: TargetKind, outputs: int, *, share: float = 0.5) -> None:
        super().__init__(kind, outputs)
        if not 0 < share < 1:
            raise UsageError(
                f"share takes a number between 0 and 1, not {share!r}", fix="set another, such as {share: 0.9}"
            )
        self.share = share

    def each(self, scores: Floats, targets: Floats) -> Floats:
        """What each sample costs, (N,)."""
        short = targets - scores
        return np.asarray(np.maximum(self.share * short, (self.share - 1) * short).mean(axis=1))
