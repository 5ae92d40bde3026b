"""Small folders and tables of pictures that a small network can learn."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

QUICK = {
    "network.arguments": {"width": 8, "blocks": [1, 1]},
    "batch.size": 8,
    "optimizer.rate": 0.05,
    "execution.precision": "float32",
    "execution.channels_last": False,
    "predict.precision": "float32",
    "predict.channels_last": False,
    "predict.batch": 8,
    "execution.threads": 1,
    "execution.workers": 0,
}
"""Settings that leave nothing to measure, so that a training takes a second."""


def folder(path: Path, classes: dict[str, int], side: int = 16) -> Path:
    """Class folders; a class's pictures are brighter than those of the class before."""
    random = np.random.default_rng(0)
    for place, (name, count) in enumerate(classes.items()):
        (path / name).mkdir(parents=True)
        for number in range(count):
            save(path / name / f"{number:03d}.png", random.integers(0, 90, (side, side, 3)) + 60 * place)
    return path


def save(path: Path, pixels: np.ndarray) -> None:
    """Pixels as a picture of 8 bits."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.asarray(pixels).clip(0, 255).astype(np.uint8)).save(path)


def table(path: Path, header: str, target, count: int = 60) -> Path:  # type: ignore[no-untyped-def]
    """A CSV of pictures whose brightness is `number`; `target(number, brightness)` makes the cells after the path."""
    random = np.random.default_rng(1)
    rows = [header]
    for number in range(count):
        brightness = int(random.integers(0, 160))
        save(path / "pictures" / f"{number:03d}.png", random.integers(0, 90, (16, 16, 3)) + brightness)
        rows.append(f"pictures/{number:03d}.png,{target(number, brightness)}")
    (path / "table.csv").write_text("\n".join(rows) + "\n")
    return path / "table.csv"
