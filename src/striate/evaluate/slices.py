"""Slices: parts of the samples that are judged worse than the rest, told from chance.

A score over all samples hides the parts that fail. Each part is held against the rest; among many one is always the
worst, so that the p values are corrected for how many were looked at (Holm 1979).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from striate.evaluate.intervals import RESAMPLES, percentile_interval, resample_counts
from striate.evaluate.paired import SURE

LEAST, FEWEST = 20, 10
"""Samples, and units that are drawn together, of a slice and of the rest, below which little can be told: of one group
alone, how much others differ is not known.
"""
MOST = 20
"""Values of an attribute that are slices of their own; of more, numbers are cut into thirds and names are left out."""
THIRDS = ("lowest", "middle", "highest")
_CHUNK_BYTES = 8 * 1024**2


@dataclass(frozen=True)
class Slice:
    """A part of the samples.

    Args:
        by: what it is cut by, such as "class" or "brightness".
        value: which part of that.
        samples: how many.
        figure, low, high: the mean over them, and its 95 % interval, None where there is none.
        rest: the mean over the others of which `by` is known.
        difference, difference_low, difference_high: figure − rest, and its interval.
        p: how often chance makes a difference as large.
        adjusted: the same for one of so many slices.
    """

    by: str
    value: str
    samples: int
    figure: float
    low: float | None
    high: float | None
    rest: float
    difference: float
    difference_low: float | None
    difference_high: float | None
    p: float
    adjusted: float = 1.0


def cut(values: Sequence[Any]) -> dict[str, NDArray[np.bool_]]:
    """The slices that an attribute makes.

    Args:
        values: (N,), of each sample a name, a number, or None where it is not known. Of more than `MOST` numbers,
            thirds are made.

    Returns:
        (N,) for each, whether a sample is in it; nothing where all are alike, or names are too many.

    >>> {name: mask.tolist() for name, mask in cut(["a", "b", "a", None]).items()}
    {'a': [True, False, True, False], 'b': [False, True, False, False]}
    >>> list(cut([float(number) for number in range(90)]))
    ['lowest third (up to 29.67)', 'middle third', 'highest third (from 59.33)']
    """
    known = [value for value in values if value is not None and value == value]  # a NaN is not even itself
    distinct = sorted(set(known), key=lambda value: (isinstance(value, str), value))
    if len(distinct) < 2:
        return {}
    if len(distinct) <= MOST:
        return {_shown(one): np.array([value == one for value in values]) for one in distinct}
    if any(isinstance(value, str) for value in known):
        return {}
    numbers = np.array([np.nan if value is None else float(value) for value in values])
    low, high = np.nanquantile(numbers, [1 / 3, 2 / 3])
    masks = (numbers <= low, (numbers > low) & (numbers < high), numbers >= high)
    names = (f"lowest third (up to {low:.4g})", "middle third", f"highest third (from {high:.4g})")
    found = {name: mask for name, mask in zip(names, masks, strict=True) if mask.any()}
    return found if low < high else {}


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else f"{value:.15g}"


def find_slices(
    figures: NDArray[np.float64],
    attributes: Mapping[str, Sequence[Any]],
    units: NDArray[np.int64] | None,
    *,
    higher_is_better: bool,
    seed: int,
) -> tuple[list[Slice], int]:
    """Hold every slice that is large enough against the rest.

    Args:
        figures: (N,), how right each sample was: 1 or 0, a share, or an error.
        attributes: by name, (N,) values as `cut` takes them.
        units: (N,), what samples belong together, see `striate.evaluate.units_of`; None: each stands alone.
        higher_is_better: whether large figures are good. Where there are two parts, the one behind stands for both.
        seed: of the resamples.

    Returns:
        the slices, in order of what they are cut by; and how many were too small.
    """
    each = np.arange(len(figures)) if units is None else units
    exact = units is None and bool(np.isin(figures, (0.0, 1.0)).all())
    found, masks, small = [], [], 0
    for by, value, mask, known in _parts(attributes, figures if higher_is_better else -figures):
        rest = known & ~mask
        if any(part.sum() < LEAST or len(np.unique(each[part])) < FEWEST for part in (mask, rest)):
            small += 1
            continue
        inside, outside = float(figures[mask].mean()), float(figures[rest].mean())
        p = _fisher(figures[mask], figures[rest]) if exact else _clustered(figures, mask, rest, each)
        one = Slice(by, value, int(mask.sum()), inside, None, None, outside, inside - outside, None, None, p)
        found.append(one)
        masks.append((mask, rest))
    found = [
        replace(one, adjusted=adjusted)
        for one, adjusted in zip(found, holm([one.p for one in found]).tolist(), strict=True)
    ]
    return _with_intervals(found, masks, figures, each, seed), small


def _parts(
    attributes: Mapping[str, Sequence[Any]], goodness: NDArray[np.float64]
) -> Iterator[tuple[str, str, NDArray[np.bool_], NDArray[np.bool_]]]:
    for by, values in attributes.items():
        known = np.array([value is not None and value == value for value in values])
        masks = cut(values)
        if len(masks) == 2:
            behind = min(masks, key=lambda value: float(goodness[masks[value]].mean()))
            masks = {behind: masks[behind]}
        for value, mask in masks.items():
            yield by, value, mask, known


def _fisher(inside: NDArray[np.float64], outside: NDArray[np.float64]) -> float:
    """Fisher's exact test of two shares."""
    table = [[int(part.sum()), int(len(part) - part.sum())] for part in (inside, outside)]
    return float(stats.fisher_exact(table).pvalue)


def _clustered(
    figures: NDArray[np.float64], mask: NDArray[np.bool_], rest: NDArray[np.bool_], units: NDArray[np.int64]
) -> float:
    """A t test of two means whose samples may err together (cluster-robust; Liang and Zeger 1986).

    Each sample pulls on the difference by what it is off its part's mean; the pulls of a unit are added before they
    are squared.
    """
    pulls = np.zeros(len(figures))
    pulls[mask] = (figures[mask] - figures[mask].mean()) / mask.sum()
    pulls[rest] = -(figures[rest] - figures[rest].mean()) / rest.sum()
    used = mask | rest
    count = len(np.unique(units[used]))
    sums = np.bincount(units[used], pulls[used])
    if count < 2:
        return 1.0
    error = float(np.sqrt((sums**2).sum() * count / (count - 1)))
    difference = abs(float(figures[mask].mean() - figures[rest].mean()))
    if not error:
        return 1.0 if difference == 0 else 0.0
    return float(2 * stats.t.sf(difference / error, count - 1))


def holm(p: Sequence[float]) -> NDArray[np.float64]:
    """p values corrected for how many there are, by Holm's steps.

    >>> holm([0.01, 0.04, 0.03]).tolist()
    [0.03, 0.06, 0.06]
    """
    values = np.asarray(p, np.float64)
    order = np.argsort(values, kind="stable")
    steps = np.maximum.accumulate(values[order] * (len(values) - np.arange(len(values))))
    found = np.empty(len(values))
    found[order] = np.minimum(steps, 1.0)
    return found


def _with_intervals(
    found: Sequence[Slice],
    masks: Sequence[tuple[NDArray[np.bool_], NDArray[np.bool_]]],
    figures: NDArray[np.float64],
    units: NDArray[np.int64],
    seed: int,
) -> list[Slice]:
    """Percentile intervals of all from the same resamples."""
    if not found:
        return []
    columns = np.stack([one for pair in masks for one in pair], axis=1).astype(np.float64)
    drawn, rows = int(units.max()) + 1, []
    size = max(1, _CHUNK_BYTES // (8 * len(figures)))
    for start in range(0, RESAMPLES, size):
        counts = resample_counts(drawn, seed, start, min(start + size, RESAMPLES))[:, units]
        with np.errstate(invalid="ignore"):  # a resample without any sample of a slice says nothing of it
            rows.append((counts @ (columns * figures[:, None])) / (counts @ columns))
    means = np.concatenate(rows)
    kept = []
    for place, one in enumerate(found):
        mask = masks[place][0]
        within = len(np.unique(units[mask]))
        own = percentile_interval(means[:, 2 * place], within)
        apart = percentile_interval(means[:, 2 * place] - means[:, 2 * place + 1], within)
        kept.append(replace(one, low=own.low, high=own.high, difference_low=apart.low, difference_high=apart.high))
    return kept


def worst(found: Sequence[Slice], higher_is_better: bool) -> Slice | None:
    """The slice that is furthest behind the rest, of those that are so beyond chance; None where none is.

    Args:
        higher_is_better: whether large figures are good.
    """
    sign = 1 if higher_is_better else -1
    behind = [one for one in found if one.adjusted < SURE and sign * one.difference < 0]
    return min(behind, key=lambda one: sign * one.difference, default=None)
