"""Decisions for small classes: a fair figure to judge them by, and thresholds moved, of classes or of each label."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from striate.metrics import METRICS, THRESHOLD, Floats, checked, moved

LEAST_POSITIVES = 10
"""Samples with a label, and without it, below which its threshold stays at a half."""
STRENGTHS = tuple(round(0.1 * step, 1) for step in range(16))


def even_f1(scores: NDArray[np.floating], targets: NDArray[np.floating], counts: Floats | None = None) -> Floats:
    """Macro F1 as it would be if every class were met as often as any other.

    With few samples of a class, each sample of a large one that is called by its name costs precision; how much, hangs
    on how many there happen to be. Here each sample counts the inverse of its class's number.

    Args:
        scores, targets: (N, K), the largest score being what is decided for.
        counts: (R, N), how often each sample counts; once each unless given.

    Returns:
        (R,), or (1,).

    >>> even_f1(np.eye(2)[[0, 0, 0, 1]], np.eye(2)[[0, 0, 0, 1]])
    array([1.])
    """
    scores, targets = checked(scores, targets)
    counts = np.ones((1, len(scores))) if counts is None else counts
    classes = targets.argmax(axis=1)
    support = np.stack([np.bincount(classes, weights=row, minlength=targets.shape[1]) for row in counts])
    return METRICS.get("macro_f1")("label", targets.shape[1]).resample(
        scores, targets, counts / np.maximum(support[:, classes], 1e-12)
    )


@dataclass(frozen=True)
class Moved:
    """Thresholds moved.

    Args:
        factors: of each class's probability.
        strength: the power of the inverse frequency that they are.
        before, after: `even_f1` of the samples that chose it.
    """

    factors: tuple[float, ...]
    strength: float
    before: float
    after: float


def move_thresholds(scores: NDArray[np.floating], targets: NDArray[np.floating], frequencies: Sequence[float]) -> Moved:
    """The factors f⁻ᵗ of classes of frequencies f for which `even_f1` is best, t being the least of equals.

    One number is chosen, not one a class, which few samples of a class could not carry (Menon et al. 2021, "Long-tail
    learning via logit adjustment", section 4.1: t = 1 undoes the frequencies of a network that fits them).

    Args:
        scores: probabilities (N, K) of samples that were not learnt from.
        targets: one-hot, (N, K).
        frequencies: of the classes in training; one of 0 has a factor of 1.
    """
    known = np.asarray(frequencies, np.float64)
    known = np.where(known > 0, known / known.max(), 1.0)
    scores, targets = checked(scores, targets)
    figures = [float(even_f1(moved(scores, (known**-power).tolist()), targets)[0]) for power in STRENGTHS]
    best = int(np.argmax(figures))
    factors = tuple((known ** -STRENGTHS[best]).tolist())
    return Moved(factors, STRENGTHS[best], figures[0], figures[best])


@dataclass(frozen=True)
class LabelThresholds:
    """A threshold for each label.

    Args:
        values: the probability from which on each is held present.
        kept: the labels, by place, that too few samples have, or have not: a half is kept.
        before, after: macro F1 of the samples that chose them.
    """

    values: tuple[float, ...]
    kept: tuple[int, ...]
    before: float
    after: float


def choose_thresholds(scores: NDArray[np.floating], targets: NDArray[np.floating]) -> LabelThresholds:
    """For each label the threshold of the best F1 (Lipton, Elkan and Naryanaswamy 2014, "Optimal thresholding of
    classifiers to maximize F1 measure"), half way between two probabilities; of equals the one nearest a half.

    Args:
        scores: probabilities (N, K) of samples that were not learnt from.
        targets: 0 or 1, (N, K).
    """
    scores, targets = checked(scores, targets)
    positives = targets.sum(axis=0)
    kept = tuple(np.flatnonzero(np.minimum(positives, len(targets) - positives) < LEAST_POSITIVES).tolist())
    values = tuple(
        THRESHOLD if place in kept else _best_threshold(scores[:, place], targets[:, place])
        for place in range(scores.shape[1])
    )
    judge = METRICS.get("macro_f1")("labels", scores.shape[1])
    figures = [judge.measure(np.asarray(scores >= least, float), targets) for least in (THRESHOLD, np.asarray(values))]
    return LabelThresholds(values, kept, *figures)


def _best_threshold(scores: Floats, target: Floats) -> float:
    """The threshold of the best F1 for one label, (N,) each."""
    order = np.argsort(-scores, kind="stable")
    ordered, hits = scores[order], np.cumsum(target[order])
    figures = 2 * hits / (np.arange(1, len(hits) + 1) + hits[-1])
    last = np.append(ordered[1:] < ordered[:-1], True)  # equal scores are called the same
    following = np.append(ordered[1:], 0.0)
    best = np.flatnonzero(last & (figures >= figures[last].max() - 1e-12))
    between = [_between(float(following[place]), float(ordered[place])) for place in best]
    return min(between, key=lambda one: abs(one - THRESHOLD))


def _between(low: float, high: float) -> float:
    """A half where it lies between the two, else their middle, which the higher of both still reaches."""
    return THRESHOLD if low < THRESHOLD <= high else min((low + high) / 2, high)
