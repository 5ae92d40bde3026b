"""What all readers of boxes share: a box or the reason why it is none, and the Dataset of pictures with boxes."""

from __future__ import annotations

import math
import os
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from striate.core.errors import DataError
from striate.core.records import Box, Boxes, Dataset, Sample, Source
from striate.core.wording import plural, some
from striate.data.readers import ReadOptions
from striate.data.readers._groups import groups_of
from striate.data.readers._targets import BOXES, check_task

DROPPED_LIMIT = 0.5
"""Share of boxes that are none above which the file is held to mean something else by its numbers."""


def box_or_reason(
    place: str,
    label: str,
    edges: tuple[float, float, float, float],
    *,
    difficult: bool = False,
    crowd: bool = False,
    area: float | None = None,
) -> Box | str:
    """A box, or why there is none.

    Args:
        place: where it stands, such as "line 7", for the reason.
        edges: x1, y1, x2, y2 in pixels.
        area: of the thing itself; one that is not finite or not above 0 is as if not said.

    >>> box_or_reason("line 7", "cat", (4, 4, 2, 9))
    'line 7, cat: its right edge, 2, is not right of its left one, 4'
    """
    if not all(map(math.isfinite, edges)):
        return f"{place}, {label}: an edge is not a finite number: {', '.join(f'{edge:g}' for edge in edges)}"
    x1, y1, x2, y2 = map(float, edges)
    if x2 <= x1:
        return f"{place}, {label}: its right edge, {x2:g}, is not right of its left one, {x1:g}"
    if y2 <= y1:
        return f"{place}, {label}: its lower edge, {y2:g}, is not below its upper one, {y1:g}"
    known = area if area is not None and math.isfinite(area) and area > 0 else None
    return Box(label, x1, y1, x2, y2, difficult, crowd, known)


def boxes_of(found: Iterable[Box | str], size: tuple[int, int] | None = None) -> Boxes:
    """The boxes of a picture, of what `box_or_reason` gave for each."""
    boxes: list[Box] = []
    dropped: list[str] = []
    for one in found:
        if isinstance(one, Box):
            boxes.append(one)
        else:
            dropped.append(one)
    return Boxes(tuple(boxes), size, tuple(dropped))


@dataclass(frozen=True)
class Origin:
    """What a Dataset of boxes says of where it came from.

    Args:
        path: what the user named.
        reader: the reader's name.
        kind: in words, such as "Pascal VOC".
        fix: what to do where no picture is there.
    """

    path: str
    reader: str
    kind: str
    fix: str = "put the pictures beside their annotations"


def dataset_of_boxes(
    origin: Origin, samples: Sequence[Sample], names: Iterable[str], options: ReadOptions, notes: Sequence[str] = ()
) -> Dataset:
    """The Dataset of pictures with boxes.

    Args:
        samples: with `Boxes`, or None where a picture has no annotation; groups are set here unless some have one.
        names: the classes that the data names; those of boxes are added.

    Raises:
        DataError: no pictures, none of them there, no boxes, or more than half of the boxes are none.
    """
    check_task(options, BOXES, origin.kind)
    if not samples:
        raise DataError(f"there are no pictures in {origin.path}", fix=origin.fix)
    _check_there(origin, samples)
    targets = [sample.target for sample in samples if isinstance(sample.target, Boxes)]
    counts = Counter(box.label for target in targets for box in target.boxes)
    dropped = [reason for target in targets for reason in target.dropped]
    total = counts.total()
    if len(dropped) > DROPPED_LIMIT * (total + len(dropped)):
        raise DataError(
            f"{len(dropped):,} of {total + len(dropped):,} boxes in {origin.path} are none, such as {dropped[0]}",
            fix="check what the numbers mean: left, top, right and lower edge, not width and height, are expected",
        )
    if not total:
        raise DataError(
            f"there are no boxes in {origin.path}: {plural(len(samples), 'picture', 'pictures')}, and none of them has "
            "one",
            fix="check that the annotations lie where they are looked for; pictures alone teach no detector",
        )
    classes = tuple(sorted({*names, *counts}))
    first = (
        f"Read as {origin.kind}: {plural(len(samples), 'picture', 'pictures')} with {plural(total, 'box', 'boxes')} of "
        f"{plural(len(classes), 'class', 'classes')} ({some(classes, 8)})."
    )
    said = [first, *notes]
    if dropped:
        verb = plural(len(dropped), "box is none and is", "boxes are none and are")
        said.append(f"{verb} dropped: {'; '.join(dropped[:2])}{'; …' if len(dropped) > 2 else ''}.")
    bare = sum(sample.target is None for sample in samples)
    if bare:
        said.append(f"{plural(bare, 'picture has', 'pictures have')} no annotation.")
    empty = sum(not target.boxes for target in targets)
    if empty:
        said.append(f"{plural(empty, 'picture is', 'pictures are')} annotated with no box: nothing is there.")
    if options.group and not any(sample.group for sample in samples):
        groups = groups_of([sample.key for sample in samples], options.group)
        samples = [replace(sample, group=group) for sample, group in zip(samples, groups, strict=True)]
    ordered = tuple(sorted(samples, key=lambda sample: sample.key))
    return Dataset(origin.path, origin.reader, BOXES, ordered, classes, notes=tuple(said))


def _check_there(origin: Origin, samples: Sequence[Sample]) -> None:
    """Refuse data of which not one picture is there; single ones are for the audit to say."""
    sources: list[Source] = [source for sample in samples for source in sample.sources]
    if not any(source.kind != "file" or os.path.isfile(source.path) for source in sources):
        raise DataError(
            f"none of the {len(samples):,} pictures that the annotations in {origin.path} name is there, such as "
            f"{samples[0].key!r}",
            fix=origin.fix,
        )
