"""COCO's boxes: one JSON for many pictures, with left, top, width and height in pixels."""

from __future__ import annotations

import math
import os
import posixpath
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from striate.core.errors import DataError
from striate.core.records import Box, Boxes, Dataset, Sample, Source, Split
from striate.core.wording import plural, some
from striate.data.readers import READERS, ReadOptions
from striate.data.readers._boxes import Origin, box_or_reason, boxes_of, dataset_of_boxes
from striate.data.readers._coco import Coco, CocoImage, CocoThing, read_coco
from striate.data.readers._coco_files import around, files_among, kinds_among, kinds_at
from striate.data.readers._glance import glance, in_several_folders
from striate.data.readers._listing import Listing, list_folder
from striate.data.readers._matching import Album, split_in_name, split_of_folder
from striate.data.readers._places import root_of
from striate.data.readers._targets import BOXES, check_task
from striate.data.store import printable

KIND = "COCO"


class CocoBoxes:
    """Reads a JSON of COCO's format with the pictures that it names, or a folder that holds such."""

    task = "detect"

    def accepts(self, data: Any) -> bool:
        """Such a file, but for one of outlines alone; or a folder with one near its top that holds a box.

        Beside class folders there may be a JSON of that format which only repeats their classes.
        """
        if not isinstance(data, Path):
            return False
        kinds = kinds_at(data)
        return "boxes" in (kinds or ()) or (
            kinds == frozenset() and (data.is_file() or not in_several_folders(glance(data)))
        )

    def read(self, data: Any, options: ReadOptions) -> Dataset:
        """Read it. Raises `DataError` where the file is cut off, contradicts itself, or no picture is there."""
        if not isinstance(data, Path) or not data.exists():
            raise DataError(f"{data} is neither a file nor a folder", fix="name COCO's JSON, or the folder around it")
        if data.is_dir() and options.root is None:
            return dataset_of(list_folder(data), options, "coco_boxes")
        base = root_of(options, around(data))
        files = files_among(list_folder(data)) if data.is_dir() else [(data.name, Source("file", str(data)))]
        named = [(posixpath.relpath(os.path.abspath(one.path), os.path.abspath(base)), one) for _, one in files]
        return _dataset(list_folder(base), named, options, str(data), "coco_boxes")


READERS.register("coco_boxes")(CocoBoxes())


def boxes_among(listing: Listing) -> bool:
    """Whether a listing has a file of COCO's format that holds a box; or no box, where nothing looks like classes."""
    kinds = kinds_among(listing)
    return "boxes" in (kinds or ()) or (
        kinds == frozenset() and not in_several_folders(name for name, _ in listing.pictures)
    )


def dataset_of(listing: Listing, options: ReadOptions, reader: str) -> Dataset:
    """The Dataset of a listing, be it of a folder or an archive.

    Raises:
        DataError: a file cannot be understood, or two of them describe one picture.
    """
    return _dataset(listing, files_among(listing), options, listing.path, reader)


def _dataset(
    listing: Listing, files: Sequence[tuple[str, Source]], options: ReadOptions, path: str, reader: str
) -> Dataset:
    check_task(options, BOXES, KIND)
    album = Album(listing)
    notes: list[str] = []
    samples: dict[str, Sample] = {}
    said_by: dict[str, str] = {}
    names: set[str] = set()
    several = len(files) > 1
    for file, source in files:
        content = read_coco(source)
        if several and not any(thing.bbox for things in content.things.values() for thing in things):
            notes.append(f"{printable(file)} has no boxes and is passed over.")
            continue
        names.update(content.categories.values())
        split = split_in_name(file) or split_of_folder(file)
        for key, sample in _samples(content, file, album, split if several else None, notes):
            if key in samples:
                raise DataError(
                    f"{printable(said_by[key])} and {printable(file)} both describe the picture {printable(key)}",
                    fix="name the one to be read itself, or keep one of them",
                )
            samples[key], said_by[key] = sample, file
    if several:
        notes.insert(0, f"Annotations come from {some([printable(file) for file, _ in files], 6)}.")
    left = len(album.pictures.keys() - samples.keys())
    if left:
        notes.append(
            f"{plural(left, 'picture', 'pictures')} that no file names {'is' if left == 1 else 'are'} left out."
        )
    origin = Origin(path, reader, KIND, "give the folder that holds them with --root, or put them beside the JSON")
    return dataset_of_boxes(origin, list(samples.values()), names, options, notes)


def _samples(
    content: Coco, file: str, album: Album, split: Split | None, notes: list[str]
) -> Iterable[tuple[str, Sample]]:
    """The pictures of one file, by their names in the listing."""
    bare = sum(thing.bbox is None for things in content.things.values() for thing in things)
    if bare:
        notes.append(f"{plural(bare, 'annotation', 'annotations')} of {printable(file)} without a bbox passed over.")
    for image in content.images.values():
        name = album.by_path(image.file_name, file)
        if name is None:  # absent: the audit says so
            name = posixpath.normpath(posixpath.join(posixpath.dirname(file), image.file_name.replace("\\", "/")))
        target = _target(content, image, content.things.get(image.number, ()))
        yield name, Sample(printable(name), (album.source(name),), target, split or split_of_folder(name))


def _target(content: Coco, image: CocoImage, things: Iterable[CocoThing]) -> Boxes:
    found: list[Box | str] = []
    for thing in things:
        if thing.bbox is None:
            continue
        left, top, width, height = thing.bbox
        area = thing.area
        if area is not None and math.isclose(area, width * height, rel_tol=1e-5):
            area = None
        found.append(
            box_or_reason(
                f"{content.name}, annotation {thing.number}",
                content.categories[thing.category],
                (left, top, left + width, top + height),
                crowd=thing.crowd,
                area=area,
            )
        )
    return boxes_of(found, image.size)
