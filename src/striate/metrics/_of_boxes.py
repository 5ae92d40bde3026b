"""Metrics of boxes, and how they are weighed: each picture is matched once, however often resamples draw it."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from striate.core.boxes import parted, together
from striate.metrics._box_precision import RECALLS
from striate.metrics._box_rows import ASIDE, RIGHT, OfClass, by_classes
from striate.metrics._boxes import AREAS, THRESHOLDS, Integers
from striate.metrics._metric import Floats, Metric, checked, divide
from striate.metrics._ranked import mean_defined

_AT_ONCE = 2**20  # numbers of right detections times resamples


@dataclass(frozen=True)
class Drawn:
    """The detections of a class as resamples hold them, the surest first.

    A picture that is drawn w times gives each detection w times in a row, which is one of the weight w. But where it
    has equal scores, right and wrong ones, they come in turn, (a, b, a, b) and not (a, a, b, b): of these each copy is
    a detection of its own.

    Args:
        places: which detection of the class each is, (M,).
        units: the row of weights that it has, (M,).
        tied: pictures with copies, (P,).
        copies: of each such, the most that any resample has.
    """

    places: Integers
    units: Integers
    tied: Integers
    copies: int

    @classmethod
    def of(cls, one: OfClass, copies: int) -> Drawn:
        """The detections of a class, where a picture is drawn so many times at most."""
        equal = (np.diff(one.scores) == 0) & (np.diff(one.pictures) == 0)
        mixed = equal & (one.states[..., 1:] != one.states[..., :-1]).any(axis=(0, 1))
        every = np.arange(len(one.scores))
        if copies < 2 or not mixed.any():
            return cls(every, one.pictures, every[:0], 0)
        runs = np.concatenate([[0], np.cumsum(~equal)])
        copied = np.isin(runs, runs[1:][mixed])
        tied = np.unique(one.pictures[copied])
        numbers = np.repeat(np.arange(copies), copied.sum())
        places = np.concatenate([every[~copied], np.tile(every[copied], copies)])
        own = np.searchsorted(tied, one.pictures[np.tile(every[copied], copies)])
        pictures = one.counted.shape[1]
        units = np.concatenate([one.pictures[~copied], pictures + numbers * len(tied) + own])
        order = np.lexsort((places, np.concatenate([np.zeros((~copied).sum(), np.int64), numbers]), runs[places]))
        return cls(places[order], units[order], tied, copies)

    def weigh(self, weights: Floats) -> Floats:
        """The weights (N, R) of pictures and then, for each copy, whether each tied picture has it, (U, R)."""
        if not self.copies:
            return weights
        copies = [(weights[self.tied] > copy).astype(np.float64) for copy in range(self.copies)]
        return np.concatenate([weights, *copies])


class OfBoxes(Metric):
    """A metric of boxes: a mean over classes that have truths. Its scores are rows (N, S) as
    `striate.core.boxes.joined` gives them, its targets have no columns.
    """

    kinds = ("boxes",)
    overlap: ClassVar[float | None] = None
    """From which on a detection finds a truth, one of `THRESHOLDS`; None for the mean over all."""
    area: ClassVar[str] = "all"
    """Of `AREAS`."""

    @abstractmethod
    def of(self, states: NDArray[np.int8], units: Integers, weights: Floats, counted: Floats) -> Floats:
        """The figure of a class at one overlap.

        Args:
            states: of its detections, the surest first, (M,).
            units: the row of weights that each has, (M,).
            weights: how often each unit counts in each resample, (U, R).
            counted: truths in each, (R,); where it is 0 the figure may be anything.

        Returns:
            (R,)
        """

    def measure(self, scores: Floats, targets: Floats | None = None) -> float:
        """The metric of all rows at once; the truth is in them. Raises `ValueError` where they are not of boxes."""
        return float(self.resample(scores, np.empty((len(scores), 0)), np.ones((1, len(scores))))[0])

    def resample(self, scores: Floats, targets: Floats, counts: Floats) -> Floats:
        """The metric of many resamples, (R,), from how often each row is in each, whole numbers (R, N)."""
        weights = np.ascontiguousarray(counts.T, np.float64)
        return mean_defined(np.stack([self._of_class(one, weights) for one in by_classes(scores, self.outputs)]))

    def update(self, scores: NDArray[Any], targets: NDArray[Any]) -> None:
        """Take in a batch: rows (N, S), targets (N, 0). Raises `ValueError` where the rows are not of boxes."""
        rows, targets = checked(scores, targets, self.kind)
        parted(rows)
        self._rows.append((rows, targets))

    def compute(self) -> float:
        """The metric of all that was taken in, whatever room its rows have; NaN before anything was."""
        rows = together([scores for scores, _ in self._rows])
        return self.measure(rows) if len(rows) else float("nan")

    def _of_class(self, one: OfClass, weights: Floats) -> Floats:
        """The figure of a class as a mean over the overlaps, (R,); NaN where no truth counts."""
        counted = one.counted[list(AREAS).index(self.area)] @ weights
        found = np.zeros(len(counted))
        if not counted.any():
            return np.full(len(counted), np.nan)
        drawn = Drawn.of(one, int(weights.max(initial=0)))
        weights = drawn.weigh(weights)
        overlaps = THRESHOLDS if self.overlap is None else (self.overlap,)
        for overlap in overlaps:
            states = one.at(overlap, self.area)[drawn.places]
            step = max(1, _AT_ONCE // max(1, int((states == RIGHT).sum())))
            for start in range(0, len(counted), step):
                part = slice(start, start + step)
                found[part] += self.of(states, drawn.units, weights[:, part], counted[part])
        return np.where(counted > 0, found / len(overlaps), np.nan)


def precision_of(states: NDArray[np.int8], units: Integers, weights: Floats, counted: Floats) -> Floats:
    """The mean of the precision over `RECALLS`, (R,): at each recall the most that is reached there or beyond.

    The curve is at its most where a right detection was just added, so it is computed there alone.

    Args:
        states, units, weights, counted: see `OfBoxes.of`.
    """
    right, kept = np.flatnonzero(states == RIGHT), np.flatnonzero(states != ASIDE)
    if not len(right):
        return np.zeros(len(counted))
    until = np.searchsorted(right, kept)  # the right one up to which each detection comes
    inside = until < len(right)
    cells = (until[inside], units[kept[inside]])
    steps = csr_array((np.ones(len(cells[0])), cells), shape=(len(right), len(weights)))
    said = np.cumsum(steps @ weights, axis=0)
    good = np.cumsum(weights[units[right]], axis=0)
    precision = np.divide(good, said, out=np.zeros_like(good), where=said > 0)
    most = np.maximum.accumulate(precision[::-1], axis=0)[::-1]
    reached = np.searchsorted(RECALLS, good / np.maximum(counted, 1.0), side="right")
    return np.asarray((most * np.diff(reached, axis=0, prepend=0)).sum(axis=0) / len(RECALLS))


class BoxPrecision(OfBoxes):
    """A metric that is an average precision."""

    def of(self, states: NDArray[np.int8], units: Integers, weights: Floats, counted: Floats) -> Floats:
        """See `precision_of`."""
        return precision_of(states, units, weights, counted)


class BoxRecall(OfBoxes):
    """A metric that is the most recall that is reached."""

    def of(self, states: NDArray[np.int8], units: Integers, weights: Floats, counted: Floats) -> Floats:
        """The share of truths that are found, (R,)."""
        found = np.bincount(units[states == RIGHT], minlength=len(weights)).astype(np.float64)
        return divide(found @ weights, counted)
