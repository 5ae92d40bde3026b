"""Divisions by stretches of a row: slices through a thing or frames of a film, whose neighbours are alike.

Units follow each other in the natural order of their first keys, in which 2 comes before 10, and are cut into
contiguous stretches. So only the ends of a stretch have neighbours on the other side.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from striate.core.records import SPLITS, Sample

ORDERS = ("shuffled", "contiguous")
"""How units are ordered before they are dealt: by lot, or as their names count."""


def natural(key: str) -> list[tuple[int, int, str]]:
    """What keys are sorted by so that numbers in them count as numbers.

    >>> sorted(["s10.png", "s2.png", "r7.png"], key=natural)
    ['r7.png', 's2.png', 's10.png']
    """
    parts = re.split(r"([0-9]+)", key)
    return [(1, int(part), part) if number % 2 else (0, 0, part) for number, part in enumerate(parts)]


def in_a_row(units: Sequence[Sequence[Sample]]) -> list[int]:
    """The positions of units in the natural order of their first keys."""
    return sorted(range(len(units)), key=lambda unit: min(natural(sample.key) for sample in units[unit]))


def stretches(sizes: Sequence[int], shares: Sequence[float]) -> list[int]:
    """The stretch, from 0 on, of each of units in a row: as near to the shares as whole units allow, none empty.

    Args:
        sizes: samples of each unit, in their order; at least as many units as shares.
        shares: of the stretches, each above 0.

    >>> stretches([1, 1, 1, 1, 1, 3], [0.5, 0.25, 0.25])
    [0, 0, 0, 0, 1, 2]
    """
    ends = np.cumsum(sizes)
    bounds, before = [], 0
    for number, wanted in enumerate(np.cumsum(shares)[:-1] / sum(shares) * ends[-1], start=1):
        candidates = np.arange(before + 1, len(sizes) - (len(shares) - number) + 1)  # each stretch has a unit
        before = int(candidates[np.abs(ends[candidates - 1] - wanted).argmin()])
        bounds.append(before)
    return [int(part) for part in np.searchsorted(bounds, np.arange(len(sizes)), side="right")]


def deal_in_a_row(
    units: Sequence[Sequence[Sample]], shares: tuple[float, float, float], row: Sequence[int]
) -> list[str]:
    """The split of each unit: of the row the last stretch is the test, the one before it validates.

    Args:
        units: of samples that stay together.
        shares: of train, val and test; a share of 0 gets nothing. With fewer units than parts, validation is done
            without, and of one unit all is learnt from.
        row: positions of the units, in their order.

    >>> units = [[Sample(f"{number}.png", ())] for number in range(10, 0, -1)]
    >>> deal_in_a_row(units, (0.6, 0.2, 0.2), in_a_row(units))
    ['test', 'test', 'val', 'val', 'train', 'train', 'train', 'train', 'train', 'train']
    """
    used = {split: share for split, share in zip(SPLITS, shares, strict=True) if share > 0}
    if len(row) < len(used):
        used.pop("val", None)
    if len(row) < len(used):
        used = {"train": 1.0}
    found = [""] * len(units)
    if row:
        names = list(used)
        parts = stretches([len(units[unit]) for unit in row], list(used.values()))
        for unit, part in zip(row, parts, strict=True):
            found[unit] = names[part]
    return found


def folds_in_a_row(units: Sequence[Sequence[Sample]], count: int) -> list[int]:
    """The fold, from 0 on, of each unit: contiguous stretches of about equal size."""
    row = in_a_row(units)
    found = [0] * len(units)
    for unit, part in zip(row, stretches([len(units[unit]) for unit in row], [1 / count] * count), strict=True):
        found[unit] = part
    return found
