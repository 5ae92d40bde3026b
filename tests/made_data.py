"""Small Datasets made by hand, for tests of what comes after reading."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from striate.core.records import Dataset, Label, Labels, Sample, Source, Target, Value


def dataset(samples: Sequence[Sample], path: str = "/data", **more: object) -> Dataset:
    """A Dataset of samples, its task and names taken from the targets."""
    targets = [sample.target for sample in samples]
    if any(isinstance(target, Value) for target in targets):
        width = max(len(target.values) for target in targets if isinstance(target, Value))
        task, names = "regress", tuple(f"y{number}" for number in range(width))
    elif any(isinstance(target, Labels) for target in targets):
        task = "multilabel"
        names = tuple(sorted({name for target in targets if isinstance(target, Labels) for name in target.names}))
    else:
        task, names = "classify", tuple(sorted({target.name for target in targets if isinstance(target, Label)}))
    return Dataset(path, "folders", task, tuple(sorted(samples, key=lambda one: one.key)), names, **more)  # type: ignore[arg-type]


def plain(
    targets: Mapping[str, Target | str | None],
    splits: Mapping[str, str] | None = None,
    groups: Mapping[str, str] | None = None,
) -> Dataset:
    """A Dataset without pictures: by key, the target, the given split and the group."""
    return dataset(
        [
            Sample(
                key,
                (Source("file", f"/data/{key}"),),
                Label(target) if isinstance(target, str) else target,
                (splits or {}).get(key),  # type: ignore[arg-type]
                (groups or {}).get(key),
            )
            for key, target in targets.items()
        ]
    )


def noise(seed: int, height: int, width: int, channels: int = 3) -> np.ndarray:
    """Random bytes (H, W, C)."""
    return np.random.default_rng(seed).integers(0, 256, (height, width, channels), dtype=np.uint8)


def scene(seed: int, height: int, width: int) -> np.ndarray:
    """A made picture (H, W, 3) of bytes whose power falls with the frequency as that of natural ones."""
    random = np.random.default_rng(seed)
    radius = np.hypot(np.fft.fftfreq(height)[:, None] * height, np.fft.rfftfreq(width)[None, :] * width)
    waves = np.fft.rfft2(random.normal(size=(3, height, width))) / np.maximum(radius, 1)
    found = np.fft.irfft2(waves, (height, width))
    found = (found - found.mean()) / found.std()
    return np.clip(128 + 45 * found, 0, 255).astype(np.uint8).transpose(1, 2, 0)


def picture_files(folder: Path, pictures: Mapping[str, np.ndarray]) -> Dataset:
    """Pictures as PNG files; the class is the first part of the key."""
    samples = []
    for key, pixels in pictures.items():
        path = folder / key
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels).save(path)
        samples.append(Sample(key, (Source("file", os.fspath(path)),), Label(key.split("/")[0])))
    return dataset(samples, os.fspath(folder))


def many_files(folder: Path, count: int = 40, height: int = 12, width: int = 10) -> Dataset:
    """Two classes of noise."""
    return picture_files(
        folder, {f"{'ab'[number % 2]}/{number:03}.png": noise(number, height, width) for number in range(count)}
    )


def zipped(data: Dataset, path: Path) -> Dataset:
    """The same samples, their files moved into a zip."""
    samples = []
    with zipfile.ZipFile(path, "w") as archive:
        for sample in data.samples:
            archive.write(sample.sources[0].path, sample.key)
            samples.append(
                Sample(sample.key, (Source("zip", os.fspath(path), sample.key),), sample.target, sample.split)
            )
    return dataset(samples, os.fspath(path))


def arrays(pixels: np.ndarray, targets: Sequence[Target]) -> Dataset:
    """A Dataset over an array (N, H, W[, C])."""
    samples = [Sample(f"x/{row:04}", (Source("array", "x", row=row),), target) for row, target in enumerate(targets)]
    return dataset(samples, arrays={"x": pixels})


class Listener:
    """A Reporter that keeps what it hears."""

    def __init__(self) -> None:
        self.stages: list[str] = []
        self.steps: list[tuple[int, int, str]] = []
        self.lines: list[str] = []

    def stage(self, title: str) -> None:
        self.stages.append(title)

    def progress(self, done: int, total: int, text: str = "") -> None:
        self.steps.append((done, total, text))

    def line(self, text: str) -> None:
        self.lines.append(text)

    def warn(self, text: str) -> None:
        self.lines.append(text)

    def figures(self, step: int, values: Mapping[str, float]) -> None: ...
