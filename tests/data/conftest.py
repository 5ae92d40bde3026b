"""Folders that another user may and may not read, and tests run as that user."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

NOBODY = 65534


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that any user may read, outside of pytest's own (which others may not enter).

    It holds `locked.jpg`, `locked/` (with a picture in it) and the class folders `photos/a` and `photos/b`, read-only.
    """
    folder = Path(tempfile.mkdtemp())
    for name in ("photos/a/1.png", "photos/b/1.png", "locked/1.png"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (4, 4)).save(folder / name)
    (folder / "locked.jpg").write_bytes(b"x")
    for path in [folder, *folder.rglob("*")]:
        path.chmod(0o555 if path.is_dir() else 0o444)
    (folder / "locked.jpg").chmod(0)
    (folder / "locked").chmod(0)
    yield folder
    for path in [folder, folder / "locked", *folder.rglob("*")]:
        if path.is_dir():
            path.chmod(0o755)
    shutil.rmtree(folder)


@pytest.fixture
def unprivileged(open_folder: Path) -> Iterator[None]:
    """The test runs without root's right to read everything."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)
