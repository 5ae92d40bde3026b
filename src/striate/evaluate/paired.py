"""Two models on the same samples: how far they differ, and whether by more than chance.

What both find easy or hard cancels out, so that two models are told apart by far fewer samples than their own intervals
suggest (Dietterich 1998, "Approximate statistical tests for comparing supervised classification learning algorithms").
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest

from striate.core.seeds import generator
from striate.evaluate.intervals import RESAMPLES, Interval, affordable, bootstrap, centred, percentile_interval
from striate.metrics import Floats, Mean, Metric, divide

SURE = 0.05
"""The p value below which a difference is not held for chance."""
POWER_FACTOR = (1.959964 + 0.841621) ** 2
"""Square of the normal quantiles of a two-sided test at 5 % that finds a real difference in 80 % of cases."""
_CHUNK_BYTES = 8 * 1024**2
_TIE = 1e-12
_FEWEST_UNITS = 6  # of fewer, no swaps have a p value below 0.05: that of all on one side is 2 / 2 ** units
_AS_COSTLY = 4  # a swap takes two metrics of twice the samples


@dataclass(frozen=True)
class Difference:
    """One metric of two models on the same samples.

    Args:
        first, second: its values; None where one is not defined.
        difference: second − first.
        low, high: the ends of the 95 % interval of the difference, by a paired bootstrap; None where there is none.
        p: how often a difference as large comes of swapping the two models' answers; None where no test was made, since
            swaps would take too long.
        test: which test gave p.
        needed: about the samples that a difference as large would be told by, in four cases of five; None where it is
            told already, is nought, or no test was made.
        why: why there is no interval, or what to know about it.
    """

    first: float | None
    second: float | None
    difference: float | None = None
    low: float | None = None
    high: float | None = None
    p: float | None = None
    test: str = ""
    needed: int | None = None
    why: str = ""

    @property
    def told(self) -> bool:
        """Whether it is beyond chance, by test and interval alike; by the interval alone where no test was made."""
        if self.low is None or self.high is None:
            return False
        return (self.p is None or self.p < SURE) and not self.low <= 0 <= self.high


def mcnemar(first: NDArray[np.bool_], second: NDArray[np.bool_]) -> tuple[int, int, float]:
    """McNemar's exact test of two models that are right or wrong about the same samples.

    Of the samples on which only one is right, it asks whether each is so as often as the other (McNemar 1947).

    Args:
        first, second: (N,), whether each is right.

    Returns:
        samples that only the first is right about, those that only the second is, and the two-sided p value.

    >>> mcnemar(np.array([True] * 6 + [False]), np.array([False] * 6 + [False]))
    (6, 0, 0.03125)
    """
    only_first, only_second = int((first & ~second).sum()), int((second & ~first).sum())
    discordant = only_first + only_second
    p = float(binomtest(only_first, discordant, 0.5).pvalue) if discordant else 1.0
    return only_first, only_second, p


def swaps(
    metric: Metric,
    first: Floats,
    second: Floats,
    targets: Floats,
    units: NDArray[Any],
    seed: int,
    times: int = RESAMPLES,
) -> float:
    """How often two models differ as much when their answers are swapped at random, unit by unit.

    If neither were better, it would be nobody's matter whose answer is whose (Fisher's randomisation test; Yeh 2000,
    "More accurate tests for the statistical significance of result differences").

    Args:
        first, second, targets: (N, K).
        units: (N,), numbers of what is swapped as one.
        times: how often they are swapped.

    Returns:
        the two-sided p value, at least 1 / (`times` + 1).
    """
    weighed = _weighed(metric, np.concatenate([first, second]), np.concatenate([targets, targets]))
    found = abs(metric.measure(second, targets) - metric.measure(first, targets))
    drawn = generator(seed, "swaps").integers(0, 2, (times, int(units.max()) + 1), np.int8)
    size = max(1, _CHUNK_BYTES // (16 * len(first)))
    as_large = known = 0
    for start in range(0, times, size):
        moved = drawn[start : start + size][:, units].astype(np.float64)
        kept = 1 - moved
        one = weighed(np.concatenate([kept, moved], axis=1))
        other = weighed(np.concatenate([moved, kept], axis=1))
        apart = np.abs(other - one)
        apart = apart[~np.isnan(apart)]
        known += len(apart)
        as_large += int((apart >= found - _TIE).sum())
    return (as_large + 1) / (known + 1)


def _weighed(metric: Metric, scores: Floats, targets: Floats) -> Callable[[Floats], Floats]:
    """The metric of rows that count so often, (R, N) to (R,). What a mean takes of each row is found once."""
    if isinstance(metric, Mean):
        each = metric.each(scores, targets)
        return lambda counts: divide(counts @ each, counts.sum(axis=1))
    return lambda counts: metric.resample(scores, targets, counts)


def differences(
    metrics: Mapping[str, Metric],
    first: Mapping[str, Floats],
    second: Mapping[str, Floats],
    targets: Floats,
    *,
    units: NDArray[np.int64] | None,
    seed: int,
) -> dict[str, Difference]:
    """How two models differ in every metric, on the same resamples for both.

    Args:
        metrics: before they have seen anything.
        first, second: by metric, what it sees of each model, (N, K).
        targets: (N, K).
        units: what belongs together, see `striate.evaluate.units_of`; None: each sample stands alone.

    Returns:
        by name; p is McNemar's for the accuracy of samples that stand alone, else of `swaps`, of which a costly metric
        gets fewer, or none: then the interval alone tells.
    """
    each = np.arange(len(targets)) if units is None else units
    drawn, kind = int(each.max()) + 1, "sample" if units is None else "group"
    resampled = [_resampled(metrics, rows, targets, units, seed) for rows in (first, second)]
    found = {}
    for name, metric in metrics.items():
        before, after = (metric.measure(rows[name], targets) for rows in (first, second))
        if math.isnan(before) or math.isnan(after):
            found[name] = Difference(_defined(before), _defined(after), why="it is not defined on these samples")
            continue
        drawings = resampled[0][name], resampled[1][name]
        if metric.rises_by_chance:  # by more for the one that is calibrated: their difference would be off
            drawings = centred(drawings[0], before), centred(drawings[1], after)
        apart = drawings[1] - drawings[0]
        interval = percentile_interval(apart, drawn, kind)
        times = affordable(metric, _AS_COSTLY * first[name].size)
        p: float | None = None
        test = ""
        if name == "accuracy" and units is None:
            right = [rows[name].argmax(axis=1) == targets.argmax(axis=1) for rows in (first, second)]
            p, test = mcnemar(right[0], right[1])[2], "McNemar, exact"
        elif times:
            p, test = swaps(metric, first[name], second[name], targets, each, seed, times), f"{times} random swaps"
        if p is None and 1 < drawn < _FEWEST_UNITS:
            interval = Interval(None, None, f"{drawn} {kind}s are too few for an interval without a test")
        one = Difference(before, after, after - before, interval.low, interval.high, p, test, None, interval.why)
        needed = (
            None
            if one.told or p is None or interval.low is None
            else needed_samples(after - before, float(np.nanstd(apart)), len(targets))
        )
        found[name] = replace(one, needed=needed)
    return found


def _defined(value: float) -> float | None:
    return None if math.isnan(value) else value


def _resampled(
    metrics: Mapping[str, Metric],
    seen: Mapping[str, Floats],
    targets: Floats,
    units: NDArray[np.int64] | None,
    seed: int,
) -> dict[str, Floats]:
    """Every metric on the resamples, which are drawn once for those that see the same."""
    found: dict[str, Floats] = {}
    for rows in {id(one): one for one in seen.values()}.values():
        alike = {name: metric for name, metric in metrics.items() if seen[name] is rows}
        found |= bootstrap(alike, rows, targets, seed=seed, units=units)
    return found


def needed_samples(difference: float, error: float, samples: int) -> int | None:
    """About how many samples tell a difference, in four cases of five, where its standard error on some is known.

    Args:
        error: its standard error on `samples` samples.

    Returns:
        None where the difference is nought, which no number tells.

    >>> needed_samples(0.01, 0.01, 500), needed_samples(0.0, 0.01, 500)
    (3925, None)
    """
    if abs(difference) < _TIE or not error or not math.isfinite(error):
        return None
    return math.ceil(samples * POWER_FACTOR * (error / difference) ** 2)
