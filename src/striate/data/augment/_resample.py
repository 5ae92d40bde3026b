"""Pictures sampled anew along a plane turned, stretched and moved."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

Beyond: TypeAlias = str | Tensor
"""What lies outside of a picture: "border", "reflection" or "zeros"; or a colour, (C, 1, 1) or (1, 1, 1)."""


def resampled(images: Tensor, matrices: NDArray[Any], size: tuple[int, int], beyond: Beyond) -> Tensor:
    """Each picture along its own plane, by bilinear interpolation.

    Args:
        images: (N, C, H, W), float32.
        matrices: (N, 2, 3): from places in the result to places in the source, across before down; both run from -1 to
            1, from border to border.
        size: (height, width) of the result.
        beyond: what lies outside of a picture.

    Returns:
        (N, C, height, width).
    """
    down, across = (torch.from_numpy(((2 * np.arange(side) + 1) / side - 1).astype(np.float32)) for side in size)
    plane = torch.from_numpy(np.asarray(matrices, np.float32))[..., None]
    rows = (plane[:, :, 1] * down + plane[:, :, 2]).to(images.device)
    columns = (plane[:, :, 0] * across).to(images.device)
    grid = torch.empty(len(images), *size, 2, device=images.device)
    for axis in range(2):
        torch.add(rows[:, axis, :, None], columns[:, axis, None, :], out=grid[..., axis])
    if isinstance(beyond, Tensor):
        return _sampled(images - beyond, grid, "zeros").add_(beyond)
    return _sampled(images, grid, beyond)


def _sampled(images: Tensor, grid: Tensor, padding: str) -> Tensor:
    return functional.grid_sample(images, grid, mode="bilinear", padding_mode=padding, align_corners=False)
