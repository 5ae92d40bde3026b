"""Elastic distortion: the picture drawn on rubber."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from striate.data.augment import Draws, per_image
from striate.data.augment.noise import normals

SMOOTH = 1 / 8
"""The standard deviation of the smoothing, as a share of the shorter side: Simard's 4 px of 29."""
NODES = 2
"""Nodes of the coarse field to a standard deviation, between which it is as good as straight."""
REACH = 3 * NODES


@per_image("elastic", {"elastic": 0.0}, draws=2, order=23, moves=True)
def elastic(images: Tensor, draws: Draws, elastic: float) -> Tensor:
    """Move each pixel by a random field that is smooth; what lies beyond the border is its reflection.

    Simard, Steinkraus and Platt 2003, "Best practices for convolutional neural networks applied to visual document
    analysis", section 2: noise, one number a pixel and axis, smoothed by a Gaussian. Here it is made on a coarse grid,
    since a smooth field holds no more, and noise and Gaussian have the strength that is asked for at any size.

    Args:
        images: (N, C, H, W), float32.
        draws: (N, 2): how strong, and which field.
        elastic: the largest root mean square of the moves along an axis, as a share of the shorter side; uniform from
            0. Simard's α = 34 on 29 px is 0.05.
    """
    height, width = images.shape[2:]
    shorter = min(height, width)
    field = functional.interpolate(_coarse(images, draws, shorter), (height, width), mode="bicubic", align_corners=True)
    strength = torch.from_numpy((elastic * shorter * draws[:, 0]).astype(np.float32)).to(images.device)
    down, across = (
        torch.from_numpy(((2 * np.arange(side) + 1) / side - 1).astype(np.float32)).to(images.device)
        for side in (height, width)
    )
    moved = field * strength[:, None, None, None]
    grid = torch.stack([moved[:, 0] * (2 / width) + across, moved[:, 1] * (2 / height) + down[:, None]], dim=-1)
    return functional.grid_sample(images, grid, mode="bilinear", padding_mode="reflection", align_corners=False)


def _coarse(images: Tensor, draws: Draws, shorter: int) -> Tensor:
    """A smooth field of variance 1 for each picture, (N, 2, rows, columns), with nodes at its corners."""
    rows, columns = (1 + max(1, math.ceil(NODES * side / (SMOOTH * shorter))) for side in images.shape[2:])
    keys = torch.from_numpy((draws[:, 1] * 2**31).astype(np.int64)).to(images.device)
    high, wide = rows + 2 * REACH, columns + 2 * REACH
    field = normals(keys, 2 * high * wide).view(len(images), 2, high, wide)
    weights = np.exp(-0.5 * (np.arange(-REACH, REACH + 1) / NODES) ** 2)
    weights /= math.sqrt((weights**2).sum())  # of independent numbers of variance 1 it is to give such again
    for axis, length in ((2, rows), (3, columns)):
        smoothed = field.narrow(axis, 0, length) * float(weights[0])
        for place in range(1, 2 * REACH + 1):
            smoothed.add_(field.narrow(axis, place, length), alpha=float(weights[place]))
        field = smoothed
    return field
