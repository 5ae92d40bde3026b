"""TrivialAugment: one operation a picture, of any strength."""

from __future__ import annotations

import numpy as np
from torch import Tensor

from striate.data.augment import Draws
from striate.data.augment.policy import POLICIES
from striate.data.augment.policy._operations import Range, operated

LEVELS = 30
PIXELS = 32
"""The longest way a picture is moved, or its side where that is shorter."""


@POLICIES.register("trivialaugment")
def trivialaugment(images: Tensor, draws: Draws) -> Tensor:
    """Müller and Hutter 2021, "TrivialAugment: tuning-free yet state-of-the-art data augmentation", its wide space.

    Args:
        images: (N, C, H, W), uint8.
        draws: (N, K): which operation, how strong (one of 31 levels, each as likely), to which side.
    """
    which, level, side = draws[:, :3].T
    level = np.floor(level * (LEVELS + 1)) / LEVELS
    return operated(images, which, level, side, ranges(*images.shape[2:]))


def ranges(height: int, width: int) -> dict[str, Range]:
    """The paper's fourteen operations, wider than those of RandAugment."""
    return {
        "identity": Range(0, 0),
        "shear_x": Range(0, 0.99, signed=True),
        "shear_y": Range(0, 0.99, signed=True),
        "translate_x": Range(0, min(PIXELS, width), signed=True),
        "translate_y": Range(0, min(PIXELS, height), signed=True),
        "rotate": Range(0, 135, signed=True),
        "brightness": Range(0, 0.99, signed=True),
        "color": Range(0, 0.99, signed=True),
        "contrast": Range(0, 0.99, signed=True),
        "sharpness": Range(0, 0.99, signed=True),
        "posterize": Range(8, 2),
        "solarize": Range(255, 0),
        "autocontrast": Range(0, 0),
        "equalize": Range(0, 0),
    }
