"""Small data of boxes on the disk, in each format, for tests of readers, converters and the audit."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from PIL import Image

Edges = tuple[str, float, float, float, float]
"""A class and x1, y1, x2, y2."""

SCENES: dict[str, list[Edges]] = {
    "a": [("cat", 2, 3, 10, 12), ("dog", 0, 0, 40, 30)],
    "b": [("dog", 5.5, 1.25, 20, 29)],
    "c": [],
}
WIDTH, HEIGHT = 40, 30


def picture(path: Path, width: int = WIDTH, height: int = HEIGHT, seed: int = 0, **options: Any) -> Path:
    """A picture of random bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    content = bytes((seed * 7919 + n * n * 31 + n * 7) % 251 for n in range(width * height * 3))
    Image.frombytes("RGB", (width, height), content).save(path, **options)
    return path


def xml(scene: Sequence[Edges], filename: str, extra: str = "", size: tuple[int, int] = (WIDTH, HEIGHT)) -> str:
    """An annotation of Pascal VOC."""
    objects = "".join(
        f"<object><name>{label}</name>{extra}<bndbox><xmin>{x1}</xmin><ymin>{y1}</ymin><xmax>{x2}</xmax>"
        f"<ymax>{y2}</ymax></bndbox></object>"
        for label, x1, y1, x2, y2 in scene
    )
    sides = f"<size><width>{size[0]}</width><height>{size[1]}</height><depth>3</depth></size>"
    return f"<annotation><filename>{filename}</filename>{sides}{objects}</annotation>"


def voc(folder: Path, scenes: Mapping[str, Sequence[Edges]] = SCENES, extra: str = "") -> Path:
    """`JPEGImages/` and `Annotations/`."""
    (folder / "Annotations").mkdir(parents=True)
    for seed, (stem, scene) in enumerate(scenes.items()):
        picture(folder / "JPEGImages" / f"{stem}.png", seed=seed)
        (folder / "Annotations" / f"{stem}.xml").write_text(xml(scene, f"{stem}.png", extra))
    return folder


def coco_content(scenes: Mapping[str, Sequence[Edges]] = SCENES) -> dict[str, Any]:
    """What a JSON of COCO's holds."""
    names = sorted({label for scene in scenes.values() for label, *_ in scene})
    things = [(number, one) for number, scene in enumerate(scenes.values()) for one in scene]
    return {
        "images": [
            {"id": number, "file_name": f"{stem}.png", "width": WIDTH, "height": HEIGHT}
            for number, stem in enumerate(scenes)
        ],
        "categories": [{"id": 10 * number, "name": name} for number, name in enumerate(names)],
        "annotations": [
            {
                "id": place,
                "image_id": number,
                "category_id": 10 * names.index(label),
                "bbox": [x1, y1, x2 - x1, y2 - y1],
                "area": (x2 - x1) * (y2 - y1),
                "iscrowd": 0,
            }
            for place, (number, (label, x1, y1, x2, y2)) in enumerate(things)
        ],
    }


def coco(folder: Path, content: Any = None, scenes: Mapping[str, Sequence[Edges]] = SCENES) -> Path:
    """`images/` and `annotations/instances.json`."""
    for seed, stem in enumerate(scenes):
        picture(folder / "images" / f"{stem}.png", seed=seed)
    (folder / "annotations").mkdir(parents=True)
    (folder / "annotations" / "instances.json").write_text(json.dumps(content or coco_content(scenes)))
    return folder


def yolo(folder: Path, scenes: Mapping[str, Sequence[Edges]] = SCENES, data: str | None = None) -> Path:
    """`images/` and `labels/`, with `data.yaml` where its text is given."""
    names = sorted({label for scene in scenes.values() for label, *_ in scene})
    (folder / "labels").mkdir(parents=True)
    for seed, (stem, scene) in enumerate(scenes.items()):
        picture(folder / "images" / f"{stem}.png", seed=seed)
        lines = [
            f"{names.index(label)} {(x1 + x2) / 2 / WIDTH} {(y1 + y2) / 2 / HEIGHT} {(x2 - x1) / WIDTH} "
            f"{(y2 - y1) / HEIGHT}"
            for label, x1, y1, x2, y2 in scene
        ]
        (folder / "labels" / f"{stem}.txt").write_text("\n".join(lines))
    if data is not None:
        (folder / "data.yaml").write_text(data)
    return folder


def table(folder: Path, text: str, stems: Sequence[str] = ("a", "b", "c")) -> Path:
    """Pictures and `boxes.csv` beside them."""
    for seed, stem in enumerate(stems):
        picture(folder / f"{stem}.png", seed=seed)
    (folder / "boxes.csv").write_text(text)
    return folder
