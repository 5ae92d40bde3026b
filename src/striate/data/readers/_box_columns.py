"""The columns of tables of boxes, by the names that tools give them; and their cells as numbers."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from striate.core.errors import DataError
from striate.data.readers._listing import has_picture_suffix

SPELLINGS: Mapping[str, frozenset[str]] = {
    "path": frozenset(
        ["path", "filename", "file", "filepath", "image", "imageid", "imagepath", "imagename", "img", "imgpath"]
    ),
    "x1": frozenset(["x1", "xmin", "left", "bboxxmin"]),
    "y1": frozenset(["y1", "ymin", "top", "upper", "bboxymin"]),
    "x2": frozenset(["x2", "xmax", "right", "bboxxmax"]),
    "y2": frozenset(["y2", "ymax", "bottom", "lower", "bboxymax"]),
    "label": frozenset(["label", "class", "classname", "category", "labelname", "name"]),
    "width": frozenset(["width", "imagewidth", "imgwidth"]),
    "height": frozenset(["height", "imageheight", "imgheight"]),
    "split": frozenset({"split", "subset"}),
    "difficult": frozenset({"difficult"}),
    "crowd": frozenset({"crowd", "iscrowd", "isgroupof"}),
    "area": frozenset({"area"}),
}
"""What a column is, by its name in small letters without spaces and marks: TensorFlow's tables have `filename`, `xmin`
and `class`, those of Open Images `ImageID`, `XMin` and `LabelName`."""

EDGES = ("x1", "y1", "x2", "y2")
NEEDED = ("path", *EDGES, "label")
HEADLESS = NEEDED
"""The columns of a table without a header, as keras-retinanet writes it."""


@dataclass(frozen=True)
class Columns:
    """Where each column is.

    Args:
        places: by what it is.
        header: whether the first row names them.
        unused: names of columns that nothing is taken from.
    """

    places: Mapping[str, int]
    header: bool
    unused: tuple[str, ...] = ()


def find_columns(first: Sequence[str]) -> Columns | None:
    """The columns of a table by its first row; None where it is no table of boxes.

    >>> find_columns(["filename", "width", "height", "class", "xmin", "ymin", "xmax", "ymax"]).places["x2"]
    6
    >>> find_columns(["a.jpg", "1", "2", "30", "40", "cat"]).header
    False
    >>> find_columns(["a.jpg", "0.1", "0.3", "0.2", "0.5", "1.7"]) is None  # numbers to be predicted
    True
    """
    places: dict[str, int] = {}
    unused = []
    for number, cell in enumerate(first):
        plain = re.sub(r"[^a-z0-9]", "", cell.lower())
        meaning = next((name for name, spellings in SPELLINGS.items() if plain in spellings), None)
        if meaning is None or meaning in places:
            unused.append(cell.strip())
        else:
            places[meaning] = number
    if all(name in places for name in NEEDED):
        return Columns(places, True, tuple(unused))
    cells = [cell.strip() for cell in first]
    numbers = cells[1:5]
    headless = len(cells) == len(HEADLESS) and has_picture_suffix(cells[0])
    if headless and _is_box(numbers) and not _is_number(cells[5]):
        return Columns({name: number for number, name in enumerate(HEADLESS)}, False)
    return None


def _is_box(cells: Sequence[str]) -> bool:
    """Whether four cells are edges of a box, or empty for a picture with nothing in it."""
    if not any(cells):
        return True
    if not all(map(_is_number, cells)):
        return False
    x1, y1, x2, y2 = map(float, cells)
    return x2 > x1 and y2 > y1


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def edges_of(row: Sequence[str], columns: Columns, where: Callable[[], str]) -> tuple[float, ...] | None:
    """The four numbers of a row; None where all cells are empty: a picture with nothing in it.

    Raises:
        DataError: some cells are empty, or no number.
    """
    cells = [row[columns.places[name]].strip() for name in EDGES]
    if not any(cells):
        return None
    numbers = []
    for name, cell in zip(EDGES, cells, strict=True):
        try:
            numbers.append(float(cell))
        except ValueError:
            raise DataError(
                f"{where()} has {cell!r} for {name}; a number of pixels was expected",
                fix="correct it; a picture with nothing in it has all four cells empty",
            ) from None
    return tuple(numbers)


def flag_of(cell: str, where: Callable[[], str]) -> bool:
    """A cell that says yes or no; −1, which Open Images has for what is not known, is no."""
    found = {"": False, "0": False, "-1": False, "false": False, "1": True, "true": True}.get(cell.strip().lower())
    if found is None:
        raise DataError(f"{where()} has {cell!r} where 0 or 1 was expected", fix="correct it")
    return found


def are_fractions(rows: Sequence[Sequence[float] | None]) -> bool:
    """Whether all edges of a table are fractions of the picture: none is above 1, and not all are whole.

    >>> are_fractions([(0.1, 0.2, 0.5, 1.0)]), are_fractions([(0.1, 0.2, 0.5, 1.0), (3, 4, 20, 30)])
    (True, False)
    """
    edges = [edge for row in rows if row is not None for edge in row if math.isfinite(edge)]
    return bool(edges) and max(edges) <= 1 and min(edges) >= 0 and any(edge not in (0, 1) for edge in edges)
