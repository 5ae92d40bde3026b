"""Weights of classes from their frequencies."""

from __future__ import annotations

from collections.abc import Sequence


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
