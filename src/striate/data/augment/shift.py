"""Shifted crops: the window moves by whole pixels, into the margin where there is one, else into a reflection."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from striate.data.augment import CUT, Draws, per_image

Starts: TypeAlias = list[NDArray[np.int64]]
"""Where each window begins, down and right; below zero lies in the reflection."""


@per_image("shift", {"shift": 0.0}, draws=2, order=CUT, bytes=True, moves=True)
def shift(images: Tensor, draws: Draws, shift: float, size: tuple[int, int]) -> Tensor:
    """Cut each picture at its own offset from the centre.

    Args:
        images: (N, C, H, W), any type, at least as large as `size`.
        draws: (N, 2): down, right.
        shift: the largest offset as a share of the side; every whole number of pixels up to it is as likely.
        size: (height, width) to cut to.

    >>> images = torch.arange(9.0).reshape(1, 1, 3, 3)
    >>> shift(images, np.array([[0.99, 0.5]]), 0.34, (3, 3))[0, 0].tolist()
    [[3.0, 4.0, 5.0], [6.0, 7.0, 8.0], [3.0, 4.0, 5.0]]
    """
    starts = []
    for axis, side in zip((2, 3), size, strict=True):
        length = images.shape[axis]
        limit = min(round(shift * side), length - 1)
        offset = np.floor(draws[:, axis - 2] * (2 * limit + 1)).astype(np.int64) - limit
        starts.append((length - side) // 2 + offset)
    return _copied(images, starts, size) if images.device.type == "cpu" else _gathered(images, starts, size)


def _copied(images: Tensor, starts: Starts, size: tuple[int, int]) -> Tensor:
    """The windows one by one: whole rows of memory at once, which a processor does fastest."""
    source, padded, shifted = images.numpy(), images.numpy(), []
    for axis, side, start in zip((2, 3), size, starts, strict=True):
        before = max(0, -int(start.min()))
        after = max(0, int(start.max()) + side - source.shape[axis])
        if before or after:  # "reflect" leaves the border pixel single, as torch's padding of that name does
            widths = [(0, 0)] * 4
            widths[axis] = (before, after)
            padded = np.pad(padded, widths, "reflect")
        shifted.append(start + before)
    result = np.empty((*source.shape[:2], *size), source.dtype)
    for row, (top, left) in enumerate(zip(*shifted, strict=True)):
        result[row] = padded[row, :, top : top + size[0], left : left + size[1]]
    return torch.from_numpy(result)


def _gathered(images: Tensor, starts: Starts, size: tuple[int, int]) -> Tensor:
    """All windows at once, by the numbers of their pixels: what a GPU does fastest."""
    places = []
    for axis, side, start in zip((2, 3), size, starts, strict=True):
        last = images.shape[axis] - 1
        place = np.abs(start[:, None] + np.arange(side))
        places.append(torch.from_numpy(last - np.abs(last - place)).to(images.device))
    rows = torch.arange(len(images), device=images.device)[:, None, None, None]
    channels = torch.arange(images.shape[1], device=images.device)[:, None, None]
    return images[rows, channels, places[0][:, None, :, None], places[1][:, None, None, :]]
