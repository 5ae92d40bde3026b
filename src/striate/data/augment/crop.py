"""Random resized crops: a part of the picture, of any place, size and mild shape, at the size of the whole."""

from __future__ import annotations

import math

import numpy as np
from torch import Tensor

from striate.data.augment import CUT, Draws, per_image
from striate.data.augment._follow import Plane, Size, part
from striate.data.augment._resample import resampled

ASPECT = 4 / 3


def plane(draws: Draws, before: Size, after: Size, crop: float) -> Plane:
    """Where the windows lie, (N, 3, 3)."""
    area = crop + (1 - crop) * draws[:, 0]
    aspect = np.exp(math.log(ASPECT) * (2 * draws[:, 1] - 1))
    high, wide = np.minimum(np.sqrt(area / aspect), 1), np.minimum(np.sqrt(area * aspect), 1)
    return part(high, wide, draws[:, 2], draws[:, 3])


@per_image("crop", {"crop": 1.0}, draws=4, order=CUT, moves=True, plane=plane)
def crop(images: Tensor, draws: Draws, crop: float, size: tuple[int, int]) -> Tensor:
    """Take a window out of each picture and resample it to the network's size.

    Szegedy et al. 2015, "Going deeper with convolutions", section 6: its area is uniform between a share of the
    picture's and all of it, its proportions are up to 4 : 3 of the picture's own either way, their logarithm uniform.
    A window that would be longer than the picture is as long as the picture.

    Args:
        images: (N, C, H, W), float32, with the margin where there is one.
        draws: (N, 4): area, proportions, place down, place to the right.
        crop: the smallest area as a share of the picture's; 1 is off.
        size: (height, width) to bring the window to.
    """
    matrix = plane(draws, (images.shape[2], images.shape[3]), size, crop)[:, :2]
    return resampled(images, matrix, size, "border")
