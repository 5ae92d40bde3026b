"""A glance into a folder: the names in some of the folders below it, without going through all of a large one."""

from __future__ import annotations

import os
from pathlib import Path

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
