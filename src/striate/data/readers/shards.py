"""Shards: a folder of zips and tars that hold one data set together. Nothing is unpacked to a disk.

Each holds class folders, or pictures with their labels beside them (`_pairs.py`). A shard's name, or that of a folder
around it, may give the split: `train-000.tar`, `val/000.tar`.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, cast

from striate.core.errors import DataError
from striate.core.records import Dataset, Source, Split
from striate.data.readers import READERS, ReadOptions, archive
from striate.data.readers._listing import (
    ARCHIVES,
    SPLIT_NAMES,
    Listing,
    head_of_file,
    is_picture,
    list_archive,
    walk_folder,
)
from striate.data.store import printable


class Shards:
    """Reads a folder of archives as one data set."""

    def accepts(self, data: Any) -> bool:
        """A folder that holds archives and, at any depth, no pictures."""
        if not isinstance(data, Path) or not data.is_dir():
            return False
        found = False
        try:
            for name, source, hidden in walk_folder(str(data)):
                if not hidden and is_picture(name, partial(head_of_file, source.path)):
                    return False
                found = found or (not hidden and _is_shard(name))
        except DataError:
            return False  # the reader of folders says what is wrong
        return found

    def read(self, data: Any, options: ReadOptions) -> Dataset:
        """Read it. Raises `DataError` where a shard is unsafe or damaged, or none holds labelled pictures."""
        if not self.accepts(data):
            raise DataError(f"{data} is no folder of archives", fix="choose another --reader, or leave it out")
        files = [(name, source) for name, source, hidden in walk_folder(str(data)) if not hidden]
        splits = {name: split_of(name) for name, _ in files if _is_shard(name)}
        left = _beside_splits(splits)
        read = {name: split for name, split in splits.items() if name not in left}
        listing = _listed(data, list(read), [(name, source) for name, source in files if not _is_shard(name)])
        listing.require_pictures()
        found = _named(archive.labelled(listing, options, "shards"), read)
        if left:
            shown = ", ".join(map(printable, left[:3])) + (", …" if len(left) > 3 else "")
            found = replace(found, notes=(*found.notes, f"Left out, as they stand beside the splits: {shown}."))
        return found


READERS.register("shards")(Shards())


def _is_shard(name: str) -> bool:
    return name.lower().endswith(ARCHIVES)


def split_of(shard: str) -> Split | None:
    """The split that a shard's path gives: by a folder of that name, or by a word in the file's; None for none or two.

    >>> split_of("train/000.tar"), split_of("photos-valid-000.tar"), split_of("training_set/000.tar")
    ('train', 'val', None)
    """
    *folders, file = shard.lower().split("/")
    words = {*folders, *re.findall("[a-z]+", file)}
    found = {split for name, split in SPLIT_NAMES.items() if name in words}
    return cast(Split, found.pop()) if len(found) == 1 else None


def _beside_splits(splits: Mapping[str, Split | None]) -> list[str]:
    """Shards of no split where others are train and held out: as with folders, nobody knows what they are for."""
    given = set(splits.values())
    return [name for name, split in splits.items() if split is None] if "train" in given and len(given) > 2 else []


def _listed(folder: Path, shards: list[str], beside: list[tuple[str, Source]]) -> Listing:
    """What all shards hold, by the names inside of them (one may come several times), and the files beside them."""
    found = [list_archive(folder / shard) for shard in shards]
    pictures = [one for listing in found for one in listing.pictures]
    others = [one for listing in found for one in listing.others]
    return Listing(str(folder), pictures, [*others, *beside], sum(listing.hidden for listing in found))


def _named(found: Dataset, splits: Mapping[str, Split | None]) -> Dataset:
    """Keys that begin with the shard, and the splits that shards give, unless folders in them give some already."""
    by_shards = not found.given_splits
    samples = []
    for sample in found.samples:
        shard = os.path.relpath(sample.sources[0].path, found.path)
        split = splits[shard] if by_shards else sample.split
        samples.append(replace(sample, key=f"{printable(shard)}/{sample.key}", split=split))
    samples.sort(key=lambda sample: sample.key)
    notes = [f"Read from {len(splits):,} shards.", *found.notes]
    counts = Counter(sample.split for sample in samples if sample.split)
    if by_shards and counts:
        shown = ", ".join(f"{split} {count:,}" for split, count in sorted(counts.items()))
        notes.append(f"The names of the shards give the splits: {shown}.")
    return replace(found, samples=tuple(samples), notes=tuple(notes))
