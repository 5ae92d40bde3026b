"""A zip or tar of class folders, of pictures and the table that names them, or with labels or boxes beside them.

Nothing is unpacked to a disk.
"""

from __future__ import annotations

import posixpath
from dataclasses import replace
from pathlib import Path
from typing import Any

from striate.core.errors import DataError
from striate.core.records import Dataset
from striate.data.readers import READERS, ReadOptions, _pairs, box_table, coco, folders, table, voc, yolo
from striate.data.readers._listing import Listing, archive_kind, list_archive
from striate.data.readers._places import Members
from striate.data.store import Store, printable


class Archive:
    """Reads a .zip or an uncompressed .tar."""

    def accepts(self, data: Any) -> bool:
        """A file that is one by name or by its first bytes."""
        return isinstance(data, Path) and data.is_file() and archive_kind(data) is not None

    def read(self, data: Any, options: ReadOptions) -> Dataset:
        """Read it. Raises `DataError` where it is unsafe, damaged or holds no labelled pictures."""
        if not self.accepts(data):
            raise DataError(f"{data} is no archive", fix="choose another --reader, or leave it out")
        listing = list_archive(data)
        listing.require_pictures()
        boxes = with_boxes(listing, options)
        if boxes is not None:
            return boxes
        tables = table.tables_among(listing)
        if len(tables) != 1:
            return labelled(listing, options, "archive")
        ((name, source),) = tables
        base = posixpath.dirname(name) if options.root is None else options.root
        content = Store().read(source)
        assert isinstance(content, bytes)
        read = table.dataset_of(content, name, Members(listing, base), options, listing.path, "archive")
        note = f"Labels come from {printable(name)} in the archive."
        return replace(read, notes=(note, *read.notes, *listing.notes([name])))


READERS.register("archive")(Archive())


def with_boxes(listing: Listing, options: ReadOptions) -> Dataset | None:
    """The Dataset of an archive of pictures with boxes; None where it holds none of the kinds that there are.

    Raises:
        DataError: it holds annotations of several kinds.
    """
    kinds = {
        "Pascal VOC": (voc.annotations_among, voc.dataset_of),
        "COCO": (coco.files_among, coco.dataset_of),
        "YOLO text": (yolo.labels_among, yolo.dataset_of),
        "tables of boxes": (box_table.tables_among, box_table.dataset_of),
    }
    found = [name for name, (look, _) in kinds.items() if look(listing)]
    if len(found) > 1:
        raise DataError(
            f"{printable(listing.path)} holds annotations of several kinds: {', '.join(found)}",
            fix="unpack it, and name the folder with one of --reader voc, coco, yolo and box_table",
        )
    return kinds[found[0]][1](listing, options, "archive") if found else None


def labelled(listing: Listing, options: ReadOptions, reader: str) -> Dataset:
    """The Dataset of what archives hold: by labels beside the pictures where there are any, else by folders."""
    labels = _pairs.find_labels(listing)
    if labels:
        return _pairs.dataset_of(listing, labels, options, reader)
    return folders.dataset_of(listing, options, reader)
