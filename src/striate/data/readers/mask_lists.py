"""Lists of pictures and masks, as CamVid and SegNet have them: `train.txt`, `val.txt`, `test.txt`, or one list.

How a list is told, and where its paths lead, is said in `_mask_rows`.
"""

from __future__ import annotations

import posixpath
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

from striate.core.errors import DataError
from striate.core.records import Dataset, Source, Split
from striate.core.wording import some
from striate.data.readers import READERS, ReadOptions
from striate.data.readers._class_lists import find_list
from striate.data.readers._listing import Listing
from striate.data.readers._mask_pairs import Pair
from striate.data.readers._mask_rows import Paths, columns_of, is_list, lists_in, split_of_cell, split_of_name
from striate.data.readers._places import Disk, Members, Places, root_of
from striate.data.readers._segmented import NO_MASK, Found, dataset_of
from striate.data.readers._targets import MASKS, check_task
from striate.data.store import Store, printable


class MaskLists:
    """Reads lists of pictures and masks."""

    task = "segment"

    def accepts(self, data: Any) -> bool:
        """A list, or a folder with lists at its top."""
        if not isinstance(data, Path):
            return False
        return is_list(data) if data.is_file() else data.is_dir() and bool(lists_in(data))

    def read(self, data: Any, options: ReadOptions) -> Dataset:
        """Read them. Raises `DataError` where none of the pictures is there, or none has a mask."""
        if not isinstance(data, Path):
            raise DataError("arrays are no list of masks", fix="choose another --reader, or leave it out")
        lists = [data] if data.is_file() else lists_in(data)
        if not lists:
            raise DataError(
                f"{data} holds no list of pictures and masks",
                fix="give a text file with a picture and its mask in each line",
            )
        folder = data if data.is_dir() else data.parent
        beside = [(path.name, Source("file", str(path))) for path in sorted(folder.iterdir()) if path.is_file()]
        places = Disk(root_of(options, folder))
        named = [(path.name, Source("file", str(path))) for path in lists]
        return _dataset(named, places, beside, options, str(data), "mask_lists")


READERS.register("mask_lists")(MaskLists())


def dataset_of_listing(
    listing: Listing, lists: Sequence[tuple[str, Source]], options: ReadOptions, reader: str
) -> Dataset:
    """The Dataset of lists in an archive."""
    base = posixpath.dirname(lists[0][0]) if options.root is None else options.root
    return _dataset(lists, Members(listing, base), listing.others, options, listing.path, reader)


def _dataset(
    lists: Sequence[tuple[str, Source]],
    places: Places,
    beside: Sequence[tuple[str, Source]],
    options: ReadOptions,
    path: str,
    reader: str,
) -> Dataset:
    check_task(options, MASKS, "lists of pictures and masks", "--reader table")
    pairs: dict[str, Pair] = {}
    unpaired: dict[str, str] = {}
    absent = 0
    for name, source in lists:
        for pair, has_picture, has_mask in _pairs(source, name, places):
            if pairs.get(pair.name, pair) != pair:
                raise DataError(
                    f"{printable(pair.name)} stands in several lines that do not say the same of it",
                    fix="keep one line; a picture is of one split",
                )
            if has_picture and not has_mask:
                unpaired[pair.name] = NO_MASK
            else:
                absent += not has_picture and pair.name not in pairs
                pairs[pair.name] = pair
    if absent == len(pairs) and pairs:
        raise DataError(
            f"none of the {absent:,} pictures in {some([printable(name) for name, _ in lists])} is there, such as "
            f"{printable(next(iter(pairs)))}, looked for in {places}",
            fix="give the folder that the paths are relative to with --root",
        )
    words = f"lists of pictures and masks ({some([printable(name) for name, _ in lists])})"
    notes = [f"{absent:,} of the pictures are not there: the audit names them."] if absent else []
    return dataset_of(Found(path, reader, words, list(pairs.values()), unpaired, notes), find_list(beside), options)


def _pairs(source: Source, name: str, places: Places) -> list[tuple[Pair, bool, bool]]:
    """The pairs of a list, and whether picture and mask are there."""
    shown = printable(name)
    found = columns_of(cast(bytes, Store().read(source)), name)
    if found is None:
        raise DataError(
            f"{shown} does not name a picture and a mask in each line", fix="give both, by paths with suffixes"
        )
    pictures = Paths(places, [row[found.picture] for row in found.rows])
    masks = Paths(places, [row[found.mask] for row in found.rows])
    pairs = []
    for row, line in zip(found.rows, found.lines, strict=True):
        key, picture = pictures.find(row[found.picture])
        _, mask = masks.find(row[found.mask])
        split = split_of_name(name) if found.split is None else split_of_cell(row[found.split], line, shown)
        group = "" if found.group is None else printable(row[found.group].strip())
        pair = Pair(key, picture, (("", mask),), cast(Split, split), group or None)
        pairs.append((pair, pictures.exists(picture), masks.exists(mask)))
    return pairs
