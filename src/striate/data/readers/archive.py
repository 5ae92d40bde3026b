"""A zip or tar of class folders, of pictures and the table that names them, with labels beside them, or with masks.

Nothing is unpacked to a disk.
"""

from __future__ import annotations

import posixpath
from dataclasses import replace
from pathlib import Path
from typing import Any

from striate.core.errors import DataError
from striate.core.records import Dataset
from striate.data.readers import READERS, ReadOptions, _pairs, coco, folders, mask_lists, masks, table, voc
from striate.data.readers._listing import Listing, archive_kind, list_archive
from striate.data.readers._mask_rows import lists_among
from striate.data.readers._places import Members
from striate.data.store import Store, printable


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
        if options.task in (None, "segment"):
            masked = _masked(listing, options)
            if masked is not None:
                return masked
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


def _masked(listing: Listing, options: ReadOptions) -> Dataset | None:
    """The Dataset of pictures with masks of any kind that there is a reader for; None where there are none."""
    annotations = coco.files_among(listing)
    if annotations:
        places = Members(listing, options.root or "")
        return coco.dataset_of(annotations, places, options, listing.path, "archive")
    lists = lists_among(listing)
    if lists:
        return mask_lists.dataset_of_listing(listing, lists, options, "archive")
    names = [name for name, _ in (*listing.pictures, *listing.others)]
    if voc.suits(names):
        return voc.dataset_of(listing, Members(listing, ""), options, "archive")
    return masks.dataset_of(listing, options, "archive") if masks.suits(names) else None


def labelled(listing: Listing, options: ReadOptions, reader: str) -> Dataset:
    """The Dataset of what archives hold: by labels beside the pictures where there are any, else by folders."""
    labels = _pairs.find_labels(listing)
    if labels:
        return _pairs.dataset_of(listing, labels, options, reader)
    return folders.dataset_of(listing, options, reader)
