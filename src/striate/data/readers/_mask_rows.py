"""Lists of pictures and masks as text: which columns are whose, and where their paths lead.

A list has a picture and a mask in each row and nothing beside but a split or a group; a header may say which is which,
else the picture comes first. Paths that begin elsewhere (`/SegNet/CamVid/train/a.png`) lose folders from the front
until there is a file.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from striate.core.errors import DataError
from striate.core.records import Source
from striate.data.readers._grid import Grid, read_grid
from striate.data.readers._listing import SPLIT_NAMES, Listing, has_picture_suffix
from striate.data.readers._mask_pairs import role_of
from striate.data.readers._places import Places
from striate.data.store import Store, printable

SUFFIXES = (".txt", ".csv", ".tsv", ".lst", ".list")
PEEKED_BYTES = 65536
_TRIED = 20  # rows of a list by which it is known where paths begin


@dataclass(frozen=True)
class Columns:
    """The columns of a list of masks, by position; `rows` without the header."""

    picture: int
    mask: int
    split: int | None
    group: int | None
    rows: list[list[str]]
    lines: list[int]


def columns_of(content: bytes, name: str) -> Columns | None:
    """The columns of a list of pictures and masks, or None where it is something else."""
    try:
        grid = read_grid(content, name)
    except DataError:
        return None  # whatever it is, it is no list of pairs
    return _columns(grid)


def _columns(grid: Grid) -> Columns | None:
    first = [cell.strip() for cell in grid.rows[0]]
    header = not any(map(has_picture_suffix, first))
    rows, lines = (grid.rows[1:], grid.lines[1:]) if header else (grid.rows, grid.lines)
    if not rows:
        return None
    paths = [place for place in range(len(first)) if all(has_picture_suffix(row[place].strip()) for row in rows)]
    if len(paths) != 2:
        return None
    words = {cell.lower(): place for place, cell in enumerate(first)} if header else {}
    split, group = words.get("split"), words.get("group")
    if set(range(len(first))) - {*paths, split, group}:
        return None
    roles = [role_of(first[place])[0] if header else "" for place in paths]
    turned = roles[0] == "mask" and roles[1] != "mask"
    picture, mask = reversed(paths) if turned else paths
    return Columns(picture, mask, split, group, rows, lines)


def lists_in(folder: Path) -> list[Path]:
    """The lists of pictures and masks at a folder's top."""
    try:
        names = sorted(entry.name for entry in os.scandir(folder) if entry.name.lower().endswith(SUFFIXES))
    except OSError:
        return []  # the reader of folders says what is wrong
    paths = [folder / name for name in names]
    return [path for path in paths if path.is_file() and speaks(_peek(path), path.name)]


def lists_among(listing: Listing) -> list[tuple[str, Source]]:
    """The same for an archive: at its top, or in the one folder around everything."""
    store = Store()
    return [
        (name, source)
        for name, source in listing.others
        if name.lower().endswith(SUFFIXES)
        and name.count("/") <= 1
        and speaks(cast(bytes, store.read(source))[:PEEKED_BYTES], name)
    ]


def speaks(start: bytes, name: str) -> bool:
    """Whether the start of a file is that of a list of pictures and masks."""
    lines = start.splitlines(keepends=True)
    return columns_of(b"".join(lines[:-1] if len(start) >= PEEKED_BYTES else lines), name) is not None


def is_list(path: Path) -> bool:
    """Whether a file is a list of pictures and masks."""
    return path.suffix.lower() in SUFFIXES and speaks(_peek(path), path.name)


def _peek(path: Path) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read(PEEKED_BYTES)
    except OSError:
        return b""  # not readable, so no list


class Paths:
    """Where the paths of a list lead.

    Args:
        places: what they are relative to.
        cells: paths of the list, by which it is found how many folders at their beginning are elsewhere.
    """

    def __init__(self, places: Places, cells: Sequence[str]) -> None:
        self.places = places
        self.dropped = 0
        for cell in cells[:_TRIED]:
            for dropped in range(len(_parts(cell))):
                if places.exists(places.find(_without(cell, dropped))[1]):
                    self.dropped = dropped
                    return

    def find(self, cell: str) -> tuple[str, Source]:
        """The key and the source of a path, whether or not there is a file."""
        return self.places.find(_without(cell.strip(), self.dropped))

    def exists(self, source: Source) -> bool:
        """Whether there is a file."""
        return self.places.exists(source)


def _parts(cell: str) -> list[str]:
    return [part for part in cell.strip().replace("\\", "/").split("/") if part]


def _without(cell: str, dropped: int) -> str:
    """A path without its first folders; without any dropped, as it is.

    >>> _without("/SegNet/CamVid/train/a.png", 2), _without("/data/a.png", 0)
    ('train/a.png', '/data/a.png')
    """
    return "/".join(_parts(cell)[dropped:]) if dropped else cell.strip().replace("\\", "/")


def split_of_name(name: str) -> str | None:
    """The split that a list's name says, as in `train.txt`.

    >>> split_of_name("lists/val.txt"), split_of_name("pairs.txt")
    ('val', None)
    """
    return SPLIT_NAMES.get(Path(name).stem.lower())


def split_of_cell(cell: str, line: int, shown: str) -> str:
    """The split that a row says. Raises `DataError` where it is none."""
    found = SPLIT_NAMES.get(cell.strip().lower())
    if found is None:
        raise DataError(
            f"line {line} of {shown} names the split {printable(cell)!r}; expected train, val or test", fix="correct it"
        )
    return found
