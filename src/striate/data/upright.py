"""Whether pictures have an up: whether a simple classifier tells them from themselves upside down.

Landscapes and portraits have one, micrographs and things photographed from above have none, and may be turned over in
training. Light falling from one side or dust on a lens marks a direction too, but marks left and right as well, which
content rarely does: so upside down is compared with mirrored. Imports no torch, so that worker processes start quickly.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

SIDE = 8
"""Of a thumbnail, in pixels."""

LEAST, MOST = 200, 4000
"""Pictures: fewer leave a standard error of more than 5 % in the shares, more are thinned out evenly."""

_SMALLEST = 16  # side in pixels below which a picture is not judged
_STRIDE = 64  # rows and columns that a thumbnail is made from; the rest adds nothing to a mean
_RIDGE = 0.3  # in units of the inputs' variance; 0.003 to 1 give the same figures but for 2 %


def thumbnail(pixels: NDArray[Any]) -> NDArray[np.float32] | None:
    """The means over a grid of 8 by 8, standardised: (8, 8, 3); None for tiny and constant pictures.

    Args:
        pixels: (H, W, C), any type; the first three channels count, or the mean of two thrice.
    """
    height, width, channels = pixels.shape
    if min(height, width) < _SMALLEST:
        return None
    part = pixels[:: max(1, height // _STRIDE), :: max(1, width // _STRIDE), :3].astype(np.float32)
    if channels < 3:
        part = np.repeat(part.mean(2, keepdims=True), 3, axis=2)
    for axis in (0, 1):
        edges = np.linspace(0, part.shape[axis], SIDE + 1).astype(int)
        counts = np.diff(edges).reshape([-1 if axis == one else 1 for one in range(3)])
        part = (np.add.reduceat(part, edges[:-1], axis) / counts).astype(np.float32)
    part -= part.mean()
    scale = float(part.std())
    return (part / scale).astype(np.float32) if scale > 1e-6 else None


def told(thumbnails: Sequence[NDArray[np.float32] | None]) -> dict[str, float]:
    """How often a linear classifier tells unseen pictures from themselves "upside_down" and "mirrored".

    Ridge regression on what changes sign when a picture is turned over, each picture held out in turn (Hastie,
    Tibshirani and Friedman 2009, "The elements of statistical learning", equation 7.64). 0.5 is chance.

    Returns:
        shares of the pictures; empty where fewer than 200 can be judged.

    >>> random = np.random.default_rng(0)
    >>> sky = np.linspace(1, 0, 8)[:, None, None] + random.normal(0, 0.5, (200, 8, 8, 3))
    >>> found = told(list(sky.astype(np.float32)))
    >>> found["upside_down"] > 0.95, found["mirrored"] < 0.6
    (True, True)
    """
    usable = [one for one in thumbnails if one is not None]
    if len(usable) < LEAST:
        return {}
    step = -(-len(usable) // MOST)
    stack = np.stack(usable[::step]).astype(np.float64)
    return {"upside_down": _share(stack, 1), "mirrored": _share(stack, 2)}


def _share(stack: NDArray[np.float64], axis: int) -> float:
    """The share of (N, 8, 8, 3) told from its flip along the axis, each judged by a fit to the others."""
    odd = stack - np.flip(stack, axis)
    half = np.take(odd, range(SIDE // 2), axis).reshape(len(stack), -1)  # the other half is its negative
    gram = half.T @ half
    gram += (_RIDGE * np.trace(gram) / len(gram) + 1e-12) * np.eye(len(gram))
    solved = np.linalg.solve(gram, half.T)
    fitted, leverage = solved.sum(1) @ half.T, np.einsum("nd,dn->n", half, solved)
    held_out = 1 - (1 - fitted) / (1 - leverage)
    return float((held_out > 0).mean())
