"""Tables: a column (or several, stacked as channels) of picture paths, and what is known of each picture.

How cells are told apart is said in `_grid`, where paths lead in `_places`.
"""

from __future__ import annotations

import os
import posixpath
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import numpy as np

from striate.core.errors import DataError
from striate.core.records import Dataset, Sample, Source, Split, Target
from striate.data.readers import READERS, ReadOptions
from striate.data.readers._cells import group_column, groups_in, time_column, times_in
from striate.data.readers._grid import Grid, read_grid, separator_error, separator_that_fits
from striate.data.readers._groups import groups_of, is_pattern
from striate.data.readers._listing import SPLIT_NAMES, Listing, has_picture_suffix
from striate.data.readers._mask_rows import is_list
from striate.data.readers._places import Disk, Members, Places, root_of
from striate.data.readers._targets import Targets, infer
from striate.data.store import Store, printable

SUFFIXES = (".csv", ".tsv", ".tab", ".txt", ".dat", ".lst", ".list")
TARGET_NAMES = frozenset({"label", "labels", "class", "target", "category", "tags"})
TIME_NAMES = frozenset({"time", "date", "datetime", "timestamp", "day", "taken", "year"})
NUMBERINGS = frozenset({"", "id", "index", "unnamed: 0"})
SAMPLED_ROWS = 200
PEEKED_BYTES = 65536


class Table:
    """Reads a table file, or a folder in which one table names the pictures."""

    def accepts(self, data: Any) -> bool:
        """A file with a table's suffix, or a folder with exactly one table at its top that names pictures in it.

        Lists of pictures and their masks are no tables.
        """
        if not isinstance(data, Path):
            return False
        if data.is_file():
            return data.suffix.lower() in SUFFIXES and not is_list(data)
        return data.is_dir() and len(_tables_in(data)) == 1

    def read(self, data: Any, options: ReadOptions) -> Dataset:
        """Read it. Raises `DataError` for whatever makes it no table of pictures and targets."""
        if not isinstance(data, Path):
            raise DataError("arrays are no table", fix="choose another --reader, or leave it out")
        if data.is_dir():
            tables = _tables_in(data)
            if len(tables) != 1:
                shown = ", ".join(table.name for table in tables) or "none"
                raise DataError(
                    f"{data} holds not one table that names its pictures, but {shown}", fix="name the table itself"
                )
            read = self.read(tables[0], options)
            note = f"Labels come from {tables[0].name}, not from folders (for those: --reader folders)."
            return Dataset(str(data), "table", read.task, read.samples, read.target_names, notes=(note, *read.notes))
        try:
            content = data.read_bytes()
        except OSError as error:
            raise DataError(
                f"{data} cannot be read: {error.strerror}", fix="check the path and its permissions"
            ) from error
        places = Disk(root_of(options, data.parent))
        return dataset_of(content, data.name, places, options, str(data), "table")


READERS.register("table")(Table())


def _tables_in(folder: Path) -> list[Path]:
    """The tables at a folder's top that name pictures in it and say something about them."""
    try:
        found = sorted(entry.path for entry in os.scandir(folder) if entry.name.lower().endswith(SUFFIXES))
    except OSError:
        return []  # the reader of folders says what is wrong
    tables = [path for path in map(Path, found) if path.is_file() and speaks(_peek(path), path.name, Disk(folder))]
    return [path for path in tables if not is_list(path)]


def _peek(path: Path) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read(PEEKED_BYTES)
    except OSError:
        return b""  # not readable, so not a table that names pictures


def tables_among(listing: Listing) -> list[tuple[str, Source]]:
    """The same for an archive: tables at its top or in the one folder around everything."""
    store = Store()
    found = []
    for name, source in listing.others:
        if name.lower().endswith(SUFFIXES) and name.count("/") <= 1:
            content = cast(bytes, store.read(source))[:PEEKED_BYTES]
            if speaks(content, name, Members(listing, posixpath.dirname(name))):
                found.append((name, source))
    return found


def speaks(start: bytes, name: str, places: Places) -> bool:
    """Whether the start of a file is that of a table that names existing pictures, with a column to spare."""
    lines = start.splitlines(keepends=True)
    try:
        grid = read_grid(b"".join(lines[:-1] if len(start) == PEEKED_BYTES else lines), name)
        columns = _path_columns(grid, places, name)
    except DataError:
        return False  # whatever it is, it is no table of pictures
    if not columns or len(columns) == len(grid.rows[0]):
        return False
    rows = _sampled(grid.rows)
    return sum(places.exists(places.find(row[columns[0]])[1]) for row in rows) >= 0.5 * len(rows)


@dataclass(frozen=True)
class _Parts:
    """Which column is what, by position; names by position."""

    names: list[str]
    paths: list[int]
    targets: list[int]
    split: int | None
    group: int | None
    weight: int | None
    others: list[int]
    time: int | None


def dataset_of(content: bytes, name: str, places: Places, options: ReadOptions, path: str, reader: str) -> Dataset:
    """The Dataset in a table's bytes.

    Args:
        content: the table.
        name: its name, for its suffix and for messages.
        places: where its paths lead.
        path, reader: what the Dataset is to say of itself.

    Raises:
        DataError: no rows, ragged rows, the wrong separator, no column of paths or of targets, cells that are empty or
            not numbers, one picture in two rows that contradict each other.
        UnknownName: there is no such group column.
    """
    shown = printable(name)
    grid = read_grid(content, name)
    paths = _path_columns(grid, places, name)
    notes: list[str] = []
    if not paths:
        raise _no_paths(grid, content, name, places)
    header = _has_header(grid, paths, places)
    rows, lines = (grid.rows[1:], grid.lines[1:]) if header else (grid.rows, grid.lines)
    names = [cell.strip() for cell in grid.rows[0]] if header else [f"column {n + 1}" for n in range(len(grid.rows[0]))]
    if not rows:
        raise DataError(f"{shown} has a header and no rows", fix="give a line for each picture")
    _check_names(names, shown)
    parts = _parts(names, paths, rows, header, options, shown, notes)
    if not parts.targets:
        raise _wrong_separator(grid, content, name, places) or DataError(
            f"labels are missing: {shown} has no column beside {', '.join(repr(printable(names[n])) for n in paths)}",
            fix="add a column with the label or value of each picture",
        )

    def where(row: int) -> str:
        return f"line {lines[row]}"

    columns = {_target_name(parts, n): [row[n] for row in rows] for n in parts.targets}
    found = infer(columns, where, options.task)
    samples = _samples(rows, parts, places, found, where, options, notes)
    if not any(places.exists(source) for sample in samples for source in sample.sources):
        raise DataError(
            f"none of the {len(samples):,} pictures that {shown} names is there, such as {samples[0].key!r}, "
            f"looked for in {places}",
            fix="give the folder that the paths are relative to with --root",
        )
    said = " and ".join(repr(printable(names[n])) for n in paths)
    stacked = ", stacked as channels" if len(paths) > 1 else ""
    first = (
        f"Read as a table with{'' if header else 'out'} a header: {len(samples):,} pictures in column {said}{stacked}"
    )
    notes.insert(0, f"{first}; target {', '.join(map(repr, columns))}: {found.note}.")
    samples.sort(key=lambda sample: sample.key)
    return Dataset(path, reader, found.task, tuple(samples), found.names, notes=tuple(notes))


def _target_name(parts: _Parts, column: int) -> str:
    name = parts.names[column]
    if name != f"column {column + 1}":
        return printable(name)
    return "target" if len(parts.targets) == 1 else f"target_{parts.targets.index(column) + 1}"


def _wrong_separator(grid: Grid, content: bytes, name: str, places: Places) -> DataError | None:
    def fits(other: Grid) -> bool:
        return bool(_path_columns(other, places, name))

    other = separator_that_fits(content, name, grid.separator, fits)
    return separator_error(printable(name), grid.separator, other) if other else None


def _no_paths(grid: Grid, content: bytes, name: str, places: Places) -> DataError:
    return _wrong_separator(grid, content, name, places) or DataError(
        f"no column of {printable(name)} names pictures; its first line has the cells "
        + ", ".join(repr(printable(cell)) for cell in grid.rows[0][:8]),
        fix="give a column of paths to pictures, relative to the table or to --root",
    )


def _sampled(rows: Sequence[list[str]]) -> Sequence[list[str]]:
    """Up to `SAMPLED_ROWS` rows, evenly spread, without the first (which may be a header) where there are more."""
    body = rows[1:] or rows
    return [body[int(n)] for n in np.linspace(0, len(body) - 1, min(SAMPLED_ROWS, len(body)))]


def _is_path(cell: str, places: Places) -> bool:
    cell = cell.strip()
    return bool(cell) and (has_picture_suffix(cell) or places.exists(places.find(cell)[1]))


def _path_columns(grid: Grid, places: Places, name: str) -> list[int]:
    """The columns whose cells are mostly paths; where files are there for one of them, those for which some are."""
    rows = _sampled(grid.rows)
    columns = [n for n in range(len(rows[0])) if sum(_is_path(row[n], places) for row in rows) > 0.6 * len(rows)]
    there = [n for n in columns if any(places.exists(places.find(row[n].strip())[1]) for row in rows)]
    return there or columns[:1]


def _has_header(grid: Grid, paths: Iterable[int], places: Places) -> bool:
    return not any(_is_path(grid.rows[0][n], places) for n in paths)


def _check_names(names: Sequence[str], shown: str) -> None:
    twice = sorted({name for name in names if name and names.count(name) > 1})
    if twice:
        raise DataError(f"{shown} has several columns named {printable(twice[0])!r}", fix="give each its own name")


def _parts(
    names: list[str],
    paths: list[int],
    rows: Sequence[list[str]],
    header: bool,
    options: ReadOptions,
    shown: str,
    notes: list[str],
) -> _Parts:
    """Tell the columns apart, saying which are left out."""
    special = {name.lower(): n for n, name in enumerate(names) if header and n not in paths}
    split, weight, group = special.get("split"), special.get("weight"), special.get("group")
    asked, time = group_column(names, options), time_column(names, options)
    group = group if asked is None else asked
    left = [n for n in range(len(names)) if n not in {*paths, split, weight, group, time}]
    numberings = [n for n in left if header and names[n].lower() in NUMBERINGS]
    unresolved = [n for n in left if n not in numberings and all(has_picture_suffix(row[n]) for row in rows)]
    aside = numberings + unresolved
    targets = [n for n in left if n not in aside] or [n for n in numberings if names[n]]
    named = [n for n in targets if header and names[n].lower() in TARGET_NAMES]
    if len(named) == 1:
        targets = named
    unused = [n for n in left if n not in targets]
    if unused:
        said = ", ".join(repr(printable(names[n])) for n in unused)
        notes.append(f"Columns of {shown} that are not learnt from: {said}.")
    dated = [names[n] for n in unused if header and names[n].lower() in TIME_NAMES]
    if dated and options.time is None:
        notes.append(f"To be tested by what came later, divide by time: --time {printable(dated[0])}.")
    return _Parts(names, paths, targets, split, group, weight, [n for n in unused if n not in aside], time)


def _samples(
    rows: Sequence[list[str]],
    parts: _Parts,
    places: Places,
    found: Targets,
    where: Callable[[int], str],
    options: ReadOptions,
    notes: list[str],
) -> list[Sample]:
    """A sample for each picture (or stack of them). Rows that repeat one are dropped, and that is said."""
    splits, weights = _splits(rows, parts, where), _weights(rows, parts, where)
    groups: Sequence[str | None] = [None] * len(rows)
    times: Sequence[float | None] = [None] * len(rows)
    if parts.group is not None:
        groups = groups_in([row[parts.group] for row in rows], where)
    if parts.time is not None:
        times = times_in([row[parts.time] for row in rows], where)
    samples: dict[str, Sample] = {}
    first: dict[str, int] = {}
    repeated = 0
    for row, cells in enumerate(rows):
        if not all(cells[n].strip() for n in parts.paths):
            raise DataError(f"{where(row)} has no path", fix="fill it in, or leave the line out")
        places_of = [places.find(cells[n].strip()) for n in parts.paths]
        key = "+".join(key for key, _ in places_of)
        target: Target = found.values[row]
        sources, others = tuple(source for _, source in places_of), _others(cells, parts)
        sample = Sample(key, sources, target, splits[row], groups[row], weights[row], others, times[row])
        if key not in samples:
            samples[key], first[key] = sample, row
        elif samples[key] == sample:
            repeated += 1
        else:
            raise DataError(
                f"{where(first[key])} and {where(row)} name the same picture, {key!r}, and do not say the same of it",
                fix="keep one line; several classes of one picture go into one cell as a;b",
            )
    if repeated:
        notes.append(f"{repeated:,} lines repeat an earlier one and were dropped.")
    if options.group and is_pattern(options.group):
        by_key = dict(zip(samples, groups_of([key.split("+")[0] for key in samples], options.group), strict=True))
        return [replace(one, group=by_key[one.key]) for one in samples.values()]
    return list(samples.values())


def _others(cells: Sequence[str], parts: _Parts) -> tuple[tuple[str, str], ...]:
    """What the columns say that are neither path nor target, where a cell is filled."""
    return tuple((printable(parts.names[n]), printable(cells[n].strip())) for n in parts.others if cells[n].strip())


def _splits(rows: Sequence[list[str]], parts: _Parts, where: Callable[[int], str]) -> Sequence[Split | None]:
    if parts.split is None:
        return [None] * len(rows)
    cells = [row[parts.split].strip().lower() for row in rows]
    unknown = next((row for row, cell in enumerate(cells) if cell not in SPLIT_NAMES), None)
    if unknown is not None:
        raise DataError(
            f"{where(unknown)} names the split {rows[unknown][parts.split]!r}; expected train, val or test",
            fix="correct the split column, or rename it where it means something else",
        )
    return [cast(Split, SPLIT_NAMES[cell]) for cell in cells]


def _weights(rows: Sequence[list[str]], parts: _Parts, where: Callable[[int], str]) -> Sequence[float]:
    if parts.weight is None:
        return [1.0] * len(rows)
    weights = []
    for row, cells in enumerate(rows):
        try:
            weight = float(cells[parts.weight])
        except ValueError:
            weight = -1.0
        if not 0 <= weight < float("inf"):
            raise DataError(
                f"{where(row)} has the weight {cells[parts.weight]!r}; expected a number from 0 up", fix="correct it"
            )
        weights.append(weight)
    if not any(weights):
        raise DataError("all weights are 0, so that nothing counts", fix="correct the weight column")
    return weights
