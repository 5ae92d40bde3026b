"""Average precision of detectors as COCO defines it, by threshold, class and size of things; and its curves.

Equal to pycocotools' `COCOeval` with the kind "bbox", see the tests.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from striate.metrics._boxes import AREAS, THRESHOLDS, Detections, Flags, Floats, Matches, Truths, match

RECALLS = np.linspace(0.0, 1.0, 101)
"""At which precision is read off its curve."""

LIMITS = (1, 10, 100)
"""Detections of a class in a picture that count, the surest of them."""


@dataclass(frozen=True)
class BoxScores:
    """Precision and recall; NaN where a class has no truth that counts.

    T thresholds, R recalls, K classes, A ranges of area, M limits.

    Args:
        precision: (T, R, K, A, M), at each recall the most that is reached there or beyond.
        recall: (T, K, A, M), the most that is reached.
    """

    precision: Floats
    recall: Floats

    def average_precision(self, *, threshold: float | None = None, area: str = "all") -> float:
        """The mean over classes that have truths, and over all thresholds unless one is named; NaN where none has."""
        return _mean(self._at(threshold)[:, :, :, _place(area), -1])

    def average_recall(self, *, limit: int = LIMITS[-1], area: str = "all") -> float:
        """The most recall that is reached, as a mean over thresholds and classes."""
        return _mean(self.recall[:, :, _place(area), LIMITS.index(limit)])

    def by_class(self, *, threshold: float | None = None, area: str = "all") -> Floats:
        """Average precision of each class, (K,)."""
        found = self._at(threshold)[:, :, :, _place(area), -1]
        return np.array([_mean(found[:, :, label]) for label in range(found.shape[2])])

    def summary(self) -> dict[str, float]:
        """COCO's twelve figures, by the names that `striate` gives metrics."""
        found = {
            "map": self.average_precision(),
            "map50": self.average_precision(threshold=0.5),
            "map75": self.average_precision(threshold=0.75),
        }
        found |= {f"map_{area}": self.average_precision(area=area) for area in list(AREAS)[1:]}
        found |= {f"mar{limit}": self.average_recall(limit=limit) for limit in LIMITS}
        return found | {f"mar_{area}": self.average_recall(area=area) for area in list(AREAS)[1:]}

    def _at(self, threshold: float | None) -> Floats:
        if threshold is None:
            return self.precision
        place = int(np.abs(np.array(THRESHOLDS) - threshold).argmin())
        if abs(THRESHOLDS[place] - threshold) > 1e-9:
            raise ValueError(f"{threshold} is none of the thresholds {THRESHOLDS}")
        return self.precision[place : place + 1]


def _place(area: str) -> int:
    return list(AREAS).index(area)


def _mean(values: Floats) -> float:
    """The mean of what is defined; NaN where nothing is."""
    known = values[~np.isnan(values)]
    return float(known.mean()) if known.size else float("nan")


def box_scores(detections: Sequence[Detections], truths: Sequence[Truths], classes: int) -> BoxScores:
    """Score the detections of all pictures.

    Args:
        detections, truths: one of each a picture.
        classes: how many there are.

    Raises:
        ValueError: they are not of equally many pictures, or a label is none of the classes.
    """
    if len(detections) != len(truths):
        raise ValueError(f"detections of {len(detections)} pictures and truths of {len(truths)}")
    labels = [one.labels for one in detections] + [one.labels for one in truths]
    if any((one >= classes).any() for one in labels):
        raise ValueError(f"a label is not below the number of classes, {classes}")
    shape = (len(THRESHOLDS), len(RECALLS), classes, len(AREAS), len(LIMITS))
    precision = np.full(shape, np.nan)
    recall = np.full((shape[0], *shape[2:]), np.nan)
    for label in range(classes):
        matches = matches_of(detections, truths, label)
        for place, limit in enumerate(LIMITS):
            for area in range(len(AREAS)):
                counted = sum(int(one.counted[area]) for one in matches)
                if counted:
                    curves = _curves(matches, area, limit, counted)
                    precision[:, :, label, area, place], recall[:, label, area, place] = curves
    return BoxScores(precision, recall)


def matches_of(detections: Sequence[Detections], truths: Sequence[Truths], label: int) -> list[Matches]:
    """The matches of a class in each picture that has a truth or a detection of it."""
    return [
        match(found, true, label)
        for found, true in zip(detections, truths, strict=True)
        if (found.labels == label).any() or (true.labels == label).any()
    ]


def _curves(matches: Sequence[Matches], area: int, limit: int, counted: int) -> tuple[Floats, Floats]:
    """Precision at the recalls (T, R), and the most recall (T,)."""
    scores = np.concatenate([one.scores[:limit] for one in matches])
    order = np.argsort(-scores, kind="stable")
    found = np.concatenate([one.found[area, :, :limit] for one in matches], axis=1)[:, order]
    aside = np.concatenate([one.aside[area, :, :limit] for one in matches], axis=1)[:, order]
    right = np.cumsum(found & ~aside, axis=1, dtype=np.float64)
    wrong = np.cumsum(~found & ~aside, axis=1, dtype=np.float64)
    read = np.zeros((len(found), len(RECALLS)))
    if not len(scores):
        return read, np.zeros(len(found))
    for row, (good, bad) in enumerate(zip(right, wrong, strict=True)):
        read[row] = read_off(good / counted, good / (good + bad + np.spacing(1)))
    return read, right[:, -1] / counted


def read_off(recall: Floats, precision: Floats) -> Floats:
    """Precision at `RECALLS`: the most that is reached at that recall or beyond; 0 where it is not reached, (R,).

    >>> read_off(np.array([0.5, 0.5, 1.0]), np.array([1.0, 0.5, 0.6]))[[0, 50, 51, 100]].tolist()
    [1.0, 1.0, 0.6, 0.6]
    """
    most = np.maximum.accumulate(precision[::-1])[::-1]
    places = np.searchsorted(recall, RECALLS, side="left")
    return np.where(places < len(most), most[np.minimum(places, len(most) - 1)], 0.0)


def box_curve(
    detections: Sequence[Detections], truths: Sequence[Truths], label: int, threshold: float = 0.5
) -> tuple[Floats, Floats, Floats]:
    """The curve of a class: recall, precision and the score from which on they hold, from the surest detection on.

    Returns:
        (N,) of each, a point for every score; none where the class has no truth that counts.
    """
    place = int(np.abs(np.array(THRESHOLDS) - threshold).argmin())
    matches = matches_of(detections, truths, label)
    counted = sum(int(one.counted[0]) for one in matches)
    if not counted:
        return np.zeros(0), np.zeros(0), np.zeros(0)
    scores = np.concatenate([one.scores for one in matches])
    found: Flags = np.concatenate([one.found[0, place] for one in matches])
    kept = ~np.concatenate([one.aside[0, place] for one in matches])
    scores, found = scores[kept], found[kept]
    order = np.argsort(-scores, kind="stable")
    scores, right = scores[order], np.cumsum(found[order], dtype=np.float64)
    last = np.r_[np.flatnonzero(np.diff(scores)), len(scores) - 1] if len(scores) else np.zeros(0, np.int64)
    return right[last] / counted, right[last] / (last + 1), scores[last]
