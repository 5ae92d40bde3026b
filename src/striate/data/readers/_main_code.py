"""Masks of further data, read as those of the data: a part that lacks a class has the same classes nonetheless."""

from __future__ import annotations

from collections.abc import Sequence

from striate.core.records import VOID, Dataset, Mask, MaskCode
from striate.data.classes import BACKGROUNDS
from striate.data.readers._class_lists import ClassList
from striate.data.readers._mask_codes import Coded, Seen, by_look, is_parted

_OF_ONE_FILE = ("index", "color", "threshold")


def main_code(dataset: Dataset) -> tuple[MaskCode, tuple[str, ...]] | None:
    """How the one file of each mask stands for the classes, and their names; None where no one code says so."""
    codes = {sample.target.code for sample in dataset.samples if isinstance(sample.target, Mask)}
    if len(codes) != 1:
        return None
    (code,) = codes
    return (code, dataset.target_names) if code.kind in _OF_ONE_FILE else None


def as_in_data(seen: Seen, listed: ClassList | None, main: tuple[MaskCode, tuple[str, ...]] | None) -> Coded | None:
    """The code of the data, where all that was seen is known to it; None where the part is to be read by itself.

    A list beside the part decides, unless it names the classes of the data, a background where the values of the data
    have it, and gives no values or colours.
    """
    if main is None:
        return None
    code, names = main
    if seen.clash or (seen.lossy and code.kind != "threshold"):
        return None
    if listed is not None and not _names_them(listed, code, names):
        return None
    if not _knows(code, seen):
        return None
    return Coded(code, names, "values as in the data" + by_look(seen))


def _names_them(listed: ClassList, code: MaskCode, names: tuple[str, ...]) -> bool:
    if any(one.value is not None or one.color is not None or one.is_void for one in listed.classes):
        return False
    at = _background_at(listed.listed)
    if at is not None and code.kind != "color":
        by_value = [names[place] for _, place in sorted(code.classes or ((0, 0), (1, 1))) if place != VOID]
        if at != _background_at(by_value):
            return False
    own = [one.name for one in listed.classes if one.name.lower() not in BACKGROUNDS]
    return own == [name for name in names if name.lower() not in BACKGROUNDS]


def _background_at(names: Sequence[str]) -> int | None:
    return next((place for place, name in enumerate(names) if name.lower() in BACKGROUNDS), None)


def _knows(code: MaskCode, seen: Seen) -> bool:
    known = {value for value, _ in code.classes}
    if code.kind == "color":
        return {(color >> 16, color >> 8 & 255, color & 255) for color in seen.colors} <= known
    if seen.colored:
        return False
    if code.kind == "index":
        return set(seen.values) <= known
    values = sorted(seen.values)
    two = len(values) == 2 and values[0] < code.threshold <= values[1] <= 255
    return two or values == [0] or is_parted(seen)
