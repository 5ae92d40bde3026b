"""A glance into a folder: the names in some of the folders below it, without going through all of a large one."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from striate.data.readers._listing import has_picture_suffix

FOLDERS = 64
"""Folders that are looked into, those nearest to the top first."""
DEPTH = 4


def glance(folder: Path) -> list[str]:
    """Names of files in the folders nearest to the top, relative to it, all of each so that they can be paired.

    They have forward slashes; there are none where it may not be read.
    """
    names: list[str] = []
    waiting = [("", str(folder))]
    for _ in range(FOLDERS):
        if not waiting:
            break
        prefix, path = waiting.pop(0)
        folders, files = _entries(path)
        names += [prefix + name for name in files]
        if prefix.count("/") < DEPTH:
            waiting += [(f"{prefix}{name}/", os.path.join(path, name)) for name in folders]
    return names


def in_several_folders(names: Iterable[str]) -> bool:
    """Whether pictures lie in several folders, which may be classes: then a sign of other data has to be a clear one.

    >>> in_several_folders(["cat/1.png", "dog/1.png"]), in_several_folders(["images/1.png", "labels/1.txt"])
    (True, False)
    """
    return len({name.rpartition("/")[0] for name in names if has_picture_suffix(name)}) > 1


def _entries(path: str) -> tuple[list[str], list[str]]:
    """Folders and files; hidden ones left out."""
    folders: list[str] = []
    files: list[str] = []
    try:
        with os.scandir(path) as found:
            for entry in found:
                if entry.name.startswith("."):
                    continue
                if entry.is_dir():
                    folders.append(entry.name)
                else:
                    files.append(entry.name)
    except OSError:
        pass  # the reader that is chosen says what is wrong
    return sorted(folders), sorted(files)
