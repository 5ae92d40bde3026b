"""Rotation and zoom, resampled once."""

from __future__ import annotations

import math

import numpy as np
from torch import Tensor

from striate.data.augment import Draws, per_image
from striate.data.augment._follow import Plane, Size, flat
from striate.data.augment._resample import resampled


def plane(draws: Draws, before: Size, after: Size, rotate: float, scale: float) -> Plane:
    """Where places of the result are taken from, (N, 3, 3): turning must not shear what is not square."""
    height, width = before
    angle = np.deg2rad(rotate * (2 * draws[:, 0] - 1))
    zoom = np.exp(math.log1p(scale) * (2 * draws[:, 1] - 1))
    cosine, sine = np.cos(angle) / zoom, np.sin(angle) / zoom
    found = flat(len(draws), cosine, cosine)
    found[:, 0, 1], found[:, 1, 0] = -sine * height / width, sine * width / height
    return found


@per_image("affine", {"rotate": 0.0, "scale": 0.0}, draws=2, order=20, moves=True, plane=plane, fills=True)
def affine(images: Tensor, draws: Draws, rotate: float, scale: float, fill: Tensor | None = None) -> Tensor:
    """Turn and zoom each picture about its centre; what lies beyond its border is its reflection.

    Of a box that is turned the upright box around its moved corners is taken; zoom alone moves boxes exactly.

    Args:
        images: (N, C, H, W), float32.
        draws: (N, 2): angle, zoom.
        rotate: the largest angle in degrees, to either side; uniform. A positive angle turns counter-clockwise.
        scale: the largest zoom as a share: the factor is from 1 / (1 + scale) to 1 + scale, its logarithm uniform.
        fill: the colour of what lies beyond the border, in place of a reflection.
    """
    height, width = images.shape[2:]
    matrix = plane(draws, (height, width), (height, width), rotate, scale)[:, :2]
    return resampled(images, matrix, (height, width), "reflection" if fill is None else fill)
