"""Shifted crops: the window moves by whole pixels, into the margin where there is one, else into a reflection."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from striate.data.augment import CUT, Draws, per_image


@per_image("shift", {"shift": 0.0}, draws=2, order=CUT, bytes=True)
def shift(images: Tensor, draws: Draws, shift: float, size: tuple[int, int]) -> Tensor:
    """Cut each picture at its own offset from the centre.

    Args:
        images: (N, C, H, W) in memory of the processor, any type, at least as large as `size`.
        draws: (N, 2): down, right.
        shift: the largest offset as a share of the side; every whole number of pixels up to it is as likely.
        size: (height, width) to cut to.

    >>> images = torch.arange(9.0).reshape(1, 1, 3, 3)
    >>> shift(images, np.array([[0.99, 0.5]]), 0.34, (3, 3))[0, 0].tolist()
    [[3.0, 4.0, 5.0], [6.0, 7.0, 8.0], [3.0, 4.0, 5.0]]
    """
    source = images.numpy()
    padded, starts = source, []
    for axis, side in zip((2, 3), size, strict=True):
        length = source.shape[axis]
        limit = min(round(shift * side), length - 1)
        offset = np.floor(draws[:, axis - 2] * (2 * limit + 1)).astype(np.int64) - limit
        start = (length - side) // 2
        before, after = max(0, limit - start), max(0, start + limit + side - length)
        if before or after:  # "reflect" leaves the border pixel single, as torch's padding of that name does
            widths = [(0, 0)] * 4
            widths[axis] = (before, after)
            padded = np.pad(padded, widths, "reflect")
        starts.append(start + before + offset)
    result = np.empty((*source.shape[:2], *size), source.dtype)
    for row, (top, left) in enumerate(zip(*starts, strict=True)):
        result[row] = padded[row, :, top : top + size[0], left : left + size[1]]
    return torch.from_numpy(result)
