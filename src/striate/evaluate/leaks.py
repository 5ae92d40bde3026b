"""What a leak is worth: how much better the same heads look where what belongs together stands on both sides.

A random division tears groups of alike samples apart, so that each is judged by a head that has learnt from its like.
The same division with its units whole asks for what a new unit would be told (Kaufman et al. 2012, "Leakage in data
mining"; Roberts et al. 2017, "Cross-validation strategies for data with … hierarchical structure").
"""

from __future__ import annotations

import math
import time
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from striate.evaluate.intervals import RESAMPLES, affordable, percentile_interval, resample_counts
from striate.metrics import Floats, Metric

LARGE = 0.02
"""Points of a share, or the part of an error, from which on a leak that is told is large."""
_CHUNK_BYTES = 8 * 1024**2
_TIMED, _TIMED_RESAMPLES = 200, 50


@dataclass(frozen=True)
class Worth:
    """What a leak is worth by one metric.

    Args:
        with_leak, without: the metric's values, in the mean over the divisions; None where one is not defined.
        worth: by how much the score looks better with the leak, whichever way the metric is better.
        low, high: the ends of the 95 % interval of that; None where there is none.
        large: whether it is told, and of a size that matters.
        why: why there is no interval, or what to know about it.
    """

    with_leak: float | None
    without: float | None
    worth: float | None = None
    low: float | None = None
    high: float | None = None
    large: bool = False
    why: str = ""

    @property
    def told(self) -> bool:
        """Whether the interval leaves no difference out."""
        return self.low is not None and self.high is not None and not self.low <= 0 <= self.high


def torn(whole: NDArray[np.int64], strata: Sequence[Hashable], order: NDArray[np.int64]) -> NDArray[np.int64]:
    """A division that tears units apart, and is else the same: each part keeps its number of samples of each stratum.

    So both have as much to learn from, and differ in one thing alone.

    Args:
        whole: (N,), the part of each sample, units being whole.
        strata: what each sample is of, such as its class; parts are exchanged within.
        order: (N,), an order of the samples.

    >>> torn(np.array([0, 0, 1, 1]), ["a", "a", "a", "b"], np.array([2, 0, 1, 3])).tolist()
    [0, 1, 0, 1]
    """
    places: dict[Hashable, list[int]] = {}
    for place in order.tolist():
        places.setdefault(strata[place], []).append(place)
    found = whole.copy()
    for members in places.values():
        found[members] = whole[sorted(members)]
    return found


def worth(
    metric: Metric,
    with_leak: Sequence[Floats],
    without: Sequence[Floats],
    targets: Floats,
    *,
    units: NDArray[np.int64],
    seed: int,
) -> Worth:
    """How much better scores look with a leak than without it, on the same samples.

    The interval is a bootstrap over whole units, paired: of each resample, the difference is taken of both, in the mean
    over the divisions, so that what a sample has of its own cancels out.

    Args:
        with_leak, without: (N, K) each, of as many divisions or heads.
        targets: (N, K).
        units: (N,), numbers from 0 on of what is drawn together.
    """
    first, second = (_mean(metric, rows, targets) for rows in (with_leak, without))
    if math.isnan(first) or math.isnan(second):
        with_one, without_one = (None if math.isnan(one) else one for one in (first, second))
        return Worth(with_one, without_one, why="it is not defined on these samples")
    better = 1.0 if metric.higher_is_better else -1.0
    drawn = int(units.max()) + 1
    apart = better * _differences(metric, with_leak, without, targets, units, seed)
    interval = percentile_interval(apart, drawn, "unit")
    gain = better * (first - second)
    told = interval.low is not None and interval.low > 0
    of_a_share = metric.kind != "value" or metric.higher_is_better
    large = told and gain >= LARGE * (1.0 if of_a_share else abs(second))
    return Worth(first, second, gain, interval.low, interval.high, large, interval.why)


def parts(
    metric: Metric,
    with_leak: Sequence[Floats],
    without: Sequence[Floats],
    targets: Floats,
    leaking: NDArray[np.bool_],
    *,
    units: NDArray[np.int64],
    seed: int,
) -> dict[str, Worth]:
    """What a leak is worth on all samples that are judged, on those that leak and on the others.

    Args:
        with_leak, without: (N, K) each, of as many divisions or heads.
        targets: (N, K).
        leaking: (N,), whether training may have held something that belongs with the sample.
        units: (N,), what is drawn together.

    Returns:
        by "all", "shared" and "rest", but for what has no sample.
    """
    masks = {"all": np.ones(len(targets), bool), "shared": leaking, "rest": ~leaking}
    return {
        name: worth(
            metric,
            [one[mask] for one in with_leak],
            [one[mask] for one in without],
            targets[mask],
            units=np.unique(units[mask], return_inverse=True)[1].astype(np.int64),
            seed=seed,
        )
        for name, mask in masks.items()
        if mask.any()
    }


def seconds_of_parts(metric: Metric, outputs: int, divisions: int) -> float:
    """About the seconds that `parts` takes for each sample on this machine: a few resamples of a few samples, timed.

    Args:
        outputs: K.
        divisions: of either arm.
    """
    rows, each = np.eye(outputs)[np.arange(_TIMED) % outputs], np.arange(_TIMED)
    metric.resample(rows, rows, np.ones((1, _TIMED)))  # what comes first takes longer
    begun = time.perf_counter()
    counts = resample_counts(_TIMED, 0, 0, _TIMED_RESAMPLES)[:, each]
    counted = time.perf_counter()
    metric.resample(rows, rows, counts)
    seconds = counted - begun + 2 * divisions * (time.perf_counter() - counted)
    return 2 * RESAMPLES * seconds / (_TIMED * _TIMED_RESAMPLES)  # all, and once more in two parts


def _mean(metric: Metric, rows: Sequence[Floats], targets: Floats) -> float:
    return float(np.mean([metric.measure(one, targets) for one in rows]))


def _differences(
    metric: Metric,
    with_leak: Sequence[Floats],
    without: Sequence[Floats],
    targets: Floats,
    units: NDArray[np.int64],
    seed: int,
) -> Floats:
    """The differences of the means on the same resamples of units, (R,)."""
    drawn = int(units.max()) + 1
    wanted = affordable(metric, targets.size * (len(with_leak) + len(without)))
    size = max(1, _CHUNK_BYTES // (8 * len(targets)))
    found: list[Floats] = [np.empty(0)]
    for start in range(0, wanted, size):
        counts = resample_counts(drawn, seed, start, min(start + size, wanted))[:, units]
        first, second = (
            np.mean([metric.resample(one, targets, counts) for one in rows], axis=0) for rows in (with_leak, without)
        )
        found.append(first - second)
    return np.concatenate(found)
