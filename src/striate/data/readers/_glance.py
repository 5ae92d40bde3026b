"""A glance into a folder: what lies in some of the folders below it, without going through all of a large one."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from striate.data.readers._listing import has_picture_suffix

FOLDERS = 64
"""Folders that are looked into, those nearest to the top first."""
DEPTH = 5
"""Levels of folders, the top among them."""
CHILDREN = 8
"""Folders of each parent that are looked into before the rest of them: many sequences hide no other folder."""
TRIED = 10
"""Files of one folder that are opened: data of a kind shows it early."""
HEAD = 4096


def glance(folder: Path) -> list[str]:
    """Names of files in the folders that are looked into, relative to the top, all of each so that they can be paired.

    They have forward slashes; there are none where it may not be read.
    """
    return [prefix + name for prefix, names in _walk(folder) for name in names]


def first_file(folder: Path, fits: Callable[[str], bool], suffixes: tuple[str, ...]) -> str | None:
    """The first file, nearest to the top, that ends so and fits.

    Names are all looked at, as a disk lists them in no order and one file may describe all others.

    Args:
        fits: asked with the path of a file, of the first few that end so in each folder; may open it.
        suffixes: in small letters.
    """
    for prefix, names in _walk(folder):
        fitting = [name for name in names if name.lower().endswith(suffixes)]
        for name in fitting[:TRIED]:
            path = os.path.join(folder, prefix + name)
            if fits(path):
                return path
    return None


def head(path: str, size: int = HEAD) -> bytes:
    """The first bytes of a file; none where it is no regular file or cannot be read."""
    try:
        if not os.path.isfile(path):
            return b""
        with open(path, "rb") as file:
            return file.read(size)
    except OSError:
        return b""  # whatever it is, it is not what is looked for


def in_several_folders(names: Iterable[str]) -> bool:
    """Whether pictures lie in several folders, which may be classes: then a sign of other data has to be a clear one.

    >>> in_several_folders(["cat/1.png", "dog/1.png"]), in_several_folders(["images/1.png", "labels/1.txt"])
    (True, False)
    """
    return len({name.rpartition("/")[0] for name in names if has_picture_suffix(name)}) > 1


def _walk(folder: Path) -> Iterator[tuple[str, list[str]]]:
    """Folders, nearest to the top first, a few of each parent before the rest: the path from the top, and the files.

    The path ends in a slash, but for that of the top, which is empty.
    """
    waiting = deque([""])
    later: deque[str] = deque()
    for _ in range(FOLDERS):
        if not (waiting or later):
            return
        prefix = (waiting or later).popleft()
        folders, files = _entries(os.path.join(folder, prefix))
        if prefix.count("/") + 1 < DEPTH:
            below = [f"{prefix}{name}/" for name in folders]
            waiting.extend(below[:CHILDREN])
            later.extend(below[CHILDREN:])
        yield prefix, files


def _entries(path: str) -> tuple[list[str], list[str]]:
    """Folders and files; hidden ones left out."""
    folders: list[str] = []
    files: list[str] = []
    try:
        with os.scandir(path) as found:
            for entry in found:
                if not entry.name.startswith("."):
                    (folders if entry.is_dir() else files).append(entry.name)
    except OSError:
        pass  # the reader that is chosen says what is wrong
    return sorted(folders), sorted(files)
