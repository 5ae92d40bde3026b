"""Masks of two Datasets brought to one set of classes, by the names of the classes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from striate.core.errors import DataError
from striate.core.records import VOID, Dataset, Mask, MaskCode, Target


def with_same_classes(whole: Dataset, part: Dataset, what: str) -> tuple[Dataset, Dataset]:
    """Both, with the classes of the first and then those that only the second has.

    Args:
        what: the second is, for messages.

    Raises:
        DataError: masks of two greys, parted by a threshold, are of other classes.
    """
    if whole.target_names == part.target_names:
        return whole, part
    names = (*whole.target_names, *(name for name in part.target_names if name not in whole.target_names))
    places = {place: names.index(name) for place, name in enumerate(part.target_names)}
    codes: dict[MaskCode, MaskCode] = {}
    samples = tuple(replace(one, target=_moved(one.target, places, codes, what)) for one in part.samples)
    return replace(whole, target_names=names), replace(part, samples=samples, target_names=names)


def _moved(
    target: Target | None, places: Mapping[int, int], codes: dict[MaskCode, MaskCode], what: str
) -> Target | None:
    if not isinstance(target, Mask):
        return target
    if target.code not in codes:
        codes[target.code] = _code(target.code, places, what)
    regions = tuple(replace(one, place=places.get(one.place, VOID)) for one in target.regions)
    return replace(target, code=codes[target.code], regions=regions)


def _code(code: MaskCode, places: Mapping[int, int], what: str) -> MaskCode:
    if code.kind == "threshold" and not code.classes:
        if [places[0], places[1]] != [0, 1]:
            raise DataError(
                f"the masks of {what} are black and white, and their two classes are others than those of the data",
                fix="give both the same list of classes",
            )
        return code
    classes = tuple((value, places.get(place, VOID)) for value, place in code.classes)
    return replace(code, classes=classes, background=places.get(code.background, VOID))
