"""Whether pictures have an up: whether a simple classifier recognises those that are upside down.

Landscapes and portraits have an up; things photographed from above have none, and may be turned over in training. Light
that falls from one side marks a direction too, but as often left and right, which content rarely does: so recognising
upside down is compared with recognising mirror images. Imports no torch, so that worker processes start quickly.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

SIDE = 8
"""Of a thumbnail, in pixels."""

LEAST, MOST = 800, 4000
"""Pictures: of fewer the two shares differ by chance with a deviation of more than 2.5 %, more are thinned out."""

_LEAST_OF_A_CLASS = 200
_SMALLEST = 16  # side in pixels below which a picture is not judged
_SAMPLED = 64  # rows and columns that a thumbnail is made from; the rest adds little to a mean
_RIDGE = 0.3  # in units of the inputs' variance; 0.003 to 1 give the same figures but for 2 %


def thumbnail(pixels: NDArray[Any]) -> NDArray[np.float16] | None:
    """The means over a grid of 8 by 8, standardised: (8, 8, 3); None for tiny and constant pictures.

    The thumbnail of a flipped picture is the flipped thumbnail.

    Args:
        pixels: (H, W, C), any type; the first three channels count, or the mean of two thrice.
    """
    height, width, channels = pixels.shape
    if min(height, width) < _SMALLEST:
        return None
    part = pixels[_spread(height)][:, _spread(width), :3].astype(np.float64)
    largest = float(np.abs(part).max())
    if channels < 3:
        part = np.repeat(part.mean(2, keepdims=True), 3, axis=2)
    cell = _SAMPLED // SIDE
    means = part.reshape(SIDE, cell, SIDE, cell, 3).mean((1, 3))
    means -= means.mean()
    scale = float(means.std())
    return (means / scale).astype(np.float16) if scale > 1e-6 * largest else None


def _spread(count: int) -> NDArray[np.int64]:
    """64 places spread over `count`, the second half mirroring the first."""
    first = np.linspace(0, (count - 1) / 2, _SAMPLED // 2).astype(np.int64)
    return np.concatenate([first, count - 1 - first[::-1]])


def orientation(thumbnails: Iterable[tuple[NDArray[np.float16] | None, Hashable]]) -> dict[str, float]:
    """How often a linear classifier recognises an unseen picture that is turned over.

    Ridge regression on what changes sign when a picture is turned over, each picture held out in turn (Hastie,
    Tibshirani and Friedman 2009, "The elements of statistical learning", equation 7.64). 0.5 is chance.

    Args:
        thumbnails: of independent pictures, each with its class, or None where it has no single one.

    Returns:
        shares of the pictures: recognised "upside_down" and "mirrored"; and "upside_down_in_a_class", the largest of
        those classes that have 200 pictures, where there are such (two classes that differ by their up have none
        together). Empty where fewer than 800 pictures can be judged.

    >>> random = np.random.default_rng(0)
    >>> skies = np.linspace(1, 0, 8)[:, None, None] + random.normal(0, 0.5, (1000, 8, 8, 3))
    >>> found = orientation((sky.astype(np.float16), "sky") for sky in skies)
    >>> found["upside_down"] > 0.95, found["mirrored"] < 0.6, found["upside_down_in_a_class"] > 0.95
    (True, True, True)
    """
    classes: dict[Hashable, list[NDArray[np.float16]]] = defaultdict(list)
    for one, name in thumbnails:
        if one is not None:
            classes[name].append(one)
    pooled = [one for members in classes.values() for one in members]
    if len(pooled) < LEAST:
        return {}
    shares = {"upside_down": _recognised(pooled, 0), "mirrored": _recognised(pooled, 1)}
    large = [members for name, members in classes.items() if name is not None and len(members) >= _LEAST_OF_A_CLASS]
    if large:
        shares["upside_down_in_a_class"] = max(_recognised(members, 0) for members in large)
    return shares


def _recognised(thumbnails: list[NDArray[np.float16]], axis: int) -> float:
    """The share that differs from its flip along the axis as a fit to the others says."""
    stack = np.stack(thumbnails[:: -(-len(thumbnails) // MOST)]).astype(np.float64)
    odd = stack - np.flip(stack, axis + 1)
    half = np.take(odd, range(SIDE // 2), axis + 1).reshape(len(stack), -1)  # the other half is its negative
    gram = half.T @ half
    gram += (_RIDGE * np.trace(gram) / len(gram) + 1e-12) * np.eye(len(gram))
    solved = np.linalg.solve(gram, half.T)
    fitted, leverage = solved.sum(1) @ half.T, np.einsum("nd,dn->n", half, solved)
    held_out = 1 - (1 - fitted) / (1 - leverage)
    return float((held_out > 0).mean())
