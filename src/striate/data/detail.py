"""How far a picture's detail reaches: those enlarged from a smaller size hold less than their pixels promise.

The power of natural scenes falls with the square of the frequency (Field 1987, "Relations between the statistics of
natural images and the response properties of cortical cells"), so power times frequency squared, summed over a ring,
is about level up to the highest frequency that the pixels can hold. Enlarging adds pixels and no frequencies: the
product falls off where the smaller picture ended. Imports no torch, so that worker processes start quickly.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

LEAST, MOST = 16, 256
"""Sides in pixels: smaller pictures have too few frequencies to tell, larger ones are judged by their centre."""

ENLARGED = 0.6
"""Share of the resolution below which pictures are said to be enlarged or soft. Of the sets measured, photographs lie
at 0.8 and above in the median, micrographs of blood at 0.46, and photographs enlarged fourfold at 0.23."""

_SHARE = 0.95
_RINGS = 32


def detail(pixels: NDArray[Any]) -> float:
    """The share of the picture's resolution below which 95 % of its whitened power lies, relative to a natural scene.

    Args:
        pixels: (H, W, C), any type.

    Returns:
        from 1 / 32 to 1: 0.25 for a picture enlarged fourfold by smooth interpolation, about 1 for one that is sharp.
        1 for pictures below 16 px and for constant ones, of which nothing can be said. Pictures enlarged by repeating
        pixels keep their edges and are not told.

    >>> scene = np.random.default_rng(0).random((64, 64, 1))
    >>> detail(scene)
    1.0
    """
    side = min(pixels.shape[0], pixels.shape[1], MOST)
    if side < LEAST:
        return 1.0
    top, left = (pixels.shape[0] - side) // 2, (pixels.shape[1] - side) // 2
    light = pixels[top : top + side, left : left + side].mean(2, dtype=np.float32)
    if np.ptp(light) <= 1e-6 * max(1.0, float(np.abs(light).max())):  # what rounding leaves of a constant
        return 1.0
    window, rings, squares = _frame(side)
    power = np.abs(np.fft.rfft2((light - light.mean()) * window)) ** 2 * squares
    energy = np.bincount(rings, power.ravel(), _RINGS + 1)[:_RINGS]  # the corners beyond the circle are left out
    total = energy.sum()
    if not total > 0:
        return 1.0
    reached = int(np.searchsorted(np.cumsum(energy), _SHARE * total)) + 1
    return float(min(1.0, reached / _RINGS / _SHARE))


@lru_cache(maxsize=8)
def _frame(side: int) -> tuple[NDArray[np.float32], NDArray[np.int64], NDArray[np.float32]]:
    """The window, each frequency's ring, and what its power is multiplied by.

    The power on a ring is a mean times its circumference: dividing by the frequency once makes the sum over a ring
    stand for the mean along a radius.
    """
    slope = np.hanning(side).astype(np.float32)
    radius = np.hypot(np.fft.fftfreq(side)[:, None], np.fft.rfftfreq(side)[None, :]) / 0.5
    rings = np.minimum((radius * _RINGS).astype(np.int64), _RINGS)
    return np.outer(slope, slope), rings.ravel(), radius.astype(np.float32)
