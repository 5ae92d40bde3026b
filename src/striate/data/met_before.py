"""Samples that weights have met before: they stay in the split that they were in, and what was learnt is no test."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from striate.core.errors import DataError
from striate.core.records import SPLITS, Dataset, Sample
from striate.data.dealing import strata_of

MET = "is given, but the weights had learnt from it, an equal picture or its group"
"""How the reason ends of a held-out sample that is no test of the weights that training begins with."""


def kept_splits(
    pool: Sequence[Sequence[Sample]], shares: tuple[float, float, float], known: Mapping[str, str]
) -> list[str | None]:
    """The split of each unit that was in one where the weights come from; None of a new one.

    What was held out there stays so only where training knows its classes, and of a split that gets nothing, what was
    validated is trained on, and what was tested is new.
    """
    places = {split for split, share in zip(SPLITS, shares, strict=True) if share > 0}
    found: list[str | None] = []
    for unit in pool:
        before = {known[sample.key] for sample in unit if sample.key in known}
        first = next((split for split in SPLITS if split in before), None)
        found.append("train" if first == "val" and "val" not in places else first if first in places else None)
    strata = strata_of(pool)
    trained = {name for one, split in zip(strata, found, strict=True) if split == "train" for name in one}
    missing = {"val": "train", "test": None}
    return [
        missing[split] if split in missing and not one.keys() <= trained else split
        for one, split in zip(strata, found, strict=True)
    ]


def check_known(dataset: Dataset, fates: Mapping[str, str], held: set[str]) -> None:
    """Raise `DataError` where the weights have met every sample, so that none is left to test with."""
    counts = Counter(fates.values())
    if not counts["test"] and "test" not in held and counts["train"]:
        raise DataError(
            f"none of the {counts['train'] + counts['val']} usable samples of {dataset.path} is left to test with: the "
            "Run that the weights come from has trained or validated on them",
            fix="add new samples, give others with `--test DIR`, or train without these weights",
        )


def say_known(
    notes: list[str], pool: Sequence[Sequence[Sample]], kept: Sequence[str | None], fates: Mapping[str, str]
) -> None:
    """Note how many samples stay where they were."""
    stay = Counter(fates[one.key] for unit, split in zip(pool, kept, strict=True) if split for one in unit)
    if stay:
        parts = ", ".join(f"{stay[split]} {split}" for split in SPLITS)
        notes.append(
            f"{stay.total()} samples stay in the split that they were in for the weights' Run, so that none is tested "
            f"that these have seen: {parts}; {sum(map(len, pool)) - stay.total()} new ones were drawn."
        )


def mark_known(
    units: Iterable[Sequence[Sample]],
    fates: Mapping[str, str],
    reasons: dict[str, str],
    known: Mapping[str, str],
    given: Mapping[str, str],
) -> None:
    """Say of given held-out samples that the weights have learnt from them: what the user gives is obeyed."""
    for unit in units:
        before = {known.get(sample.key) for sample in unit}
        for sample in unit:
            fate = fates[sample.key]
            seen = before & {"train", "val"} if fate == "test" else before & {"train"}
            if seen and fate in ("test", "val") and given.get(sample.key) == fate:
                reasons.setdefault(sample.key, f"kept, since the {fate} {MET}")
