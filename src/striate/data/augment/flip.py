"""Mirroring, for targets that a mirror leaves as they are."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from striate.data.augment import Draws, per_image
from striate.data.augment._follow import Plane, Size, flat

AXES: dict[str, list[int]] = {"none": [], "horizontal": [3], "both": [3, 2]}
"""What is mirrored by each column of the draws."""


def plane(draws: Draws, before: Size, after: Size, flip: str) -> Plane:
    """Where places of the result are taken from, (N, 3, 3)."""
    found = flat(len(draws), 1, 1)
    for column in range(len(AXES[flip])):
        found[draws[:, column] < 0.5, column, column] = -1
    return found


@per_image("flip", {"flip": "none"}, draws=2, order=10, bytes=True, moves=True, plane=plane)
def flip(images: Tensor, draws: Draws, flip: str) -> Tensor:
    """Mirror each picture left to right, and with "both" also top to bottom, with probability one half each.

    Args:
        images: (N, C, H, W), any type.
        draws: (N, 2): left to right, top to bottom; below one half mirrors.
        flip: "none", "horizontal" or "both".
    """
    result = images.clone()
    for column, axis in enumerate(AXES[flip]):
        rows = torch.from_numpy(np.flatnonzero(draws[:, column] < 0.5)).to(images.device)
        result[rows] = result[rows].flip(axis)
    return result
