"""A division made more even: units that stay whole are moved and exchanged between splits while that helps.

Dealing units out one by one leaves what the last large ones left. Here the best of all moves and exchanges is made,
again and again, until none helps. Units that have the same samples in the same strata are alike, so that all exchanges
between kinds of units are judged at once.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

KINDS = 400
"""Kinds of units that are exchanged at most: the largest, and the most frequent."""

_STEPS = 2000
_GAIN = 1e-9


def even_out(
    found: Sequence[str],
    shares: Mapping[str, float],
    strata: Sequence[Mapping[str, int]],
    sizes: Sequence[int],
    order: Sequence[bytes],
) -> list[str]:
    """The split of each unit, so that every stratum and the whole is divided by the shares as well as can be reached.

    What is made small is the sum, over strata and the whole, of squared differences between the samples that a split
    has and those it should have, each over the stratum's samples. No stratum leaves "train" altogether.

    Args:
        found: the split of each unit, to begin with.
        shares: by split; all those in `found`.
        strata: for each unit, its samples in each stratum.
        sizes: samples of each unit.
        order: by which the first of several units of one kind is taken.

    >>> strata = [{"a": 3}, {"a": 1}, {"a": 1}, {"a": 1}]
    >>> order = [b"d", b"a", b"b", b"c"]
    >>> even_out(["train", "test", "test", "test"], {"train": 0.7, "test": 0.3}, strata, [3, 1, 1, 1], order)
    ['train', 'train', 'test', 'test']
    """
    splits = list(shares)
    result = list(found)
    kinds = _kinds(strata, sizes)
    names = sorted({name for one in strata for name in one})
    column = {name: number for number, name in enumerate(names)}
    table = np.zeros((len(kinds) + 1, len(names) + 1))  # the last kind is no unit at all, the last column the whole
    for number, (_, members) in enumerate(kinds):
        for name, count in strata[members[0]].items():
            table[number, column[name]] = count
        table[number, -1] = sizes[members[0]]
    has = np.zeros((len(splits), len(names) + 1))
    for unit, split in enumerate(found):
        row = has[splits.index(split)]
        for name, count in strata[unit].items():
            row[column[name]] += count
        row[-1] += sizes[unit]
    total = has.sum(0)
    weight = 1 / np.maximum(total, 1)
    excess = has - np.array([shares[split] for split in splits])[:, None] * total
    gram = (table * weight) @ table.T
    apart = gram.diagonal()[:, None] + gram.diagonal()[None, :] - 2 * gram
    pools = _pools(kinds, result, splits, order)
    for _ in range(_STEPS):
        best = (-_GAIN, -1, -1, -1, -1)
        for one in range(len(splits)):
            for other in range(len(splits)):
                if one != other:
                    best = min(best, _exchange(one, other, splits, table, weight, excess, apart, pools, has))
        _, one, other, given, taken = best
        if one < 0:
            break
        for source, target, kind in ((one, other, given), (other, one, taken)):
            if kind < len(kinds):
                unit = pools[source][kind].pop()
                pools[target][kind].append(unit)
                result[unit] = splits[target]
        change = table[given] - table[taken]
        for rows in (excess, has):
            rows[one] -= change
            rows[other] += change
    return result


def _exchange(
    one: int,
    other: int,
    splits: Sequence[str],
    table: NDArray[np.float64],
    weight: NDArray[np.float64],
    excess: NDArray[np.float64],
    apart: NDArray[np.float64],
    pools: Sequence[Sequence[list[int]]],
    has: NDArray[np.float64],
) -> tuple[float, int, int, int, int]:
    """The best exchange between two splits: the change of the sum, the splits, and the kinds given and taken."""
    slope = table @ (weight * (excess[other] - excess[one]))
    change = 2 * apart + 2 * (slope[:, None] - slope[None, :])
    there = np.array([bool(pool) for pool in pools[one]] + [False])
    back = np.array([bool(pool) for pool in pools[other]] + [True])
    change[~there] = np.inf
    change[:, ~back] = np.inf
    for _ in range(64):  # exchanges that would leave nothing of a stratum to learn from are passed over
        given, taken = divmod(int(change.argmin()), change.shape[1])
        value = float(change[given, taken])
        if not value < -_GAIN:
            break
        moved = table[given] - table[taken]
        emptied = (splits[one] == "train" and _empties(has[one], moved)) or (
            splits[other] == "train" and _empties(has[other], -moved)
        )
        if not emptied:
            return round(value, 9), one, other, given, taken
        change[given, taken] = np.inf
    return 0.0, -1, -1, -1, -1


def _empties(has: NDArray[np.float64], leaves: NDArray[np.float64]) -> bool:
    return bool(((leaves > 0) & (has - leaves <= 0)).any())


def _kinds(strata: Sequence[Mapping[str, int]], sizes: Sequence[int]) -> list[tuple[tuple[object, ...], list[int]]]:
    """The units of each kind; where there are too many kinds, of the largest and the most frequent."""
    found: dict[tuple[object, ...], list[int]] = defaultdict(list)
    for unit, one in enumerate(strata):
        found[(sizes[unit], *sorted(one.items()))].append(unit)
    kinds = sorted(found.items(), key=lambda kind: (-len(kind[1]), str(kind[0])))
    if len(kinds) <= KINDS:
        return kinds
    frequent, others = kinds[: KINDS // 2], kinds[KINDS // 2 :]
    return frequent + sorted(others, key=lambda kind: (-sizes[kind[1][0]], str(kind[0])))[: KINDS // 2]


def _pools(
    kinds: Sequence[tuple[tuple[object, ...], list[int]]],
    found: Sequence[str],
    splits: Sequence[str],
    order: Sequence[bytes],
) -> list[list[list[int]]]:
    """The units of each split and kind, the one to be taken first standing last."""
    pools: list[list[list[int]]] = [[[] for _ in kinds] for _ in splits]
    for number, (_, members) in enumerate(kinds):
        for unit in sorted(members, key=lambda unit: order[unit], reverse=True):
            pools[splits.index(found[unit])][number].append(unit)
    return pools


def unevenness(
    found: Sequence[str], shares: Mapping[str, float], strata: Sequence[Mapping[str, int]], sizes: Sequence[int]
) -> float:
    """What `even_out` makes small.

    >>> unevenness(["train", "test"], {"train": 0.5, "test": 0.5}, [{"a": 1}, {"a": 1}], [1, 1])
    0.0
    """
    has: dict[str, Counter[str]] = {split: Counter() for split in shares}
    for split, one, size in zip(found, strata, sizes, strict=True):
        has[split].update({f"of {name}": count for name, count in one.items()})
        has[split]["all"] += size
    total: Counter[str] = sum(has.values(), Counter())
    return sum(
        (has[split][name] - share * count) ** 2 / count
        for split, share in shares.items()
        for name, count in total.items()
    )
