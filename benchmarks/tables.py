"""Tables of results: CSV files that rows are added to, so that a run which breaks loses none."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from striate.core.artifacts import make_folder, write_csv
from striate.core.errors import StriateError


def read_rows(path: Path, header: Sequence[str]) -> list[list[str]]:
    """The rows of a table; none where it does not exist. Raises `StriateError` where it has other columns."""
    if not path.exists():
        return []
    with open(path, encoding="utf-8", newline="") as file:
        found, *rows = csv.reader(file)
    if found != list(header):
        raise StriateError(f"{path} has other columns than {', '.join(header)}", fix="move it away")
    return rows


def add_rows(path: Path, header: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Add rows to a table; the file is replaced whole, so that nothing is lost at any moment."""
    make_folder(path.parent)
    write_csv(path, header, [*read_rows(path, header), *rows])
