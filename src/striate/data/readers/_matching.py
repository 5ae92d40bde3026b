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
from striate.data.readers._mask_pairs import role_of
from striate.data.store import printable


class Album:
    """The pictures of a listing, to be looked up. Those in folders of masks are found by their exact path alone.

    Args:
        listing: of a folder or an archive.
    """

    def __init__(self, listing: Listing) -> None:
        self.path = listing.path
        self._every = dict(listing.pictures)
        plain = {name: one for name, one in self._every.items() if not _is_mask(name)}
        self.pictures = plain or self._every
        self._led_by: dict[str, tuple[str, bool]] = {}
        self._by_base: dict[str, list[str]] = defaultdict(list)
        self._by_stem: dict[str, list[str]] = defaultdict(list)
        for name in self.pictures:
            base = posixpath.basename(name)
            self._by_base[base].append(name)
            self._by_stem[stem(base)].append(name)

    def by_path(self, path: str, near: str, *, suffix: bool = True) -> str | None:
        """The picture at a path as an annotation gives it: relative to the listing or to the annotation, or anywhere.

        Args:
            path: with slashes of either kind. Folders around the listing are passed over; but where it ends in other
                folders than the picture of that name does, it is another picture, which is not here.
            near: the annotation's own name in the listing.
            suffix: whether the path has the picture's suffix.

        Raises:
            DataError: several pictures are called so, and none is nearer; or two paths lead to one picture.
        """
        path = path.strip().replace("\\", "/")
        plain = posixpath.normpath(path)
        if suffix:
            beside = posixpath.normpath(posixpath.join(posixpath.dirname(near), path))
            for name in (beside, plain):
                if name in self._every:
                    return self._led(name, path, exact=True)
        base = posixpath.basename(path)
        called = self._by_base.get(base, []) if suffix else self._by_stem.get(stem(base), [])
        fitting = [name for name in called if _end_alike(name, path)]
        found = self._nearest(fitting, posixpath.join(near, "..", path), near)
        return self._led(found, path, exact=False) if found is not None else None

    def by_stem(self, name: str) -> str | None:
        """The picture that is called like an annotation, but for the suffix. Raises as `by_path` does."""
        return self._nearest(self._by_stem.get(stem(posixpath.basename(name)), []), name, name)

    def _led(self, name: str, path: str, *, exact: bool) -> str:
        """The picture that a path leads to, where no other path led to it by its name alone."""
        before, was_exact = self._led_by.setdefault(name, (path, exact))
        if posixpath.normpath(before) != posixpath.normpath(path) and not (exact and was_exact):
            raise DataError(
                f"{printable(before)} and {printable(path)} both lead to the picture {printable(name)}",
                fix="put the other picture where its path says, or write one path for one picture",
            )
        return name

    def _nearest(self, names: list[str], wanted: str, near: str) -> str | None:
        if len(names) < 2:
            return names[0] if names else None
        folders = posixpath.normpath(posixpath.dirname(wanted)).split("/")
        scores = [_shared(posixpath.dirname(name).split("/"), folders) for name in names]
        best = [name for name, score in zip(names, scores, strict=True) if score == max(scores)]
        split = split_in_name(near) or split_of_folder(near)
        if len(best) > 1 and split is not None:  # a file a split, and pictures numbered alike in each
            best = [name for name in best if split_of_folder(name) == split] or best
        if len(best) > 1:
            raise DataError(
                f"{printable(wanted)} may be about {len(best)} pictures: {', '.join(map(printable, best[:3]))}",
                fix="keep one picture of a name, or put the annotation beside its picture",
            )
        return best[0]

    def source(self, name: str) -> Source:
        """Where a picture is, or would be."""
        found = self._every.get(name)
        if found is not None:
            return found
        kinds = {source.kind for source in self.pictures.values()}
        if kinds and kinds != {"file"}:
            return Source(kinds.pop(), self.path, name)
        return Source("file", posixpath.join(self.path, name))


def _is_mask(name: str) -> bool:
    return any(role_of(folder)[0] == "mask" for folder in name.split("/")[:-1])


def _end_alike(name: str, path: str) -> bool:
    """Whether a picture may be what a path means: the shorter's folders end the longer's; of a path that begins at the
    root of some machine, the last folder is enough."""
    here = posixpath.dirname(name).split("/") if "/" in name else []
    said = [one for one in posixpath.dirname(path).split("/") if one not in ("", ".", "..")]
    rooted = path.startswith("/") or path[1:2] == ":"
    depth = min(len(here), len(said), 1 if rooted else len(said))
    return here[len(here) - depth :] == said[len(said) - depth :]


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


def absent(path: str, near: str = "") -> str:
    """What a picture that is not there is called, in the listing whatever the path says: the audit says that it is not.

    Args:
        path: as `Album.by_path` takes it.
        near: the name of the file in the listing that the path is relative to.

    >>> absent("./.hidden.jpg"), absent("../..a.jpg"), absent("a.jpg", "lists/train.txt"), absent("/data/a.jpg")
    ('.hidden.jpg', '..a.jpg', 'lists/a.jpg', 'data/a.jpg')
    """
    whole = posixpath.normpath(posixpath.join(posixpath.dirname(near), path.replace("\\", "/")))
    return re.sub(r"^(\.{0,2}/)+", "", whole)


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
