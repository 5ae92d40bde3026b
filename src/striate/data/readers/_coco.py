"""COCO's JSON, strictly: pictures, categories, and what is annotated on each picture; for boxes and outlines alike.

The file is streamed: memory is taken for what is kept alone, whatever the file's size.
"""

from __future__ import annotations

import io
import math
from collections import defaultdict
from dataclasses import dataclass, field
from typing import IO, Any, cast

from striate.core.errors import DataError
from striate.core.records import Source
from striate.core.wording import some
from striate.data.readers._json_stream import stream_lists
from striate.data.store import Store, printable

LISTS = ("images", "annotations", "categories")


@dataclass(frozen=True, slots=True)
class CocoImage:
    """A picture.

    Args:
        number: its id.
        file_name: as the file gives it.
        size: (height, width) as stated; None where it is not.
    """

    number: int | str
    file_name: str
    size: tuple[int, int] | None


@dataclass(frozen=True, slots=True)
class CocoThing:
    """One annotation.

    Args:
        number: its id, or its place in the file where it has none.
        category: the id of its class.
        bbox: left, top, width, height in pixels; None where the annotation has none.
        polygons: outlines, each x1, y1, x2, y2, … in pixels, where they are kept.
        counts: run lengths in place of polygons: numbers, or COCO's compressed text.
        counts_size: (height, width) of the run lengths.
        crowd: that it stands for many things.
        area: of the thing in pixels, as stated.
    """

    number: int | str
    category: int | str
    bbox: tuple[float, float, float, float] | None
    polygons: tuple[tuple[float, ...], ...] = ()
    counts: tuple[int, ...] | str = ()
    counts_size: tuple[int, int] | None = None
    crowd: bool = False
    area: float | None = None


@dataclass(frozen=True)
class Coco:
    """What one file says.

    Args:
        name: the file's, for messages.
        categories: names by id, in the file's order.
        images: by id.
        things: what is annotated, by the id of the picture.
    """

    name: str
    categories: dict[int | str, str]
    images: dict[int | str, CocoImage]
    things: dict[int | str, list[CocoThing]] = field(default_factory=dict)


def read_coco(source: Source, *, outlines: bool = False) -> Coco:
    """Read a file.

    Args:
        source: a file or a member of an archive.
        outlines: whether polygons and run lengths are kept, which takes memory.

    Raises:
        DataError: cut off or no such JSON, an id that is missing, stands twice or is unknown, or numbers that are none.
    """
    name = printable(str(source))
    if source.kind == "file":
        try:
            with open(source.path, "rb") as file:
                return _read(file, name, outlines)
        except OSError as error:
            raise DataError(f"{name} cannot be read: {error.strerror}", fix="check the path and its rights") from error
    return _read(io.BytesIO(cast(bytes, Store().read(source))), name, outlines)


def is_coco(start: bytes) -> bool:
    """Whether the start of a file looks like COCO's JSON: an object with one of its lists and a key of their elements.

    A file may begin with pages of `info` and `licenses`, which are its own as well.

    >>> is_coco(b'{"images": [{"id": 1, "file_name": "a.jpg"'), is_coco(b'{"images": 12, "author": "me"}')
    (True, False)
    """
    if not start.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{"):
        return False
    lists = any(f'"{key}"'.encode() in start for key in LISTS)
    inside = any(
        key in start for key in (b'"file_name"', b'"image_id"', b'"category_id"', b'"supercategory"', b'"bbox"')
    )
    return (lists and inside) or (b'"info"' in start and b'"contributor"' in start)


def _read(file: IO[bytes], name: str, outlines: bool) -> Coco:
    found = Coco(name, {}, {}, defaultdict(list))
    names: dict[str, int | str] = {}
    numbers: set[int | str] = set()
    for place, (key, one) in enumerate(stream_lists(file, name, LISTS)):
        if not isinstance(one, dict):
            raise DataError(f"{name}: {one!r:.60} among {key!r}; an object was expected", fix="correct it")
        if key == "categories":
            number, label = _id(one, "id", "a category", name), one.get("name")
            if not isinstance(label, str) or not label.strip():
                raise DataError(f"{name}: the category {number!r} has no name", fix="give it one")
            label = printable(label.strip())
            if number in found.categories or label in names:
                raise DataError(
                    f"{name}: the category {label!r} or its id {number!r} stands twice", fix="keep one of them"
                )
            found.categories[number], names[label] = label, number
        elif key == "images":
            image = _image(one, name)
            if image.number in found.images:
                raise DataError(f"{name}: two pictures have the id {image.number!r}", fix="number them anew")
            found.images[image.number] = image
        else:
            picture, thing = _thing(one, place, name, outlines)
            if thing.number in numbers:
                raise DataError(f"{name}: two annotations have the id {thing.number!r}", fix="number them anew")
            numbers.add(thing.number)
            found.things[picture].append(thing)
    _check(found)
    return found


def _check(found: Coco) -> None:
    if not found.images:
        raise DataError(f"{found.name} names no pictures under 'images'", fix="check that it is COCO's format")
    for picture, things in found.things.items():
        if picture not in found.images:
            raise DataError(
                f"{found.name}: the annotation {things[0].number!r} is of the picture {picture!r}, which is not among "
                f"its {len(found.images):,} pictures",
                fix="add the picture, or take its annotations out",
            )
        for thing in things:
            if thing.category not in found.categories:
                known = some([repr(one) for one in found.categories], 8) or "none"
                raise DataError(
                    f"{found.name}: the annotation {thing.number!r} is of the category {thing.category!r}, which is "
                    f"not known; known are {known}",
                    fix="add it under 'categories', or correct its 'category_id'",
                )


def _id(one: dict[str, Any], key: str, what: str, name: str) -> int | str:
    number = one.get(key)
    if isinstance(number, bool) or not isinstance(number, int | str):
        raise DataError(
            f"{name}: {what} has the {key!r} {number!r}; a number was expected: {one!r:.100}", fix="correct it"
        )
    return number


def _image(one: dict[str, Any], name: str) -> CocoImage:
    number, file_name = _id(one, "id", "a picture", name), one.get("file_name")
    if not isinstance(file_name, str) or not file_name.strip():
        raise DataError(f"{name}: the picture {number!r} has no 'file_name'", fix="give its file")
    height, width = one.get("height"), one.get("width")
    stated = isinstance(height, int) and isinstance(width, int) and height > 0 and width > 0
    return CocoImage(number, file_name, (cast(int, height), cast(int, width)) if stated else None)


def _thing(one: dict[str, Any], place: int, name: str, outlines: bool) -> tuple[int | str, CocoThing]:
    number = _id(one, "id", "an annotation", name) if "id" in one else f"at place {place}"
    picture = _id(one, "image_id", f"the annotation {number!r}", name)
    category = _id(one, "category_id", f"the annotation {number!r}", name)
    bbox, area = one.get("bbox"), one.get("area")
    if bbox is not None and bbox != []:
        bbox = _numbers(bbox, f"{name}: the 'bbox' of the annotation {number!r}", count=4)
    shape = one.get("segmentation") if outlines else None
    polygons, counts, size = _outline(shape, f"{name}: the 'segmentation' of the annotation {number!r}")
    crowd = one.get("iscrowd", 0) in (1, True)
    area = float(area) if isinstance(area, int | float) and not isinstance(area, bool) else None
    known = cast("tuple[float, float, float, float] | None", bbox or None)
    return picture, CocoThing(number, category, known, polygons, counts, size, crowd, area)


def _outline(
    found: Any, where: str
) -> tuple[tuple[tuple[float, ...], ...], tuple[int, ...] | str, tuple[int, int] | None]:
    """Polygons, run lengths and the size of those."""
    if not found:
        return (), (), None
    if isinstance(found, list):
        polygons = tuple(_numbers(one, where) for one in found)
        odd = next((len(one) for one in polygons if len(one) < 6 or len(one) % 2), None)
        if odd is not None:
            raise DataError(
                f"{where} has a polygon of {odd} numbers; three or more corners, x and y each, were expected",
                fix="correct it, or take it out",
            )
        if not all(math.isfinite(number) for one in polygons for number in one):
            raise DataError(f"{where} holds a number that is not finite", fix="correct it, or take it out")
        return polygons, (), None
    counts, size = (found.get("counts"), found.get("size")) if isinstance(found, dict) else (None, None)
    if isinstance(counts, list):
        counts = tuple(int(one) for one in _numbers(counts, where))
    if not isinstance(counts, str | tuple) or not isinstance(size, list) or len(size) != 2:
        raise DataError(f"{where} is {found!r:.80}; polygons, or 'counts' and 'size', were expected", fix="correct it")
    height, width = (int(one) for one in _numbers(size, where))
    return (), counts, (height, width)


def _numbers(found: Any, where: str, count: int | None = None) -> tuple[float, ...]:
    """A list of numbers; those that are not finite are for the reader to judge."""
    if (
        not isinstance(found, list)
        or (count is not None and len(found) != count)
        or any(isinstance(one, bool) or not isinstance(one, int | float) for one in found)
    ):
        wanted = f"{count} numbers were" if count is not None else "a list of numbers was"
        raise DataError(f"{where} is {found!r:.80}; {wanted} expected", fix="correct it, or take it out")
    return tuple(float(one) for one in found)
