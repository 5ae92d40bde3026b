"""Class folders: a picture's label is the path of its folder below the root, or below `train/`, `val/` and `test/`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

from striate.core.errors import DataError, UsageError
from striate.core.records import Dataset, Sample, Source, Split
from striate.data.readers import READERS, ReadOptions
from striate.data.readers._groups import groups_of
from striate.data.readers._listing import SPLIT_NAMES, Listing, list_folder
from striate.data.readers._targets import infer
from striate.data.store import printable

STRAYS = 0.05
"""A folder around all others is looked through although this share of the pictures lies directly in it."""


class Folders:
    """Reads a folder of class folders."""

    def accepts(self, data: Any) -> bool:
        """Any folder; a reader that knows more about one goes first."""
        return isinstance(data, Path) and data.is_dir()

    def read(self, data: Any, options: ReadOptions) -> Dataset:
        """Read it. Raises `DataError` where there are no pictures, or none in a class folder."""
        if not self.accepts(data):
            raise DataError(f"{data} is not a folder", fix="choose another --reader, or leave it out")
        return dataset_of(list_folder(data), options, "folders")


READERS.register("folders")(Folders())


@dataclass(frozen=True)
class _Placed:
    """A picture, the folders that lead to it and are not yet accounted for, and its split."""

    name: str
    source: Source
    folders: tuple[str, ...]
    split: Split | None = None


def dataset_of(listing: Listing, options: ReadOptions, reader: str) -> Dataset:
    """The Dataset of class folders in a listing, be it of a folder or an archive.

    Raises:
        DataError: no pictures, none in a class folder, or folder names that do not suit the task.
    """
    if options.label_depth is not None and options.label_depth < 1:
        raise UsageError(f"a label depth of {options.label_depth} leaves no label", fix="give 1 or more")
    listing.require_pictures()
    placed = [_Placed(name, source, tuple(name.split("/")[:-1])) for name, source in listing.pictures]
    notes: list[str] = []
    placed = _unwrapped(placed, notes)
    placed = _split(placed, notes)
    inside = [one for one in placed if one.folders]
    outside = [one.name for one in placed if not one.folders]
    if not inside:
        raise _no_labels(listing, outside)
    if outside:
        notes.append(f"Left out, as no class folder holds them: {_few(outside)}.")
    notes += listing.notes()
    labels = ["/".join(one.folders[: options.label_depth]) for one in inside]
    found = infer({"folder": labels}, lambda row: printable(inside[row].name), options.task or "classify")
    notes.insert(0, f"Read as class folders: {len(inside):,} pictures, {found.note}.")
    keys = [printable(one.name) for one in inside]
    groups: Sequence[str | None] = groups_of(keys, options.group) if options.group else [None] * len(keys)
    samples = [
        Sample(key, (one.source,), target, one.split, group)
        for key, one, target, group in zip(keys, inside, found.values, groups, strict=True)
    ]
    samples.sort(key=lambda sample: sample.key)
    return Dataset(listing.path, reader, found.task, tuple(samples), found.names, notes=tuple(notes))


def _no_labels(listing: Listing, outside: Sequence[str]) -> DataError:
    tables = [name for name, _ in listing.others if name.lower().endswith((".csv", ".tsv", ".txt"))]
    hint = f"; {printable(tables[0])} was not taken, as no column of it names pictures there" if tables else ""
    return DataError(
        f"labels are missing: the {len(outside):,} pictures in {printable(listing.path)} lie in no class folder{hint}",
        fix="put the pictures of each class into a folder named after it, or give a table with their paths and labels",
    )


def _few(names: Sequence[str]) -> str:
    shown = ", ".join(printable(name) for name in names[:3])
    return shown if len(names) <= 3 else f"{shown} and {len(names) - 3:,} more"


def _unwrapped(placed: list[_Placed], notes: list[str]) -> list[_Placed]:
    """Look through folders that hold everything, such as the one that most archives begin with.

    One that is named after a split is none of these, nor one whose pictures all lie directly in it: that is a class.
    """
    while True:
        firsts = {one.folders[0] for one in placed if one.folders}
        direct = sum(len(one.folders) == 1 for one in placed)
        below = {one.folders[1] for one in placed if len(one.folders) > 1}
        if len(firsts) != 1 or not below or direct > STRAYS * len(placed):
            return placed
        (wrapper,) = firsts
        if wrapper.lower() in SPLIT_NAMES:
            return placed
        notes.append(f"All of it lies in {printable(wrapper)}/, which is no part of the labels.")
        placed = [replace(one, folders=one.folders[1:]) for one in placed]


def _split(placed: list[_Placed], notes: list[str]) -> list[_Placed]:
    """Take folders named after splits off the labels.

    They are splits where there is a train folder among them, and either every folder is one or they hold the same
    classes; otherwise "train" may be a class, beside "bus".
    """
    named = sorted({one.folders[0] for one in placed if one.folders})
    splits = {name: SPLIT_NAMES[name.lower()] for name in named if name.lower() in SPLIT_NAMES}
    if not splits or (len(splits) < len(named) and not _same_classes(placed, splits)):
        return placed
    if len(splits) == len(named) and all(len(one.folders) < 2 for one in placed):
        return _flat(placed, splits, notes)
    given = set(splits.values())
    if "train" not in given or len(given) == 1:
        shown = ", ".join(f"{printable(name)}/" for name in splits)
        notes.append(f"{shown} without its counterpart gives no split: its pictures are taken together.")
        given = set()
    kept, left = [], Counter[str]()
    for one in placed:
        if one.folders and one.folders[0] not in splits:
            left[one.folders[0]] += 1
        else:
            split = cast(Split, splits[one.folders[0]]) if one.folders and given else None
            kept.append(replace(one, folders=one.folders[1:], split=split))
    if left:
        notes.append(f"Left out, as they stand beside the splits: {_few([f'{name}/' for name in sorted(left)])}.")
    if given:
        counts = Counter(one.split for one in kept if one.folders)
        shown = ", ".join(f"{printable(name)}/ {counts[cast(Split, splits[name])]:,}" for name in sorted(splits))
        notes.append(f"The folders give the splits: {shown}.")
    return _unwrapped(kept, notes)


def _same_classes(placed: Sequence[_Placed], splits: dict[str, str]) -> bool:
    """Whether a train folder and a held-out one share a class folder."""
    below: dict[bool, set[str]] = {True: set(), False: set()}
    for one in placed:
        if len(one.folders) > 1 and one.folders[0] in splits:
            below[splits[one.folders[0]] == "train"].add(one.folders[1])
    return bool(below[True] & below[False])


def _flat(placed: list[_Placed], splits: dict[str, str], notes: list[str]) -> list[_Placed]:
    """Pictures directly in split folders have no label: none of them is in a class folder."""
    notes.append(f"{_few([f'{name}/' for name in sorted(splits)])} hold pictures but no class folders.")
    return [replace(one, folders=()) for one in placed]
