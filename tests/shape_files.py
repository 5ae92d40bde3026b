"""Made scenes as files, in each of the layouts that readers of masks know, and what is read of them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image
from shapes import CLASSES, Scene, scene

from striate.core.records import Dataset
from striate.data.decode import decode_sample
from striate.data.masks import decode_mask
from striate.data.outlines import runs_of, runs_to_text
from striate.data.store import Store

VOID = 255
COLORS = {0: (0, 0, 0), 1: (128, 0, 0), 2: (0, 128, 0), 3: (128, 128, 0), VOID: (224, 224, 192)}


def scenes(count: int, seed: int, height: int, width: int) -> dict[str, Scene]:
    """Several scenes by name, "000" and on, in which each class is found somewhere."""
    found = {f"{number:03}": scene(1000 * seed + number, (height, width)) for number in range(count)}
    assert {int(one) for made in found.values() for one in np.unique(made.mask)} == set(range(len(CLASSES)))
    return found


def save(path: Path, pixels: np.ndarray, palette: Sequence[int] | None = None) -> Path:
    """A picture file, of numbers with a palette where one is given; makes its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(pixels)
    if palette is not None:
        image.putpalette(palette)
    image.save(path)
    return path


def colored(mask: np.ndarray, colors: Mapping[int, tuple[int, int, int]] = COLORS) -> np.ndarray:
    """A mask (H, W) in colours (H, W, 3)."""
    table = np.zeros((256, 3), np.uint8)
    for place, color in colors.items():
        table[place] = color
    return table[mask]


def write_pictures(folder: Path, made: Mapping[str, Scene], suffix: str = ".png") -> None:
    """The pictures alone."""
    for name, one in made.items():
        save(folder / f"{name}{suffix}", one.pixels)


def write_masks(
    folder: Path, made: Mapping[str, Scene], kind: str = "index", images: str = "images", masks: str = "masks"
) -> Path:
    """`images/` and `masks/`.

    Args:
        kind: "index", "palette", "color", "stem" (`masks/STEM/CLASS.png`) or "folder" (`masks/CLASS/STEM.png`).
    """
    write_pictures(folder / images, made)
    flat = [number for place in range(256) for number in COLORS.get(place, (place, 0, 0))]
    savers: dict[str, Callable[[str, np.ndarray], object]] = {
        "index": lambda name, mask: save(folder / masks / f"{name}.png", mask),
        "palette": lambda name, mask: save(folder / masks / f"{name}.png", mask, flat),
        "color": lambda name, mask: save(folder / masks / f"{name}.png", colored(mask)),
        "stem": lambda name, mask: [
            save(folder / masks / name / f"{kind}.png", ((mask == place) * 255).astype(np.uint8))
            for place, kind in enumerate(CLASSES)
            if place and (mask == place).any()
        ],
        "folder": lambda name, mask: [
            save(folder / masks / kind / f"{name}.png", ((mask == place) * 255).astype(np.uint8))
            for place, kind in enumerate(CLASSES)
            if place
        ],
    }
    for name, one in made.items():
        savers[kind](name, one.mask)
    return folder


def write_camvid(folder: Path, made: Mapping[str, Scene], front: str = "/SegNet/CamVid/") -> Path:
    """`train/`, `trainannot/` and lists of pairs, with paths that begin elsewhere."""
    names = list(made)
    parts = {"train": names[: len(names) // 2], "val": names[len(names) // 2 : -1], "test": names[-1:]}
    for split, own in parts.items():
        write_masks(folder, {name: made[name] for name in own}, images=split, masks=f"{split}annot")
        lines = [f"{front}{split}/{name}.png {front}{split}annot/{name}.png\n" for name in own]
        (folder / f"{split}.txt").write_text("".join(lines))
    return folder


def write_voc(folder: Path, made: Mapping[str, Scene]) -> Path:
    """Pascal VOC's folders, with lists of train and val, and a list of classes."""
    write_masks(folder, made, "palette", "JPEGImages", "SegmentationClass")
    names = list(made)
    for split, own in (("train", names[:-1]), ("val", names[-1:]), ("trainval", names)):
        path = folder / "ImageSets/Segmentation" / f"{split}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(f"{name}\n" for name in own))
    (folder / "class_names.txt").write_text("".join(f"{name}\n" for name in CLASSES))
    return folder


def coco(made: Mapping[str, Scene], how: str = "polygons") -> dict[str, object]:
    """COCO's annotations, one a class: ids of categories are tens. Later ones cover earlier ones.

    Args:
        how: "polygons" (one a run of pixels in a row), "runs", or "text" (run lengths as text).
    """
    images, annotations = [], []
    for number, (name, one) in enumerate(made.items()):
        height, width = one.mask.shape
        images.append({"id": number, "file_name": f"{name}.png", "height": height, "width": width})
        for place in np.unique(one.mask[one.mask > 0]).tolist():
            inside = one.mask >= place  # under those that follow too
            runs = runs_of(inside)
            annotations.append(
                {
                    "id": len(annotations),
                    "image_id": number,
                    "category_id": 10 * place,
                    "iscrowd": 0,
                    "area": int(inside.sum()),
                    "segmentation": _rows(inside)
                    if how == "polygons"
                    else {"size": [height, width], "counts": runs_to_text(runs) if how == "text" else list(runs)},
                }
            )
    categories = [{"id": 10 * place, "name": name} for place, name in enumerate(CLASSES) if place]
    return {"info": {}, "images": images, "annotations": annotations, "categories": categories}


def _rows(inside: np.ndarray) -> list[list[int]]:
    """A rectangle around each run of pixels in a row."""
    found = []
    for row, line in enumerate(np.pad(inside, ((0, 0), (1, 1))).astype(int)):
        changes = np.flatnonzero(np.diff(line)).reshape(-1, 2).tolist()
        found += [[left, row, right, row, right, row + 1, left, row + 1] for left, right in changes]
    return found


def write_coco(folder: Path, made: Mapping[str, Scene], how: str = "polygons") -> Path:
    """`images/` and `annotations/instances.json`."""
    write_pictures(folder / "images", made)
    (folder / "annotations").mkdir(parents=True, exist_ok=True)
    (folder / "annotations/instances.json").write_text(json.dumps(coco(made, how)))
    return folder


# What is read of them.


def decoded(dataset: Dataset) -> dict[str, np.ndarray]:
    """The mask of each sample, by the stem of its picture."""
    store = Store(dataset.arrays)
    found = {}
    for sample in dataset.samples:
        size = decode_sample(store, sample).pixels.shape[:2]
        found[Path(sample.key).stem] = decode_mask(store, sample, size)
    return found


def check(dataset: Dataset, made: Mapping[str, Scene]) -> None:
    """The Dataset is of all scenes and nothing else, with their very masks."""
    assert dataset.task == "segment"
    found = decoded(dataset)
    assert sorted(found) == sorted(made)
    for name, mask in found.items():
        assert (mask == made[name].mask).all(), name


def said(dataset: Dataset, words: str) -> bool:
    return any(words in note for note in dataset.notes)
