"""Folds: parts of which each is held out in turn, so that every sample is judged by a network that never saw it.

Units stay whole, and every stratum is spread over the folds as evenly as can be reached (stratified group folds). Each
unit goes where its strata and the whole lack most, the large ones first; moves and exchanges even out what is left.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from striate.core.errors import DataError
from striate.core.wording import plural, some
from striate.data.balance import even_out

LEAST = 2
"""Folds there are at least: with one, nothing would be left to learn from."""


def deal_folds(
    strata: Sequence[Mapping[str, int]], sizes: Sequence[int], count: int, order: Sequence[bytes]
) -> list[int]:
    """The fold of each unit, from 0 on.

    Args:
        strata: for each unit, its samples in each stratum.
        sizes: samples of each unit.
        count: folds.
        order: of each unit, by which the first of several that are alike is taken.

    >>> deal_folds([{"a": 2}, {"a": 1}, {"a": 1}], [2, 1, 1], 2, [b"x", b"y", b"z"])
    [0, 1, 1]
    """
    totals: Counter[str] = Counter()
    for one in strata:
        totals.update(one)

    def turn(unit: int) -> tuple[object, ...]:
        rarest = sorted((totals[name], name) for name in strata[unit])
        return -sizes[unit], rarest, order[unit]

    placed: list[Counter[str]] = [Counter() for _ in range(count)]
    filled, seen, total = [0] * count, Counter[str](), 0
    found = [0] * len(sizes)
    for unit in sorted(range(len(sizes)), key=turn):
        counts = strata[unit]
        seen.update(counts)
        total += sizes[unit]
        lack = [
            sum(number * (seen[name] / count - placed[fold][name]) for name, number in counts.items())
            / max(1, sum(counts.values()))
            + total / count
            - filled[fold]
            for fold in range(count)
        ]
        fold = lack.index(max(lack))
        placed[fold].update(counts)
        filled[fold] += sizes[unit]
        found[unit] = fold
    if all(size == 1 for size in sizes) and all(len(one) == 1 for one in strata):
        return found  # of single samples of one class each, no exchange helps
    named = even_out(list(map(str, found)), {str(fold): 1 / count for fold in range(count)}, strata, sizes, list(order))
    return list(map(int, named))


def check_folds(
    count: int, classes: Sequence[Mapping[str, int]], sizes: Sequence[int], groups: Sequence[Sequence[str]], path: str
) -> None:
    """Raise `DataError` where there are more folds than units, in all or of a class.

    Args:
        count: folds.
        classes: for each unit, its samples of each class; empty ones where targets are values.
        sizes: samples of each unit.
        groups: for each unit, the names of its samples' groups.
        path: of the data, for messages.
    """
    if len(sizes) < count:
        together = f" ({sum(sizes):,} samples, of which some must stay together)" if sum(sizes) > len(sizes) else ""
        raise DataError(
            f"{count} folds are more than the {plural(len(sizes), 'sample', 'samples')} of {path} that can be dealt "
            f"out{together}",
            fix=f"give --folds {len(sizes)} or fewer" if len(sizes) >= LEAST else "add samples, or check the groups",
        )
    units: Counter[str] = Counter()
    samples: Counter[str] = Counter()
    for one in classes:
        units.update(one.keys())
        samples.update(one)
    scarce = sorted((number, name) for name, number in units.items() if number < count)
    if not scarce:
        return
    number, name = scarce[0]
    which = sorted({group for one, own in zip(classes, groups, strict=True) if name in one for group in own})
    grouped = (
        f", all of {'group' if len(which) == 1 else 'groups'} {some(which)},"
        if number < samples[name] and which
        else ""
    )
    others = f"; {len(scarce) - 1} other classes have too few as well" if len(scarce) > 1 else ""
    raise DataError(
        f"class {name!r} has {plural(samples[name], 'sample', 'samples')}{grouped} in "
        f"{plural(number, 'unit', 'units')} that cannot be parted, and of {count} folds each is to hold some of it "
        f"out{others}",
        fix=f"give --folds {number}, or more samples of that class"
        if number >= LEAST
        else "add samples of that class that belong to no unit it has, or leave the class out",
    )
