"""The split: every sample's fate, such that a score on held-out samples is honest.

Exact duplicates, near-duplicates and members of a group are one unit, and a unit never straddles a split.
Units are dealt out by classes (or by quantiles of the values), in an order that only the seed and the keys decide, and
exchanged while that makes the division more even. Splits that the data or the user gives are obeyed; then what would
leak from the training side is excluded, never what is held out.
"""

from __future__ import annotations

import csv
import io
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from striate.core.artifacts import write_csv
from striate.core.errors import DataError, nearest
from striate.core.records import SPLITS, Boxes, Dataset, Label, Labels, Mask, Sample, Target
from striate.core.wording import some
from striate.data.audit import Audit
from striate.data.classes import target_classes
from striate.data.dealing import dealt, enough
from striate.data.met_before import check_known, kept_splits, mark_known, say_known

FATES = (*SPLITS, "quarantined", "excluded")
FRACTIONS = (0.64, 0.16, 0.20)
"""Shares of training, validation and test where the data gives no split."""

_HEADER = ("key", "split", "target", "group", "reason")


@dataclass(frozen=True)
class SplitTable:
    """Every sample and its fate.

    Args:
        fates: by key, one of "train", "val", "test", "quarantined", "excluded".
        reasons: by key, why a sample is quarantined or excluded.
        notes: what was done, in sentences for the user.
    """

    fates: dict[str, str]
    reasons: dict[str, str]
    notes: tuple[str, ...] = ()

    def keys(self, split: str) -> list[str]:
        """The keys of one fate, sorted.

        >>> SplitTable({"b": "train", "a": "train", "c": "test"}, {}).keys("train")
        ['a', 'b']
        """
        if split not in FATES:
            raise ValueError(f"{split!r} is none of {', '.join(FATES)}")
        return sorted(key for key, fate in self.fates.items() if fate == split)

    def write(self, path: Path, dataset: Dataset) -> None:
        """Write a CSV with one row a sample: key, split, target, group, reason."""
        rows = [
            (
                sample.key,
                self.fates[sample.key],
                _target_text(sample.target),
                sample.group or "",
                self.reasons.get(sample.key, ""),
            )
            for sample in sorted(dataset.samples, key=lambda sample: sample.key)
        ]
        write_csv(path, _HEADER, rows)

    @classmethod
    def read(cls, path: str | Path, dataset: Dataset) -> SplitTable:
        """Read a CSV with columns `key` and `split` (and maybe `reason`; others are passed over).

        Raises:
            DataError: no such file, no such columns, an unknown split, a key that the data lacks, a key twice, or a
                sample without a row.
        """
        rows = _read_rows(Path(path))
        known = {sample.key for sample in dataset.samples}
        fates: dict[str, str] = {}
        reasons: dict[str, str] = {}
        strange = []
        for number, row in enumerate(rows, start=2):
            key, fate = row["key"], row["split"]
            if fate not in FATES:
                near = nearest(fate or "", FATES)
                raise DataError(
                    f"{path}, line {number}: {fate!r} is no split" + (f"; did you mean {near!r}?" if near else ""),
                    fix=f"use one of {', '.join(FATES)}",
                )
            if key in fates:
                raise DataError(f"{path}, line {number}: {key} is there twice", fix="keep one row a sample")
            if key not in known:
                strange.append(key)
            fates[key] = fate
            if row.get("reason"):
                reasons[key] = row["reason"]
        if strange:
            raise DataError(
                f"{path} names {len(strange)} samples that {dataset.path} lacks: {some(strange)}",
                fix="keys are paths relative to the data; give the split file of this data",
            )
        missing = sorted(known - fates.keys())
        if missing:
            raise DataError(
                f"{path} says nothing of {len(missing)} of {len(known)} samples: {some(missing)}",
                fix="add a row for each; `excluded` leaves a sample out",
            )
        return cls(fates, reasons)


def _read_rows(path: Path) -> list[dict[str, str]]:
    try:
        text = path.read_text("utf-8", "surrogateescape")
    except FileNotFoundError:
        raise DataError(f"the split file {path} does not exist") from None
    except OSError as error:
        raise DataError(f"the split file {path} cannot be read: {error.strerror}") from error
    reader = csv.DictReader(io.StringIO(text.removeprefix("\ufeff"), newline=""))
    found = reader.fieldnames or []
    if "key" not in found or "split" not in found:
        raise DataError(
            f"{path} has the columns {', '.join(found) or 'none'}; a split file has at least key,split",
            fix="write it with commas and a header, as the split.csv of a Run",
        )
    return list(reader)


def make_split(
    dataset: Dataset,
    audit: Audit,
    *,
    seed: int,
    file: str | None = None,
    fractions: tuple[float, float, float] = FRACTIONS,
    known: Mapping[str, str] | None = None,
) -> SplitTable:
    """Decide every sample's fate. The same for the same data and seed, whatever the order of the files.

    Args:
        file: a split file to be obeyed; where it is given, splits in the data are not looked at.
        fractions: shares of train, val and test, for what neither the data nor a file decides; of a share for
            validation above `VALIDATED` samples, the rest goes to train.
        known: by key, the split that a sample was in where the weights come from that training begins with. Where no
            split is given for it, it stays there, and what was learnt from is never tested.

    Raises:
        DataError: the split file does not fit the data, nothing is left to train on or to test with, or a held-out
            class has no training sample.
    """
    samples = sorted(dataset.samples, key=lambda sample: sample.key)
    fates = {one.key: "quarantined" for one in audit.quarantined}
    reasons = {one.key: one.reason for one in audit.quarantined}
    left_out = {key: why for key, why in dataset.left_out.items() if key not in fates}
    fates |= dict.fromkeys(left_out, "excluded")
    reasons |= left_out
    notes: list[str] = []
    given = _given(dataset, samples, file, fates, reasons, notes)
    held = {split for split in given.values() if split in ("val", "test")}
    free = [sample for sample in samples if sample.key not in fates]
    if held:
        fates.update({sample.key: given[sample.key] for sample in free})
    _exclude_conflicts(audit, fates, reasons, free)
    units = _units([sample for sample in free if fates.get(sample.key) != "excluded"], audit)
    if held:
        _exclude_leaks(units, audit, fates, reasons, notes)
    pool = [
        unit
        for members in units
        if (unit := [sample for sample in members if fates.get(sample.key, "train") == "train"])
    ]
    shares = {
        frozenset({"val", "test"}): (1.0, 0.0, 0.0),
        frozenset({"test"}): (fractions[0] / (fractions[0] + fractions[1]), fractions[1] / sum(fractions[:2]), 0.0),
        frozenset({"val"}): (1 - fractions[2], 0.0, fractions[2]),
    }.get(frozenset(held), fractions)
    shares = enough(shares, sum(map(len, pool)), len(dataset.target_names))
    kept = kept_splits(pool, shares, known or {})
    fresh = [unit for unit, split in zip(pool, kept, strict=True) if split is None]
    places = iter(dealt(fresh, shares, seed, even=bool(audit.near.duplicates)))
    for unit, split in zip(pool, kept, strict=True):
        fates.update(dict.fromkeys((sample.key for sample in unit), split or next(places)))
    if known:
        say_known(notes, pool, kept, fates)
        mark_known(units, fates, reasons, known, given if held else {})
        check_known(dataset, fates, held)
    _say(notes, held, shares, file, fates, reasons)
    classes = _classes(samples, fates)
    _check(dataset, samples, fates, classes)
    for key, former in dataset.relabelled.items():
        reasons.setdefault(key, f"its label was {former!r} in the data")
    untested = sorted(classes["train"] - classes["test"])
    if untested:
        notes.append(f"The test split has no sample of {some(untested)}: its score says nothing of them.")
    return SplitTable({sample.key: fates[sample.key] for sample in samples}, reasons, tuple(notes))


def _given(
    dataset: Dataset,
    samples: Sequence[Sample],
    file: str | None,
    fates: dict[str, str],
    reasons: dict[str, str],
    notes: list[str],
) -> dict[str, str]:
    """The split that the file, or else the data, gives each sample; what the file leaves out gets its fate here."""
    if file is None:
        given: dict[str, str] = {sample.key: sample.split or "train" for sample in samples}
        unnamed = sum(sample.split is None for sample in samples)
        if unnamed and dataset.given_splits & {"val", "test"}:
            notes.append(f"{unnamed} samples are in no given split: they are there to be trained on.")
        return given
    table = SplitTable.read(file, dataset)
    given = {}
    damaged = 0
    for key, fate in table.fates.items():
        if fate in SPLITS:
            given[key] = fate
            damaged += fates.get(key) == "quarantined"
        elif key not in fates:
            fates[key] = "excluded"
            reasons[key] = table.reasons.get(key) or f"{Path(file).name} leaves it out as {fate}"
    if damaged:
        notes.append(f"{damaged} samples that {Path(file).name} puts into a split are damaged, and quarantined.")
    return given


def _exclude_conflicts(audit: Audit, fates: dict[str, str], reasons: dict[str, str], free: Iterable[Sample]) -> None:
    """Leave equal pictures with different targets out, but for the test that was given."""
    known = {sample.key for sample in free}
    for group in audit.conflicts:
        for key in group:
            if key not in known:
                continue
            other = next(one for one in group if one != key)
            if fates.get(key) == "test":
                reasons[key] = f"kept, since the test is given, but the same picture has another target as {other}"
            else:
                fates[key] = "excluded"
                reasons[key] = f"the same picture has another target as {other}"


def units_of_samples(samples: Sequence[Sample], audit: Audit) -> NDArray[np.int64]:
    """The number, from 0 on, of what each sample must stay with: (nearly) equal pictures and its group, (N,)."""
    known = {sample.key: number for number, unit in enumerate(_units(samples, audit)) for sample in unit}
    return np.array([known[sample.key] for sample in samples], np.int64)


def _units(samples: Sequence[Sample], audit: Audit) -> list[list[Sample]]:
    """Samples that must stay together: (nearly) equal pictures, and members of a group, transitively. Sorted by key."""
    parent = {sample.key: sample.key for sample in samples}

    def root(key: str) -> str:
        while parent[key] != key:
            parent[key] = parent[parent[key]]
            key = parent[key]
        return key

    groups: dict[str, list[str]] = defaultdict(list)
    for sample in samples:
        if sample.group is not None:
            groups[sample.group].append(sample.key)
    for members in [*audit.duplicates, *audit.near.duplicates, *groups.values()]:
        present = [key for key in members if key in parent]
        for key in present[1:]:
            one, other = sorted((root(present[0]), root(key)))
            parent[other] = one
    units: dict[str, list[Sample]] = defaultdict(list)
    for sample in samples:
        units[root(sample.key)].append(sample)
    return list(units.values())


def _exclude_leaks(
    units: Iterable[list[Sample]], audit: Audit, fates: dict[str, str], reasons: dict[str, str], notes: list[str]
) -> None:
    """Where a unit straddles given splits, keep what is tested, then what is validated, and leave out the rest."""
    count: Counter[tuple[str, str]] = Counter()
    ties = [
        {key: number for number, group in enumerate(groups) for key in group}
        for groups in (audit.duplicates, audit.near.duplicates)
    ]
    for unit in units:
        present = {fates[sample.key] for sample in unit}
        kept = next(split for split in ("test", "val", "train") if split in present)
        if len(present) == 1:
            continue
        held = [sample for sample in unit if fates[sample.key] == kept]
        for sample in unit:
            if fates[sample.key] != kept:
                how, other = _tie(sample, held, *ties)
                count[fates[sample.key], how] += 1
                fates[sample.key] = "excluded"
                reasons[sample.key] = f"{how} {other.key}, which is given for {kept}"
    for split in sorted({split for split, _ in count}):
        parts = [f"{number:,} {how}" for (one, how), number in sorted(count.items()) if one == split]
        total = sum(number for (one, _), number in count.items() if one == split)
        notes.append(f"{total:,} samples given for {split} are left out: {', '.join(parts)} a held-out one.")


def _tie(
    sample: Sample, held: Sequence[Sample], equal: Mapping[str, int], near: Mapping[str, int]
) -> tuple[str, Sample]:
    """How a sample belongs with what is held out of its unit, and with which sample of it."""
    for other in held:
        if sample.group is not None and sample.group == other.group:
            return "of the same group as", other
    for groups, how in ((equal, "a duplicate of"), (near, "a near-duplicate of")):
        for other in held:
            if sample.key in groups and groups[sample.key] == groups.get(other.key):
                return how, other
    return "joined by others with", held[0]


def _say(
    notes: list[str],
    held: set[str],
    shares: tuple[float, float, float],
    file: str | None,
    fates: Mapping[str, str],
    reasons: Mapping[str, str],
) -> None:
    counts = Counter(fates.values())
    parts = ", ".join(f"{counts[split]} {split}" for split in SPLITS)
    source = Path(file).name if file else "the data"
    if held == {"val", "test"}:
        how = f"train, val and test are given by {source}"
    elif held:
        given, drawn = ("test", "val") if held == {"test"} else ("val", "test")
        how = f"{given} is given by {source}; {shares[SPLITS.index(drawn)]:.0%} of train was drawn for {drawn}"
    else:
        how = f"{source} gives no split; it was drawn as {'/'.join(f'{100 * share:g}' for share in shares)}"
    notes.insert(0, f"Split: {how}: {parts}.")
    conflicts = sum("has another target" in reason for key, reason in reasons.items() if fates[key] == "excluded")
    if conflicts:
        notes.append(f"{conflicts} samples are left out because the same picture has different targets.")
    if not counts["val"]:
        notes.append("There are too few samples for a validation split: nothing can be selected by it.")


def _classes(samples: Iterable[Sample], fates: Mapping[str, str]) -> dict[str, set[str]]:
    """The classes in each split."""
    found: dict[str, set[str]] = {fate: set() for fate in FATES}
    for sample in samples:
        found[fates[sample.key]].update(target_classes(sample.target))
    return found


def _check(
    dataset: Dataset, samples: Sequence[Sample], fates: Mapping[str, str], classes: Mapping[str, set[str]]
) -> None:
    counts = Counter(fates.values())
    for split, purpose in (("train", "to train on"), ("test", "to test with")):
        if not counts[split]:
            raise DataError(
                f"of {len(samples)} samples none is left {purpose}: {counts['excluded']} are excluded, "
                f"{counts['quarantined']} quarantined",
                fix="check the given splits: what equals held-out samples, or is of their group, is not trained on"
                if dataset.given_splits
                else "samples that are equal or of one group stay together: add others, or check the groups",
            )
    for split in ("test", "val"):
        unknown = sorted(classes[split] - classes["train"])
        if unknown:
            excluded = sum(
                fates[sample.key] == "excluded" and not {*unknown}.isdisjoint(target_classes(sample.target))
                for sample in samples
            )
            also = f" ({excluded} of their samples were excluded)" if excluded else ""
            raise DataError(
                f"the {split} split has classes that training does not know: {some(unknown)}{also}",
                fix="check the names of the class folders, or add training samples of them",
            )


def _target_text(target: Target | None) -> str:
    if isinstance(target, Label):
        return target.name
    if isinstance(target, Labels):
        return ";".join(target.names)
    if isinstance(target, Mask):
        return ";".join(map(str, target.sources)) or f"{len(target.regions)} regions"
    if isinstance(target, Boxes):
        return ";".join(" ".join([box.label, *(f"{edge:g}" for edge in box.corners)]) for box in target.boxes)
    return ";".join(repr(value) for value in target.values) if target else ""
