"""Which files are COCO's annotations, and whether they hold boxes or outlines: by looking."""

from __future__ import annotations

import mmap
import posixpath
import re
from collections.abc import Callable
from pathlib import Path
from typing import Literal, TypeAlias, cast

from striate.core.records import Source
from striate.data.readers._coco import is_coco
from striate.data.readers._glance import first_file, head
from striate.data.readers._listing import Listing
from striate.data.readers._matching import with_suffix
from striate.data.store import Store

Kind: TypeAlias = Literal["boxes", "outlines"]

PEEKED_BYTES = 65536
LOOKED_BYTES = 1 << 26
"""Of a file, in which boxes and outlines are looked for: a list of half a million pictures is shorter."""
MANY = 100
"""JSON files above which only those are opened that are called as COCO's are: the rest is one for each picture."""

_MARKS: dict[Kind, re.Pattern[bytes]] = {
    "boxes": re.compile(rb'"bbox"\s*:\s*\[\s*[-\d]'),
    "outlines": re.compile(rb'"segmentation"\s*:\s*(?:\{|\[\s*\[\s*[-\d])'),
}
_BOTH: frozenset[Kind] = frozenset(("boxes", "outlines"))


def kinds_in(content: bytes | mmap.mmap) -> frozenset[Kind]:
    """What annotations there are in a file; where that is too long to tell, both.

    >>> sorted(kinds_in(b'{"annotations": [{"bbox": [1, 2, 3, 4], "segmentation": []}]}'))
    ['boxes']
    """
    found = frozenset(kind for kind, mark in _MARKS.items() if mark.search(content, 0, LOOKED_BYTES))
    return found or (_BOTH if len(content) > LOOKED_BYTES else frozenset())


def kinds_at(data: Path) -> frozenset[Kind] | None:
    """What annotations COCO's files hold, one or those near the top of a folder; None where there is no such file."""
    if data.is_file():
        return _kinds_of(str(data)) if data.suffix.lower() == ".json" and _speaks(str(data)) else None
    if not data.is_dir() or first_file(data, _speaks, (".json",)) is None:
        return None
    return frozenset(kind for kind in _MARKS if first_file(data, _with(kind), (".json",)) is not None)


def kinds_among(listing: Listing) -> frozenset[Kind] | None:
    """The same of an archive."""
    files, store = files_among(listing), Store()
    kinds = [kinds_in(cast(bytes, store.read(source))) for _, source in files]
    return frozenset().union(*kinds) if files else None


def files_among(listing: Listing) -> list[tuple[str, Source]]:
    """The files of COCO's format in a listing; where some are called `instances…`, those: others repeat them."""
    every = with_suffix(listing, (".json",))
    if len(every) > MANY:
        usual = ("instances", "annotations", "_annotations")
        every = [one for one in every if posixpath.basename(one[0]).startswith(usual)]
    found = [(name, source) for name, source in every if is_coco(_head(source))]
    instances = [one for one in found if posixpath.basename(one[0]).startswith("instances")]
    return instances or found


def around(file: Path) -> Path:
    """The folder of the data that a file describes."""
    return file.parent.parent if file.parent.name.lower() == "annotations" else file.parent


def _head(source: Source) -> bytes:
    if source.kind == "file":
        return head(source.path, PEEKED_BYTES)
    return cast(bytes, Store().read(source))[:PEEKED_BYTES]


def _speaks(path: str) -> bool:
    return is_coco(head(path, PEEKED_BYTES))


def _with(kind: Kind) -> Callable[[str], bool]:
    return lambda path: _speaks(path) and kind in _kinds_of(path)


def _kinds_of(path: str) -> frozenset[Kind]:
    try:
        with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            return kinds_in(content)
    except (OSError, ValueError):
        return frozenset()  # empty, or not readable: the reader says so
