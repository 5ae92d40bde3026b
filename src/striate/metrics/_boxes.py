"""Detections and truths of pictures, their overlaps, and which detection finds which truth, by COCO's rules.

Lin et al. 2014, "Microsoft COCO", and its `cocoeval.py`, with which `striate.metrics._box_precision` agrees. Detections
of a class are gone through from the surest on; each takes the truth of its class that it overlaps most, of those that
no surer one has taken. Truths that do not count (crowds, what is difficult, sizes out of the range) are taken only
where none that counts is there; what takes them counts neither. A crowd may be taken any number of times, and the
overlap with it is the share of the detection that lies in it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
Integers = NDArray[np.int64]

THRESHOLDS: tuple[float, ...] = tuple(np.linspace(0.5, 0.95, 10).tolist())
"""Overlaps from which a detection finds a truth."""

AREAS: dict[str, tuple[float, float]] = {
    "all": (0.0, 1e10),
    "small": (0.0, 32.0**2),
    "medium": (32.0**2, 96.0**2),
    "large": (96.0**2, 1e10),
}
"""Ranges of the areas of truths in pixels, both ends included."""

MOST = 100
"""Detections of a class in a picture that count, the surest of them."""


@dataclass(frozen=True)
class Detections:
    """What was found in one picture.

    Args:
        boxes: x1, y1, x2, y2 in pixels, (D, 4).
        scores: how sure, (D,).
        labels: the class of each, from 0, (D,).

    Raises:
        ValueError: the shapes do not agree, or a number is not finite.
    """

    boxes: Floats
    scores: Floats
    labels: Integers

    def __post_init__(self) -> None:
        _check(self.boxes, self.labels)
        if self.scores.shape != self.labels.shape or not np.isfinite(self.scores).all():
            raise ValueError("scores must be finite numbers, one for each box")


@dataclass(frozen=True)
class Truths:
    """What is in one picture.

    Args:
        boxes: x1, y1, x2, y2 in pixels, (G, 4).
        labels: the class of each, from 0, (G,).
        crowd: which stand for many things, (G,); none by default.
        difficult: which need not be found, (G,); none by default.
        areas: of the things themselves in pixels, (G,); those of the boxes by default.

    Raises:
        ValueError: the shapes do not agree, or a number is not finite.
    """

    boxes: Floats
    labels: Integers
    crowd: Flags = field(default_factory=lambda: np.zeros(0, np.bool_))
    difficult: Flags = field(default_factory=lambda: np.zeros(0, np.bool_))
    areas: Floats = field(default_factory=lambda: np.zeros(0))

    def __post_init__(self) -> None:
        _check(self.boxes, self.labels)
        for name in ("crowd", "difficult"):
            if not len(getattr(self, name)):
                object.__setattr__(self, name, np.zeros(len(self.labels), np.bool_))
        if not len(self.areas):
            object.__setattr__(self, "areas", areas_of(self.boxes))
        if {self.crowd.shape, self.difficult.shape, self.areas.shape} != {self.labels.shape}:
            raise ValueError("crowd, difficult and areas must have one entry for each box")

    @property
    def aside(self) -> Flags:
        """Which do not count."""
        return self.crowd | self.difficult


def _check(boxes: Floats, labels: Integers) -> None:
    if boxes.ndim != 2 or boxes.shape[1] != 4 or labels.shape != (len(boxes),):
        raise ValueError(f"boxes {boxes.shape} must be (N, 4) and labels {labels.shape} (N,)")
    if not np.isfinite(boxes).all():
        raise ValueError("the edges of boxes must be finite numbers")
    if len(labels) and labels.min() < 0:
        raise ValueError("labels are the numbers of classes, from 0")


def areas_of(boxes: Floats) -> Floats:
    """Areas of boxes (N, 4), (N,)."""
    return np.asarray((boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1]), np.float64)


def overlaps(boxes: Floats, others: Floats, crowd: Flags | None = None) -> Floats:
    """Intersection over union; with a crowd, over the area of the first box.

    Args:
        boxes: (D, 4).
        others: (G, 4).
        crowd: which of the others are crowds, (G,).

    Returns:
        (D, G).

    >>> overlaps(np.array([[0.0, 0, 2, 2]]), np.array([[1.0, 0, 3, 2], [5, 5, 6, 6]])).round(3).tolist()
    [[0.333, 0.0]]
    """
    spans = np.minimum(boxes[:, None, 2:], others[None, :, 2:]) - np.maximum(boxes[:, None, :2], others[None, :, :2])
    both = spans.clip(0).prod(2)
    own, theirs = areas_of(boxes)[:, None], areas_of(others)[None]
    whole = own + theirs - both
    if crowd is not None:
        whole = np.where(crowd[None], own, whole)
    return np.asarray(np.divide(both, whole, out=np.zeros_like(both), where=both > 0))


@dataclass(frozen=True)
class Matches:
    """The detections of one class in one picture, from the surest on, and what they found.

    A is the number of ranges of area, T that of thresholds.

    Args:
        scores: (D,).
        found: whether a truth was taken, (A, T, D).
        aside: whether the detection does not count, (A, T, D).
        counted: truths that count, (A,).
        taken: the place among the class's truths of what was taken, −1 for none, (A, T, D).
    """

    scores: Floats
    found: Flags
    aside: Flags
    counted: Integers
    taken: Integers


def match(
    detections: Detections,
    truths: Truths,
    label: int,
    *,
    thresholds: Sequence[float] = THRESHOLDS,
    areas: Sequence[tuple[float, float]] = tuple(AREAS.values()),
    most: int = MOST,
) -> Matches:
    """Match the detections of a class in a picture with its truths, at every threshold and range of area."""
    own = np.flatnonzero(detections.labels == label)
    own = own[np.argsort(-detections.scores[own], kind="stable")][:most]
    theirs = np.flatnonzero(truths.labels == label)
    boxes, crowd = detections.boxes[own], truths.crowd[theirs]
    low, high = (np.array([ends[side] for ends in areas])[:, None] for side in (0, 1))
    sizes = truths.areas[theirs][None]
    without = truths.aside[theirs][None] | (sizes < low) | (sizes > high)  # (A, G)
    shape = (len(areas), len(thresholds), len(own))
    taken = np.full(shape, -1, np.int64)
    aside = np.zeros(shape, np.bool_)
    if len(theirs):
        found = overlaps(boxes, truths.boxes[theirs], crowd)
        limits = np.minimum(np.asarray(thresholds, np.float64), 1 - 1e-10)
        free = np.ones((len(areas), len(thresholds), len(theirs)), np.bool_)
        for place in np.flatnonzero((found >= limits.min()).any(axis=1)):  # most detections are near no truth
            near = (found[place][None] >= limits[:, None])[None] & (free | crowd)  # (A, T, G)
            if not near.any():
                continue
            chosen, some = _nearest(found[place], near & ~without[:, None])
            other, any_other = _nearest(found[place], near & without[:, None])
            taken[:, :, place] = np.where(some, chosen, np.where(any_other, other, -1))
            aside[:, :, place] = ~some & any_other
            ranges, limit = np.nonzero(some | any_other)
            free[ranges, limit, taken[ranges, limit, place]] = False
    sizes = areas_of(boxes)[None]
    aside |= (taken < 0) & ((sizes < low) | (sizes > high))[:, None]
    return Matches(detections.scores[own], taken >= 0, aside, (~without).sum(1), taken)


def _nearest(found: Floats, allowed: Flags) -> tuple[Integers, Flags]:
    """Of the allowed truths the one with the largest overlap, the last of equal ones as in `cocoeval`; and whether any.

    Args:
        found: (G,).
        allowed: (A, T, G).

    Returns:
        (A, T) of each.
    """
    values = np.where(allowed, found, -1.0)[..., ::-1]
    return np.asarray(found.shape[0] - 1 - values.argmax(-1)), np.asarray(allowed.any(-1))
