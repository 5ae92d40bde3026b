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
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO, cast

from striate.core.errors import DataError
from striate.core.machine import memory_bytes
from striate.core.records import VOID, Dataset, Mask, MaskCode, Region, Sample, Source, Split
from striate.core.wording import plural, some
from striate.data.classes import BACKGROUNDS
from striate.data.outlines import runs_from_text
from striate.data.readers import READERS, ReadOptions
from striate.data.readers._glance import glance
from striate.data.readers._json_stream import elements
from striate.data.readers._listing import SPLIT_NAMES, Listing
from striate.data.readers._mask_codes import Coded
from striate.data.readers._places import Disk, Places
from striate.data.readers._segmented import Found, check_task, finished, given_splits
from striate.data.store import Store, printable

KEPT = 8
"""Bytes of memory that outlines may take for each byte of JSON; of polygons and of run lengths 3 to 7 were measured."""
PEEKED_BYTES = 65536
MOST_AT_TOP = 8
"""JSON files at the top above which they are labels of pictures rather than annotations."""

_LISTS = ("images", "annotations", "categories")


class Coco:
    """Reads COCO's annotations with outlines."""

    task = "segment"

    def accepts(self, data: Any) -> bool:
        """A `.json` that begins like COCO's, or a folder with such at its top, in `annotations/` or in its folders."""
        if not isinstance(data, Path):
            return False
        if data.is_file():
            return data.suffix.lower() == ".json" and speaks(_peek(data))
        return data.is_dir() and bool(_files_in(data))

    def read(self, data: Any, options: ReadOptions) -> Dataset:
        """Read it. Raises `DataError` where it has no outlines, contradicts itself, is cut off or takes much memory."""
        if not isinstance(data, Path):
            raise DataError("arrays are no COCO annotations", fix="choose another --reader, or leave it out")
        folder = data if data.is_dir() else data.parent
        names = _files_in(data) if data.is_dir() else [data.name]
        if data.is_file() and folder.name.lower() == "annotations":
            folder, names = folder.parent, [f"{folder.name}/{data.name}"]
        files = [(name, Source("file", str(folder / name))) for name in names]
        if options.root is not None and not Path(options.root).is_dir():
            raise DataError(f"the root {options.root} is not a folder", fix="give --root a folder that exists")
        return dataset_of(files, Disk(Path(options.root or folder)), options, str(data), "coco")


READERS.register("coco")(Coco())


def speaks(start: bytes) -> bool:
    """Whether a file begins like COCO's annotations.

    >>> speaks(b'{"images": [{"id": 1, "file_name": "a.jpg"'), speaks(b'{"images": "none"}')
    (True, False)
    """
    if not start.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{"):
        return False
    found = {key for key in _LISTS if re.search(rb'"%s"\s*:\s*\[' % key.encode(), start)}
    marks = {"images": b'"file_name"', "annotations": b'"image_id"', "categories": b'"name"'}
    return any(marks[key] in start for key in found)


def _peek(path: Path) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read(PEEKED_BYTES)
    except OSError:
        return b""  # not readable: another reader says so


def _files_in(folder: Path) -> list[str]:
    """Annotations in a folder, by name: those of instances where there are any."""
    return _chosen([name for name in _likely(glance(folder)) if speaks(_peek(folder / name))])


def files_among(listing: Listing) -> list[tuple[str, Source]]:
    """Annotations in an archive."""
    store, by_name = Store(), dict(listing.others)
    found = [name for name in _likely(by_name) if speaks(cast(bytes, store.read(by_name[name]))[:PEEKED_BYTES])]
    return [(name, by_name[name]) for name in _chosen(found)]


def _likely(names: Iterable[str]) -> list[str]:
    """JSON files where annotations lie: in `annotations/`, with a name that says so, or few at the top."""
    found = sorted(name for name in names if name.lower().endswith(".json"))
    at_top = [name for name in found if "/" not in name]
    return [
        name
        for name in found
        if (name in at_top and len(at_top) <= MOST_AT_TOP)
        or posixpath.basename(posixpath.dirname(name)).lower() == "annotations"
        or posixpath.basename(name).lower().startswith(("_annotations", "annotations", "coco", "instances"))
    ]


def _chosen(names: list[str]) -> list[str]:
    return [name for name in names if posixpath.basename(name).startswith("instances")] or names


@dataclass
class _File:
    """What one JSON file holds.

    Args:
        images: by id.
        categories: names by id.
        outlines: annotations with one, by the id of their image.
        boxes: annotations without an outline.
        runs: each run length, kept once: those of one file are few, and many.
    """

    images: dict[Any, dict[str, Any]] = field(default_factory=dict)
    categories: dict[Any, str] = field(default_factory=dict)
    outlines: dict[Any, list[dict[str, Any]]] = field(default_factory=lambda: defaultdict(list))
    boxes: int = 0
    runs: dict[int, int] = field(default_factory=dict)


def dataset_of(
    files: Sequence[tuple[str, Source]], places: Places, options: ReadOptions, path: str, reader: str
) -> Dataset:
    """The Dataset of COCO's annotations.

    Args:
        files: annotations, by name relative to `places`.

    Raises:
        DataError: see `Coco.read`.
    """
    check_task(options, "folders")
    read = {name: _read(source, printable(name)) for name, source in files}
    names, by_file = _classes(read)
    splits = {name: _split(name) for name in read}
    if len(read) > 1 and len({*splits.values()} - {None}) < len(read):
        raise DataError(
            f"{printable(path)} holds several annotations, not each of a split of its own: "
            f"{some([printable(name) for name in read])}",
            fix="name the one that is meant",
        )
    code = MaskCode("regions")
    samples: list[Sample] = []
    given: list[Split | None] = []
    absent = bare = 0
    for name, found in read.items():
        prefix = _root(found, name, places)
        for key, image in found.images.items():
            where, source = places.find(posixpath.normpath(posixpath.join(prefix, str(image["file_name"]))))
            regions = _regions(found, key, by_file[name], printable(name))
            absent += not places.exists(source)
            bare += not regions
            samples.append(Sample(where, (source,), Mask(code, regions=regions)))
            given.append(splits[name])
        _check_all_taken(found, printable(name))
    kept, notes = given_splits(given)
    samples = [Sample(one.key, one.sources, one.target, split) for one, split in zip(samples, kept, strict=True)]
    if bare:
        notes.append(f"{plural(bare, 'picture has', 'pictures have')} no outline: background throughout.")
    if absent:
        notes.append(f"{plural(absent, 'picture is', 'pictures are')} not there: the audit names them.")
    boxes = sum(found.boxes for found in read.values())
    if boxes:
        notes.append(f"{plural(boxes, 'annotation has', 'annotations have')} a box and no outline and is left out.")
    words = f"COCO's annotations ({some([printable(name) for name in read])})"
    rule = "later outlines cover earlier ones, crowds are void"
    return finished(Found(path, reader, words, (), {}), samples, Coded(code, names, rule), notes, options)


def _read(source: Source, shown: str) -> _File:
    """What a JSON file holds, after a look at the memory that it takes.

    Raises:
        DataError: too little memory, no JSON, nothing of COCO's, or boxes alone.
    """
    found = _File()
    if source.kind == "file":
        size = Path(source.path).stat().st_size
        _check_memory(size, shown)
        with open(source.path, "rb") as file:
            _take(found, file, shown)
    else:
        content = cast(bytes, Store().read(source))
        _check_memory(len(content), shown)
        _take(found, BytesIO(content), shown)
    if not found.images:
        raise DataError(f"{shown} lists no images", fix='give annotations with "images", as COCO has them')
    if not any(found.outlines.values()):
        raise DataError(
            f"{shown} holds "
            + (
                f"{found.boxes:,} boxes and no outline: detection is not there yet" if found.boxes else "no annotations"
            ),
            fix='give each annotation a "segmentation": polygons, or run lengths',
        )
    return found


def _check_memory(size: int, shown: str) -> None:
    there = memory_bytes()
    if KEPT * size > there:
        raise DataError(
            f"{shown} has {size:,} bytes; its outlines take up to {KEPT * size:,} bytes of memory, and "
            f"{there:,} are free",
            fix="split it by pictures into several files, use a machine with more memory, or write masks as PNG",
        )


def _take(found: _File, file: BinaryIO, shown: str) -> None:
    for kind, one in elements(file, _LISTS, shown):
        if not isinstance(one, dict):
            raise DataError(f'{shown} has {one!r} among its "{kind}", where objects were expected', fix="correct it")
        if kind == "images":
            _need(one, ("id", "file_name"), kind, shown)
            if one["id"] in found.images:
                raise DataError(f"{shown} has two images of the id {one['id']!r}", fix="give each its own")
            found.images[one["id"]] = one
        elif kind == "categories":
            _need(one, ("id", "name"), kind, shown)
            found.categories[one["id"]] = printable(str(one["name"]))
        else:
            _need(one, ("image_id", "category_id"), kind, shown)
            if one.get("segmentation"):
                found.outlines[one["image_id"]].append(
                    {key: one.get(key) for key in ("id", "category_id", "segmentation", "iscrowd")}
                )
            else:
                found.boxes += 1


def _need(one: Mapping[str, Any], keys: Iterable[str], kind: str, shown: str) -> None:
    missing = [key for key in keys if key not in one]
    if missing:
        raise DataError(
            f'{shown} has one of its "{kind}" without {" and ".join(map(repr, missing))}: {str(dict(one))[:100]}',
            fix="correct it",
        )


def _classes(read: Mapping[str, _File]) -> tuple[tuple[str, ...], dict[str, dict[Any, int]]]:
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


def _split(name: str) -> Split | None:
    """The split that a file's name or its folder says.

    >>> _split("annotations/instances_train2017.json"), _split("valid/_annotations.coco.json"), _split("a.json")
    ('train', 'val', None)
    """
    words = re.findall("[a-z]+", posixpath.basename(name).lower().removesuffix(".json"))
    words += [folder.lower() for folder in name.split("/")[:-1]]
    return next((cast(Split, SPLIT_NAMES[word]) for word in words if word in SPLIT_NAMES), None)


def _root(found: _File, name: str, places: Places) -> str:
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
    first = [str(image["file_name"]) for image in list(found.images.values())[:20]]
    for root in tried:
        if any(places.exists(places.find(posixpath.join(root, one))[1]) for one in first):
            return root
    raise DataError(
        f"none of the pictures that {printable(name)} lists is there, such as {printable(first[0])}, looked for in "
        f"{places}: {some([root or 'its top' for root in tried], 6)}",
        fix="give the folder that the pictures are in with --root",
    )


def _regions(found: _File, image: Any, places: Mapping[Any, int], shown: str) -> tuple[Region, ...]:
    size = _size(found.images[image])
    return tuple(_region(one, size, places, found.runs, shown) for one in found.outlines.pop(image, ()))


def _check_all_taken(found: _File, shown: str) -> None:
    """Raises `DataError` where annotations are of pictures that are not listed; `_regions` takes those that are."""
    left = [one for outlines in found.outlines.values() for one in outlines]
    if left:
        raise DataError(
            f"{plural(len(left), 'annotation', 'annotations')} of {shown}, such as {left[0]['id']!r}, are of an image "
            f"that it does not list: {next(iter(found.outlines))!r}",
            fix="add the image, or leave out the annotations",
        )


def _size(image: Mapping[str, Any]) -> tuple[int, int] | None:
    height, width = image.get("height"), image.get("width")
    return (height, width) if isinstance(height, int) and isinstance(width, int) and height and width else None


def _region(
    one: Mapping[str, Any], size: tuple[int, int] | None, places: Mapping[Any, int], kept: dict[int, int], shown: str
) -> Region:
    what = f"annotation {one['id']!r} of {shown}"
    if one["category_id"] not in places:
        known = some([str(key) for key in places], 8)
        raise DataError(
            f"{what} is of the category {one['category_id']!r}, which is not among its categories ({known})",
            fix="add the category, or correct the annotation",
        )
    place = VOID if one["iscrowd"] else places[one["category_id"]]
    outline = one["segmentation"]
    try:
        if isinstance(outline, dict):
            counts, of = outline["counts"], outline["size"]
            runs = runs_from_text(counts) if isinstance(counts, str) else map(int, counts)
            return Region(place, counts=tuple(kept.setdefault(run, run) for run in runs), size=(int(of[0]), int(of[1])))
        return Region(place, polygons=tuple(_corners(polygon) for polygon in outline), size=size)
    except DataError as error:
        raise DataError(f"{what}: {error.message}", fix=error.fix) from error
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise DataError(
            f"{what} has a segmentation that is neither polygons nor run lengths: {str(outline)[:80]}", fix="correct it"
        ) from error


def _corners(polygon: Sequence[Any]) -> tuple[float, ...]:
    corners = tuple(float(one) for one in polygon)
    if len(corners) % 2 or not all(abs(one) < float("inf") for one in corners):
        raise DataError(
            f"an outline has {len(corners)} numbers, where pairs of finite x and y were expected", fix="correct it"
        )
    return corners
