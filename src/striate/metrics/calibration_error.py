"""Calibration error: how far confidence is from how often it is right."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from striate.core.records import TargetKind
from striate.metrics import METRICS, Additive, Floats, divide

BINS = 15
"""As many as Guo et al. 2017, "On calibration of modern neural networks", take."""


def calibration_error(scores: Floats, targets: Floats, kind: TargetKind = "label") -> float:
    """Σ over bins of |Σ confidence − Σ right| / N, in 15 bins of confidence of equal width, each closed on the right.

    The confidence is the largest probability, and right is whether its class is true; for "labels" it is each label's
    probability, and right is whether the label is true. A confidence of 1 is in the last bin. By chance it is above 0,
    the more so the fewer samples there are.

    Args:
        scores: probabilities, (N, K).
        targets: 0 or 1, (N, K).
        kind: "label" for one class out of several, "labels" for any number at once.

    >>> calibration_error(np.array([[1.0, 0.0], [1.0, 0.0]]), np.array([[1.0, 0.0], [0.0, 1.0]]))
    0.5
    """
    return CalibrationError(kind, scores.shape[1]).measure(scores, targets)


def bin_of(confidences: Floats) -> NDArray[np.int64]:
    """The bin of each confidence: (0, 1/15], (1/15, 2/15], …, a 0 being in the first.

    >>> bin_of(np.array([0.0, 0.05, 0.1, 1.0]))
    array([ 0,  0,  1, 14])
    """
    return np.searchsorted(np.arange(1, BINS) / BINS, confidences, side="left")


def confidences(scores: Floats, targets: Floats, kind: TargetKind) -> tuple[Floats, Floats]:
    """Confidence, and whether it was right, of each sample, (N, 1), or of each label of each, (N, K)."""
    if kind == "labels":
        return scores, targets
    likeliest = scores.argmax(axis=1)[:, None]
    return np.take_along_axis(scores, likeliest, axis=1), np.take_along_axis(targets, likeliest, axis=1)


@METRICS.register("calibration_error")
class CalibrationError(Additive):
    """`calibration_error`, gathered."""

    kinds = ("label", "labels")
    higher_is_better = False
    rises_by_chance = True

    def measure(self, scores: Floats, targets: Floats) -> float:
        """`calibration_error` of all rows."""
        return float(self.value(self.sums(scores, targets, np.ones((1, len(scores)))))[0])

    def sums(self, scores: Floats, targets: Floats, counts: Floats) -> Floats:
        """Confidence less what was right of each bin, and the number of confidences, (R, 16)."""
        sure, right = confidences(scores, targets, self.kind)
        gaps = np.zeros((len(scores), BINS))
        rows = np.broadcast_to(np.arange(len(scores))[:, None], sure.shape)
        np.add.at(gaps, (rows, bin_of(sure)), sure - right)
        return np.concatenate([counts @ gaps, sure.shape[1] * counts.sum(axis=1, keepdims=True)], axis=1)

    def value(self, sums: Floats) -> Floats:
        """From the sums, (R,)."""
        return divide(np.abs(sums[:, :-1]).sum(axis=1), sums[:, -1])
