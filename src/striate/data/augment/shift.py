"""Shifted crops: the window moves by whole pixels, into the margin where there is one, else into a reflection."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from striate.data.augment import CUT, Draws, per_image
from striate.data.augment._follow import Plane, Size, window

Starts: TypeAlias = list[NDArray[np.int64]]
"""Where each window begins, down and right; below zero lies in the reflection."""


def starts(draws: Draws, before: Size, after: Size, shift: float) -> Starts:
    """Where the windows begin, for pictures of a size that are cut to another."""
    found = []
    for axis, (length, side) in enumerate(zip(before, after, strict=True)):
        limit = min(round(shift * side), length - 1)
        offset = np.floor(draws[:, axis] * (2 * limit + 1)).astype(np.int64) - limit
        found.append((length - side) // 2 + offset)
    return found


def plane(draws: Draws, before: Size, after: Size, shift: float) -> Plane:
    """Where places of the result are taken from, (N, 3, 3)."""
    top, left = starts(draws, before, after, shift)
    return window(top, left, before, after)


@per_image("shift", {"shift": 0.0}, draws=2, order=CUT, bytes=True, moves=True, plane=plane, fills=True)
def shift(images: Tensor, draws: Draws, shift: float, size: tuple[int, int], fill: Tensor | None = None) -> Tensor:
    """Cut each picture at its own offset from the centre.

    Args:
        images: (N, C, H, W), any type, at least as large as `size`.
        draws: (N, 2): down, right.
        shift: the largest offset as a share of the side; every whole number of pixels up to it is as likely.
        size: (height, width) to cut to.
        fill: the colour of what lies beyond the border, in place of a reflection; rounded for bytes.

    >>> images = torch.arange(9.0).reshape(1, 1, 3, 3)
    >>> shift(images, np.array([[0.99, 0.5]]), 0.34, (3, 3))[0, 0].tolist()
    [[3.0, 4.0, 5.0], [6.0, 7.0, 8.0], [3.0, 4.0, 5.0]]
    """
    begin = starts(draws, (images.shape[2], images.shape[3]), size, shift)
    found = _copied(images, begin, size) if images.device.type == "cpu" else _gathered(images, begin, size)
    return found if fill is None else _filled(found, begin, (images.shape[2], images.shape[3]), fill)


def _filled(images: Tensor, begin: Starts, before: Size, fill: Tensor) -> Tensor:
    """Windows in which all that lies beyond the pictures' border has one colour."""
    beyond = []
    for axis, (start, length) in enumerate(zip(begin, before, strict=True)):
        place = start[:, None] + np.arange(images.shape[2 + axis])
        beyond.append(torch.from_numpy((place < 0) | (place >= length)).to(images.device))
    outside = beyond[0][:, None, :, None] | beyond[1][:, None, None, :]
    colour = fill if images.is_floating_point() else fill.round()
    return torch.where(outside, colour.to(images.dtype), images)


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
