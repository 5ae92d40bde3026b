"""Hue: colours turned about the axis of greys, and now and then to grey."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from striate.data.augment import Draws, per_image
from striate.data.prepare import LUMA


@per_image("hue", {"hue": 0.0, "grey": 0.0}, draws=2, order=32, moves=False)
def hue(images: Tensor, draws: Draws, hue: float, grey: float) -> Tensor:
    """Turn the colours of each picture by an angle of its own; greys stay as they are. Others than of three channels
    stay too.

    Args:
        images: (N, C, H, W), float32 on 0 to 255.
        draws: (N, 2): the angle, whether to grey.
        hue: the largest turn to either side as a share of the circle, ½ being all colours; uniform.
        grey: the probability that a picture becomes grey altogether.

    Returns:
        clipped to 0 to 255.
    """
    if images.shape[1] != 3:
        return images.clone()
    angle = 2 * np.pi * hue * (2 * draws[:, 0] - 1)
    cosine, sine = np.cos(angle)[:, None, None], np.sin(angle)[:, None, None]
    axis = np.full(3, 3**-0.5)
    across = np.array([[0, -axis[2], axis[1]], [axis[2], 0, -axis[0]], [-axis[1], axis[0], 0]])
    turn = cosine * np.eye(3) + sine * across + (1 - cosine) * np.outer(axis, axis)  # Rodrigues' rotation
    turn[draws[:, 1] < grey] = np.tile(np.asarray(LUMA), (3, 1))
    matrix = torch.from_numpy(turn.astype(np.float32)).to(images.device)
    return torch.einsum("nij,njhw->nihw", matrix, images).clamp_(0, 255)
