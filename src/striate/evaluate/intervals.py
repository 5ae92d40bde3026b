"""Bootstrap intervals: how far a metric would move on another draw of as many samples."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from striate.core.seeds import generator
from striate.metrics import Floats, Metric

RESAMPLES = 1000
LEVEL = 0.95
_CHUNK_BYTES = 32 * 1024**2  # of counts at once: a hundred resamples of 40,000 samples
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


def bootstrap(
    metrics: Mapping[str, Metric], scores: Floats, targets: Floats, *, seed: int, resamples: int = RESAMPLES
) -> dict[str, Floats]:
    """Every metric on the same resamples, drawn with replacement (Efron 1979).

    Args:
        scores, targets: (N, K), N at least 1.

    Returns:
        (resamples,) by name; NaN where a metric is not defined on a resample.
    """
    size = max(1, _CHUNK_BYTES // (8 * len(scores)))
    found: dict[str, list[Floats]] = {name: [] for name in metrics}
    for start in range(0, resamples, size):
        counts = resample_counts(len(scores), seed, start, min(start + size, resamples))
        for name, metric in metrics.items():
            found[name].append(metric.resample(scores, targets, counts))
    return {name: np.concatenate(parts) for name, parts in found.items()}


def percentile_interval(values: Floats, samples: int) -> Interval:
    """The middle 95 % of a metric's values on resamples.

    Args:
        values: (R,); up to a twentieth may be NaN and are left out.
        samples: how many samples each resample has.
    """
    if samples < 2:
        return Interval(None, None, "one sample has no interval")
    known = values[~np.isnan(values)]
    if len(known) < (1 - _MOST_UNDEFINED) * len(values) or not len(known):
        return Interval(None, None, f"it is undefined on {len(values) - len(known)} of {len(values)} resamples")
    tail = (1 - LEVEL) / 2
    low, high = (float(end) for end in np.quantile(known, [tail, 1 - tail]))
    if low == high:
        return Interval(low, high, f"all resamples of these {samples} samples give the same, which proves no certainty")
    return Interval(low, high)
