"""How units that no given split decides are divided: dealt out, held out in turns, or by time; and what that lacks."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

from striate.core.errors import DataError
from striate.core.records import Dataset, Sample
from striate.core.wording import plural, some
from striate.data.by_time import deal_by_time, goes_by_time
from striate.data.classes import target_classes
from striate.data.dealing import dealt, enough
from striate.data.folds import folds_of_units, rotates

Shares = tuple[float, float, float]


def divided_units(
    dataset: Dataset,
    pool: Sequence[Sequence[Sample]],
    kept: Sequence[str | None],
    shares: Shares,
    held: set[str],
    *,
    seed: int,
    even: bool,
    fold: tuple[int, int] | None,
    carved: float,
) -> list[str]:
    """The split of each unit.

    Args:
        pool: units that no given split holds out.
        kept: the split that a unit has already, or None.
        shares: of train, val and test for the others.
        held: the splits that are given.
        seed: of the order of dealing.
        even: see `striate.data.dealing.dealt`.
        fold: which, from 1 on, of how many is held out; None without folds.
        carved: the share for validation of what a fold does not hold out, where none is given.

    Raises:
        DataError: folds cannot take turns; or samples have no times where others have, or times that divide nothing.
    """
    timed = goes_by_time(dataset, held)
    if fold is not None:
        _check_rotation(dataset, held, timed)
        _check_free(kept)
        return _rotated(dataset, pool, fold, held, seed, even, carved)
    if timed:
        _check_free(kept)
        return deal_by_time(pool, shares, dataset.path)
    fresh = [unit for unit, split in zip(pool, kept, strict=True) if split is None]
    places = iter(dealt(fresh, shares, seed, even=even))
    return [split or next(places) for split in kept]


def _check_rotation(dataset: Dataset, held: set[str], timed: bool) -> None:
    """Raise `DataError` where folds cannot take turns."""
    if held == {"val", "test"}:
        raise DataError(
            f"{dataset.path} gives validation and test, so that there is nothing for folds to rotate",
            fix="leave --folds out; or give the test alone, and each fold validates in turn",
        )
    if timed:
        raise DataError(
            "samples are divided by time, which has one direction: folds would be judged by what came before",
            fix="leave out --folds, or --time",
        )


def _check_free(kept: Sequence[str | None]) -> None:
    """Raise `DataError` where units must stay where the weights' Run had them."""
    count = sum(split is not None for split in kept)
    if count:
        raise DataError(
            f"the Run that the weights come from has met {count:,} of the {plural(len(kept), 'unit', 'units')} of "
            "samples, which must stay in the splits that they were in: they can neither take turns nor go by time",
            fix="begin with other weights, or leave out --folds and --time",
        )


def _rotated(
    dataset: Dataset,
    pool: Sequence[Sequence[Sample]],
    fold: tuple[int, int],
    held: set[str],
    seed: int,
    even: bool,
    carved: float,
) -> list[str]:
    """The split of each unit where one fold is held out; without a given split, a part of the others validates."""
    number, count = fold
    parts = folds_of_units(pool, count, seed, dataset.path)
    others = [unit for unit, part in zip(pool, parts, strict=True) if part != number - 1]
    if held:
        rest = iter(["train"] * len(others))
    else:
        shares = enough((1 - carved, carved, 0.0), sum(map(len, others)), len(dataset.target_names))
        rest = iter(dealt(others, shares, seed, even=even))
    turn = rotates(held)
    return [turn if part == number - 1 else next(rest) for part in parts]


def missing_classes(classes: Mapping[str, set[str]], pool: Sequence[Sequence[Sample]]) -> list[str]:
    """Sentences on the classes that a held-out split lacks, and on those that are one unit, which no two splits share.

    Args:
        classes: by split, the classes that it has.
        pool: the units that were divided.
    """
    sentences = []
    for part, name, what in (
        ("test", "test", "its score says nothing of them"),
        ("val", "validation", "the best epoch is chosen without them"),
    ):
        missing = sorted(classes["train"] - classes[part])
        if missing and classes[part]:
            sentences.append(f"The {name} split has no sample of {some(missing)}: {what}; add samples of them.")
    homes: dict[str, list[Sequence[Sample]]] = defaultdict(list)
    for unit in pool:
        for one in sorted({name for sample in unit for name in target_classes(sample.target)}):
            homes[one].append(unit)
    for one, units in sorted(homes.items()):
        if len(units) != 1 or len(units[0]) < 2 or one in classes["val"] | classes["test"]:
            continue
        groups = sorted({sample.group for sample in units[0] if sample.group is not None})
        by = f"group {some(groups)}" if len(groups) == 1 else "one unit of samples that stay together"
        sentences.append(
            f"All samples of class {one} are in {by}, which no two splits can share: it is learnt and never tested. "
            "Add samples of that class that belong with no other."
        )
    return sentences
