"""A quick look into a folder: whether it holds a file of some kind, without walking through all of it."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path

DEPTH = 4
FOLDERS = 60
CHILDREN = 8
"""Folders of each parent that are looked into before the rest of them: many sequences hide no other folder."""
HEAD = 4096


def first_file(folder: Path, fits: Callable[[str], bool], suffixes: tuple[str, ...]) -> str | None:
    """The first file, nearest to the top, that ends so and fits.

    Looked at are at most 60 folders down to the fourth level, and ten files that end so in each: data of a kind shows
    it early. Names are all looked at, as a disk lists them in no order and one file may describe all others.

    Args:
        fits: asked with the path of a file; may open it.
        suffixes: in small letters.
    """
    for entries in _folders(folder):
        tried = 0
        for name, path in entries:
            if name.lower().endswith(suffixes) and not name.startswith("."):
                if fits(path):
                    return path
                tried += 1
                if tried == 10:
                    break
    return None


def _folders(folder: Path) -> Iterator[list[tuple[str, str]]]:
    """The files of each folder, the folders nearest to the top first, a few of each parent before the rest."""
    waiting = deque([(str(folder), 1)])
    later: deque[tuple[str, int]] = deque()
    seen = 0
    while (waiting or later) and seen < FOLDERS:
        path, depth = (waiting or later).popleft()
        seen += 1
        files, below = _entries(path)
        if depth < DEPTH:
            waiting.extend((one, depth + 1) for one in below[:CHILDREN])
            later.extend((one, depth + 1) for one in below[CHILDREN:])
        yield files


def _entries(path: str) -> tuple[list[tuple[str, str]], list[str]]:
    files: list[tuple[str, str]] = []
    below: list[str] = []
    try:
        with os.scandir(path) as found:
            for entry in found:
                if entry.is_dir():
                    if not entry.name.startswith("."):
                        below.append(entry.path)
                else:
                    files.append((entry.name, entry.path))
    except OSError:
        return [], []  # the reader of folders says what is wrong
    return sorted(files), sorted(below)


def head(path: str, size: int = HEAD) -> bytes:
    """The first bytes of a file; none where it is no regular file or cannot be read."""
    try:
        if not os.path.isfile(path):
            return b""
        with open(path, "rb") as file:
            return file.read(size)
    except OSError:
        return b""  # whatever it is, it is not what is looked for
