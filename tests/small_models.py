"""Models small enough for a test, with batch norms that have seen data and heads that decide."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import nn

from striate.data.prepare import Preprocessing
from striate.infer import Model
from striate.nets import build, resolve
from striate.tasks import TASKS, TaskSettings

NAMES = {"classify": ("cat", "dog", "owl"), "multilabel": ("cat", "dog", "owl"), "regress": ("height", "weight")}
LOSSES = {"classify": "cross_entropy", "multilabel": "binary_cross_entropy", "regress": "mean_squared"}


def small_model(
    folder: Path,
    task: str = "classify",
    *,
    name: str = "compact",
    arguments: dict[str, Any] | None = None,
    channels: int = 3,
    size: int = 16,
    full_scale: float = 255.0,
    seed: int = 0,
    **extra: Any,
) -> Model:
    """A Model that was saved in `folder` and read back, with random weights."""
    names = NAMES[task]
    settings: dict[str, Any] = {"loss": LOSSES[task]}
    if task == "regress":
        settings |= {"mean": (170.0, 60.0), "std": (10.0, 8.0)}
    if arguments is None:
        arguments = {"width": 4} if name == "compact" else {}
    spec = resolve(name, outputs=len(names), channels=channels, height=size, width=size, arguments=arguments)
    torch.manual_seed(seed)
    network = stirred(build(spec))
    preprocessing = Preprocessing(
        height=size,
        width=size,
        channels=channels,
        policy="squash",
        interpolation="bilinear",
        full_scale=full_scale,
        mean=(0.5, 0.4, 0.45)[:channels],
        std=(0.25, 0.2, 0.3)[:channels],
        fill=(128.0,) * channels,
    )
    made = TASKS.get(task)(names, TaskSettings(**settings))
    return Model.load(Model.save(folder, network, spec, preprocessing, made, {"batch_size": 4, **extra}))


def stirred(network: nn.Module) -> nn.Module:
    """The network with norms as after training (random statistics), and none left at zero."""
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, std=0.3)
            nn.init.normal_(module.running_mean, std=0.3)  # type: ignore[arg-type]
            nn.init.uniform_(module.running_var, 0.5, 2.0)  # type: ignore[arg-type]
    return network


def pictures(count: int, channels: int = 3, size: int = 16, seed: int = 0) -> torch.Tensor:
    """Blocky random pictures, (N, C, H, W) uint8."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.randint(0, 256, (count, channels, 4, 4), generator=generator).float()
    return nn.functional.interpolate(coarse, (size, size), mode="bilinear").round().to(torch.uint8)


def write_pictures(folder: Path, count: int, size: int = 20, seed: int = 0) -> list[Path]:
    """PNG files `000.png` and on."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{number:03}.png" for number in range(count)]
    for path, picture in zip(paths, pictures(count, 3, size, seed), strict=True):
        Image.fromarray(as_array(picture)).save(path)
    return paths


def as_array(picture: torch.Tensor) -> NDArray[np.uint8]:
    """(C, H, W) to (H, W, C)."""
    return np.ascontiguousarray(picture.permute(1, 2, 0).numpy())
