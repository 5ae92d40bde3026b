"""Mirroring, for targets that a mirror leaves as they are."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from striate.data.augment import Draws, per_image


@per_image("flip", {"flip": "none"}, draws=2, order=10, bytes=True, moves=True)
def flip(images: Tensor, draws: Draws, flip: str) -> Tensor:
    """Mirror each picture left to right, and with "both" also top to bottom, with probability one half each.

    Args:
        images: (N, C, H, W), any type.
        draws: (N, 2): left to right, top to bottom; below one half mirrors.
        flip: "none", "horizontal" or "both".
    """
    result = images.clone()
    for column, axis in enumerate({"none": [], "horizontal": [3], "both": [3, 2]}[flip]):
        rows = torch.from_numpy(np.flatnonzero(draws[:, column] < 0.5)).to(images.device)
        result[rows] = result[rows].flip(axis)
    return result
