"""Pascal VOC's boxes: an XML for each picture with the classes and edges of its things; lists for splits.

Edges are taken as they stand. The devkit of VOC counts pixels from 1 and includes the last; most that is written in its
format since has edges, or either, so that a box may be off by a pixel.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, cast
from xml.etree.ElementTree import Element

from striate.core.errors import DataError
from striate.core.records import Boxes, Dataset, Sample, Source, Split
from striate.core.wording import plural, some
from striate.data.readers import READERS, ReadOptions
from striate.data.readers._boxes import Origin, box_or_reason, boxes_of, dataset_of_boxes
from striate.data.readers._glance import HEAD, first_file, glance, head, in_several_folders
from striate.data.readers._listing import Listing, list_folder
from striate.data.readers._matching import Album, split_of_folder, stem, with_suffix
from striate.data.readers._xml import read_xml
from striate.data.store import Store, printable

KIND = "Pascal VOC"
_EDGES = ("xmin", "ymin", "xmax", "ymax")
_MASKS = frozenset({"SegmentationClass", "SegmentationObject"})
"""Folders in which Pascal VOC has masks, which are called like their pictures and are none."""


class VocBoxes:
    """Reads `JPEGImages/`, `Annotations/` and `ImageSets/Main/`; or XML beside pictures, in folders of any names."""

    task = "detect"

    def accepts(self, data: Any) -> bool:
        """A folder with an XML near its top that is an annotation, of objects where there may be class folders."""
        if not isinstance(data, Path) or not data.is_dir():
            return False
        if first_file(data, lambda path: _is_annotation(head(path), of_objects=False), (".xml",)) is None:
            return False
        fits = partial(_is_annotation, of_objects=in_several_folders(glance(data)))
        return first_file(data, lambda path: fits(head(path)), (".xml",)) is not None

    def read(self, data: Any, options: ReadOptions) -> Dataset:
        """Read it. Raises `DataError` where annotations are cut off, senseless or without pictures."""
        if not isinstance(data, Path) or not data.is_dir():
            raise DataError(f"{data} is not a folder", fix="name the folder that holds pictures and annotations")
        return dataset_of(list_folder(data), options, "voc_boxes")


READERS.register("voc_boxes")(VocBoxes())


def _is_annotation(content: bytes, *, of_objects: bool) -> bool:
    """Whether an XML begins as an annotation; one that states only a picture's name and size may be a stray."""
    start = content[:HEAD]
    marks = (b"<object",) if of_objects else (b"<object", b"<size", b"<filename")
    return b"<annotation" in start and any(mark in start for mark in marks)


def annotations_among(listing: Listing) -> list[tuple[str, Source]]:
    """The XML files of a listing, where one of the first ten is an annotation; else none."""
    found, store = with_suffix(listing, (".xml",)), Store()
    fits = partial(_is_annotation, of_objects=in_several_folders(name for name, _ in listing.pictures))
    return found if any(fits(cast(bytes, store.read(source))) for _, source in found[:10]) else []


def dataset_of(listing: Listing, options: ReadOptions, reader: str) -> Dataset:
    """The Dataset of a listing, be it of a folder or an archive.

    Raises:
        DataError: an annotation cannot be understood, two are about one picture, or lists contradict each other.
    """
    pictures = [one for one in listing.pictures if _MASKS.isdisjoint(one[0].split("/")[:-1])]
    store, album = Store(), Album(replace(listing, pictures=pictures))
    notes: list[str] = []
    targets: dict[str, Boxes] = {}
    about: dict[str, str] = {}
    for name, source in with_suffix(listing, (".xml",)):
        root = read_xml(store, source)
        if root.tag != "annotation":
            notes.append(f"{printable(name)} is no annotation, but <{root.tag}>, and is passed over.")
            continue
        picture = _picture_of(root, name, album)
        if picture in about:
            raise DataError(
                f"{printable(about[picture])} and {printable(name)} are about the same picture, {printable(picture)}",
                fix="keep one of them",
            )
        about[picture], targets[picture] = name, _target(root, printable(name))
    listed = _lists(listing, store)
    names, splits = _splits([*dict.fromkeys([*targets, *album.pictures])], listed, notes)
    samples = [
        Sample(printable(name), (album.source(name),), targets.get(name), split)
        for name, split in zip(names, splits, strict=True)
    ]
    origin = Origin(listing.path, reader, KIND)
    return dataset_of_boxes(origin, samples, (), options, notes)


def _picture_of(root: Element, name: str, album: Album) -> str:
    """The name of an annotation's picture: called like it, else what <filename> says; where neither is there, too.

    Where <filename> is called like the annotation, its suffix tells the picture from a mask of the same stem.
    """
    said = (root.findtext("filename") or "").strip()
    base = posixpath.basename(said.replace("\\", "/"))
    alike = stem(base) == stem(posixpath.basename(name))
    found = (album.by_path(said, name) if alike else None) or album.by_stem(name)
    if found is None and said:
        found = album.by_path(said, name) or album.by_path(said, name, suffix=False)
    if found is not None:
        return found
    folder = next((posixpath.dirname(one) for one in album.pictures), "JPEGImages")
    return posixpath.join(folder, base or f"{stem(posixpath.basename(name))}.jpg")


def _target(root: Element, name: str) -> Boxes:
    """What an annotation says of its picture."""
    size = root.find("size")
    height, width = (_whole(size, part) for part in ("height", "width"))
    found = []
    for number, one in enumerate(root.findall("object"), 1):
        place = f"{name}, object {number}"
        label = (one.findtext("name") or "").strip()
        if not label:
            raise DataError(f"{place} has no name", fix="write its class into <name>")
        corners = one.find("bndbox")
        if corners is None:
            raise DataError(f"{place} ({label}) has no <bndbox>", fix="give its edges, or take the object out")
        edges = cast(tuple[float, float, float, float], tuple(_edge(corners, part, place) for part in _EDGES))
        found.append(box_or_reason(place, printable(label), edges, difficult=_flag(one), crowd=False))
    return boxes_of(found, (height, width) if height and width else None)


def _flag(one: Element) -> bool:
    return (one.findtext("difficult") or "0").strip().lower() in ("1", "true")


def _whole(size: Element | None, part: str) -> int:
    """A side of the picture as it is stated; 0 where it is not."""
    text = (size.findtext(part) or "").strip() if size is not None else ""
    return int(text) if text.isascii() and text.isdigit() else 0


def _edge(corners: Element, part: str, place: str) -> float:
    text = (corners.findtext(part) or "").strip()
    try:
        return float(text)
    except ValueError:
        raise DataError(
            f"{place}: its <{part}> is {text!r}; a number of pixels was expected", fix="correct it"
        ) from None


def _lists(listing: Listing, store: Store) -> dict[Split, list[str]]:
    """The stems that each list of `ImageSets/Main` names; of `trainval` only where there is no list for either.

    Where there are lists in several folders, as in VOCdevkit's `VOC2007/` and `VOC2012/`, each stem with its folder.
    """
    found: dict[str, dict[str, list[str]]] = {}
    for name, source in listing.others:
        folder, base = posixpath.split(name)
        kind = stem(base)
        if posixpath.basename(folder) != "Main" or base != f"{kind}.txt":
            continue
        if kind in ("train", "val", "test", "trainval"):
            text = cast(bytes, store.read(source)).decode("utf-8", "surrogateescape")
            year = posixpath.dirname(posixpath.dirname(folder))
            found.setdefault(year, {})[kind] = [line.split()[0] for line in text.splitlines() if line.strip()]
    listed: dict[str, list[str]] = {}
    for year, lists in found.items():
        if "trainval" in lists:
            both = lists.pop("trainval")
            if "train" not in lists:
                inner = set(lists.get("val", ()))
                lists["train"] = [one for one in both if one not in inner]
        for kind, stems in lists.items():
            listed.setdefault(kind, []).extend(posixpath.join(year if len(found) > 1 else "", one) for one in stems)
    return cast(dict[Split, list[str]], listed)


def _years(listed: Iterable[Sequence[str]]) -> list[str]:
    """The folders of the stems, the deepest first."""
    return sorted({posixpath.dirname(one) for stems in listed for one in stems}, key=len, reverse=True)


def _called(name: str, years: Sequence[str]) -> str:
    """What a picture is called in the lists: its stem, with the folder that it and its list lie in."""
    year = next((year for year in years if name.startswith(f"{year}/")), "")
    return posixpath.join(year, stem(posixpath.basename(name)))


def _splits(
    names: Sequence[str], listed: Mapping[Split, Sequence[str]], notes: list[str]
) -> tuple[list[str], list[Split | None]]:
    """The pictures that belong to the data, and the split of each: by the lists, else by folders."""
    if not listed:
        return list(names), [split_of_folder(name) for name in names]
    given: dict[str, Split] = {}
    for split, stems in listed.items():
        for one in stems:
            if given.setdefault(one, split) != split:
                raise DataError(
                    f"{printable(one)} is in the lists of both {given[one]} and {split}", fix="keep it in one of them"
                )
    years = _years(listed.values())
    known = {_called(name, years) for name in names}
    missing = [one for one in given if one not in known]
    every = [*names, *(_absent(one, names) for one in missing)]  # the audit says that they are absent
    taken = [name for name in every if _called(name, years) in given]
    counts = ", ".join(f"{split} {len(stems):,}" for split, stems in listed.items())
    notes.append(f"ImageSets/Main gives the splits: {counts}.")
    if missing:
        verb = plural(len(missing), "picture that they name is", "pictures that they name are")
        notes.append(f"{verb} not there: {some([printable(one) for one in missing])}.")
    left = len(every) - len(taken)
    if left:
        notes.append(f"{plural(left, 'picture is', 'pictures are')} in none of these lists and left out.")
    return taken, [given[_called(name, years)] for name in taken]


def _absent(listed: str, names: Sequence[str]) -> str:
    """Where a picture that a list names would be: with the others, of its own year."""
    year, base = posixpath.split(listed)
    beside = next((one for one in names if not year or one.startswith(f"{year}/")), posixpath.join(year, "JPEGImages/"))
    return posixpath.join(posixpath.dirname(beside), f"{base}.jpg")
