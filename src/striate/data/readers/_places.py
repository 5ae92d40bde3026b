"""Where the paths in a table lead: to files, or to members of an archive."""

from __future__ import annotations

import os
import posixpath
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

from striate.core.errors import DataError
from striate.core.records import Dataset, Source
from striate.data.readers import ReadOptions
from striate.data.readers._listing import Listing
from striate.data.store import printable

NO_ROOT = "--root has no use here: pictures are looked for in the data itself."


def root_of(options: ReadOptions, otherwise: Path) -> Path:
    """The folder that paths are relative to: what the user says, else another. Raises `DataError` where it is none."""
    root = otherwise if options.root is None else Path(options.root)
    if not root.is_dir():
        raise DataError(f"the root {printable(str(root))} is not a folder", fix="give --root a folder that exists")
    return root


def without_root(found: Dataset, options: ReadOptions) -> Dataset:
    """The same, with a note where the user gave a root and nothing was looked for there."""
    return found if options.root is None else replace(found, notes=(*found.notes, NO_ROOT))


class Places(Protocol):
    """Where the paths in a table lead."""

    def find(self, cell: str) -> tuple[str, Source]:
        """The key and the source of a path, whether or not there is a file."""

    def exists(self, source: Source) -> bool:
        """Whether there is a file."""

    def __str__(self) -> str:
        """Where paths are looked for, in words."""


class Disk:
    """Paths relative to a folder.

    Args:
        base: the folder.
    """

    def __init__(self, base: Path) -> None:
        self.base = os.path.abspath(base)

    def find(self, cell: str) -> tuple[str, Source]:
        """See `Places`; the key is relative to the folder where the path lies in it."""
        path = os.path.normpath(os.path.join(self.base, cell.replace("\\", "/")))
        inside = path.startswith(self.base.rstrip("/") + "/")
        return printable(os.path.relpath(path, self.base) if inside else path), Source("file", path)

    def exists(self, source: Source) -> bool:
        """See `Places`."""
        return os.path.isfile(source.path)

    def __str__(self) -> str:
        return printable(self.base)


class Members:
    """Paths relative to a folder in an archive, or to its top.

    Args:
        listing: what the archive holds.
        base: the folder in it.
    """

    def __init__(self, listing: Listing, base: str) -> None:
        self.base = base
        self.archive = listing.path
        self.kind: Any = listing.pictures[0][1].kind
        self.names = dict(listing.pictures)
        self.members = {source.member for source in self.names.values()}

    def find(self, cell: str) -> tuple[str, Source]:
        """See `Places`."""
        cell = cell.replace("\\", "/")
        name = posixpath.normpath(posixpath.join(self.base, cell))
        if name not in self.names:
            top = posixpath.normpath(cell)
            name = top if top in self.names else name
        return printable(name), self.names.get(name, Source(self.kind, self.archive, name))

    def exists(self, source: Source) -> bool:
        """See `Places`."""
        return source.member in self.members

    def __str__(self) -> str:
        return printable(f"{self.archive}::{self.base}")
