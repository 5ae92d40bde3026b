"""Tables of boxes: a row a box, with the picture's path, the four edges and the class; as TensorFlow or Open Images.

How columns are told apart is said in `_box_columns`. Edges of which as good as all lie between 0 and 1
are fractions of the picture.
"""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar, cast

from striate.core.errors import DataError
from striate.core.machine import memory_bytes
from striate.core.records import Box, Dataset, Sample, Source, Split
from striate.core.wording import plural, some
from striate.data.header import upright_size
from striate.data.readers import READERS, ReadOptions
from striate.data.readers._box_columns import Columns, edges_of, find_columns, flag_of, fractions_in
from striate.data.readers._boxes import Origin, box_or_reason, boxes_of, dataset_of_boxes
from striate.data.readers._cells import group_column, groups_in, time_column, times_in
from striate.data.readers._glance import first_file, head
from striate.data.readers._grid import read_grid
from striate.data.readers._listing import SPLIT_NAMES, Listing, list_folder
from striate.data.readers._matching import Album, absent, split_in_name, split_of_folder, stem, with_suffix
from striate.data.readers._places import root_of
from striate.data.readers._targets import BOXES, check_task
from striate.data.store import Store, printable

KIND = "a table of boxes"
SUFFIXES = (".csv", ".tsv")
Cell = TypeVar("Cell", str, float)
MEMORY = 16
"""Bytes of memory that a byte of a table takes while it is read, measured on a table as Open Images has it."""


class BoxTable:
    """Reads a table of boxes, or a folder that holds one, or one for each split."""

    task = "detect"

    def accepts(self, data: Any) -> bool:
        """A table with such columns, or a folder with one near its top."""
        if not isinstance(data, Path):
            return False
        if data.is_file():
            return data.suffix.lower() in SUFFIXES and _is_table(str(data))
        return data.is_dir() and first_file(data, _is_table, SUFFIXES) is not None

    def read(self, data: Any, options: ReadOptions) -> Dataset:
        """Read it. Raises `DataError` where cells are no numbers, or no picture is there."""
        if not isinstance(data, Path) or not data.exists():
            raise DataError(f"{data} is neither a file nor a folder", fix="name the table, or the folder around it")
        base = root_of(options, data if data.is_dir() else data.parent)
        pictures = list_folder(base)
        if data.is_dir():
            listing = pictures if options.root is None else list_folder(data)
            return dataset_of(listing, options, "box_table", pictures)
        return _dataset(pictures, [(data.name, Source("file", str(data)))], options, str(data), "box_table")


READERS.register("box_table")(BoxTable())


def _is_table(path: str) -> bool:
    return _columns_in(head(path), path) is not None


def _columns_in(start: bytes, name: str) -> Columns | None:
    """The columns by the first line of a file; None where it is no table of boxes."""
    try:
        return find_columns(read_grid(start.splitlines(keepends=True)[0], name).rows[0])
    except (DataError, IndexError):
        return None  # whatever it is, it is no table of boxes


def tables_among(listing: Listing) -> list[tuple[str, Source]]:
    """The tables of boxes in a listing."""
    store, found = Store(), []
    for name, source in with_suffix(listing, SUFFIXES):
        start = head(source.path) if source.kind == "file" else cast(bytes, store.read(source))[:4096]
        if _columns_in(start, name) is not None:
            found.append((name, source))
    return found


def dataset_of(listing: Listing, options: ReadOptions, reader: str, pictures: Listing | None = None) -> Dataset:
    """The Dataset of a listing, be it of a folder or an archive.

    Args:
        pictures: what the paths in it are relative to, where that is another listing.

    Raises:
        DataError: several tables whose names do not say which split they are of, or one that cannot be understood.
    """
    tables = tables_among(listing)
    splits = [split_in_name(name) or split_of_folder(name) for name, _ in tables]
    if len(tables) > 1 and (None in splits or len(set(splits)) < len(splits)):
        shown = some([printable(name) for name, _ in tables])
        raise DataError(
            f"{listing.path} holds {len(tables)} tables of boxes: {shown}",
            fix="name the one to be read, or call them train, val and test",
        )
    return _dataset(pictures or listing, tables, options, listing.path, reader)


@dataclass
class _Page:
    """What the rows of one picture say, as they are gathered."""

    edges: list[tuple[str, str, tuple[float, ...], bool, bool, float | None]] = field(default_factory=list)
    size: tuple[int, int] | None = None
    split: Split | None = None
    group: str | None = None
    time: float | None = None


def _dataset(
    listing: Listing, tables: Sequence[tuple[str, Source]], options: ReadOptions, path: str, reader: str
) -> Dataset:
    check_task(options, BOXES, KIND)
    store, album = Store(), Album(listing)
    notes: list[str] = []
    called = _descriptions(listing, store, notes)
    samples: list[Sample] = []
    taken: set[str] = set()
    for table, source in tables:
        pages = _pages(table, source, album, store, called, options, notes)
        split = (split_in_name(table) or split_of_folder(table)) if len(tables) > 1 else None
        fractions, told = fractions_in(one[2] for page in pages.values() for one in page.edges)
        if told:
            notes.append(f"The edges in {printable(table)} are {told}.")
        for name, page in pages.items():
            if name in taken:
                raise DataError(
                    f"the picture {printable(name)} is in two of the tables, {printable(table)} the second of them",
                    fix="keep it in one",
                )
            taken.add(name)
            samples.append(_sample(name, page, album, store, fractions, split, notes))
    left = len(album.pictures.keys() - taken)
    if left:
        notes.append(
            f"{plural(left, 'picture', 'pictures')} that no row names {'is' if left == 1 else 'are'} left out."
        )
    origin = Origin(path, reader, KIND, "give the folder that the paths are relative to with --root")
    return dataset_of_boxes(origin, samples, (), options, notes)


def _sample(
    name: str, page: _Page, album: Album, store: Store, fractions: bool, split: Split | None, notes: list[str]
) -> Sample:
    """A picture with its boxes; without target where these are fractions of a picture that cannot be read."""
    source = album.source(name)
    split = page.split or split or split_of_folder(name)
    bare = Sample(printable(name), (source,), None, split, page.group, time=page.time)
    scale = (1.0, 1.0)
    if fractions:
        try:
            scale = upright_size(store, source)
        except DataError as error:
            notes.append(f"The boxes of {printable(name)} are left out, as its size is not known: {error.message}.")
            return bare
    found: list[Box | str] = []
    for place, label, (x1, y1, x2, y2), difficult, crowd, area in page.edges:
        edges = (x1 * scale[1], y1 * scale[0], x2 * scale[1], y2 * scale[0])
        found.append(box_or_reason(place, label, edges, difficult=difficult, crowd=crowd, area=area))
    return replace(bare, target=boxes_of(found, page.size))


def _pages(
    table: str,
    source: Source,
    album: Album,
    store: Store,
    called: dict[str, str],
    options: ReadOptions,
    notes: list[str],
) -> dict[str, _Page]:
    """What a table says of each picture, by its name in the listing."""
    shown = printable(table)
    grid = read_grid(_content(source, store, shown), table)
    columns = _columns(grid.rows[0], shown, options, notes)
    first = 1 if columns.header else 0
    rows, lines, group, time = grid.rows[first:], grid.lines[first:], columns.group, columns.time

    def place(row: int) -> str:
        return f"line {lines[row]} of {shown}"

    groups = groups_in([row[group] for row in rows], place) if group is not None else None
    times = times_in([row[time] for row in rows], place) if time is not None else None
    pages: dict[str, _Page] = {}
    names: dict[str, str] = {}
    for number, row in enumerate(rows):
        where = partial(place, number)
        cell = row[columns.places["path"]].strip()
        if not cell:
            raise DataError(f"{where()} has no path", fix="fill it in, or leave the line out")
        if cell not in names:
            names[cell] = album.by_path(cell, table) or album.by_path(cell, table, suffix=False) or absent(cell)
        page = pages.setdefault(names[cell], _Page())
        if groups is not None:
            page.group = _same("group", groups[number], page.group, where)
        if times is not None:
            page.time = _same("time", times[number], page.time, where)
        _add(page, row, columns, called, where)
    return pages


def _columns(first: Sequence[str], shown: str, options: ReadOptions, notes: list[str]) -> Columns:
    """The columns of a table by its first row, those among them that the user names for groups and times."""
    found = find_columns(first)
    if found is None:
        raise DataError(
            f"{shown} has the columns {', '.join(map(repr, first[:10]))}; a path, x1, y1, x2, y2 and a label "
            "were expected, by these or other usual names",
            fix="rename them: path,x1,y1,x2,y2,label",
        )
    titles = [cell.strip() for cell in first] if found.header else []
    group, time = group_column(titles, options), time_column(titles, options)
    unused = [name for name in found.unused if name not in {titles[one] for one in (group, time) if one is not None}]
    if unused:
        notes.append(f"Columns of {shown} that nothing is taken from: {some(unused, 8)}.")
    return replace(found, group=group, time=time)


def _same(what: str, found: Cell, before: Cell | None, where: Callable[[], str]) -> Cell:
    """What a row says of its picture. Raises `DataError` where an earlier row of the same said something else."""
    if before not in (None, found):
        raise DataError(
            f"{where()} has the {what} {found!r}, and an earlier line of the same picture has {before!r}",
            fix=f"give all lines of a picture one {what}",
        )
    return found


def _add(page: _Page, row: Sequence[str], columns: Columns, called: dict[str, str], where: Callable[[], str]) -> None:
    """Take in one row of a picture."""

    def cell(name: str) -> str:
        place = columns.places.get(name)
        return "" if place is None else row[place].strip()

    if cell("split"):
        split = SPLIT_NAMES.get(cell("split").lower())
        if split is None or page.split not in (None, split):
            raise DataError(
                f"{where()} is of the split {cell('split')!r}"
                + (f", and an earlier line of the same picture of {page.split!r}" if split else "")
                + "; one of train, val and test for a picture was expected",
                fix="correct the split column",
            )
        page.split = cast(Split, split)
    if cell("width").isdigit() and cell("height").isdigit():
        page.size = int(cell("height")), int(cell("width"))
    edges = edges_of(row, columns, where)
    if edges is None:
        return
    label = cell("label")
    if not label:
        raise DataError(f"{where()} has a box and no label", fix="fill it in, or leave the line out")
    area = float(cell("area")) if cell("area").replace(".", "", 1).isdigit() else None
    difficult, crowd = flag_of(cell("difficult"), where), flag_of(cell("crowd"), where)
    page.edges.append((where(), printable(called.get(label, label)), edges, difficult, crowd, area))


def _content(source: Source, store: Store, shown: str) -> bytes:
    """A table's bytes, where memory holds what is made of them."""
    if source.kind == "file":
        size = Path(source.path).stat().st_size
        needed, free = MEMORY * size, memory_bytes()
        if needed > free:
            raise DataError(
                f"{shown} has {size / 1e9:.1f} GB, which takes about {needed / 1e9:.0f} GB of memory to read, and "
                f"{free / 1e9:.0f} GB are free",
                fix="take the rows of the pictures that you have, or give the boxes as COCO's JSON, which is streamed",
            )
    return cast(bytes, store.read(source))


def _descriptions(listing: Listing, store: Store, notes: list[str]) -> dict[str, str]:
    """What Open Images calls its classes, by their codes, where its list lies beside the table."""
    for name, source in with_suffix(listing, (".csv",)):
        if stem(posixpath.basename(name)).lower().startswith("class-descriptions"):
            rows = read_grid(cast(bytes, store.read(source)), name).rows
            if all(len(row) == 2 for row in rows):
                notes.append(f"{printable(name)} names the classes.")
                return {code.strip(): label.strip() for code, label in rows}
    return {}
