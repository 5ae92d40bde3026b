"""Temperature scaling: one number, fitted on validation, that makes probabilities as sure as they are right."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logsumexp, softmax

from striate.core.records import TargetKind
from striate.core.seeds import permutation
from striate.metrics import Floats, checked

LEAST = 50
"""Independent samples below which no temperature is fitted."""
FOLDS = 5
MOST = 20.0
"""The largest temperature that is looked for; the smallest is its inverse."""


@dataclass(frozen=True)
class Temperature:
    """A temperature, or why there is none.

    Args:
        value: what outputs are divided by; None where they stay as they are.
        because: why, with its figures.
    """

    value: float | None
    because: str


def fit_temperature(
    outputs: NDArray[np.floating], targets: NDArray[np.floating], kind: TargetKind, units: NDArray[np.int64]
) -> Temperature:
    """The temperature of least log loss (Guo et al. 2017, "On calibration of modern neural networks", section 4.2).

    It is taken where it lowers the log loss of samples that it was not fitted to, found on five parts in turn.

    Args:
        outputs: raw, (N, K), of samples that were not learnt from; the mean over views where several are averaged.
        targets: one-hot for "label", 0 or 1 for "labels", (N, K).
        units: (N,), what each sample belongs with, see `units_of`: it is on one side of each division.
    """
    outputs, targets = checked(outputs, targets)
    count = int(units.max()) + 1 if len(units) else 0
    if count < LEAST:
        return Temperature(None, f"{count} independent validation samples are too few: {LEAST} are needed")
    if _all_right(outputs, targets, kind):
        return Temperature(None, "validation has no mistake that could tell how sure is too sure")
    found = least_loss(outputs, targets, kind)
    if not 1 / MOST < found < MOST:
        return Temperature(None, f"no temperature between {1 / MOST:g} and {MOST:g} fits validation best")
    before = losses(outputs, targets, kind)
    after = _unseen(outputs, targets, kind, units, count)
    told = f"log loss {before.mean():.4f} → {after.mean():.4f} on {FOLDS} parts of validation, each unseen in turn"
    if not after.mean() < before.mean():
        return Temperature(None, f"a temperature of {found:.3f} would not help: {told}")
    return Temperature(found, f"{told}, in {len(outputs):,} samples")


def losses(outputs: Floats, targets: Floats, kind: TargetKind, temperature: float = 1.0) -> Floats:
    """The log loss of each sample, in nats, (N,); for "labels" the mean over labels.

    >>> losses(np.array([[0.0, 0.0]]), np.array([[1.0, 0.0]]), "label").round(4)
    array([0.6931])
    """
    scaled = outputs / temperature
    if kind == "label":
        return np.asarray(logsumexp(scaled, axis=1) - (scaled * targets).sum(axis=1))
    return np.asarray((np.logaddexp(0.0, scaled) - scaled * targets).mean(axis=1))


def least_loss(outputs: Floats, targets: Floats, kind: TargetKind) -> float:
    """The temperature of least log loss, by Newton's method on its inverse, in which the loss is convex.

    Returns:
        the bound, `MOST` or its inverse, where the loss falls up to there.
    """
    low, high, inverse = 1 / MOST, MOST, 1.0
    if _slopes(outputs, targets, kind, low)[0] >= 0:
        return 1 / low
    if _slopes(outputs, targets, kind, high)[0] <= 0:
        return 1 / high
    for _ in range(100):
        slope, curvature = _slopes(outputs, targets, kind, inverse)
        low, high = (low, inverse) if slope > 0 else (inverse, high)
        step = inverse - slope / curvature if curvature > 0 else high
        step = step if low < step < high else math.sqrt(low * high)
        if abs(step - inverse) <= 1e-12 * inverse:
            break
        inverse = step
    return 1 / inverse


def _slopes(outputs: Floats, targets: Floats, kind: TargetKind, inverse: float) -> tuple[float, float]:
    """First and second derivative of the mean log loss by the inverse temperature."""
    if kind == "label":
        shares = softmax(inverse * outputs, axis=1)
        mean = (shares * outputs).sum(axis=1)
        spread = (shares * np.square(outputs - mean[:, None])).sum(axis=1)
        return float((mean - (targets * outputs).sum(axis=1)).mean()), float(spread.mean())
    shares = expit(inverse * outputs)
    return float(((shares - targets) * outputs).mean()), float((shares * (1 - shares) * np.square(outputs)).mean())


def _unseen(outputs: Floats, targets: Floats, kind: TargetKind, units: NDArray[np.int64], count: int) -> Floats:
    """The log loss of each sample at the temperature of those of the other parts, (N,)."""
    part = (permutation(count, 0, "calibration") % FOLDS)[units]
    found = np.empty(len(outputs))
    for number in range(FOLDS):
        inside = part == number
        temperature = least_loss(outputs[~inside], targets[~inside], kind)
        found[inside] = losses(outputs[inside], targets[inside], kind, temperature)
    return found


def _all_right(outputs: Floats, targets: Floats, kind: TargetKind) -> bool:
    """Whether each true class is the likeliest, or each label on its side: the loss falls for ever then."""
    if kind == "label":
        return bool(((outputs * targets).sum(axis=1) >= outputs.max(axis=1)).all())
    return bool((outputs * (2 * targets - 1) >= 0).all())
