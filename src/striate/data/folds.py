"""Folds: parts of which each is held out in turn, so that every sample is judged by a network that never saw it.

Units stay whole, and every stratum is spread over the folds as evenly as can be reached (stratified group folds). Each
unit goes where its strata have least so far, the large ones first; moves and exchanges even out what is left.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from striate.core.errors import DataError
from striate.core.records import Sample, Value
from striate.core.wording import plural, some
from striate.data.balance import even_out, unevenness
from striate.data.chained import NO_CHAINS, REMEDY, Chains
from striate.data.contiguous import folds_in_a_row
from striate.data.dealing import lot, strata_of

STARTS, STARTED_ANEW = 4, 500
"""Of so many units at most, exchanges begin from four other divisions too, since each beginning ends in an optimum of
its own: so each of 300 small divisions that were tried was the best there is."""

LEAST = 2
"""Folds there are at least: with one, nothing would be left to learn from."""


def folds_of_units(
    units: Sequence[Sequence[Sample]],
    count: int,
    seed: int,
    path: str,
    chained: Chains = NO_CHAINS,
    order: str = "shuffled",
) -> list[int]:
    """The fold, from 0 on, of each unit of samples that stay together.

    Args:
        count: folds.
        seed: of the order in which units that are alike are dealt.
        path: of the data, for messages.
        chained: what near-duplicates joined, for messages.
        order: one of `striate.data.contiguous.ORDERS`; contiguous folds hold no classes even.

    Raises:
        DataError: there are more folds than units, in all or of a class.
    """
    sizes, strata = [len(unit) for unit in units], strata_of(units)
    valued = any(isinstance(sample.target, Value) for unit in units for sample in unit)
    groups = [[sample.group for sample in unit if sample.group is not None] for unit in units]
    unclassed = valued or order == "contiguous"
    check_folds(count, [{} for _ in units] if unclassed else strata, sizes, groups, path, chained)
    if order == "contiguous":
        return folds_in_a_row(units, count)
    return deal_folds(strata, sizes, count, [lot(seed, unit[0].key) for unit in units])


def rotates(given: set[str]) -> str:
    """What a fold is held out as: the test, or validation where the test is given.

    >>> rotates(set()), rotates({"test"})
    ('test', 'val')
    """
    return "val" if "test" in given else "test"


def deal_folds(
    strata: Sequence[Mapping[str, int]], sizes: Sequence[int], count: int, order: Sequence[bytes]
) -> list[int]:
    """The fold of each unit, from 0 on. A stratum of several units is in several folds.

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
    filled = [0] * count
    found = [0] * len(sizes)
    for unit in sorted(range(len(sizes)), key=turn):
        counts = strata[unit]
        shares = {name: number / totals[name] for name, number in counts.items()}
        has = [
            sum(share * placed[fold][name] / totals[name] for name, share in shares.items()) for fold in range(count)
        ]
        fold = min(range(count), key=lambda fold: (round(has[fold], 12), filled[fold], fold))
        placed[fold].update(counts)
        filled[fold] += sizes[unit]
        found[unit] = fold
    if all(size == 1 for size in sizes) and all(len(one) == 1 for one in strata):
        return found  # of single samples of one class each, no exchange helps
    starts = [found]
    if len(sizes) <= STARTED_ANEW:
        starts += [[lot[place % len(lot)] % count for lot in order] for place in range(STARTS)]
    shares = {str(fold): 1 / count for fold in range(count)}
    evened = [even_out(list(map(str, start)), shares, strata, sizes, order) for start in starts]
    best = min(evened, key=lambda one: round(unevenness(one, shares, strata, sizes), 9))
    return _in_several(list(map(int, best)), strata, sizes, count)


def _in_several(found: list[int], strata: Sequence[Mapping[str, int]], sizes: Sequence[int], count: int) -> list[int]:
    """The same with one unit moved of each stratum that has several, all in one fold: nothing would teach it there."""
    homes: dict[str, list[int]] = {}
    for unit, one in enumerate(strata):
        for name in one:
            homes.setdefault(name, []).append(unit)
    for name in sorted(homes, key=lambda name: (len(homes[name]), name)):
        units = homes[name]
        if len(units) > 1 and len({found[unit] for unit in units}) == 1:
            filled = [sum(size for size, fold in zip(sizes, found, strict=True) if fold == one) for one in range(count)]
            away = min(units, key=lambda unit: (sizes[unit], unit))
            found[away] = min((fold for fold in range(count) if fold != found[away]), key=filled.__getitem__)
    return found


def check_folds(
    count: int,
    classes: Sequence[Mapping[str, int]],
    sizes: Sequence[int],
    groups: Sequence[Sequence[str]],
    path: str,
    chained: Chains = NO_CHAINS,
) -> None:
    """Raise `DataError` where there are more folds than units, in all or of a class.

    Args:
        count: folds.
        classes: for each unit, its samples of each class; empty ones where targets are values.
        sizes: samples of each unit.
        groups: for each unit, the names of its samples' groups.
        path: of the data, for messages.
        chained: what near-duplicates joined, whose remedy is then told.
    """
    if len(sizes) < count:
        units = plural(len(sizes), "unit", "units")
        what = (
            f"the {units} that the {sum(sizes):,} samples of {path} make, since what is equal or of one group stays "
            "together"
            if sum(sizes) > len(sizes)
            else f"the {plural(len(sizes), 'sample', 'samples')} of {path}"
        )
        raise DataError(
            f"{count} folds are more than {what}; each fold is to hold out one at least"
            + (f"; {chained}" if chained else ""),
            fix=REMEDY
            if chained
            else f"give --folds {len(sizes)} or fewer"
            if len(sizes) >= LEAST
            else "add samples, or check the groups",
        )
    units_of: Counter[str] = Counter()
    samples: Counter[str] = Counter()
    for one in classes:
        units_of.update(one.keys())
        samples.update(one)
    scarce = sorted((number, name) for name, number in units_of.items() if number < count)
    if not scarce:
        return
    number, name = scarce[0]
    which = sorted({group for one, own in zip(classes, groups, strict=True) if name in one for group in own})
    held = plural(samples[name], "sample", "samples")
    if number < samples[name]:
        named = f" ({'group' if len(which) == 1 else 'groups'} {some(which)})" if which else ""
        held += f" in {plural(number, 'unit', 'units')} that cannot be parted{named}"
    others = f"; {plural(len(scarce) - 1, 'other class has', 'other classes have')} too few as well"
    joined = chained.joined or name in chained.classes
    raise DataError(
        f"class {name!r} has {held}, and each of {count} folds is to hold out some of it"
        + (others if len(scarce) > 1 else "")
        + (f"; {chained}" if joined else ""),
        fix=REMEDY
        if joined
        else f"give --folds {number}, or add samples of that class"
        if number >= LEAST
        else "add samples of that class that belong with no other, or leave the class out",
    )
