"""Rotation and zoom, resampled once."""

from __future__ import annotations

import math

import numpy as np
from torch import Tensor

from striate.data.augment import Draws, per_image
from striate.data.augment._resample import resampled


@per_image("affine", {"rotate": 0.0, "scale": 0.0}, draws=2, order=20, moves=True)
def affine(images: Tensor, draws: Draws, rotate: float, scale: float) -> Tensor:
    """Turn and zoom each picture about its centre; what lies beyond its border is its reflection.

    Args:
        images: (N, C, H, W), float32.
        draws: (N, 2): angle, zoom.
        rotate: the largest angle in degrees, to either side; uniform. A positive angle turns counter-clockwise.
        scale: the largest zoom as a share: the factor is from 1 / (1 + scale) to 1 + scale, its logarithm uniform.
    """
    height, width = images.shape[2:]
    angle = np.deg2rad(rotate * (2 * draws[:, 0] - 1))
    zoom = np.exp(math.log1p(scale) * (2 * draws[:, 1] - 1))
    cosine, sine = np.cos(angle) / zoom, np.sin(angle) / zoom
    # From a pixel of the result to one of the source, in units of half sides: turning must not shear other shapes.
    matrix = np.zeros((len(images), 2, 3), np.float32)
    matrix[:, 0, 0], matrix[:, 0, 1] = cosine, -sine * height / width
    matrix[:, 1, 0], matrix[:, 1, 1] = sine * width / height, cosine
    return resampled(images, matrix, (height, width), "reflection")
