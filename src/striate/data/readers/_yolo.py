"""The files of YOLO: label lines, and the YAML that names classes and splits."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from striate.core.artifacts import parse_yaml
from striate.core.errors import DataError
from striate.core.records import Box
from striate.data.readers._boxes import box_or_reason

BEYOND = 2.0
"""Fractions of a picture's sides above which a number was not meant as one: boxes may hang over, not lie far off."""

SPLITS = ("train", "val", "test")


@dataclass(frozen=True)
class Recipe:
    """What a `data.yaml` says.

    Args:
        names: of the classes in the order of their numbers; None where it names none.
        root: the folder that its paths are relative to, as written; "" for its own.
        parts: folders, or lists of pictures, by split.
    """

    names: tuple[str, ...] | None
    root: str
    parts: Mapping[str, tuple[str, ...]]


def read_recipe(content: bytes, name: str) -> Recipe:
    """Understand a `data.yaml`.

    Raises:
        DataError: no YAML, no such keys, names that are none, or a number of classes that contradicts them.
    """
    try:
        found = parse_yaml(content.decode("utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        said = " ".join(str(error).split())
        raise DataError(f"{name} is no YAML: {said}", fix="correct it") from error
    if not isinstance(found, dict):
        raise DataError(f"{name} holds no keys; names, train and val were expected", fix="correct it")
    names = _names(found.get("names"), name)
    count = found.get("nc")
    if count is not None and names is not None and count != len(names):
        raise DataError(f"{name} says nc: {count} and names {len(names)} classes", fix="correct either")
    if names is None and isinstance(count, int) and not isinstance(count, bool) and count > 0:
        names = tuple(map(str, range(count)))
    parts = {
        split: _paths(found[key], f"{name}: {key}")
        for split in SPLITS
        for key in ((split, "valid") if split == "val" else (split,))
        if found.get(key)
    }
    return Recipe(names, str(found.get("path") or ""), parts)


def _names(found: Any, name: str) -> tuple[str, ...] | None:
    if found is None:
        return None
    if isinstance(found, dict):
        if sorted(found, key=str) != sorted(range(len(found)), key=str):
            raise DataError(f"{name}: the names are numbered {list(found)}, not from 0 up", fix="number them so")
        found = [found[number] for number in range(len(found))]
    if not isinstance(found, list) or not found or any(isinstance(one, dict | list | None) for one in found):
        raise DataError(f"{name}: names is {found!r:.80}; a list of class names was expected", fix="correct it")
    names = tuple(str(one).strip() for one in found)
    if len(set(names)) < len(names):
        twice = next(one for one in names if names.count(one) > 1)
        raise DataError(f"{name} names the class {twice!r} twice", fix="give each class its own name")
    return names


def _paths(found: Any, where: str) -> tuple[str, ...]:
    paths = found if isinstance(found, list) else [found]
    if not all(isinstance(one, str) for one in paths):
        raise DataError(f"{where} is {found!r:.80}; a folder, a list of pictures, or several were expected")
    return tuple(paths)


def is_recipe(content: bytes) -> bool:
    """Whether the start of a YAML is that of a YOLO data file."""
    lines = [
        line.partition(b":")[0].strip() for line in content.splitlines() if line[:1] not in (b"", b" ", b"#", b"-")
    ]
    return bool({b"names", b"nc"} & set(lines)) and bool({b"train", b"val", b"valid", b"test"} & set(lines))


def is_label_line(line: str) -> bool:
    """Whether a line has a class and at least four numbers from about 0 to 1.

    >>> is_label_line("0 0.5 0.5 0.1 0.2"), is_label_line("cat 1 2 3 4"), is_label_line("12 30")
    (True, False, False)
    """
    cells = line.split()
    try:
        return len(cells) >= 5 and cells[0].isdigit() and all(-1 <= float(cell) <= BEYOND for cell in cells[1:])
    except ValueError:
        return False


@dataclass
class Lines:
    """Label files as boxes.

    Args:
        names: of the classes; None where nothing names them: then they are called by their numbers.
    """

    names: Sequence[str] | None
    polygons: int = 0

    def boxes(self, text: str, name: str, size: tuple[int, int]) -> Iterator[Box | str]:
        """The boxes of a picture, or why one is none.

        Args:
            text: of its label file, `class centre_x centre_y width height` in fractions of the picture, a line each;
                or a class and the corners of an outline, of which the box around it is taken and counted.
            size: (height, width) of the picture.

        Raises:
            DataError: something else than numbers, a class that has no name, or numbers that are no fractions.
        """
        height, width = size
        for number, line in enumerate(text.splitlines(), 1):
            cells = line.split()
            if not cells:
                continue
            place = f"{name}, line {number}"
            label = self._label(cells[0], place)
            x1, y1, x2, y2 = self._edges(_numbers(cells[1:], place), place)
            yield box_or_reason(place, label, (x1 * width, y1 * height, x2 * width, y2 * height))

    def _label(self, cell: str, place: str) -> str:
        try:
            number = int(cell) if cell.isdigit() else int(cell.removesuffix(".0"))
        except ValueError:
            number = -1
        if number < 0 or (self.names is not None and number >= len(self.names)):
            known = f"0 to {len(self.names) - 1}" if self.names is not None else "whole numbers from 0"
            raise DataError(
                f"{place} is of the class {cell!r}; known are {known}", fix="correct it, or add its name to the classes"
            )
        return self.names[number] if self.names is not None else str(number)

    def _edges(self, numbers: list[float], place: str) -> tuple[float, float, float, float]:
        if len(numbers) == 4:
            x, y, width, height = numbers
            return x - width / 2, y - height / 2, x + width / 2, y + height / 2
        if len(numbers) < 6 or len(numbers) % 2:
            raise DataError(
                f"{place} has {len(numbers)} numbers after its class; 4 (centre, width and height), or the corners of "
                "an outline, x and y each, were expected",
                fix="take out what is more, such as a confidence, or complete it",
            )
        self.polygons += 1
        return min(numbers[::2]), min(numbers[1::2]), max(numbers[::2]), max(numbers[1::2])


def _numbers(cells: Sequence[str], place: str) -> list[float]:
    try:
        numbers = [float(cell) for cell in cells]
    except ValueError:
        raise DataError(
            f"{place} holds something else than numbers: {' '.join(cells)[:60]!r}", fix="correct it"
        ) from None
    large = [number for number in numbers if math.isfinite(number) and abs(number) > BEYOND]
    if large:
        what = "percent or pixels" if max(map(abs, large)) <= 100 else "pixels"
        raise DataError(
            f"{place} has {large[0]:g}, and fractions of the picture, from 0 to 1, were expected: these seem to be "
            f"{what}",
            fix="divide x and width by the picture's width, y and height by its height",
        )
    return numbers
