"""The split: every sample's fate, such that a score on held-out samples is honest.

Exact duplicates, near-duplicates and members of a group are one unit, and a unit never straddles a split.
Units are dealt out by classes (or by quantiles of the values), in an order that only the seed and the keys decide, and
exchanged while that makes the division more even. Splits that the data or the user gives are obeyed; then what would
leak from the training side is excluded, never what is held out. Units may take turns in being held out
(`striate.data.folds`), or be divided by time (`striate.data.by_time`) or in a row (`striate.data.contiguous`).
"""

from __future__ import annotations

import csv
import io
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from striate.core.artifacts import write_csv
from striate.core.errors import DataError, nearest
from striate.core.records import SPLITS, Boxes, Dataset, Label, Labels, Mask, Sample, Target
from striate.core.wording import plural, some
from striate.data.audit import Audit
from striate.data.by_time import came_before, goes_by_time, periods
from striate.data.chained import NO_CHAINS, Chains, chains
from striate.data.contiguous import ORDERS
from striate.data.dealing import enough
from striate.data.dividing import divided_units, missing_classes
from striate.data.folds import rotates
from striate.data.met_before import check_known, kept_splits, mark_known, say_known
from striate.data.split_checks import FATES, check_split, classes_by_fate
from striate.data.twins import Near

FRACTIONS = (0.64, 0.16, 0.20)
"""Shares of training, validation and test where the data gives no split."""

_HEADER = ("key", "split", "target", "group", "reason")
_GIVEN_FOR = ", which is given for "
"""In the reason of a sample that is left out, since it belongs with a held-out one: the split comes after it, and its
own where that is not training."""


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

    def left_out_for(self, split: str) -> list[str]:
        """The keys, sorted, of what is left out of training since it belongs with a sample that is given for a split.

        What was given for validation itself, and is left out since it belongs with a given test, is none of them.

        >>> reasons = {name: "a duplicate of x, which is given for test" for name in "ab"}
        >>> reasons["b"] += "; itself for val"
        >>> SplitTable(dict.fromkeys("ab", "excluded"), reasons).left_out_for("test")
        ['a']
        """
        ends = _GIVEN_FOR + split
        return [key for key in self.keys("excluded") if self.reasons.get(key, "").endswith(ends)]

    def write(
        self,
        path: Path,
        dataset: Dataset,
        folds: Mapping[str, int] | None = None,
        units: Mapping[str, str] | None = None,
    ) -> None:
        """Write a CSV with one row a sample: key, split, target, group, reason; of folds, the fold and the unit too.

        Args:
            folds: by key, the fold that held it out.
            units: by key, the name of what a sample of a fold is drawn with in resamples, where it is with others.
        """
        rows = [
            (
                sample.key,
                self.fates[sample.key],
                target_text(sample.target),
                sample.group or "",
                self.reasons.get(sample.key, ""),
                *([] if folds is None else [folds.get(sample.key, ""), (units or {}).get(sample.key, "")]),
            )
            for sample in sorted(dataset.samples, key=lambda sample: sample.key)
        ]
        write_csv(path, _HEADER if folds is None else (*_HEADER, "fold", "unit"), rows)

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
    fold: tuple[int, int] | None = None,
    order: str = ORDERS[0],
) -> SplitTable:
    """Decide every sample's fate. The same for the same data and seed, whatever the order of the files.

    Args:
        file: a split file to be obeyed; where it is given, splits in the data are not looked at.
        fractions: shares of train, val and test, for what neither the data nor a file decides; of a share for
            validation above `VALIDATED` samples, the rest goes to train.
        known: by key, the split that a sample was in where the weights come from that training begins with. Where no
            split is given for it, it stays there, and what was learnt from is never tested.
        fold: which fold, from 1 on, of how many is held out: as the test, or as validation where a test is given.
        order: one of `striate.data.contiguous.ORDERS`: by lot and classes, or in stretches of the names' order.

    Samples with a time are divided by it, unless a split is given: the latest are the test, those before them validate,
    and what is held out and no later than what is learnt from is left out.

    Raises:
        DataError: the split file does not fit the data, nothing is left to train on or to test with, a held-out class
            has no training sample, there are more folds than units of a class, or times that do not differ.
    """
    samples = sorted(dataset.samples, key=lambda sample: sample.key)
    fates = {one.key: "quarantined" for one in audit.quarantined}
    reasons = {one.key: one.reason for one in audit.quarantined}
    left_out = {key: why for key, why in dataset.left_out.items() if key not in fates}
    fates |= dict.fromkeys(left_out, "excluded")
    reasons |= left_out
    notes: list[str] = []
    if dataset.task == "detect":
        _exclude_unlabelled(samples, fates, reasons, notes)
    given = _given(dataset, samples, file, fates, reasons, notes)
    held = {split for split in given.values() if split in ("val", "test")}
    free = [sample for sample in samples if sample.key not in fates]
    if held:
        fates.update({sample.key: given[sample.key] for sample in free})
    _exclude_conflicts(audit, fates, reasons, free)
    units = units_together([sample for sample in free if fates.get(sample.key) != "excluded"], audit)
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
    chained = near_chains(free, audit)
    places = divided_units(
        dataset,
        pool,
        kept,
        shares,
        held,
        seed=seed,
        even=bool(audit.near.duplicates),
        fold=fold,
        carved=fractions[1] / sum(fractions[:2]),
        chained=chained,
        order=order,
    )
    for unit, place in zip(pool, places, strict=True):
        fates.update(dict.fromkeys((sample.key for sample in unit), place))
    timed = fold is None and goes_by_time(dataset, held)
    early = came_before(pool, places) if timed else {}
    fates.update(dict.fromkeys(early, "excluded"))
    reasons.update(early)
    if known:
        say_known(notes, pool, kept, fates)
        mark_known(units, fates, reasons, known, given if held else {})
        check_known(dataset, fates, held)
    _say(notes, held, shares, file, fates, reasons, fold, timed=timed, contiguous=order == "contiguous")
    if timed:
        notes.insert(1, f"By time: {periods(samples, fates)}.")
    if early:
        notes.append(
            f"{plural(len(early), 'held-out sample is', 'held-out samples are')} left out: of groups or equal pictures "
            "that go on later, but no later than what is learnt from."
        )
    classes = classes_by_fate(samples, fates)
    check_split(dataset, samples, fates, reasons, classes, chained, contiguous=order == "contiguous")
    if chained:
        notes.append(chained.sentence())
    for key, former in dataset.relabelled.items():
        reasons.setdefault(key, f"its label was {former!r} in the data")
    notes += missing_classes(classes, pool)
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
    _check_not_of_folds(Path(file), table)
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


def _check_not_of_folds(path: Path, table: SplitTable) -> None:
    """Raise `DataError` where a split file is that of a Run of folds, in which nothing is learnt from alone."""
    if "train" in table.fates.values():
        return
    folds = {number for row in _read_rows(path) if (number := row.get("fold"))}
    if folds:
        raise DataError(
            f"{path} is the split of {len(folds)} folds: each sample was held out by one and learnt from by the others",
            fix=f"give that of one fold, such as {path.parent / 'folds' / '1' / path.name}; or --folds {len(folds)} "
            "for the same folds of the same data",
        )


def _exclude_unlabelled(
    samples: Sequence[Sample], fates: dict[str, str], reasons: dict[str, str], notes: list[str]
) -> None:
    """Leave out pictures without an annotation: what is in them is not known, which is not that nothing is."""
    unknown = [sample.key for sample in samples if sample.target is None and sample.key not in fates]
    fates.update(dict.fromkeys(unknown, "excluded"))
    reasons.update(dict.fromkeys(unknown, "it has no annotation, and what is in it is not known"))
    if unknown:
        notes.append(
            f"{plural(len(unknown), 'picture has', 'pictures have')} no annotation, and "
            f"{'is' if len(unknown) == 1 else 'are'} left out: {some(unknown)}."
        )


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
    known = {sample.key: number for number, unit in enumerate(units_together(samples, audit)) for sample in unit}
    return np.array([known[sample.key] for sample in samples], np.int64)


def near_chains(samples: Sequence[Sample], audit: Audit) -> Chains:
    """Where near-duplicates made one unit of a class, or of all of the samples."""
    if not audit.near.duplicates:
        return NO_CHAINS
    return chains(samples, units_of_samples(samples, audit), units_of_samples(samples, replace(audit, near=Near())))


def units_together(samples: Sequence[Sample], audit: Audit) -> list[list[Sample]]:
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
                mine = fates[sample.key]
                count[mine, how] += 1
                fates[sample.key] = "excluded"
                own = "" if mine == "train" else f"; itself for {mine}"
                reasons[sample.key] = f"{how} {other.key}{_GIVEN_FOR}{kept}{own}"
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
    fold: tuple[int, int] | None,
    *,
    timed: bool,
    contiguous: bool,
) -> None:
    counts = Counter(fates.values())
    parts = ", ".join(f"{counts[split]} {split}" for split in SPLITS)
    source = Path(file).name if file else "the data"
    if fold is not None:
        how = f"fold {fold[0]} of {fold[1]}{', a stretch of the row,' * contiguous} is held out as {rotates(held)}"
    elif held == {"val", "test"}:
        how = f"train, val and test are given by {source}"
    elif held:
        given, drawn = ("test", "val") if held == {"test"} else ("val", "test")
        share = shares[SPLITS.index(drawn)]
        what = f"{share:.0%} of train was drawn for"
        if timed or contiguous:
            what = f"the {'latest' if timed else 'last'} {share:.0%} of train{' in a row' * contiguous} is"
        how = f"{given} is given by {source}; {what} {drawn}"
    else:
        drawn = "/".join(f"{100 * share:g}" for share in shares)
        what = f"by time as {drawn}, the latest are test" if timed else f"it was drawn as {drawn}"
        if contiguous:
            what = f"in stretches of the names' order as {drawn}, the last is test"
        how = f"{source} gives no split; {what}"
    notes.insert(0, f"Split: {how}: {parts}.")
    conflicts = sum("has another target" in reason for key, reason in reasons.items() if fates[key] == "excluded")
    if conflicts:
        notes.append(f"{conflicts} samples are left out because the same picture has different targets.")
    if not counts["val"]:
        notes.append("There are too few samples for a validation split: nothing can be selected by it.")


def target_text(target: Target | None) -> str:
    """A target as `split.csv` has it: of things each with its class, which may hold spaces and `;`, and four edges.

    >>> from striate.core.records import Box
    >>> target_text(Boxes((Box("red fox", 0, 1.5, 8, 9), Box("cat", 2, 2, 4, 4))))
    'red fox 0 1.5 8 9;cat 2 2 4 4'
    """
    if isinstance(target, Label):
        return target.name
    if isinstance(target, Labels):
        return ";".join(target.names)
    if isinstance(target, Mask):
        return ";".join(map(str, target.sources)) or f"{len(target.regions)} regions"
    if isinstance(target, Boxes):
        return ";".join(" ".join([box.label, *(f"{edge:g}" for edge in box.corners)]) for box in target.boxes)
    return ";".join(repr(value) for value in target.values) if target else ""
