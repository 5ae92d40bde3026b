"""How a picture looks at a glance: its sharpness, bars at its edges, whether its colours are grey, and a small copy.

Cheap beside decoding: all rows are looked at only where the outermost ones are of one shade. Imports no torch, so that
worker processes start quickly.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

SMALL_SIDE = 64
"""Of the small copy by which marks in fixed places are found, in pixels."""

SMALLEST = 32
"""Side in pixels below which margins of things such as digits and icons cannot be told from bars and marks."""

_SAMPLED = 8192  # pixels, about, that sharpness is measured on along each axis: every few rows and columns
_SHADE = 12  # of 255: what a row may differ in itself to be of one shade, as JPEG leaves it
_THINNEST = 0.02  # of the side: thinner bars are what a scanner or a resize leaves
_FILLED = 0.4  # of the pixels beside a bar that differ from it; beside an object on plain ground few do
_EDGE = 48  # rows of the picture to one more over which a bar may end, of three at most


class Looks(NamedTuple):
    """What a glance at one picture tells.

    Args:
        sharpness: the mean square of second differences between neighbours, over the variance: 0 for smooth pictures,
            6 for noise (along both axes, 12 in all); contrast does not matter. 0 for constant ones.
        bars: pixels of bars of one shade at the top, bottom, left and right that end in a straight edge; only where
            two opposite ones are of the same shade, else 0, as of pictures below 32 px.
        grey: whether it has several channels and all hold the same.
        small: (64, 64) in grey, the picture squeezed to a square; None where it was not asked for, and below 32 px.
    """

    sharpness: float
    bars: tuple[int, int, int, int]
    grey: bool
    small: NDArray[np.uint8] | None = None


def looks(pixels: NDArray[Any], highest: float, *, small: bool = False) -> Looks:
    """Look at a picture.

    Args:
        pixels: (H, W, C), any type.
        highest: the highest value in pictures of more than 8 bits: that of white is not known of one alone.
        small: whether a small copy is wanted.

    >>> scene = np.random.default_rng(0).integers(0, 256, (60, 80, 3), np.uint8)
    >>> scene[:10] = scene[-10:] = 0
    >>> looks(scene, 255).bars
    (10, 10, 0, 0)
    """
    plane = pixels[:, :, 1 if pixels.shape[2] == 3 else 0]  # green carries most of the brightness
    if pixels.dtype != np.uint8:
        plane = np.clip(plane * (255.0 / highest if highest > 0 else 1.0), 0, 255).astype(np.uint8)
    grey = pixels.shape[2] == 3 and _equal(pixels[::8, ::8]) and _equal(pixels)
    if min(plane.shape) < SMALLEST:
        return Looks(_sharpness(plane), (0, 0, 0, 0), grey)
    copy = None
    if small:
        whole = Image.fromarray(np.ascontiguousarray(plane))
        copy = np.asarray(whole.resize((SMALL_SIDE, SMALL_SIDE), Image.Resampling.BOX))
    return Looks(_sharpness(plane), _bars(plane), grey, copy)


def _equal(pixels: NDArray[Any]) -> bool:
    return bool((pixels[:, :, 0] == pixels[:, :, 1]).all() and (pixels[:, :, 2] == pixels[:, :, 1]).all())


def _sharpness(plane: NDArray[np.uint8]) -> float:
    """Second differences along every few rows and columns, over the variance there."""
    energy = 0.0
    step = max(1, round(plane.size / _SAMPLED))
    for lines in (plane[step // 2 :: step], plane[:, step // 2 :: step].T):
        wide = lines.astype(np.float64)  # whole numbers, whose sums are exact in any order
        if wide.shape[1] < 3 or not wide.size:
            return 0.0
        second = (wide[:, :-2] - 2 * wide[:, 1:-1] + wide[:, 2:]).ravel()
        flat = wide.ravel()
        variance = float(flat @ flat) / flat.size - (float(flat.sum()) / flat.size) ** 2
        if variance < 0.25:
            return 0.0
        energy += float(second @ second) / second.size / variance
    return energy


def _bars(plane: NDArray[np.uint8]) -> tuple[int, int, int, int]:
    top, bottom = _pair(plane)
    within = plane[top : plane.shape[0] - bottom]
    left, right = _pair(within.T)
    if not top and left:  # a frame: beside its sides the top is of one shade only between them
        top, bottom = _pair(plane[:, left : plane.shape[1] - right])
    return top, bottom, left, right


def _pair(plane: NDArray[np.uint8]) -> tuple[int, int]:
    """The bars at the first and the last rows; (0, 0) unless there are two of one shade."""
    height = plane.shape[0]
    least = max(2, round(_THINNEST * height))
    if height < 4 * least or not plane.shape[1]:
        return 0, 0
    outer = plane[[0, least - 1, -least, -1]].astype(np.int16)
    if int(np.ptp(outer)) > _SHADE:
        return 0, 0
    shade = int(np.median(outer))
    away = (np.maximum(plane.max(1), shade) - shade > _SHADE) | (shade - np.minimum(plane.min(1), shade) > _SHADE)
    if not away.any():
        return 0, 0
    first, last = int(away.argmax()), int(away[::-1].argmax())
    if min(first, last) < least:
        return 0, 0
    edge = min(3, 1 + height // _EDGE)
    for rows in (plane[first : first + edge], plane[height - last - edge : height - last]):
        apart = np.abs(rows.astype(np.int16) - shade)
        if not apart.size or (apart > _SHADE).mean(1).max() < _FILLED or apart.mean(1).max() < 2 * _SHADE:
            return 0, 0  # what lies beside it is an object on plain ground, or it fades
    return first, last
