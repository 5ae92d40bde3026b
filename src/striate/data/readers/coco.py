"""COCO's annotations: outlines and run lengths of things in pictures, by category.

A file or a folder with `annotations/instances_train.json` and the like, or with `_annotations.coco.json` beside the
pictures of each split. Categories are classes, in the order of their ids, after the background at 0. Where outlines
overlap, the one that stands later in the file covers the earlier; a crowd (`iscrowd`) is void. A picture without
annotations is background throughout.

The JSON is read element by element, so that no more than its outlines is held: about `KEPT` bytes for each of its own.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from striate.core.errors import DataError
from striate.core.machine import memory_bytes
from striate.core.records import VOID, Dataset, Mask, MaskCode, Region, Sample, Source, Split
from striate.core.wording import plural, some
from striate.data.classes import BACKGROUNDS
from striate.data.outlines import runs_from_text
from striate.data.readers import READERS, ReadOptions
from striate.data.readers._coco import Coco, CocoImage, CocoThing, read_coco
from striate.data.readers._coco_files import around, files_among, kinds_at
from striate.data.readers._listing import SPLIT_NAMES, list_folder
from striate.data.readers._mask_codes import Coded
from striate.data.readers._matching import split_in_name, split_of_folder
from striate.data.readers._places import Disk, Places, root_of
from striate.data.readers._segmented import Found, finished, given_splits
from striate.data.readers._targets import MASKS, check_task
from striate.data.store import Store, printable

KEPT = 8
"""Bytes of memory that outlines may take for each byte of JSON; of polygons and of run lengths 3 to 5 were measured."""


class CocoMasks:
    """Reads COCO's annotations with outlines."""

    task = "segment"

    def accepts(self, data: Any) -> bool:
        """A file of COCO's with outlines, or a folder with such near its top."""
        return isinstance(data, Path) and "outlines" in (kinds_at(data) or ())

    def read(self, data: Any, options: ReadOptions) -> Dataset:
        """Read it. Raises `DataError` where it has no outlines, contradicts itself, is cut off or takes much memory."""
        if not isinstance(data, Path):
            raise DataError("arrays are no COCO annotations", fix="choose another --reader, or leave it out")
        folder = data if data.is_dir() else around(data)
        places = Disk(root_of(options, folder))
        if data.is_dir():
            files = files_among(list_folder(data))
        else:
            files = [(data.relative_to(folder).as_posix(), Source("file", str(data)))]
        return dataset_of(files, places, options, str(data), "coco")


READERS.register("coco")(CocoMasks())


def dataset_of(
    files: Sequence[tuple[str, Source]], places: Places, options: ReadOptions, path: str, reader: str
) -> Dataset:
    """The Dataset of COCO's annotations.

    Args:
        files: annotations, by name relative to `places`.

    Raises:
        DataError: see `CocoMasks.read`.
    """
    check_task(options, MASKS, "COCO's annotations", "--reader folders")
    read = {name: _read(source) for name, source in files}
    if not read:
        raise DataError(f"{printable(path)} holds no annotations of COCO's", fix="choose another --reader")
    names, by_file = _classes(read)
    splits = {name: split_in_name(name) or split_of_folder(name) for name in read}
    if len(read) > 1 and len({*splits.values()} - {None}) < len(read):
        raise DataError(
            f"{printable(path)} holds several annotations, not each of a split of its own: "
            f"{some([printable(name) for name in read])}",
            fix="name the one that is meant",
        )
    code = MaskCode("regions")
    samples: list[Sample] = []
    given: list[Split | None] = []
    absent = bare = boxes = 0
    for name, found in read.items():
        prefix = _root(found, name, places)
        runs: dict[int, int] = {}
        for key, image in found.images.items():
            where, source = places.find(posixpath.normpath(posixpath.join(prefix, image.file_name)))
            things = found.things.pop(key, [])
            regions = tuple(_region(one, image, by_file[name], runs, found.name) for one in things if _outlined(one))
            absent += not places.exists(source)
            bare += not regions
            boxes += len(things) - len(regions)
            samples.append(Sample(where, (source,), Mask(code, regions=regions)))
            given.append(splits[name])
    kept, notes = given_splits(given)
    samples = [Sample(one.key, one.sources, one.target, split) for one, split in zip(samples, kept, strict=True)]
    if bare:
        notes.append(f"{plural(bare, 'picture has', 'pictures have')} no outline: background throughout.")
    if absent:
        notes.append(f"{plural(absent, 'picture is', 'pictures are')} not there: the audit names them.")
    if boxes:
        notes.append(f"{plural(boxes, 'annotation has', 'annotations have')} a box and no outline and is left out.")
    words = f"COCO's annotations ({some([printable(name) for name in read])})"
    rule = "later outlines cover earlier ones, crowds are void"
    return finished(Found(path, reader, words, (), {}), samples, Coded(code, names, rule), notes, options)


def _read(source: Source) -> Coco:
    """What a file holds, after a look at the memory that it takes.

    Raises:
        DataError: it takes too much, contradicts itself, or no annotation has an outline.
    """
    _check_memory(source)
    found = read_coco(source, outlines=True)
    if not any(_outlined(one) for things in found.things.values() for one in things):
        boxes = sum(map(len, found.things.values()))
        raise DataError(
            f"{found.name} holds {f'{boxes:,} boxes and no outline' if boxes else 'no annotations'}",
            fix='give each annotation a "segmentation": polygons, or run lengths'
            + ("; or --task detect, for boxes" if boxes else ""),
        )
    return found


def _outlined(one: CocoThing) -> bool:
    return bool(one.polygons or one.counts)


def _check_memory(source: Source) -> None:
    size = Path(source.path).stat().st_size if source.kind == "file" else len(cast(bytes, Store().read(source)))
    there = memory_bytes()
    if KEPT * size > there:
        raise DataError(
            f"{printable(str(source))} has {size:,} bytes; its outlines take up to {KEPT * size:,} bytes of "
            f"memory, and {there:,} are free",
            fix="split it by pictures into several files, use a machine with more memory, or write masks as PNG",
        )


def _classes(read: Mapping[str, Coco]) -> tuple[tuple[str, ...], dict[str, dict[int | str, int]]]:
    """Class names, the background first, and for each file the place of each category."""
    names: list[str] = []
    for found in read.values():
        order = sorted(found.categories.items(), key=lambda entry: (str(type(entry[0])), entry[0]))
        names += [name for _, name in order if name not in names]
    background = next((name for name in names if name.lower() in BACKGROUNDS), "background")
    names = [background, *(name for name in names if name != background)]
    if len(names) > VOID:
        raise DataError(f"there are {len(names):,} categories; a mask holds at most {VOID}", fix="merge some")
    places = {file: {key: names.index(name) for key, name in found.categories.items()} for file, found in read.items()}
    return tuple(names), places


def _root(found: Coco, name: str, places: Places) -> str:
    """The folder that pictures of a file are in, relative to the data: the first in which one of the first few is.

    Raises:
        DataError: there is none.
    """
    folder = posixpath.dirname(name)
    above = posixpath.dirname(folder)
    words = re.findall("[A-Za-z]+[0-9]*", posixpath.basename(name).removesuffix(".json"))
    likely = [word for word in words if re.sub("[0-9]", "", word).lower() in SPLIT_NAMES]
    tried = ["", folder, above, *(posixpath.join(base, "images") for base in (folder, above, ""))]
    for word in likely:
        tried += [posixpath.join(base, part, word) for base in (folder, above, "") for part in ("", "images")]
    tried = list(dict.fromkeys(tried))
    first = [image.file_name for image in list(found.images.values())[:20]]
    for root in tried:
        if any(places.exists(places.find(posixpath.join(root, one))[1]) for one in first):
            return root
    raise DataError(
        f"none of the pictures that {printable(name)} lists is there, such as {printable(first[0])}, looked for in "
        f"{places}: {some([root or 'its top' for root in tried], 6)}",
        fix="give the folder that the pictures are in with --root",
    )


def _region(
    one: CocoThing, image: CocoImage, places: Mapping[int | str, int], kept: dict[int, int], shown: str
) -> Region:
    """The part of a picture that an annotation outlines.

    Args:
        kept: each run length, kept once: those of one file are few, and many.
    """
    place = VOID if one.crowd else places[one.category]
    if one.polygons:
        return Region(place, polygons=one.polygons, size=image.size)
    try:
        runs = runs_from_text(one.counts) if isinstance(one.counts, str) else one.counts
    except DataError as error:
        raise DataError(f"annotation {one.number!r} of {shown}: {error.message}", fix=error.fix) from error
    return Region(place, counts=tuple(kept.setdefault(run, run) for run in runs), size=one.counts_size)
