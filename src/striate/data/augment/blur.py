"""Blur: a lens out of focus."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from striate.data.augment import Draws, per_image


@per_image("blur", {"blur": 0.0}, draws=1, order=50, moves=False)
def blur(images: Tensor, draws: Draws, blur: float) -> Tensor:
    """Blur each picture by a Gaussian of its own; beyond the border is its reflection.

    Args:
        images: (N, C, H, W), float32.
        draws: (N, 1).
        blur: the largest standard deviation, as a share of the shorter side; uniform from 0.
    """
    height, width = images.shape[2:]
    most = blur * min(height, width)
    reach = min(math.ceil(3 * most), height - 1, width - 1)
    if reach < 1:
        return images.clone()
    sigma = np.maximum(most * draws, 1e-3)
    weights = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    weights = (weights / weights.sum(1, keepdims=True)).astype(np.float32)
    kernel = torch.from_numpy(weights).to(images.device)[:, :, None, None, None]
    # As a sum of shifted pictures: the kernels of torch's convolutions, and so the last bits, depend on how many
    # pictures are in the batch.
    for axis in (2, 3):
        padding = (0, 0, reach, reach) if axis == 2 else (reach, reach, 0, 0)
        padded = functional.pad(images, padding, mode="reflect")
        length = images.shape[axis]
        images = kernel[:, 0] * padded.narrow(axis, 0, length)
        for place in range(1, 2 * reach + 1):
            images.addcmul_(kernel[:, place], padded.narrow(axis, place, length))
    return images
