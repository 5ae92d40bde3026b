"""Tables of results: CSV files that rows are added to, so that a run which breaks loses none."""

from __future__ import annotations

import csv
import subprocess
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from striate.core import machine
from striate.core.artifacts import make_folder, write_csv
from striate.core.errors import StriateError

ORIGIN = ("versions", "processor", "cores", "date", "commit")
"""The last columns of every table: what computed a row, where and when."""


def origin(versions: str | None = None) -> list[Any]:
    """The values of these columns at this moment.

    Args:
        versions: of what computed; striate's own and those of its libraries without.
    """
    own = " ".join(f"{name}={number}" for name, number in machine.versions().items())
    day = datetime.now(UTC).strftime("%Y-%m-%d")
    return [own if versions is None else versions, machine.processor(), machine.cores(), day, commit()]


def commit() -> str:
    """The commit that is measured, with a + where the tree differs from it; empty outside a repository."""

    def git(*arguments: str) -> str:
        return subprocess.run(
            ["git", "-C", str(Path(__file__).parent), *arguments], capture_output=True, text=True, check=False
        ).stdout

    name = git("rev-parse", "--short=12", "HEAD").strip()
    changed = git("status", "--porcelain", "--untracked-files=no", "--", "../src")
    return name + ("+" if name and changed.strip() else "")


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
