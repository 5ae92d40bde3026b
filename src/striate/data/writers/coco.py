"""COCO: `images/`, in folders of splits, and a JSON for each split in `annotations/`."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from striate.core.records import Box
from striate.data.writers import DECIMALS, WRITERS, Scene, in_splits, too_thin


class Coco:
    """See `Writer`. Classes are numbered from 1 in their order, pictures and boxes through all files."""

    keeps = frozenset({"crowd", "area", "score", "classes without a box"})

    def picture(self, scene: Scene) -> str:
        """See `Writer`."""
        return f"images/{scene.split}/{scene.file}" if scene.split else f"images/{scene.file}"

    def refuses(self, box: Box, size: tuple[int, int]) -> str | None:
        """See `Writer`."""
        return too_thin(box)

    def files(self, scenes: Sequence[Scene], names: Sequence[str]) -> Iterator[tuple[str, bytes]]:
        """See `Writer`."""
        categories = [{"id": number, "name": name, "supercategory": ""} for number, name in enumerate(names, 1)]
        numbers = {name: number for number, name in enumerate(names, 1)}
        first_picture = first_box = 1
        for split, chosen in in_splits(scenes).items():
            images: list[dict[str, Any]] = []
            annotations: list[dict[str, Any]] = []
            for place, scene in enumerate(chosen, first_picture):
                height, width = scene.size
                images.append({"id": place, "file_name": scene.file, "width": width, "height": height})
                for box, score in scene.scored:
                    one = _annotation(box, first_box + len(annotations), place, numbers[box.label])
                    annotations.append(one if score is None else {**one, "score": score})
            first_picture += len(images)
            first_box += len(annotations)
            content = {"images": images, "annotations": annotations, "categories": categories}
            file = f"annotations/instances_{split}.json" if split else "annotations/instances.json"
            yield file, json.dumps(content, ensure_ascii=True).encode()


WRITERS.register("coco")(Coco())


def _annotation(box: Box, number: int, picture: int, category: int) -> dict[str, Any]:
    x1, y1, x2, y2 = (round(edge, DECIMALS) for edge in box.corners)
    width, height = round(x2 - x1, DECIMALS), round(y2 - y1, DECIMALS)
    return {
        "id": number,
        "image_id": picture,
        "category_id": category,
        "bbox": [x1, y1, width, height],
        "area": width * height if box.area is None else box.area,
        "iscrowd": int(box.crowd),
    }
