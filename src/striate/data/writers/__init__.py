"""Writers of annotations: each turns pictures with boxes into the files of one format; a file each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from striate.core.records import Box, Split
from striate.core.registry import Registry

DECIMALS = 3
"""To which edges in pixels are rounded, in every format."""

THIN = "boxes thinner than a thousandth of a pixel"


@dataclass(frozen=True, slots=True)
class Scene:
    """One picture to write about.

    Args:
        stem: what it is called, without folders and suffix; no two scenes are called alike.
        suffix: of its file, with the dot.
        size: (height, width) in pixels.
        boxes: of the picture; none where nothing is there.
        split: the split that it is in, or None where the data has none.
        scores: of its boxes, where these were found by a Model; none where they are true.
    """

    stem: str
    suffix: str
    size: tuple[int, int]
    boxes: tuple[Box, ...]
    split: Split | None = None
    scores: tuple[float, ...] = ()

    @property
    def scored(self) -> Iterator[tuple[Box, float | None]]:
        """Its boxes with their scores, None where they have none."""
        return zip(self.boxes, self.scores or (None,) * len(self.boxes), strict=True)

    @property
    def file(self) -> str:
        """Its file's name without folders."""
        return self.stem + self.suffix


class Writer(Protocol):
    """Writes one format.

    Args:
        keeps: what the format has room for beside classes and edges: of "difficult", "crowd", "area", "score", and
            "classes without a box".
    """

    keeps: frozenset[str]

    def picture(self, scene: Scene) -> str:
        """Where a picture belongs, below the folder that is written."""

    def refuses(self, box: Box, size: tuple[int, int]) -> str | None:
        """What boxes are called that the format cannot hold, where this is one of them in a picture of such a size."""

    def files(self, scenes: Sequence[Scene], names: Sequence[str]) -> Iterator[tuple[str, bytes]]:
        """The files of annotations, by their names below that folder.

        Args:
            names: all classes, sorted.
        """


WRITERS: Registry[Writer] = Registry("writer", "striate.data.writers")


def number(value: float) -> str:
    """A number of pixels to a thousandth, without a point where it is whole.

    >>> number(12.0), number(0.12345), number(-0.0001)
    ('12', '0.123', '0')
    """
    rounded = round(value, DECIMALS) + 0.0
    return str(int(rounded)) if rounded == int(rounded) else repr(rounded)


def too_thin(box: Box) -> str | None:
    """What a box is called of which no width or no height is left by rounding.

    >>> too_thin(Box("cat", 5, 5, 5.0004, 9)), too_thin(Box("cat", 5, 5, 5.1, 9))
    ('boxes thinner than a thousandth of a pixel', None)
    """
    x1, y1, x2, y2 = (round(edge, DECIMALS) for edge in box.corners)
    return None if x1 < x2 and y1 < y2 else THIN


def in_splits(scenes: Sequence[Scene]) -> dict[Split | None, list[Scene]]:
    """Scenes by split, train first; all under None where there are no splits."""
    found: dict[Split | None, list[Scene]] = {}
    order: tuple[Split | None, ...] = ("train", "val", "test", None)
    for split in order:
        chosen = [scene for scene in scenes if scene.split == split]
        if chosen:
            found[split] = chosen
    return found


__all__ = ["DECIMALS", "WRITERS", "Scene", "Writer", "in_splits", "number", "too_thin"]
