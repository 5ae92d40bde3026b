"""How units that no given split decides are divided: dealt out, held out in turns, or by time; and what that lacks."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

from striate.core.errors import DataError
from striate.core.records import Dataset, Sample
from striate.core.wording import plural, some
from striate.data.by_time import deal_by_time, goes_by_time
from striate.data.chained import Chains
from striate.data.classes import target_classes
from striate.data.contiguous import deal_in_a_row, in_a_row
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
    chained: Chains,
    order: str,
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
        chained: what near-duplicates joined, for messages.
        order: one of `striate.data.contiguous.ORDERS`.

    Raises:
        DataError: folds cannot take turns; or samples have no times where others have, or times that divide nothing.
    """
    timed, contiguous = goes_by_time(dataset, held), order == "contiguous"
    if timed and contiguous:
        raise DataError(
            "samples are divided by time, and by the order of their names too: one of them can decide",
            fix="leave out --time, or --set split.order=contiguous",
        )
    if fold is not None:
        _check_rotation(dataset, held, timed)
        _check_free(kept)
        parts = folds_of_units(pool, fold[1], seed, dataset.path, chained, order)
        return _rotated(dataset, pool, parts, fold[0], held, seed, even, carved, contiguous)
    if timed:
        _check_free(kept)
        return deal_by_time(pool, shares, dataset.path)
    if contiguous:
        _check_free(kept)
        return deal_in_a_row(pool, shares, in_a_row(pool))
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
    check_direction(timed)


def check_direction(timed: bool) -> None:
    """Raise `DataError` where folds are asked for of samples that are divided by time."""
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
            "samples, which must stay in the splits that they were in: they can neither take turns nor go by time or "
            "in a row",
            fix="begin with other weights, or leave out --folds, --time and split.order",
        )


def _rotated(
    dataset: Dataset,
    pool: Sequence[Sequence[Sample]],
    parts: Sequence[int],
    number: int,
    held: set[str],
    seed: int,
    even: bool,
    carved: float,
    contiguous: bool,
) -> list[str]:
    """The split of each unit where one fold is held out; without a given split, a part of the others validates.

    Args:
        parts: the fold of each unit, from 0 on.
        number: of the fold that is held out, from 1 on.
        contiguous: what validates is then the stretch before the one that is held out; before the first comes the last.
    """
    others = [unit for unit, part in zip(pool, parts, strict=True) if part != number - 1]
    if held:
        rest = iter(["train"] * len(others))
    else:
        shares = enough((1 - carved, carved, 0.0), sum(map(len, others)), len(dataset.target_names))
        if contiguous:
            turns = [(part - number) % (max(parts) + 1) for part in parts if part != number - 1]
            row = sorted(in_a_row(others), key=turns.__getitem__)
            rest = iter(deal_in_a_row(others, shares, row))
        else:
            rest = iter(dealt(others, shares, seed, even=even))
    turn = rotates(held)
    return [turn if part == number - 1 else next(rest) for part in parts]


UNTESTED = "The test split has no sample of "
"""How the sentence begins that tells classes which a test lacks; in folds that take turns others have them."""


def missing_classes(classes: Mapping[str, set[str]], pool: Sequence[Sequence[Sample]]) -> list[str]:
    """Sentences on the classes that a held-out split lacks, and on those that are one unit, which no two splits share.

    Args:
        classes: by split, the classes that it has.
        pool: the units that were divided.
    """
    sentences = []
    for part, begins, what in (
        ("test", UNTESTED, "its score says nothing of them"),
        ("val", "The validation split has no sample of ", "the best epoch is chosen without them"),
    ):
        missing = sorted(classes["train"] - classes[part])
        if missing and classes[part]:
            sentences.append(f"{begins}{some(missing)}: {what}; add samples of them.")
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
