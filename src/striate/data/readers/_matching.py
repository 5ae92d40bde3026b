"""Which picture an annotation is about: by its path, its name or its stem, the nearest where several are called so."""

from __future__ import annotations

import posixpath
import re
from collections import defaultdict
from collections.abc import Iterable
from typing import cast

from striate.core.errors import DataError
from striate.core.records import Source, Split
from striate.data.readers._listing import SPLIT_NAMES, Listing
from striate.data.store import printable


class Album:
    """The pictures of a listing, to be looked up.

    Args:
        listing: of a folder or an archive.
    """

    def __init__(self, listing: Listing) -> None:
        self.path = listing.path
        self.pictures = dict(listing.pictures)
        self._by_base: dict[str, list[str]] = defaultdict(list)
        self._by_stem: dict[str, list[str]] = defaultdict(list)
        for name in self.pictures:
            base = posixpath.basename(name)
            self._by_base[base].append(name)
            self._by_stem[stem(base)].append(name)

    def by_path(self, path: str, near: str) -> str | None:
        """The picture at a path as an annotation gives it: relative to the listing or to the annotation, or anywhere.

        Args:
            path: with slashes of either kind; folders that are not here are passed over.
            near: the annotation's own name in the listing.

        Raises:
            DataError: several pictures are called so, and none is nearer.
        """
        path = path.strip().replace("\\", "/")
        beside = posixpath.normpath(posixpath.join(posixpath.dirname(near), path))
        for name in (beside, posixpath.normpath(path)):
            if name in self.pictures:
                return name
        return self._nearest(self._by_base.get(posixpath.basename(path), []), posixpath.join(near, "..", path))

    def by_stem(self, name: str) -> str | None:
        """The picture that is called like an annotation, but for the suffix. Raises as `by_path` does."""
        return self._nearest(self._by_stem.get(stem(posixpath.basename(name)), []), name)

    def _nearest(self, names: list[str], wanted: str) -> str | None:
        if len(names) < 2:
            return names[0] if names else None
        folders = posixpath.normpath(posixpath.dirname(wanted)).split("/")
        scores = [_shared(posixpath.dirname(name).split("/"), folders) for name in names]
        best = [name for name, score in zip(names, scores, strict=True) if score == max(scores)]
        if len(best) > 1:
            raise DataError(
                f"{printable(wanted)} may be about {len(best)} pictures: {', '.join(map(printable, best[:3]))}",
                fix="keep one picture of a name, or put the annotation beside its picture",
            )
        return best[0]

    def source(self, name: str) -> Source:
        """Where a picture is, or would be."""
        found = self.pictures.get(name)
        if found is not None:
            return found
        kinds = {source.kind for source in self.pictures.values()}
        if kinds and kinds != {"file"}:
            return Source(kinds.pop(), self.path, name)
        return Source("file", posixpath.join(self.path, name))


def _shared(folders: list[str], others: list[str]) -> int:
    """How many folders two paths begin and end with in common."""
    count = 0
    for pairs in (zip(folders, others, strict=False), zip(folders[::-1], others[::-1], strict=False)):
        for one, other in pairs:
            if one != other:
                break
            count += 1
    return count


def stem(name: str) -> str:
    """A name without its suffix.

    >>> stem("a.b.jpg"), stem(".jpg"), stem("a")
    ('a.b', '.jpg', 'a')
    """
    base, dot, _ = name.rpartition(".")
    return base if dot and base else name


def split_of_folder(name: str) -> Split | None:
    """The split that a picture's folders name, the first of them, as `images/val/7.jpg` or `train2017/7.jpg` do.

    >>> split_of_folder("images/valid/7.jpg"), split_of_folder("train2017/7.jpg"), split_of_folder("a/train.jpg")
    ('val', 'train', None)
    """
    for folder in name.split("/")[:-1]:
        split = SPLIT_NAMES.get(re.sub(r"[\d_-]+$", "", folder.lower()))
        if split is not None:
            return cast(Split, split)
    return None


def split_in_name(name: str) -> Split | None:
    """The split that stands in a file's own name, as in `instances_train2017.json`.

    >>> split_in_name("annotations/instances_val2017.json"), split_in_name("strain.json")
    ('val', None)
    """
    words = re.split(r"[^a-z]+", posixpath.basename(name).lower())
    found = {SPLIT_NAMES[word] for word in words if word in SPLIT_NAMES}
    return cast(Split, found.pop()) if len(found) == 1 else None


def with_suffix(listing: Listing, suffixes: Iterable[str]) -> list[tuple[str, Source]]:
    """The files of a listing that are no pictures and end so, in small letters."""
    ends = tuple(suffixes)
    return [(name, source) for name, source in listing.others if name.lower().endswith(ends)]
