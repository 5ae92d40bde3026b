"""Weights of classes from their frequencies."""

from __future__ import annotations

from collections.abc import Sequence

from striate.core.errors import UnknownName

WEIGHTINGS = ("none", "balanced", "square_root", "effective")
"""How classes may weigh: alike, by inverse frequency, by its square root, by the inverse effective number."""

BETA = 0.999
"""Of the effective number: a class of far more than 1 / (1 − β) samples counts as if it had no more."""


def class_weights(name: str, counts: Sequence[float]) -> tuple[float, ...]:
    """Weights of classes by one of `WEIGHTINGS`, with a mean over all samples of 1: the rate keeps its meaning.

    The effective number of n samples is (1 − βⁿ) / (1 − β) (Cui et al. 2019, "Class-balanced loss based on effective
    number of samples", eq. 2).

    Args:
        name: "balanced", "square_root" or "effective".
        counts: samples of each class, or the sum of their weights; a class without has a weight of 0.

    >>> [round(weight, 3) for weight in class_weights("square_root", [90, 10])]
    [0.833, 2.5]
    """
    if name == "balanced":
        return balanced_weights(counts)
    if name == "square_root":
        raw = [count**-0.5 if count > 0 else 0.0 for count in counts]
    elif name == "effective":
        raw = [1 / (1 - BETA**count) if count > 0 else 0.0 for count in counts]
    else:
        raise UnknownName("weighting of classes", name, WEIGHTINGS)
    total = sum(weight * count for weight, count in zip(raw, counts, strict=True))
    return tuple(weight * sum(counts) / total if total else 0.0 for weight in raw)


def inverse_frequency(counts: Sequence[float]) -> tuple[float, ...]:
    """Total over the class's count; 0 for a class without samples.

    >>> inverse_frequency([50, 25, 25])
    (2.0, 4.0, 4.0)
    """
    total = sum(counts)
    return tuple(total / count if count else 0.0 for count in counts)


def balanced_weights(counts: Sequence[float]) -> tuple[float, ...]:
    """Inverse frequencies scaled so that the mean over all samples is 1: the learning rate keeps its meaning.

    Equal to scikit-learn's "balanced", total / (classes · count), where every class has samples.

    Args:
        counts: samples of each class, or the sum of their weights.

    >>> balanced_weights([50, 25, 25])  # doctest: +ELLIPSIS
    (0.666..., 1.333..., 1.333...)
    """
    present = sum(count > 0 for count in counts)
    return tuple(weight / present for weight in inverse_frequency(counts)) if present else tuple(0.0 for _ in counts)


def positive_ratios(positives: Sequence[float], total: float) -> tuple[float, ...]:
    """Negatives over positives of each label; 1 where one of the two is missing and nothing can be balanced.

    >>> positive_ratios([10, 50, 0], 100)
    (9.0, 1.0, 1.0)
    """
    return tuple((total - count) / count if 0 < count < total else 1.0 for count in positives)
