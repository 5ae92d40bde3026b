"""Pictures of mixed sizes whose class is the scale of their texture: resizing makes one class of the other."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

SIZES = ((24, 24), (24, 40), (40, 24), (40, 40), (56, 56))


def textures(path: Path, each: int, sizes: Sequence[tuple[int, int]] = SIZES, seed: int = 0) -> Path:
    """Class folders of so many pictures for each size: gratings of a period of 4 px and of 6, in any direction."""
    random = np.random.default_rng(seed)
    for name, period in (("coarse", 6.0), ("fine", 4.0)):
        (path / name).mkdir(parents=True)
        for place, (height, width) in enumerate(sizes):
            for number in range(each):
                angle, phase = random.uniform(0, np.pi), random.uniform(0, 2 * np.pi)
                down, across = np.mgrid[:height, :width]
                wave = np.sin(2 * np.pi / period * (down * np.sin(angle) + across * np.cos(angle)) + phase)
                pixels = 128 + 60 * wave + random.normal(0, 40, (height, width))
                file = path / name / f"{place}-{number:03d}.png"
                Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8)).save(file)
    return path
