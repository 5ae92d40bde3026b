"""Weights of classes, from their frequencies or as they are given."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from striate.core.errors import UnknownName, UsageError

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
    return _with_mean_one(raw, counts)


def given_weights(said: Mapping[str, float], names: Sequence[str]) -> tuple[float, ...]:
    """The weight of each class as the user gives it; 1 for one that is not named.

    Raises:
        UnknownName: a class that there is not.
        UsageError: a class twice, a weight that is negative or not finite, or none above 0.

    >>> given_weights({"ill": 3}, ["ill", "well"])
    (3.0, 1.0)
    """
    for name in said:
        if not isinstance(name, str) and not (type(name) is int and str(name) in names):
            raise UsageError(
                f"loss.class_weights: YAML reads a name as {name!r}, which is no text", fix='quote it, as in {"no": 3}'
            )
    found = {str(name): float(weight) for name, weight in said.items()}
    if len(found) < len(said):
        raise UsageError("loss.class_weights names a class twice", fix="name each once")
    for name, weight in found.items():
        if name not in names:
            raise UnknownName("class in loss.class_weights", name, names)
        if not (math.isfinite(weight) and weight >= 0):
            raise UsageError(
                f"loss.class_weights: the weight of {name!r} is {weight:g}", fix="give finite numbers of at least 0"
            )
    weights = tuple(found.get(name, 1.0) for name in names)
    if not any(weights):
        raise UsageError("loss.class_weights: all classes weigh 0, so nothing can be learnt", fix="raise one above 0")
    return weights


def given_class_weights(said: Mapping[str, float], names: Sequence[str], counts: Sequence[float]) -> tuple[float, ...]:
    """`given_weights` with a mean over all samples of 1: the rate keeps its meaning.

    Args:
        counts: samples of each class, or the sum of their weights.

    Raises:
        UsageError: besides, all samples are of classes that weigh 0.

    >>> given_class_weights({"ill": 3}, ["ill", "well"], [50, 50])
    (1.5, 0.5)
    """
    weights = _with_mean_one(given_weights(said, names), counts)
    if not any(weights):
        raise UsageError(
            "loss.class_weights: the classes that have training samples all weigh 0, so nothing can be learnt",
            fix="raise one of them above 0",
        )
    return weights


def _with_mean_one(raw: Sequence[float], counts: Sequence[float]) -> tuple[float, ...]:
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
