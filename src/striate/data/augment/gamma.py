"""Gamma: the curve of another sensor or screen."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from striate.data.augment import Draws, per_image


@per_image("gamma", {"gamma": 0.0}, draws=1, order=31, moves=False)
def gamma(images: Tensor, draws: Draws, gamma: float) -> Tensor:
    """Raise each picture, on a scale of 0 to 1, to a power of its own.

    Args:
        images: (N, C, H, W), float32 on 0 to 255; what lies outside stays.
        draws: (N, 1).
        gamma: the power is from 1 / (1 + gamma) to 1 + gamma, its logarithm uniform.
    """
    powers = np.exp(math.log1p(gamma) * (2 * draws[:, 0] - 1)).astype(np.float32)
    exponent = torch.from_numpy(powers).to(images.device)[:, None, None, None]
    inside = images.clamp(0, 255)
    return (inside / 255).pow(exponent).mul_(255).add_(images - inside)
