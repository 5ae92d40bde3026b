"""A table's bytes as cells: its text, its separator, its rows, and what is wrong with them.

The separator goes by the suffix: `.csv` commas, `.tsv` and `.tab` tabs; in other files it is looked for. A `.csv`
with another separator is refused, not guessed at, since ';' also stands between labels.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from striate.core.errors import DataError
from striate.data.store import printable

SEPARATORS = {".csv": ",", ".tsv": "\t", ".tab": "\t"}
NAMED = {",": "commas", "\t": "tabs", ";": "semicolons", "|": "bars", " ": "spaces"}
LOOKED_AT = 200  # lines that a separator is looked for in


@dataclass(frozen=True)
class Grid:
    """Cells: rows of one length, and the line that each stood on."""

    rows: list[list[str]]
    lines: list[int]
    separator: str


def _text(content: bytes, shown: str) -> str:
    """A table's text: UTF-8 or UTF-16 with a mark; other bytes are kept as they are, for names on the disk."""
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return content.decode("utf-16", "replace")
    if b"\0" in content:
        raise DataError(f"{shown} is not a text file", fix="save the table as CSV")
    return content.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "surrogateescape")


def read_grid(content: bytes, name: str, separator: str | None = None) -> Grid:
    """Cells of a table. Raises `DataError` where it is empty, ragged or no text."""
    shown = printable(name)
    text = _text(content, shown)
    given = separator is not None
    separator = separator or SEPARATORS.get(Path(name).suffix.lower()) or _looked_for(text)
    rows, lines = _cells(text, separator, shown)
    if not rows:
        raise DataError(f"{shown} is empty", fix="give a line for each picture: its path and its label")
    ragged = next((n for n, row in enumerate(rows) if len(row) != len(rows[0])), None)
    if ragged is not None:
        wrong = None if given else separator_that_fits(content, name, separator)
        if wrong:
            raise separator_error(shown, separator, wrong)
        raise DataError(
            f"line {lines[ragged]} of {shown} has {len(rows[ragged])} cells and line {lines[0]} has {len(rows[0])}, "
            f"separated by {NAMED[separator]}",
            fix='correct the line; a cell that holds the separator stands in quotes ("…")',
        )
    return Grid(rows, lines, separator)


def _cells(text: str, separator: str, shown: str) -> tuple[list[list[str]], list[int]]:
    rows, lines = [], []
    if separator == " ":
        for number, line in enumerate(text.splitlines(), 1):
            if line.strip():
                rows.append(line.split())
                lines.append(number)
        return rows, lines
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, skipinitialspace=True, strict=True)
    try:
        for row in reader:
            if any(cell.strip() for cell in row):
                rows.append(row)
                lines.append(reader.line_num)
    except csv.Error as error:
        raise DataError(
            f"line {reader.line_num} of {shown} cannot be read: {error}", fix="correct its quotes"
        ) from error
    return rows, lines


def _looked_for(text: str) -> str:
    """The separator by which every line has the same number of cells, two or more; else any space."""
    lines = [line for line in text.splitlines()[:LOOKED_AT] if line.strip()]
    for separator in ("\t", ","):
        counts = {line.count(separator) for line in lines}
        if len(counts) == 1 and counts != {0}:
            return separator
    return " "


def separator_that_fits(
    content: bytes, name: str, used: str, fits: Callable[[Grid], bool] = lambda grid: True
) -> str | None:
    """Another separator by which the rows are even, have several cells, and fit."""
    for other in (";", "\t", "|", ",", " "):
        if other == used:
            continue
        try:
            grid = read_grid(content, name, other)
        except DataError:
            continue  # this one does not fit: on to the next
        if len(grid.rows[0]) > 1 and fits(grid):
            return other
    return None


def separator_error(shown: str, used: str, other: str) -> DataError:
    return DataError(
        f"the columns of {shown} are not separated by {NAMED[used]} but, it seems, by {NAMED[other]}",
        fix="save it with commas as .csv, or with tabs as .tsv",
    )
