"""Made pictures of discs, squares and triangles with known masks and boxes: textures, overlaps, and a seed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tests.made_boxes import xml

CLASSES = ("background", "disc", "square", "triangle")
GROUND, FILLS = (70, 90, 60), ((200, 60, 50), (60, 80, 200), (220, 200, 60))
"""Colours that the background and the shapes of each class are near to."""


@dataclass(frozen=True)
class Scene:
    """A picture, and what is in it.

    Args:
        pixels: (H, W, 3).
        mask: (H, W), places in `CLASSES`.
        boxes: of each shape that is seen, (class, left, top, right, bottom) in pixels around what is seen of it.
    """

    pixels: NDArray[np.uint8]
    mask: NDArray[np.uint8]
    boxes: tuple[tuple[int, int, int, int, int], ...]


def scene(seed: int, size: tuple[int, int] = (64, 64), shapes: int = 3) -> Scene:
    """A picture of so many shapes on a textured ground; a later one covers an earlier one."""
    random = np.random.default_rng(seed)
    owner = np.zeros(size, np.int64)
    pixels = _texture(random, size, GROUND)
    kinds = []
    rows, columns = np.mgrid[: size[0], : size[1]] + 0.5
    for number in range(1, shapes + 1):
        kind, radius = int(random.integers(1, 4)), random.uniform(0.12, 0.24) * min(size)
        top, left = (random.uniform(radius, side - radius) for side in size)
        down, across = rows - top, columns - left
        if kind == 1:
            inside = down**2 + across**2 <= radius**2
        elif kind == 2:
            inside = np.maximum(abs(down), abs(across)) <= 0.85 * radius
        else:  # equal sides, the tip above
            inside = (down <= radius / 2) & (abs(across) * np.sqrt(3) <= down + radius)
        owner[inside] = number
        pixels[inside] = _texture(random, size, FILLS[kind - 1])[inside]
        kinds.append(kind)
    mask = np.array([0, *kinds], np.uint8)[owner]
    boxes = []
    for number, kind in enumerate(kinds, 1):
        seen = np.argwhere(owner == number)
        if len(seen):
            (top, left), (bottom, right) = seen.min(0).tolist(), (seen.max(0) + 1).tolist()
            boxes.append((kind, left, top, right, bottom))
    return Scene(pixels.round().clip(0, 255).astype(np.uint8), mask, tuple(boxes))


def _texture(random: np.random.Generator, size: tuple[int, int], color: tuple[int, int, int]) -> NDArray[np.float64]:
    """Waves and noise around a colour, (H, W, 3)."""
    rows, columns = np.mgrid[: size[0], : size[1]]
    angle, length = random.uniform(0, np.pi), random.uniform(4, 12)
    waves = np.sin((rows * np.sin(angle) + columns * np.cos(angle)) * 2 * np.pi / length)
    noise = random.normal(0, 8, (*size, 3))
    return np.array(color) + 18 * waves[..., None] + noise


def write_scenes(
    folder: Path, count: int, sizes: tuple[tuple[int, int], ...] = ((64, 64),), *, shapes: int = 3, seed: int = 0
) -> Path:
    """So many scenes as `images/` and `masks/`, of these sizes in turn. Returns the folder."""
    for name in ("images", "masks"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    for number in range(count):
        made = scene(1000 * seed + number, sizes[number % len(sizes)], shapes)
        Image.fromarray(made.pixels).save(folder / "images" / f"{number:03}.png")
        Image.fromarray(made.mask).save(folder / "masks" / f"{number:03}.png")
    return folder


def write_boxes(folder: Path, count: int, size: tuple[int, int] = (64, 64), *, shapes: int = 3, seed: int = 0) -> Path:
    """So many scenes as Pascal VOC has them, with the boxes of their shapes. Returns the folder."""
    for name in ("JPEGImages", "Annotations"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    for number in range(count):
        made = scene(1000 * seed + number, size, shapes)
        Image.fromarray(made.pixels).save(folder / "JPEGImages" / f"{number:03}.png")
        boxes = [(CLASSES[kind], *edges) for kind, *edges in made.boxes]
        content = xml(boxes, f"{number:03}.png", size=(size[1], size[0]))  # type: ignore[arg-type]
        (folder / "Annotations" / f"{number:03}.xml").write_text(content)
    return folder
