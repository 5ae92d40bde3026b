"""Dealing units of samples out to the splits, so that each class, or quantile of values, is divided by the shares."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from striate.core.records import SPLITS, Sample, Value
from striate.data.balance import even_out
from striate.data.classes import target_classes

VALIDATED, OF_EACH_CLASS = 5_000, 10
"""Samples that validation needs at most, in all and of each class: they tell weights apart to half a point."""
_BINS = 10


def enough(shares: tuple[float, float, float], samples: int, classes: int) -> tuple[float, float, float]:
    """The shares, where validation would get more than it needs with the rest of it to train on.

    >>> enough((0.8, 0.2, 0.0), 50_000, 10)
    (0.9, 0.1, 0.0)
    """
    train, val, test = shares
    most = max(VALIDATED, OF_EACH_CLASS * classes) / max(1, samples)
    return (train, val, test) if val <= most else (round(train + val - most, 9), most, test)


def dealt(units: Sequence[Sequence[Sample]], shares: tuple[float, float, float], seed: int, *, even: bool) -> list[str]:
    """The split of each unit; where units are large, by groups or as asked, evened out after dealing.

    Args:
        even: whether to even out without groups, too.
    """
    strata = strata_of(units)
    found = deal(units, shares, seed, strata)
    if not even and all(sample.group is None for unit in units for sample in unit):
        return found
    lots = [lot(seed, unit[0].key) for unit in units]
    used = {split: share for split, share in zip(SPLITS, shares, strict=True) if share > 0}
    return even_out(found, used, strata, [len(unit) for unit in units], lots)


def deal(
    units: Sequence[Sequence[Sample]],
    shares: tuple[float, float, float],
    seed: int,
    strata: Sequence[Mapping[str, int]],
) -> list[str]:
    """Deal units out to train, val and test so that every stratum, and the whole, is divided by the shares.

    Each unit in turn goes where, counting it as dealt, its strata and the whole lack most: the error that one unit
    leaves is carried to the next, so that shares hold to about one unit for each stratum. Large units come first, and
    a stratum's first unit goes to train, so that nothing is tested that was not learnt.

    Args:
        shares: of train, val and test; a share of 0 gets nothing.
        strata: for each unit, its samples in each stratum.

    Returns:
        the split of each unit.
    """
    totals: Counter[str] = Counter()
    for one in strata:
        totals.update(one)
    options = [(split, share) for split, share in zip(SPLITS, shares, strict=True) if share > 0]
    placed: dict[str, Counter[str]] = {split: Counter() for split, _ in options}
    sizes: Counter[str] = Counter()
    seen: Counter[str] = Counter()
    total = 0

    def turn(index: int) -> tuple[object, ...]:
        names = sorted(strata[index], key=lambda name: (totals[name], name))
        return -len(units[index]), [(totals[name], name) for name in names], lot(seed, units[index][0].key)

    found = [""] * len(units)
    for index in sorted(range(len(units)), key=turn):
        counts, size = strata[index], len(units[index])
        seen.update(counts)
        total += size

        new = any("train" in placed and not placed["train"][name] for name in counts)
        lack = [
            sum(number * (share * seen[name] - placed[split][name]) for name, number in counts.items())
            / max(1, sum(counts.values()))
            + share * total
            - sizes[split]
            for split, share in options
        ]
        split = "train" if new else options[lack.index(max(lack))][0]
        placed[split].update(counts)
        sizes[split] += size
        found[index] = split
    return found


def lot(seed: int, key: str) -> bytes:
    """A unit's place in the order, by its first key alone: files that come or go do not stir the others."""
    return hashlib.sha256(f"{seed}\0{key}".encode("utf-8", "surrogateescape")).digest()


def strata_of(units: Sequence[Sequence[Sample]]) -> list[dict[str, int]]:
    """For each unit, how many of its samples are in each stratum.

    Strata are classes, each class of a multi-label sample, or bins of equal counts over the values.
    """
    values = [sample.target.values for unit in units for sample in unit if isinstance(sample.target, Value)]
    edges = _edges(values) if values else []
    strata = []
    for unit in units:
        count: Counter[str] = Counter()
        for sample in unit:
            if isinstance(sample.target, Value):
                bins = [
                    int(np.searchsorted(edge, value, side="right"))
                    for edge, value in zip(edges, sample.target.values, strict=False)
                ]
                count["-".join(map(str, bins))] += 1
            else:
                count.update(target_classes(sample.target))
        strata.append(dict(count))
    return strata


def _edges(values: Sequence[tuple[float, ...]]) -> list[NDArray[np.float64]]:
    """Inner edges of the bins of each column: ten in all, over the first three columns at most."""
    table = np.array(values, np.float64)[:, :3]
    bins = max(1, min(round(_BINS ** (1 / table.shape[1])), len(table) // 5))
    return [np.quantile(column, np.arange(1, bins) / bins) for column in table.T]
