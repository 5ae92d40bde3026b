"""Shearing: rows or columns slide along each other, as under a camera held aslant."""

from __future__ import annotations

import numpy as np
from torch import Tensor

from striate.data.augment import Draws, per_image
from striate.data.augment._resample import resampled


@per_image("shear", {"shear": 0.0}, draws=2, order=21, moves=True)
def shear(images: Tensor, draws: Draws, shear: float) -> Tensor:
    """Shear each picture about its centre, across and down; what lies beyond its border is its reflection.

    Args:
        images: (N, C, H, W), float32.
        draws: (N, 2): across, down.
        shear: the largest angle in degrees, to either side; uniform.
    """
    height, width = images.shape[2:]
    slope = np.tan(np.deg2rad(shear * (2 * draws - 1)))
    matrix = np.zeros((len(images), 2, 3), np.float32)
    # One after the other, so that the area stays and nothing is mirrored: at once, steep ones would turn it over.
    matrix[:, 0, 0] = 1 + slope[:, 0] * slope[:, 1]
    matrix[:, 1, 1] = 1
    matrix[:, 0, 1] = slope[:, 0] * height / width
    matrix[:, 1, 0] = slope[:, 1] * width / height
    return resampled(images, matrix, (height, width), "reflection")
