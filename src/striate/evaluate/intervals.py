"""Bootstrap intervals: how far a metric would move on another draw of as many samples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from striate.core.seeds import generator
from striate.metrics import Floats, Metric

RESAMPLES = 1000
LEVEL = 0.95
_CHUNK_BYTES = 8 * 1024**2  # of counts at once: fifty resamples of 20,000 samples
_MOST_UNDEFINED = 0.05


@dataclass(frozen=True)
class Interval:
    """A 95 % interval, or why there is none.

    Args:
        low, high: its ends; None where there is none.
        why: why there is none, or what to know about it; "" otherwise.
    """

    low: float | None
    high: float | None
    why: str = ""


def resample_counts(samples: int, seed: int, start: int, stop: int) -> Floats:
    """How often each sample is in each of the resamples `start` to `stop`.

    Returns:
        (stop − start, samples); a row sums to `samples` and is a function of its number and the seed alone.

    >>> resample_counts(5, 0, 0, 3).sum(axis=1)
    array([5., 5., 5.])
    """
    counts = np.empty((stop - start, samples))
    for row, number in enumerate(range(start, stop)):
        drawn = generator(seed, "bootstrap", number).integers(0, samples, samples)
        counts[row] = np.bincount(drawn, minlength=samples)
    return counts


def units_of(groups: Sequence[str | None]) -> NDArray[np.int64]:
    """The unit that each sample is drawn with: its group, or itself where it has none; numbered in order.

    >>> units_of(["anna", None, "ben", "anna", None])
    array([0, 1, 2, 0, 3])
    """
    numbers: dict[str | int, int] = {}
    keys = [place if group is None else group for place, group in enumerate(groups)]
    return np.array([numbers.setdefault(key, len(numbers)) for key in keys], np.int64)


def bootstrap(
    metrics: Mapping[str, Metric],
    scores: Floats,
    targets: Floats,
    *,
    seed: int,
    units: NDArray[np.int64] | None = None,
    resamples: int = RESAMPLES,
) -> dict[str, Floats]:
    """Every metric on the same resamples, drawn with replacement (Efron 1979).

    Samples of one person or object are alike, so fewer than they look: whole groups are drawn where there are any
    (Davison and Hinkley 1997, "Bootstrap Methods and their Application", section 3.8).

    Args:
        scores, targets: (N, K), N at least 1.
        units: (N,), which of the units that are drawn each sample is in, see `units_of`; None: each is its own.

    Returns:
        (resamples,) by name; NaN where a metric is not defined on a resample.
    """
    size = max(1, _CHUNK_BYTES // (8 * len(scores)))
    drawn = len(scores) if units is None else int(units.max()) + 1
    found: dict[str, list[Floats]] = {name: [] for name in metrics}
    for start in range(0, resamples, size):
        counts = resample_counts(drawn, seed, start, min(start + size, resamples))
        counts = counts if units is None else counts[:, units]
        for name, metric in metrics.items():
            found[name].append(metric.resample(scores, targets, counts))
    return {name: np.concatenate(parts) for name, parts in found.items()}


def percentile_interval(values: Floats, units: int, kind: str = "sample") -> Interval:
    """The middle 95 % of a metric's values on resamples.

    Args:
        values: (R,); up to a twentieth may be NaN and are left out.
        units: how many are drawn in each resample.
        kind: what a unit is, "sample" or "group".
    """
    if units < 2:
        return Interval(None, None, f"one {kind} has no interval")
    known = values[~np.isnan(values)]
    if len(known) < (1 - _MOST_UNDEFINED) * len(values) or not len(known):
        return Interval(None, None, f"it is undefined on {len(values) - len(known)} of {len(values)} resamples")
    tail = (1 - LEVEL) / 2
    low, high = (float(end) for end in np.quantile(known, [tail, 1 - tail]))
    if low == high:
        return Interval(low, high, f"all resamples of these {units} {kind}s give the same, which proves no certainty")
    return Interval(low, high)
