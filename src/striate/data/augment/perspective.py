"""Perspective: the plane of the picture turned out of its own."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from striate.data.augment import Draws, per_image
from striate.data.augment._follow import Plane, Size


def plane(draws: Draws, before: Size, after: Size, perspective: float) -> Plane:
    """Where places of the result are taken from, (N, 3, 3)."""
    corners = np.array([[-1.0, -1.0], [1.0, -1.0], [1.0, 1.0], [-1.0, 1.0]])
    moved = corners * (1 - perspective * draws.reshape(-1, 4, 2))
    # Of each picture the plane's eight numbers: places in the result, to places in the source.
    matrix = np.zeros((len(draws), 8, 8))
    for corner, (across, down) in enumerate(corners):
        to = moved[:, corner]
        matrix[:, 2 * corner] = np.stack(
            [np.full(len(to), one) for one in (across, down, 1, 0, 0, 0)] + [-across * to[:, 0], -down * to[:, 0]],
            axis=1,
        )
        matrix[:, 2 * corner + 1] = np.stack(
            [np.full(len(to), one) for one in (0, 0, 0, across, down, 1)] + [-across * to[:, 1], -down * to[:, 1]],
            axis=1,
        )
    found = np.ones((len(draws), 9))
    found[:, :8] = np.linalg.solve(matrix, moved.reshape(-1, 8, 1))[..., 0]
    return found.reshape(-1, 3, 3)


@per_image("perspective", {"perspective": 0.0}, draws=8, order=22, moves=True, plane=plane)
def perspective(images: Tensor, draws: Draws, perspective: float) -> Tensor:
    """Draw each corner inwards by its own distance and see the picture through it: the rest follows as on a plane.

    Of a box the upright box around its moved corners is taken.

    Args:
        images: (N, C, H, W), float32.
        draws: (N, 8): how far each corner moves, across and down, from the top left clockwise.
        perspective: the largest distance as a share of half of a side; uniform.
    """
    height, width = images.shape[2:]
    numbers = plane(draws, (height, width), (height, width), perspective).reshape(-1, 9)[:, :8].astype(np.float32)
    a, b, c, d, e, f, g, h = torch.from_numpy(numbers).to(images.device)[:, :, None, None].unbind(1)
    down, across = (
        torch.from_numpy(((2 * np.arange(side) + 1) / side - 1).astype(np.float32)).to(images.device)
        for side in (height, width)
    )
    x, y = across[None, None, :], down[None, :, None]
    depth = g * x + h * y + 1
    grid = torch.stack([(a * x + b * y + c) / depth, (d * x + e * y + f) / depth], dim=-1)
    return functional.grid_sample(images, grid, mode="bilinear", padding_mode="reflection", align_corners=False)
