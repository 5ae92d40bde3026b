"""YOLO: a text file for each picture, a line for each box; a `data.yaml` may name classes and splits."""

from __future__ import annotations

import os
import posixpath
from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, cast

from striate.core.errors import DataError
from striate.core.records import Boxes, Dataset, Sample, Source, Split
from striate.core.wording import plural, some
from striate.data.header import upright_size
from striate.data.readers import READERS, ReadOptions
from striate.data.readers._boxes import Origin, boxes_of, dataset_of_boxes
from striate.data.readers._glance import first_file, glance, head, in_several_folders
from striate.data.readers._listing import Listing, has_picture_suffix, list_folder
from striate.data.readers._matching import Album, absent, split_of_folder, stem, with_suffix
from striate.data.readers._places import root_of, without_root
from striate.data.readers._targets import BOXES, check_task
from striate.data.readers._yolo import Lines, Recipe, is_label_line, is_recipe, read_recipe
from striate.data.store import Store, printable

KIND = "YOLO text"
YAML = (".yaml", ".yml")
SHARE = 0.25
"""Of the pictures in several folders, how many have a text file beside them where those are labels."""
NAME_FILES = ("classes.txt", "obj.names", "classes.names", "_darknet.labels", "labels.txt")


class Yolo:
    """Reads pictures with their text files beside them, or in `labels/` where the pictures are in `images/`."""

    task = "detect"

    def accepts(self, data: Any) -> bool:
        """A `data.yaml`, or a folder with label files near its top: class folders may have a `data.yaml` too."""
        if not isinstance(data, Path):
            return False
        if data.is_file():
            return data.suffix.lower() in YAML and is_recipe(head(str(data)))
        if not data.is_dir():
            return False
        if first_file(data, lambda path: is_recipe(head(path)), YAML) is not None:
            return first_file(data, partial(_is_labels, data, empty=True), (".txt",)) is not None
        found = first_file(data, partial(_is_labels, data, empty=False), (".txt",))
        if found is None:
            return False
        return "labels" in Path(found).parent.relative_to(data).parts or _enough(glance(data))

    def read(self, data: Any, options: ReadOptions) -> Dataset:
        """Read it. Raises `DataError` where lines cannot be understood, or nothing is where `data.yaml` says."""
        if not isinstance(data, Path) or not data.exists():
            raise DataError(f"{data} is neither a file nor a folder", fix="name the folder, or its data.yaml")
        if data.is_dir():
            return without_root(dataset_of(list_folder(data), options, "yolo"), options)
        name = printable(str(data))
        recipe = read_recipe(data.read_bytes(), name)
        said = data.parent / recipe.root
        base = root_of(options, said if said.is_dir() else data.parent)
        return _dataset(list_folder(base), recipe, name, "", options, str(data), "yolo")


READERS.register("yolo")(Yolo())


def _is_labels(data: Path, path: str, *, empty: bool) -> bool:
    """Whether a text file is that of a picture beside it, or lies among labels; one without a line only where told."""
    lines = head(path).decode("utf-8", "replace").splitlines()
    first = next((line for line in lines if line.strip()), "")
    folder, name = os.path.split(path)
    if not (is_label_line(first) or (empty and not first)):
        return False
    if "labels" in Path(folder).relative_to(data).parts:
        return True
    return any(
        os.path.isfile(os.path.join(folder, f"{stem(name)}.{suffix}")) for suffix in ("jpg", "jpeg", "png", "JPG")
    )


def _enough(names: Iterable[str]) -> bool:
    """Whether label files are more than strays: where several folders hold pictures and none labels, by their share."""
    names = list(names)
    pictures = [name for name in names if has_picture_suffix(name)]
    texts = {name: Source("file", name) for name in names if name.endswith(".txt")}
    among_labels = any("labels" in name.split("/")[:-1] for name in texts)
    if among_labels or not in_several_folders(pictures):
        return True
    return sum(_labels_of(name, texts) is not None for name in pictures) >= SHARE * len(pictures)


def labels_among(listing: Listing) -> bool:
    """Whether a listing has label files of YOLO's kind."""
    store = Store()
    known = dict(with_suffix(listing, (".txt",)))
    labels = [found for name, _ in listing.pictures if (found := _labels_of(name, known)) is not None]
    if labels and any(
        is_recipe(cast(bytes, store.read(source))[:4096]) for _, source in with_suffix(listing, YAML)[:10]
    ):
        return True
    for label in labels[:10]:
        text = cast(bytes, store.read(known[label])).decode("utf-8", "replace")
        if is_label_line(next((line for line in text.splitlines() if line.strip()), "")):
            return _enough([name for name, _ in (*listing.pictures, *listing.others)])
    return False


def dataset_of(listing: Listing, options: ReadOptions, reader: str) -> Dataset:
    """The Dataset of a listing, be it of a folder or an archive.

    Raises:
        DataError: several YAML files that say different things, or one that names what is not there.
    """
    store = Store()
    recipes = []
    for name, source in with_suffix(listing, YAML):
        content = cast(bytes, store.read(source))
        if is_recipe(content[:4096]):
            recipes.append((name, read_recipe(content, printable(name))))
    if len(recipes) > 1:
        shown = some([printable(name) for name, _ in recipes])
        raise DataError(f"{listing.path} holds {len(recipes)} files that say what is in it: {shown}", fix="name one")
    if recipes:
        name, recipe = recipes[0]
        return _dataset(listing, recipe, printable(name), posixpath.dirname(name), options, listing.path, reader)
    return _dataset(listing, Recipe(None, "", {}), "", "", options, listing.path, reader)


def _dataset(
    listing: Listing, recipe: Recipe, said_by: str, base: str, options: ReadOptions, path: str, reader: str
) -> Dataset:
    """The Dataset by a recipe.

    Args:
        said_by: the recipe's file, for messages; "" where there is none.
        base: the folder of the listing that its paths are relative to.
    """
    check_task(options, BOXES, KIND)
    store, album = Store(), Album(listing)
    texts = dict(with_suffix(listing, (".txt",)))
    notes: list[str] = []
    names = recipe.names or _named(listing, store, notes)
    if recipe.parts:
        placed = _placed(recipe, said_by, base, album, texts, store, notes)
    else:
        placed = {name: split_of_folder(name) for name in album.pictures}
    lines = Lines(names)
    samples: list[Sample] = []
    for name, split in placed.items():
        source = album.source(name)
        samples.append(Sample(printable(name), (source,), _target(name, source, texts, lines, store, notes), split))
    if lines.polygons:
        notes.append(f"{plural(lines.polygons, 'line is an outline', 'lines are outlines')}: the box around it counts.")
    if names is None:
        notes.append("No file names the classes: they are called by their numbers.")
    elif said_by:
        notes.append(f"Classes and splits are named by {said_by}." if recipe.parts else f"{said_by} names the classes.")
    alone = _without_picture(texts, album.pictures)
    if alone:
        verb = plural(len(alone), "label file has", "label files have")
        notes.append(f"{verb} no picture: {some([printable(name) for name in alone])}.")
    origin = Origin(path, reader, KIND, "put the pictures where data.yaml says, or correct it")
    return dataset_of_boxes(origin, samples, names or (), options, notes)


def _target(
    name: str, source: Source, texts: dict[str, Source], lines: Lines, store: Store, notes: list[str]
) -> Boxes | None:
    """The boxes of a picture; None where it has no label file, or cannot be read, so that fractions are of nothing."""
    found = _labels_of(name, texts)
    if found is None:
        return None
    text = cast(bytes, store.read(texts[found])).decode("utf-8", "surrogateescape")
    try:
        size = upright_size(store, source)
    except DataError as error:
        notes.append(f"The boxes of {printable(name)} are left out, as its size is not known: {error.message}.")
        return None
    return boxes_of(lines.boxes(text, printable(found), size))


def _labels_of(picture: str, texts: dict[str, Source]) -> str | None:
    """The label file of a picture: in `labels/` for one in `images/`, else beside it."""
    folders, base = picture.split("/")[:-1], posixpath.basename(picture)
    candidates = []
    places = [place for place, folder in enumerate(folders) if folder.lower() in ("images", "jpegimages")]
    if places:
        inner = [*folders[: places[-1]], "labels", *folders[places[-1] + 1 :]]
        candidates.append("/".join([*inner, f"{stem(base)}.txt"]))
    candidates.append("/".join([*folders, f"{stem(base)}.txt"]))
    candidates.append("/".join([*folders, "labels", f"{stem(base)}.txt"]))
    return next((name for name in candidates if name in texts), None)


def _without_picture(texts: Iterable[str], pictures: Iterable[str]) -> list[str]:
    """The files in folders of labels that are called like no picture."""
    known = {stem(posixpath.basename(name)) for name in pictures}
    found = [name for name in texts if "labels" in name.split("/")[:-1] and posixpath.basename(name) not in NAME_FILES]
    return [name for name in found if stem(posixpath.basename(name)) not in known]


def _named(listing: Listing, store: Store, notes: list[str]) -> tuple[str, ...] | None:
    """The classes that a file of names gives, one a line."""
    for name, source in listing.others:
        if posixpath.basename(name).lower() in NAME_FILES:
            text = cast(bytes, store.read(source)).decode("utf-8", "surrogateescape")
            names = tuple(printable(line.strip()) for line in text.splitlines() if line.strip())
            if names and len(set(names)) == len(names) and not any(map(is_label_line, names)):
                notes.append(f"{printable(name)} names the classes.")
                return names
    return None


def _placed(
    recipe: Recipe,
    said_by: str,
    base: str,
    album: Album,
    texts: dict[str, Source],
    store: Store,
    notes: list[str],
) -> dict[str, Split | None]:
    """The pictures of each split that a recipe names."""
    found: dict[str, Split | None] = {}
    for split, paths in recipe.parts.items():
        for path in paths:
            names = _pictures_at(path, recipe.root, base, album, texts, store)
            if not names:
                raise DataError(
                    f"{said_by} names {split}: {path}, and no pictures are there", fix="correct the path, or fetch them"
                )
            for name in names:
                if found.setdefault(name, cast(Split, split)) != split:
                    raise DataError(
                        f"{said_by} has {printable(name)} in both {found[name]} and {split}", fix="keep it in one"
                    )
    left = len(album.pictures.keys() - found.keys())
    if left:
        notes.append(f"{plural(left, 'picture is', 'pictures are')} in no split of {said_by} and left out.")
    return found


def _pictures_at(
    path: str, root: str, base: str, album: Album, texts: dict[str, Source], store: Store
) -> Sequence[str]:
    """The pictures in a folder, or in a text file that lists them, as a recipe gives it.

    Paths of another machine are common in these files: of one that is not here, the end that is here counts.
    """
    for place in _places(path, root, base):
        if place in texts:
            text = cast(bytes, store.read(texts[place])).decode("utf-8", "surrogateescape")
            listed = [line.strip() for line in text.splitlines() if line.strip()]
            names = [album.by_path(line, place) or absent(line, place) for line in listed]
            return [name for name in names if has_picture_suffix(name)]
        start = "" if place == "." else f"{place}/"
        inside = [name for name in album.pictures if name.startswith(start)]
        if inside:
            return inside
    return []


def _places(path: str, root: str, base: str) -> list[str]:
    """Where in the listing a path may lead, the likeliest first."""
    path = path.replace("\\", "/").rstrip("/")
    found = []
    for one in (posixpath.join(root, path), path):
        found.append(posixpath.normpath(posixpath.join(base, one)))
    parts = [part for part in path.split("/") if part not in ("", ".", "..")]
    found += [posixpath.normpath(posixpath.join(base, *parts[start:])) for start in range(len(parts))]
    return list(dict.fromkeys(found))
