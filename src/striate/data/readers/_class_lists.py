"""Lists of classes beside masks: their names and, where the list has them, their values or colours.

Five forms are read, told apart by what the lines hold: names alone, in the order of their values from 0; a value before
each name; a table with a header (`name,r,g,b`, or `name,value`); CVAT's `name:r,g,b:parts:actions`; and CamVid's
`r g b name`. A class called void, ignore or the like is none: nothing is learnt from its pixels. One called background
is class 0, wherever the list has it.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeAlias, cast

from striate.core.errors import DataError
from striate.core.records import VOID, Source
from striate.data.classes import BACKGROUNDS
from striate.data.readers._grid import Grid, read_grid
from striate.data.readers._listing import has_picture_suffix
from striate.data.store import Store, printable

Color: TypeAlias = tuple[int, int, int]

LIST_NAMES = frozenset(
    {
        *("classes", "class_names", "classnames", "class_dict", "class_dict_seg", "class_list", "labels"),
        *("label_names", "labelmap", "label_map", "label_colors", "label_colours", "colors", "colours"),
        *("color_map", "colormap", "codes", "names", "categories"),
    }
)
"""What a list of classes is called, before its suffix."""
SUFFIXES = (".txt", ".csv", ".names", ".tsv")
VOIDS = frozenset({"void", "ignore", "ignored", "ignore_index", "unlabelled", "unlabeled", "not labelled"})

_NAME = frozenset({"name", "class", "class_name", "label", "category", "classes"})
_VALUE = frozenset({"value", "index", "id", "class_id", "class_index", "label_id", "number"})
_CHANNELS = (frozenset({"r", "red"}), frozenset({"g", "green"}), frozenset({"b", "blue"}))
_CVAT = re.compile(r"(?P<name>[^:]+):(?P<color>\d+,\d+,\d+):[^:]*:[^:]*")
_NUMBERED = re.compile(r"(?P<value>\d+)[\s:,=]+(?P<name>\S.*)")
_CAMVID = re.compile(r"(?P<color>\d+[\s,]+\d+[\s,]+\d+)[\s,]+(?P<name>\S.*)")


@dataclass(frozen=True)
class Listed:
    """A class of a list.

    Args:
        name: as the list has it.
        value: in masks, where the list says so.
        color: in masks, where the list says so.
    """

    name: str
    value: int | None = None
    color: Color | None = None

    @property
    def is_void(self) -> bool:
        """Whether its pixels are of no class."""
        return self.name.lower() in VOIDS


@dataclass(frozen=True)
class ClassList:
    """A list of classes.

    Args:
        path: where it was read, for messages.
        classes: in the list's order.
    """

    path: str
    classes: tuple[Listed, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the classes by place, without void: a background first, the others in the list's order."""
        return tuple(sorted(self.listed, key=lambda name: name.lower() not in BACKGROUNDS))

    @property
    def listed(self) -> tuple[str, ...]:
        """The names in the list's order, without void."""
        return tuple(one.name for one in self.classes if not one.is_void)

    @property
    def dark_first(self) -> tuple[str, ...]:
        """The names without void, by the greys that the list gives them; in its order where it gives others or none."""
        classes = [one for one in self.classes if not one.is_void]
        if all(one.color is not None and len({*one.color}) == 1 for one in classes):
            classes.sort(key=lambda one: cast(Color, one.color))
        return tuple(one.name for one in classes)

    @property
    def colored(self) -> bool:
        """Whether it gives colours."""
        return any(one.color is not None for one in self.classes)

    def place(self, one: Listed) -> int:
        """The place of a class among the names; `VOID` for none."""
        return VOID if one.is_void else self.names.index(one.name)


def find_list(others: Iterable[tuple[str, Source]], folder: str = "") -> ClassList | None:
    """The list of classes that lies beside pictures, or None.

    Args:
        others: files that are no pictures, by name relative to the data.
        folder: where it must lie, or right below; "" for anywhere not deeper than two folders.

    Raises:
        DataError: there are several that differ, or it cannot be read.
    """
    found = [(name, source) for name, source in others if _is_list(name) and name.count("/") <= 2]
    if folder:
        found = [(name, source) for name, source in found if name.startswith(folder + "/")]
    store = Store()
    lists = [read_list(cast(bytes, store.read(source)), name) for name, source in found]
    lists = [one for one in lists if not _labels_pictures(one)]
    if len({one.classes for one in lists}) > 1:
        raise DataError(
            f"there are several lists of classes: {', '.join(printable(name) for name, _ in found)}",
            fix="keep the one that is of these masks",
        )
    return lists[0] if lists else None


def _labels_pictures(found: ClassList) -> bool:
    """Whether it is no list of classes but a table of pictures with their labels."""
    return all(has_picture_suffix(one.name.split(",")[0]) for one in found.classes)


def _is_list(name: str) -> bool:
    stem, suffix = posixpath.splitext(posixpath.basename(name).lower())
    return suffix in SUFFIXES and stem in LIST_NAMES


def read_list(content: bytes, path: str) -> ClassList:
    """A list's classes.

    Raises:
        DataError: it is empty, names a class or gives a value or colour twice, or a line cannot be read.

    >>> [one.name for one in read_list(b"sky\\nroad\\nvoid\\n", "classes.txt").classes]
    ['sky', 'road', 'void']
    >>> read_list(b"name,r,g,b\\nsky,0,0,255\\n", "class_dict.csv").classes[0].color
    (0, 0, 255)
    """
    shown = printable(path)
    lines = [line.strip() for line in content.decode("utf-8-sig", "replace").splitlines()]
    lines = [line for line in lines if line and not line.startswith("#")]
    if not lines:
        raise DataError(f"the list of classes {shown} is empty", fix="give a line for each class")
    for expression in (_CVAT, _CAMVID):
        matches = [expression.fullmatch(line) for line in lines]
        if all(matches):
            found = [Listed(_named(one["name"]), color=_color(one["color"], shown)) for one in matches if one]
            return _checked(ClassList(shown, tuple(found)))
    matches = [_NUMBERED.fullmatch(line) for line in lines]
    if all(matches):
        return _checked(
            ClassList(shown, tuple(Listed(_named(one["name"]), int(one["value"])) for one in matches if one))
        )
    table = _table(content, path)
    if table is not None:
        return _checked(ClassList(shown, tuple(table)))
    return _checked(ClassList(shown, tuple(Listed(_named(line.rstrip(","))) for line in lines)))


def _named(text: str) -> str:
    return printable(" ".join(text.split()))


def _color(text: str, shown: str) -> Color:
    red, green, blue = (int(one) for one in re.findall(r"\d+", text))
    if max(red, green, blue) > 255:
        raise DataError(f"{shown} has the colour {text!r}, beyond 255", fix="correct it")
    return red, green, blue


def _table(content: bytes, path: str) -> list[Listed] | None:
    """The classes of a table with a header that names its columns, or None."""
    try:
        grid = read_grid(content, path)
    except DataError:
        return None  # whatever it is, it is no table: its lines are names
    header = [cell.strip().lower() for cell in grid.rows[0]]
    name = next((place for place, cell in enumerate(header) if cell in _NAME), None)
    value = next((place for place, cell in enumerate(header) if cell in _VALUE), None)
    channels = [next((place for place, cell in enumerate(header) if cell in one), None) for one in _CHANNELS]
    if name is None or len(header) < 2 or (value is None and None in channels):
        return None
    return [_row(grid, row, name, value, channels, printable(path)) for row in range(1, len(grid.rows))]


def _row(grid: Grid, row: int, name: int, value: int | None, channels: list[int | None], shown: str) -> Listed:
    cells = [cell.strip() for cell in grid.rows[row]]
    color = None if None in channels else " ".join(cells[place] for place in channels if place is not None)
    numbers = ([] if value is None else [cells[value]]) + ([] if color is None else color.split())
    if not all(number.isdigit() for number in numbers):
        raise DataError(
            f"line {grid.lines[row]} of {shown} holds {', '.join(numbers)}, where whole numbers were expected",
            fix="correct it",
        )
    return Listed(
        _named(cells[name]),
        None if value is None else int(cells[value]),
        None if color is None else _color(color, shown),
    )


def _checked(found: ClassList) -> ClassList:
    told: dict[str, list[object]] = {
        "name": [one.name for one in found.classes],
        "value": [one.value for one in found.classes if one.value is not None],
        "colour": [one.color for one in found.classes if one.color is not None],
    }
    for what, several in told.items():
        twice = [one for number, one in enumerate(several) if one in several[:number]]
        if twice:
            raise DataError(
                f"the list of classes {found.path} has the {what} {twice[0]!r} twice", fix="give each class its own"
            )
    if not found.names:
        raise DataError(f"the list of classes {found.path} names no class", fix="give a line for each class")
    if len(found.names) >= VOID:
        raise DataError(
            f"the list of classes {found.path} names {len(found.names):,} classes; a mask holds at most {VOID - 1}",
            fix="merge classes",
        )
    return found
