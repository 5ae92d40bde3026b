"""Pascal VOC's segmentation: `JPEGImages/`, `SegmentationClass/`, and `ImageSets/Segmentation/{train,val,test}.txt`.

Classes are those of a list beside (`labelmap.txt`, `class_names.txt`), else the 20 of VOC where no other numbers or
colours are found. Its borders, of number 255, are void.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterable
from pathlib import Path
from typing import Any, cast

from striate.core.errors import DataError
from striate.core.records import Dataset, Source, Split
from striate.core.wording import plural, some
from striate.data.readers import READERS, ReadOptions
from striate.data.readers._class_lists import ClassList, Listed, find_list
from striate.data.readers._glance import glance
from striate.data.readers._listing import Listing, has_picture_suffix, list_folder
from striate.data.readers._main_code import as_in_data
from striate.data.readers._mask_codes import Coded, code_of, look, voc_palette
from striate.data.readers._mask_pairs import Pair
from striate.data.readers._places import Disk, Places
from striate.data.readers._segmented import NO_MASK, NO_PICTURE, Found
from striate.data.readers._segmented import dataset_of as segmented
from striate.data.readers._targets import MASKS, check_task
from striate.data.store import Store, printable

CLASSES = (
    *("background", "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow"),
    *("diningtable", "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor"),
)
_PICTURES, _MASKS, _LISTS = "JPEGImages", "SegmentationClass", "ImageSets/Segmentation"
_SPLITS: dict[str, Split] = {"train": "train", "val": "val", "test": "test"}


class VocMasks:
    """Reads the folders of Pascal VOC with masks."""

    task = "segment"

    def accepts(self, data: Any) -> bool:
        """A folder with `JPEGImages` and, beside it, `SegmentationClass`."""
        return isinstance(data, Path) and data.is_dir() and suits(glance(data))

    def read(self, data: Any, options: ReadOptions) -> Dataset:
        """Read it. Raises `DataError` where no picture has a mask."""
        if not isinstance(data, Path) or not data.is_dir():
            raise DataError(f"{data} is not a folder", fix="choose another --reader, or leave it out")
        return dataset_of(list_folder(data), Disk(data), options, "voc")


READERS.register("voc")(VocMasks())


def suits(names: Iterable[str]) -> bool:
    """Whether files of these names are those of Pascal VOC with masks."""
    return _base(names) is not None


def _base(names: Iterable[str]) -> str | None:
    """The folder that holds `JPEGImages` and `SegmentationClass`, both with pictures; "" for the top, else None."""
    above: dict[str, set[str]] = {_PICTURES: set(), _MASKS: set()}
    for name in filter(has_picture_suffix, names):
        parts = name.split("/")
        for kind, found in above.items():
            if kind in parts[:-1]:
                found.add("/".join(parts[: parts.index(kind)]))
    both = sorted(above[_PICTURES] & above[_MASKS])
    return both[0] if both else None


def dataset_of(listing: Listing, places: Places, options: ReadOptions, reader: str) -> Dataset:
    """The Dataset of Pascal VOC in a listing, be it of a folder or an archive.

    Raises:
        DataError: no masks, or what masks hold cannot be told.
    """
    check_task(options, MASKS, "Pascal VOC", "--reader folders")
    base = _base([name for name, _ in listing.pictures])
    if base is None:
        raise DataError(
            f"{printable(listing.path)} holds no {_PICTURES}/ with {_MASKS}/ beside it, as Pascal VOC has its masks",
            fix=f"give masks in {_MASKS}/; or --task detect, for boxes",
        )
    prefix = f"{base}/" if base else ""
    pictures, masks = (_by_stem(listing, f"{prefix}{folder}/") for folder in (_PICTURES, _MASKS))
    listed = _lists(listing, f"{prefix}{_LISTS}/")
    pairs: list[Pair] = []
    unpaired: dict[str, str] = {}
    absent = []
    for stem in sorted({*masks, *listed}):
        split = listed.get(stem)
        if stem in pictures and stem in masks:
            if not listed or split is not None:
                pairs.append(Pair(*pictures[stem], (("", masks[stem][1]),), split))
        elif stem in pictures:
            unpaired[pictures[stem][0]] = NO_MASK
        elif stem in masks and stem in listed:
            absent.append(stem)
            pairs.append(Pair(*places.find(f"{prefix}{_PICTURES}/{stem}.jpg"), (("", masks[stem][1]),), split))
        elif stem in masks:
            unpaired[masks[stem][0]] = NO_PICTURE
        else:
            unpaired[f"{prefix}{_PICTURES}/{stem}.jpg"] = "neither picture nor mask"
    notes = _notes(pictures, masks, listed, absent)
    found = Found(listing.path, reader, "Pascal VOC", pairs, unpaired, notes)
    classes = find_list([(name.removeprefix(prefix), source) for name, source in listing.others])
    return segmented(found, classes, options, _coded(pairs, classes, options))


def _by_stem(listing: Listing, folder: str) -> dict[str, tuple[str, Source]]:
    return {
        posixpath.splitext(name[len(folder) :])[0]: (name, source)
        for name, source in listing.pictures
        if name.startswith(folder)
    }


def _lists(listing: Listing, folder: str) -> dict[str, Split]:
    """The split of each stem that a list names; empty without lists."""
    found: dict[str, Split] = {}
    for name, source in listing.others:
        stem = posixpath.splitext(name.removeprefix(folder))[0]
        if not name.startswith(folder) or stem not in _SPLITS:
            continue
        for line in cast(bytes, Store().read(source)).decode("utf-8", "surrogateescape").split():
            if found.setdefault(line, _SPLITS[stem]) != _SPLITS[stem]:
                raise DataError(
                    f"{printable(line)} is in the lists of two splits, {found[line]} and {stem}",
                    fix="keep it in one of them",
                )
    return found


def _notes(
    pictures: dict[str, tuple[str, Source]],
    masks: dict[str, tuple[str, Source]],
    listed: dict[str, Split],
    absent: list[str],
) -> list[str]:
    notes = []
    if absent:
        notes.append(f"Pictures that a list names are not there, and the audit names them: {some(absent)}.")
    unlisted = [stem for stem in masks if listed and stem in pictures and stem not in listed]
    if unlisted:
        notes.append(f"{plural(len(unlisted), 'mask is', 'masks are')} in no list and left out: {some(unlisted)}.")
    plain = [stem for stem in pictures if stem not in masks and stem not in listed]
    if plain:
        notes.append(
            f"{plural(len(plain), 'picture has', 'pictures have')} no mask and no list names "
            f"{'it' if len(plain) == 1 else 'them'}: left out."
        )
    return notes


def _coded(pairs: list[Pair], classes: ClassList | None, options: ReadOptions) -> Coded | None:
    """VOC's own classes where there is no list and masks hold nothing else."""
    if classes is not None or not pairs:
        return None
    seen = look([pair.masks[0][1] for pair in pairs])
    as_data = as_in_data(seen, None, options.masks)
    if as_data is not None:
        return as_data
    colors = voc_palette()
    known = {red << 16 | green << 8 | blue for red, green, blue in (*colors[: len(CLASSES)], colors[255])}
    if set(seen.colors if seen.colored else seen.values) <= (known if seen.colored else {*range(len(CLASSES)), 255}):
        rows = [Listed(name, number, colors[number]) for number, name in enumerate(CLASSES)]
        return code_of(seen, ClassList("Pascal VOC's classes", (*rows, Listed("void", 255, colors[255]))))
    return code_of(seen, None)
