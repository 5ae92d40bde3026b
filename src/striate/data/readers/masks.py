"""Pictures and their masks in folders: `images/` and `masks/`, in splits or not, or `a.jpg` and `a_mask.png` in one.

Which mask is whose is said in `_mask_pairs`, what its values stand for in `_mask_codes`, and what lists of classes may
lie beside in `_class_lists`.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from striate.core.errors import DataError
from striate.core.records import Dataset
from striate.core.wording import plural, some
from striate.data.readers import READERS, ReadOptions, voc
from striate.data.readers._class_lists import find_list
from striate.data.readers._glance import glance
from striate.data.readers._listing import Listing, has_picture_suffix, list_folder
from striate.data.readers._mask_pairs import Paired, holds_pairs, paired
from striate.data.readers._mask_rows import lists_in
from striate.data.readers._segmented import NO_MASK, NO_PICTURE, Found
from striate.data.readers._segmented import dataset_of as segmented
from striate.data.readers._targets import MASKS, check_task
from striate.data.store import printable


class Masks:
    """Reads folders of pictures and of masks."""

    task = "segment"

    def accepts(self, data: Any) -> bool:
        """A folder in which folders are named after pictures and masks, or masks after the pictures beside them."""
        return isinstance(data, Path) and data.is_dir() and suits(glance(data)) and not lists_in(data)

    def read(self, data: Any, options: ReadOptions) -> Dataset:
        """Read it. Raises `DataError` where no picture has a mask, or what masks hold cannot be told."""
        if not isinstance(data, Path) or not data.is_dir():
            raise DataError(f"{data} is not a folder", fix="choose another --reader, or leave it out")
        return dataset_of(list_folder(data), options, "masks")


READERS.register("masks")(Masks())


def suits(names: Sequence[str]) -> bool:
    """Whether files of these names are pictures and masks, and not those of Pascal VOC."""
    return not voc.suits(names) and holds_pairs([name for name in names if has_picture_suffix(name)])


def dataset_of(listing: Listing, options: ReadOptions, reader: str) -> Dataset:
    """The Dataset of pictures and masks in a listing, be it of a folder or an archive.

    Raises:
        DataError: no picture has a mask, two have one, or what masks hold cannot be told.
    """
    check_task(options, MASKS, "pictures and masks", "--reader folders")
    listing.require_pictures()
    found = paired(listing.pictures)
    words = "pictures and masks"
    if found.by_class:
        words += f", a file a class, named by the {'file' if found.by_class == 'stem' else 'folder'}"
    unpaired = {**dict.fromkeys(found.bare, NO_MASK), **dict.fromkeys(found.orphans, NO_PICTURE)}
    whole = Found(listing.path, reader, words, found.pairs, unpaired, _notes(found))
    return segmented(whole, find_list(listing.others), options)


def _notes(found: Paired) -> list[str]:
    notes = []
    if found.unlabelled:
        count = plural(len(found.unlabelled), "picture is", "pictures are")
        notes.append(f"{count} in a folder of unlabelled ones and left out.")
    if found.beside:
        names = [printable(name) for name in found.beside]
        notes.append(f"Left out, as they lie beside the pictures and masks: {some(names)}.")
    return notes
