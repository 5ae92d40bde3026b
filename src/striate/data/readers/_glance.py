"""A glance into a folder: some of the names below it, without listing all of a large one."""

from __future__ import annotations

import os
from pathlib import Path

FOLDERS = 64
"""Folders that are looked into, those nearest to the top first."""
DEPTH = 4
FILES = 200
"""Files of each folder that are named."""
ENTRIES = 5000
"""Entries of each folder that are gone through, in search of folders."""


def glance(folder: Path) -> list[str]:
    """Names of some files below a folder, relative to it, with forward slashes; none where it may not be read."""
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
    """Folders, and some files; hidden ones left out."""
    folders: list[str] = []
    files: list[str] = []
    try:
        with os.scandir(path) as found:
            for number, entry in enumerate(found):
                if number == ENTRIES:
                    break
                if entry.name.startswith("."):
                    continue
                if entry.is_dir():
                    folders.append(entry.name)
                elif len(files) < FILES:
                    files.append(entry.name)
    except OSError:
        pass  # the reader that is chosen says what is wrong
    return sorted(folders), sorted(files)
