"""A zip or tar of class folders, of pictures and the table that names them, or with labels, masks or boxes beside them.

Nothing is unpacked to a disk.
"""

from __future__ import annotations

import posixpath
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from striate.core.errors import DataError
from striate.core.records import Dataset
from striate.data.readers import (
    READERS,
    ReadOptions,
    _pairs,
    box_table,
    coco,
    coco_boxes,
    folders,
    mask_lists,
    masks,
    table,
    voc,
    voc_boxes,
    yolo,
)
from striate.data.readers._coco_files import files_among, kinds_among
from striate.data.readers._listing import Listing, archive_kind, list_archive
from striate.data.readers._mask_rows import lists_among
from striate.data.readers._places import Members, without_root
from striate.data.store import Store, printable


@dataclass(frozen=True)
class Way:
    """How to read an archive as data of one kind.

    Args:
        read: does it.
        rooted: whether paths are looked for from the folder that the user gives.
    """

    read: Callable[[], Dataset]
    rooted: bool = False


class Archive:
    """Reads a .zip or an uncompressed .tar."""

    def accepts(self, data: Any) -> bool:
        """A file that is one by name or by its first bytes."""
        return isinstance(data, Path) and data.is_file() and archive_kind(data) is not None

    def read(self, data: Any, options: ReadOptions) -> Dataset:
        """Read it. Raises `DataError` where it is unsafe, damaged or holds no pictures with labels or masks."""
        if not self.accepts(data):
            raise DataError(f"{data} is no archive", fix="choose another --reader, or leave it out")
        listing = list_archive(data)
        listing.require_pictures()
        way = _annotated(listing, options) or _tabled(listing, options)
        if way is None:
            return without_root(labelled(listing, options, "archive"), options)
        return way.read() if way.rooted else without_root(way.read(), options)


READERS.register("archive")(Archive())


def _tabled(listing: Listing, options: ReadOptions) -> Way | None:
    """How to read an archive by the one table in it; None where there is none, or several."""
    tables = table.tables_among(listing)
    if len(tables) != 1:
        return None
    ((name, source),) = tables

    def read() -> Dataset:
        base = posixpath.dirname(name) if options.root is None else options.root
        content = Store().read(source)
        assert isinstance(content, bytes)
        found = table.dataset_of(content, name, Members(listing, base), options, listing.path, "archive")
        note = f"Labels come from {printable(name)} in the archive."
        return replace(found, notes=(note, *found.notes, *listing.notes([name])))

    return Way(read, rooted=True)


def _annotated(listing: Listing, options: ReadOptions) -> Way | None:
    """How to read an archive of pictures with masks or boxes; None where it holds neither, or the user wants neither.

    Raises:
        DataError: it holds both, and the user has not said which; or boxes of several kinds.
    """
    masked = _masked(listing, options) if options.task in (None, "segment") else None
    boxed = _boxed(listing, options) if options.task in (None, "detect") else {}
    if masked is not None and boxed:
        raise DataError(
            f"{printable(listing.path)} can be read in several ways: by its masks (--task segment), by its boxes "
            "(--task detect)",
            fix="choose one with --task",
        )
    if len(boxed) > 1:
        raise DataError(
            f"{printable(listing.path)} holds annotations of several kinds: {', '.join(boxed)}",
            fix="unpack it, and name the folder with one of --reader voc_boxes, coco_boxes, yolo and box_table",
        )
    return masked or next(iter(boxed.values()), None)


def _masked(listing: Listing, options: ReadOptions) -> Way | None:
    """How to read masks of the first kind that there is a reader for."""
    if "outlines" in (kinds_among(listing) or ()):
        places = Members(listing, options.root or "")
        files = files_among(listing)
        return Way(lambda: coco.dataset_of(files, places, options, listing.path, "archive"), rooted=True)
    lists = lists_among(listing)
    if lists:
        return Way(lambda: mask_lists.dataset_of_listing(listing, lists, options, "archive"), rooted=True)
    names = [name for name, _ in (*listing.pictures, *listing.others)]
    if voc.suits(names):
        return Way(lambda: voc.dataset_of(listing, Members(listing, ""), options, "archive"))
    return Way(lambda: masks.dataset_of(listing, options, "archive")) if masks.suits(names) else None


def _boxed(listing: Listing, options: ReadOptions) -> dict[str, Way]:
    """How to read boxes, by each kind that there are any of."""
    kinds = {
        "Pascal VOC": (voc_boxes.annotations_among, voc_boxes.dataset_of),
        "COCO": (coco_boxes.boxes_among, coco_boxes.dataset_of),
        "YOLO text": (yolo.labels_among, yolo.dataset_of),
        "tables of boxes": (box_table.tables_among, box_table.dataset_of),
    }
    return {
        name: Way(partial(read, listing, options, "archive")) for name, (look, read) in kinds.items() if look(listing)
    }


def labelled(listing: Listing, options: ReadOptions, reader: str) -> Dataset:
    """The Dataset of what archives hold: by labels beside the pictures where there are any, else by folders."""
    labels = _pairs.find_labels(listing)
    if labels:
        return _pairs.dataset_of(listing, labels, options, reader)
    return folders.dataset_of(listing, options, reader)
