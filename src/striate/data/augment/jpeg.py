"""JPEG compression: blocks, ringing and lost colour, as cameras and messengers leave them."""

from __future__ import annotations

import math
from functools import cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from striate.data.augment import Draws, per_image

LUMINANCE = """
16 11 10 16  24  40  51  61
12 12 14 19  26  58  60  55
14 13 16 24  40  57  69  56
14 17 22 29  51  87  80  62
18 22 37 56  68 109 103  77
24 35 55 64  81 104 113  92
49 64 78 87 103 121 120 101
72 92 95 98 112 100 103  99
"""
CHROMINANCE = """
17 18 24 47 99 99 99 99
18 21 26 66 99 99 99 99
24 26 56 99 99 99 99 99
47 66 99 99 99 99 99 99
99 99 99 99 99 99 99 99
99 99 99 99 99 99 99 99
99 99 99 99 99 99 99 99
99 99 99 99 99 99 99 99
"""
"""Steps of the coefficients, by frequency down and across: ITU-T T.81, tables K.1 and K.2."""

TO_YCC = ((0.299, 0.587, 0.114), (-0.168735892, -0.331264108, 0.5), (0.5, -0.418687589, -0.081312411))
"""From red, green and blue to light and two differences of colour: JFIF 1.02."""


@per_image("jpeg", {"jpeg": 100}, draws=1, order=70, moves=False)
def jpeg(images: Tensor, draws: Draws, jpeg: int) -> Tensor:
    """Lose what JPEG compression would lose of each picture, at a quality of its own.

    As libjpeg does by default: colours at half the resolution (4:2:0), 8×8 blocks, the tables of ITU-T T.81, annex K,
    scaled by quality. Other than three channels are compressed each as a grey picture.

    Args:
        images: (N, C, H, W), float32 on 0 to 255.
        draws: (N, 1).
        jpeg: the lowest quality; each whole number from it to 100 is as likely. 100 switches it off.

    Returns:
        whole numbers on 0 to 255.
    """
    qualities = np.floor(jpeg + (101 - jpeg) * draws[:, 0])
    light, colour = (tables(table, qualities).to(images.device) for table in (LUMINANCE, CHROMINANCE))
    whole = images.round().clamp_(0, 255)
    if images.shape[1] != 3:
        return _lossy(whole, light)
    luma, blue, red = (
        (whole[:, 0] * row[0]).add_(whole[:, 1], alpha=row[1]).add_(whole[:, 2], alpha=row[2]) for row in TO_YCC
    )
    differences = torch.stack([blue, red], 1).add_(128).round_()
    luma = _lossy(luma.round_()[:, None], light)[:, 0]
    blue, red = _doubled(_lossy(_halved(differences), colour), images.shape[2:]).sub_(128).unbind(1)
    found = [luma + 1.402 * red, luma - 0.344136286 * blue - 0.714136286 * red, luma + 1.772 * blue]
    return torch.stack(found, 1).round_().clamp_(0, 255)


def tables(standard: str, qualities: NDArray[np.float64]) -> Tensor:
    """The steps (N, 8, 8) of each quality from 1 to 100, as libjpeg scales them.

    >>> tables(LUMINANCE, np.array([50.0, 75.0]))[:, 0, 0].tolist()
    [16.0, 8.0]
    """
    base = np.array(standard.split(), np.float64).reshape(8, 8)
    scale = np.where(qualities < 50, np.floor(5000 / np.maximum(qualities, 1)), 200 - 2 * qualities)
    steps = np.clip(np.floor((base * scale[:, None, None] + 50) / 100), 1, 255)
    return torch.from_numpy(steps.astype(np.float32))


def _halved(images: Tensor) -> Tensor:
    """The means of 2×2 pixels, whole; halves go down and up by turns along a row, as in libjpeg."""
    padded = functional.pad(images, (0, images.shape[3] % 2, 0, images.shape[2] % 2), mode="replicate")
    means = functional.avg_pool2d(padded, 2)
    bias = 0.25 + 0.25 * (torch.arange(means.shape[3], device=images.device) % 2)
    return means.add_(bias).floor_()


def _doubled(images: Tensor, size: torch.Size) -> Tensor:
    """Twice the size by a triangle filter, cut to a size: what libjpeg calls fancy upsampling, with its rounding."""
    doubled = functional.interpolate(images, scale_factor=2, mode="bilinear", align_corners=False)
    bias = 0.5 - (torch.arange(doubled.shape[3], device=images.device) % 2) / 16
    return doubled.add_(bias).floor_()[:, :, : size[0], : size[1]]


def _lossy(images: Tensor, steps: Tensor) -> Tensor:
    """Images (N, C, H, W) on 0 to 255 by way of quantised frequencies of 8×8 blocks, with steps (N, 8, 8)."""
    count, channels, height, width = images.shape
    padded = functional.pad(images - 128, (0, -width % 8, 0, -height % 8), mode="replicate")
    blocks = padded.view(count, channels, padded.shape[2] // 8, 8, padded.shape[3] // 8, 8)
    basis = torch.from_numpy(_cosines()).to(images.device)
    across = _along(basis, blocks).transpose(3, 5).contiguous()  # (…, rows, 8 across, columns, 8 down)
    step = steps.transpose(1, 2)[:, None, None, :, None, :]
    found = _along(basis, across).div_(step).round_().mul_(step)
    down = _along(basis.T, found).transpose(3, 5).contiguous()
    restored = _along(basis.T, down).view(padded.shape)[:, :, :height, :width]
    return restored.round().add_(128).clamp_(0, 255)


def _along(matrix: Tensor, blocks: Tensor) -> Tensor:
    """The matrix (8, 8) applied along axis 3, as a sum in fixed order: the last bits of torch's products of matrices
    may depend on how many pictures are in the batch, and a rounding would make whole steps of them."""
    columns = matrix[:, :, None, None]
    result = blocks[:, :, :, :1] * columns[:, 0]
    for place in range(1, 8):
        result.addcmul_(blocks[:, :, :, place : place + 1], columns[:, place])
    return result


@cache
def _cosines() -> NDArray[np.float32]:
    """The orthonormal cosine transform of 8 numbers, (frequency, place)."""
    frequency, place = np.arange(8)[:, None], np.arange(8)[None]
    matrix = np.cos(math.pi * frequency * (2 * place + 1) / 16) / 2
    matrix[0] /= math.sqrt(2)
    return matrix.astype(np.float32)
