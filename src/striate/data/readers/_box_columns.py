"""The columns of tables of boxes, by the names that tools give them; and their cells as numbers."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np

from striate.core.errors import DataError
from striate.data.readers._listing import has_picture_suffix
from striate.data.relative import are_relative, near, strays

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
        group, time: where those are that the user names.
    """

    places: Mapping[str, int]
    header: bool
    unused: tuple[str, ...] = ()
    group: int | None = None
    time: int | None = None


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


def fractions_in(rows: Iterable[Sequence[float]]) -> tuple[bool, str]:
    """Whether the edges of a table are fractions of the picture, and what is to be said of them; "" for nothing.

    They are where as good as all lie between 0 and 1, and not all of these are whole, as pixels of tiny pictures are.

    >>> fractions_in([(0.1, 0.2, 0.5, 1.0)]), fractions_in([(0, 0, 1, 1)])
    ((True, 'fractions of the pictures, as all lie between 0 and 1'), (False, ''))
    >>> fractions_in([(0.1, 0.2, 0.5, 1.2)])
    (False, 'taken as pixels, though all but 1 of 4 (such as 1.2) lie between 0 and 1, as fractions do')
    """
    edges = np.array(list(chain.from_iterable(rows)), np.float64)
    edges = edges[np.isfinite(edges)]
    inside, out = edges[near(edges, 1)], strays(edges, 1)
    if 2 * len(inside) <= len(edges) or not (inside % 1).any():
        return False, ""
    furthest = f"{out[np.abs(out).argmax()]:g}" if len(out) else ""
    most = f"all but {len(out):,} of {len(edges):,} (such as {furthest})" if len(out) else "all"
    if are_relative(edges, 1):
        return True, f"fractions of the pictures, as {most} lie between 0 and 1"
    return False, f"taken as pixels, though {most} lie between 0 and 1, as fractions do"
