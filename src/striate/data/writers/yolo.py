"""YOLO: `images/` and `labels/`, in folders of splits, and a `data.yaml` with the names of the classes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import yaml

from striate.core.records import Box
from striate.data.readers._yolo import BEYOND
from striate.data.writers import WRITERS, Scene, in_splits, too_thin

FRACTIONS = 9
"""Decimals of fractions of a picture: finer than a thousandth of a pixel up to sides of a million."""
FAR = "boxes further out or larger than twice the picture"


class Yolo:
    """See `Writer`. Classes are numbered from 0 in their order."""

    keeps = frozenset({"classes without a box"})

    def picture(self, scene: Scene) -> str:
        """See `Writer`."""
        return f"images/{scene.split}/{scene.file}" if scene.split else f"images/{scene.file}"

    def refuses(self, box: Box, size: tuple[int, int]) -> str | None:
        """See `Writer`. Fractions further out are taken for pixels when they are read."""
        numbers = [float(number) for number in _fractions(box, size).split()]
        if max(map(abs, numbers)) > BEYOND:
            return FAR
        return too_thin(box)

    def files(self, scenes: Sequence[Scene], names: Sequence[str]) -> Iterator[tuple[str, bytes]]:
        """See `Writer`."""
        numbers = {name: number for number, name in enumerate(names)}
        for scene in scenes:
            folder = f"labels/{scene.split}" if scene.split else "labels"
            lines = "".join(f"{numbers[box.label]} {_fractions(box, scene.size)}\n" for box in scene.boxes)
            yield f"{folder}/{scene.stem}.txt", lines.encode()
        parts: dict[str, str] = {
            split or "train": f"images/{split}" if split else "images" for split in in_splits(scenes)
        }
        content: dict[str, Any] = {"path": ".", **parts, "nc": len(names), "names": list(names)}
        yield "data.yaml", yaml.safe_dump(content, sort_keys=False, allow_unicode=True).encode()


WRITERS.register("yolo")(Yolo())


def _fractions(box: Box, size: tuple[int, int]) -> str:
    height, width = size
    numbers = (
        (box.x1 + box.x2) / 2 / width,
        (box.y1 + box.y2) / 2 / height,
        (box.x2 - box.x1) / width,
        (box.y2 - box.y1) / height,
    )
    return " ".join(f"{number:.{FRACTIONS}f}" for number in numbers)
