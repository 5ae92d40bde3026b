"""A zip or tar of class folders, of pictures and the table that names them, or of pictures with labels beside them.

Nothing is unpacked to a disk.
"""

from __future__ import annotations

import posixpath
from dataclasses import replace
from pathlib import Path
from typing import Any

from striate.core.errors import DataError
from striate.core.records import Dataset
from striate.data.readers import READERS, ReadOptions, _pairs, folders, table
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


def labelled(listing: Listing, options: ReadOptions, reader: str) -> Dataset:
    """The Dataset of what archives hold: by labels beside the pictures where there are any, else by folders."""
    labels = _pairs.find_labels(listing)
    if labels:
        return _pairs.dataset_of(listing, labels, options, reader)
    return folders.dataset_of(listing, options, reader)
