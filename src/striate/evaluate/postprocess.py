"""Whether predicted masks are better tidied: tried on validation, an option at a time, and kept where it gains."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce

import numpy as np
from numpy.typing import NDArray

from striate.evaluate.intervals import RESAMPLES, resample_counts
from striate.metrics import METRICS, Floats, Metric, by_class, statistics
from striate.tasks import Tidying, region_sizes, tidied

Maps = Sequence[tuple[NDArray[np.uint8], NDArray[np.uint8]]]
"""Predicted and true classes of each picture, both (H, W)."""
MARGIN = 2.0
"""Standard errors that a gain must have: of so many options some would win by luck."""
LEAST_PICTURES = 10
"""Validation pictures below which nothing is tried."""


@dataclass(frozen=True)
class Gain:
    """What an option changed on validation.

    Args:
        before, after: the metric without and with it.
        error: the standard error of the difference, over pictures.
        harmed: the classes, by place, whose Dice fell.
    """

    before: float
    after: float
    error: float
    harmed: tuple[int, ...]

    @property
    def kept(self) -> bool:
        """Whether it gains more than `MARGIN` standard errors, and harms no class."""
        return not self.harmed and self.after - self.before > max(MARGIN * self.error, 0.0)


@dataclass(frozen=True)
class Tidied:
    """What was chosen.

    Args:
        how: what is done to masks; nothing where nothing gained.
        before, after: the metric on validation; NaN where nothing was tried.
        tried: what each option gave, by its words.
        because: a sentence.
    """

    how: Tidying
    before: float
    after: float
    tried: Mapping[str, Gain]
    because: str


def gain(before: Floats, after: Floats, judge: Metric, counts: Floats) -> Gain:
    """What an option changed, on the same resamples of pictures with and without it.

    Args:
        before, after: statistics (N, S) of the same pictures without and with it.
        judge: a metric of masks of which more is better.
        counts: (R, N), how often each picture is in each resample.
    """
    nothing = np.empty((len(before), 0))
    difference = judge.resample(after, nothing, counts) - judge.resample(before, nothing, counts)
    known = difference[~np.isnan(difference)]
    harmed = np.flatnonzero(by_class(after)["dice"] < by_class(before)["dice"])
    values = [judge.measure(rows, nothing) for rows in (before, after)]
    return Gain(values[0], values[1], float(known.std()) if len(known) else 0.0, tuple(harmed.tolist()))


def options(maps: Maps, names: Sequence[str]) -> dict[str, Tidying]:
    """What may be tried of each class that is not the first, by its words.

    Regions are removed that have fewer pixels than any true one of the class.
    """
    found: dict[str, Tidying] = {}
    for one in range(1, len(names)):
        sizes = np.concatenate([region_sizes(truth == one) for _, truth in maps])
        if len(sizes):
            found[f"the largest region of {names[one]!r} alone"] = Tidying(largest=(one,))
            found[f"holes in {names[one]!r} filled"] = Tidying(filled=(one,))
            if sizes.min() > 1:
                words = f"regions of {names[one]!r} below {sizes.min()} px removed"
                found[words] = Tidying(least=((one, int(sizes.min())),))
    return found


def choose_tidying(maps: Maps, names: Sequence[str], *, metric: str = "mean_iou", seed: int = 0) -> Tidied:
    """The options that gain on validation, each alone and all together.

    An option is kept where the metric rises by more than two standard errors over pictures and no class's Dice falls
    (Isensee et al. 2021, "nnU-Net", which asks the latter); where those that are kept do not gain together by the same
    rule, the one that gains most is kept alone.

    Args:
        maps: of validation pictures; the test's choose nothing.
        names: of the classes, the background first.
    """
    if len(maps) < LEAST_PICTURES:
        because = f"{len(maps)} validation pictures cannot tell; {LEAST_PICTURES} would be tried"
        return Tidied(Tidying(), float("nan"), float("nan"), {}, because)
    plain, judge = _rows(maps, Tidying(), len(names)), METRICS.get(metric)("mask", len(names))
    counts = resample_counts(len(maps), seed, 0, RESAMPLES)
    ways = options(maps, names)

    def judged(how: Tidying) -> Gain:
        return gain(plain, _rows(maps, how, len(names)), judge, counts)

    tried = {words: judged(how) for words, how in ways.items()}
    kept = sorted((words for words in tried if tried[words].kept), key=lambda words: -tried[words].after)
    before = judge.measure(plain, np.empty((len(plain), 0)))
    if not kept:
        because = (
            f"none of {len(tried)} options raises {metric} by more than two standard errors without harm to a class"
        )
        return Tidied(Tidying(), before, before, tried, because)
    how, after = ways[kept[0]], tried[kept[0]].after
    if len(kept) > 1:
        every = reduce(Tidying.with_all_of, (ways[words] for words in kept))
        together = judged(every)
        if together.kept and together.after > after:
            how, after = every, together.after
        else:
            kept = kept[:1]
    because = f"{' and '.join(kept)}: {metric} on validation {before:.4f} → {after:.4f}"
    return Tidied(how, before, after, tried, because)


def _rows(maps: Maps, how: Tidying, classes: int) -> Floats:
    return np.stack([statistics(tidied(found, how), true, classes, measure_surfaces=False) for found, true in maps])
