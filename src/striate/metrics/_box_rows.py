"""Rows of boxes by class: every detection's state, from the surest on, that all figures of detectors are made of.

Matching takes the most of the time, and each metric, its resamples and every table ask for the same, so that of the
last rows it is kept.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from striate.core.boxes import AREA, COUNTS, CROWD, DIFFICULT, FOUND_LABEL, LABEL, NONE, SCORE, parted
from striate.metrics._boxes import AREAS, THRESHOLDS, Detections, Floats, Integers, Matches, Truths, areas_of, match

WRONG, RIGHT, ASIDE = 0, 1, 2
"""States of a detection: it found nothing, it found a truth, it does not count."""


def sides(rows: Floats) -> tuple[list[Detections], list[Truths]]:
    """What was found in each picture and what is there, from rows (N, S) as `striate.core.boxes.joined` gives them.

    Raises:
        ValueError: the rows are of something else.

    >>> from striate.core.boxes import empty, joined
    >>> found, truths = sides(joined(np.array([[[0.0, 0, 8, 8, 0.9, 1]]]), empty(1, 3, 7)))
    >>> found[0].labels.tolist(), len(truths[0].labels)
    ([1], 0)
    """
    found, truths = parted(rows)
    return [_detections(one[one[:, FOUND_LABEL] != NONE]) for one in found], [
        _truths(one[one[:, LABEL] != NONE]) for one in truths
    ]


def _detections(rows: Floats) -> Detections:
    return Detections(rows[:, :4], rows[:, SCORE], rows[:, FOUND_LABEL].astype(np.int64))


def _truths(rows: Floats) -> Truths:
    areas = np.where(rows[:, AREA] > 0, rows[:, AREA], areas_of(rows[:, :4]))
    crowd, difficult = rows[:, COUNTS] == CROWD, rows[:, COUNTS] == DIFFICULT
    return Truths(rows[:, :4], rows[:, LABEL].astype(np.int64), crowd, difficult, areas)


def classes_in(rows: Floats) -> int:
    """The fewest classes that rows (N, S) can be of; at least one."""
    found, truths = parted(rows)
    return 1 + int(max(found[..., FOUND_LABEL].max(initial=0), truths[..., LABEL].max(initial=0)))


@dataclass(frozen=True)
class OfClass:
    """The detections of one class in all pictures, the surest first; of equal ones the first picture's first.

    A is the number of ranges of area (`AREAS`), T that of overlaps (`THRESHOLDS`).

    Args:
        scores: (M,).
        pictures: the picture of each, (M,).
        states: `WRONG`, `RIGHT` or `ASIDE`, (A, T, M).
        counted: truths of each picture that count, (A, N).
    """

    scores: Floats
    pictures: Integers
    states: NDArray[np.int8]
    counted: Integers

    def at(self, overlap: float = 0.5, area: str = "all") -> NDArray[np.int8]:
        """States at an overlap, one of `THRESHOLDS`, and a range of area, (M,)."""
        return np.asarray(self.states[list(AREAS).index(area), THRESHOLDS.index(overlap)])


_KEPT = 2  # two, as of paired ones each is asked for in turn
_kept: dict[bytes, tuple[OfClass, ...]] = {}


def by_classes(rows: Floats, classes: int) -> tuple[OfClass, ...]:
    """Each class's detections, by COCO's rules (see `striate.metrics._boxes`).

    Raises:
        ValueError: the rows are not of boxes, or a label is none of the classes.
    """
    rows = np.ascontiguousarray(rows, np.float64)
    told = hashlib.blake2b(repr((rows.shape, classes)).encode())
    told.update(rows.data)
    key = told.digest()
    found = _kept.pop(key, None)
    if found is None:
        found = _by_classes(*sides(rows), classes)
    _kept[key] = found
    for old in list(_kept)[:-_KEPT]:
        _kept.pop(old, None)
    return found


def _by_classes(detections: Sequence[Detections], truths: Sequence[Truths], classes: int) -> tuple[OfClass, ...]:
    parts: list[list[tuple[int, Matches]]] = [[] for _ in range(classes)]
    for picture, (found, true) in enumerate(zip(detections, truths, strict=True)):
        for label in np.union1d(found.labels, true.labels).tolist():
            if label >= classes:
                raise ValueError(f"a box is of the class {label}, and there are {classes}, from 0")
            parts[label].append((picture, match(found, true, label)))
    return tuple(_joined(part, len(detections)) for part in parts)


def _joined(parts: Sequence[tuple[int, Matches]], pictures: int) -> OfClass:
    """The matches of one class, each with its picture, as one."""
    counted = np.zeros((len(AREAS), pictures), np.int64)
    if not parts:
        return OfClass(np.zeros(0), np.zeros(0, np.int64), np.zeros((len(AREAS), len(THRESHOLDS), 0), np.int8), counted)
    places, matches = [place for place, _ in parts], [one for _, one in parts]
    counted[:, places] = np.stack([one.counted for one in matches], axis=1)
    scores = np.concatenate([one.scores for one in matches])
    order = np.argsort(-scores, kind="stable")
    states = [np.where(one.aside, ASIDE, np.where(one.found, RIGHT, WRONG)).astype(np.int8) for one in matches]
    owners = np.repeat(places, [len(one.scores) for one in matches]).astype(np.int64)
    return OfClass(scores[order], owners[order], np.concatenate(states, axis=2)[:, :, order], counted)
