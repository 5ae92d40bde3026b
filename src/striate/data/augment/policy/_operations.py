"""The operations that policies choose from: each on bytes, every picture at a strength of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from striate.data.augment._resample import resampled
from striate.data.prepare import LUMA

Strengths: TypeAlias = NDArray[np.float64]
GREY = 128
"""What lies beyond the border, as in the papers."""


class Range(NamedTuple):
    """The strengths of an operation, from the weakest to the strongest; one that is signed goes to either side."""

    weakest: float
    strongest: float
    signed: bool = False


def operated(
    images: Tensor, which: Strengths, level: Strengths, side: Strengths, ranges: Mapping[str, Range]
) -> Tensor:
    """Each picture by one of the operations.

    Args:
        images: (N, C, H, W), uint8.
        which: (N,), from 0 to below 1: the operation; each is as likely. Below 0 leaves the picture.
        level: (N,), from 0 for the weakest to 1.
        side: (N,), from 0 to below 1: where the operation is signed, below one half turns it round.
        ranges: the operations to choose from, by name.
    """
    chosen = np.floor(which * len(ranges)).astype(np.int64)
    result = images.clone()
    for number, (name, limits) in enumerate(ranges.items()):
        rows = np.flatnonzero(chosen == number)
        if not len(rows):
            continue
        strength = limits.weakest + (limits.strongest - limits.weakest) * level[rows]
        if limits.signed:
            strength = np.where(side[rows] < 0.5, -strength, strength)
        places = torch.from_numpy(rows).to(images.device)
        result[places] = OPERATIONS[name](images[places], strength)
    return result


def identity(images: Tensor, strength: Strengths) -> Tensor:
    """The pictures as they are."""
    return images


def shear_x(images: Tensor, strength: Strengths) -> Tensor:
    """Rows slide to the left, by so much of their distance from the upper border."""
    height, width = images.shape[2:]
    matrix = _still(len(images))
    matrix[:, 0, 1] = matrix[:, 0, 2] = strength * height / width
    return _moved(images, matrix)


def shear_y(images: Tensor, strength: Strengths) -> Tensor:
    """Columns slide up, by so much of their distance from the left border."""
    height, width = images.shape[2:]
    matrix = _still(len(images))
    matrix[:, 1, 0] = matrix[:, 1, 2] = strength * width / height
    return _moved(images, matrix)


def translate_x(images: Tensor, strength: Strengths) -> Tensor:
    """To the right by so many whole pixels."""
    matrix = _still(len(images))
    matrix[:, 0, 2] = -2 * np.trunc(strength) / images.shape[3]
    return _moved(images, matrix)


def translate_y(images: Tensor, strength: Strengths) -> Tensor:
    """Down by so many whole pixels."""
    matrix = _still(len(images))
    matrix[:, 1, 2] = -2 * np.trunc(strength) / images.shape[2]
    return _moved(images, matrix)


def rotate(images: Tensor, strength: Strengths) -> Tensor:
    """Turned about the centre by so many degrees, counter-clockwise."""
    height, width = images.shape[2:]
    cosine, sine = np.cos(np.deg2rad(strength)), np.sin(np.deg2rad(strength))
    matrix = _still(len(images))
    matrix[:, 0, 0], matrix[:, 0, 1] = cosine, -sine * height / width
    matrix[:, 1, 0], matrix[:, 1, 1] = sine * width / height, cosine
    return _moved(images, matrix)


def brightness(images: Tensor, strength: Strengths) -> Tensor:
    """Away from black by the factor 1 + strength."""
    return _blended(images, torch.zeros_like(images), strength)


def color(images: Tensor, strength: Strengths) -> Tensor:
    """Away from the grey of the same light; other than three channels stay."""
    return images if images.shape[1] != 3 else _blended(images, _luma(images), strength)


def contrast(images: Tensor, strength: Strengths) -> Tensor:
    """Away from the mean grey. Whole numbers add up to the same in any order, so in any batch."""
    grey = _luma(images)
    mean = grey.sum((1, 2, 3), dtype=torch.int64).float() / grey[0].numel()
    return _blended(images, mean[:, None, None, None], strength)


def sharpness(images: Tensor, strength: Strengths) -> Tensor:
    """Away from the picture smoothed over 3×3 pixels, of which the middle counts five; the border stays."""
    if min(images.shape[2:]) < 3:
        return images
    numbers = images.int()
    rows = numbers[:, :, :-2] + numbers[:, :, 1:-1] + numbers[:, :, 2:]
    total = rows[..., :-2] + rows[..., 1:-1] + rows[..., 2:] + 4 * numbers[:, :, 1:-1, 1:-1]
    smoothed = images.float()
    smoothed[:, :, 1:-1, 1:-1] = (total.float() / 13).round_()
    return _blended(images, smoothed, strength)


def posterize(images: Tensor, strength: Strengths) -> Tensor:
    """The highest so many bits of each number."""
    bits = np.clip(np.rint(strength), 0, 8).astype(np.int64)
    masks = torch.from_numpy(((0xFF << (8 - bits)) & 0xFF).astype(np.uint8)).to(images.device)
    return images & masks[:, None, None, None]


def solarize(images: Tensor, strength: Strengths) -> Tensor:
    """What is as light as the strength, or lighter, inverted."""
    return torch.where(images >= _spread(strength, images), 255 - images, images)


def autocontrast(images: Tensor, strength: Strengths) -> Tensor:
    """Each channel stretched to the full range."""
    numbers = images.float()
    low, high = numbers.amin((2, 3), keepdim=True), numbers.amax((2, 3), keepdim=True)
    flat = low == high
    stretched = (numbers - low.masked_fill(flat, 0)) / ((high - low) / 255).masked_fill_(flat, 1)
    return _bytes(stretched)


def equalize(images: Tensor, strength: Strengths) -> Tensor:
    """Each channel so that its shades are about as frequent, as Pillow's `ImageOps.equalize` computes it."""
    shades = images.flatten(2).long()
    counts = torch.zeros(*shades.shape[:2], 256, dtype=torch.int64, device=images.device)
    counts.scatter_add_(2, shades, torch.ones_like(shades))
    below = counts.cumsum(2)
    lightest = counts.gather(2, images.flatten(2).amax(2, keepdim=True).long())
    step = (shades.shape[2] - lightest) // 255
    table = ((below - counts + step // 2) // step.clamp(min=1)).clamp_(0, 255)
    found = table.gather(2, shades).to(torch.uint8).view_as(images)
    return torch.where((step == 0)[..., None], images, found)


OPERATIONS: dict[str, Callable[[Tensor, Strengths], Tensor]] = {
    one.__name__: one
    for one in (
        identity,
        shear_x,
        shear_y,
        translate_x,
        translate_y,
        rotate,
        brightness,
        color,
        contrast,
        sharpness,
        posterize,
        solarize,
        autocontrast,
        equalize,
    )
}


def _still(count: int) -> NDArray[Any]:
    return np.tile(np.eye(2, 3, dtype=np.float32), (count, 1, 1))


def _moved(images: Tensor, matrix: NDArray[Any]) -> Tensor:
    height, width = images.shape[2:]
    return _bytes(resampled(images.float() - GREY, matrix, (height, width), "zeros").add_(GREY).round_())


def _spread(strength: Strengths, images: Tensor) -> Tensor:
    return torch.from_numpy(strength.astype(np.float32)).to(images.device)[:, None, None, None]


def _blended(images: Tensor, other: Tensor, strength: Strengths) -> Tensor:
    """Away from the other picture by the factor 1 + strength."""
    factor = 1 + _spread(strength, images)
    return _bytes(images * factor + other * (1 - factor))


def _luma(images: Tensor) -> Tensor:
    """The whole greys of pictures, (N, 1, H, W); of other than three channels the mean."""
    if images.shape[1] != 3:
        return images.float().mean(1, keepdim=True).floor_()
    red, green, blue = images.float().unbind(1)
    return (red * LUMA[0]).add_(green, alpha=LUMA[1]).add_(blue, alpha=LUMA[2]).floor_()[:, None]


def _bytes(images: Tensor) -> Tensor:
    return images.clamp(0, 255).to(torch.uint8)
