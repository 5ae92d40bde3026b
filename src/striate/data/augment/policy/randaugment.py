"""RandAugment: n operations in a row, all of one strength."""

from __future__ import annotations

import numpy as np
from torch import Tensor

from striate.data.augment import Draws
from striate.data.augment.policy import POLICIES, whole
from striate.data.augment.policy._operations import Range, operated

LEVELS = 30


@POLICIES.register("randaugment")
def randaugment(images: Tensor, draws: Draws, *, n: int = 2, m: int = 9) -> Tensor:
    """Cubuk et al. 2020, "RandAugment: practical automated data augmentation with a reduced search space".

    Args:
        images: (N, C, H, W), uint8.
        draws: (N, K): of each operation which, and to which side.
        n: operations a picture.
        m: their strength, from 0 to 30: on the scale of torchvision, whose ranges these are.
    """
    whole("n of randaugment", n, 1, 16)
    whole("m of randaugment", m, 0, LEVELS)
    height, width = images.shape[2:]
    level = np.full(len(images), m / LEVELS)
    for which, side in draws[:, : 2 * n].reshape(len(images), n, 2).transpose(1, 2, 0):
        images = operated(images, which, level, side, ranges(height, width))
    return images


def ranges(height: int, width: int) -> dict[str, Range]:
    """The paper's fourteen operations."""
    return {
        "identity": Range(0, 0),
        "shear_x": Range(0, 0.3, signed=True),
        "shear_y": Range(0, 0.3, signed=True),
        "translate_x": Range(0, 150 / 331 * width, signed=True),
        "translate_y": Range(0, 150 / 331 * height, signed=True),
        "rotate": Range(0, 30, signed=True),
        "brightness": Range(0, 0.9, signed=True),
        "color": Range(0, 0.9, signed=True),
        "contrast": Range(0, 0.9, signed=True),
        "sharpness": Range(0, 0.9, signed=True),
        "posterize": Range(8, 4),
        "solarize": Range(255, 0),
        "autocontrast": Range(0, 0),
        "equalize": Range(0, 0),
    }
