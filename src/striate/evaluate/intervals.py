"""Bootstrap intervals: how far a metric would move on another draw of as many samples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from striate.core.seeds import generator
from striate.metrics import Floats, Metric, divide

RESAMPLES = 1000
LEVEL = 0.95
_CHUNK_BYTES = 8 * 1024**2  # of counts at once: fifty resamples of 20,000 samples
_MOST_UNDEFINED = 0.05
_COSTLY = 10**8  # numbers of scores times resamples: all resamples of 10,000 samples of 10 classes, a second or two
_FEWEST = 100  # resamples, fewer of which would not have a 2.5th percentile


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
        (resamples,) by name, or as many as `affordable` says; NaN where a metric is not defined on a resample.
    """
    size = max(1, _CHUNK_BYTES // (8 * len(scores)))
    drawn = len(scores) if units is None else int(units.max()) + 1
    found: dict[str, list[Floats]] = {name: [np.empty(0)] for name in metrics}
    wanted = {name: affordable(metric, scores.size, resamples) for name, metric in metrics.items()}
    for start in range(0, max(wanted.values(), default=0), size):
        counts = resample_counts(drawn, seed, start, min(start + size, resamples))
        counts = counts if units is None else counts[:, units]
        for name, metric in metrics.items():
            if wanted[name] > start:
                found[name].append(metric.resample(scores, targets, counts[: wanted[name] - start]))
    return {name: np.concatenate(parts) for name, parts in found.items()}


def ratio_interval(
    above: Floats, below: Floats, *, seed: int, units: NDArray[np.int64] | None = None, resamples: int = RESAMPLES
) -> list[float] | None:
    """The 95 % interval of Σ above / Σ below, both (N,), on the resamples of `bootstrap`; None where it has none."""
    drawn = len(above) if units is None else int(units.max()) + 1
    size = max(1, _CHUNK_BYTES // (8 * len(above)))
    found = []
    for start in range(0, resamples, size):
        counts = resample_counts(drawn, seed, start, min(start + size, resamples))
        counts = counts if units is None else counts[:, units]
        found.append(divide(counts @ above, counts @ below))
    interval = percentile_interval(np.concatenate(found), drawn)
    return None if interval.low is None or interval.high is None else [interval.low, interval.high]


def affordable(metric: Metric, numbers: int, resamples: int = RESAMPLES) -> int:
    """How many resamples a metric gets: all, or of a costly one as many as scores of so many numbers allow.

    At least 100 are drawn, and none where not even these are affordable.

    >>> from striate.metrics import METRICS
    >>> [affordable(METRICS.get("roc_auc")("label", 10), 10 * samples) for samples in (10**4, 10**5, 10**6, 10**7)]
    [1000, 100, 0, 0]
    """
    if not metric.costly or numbers * resamples <= _COSTLY:
        return resamples
    if numbers * _FEWEST > 2 * _COSTLY:
        return 0
    return min(resamples, max(_FEWEST, _COSTLY // numbers))


def centred(values: Floats, figure: float) -> Floats:
    """Values on resamples, less what they are above the figure in the mean.

    A resample has fewer distinct samples, and a metric that rises by chance rises with that once more: its values
    are above the figure by about as much as the figure is above the truth (Efron and Tibshirani 1993, section 10.2).
    """
    known = values[~np.isnan(values)]
    return np.maximum(values - (known.mean() - figure), 0.0) if len(known) else values


def percentile_interval(values: Floats, units: int, kind: str = "sample") -> Interval:
    """The middle 95 % of a metric's values on resamples.

    Args:
        values: (R,); up to a twentieth may be NaN and are left out.
        units: how many are drawn in each resample.
        kind: what a unit is, "sample" or "group".
    """
    if units < 2:
        return Interval(None, None, f"one {kind} has no interval")
    if not len(values):
        return Interval(None, None, f"resamples of so many {kind}s and classes would take too long")
    known = values[~np.isnan(values)]
    if len(known) < (1 - _MOST_UNDEFINED) * len(values) or not len(known):
        return Interval(None, None, f"it is undefined on {len(values) - len(known)} of {len(values)} resamples")
    tail = (1 - LEVEL) / 2
    low, high = (float(end) for end in np.quantile(known, [tail, 1 - tail]))
    if low == high:
        return Interval(low, high, f"all resamples of these {units} {kind}s give the same, which proves no certainty")
    return Interval(low, high)
