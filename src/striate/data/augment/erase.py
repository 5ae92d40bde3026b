"""Random erasing: something stands before the object."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from striate.data.augment import Draws, per_image

LEAST, ASPECT = 0.02, 3.3


@per_image("erase", {"erase": 0.0}, draws=5, order=80, moves=False)
def erase(images: Tensor, draws: Draws, erase: float) -> Tensor:
    """Cover a rectangle of every second picture with the picture's own mean colour.

    Zhong et al. 2020, "Random erasing data augmentation", algorithm 1, with the mean in place of noise.

    Args:
        images: (N, C, H, W), float32.
        draws: (N, 5): whether, area, proportions, place down, place to the right.
        erase: the largest area as a share of the picture's; uniform from 2 % of it (or from half of `erase`, where that
            is less). Proportions are up to 3.3 either way, their logarithm uniform.
    """
    height, width = images.shape[2:]
    least = min(LEAST, erase / 2)
    area = (least + (erase - least) * draws[:, 1]) * height * width
    aspect = np.exp(math.log(ASPECT) * (2 * draws[:, 2] - 1))
    high = np.clip(np.rint(np.sqrt(area * aspect)), 1, height).astype(np.int64)
    wide = np.clip(np.rint(np.sqrt(area / aspect)), 1, width).astype(np.int64)
    top = np.floor(draws[:, 3] * (height - high + 1)).astype(np.int64)
    left = np.floor(draws[:, 4] * (width - wide + 1)).astype(np.int64)
    down, across = np.arange(height)[None, :, None], np.arange(width)[None, None, :]
    covered = (down >= top[:, None, None]) & (down < (top + high)[:, None, None])
    covered = covered & (across >= left[:, None, None]) & (across < (left + wide)[:, None, None])
    covered &= (draws[:, 0] < 0.5)[:, None, None]
    mask = torch.from_numpy(covered[:, None]).to(images.device)
    return torch.where(mask, _colours(images), images)


def _colours(images: Tensor) -> Tensor:
    """The mean of each channel of each picture, (N, C, 1, 1), the same for a picture in any batch."""
    if images.device.type == "cpu":
        means = images.numpy().reshape(*images.shape[:2], -1).mean(2)
        return torch.from_numpy(means)[:, :, None, None]
    return images.mean((2, 3), keepdim=True)
