"""Shearing: rows or columns slide along each other, as under a camera held aslant."""

from __future__ import annotations

import numpy as np
from torch import Tensor

from striate.data.augment import Draws, per_image
from striate.data.augment._follow import Plane, Size, flat
from striate.data.augment._resample import resampled


def plane(draws: Draws, before: Size, after: Size, shear: float) -> Plane:
    """Where places of the result are taken from, (N, 3, 3)."""
    height, width = before
    slope = np.tan(np.deg2rad(shear * (2 * draws - 1)))
    # One after the other, so that the area stays and nothing is mirrored: at once, steep ones would turn it over.
    found = flat(len(draws), 1 + slope[:, 0] * slope[:, 1], 1)
    found[:, 0, 1] = slope[:, 0] * height / width
    found[:, 1, 0] = slope[:, 1] * width / height
    return found


@per_image("shear", {"shear": 0.0}, draws=2, order=21, moves=True, plane=plane, fills=True)
def shear(images: Tensor, draws: Draws, shear: float, fill: Tensor | None = None) -> Tensor:
    """Shear each picture about its centre, across and down; what lies beyond its border is its reflection.

    Of a box that is sheared the upright box around its moved corners is taken.

    Args:
        images: (N, C, H, W), float32.
        draws: (N, 2): across, down.
        shear: the largest angle in degrees, to either side; uniform.
        fill: the colour of what lies beyond the border, in place of a reflection.
    """
    height, width = images.shape[2:]
    matrix = plane(draws, (height, width), (height, width), shear)[:, :2]
    return resampled(images, matrix, (height, width), "reflection" if fill is None else fill)
