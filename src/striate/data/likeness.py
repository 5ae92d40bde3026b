"""How alike two pictures are, in miniature: whatever the files' sizes, compression, brightness and margins.

A miniature is a grey picture of 32 by 32 pixels. Two of them are compared by their lowest 16 by 16 cosines (Ahmed,
Natarajan and Rao 1974, "Discrete cosine transform"), each times its frequency: the power of natural scenes falls with
the square of the frequency (Field 1987), so that these count alike, where bare ones tell little but where the sky is.

- `descriptors` sums a part of a picture up in 64 whole numbers, by which likely pairs are found.
- `similarity` lays the second of a pair over the first. A cropped copy is a window of the other: it is looked for along
  one axis and then along the other, among all whose sides are 0.86 to 1 of the whole. There the two are correlated,
  each place in proportion to the contrast around it: a frame, or the outline of a thing on a table, is not enough to
  agree.

Mirrored and turned copies are not alike. Imports no torch, so that worker processes start quickly.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from striate.data.prepare import LUMA

SIDE = 32
"""Of a miniature, in pixels."""

SMALLEST = 16
"""Side in pixels below which pictures of one kind are too much alike to tell copies: handwritten digits of 8 by 8."""

LENGTH = 127.0
"""Of a descriptor, but for rounding."""

Window: TypeAlias = tuple[float, float]
"""Along one axis: where it begins and how long it is, as shares of the whole."""

_WHOLE: Window = (0.0, 1.0)
_PARTS: tuple[Window, ...] = ((0.0, 0.9), (0.05, 0.9), (0.1, 0.9))
WINDOWS: tuple[tuple[Window, Window], ...] = ((_WHOLE, _WHOLE), *((down, along) for down in _PARTS for along in _PARTS))
"""Of a picture, down and along, that are compared with others' whole to find likely pairs. A crop to 90 % of the side
is never further than 2.5 % of the side from one of them."""

_FAINTEST = 8 / 255  # a miniature's range, as a share of the highest value, below which it is nothing but noise
_COSINES, _INDEXED = 16, 8
_CHOICES: tuple[Window, ...] = tuple(
    (begin / 100, length / 100) for length in range(100, 85, -2) for begin in range(101 - length)
)
_ROUNDS = 2
_AROUND = 3.0  # pixels of a miniature: the standard deviation of the Gaussian that contrast is measured by
_FLOOR = 0.1  # of the mean power, added to that around each place, so that noise in flat parts does not count
_BATCH = 128


def miniature(pixels: NDArray[Any]) -> NDArray[np.uint8] | None:
    """The picture in grey, shrunk to 32 by 32 and stretched from black to white; None of tiny and of faint ones.

    Args:
        pixels: (H, W, C), any type; three channels by their brightness, others by their mean.

    >>> miniature(np.full((40, 40, 3), 7, np.uint8)) is None
    True
    """
    height, width, channels = pixels.shape
    if min(height, width) < SMALLEST:
        return None
    if pixels.dtype == np.uint8 and channels in (1, 3):
        image = Image.fromarray(pixels if channels == 3 else pixels[:, :, 0]).convert("L")
        highest = 255.0
    else:
        light = pixels @ np.asarray(LUMA, np.float32) if channels == 3 else pixels.mean(2, dtype=np.float32)
        image = Image.fromarray(np.ascontiguousarray(light, np.float32))
        highest = 255.0 if pixels.dtype == np.uint8 else float(np.abs(light).max())
    small = np.asarray(image.resize((SIDE, SIDE), Image.Resampling.BILINEAR, reducing_gap=2.0), np.float32)
    low, high = float(small.min()), float(small.max())
    if high - low <= _FAINTEST * highest:
        return None
    return np.asarray(np.rint((small - low) * (255 / (high - low))), np.uint8)


def descriptors(miniatures: NDArray[np.uint8], window: tuple[Window, Window]) -> NDArray[np.float32]:
    """Of a window of each miniature, the lowest 8 by 8 cosines as whole numbers.

    Whole numbers of this size are multiplied and added without rounding, so that which pairs are likely does not depend
    on the order in which a machine adds.

    Args:
        miniatures: (N, 32, 32).

    Returns:
        (N, 64), each of a length of about `LENGTH`.
    """
    down, along = (_operator(part, _INDEXED) for part in window)
    found = (down @ miniatures.astype(np.float64) @ along.T) * _frequencies(_INDEXED)
    flat = found.reshape(len(found), _INDEXED**2)
    length = np.linalg.norm(flat, axis=1, keepdims=True)
    return np.asarray(np.rint(flat * (LENGTH / np.maximum(length, 1e-9))), np.float32)


def similarity(
    first: NDArray[np.uint8], second: NDArray[np.uint8], windows: NDArray[np.int64] | None = None
) -> NDArray[np.float32]:
    """How alike pairs of miniatures are, where the second shows a window of the first or the whole of it.

    Args:
        first, second: (N, 32, 32).
        windows: (N,), for each pair the number in `WINDOWS` to search from; the whole without.

    Returns:
        (N,), from -1 to 1; 1 for equal ones.

    >>> scenes = np.random.default_rng(0).integers(0, 256, (2, 32, 32), np.uint8)
    >>> similarity(scenes, scenes).round(3).tolist(), abs(float(similarity(scenes[:1], scenes[1:])[0])) < 0.5
    ([1.0, 1.0], True)
    """
    starts = np.zeros(len(first), np.int64) if windows is None else windows
    found = np.zeros(len(first), np.float32)
    for begin in range(0, len(first), _BATCH):
        part = slice(begin, begin + _BATCH)
        found[part] = _similarity(first[part].astype(np.float32), second[part].astype(np.float32), starts[part])
    return found


def _similarity(
    first: NDArray[np.float32], second: NDArray[np.float32], starts: NDArray[np.int64]
) -> NDArray[np.float32]:
    whole = np.zeros(len(first), np.int64)
    wanted = _cosines(second, whole, whole)
    along = np.array([_CHOICES.index(along) for _, along in WINDOWS])[starts]
    down = whole
    for _ in range(_ROUNDS):  # one axis after the other, each time the best of all windows along it
        down = _best(first, along, wanted)
        along = _best(first.swapaxes(1, 2), down, wanted.swapaxes(1, 2))
    shown, other = _evened(_cosines(first, down, along)), _evened(wanted)
    agreement = (shown * other).sum((1, 2))
    power = (shown * shown).sum((1, 2)) * (other * other).sum((1, 2))
    return np.asarray(agreement / np.sqrt(np.maximum(power, 1e-12)), np.float32)


def _best(pixels: NDArray[np.float32], other: NDArray[np.int64], wanted: NDArray[np.float32]) -> NDArray[np.int64]:
    """The best window down the pixels (N, 32, 32), where that along them is known: its number in `_CHOICES`."""
    operators, weights = _operators(), _frequencies(_COSINES).astype(np.float32)
    count = len(pixels)
    reduced = pixels @ operators[other].swapaxes(1, 2)  # (N, 32, 16)
    cosines = (operators.reshape(-1, SIDE) @ reduced).reshape(count, len(operators), -1)  # (N, K, 256)
    agreement = (cosines @ (wanted * weights).reshape(count, -1, 1))[:, :, 0]
    power = (cosines * cosines) @ (weights * weights).ravel()
    return np.asarray((agreement / np.sqrt(np.maximum(power, 1e-12))).argmax(1))


def _cosines(pixels: NDArray[np.float32], down: NDArray[np.int64], along: NDArray[np.int64]) -> NDArray[np.float32]:
    """The weighted cosines (N, 16, 16) of windows of the pixels (N, 32, 32)."""
    operators = _operators()
    found = operators[down] @ pixels @ operators[along].swapaxes(1, 2)
    return np.asarray(found * _frequencies(_COSINES), np.float32)


def _evened(cosines: NDArray[np.float32]) -> NDArray[np.float32]:
    """The picture (N, 32, 32) of weighted cosines, each place in proportion to the contrast around it."""
    basis = _basis(_COSINES).astype(np.float32)
    drawn = basis.T @ cosines @ basis
    power = drawn * drawn
    around = _blur() @ power @ _blur().T
    return np.asarray(drawn / np.sqrt(around + _FLOOR * power.mean((1, 2), keepdims=True) + 1e-12))


@lru_cache(maxsize=1)
def _blur() -> NDArray[np.float32]:
    steps = np.arange(SIDE)
    found = np.exp(-0.5 * ((steps[:, None] - steps[None, :]) / _AROUND) ** 2)
    return np.asarray(found / found.sum(1, keepdims=True), np.float32)


@lru_cache(maxsize=1)
def _operators() -> NDArray[np.float32]:
    """Of each choice of a window along an axis: (K, 16, 32)."""
    return np.stack([_operator(window, _COSINES) for window in _CHOICES]).astype(np.float32)


@lru_cache(maxsize=64)
def _operator(window: Window, cosines: int) -> NDArray[np.float64]:
    """From the pixels along an axis to the cosines of a window of them: (cosines, 32).

    Between pixels by cubic convolution (Keys 1981).
    """
    begin, length = window
    steps = np.arange(SIDE)
    place = np.clip(SIDE * begin + length * (steps + 0.5) - 0.5, 0, SIDE - 1)
    below = np.floor(place).astype(np.int64)
    resampling = np.zeros((SIDE, SIDE))
    for shift in range(-1, 3):
        np.add.at(resampling, (steps, np.clip(below + shift, 0, SIDE - 1)), _cubic(np.abs(place - below - shift)))
    return np.asarray(_basis(cosines) @ resampling)


def _cubic(distance: NDArray[np.float64]) -> NDArray[np.float64]:
    near = (1.5 * distance - 2.5) * distance**2 + 1
    far = ((-0.5 * distance + 2.5) * distance - 4) * distance + 2
    return np.asarray(np.where(distance < 1, near, np.where(distance < 2, far, 0.0)))


def _basis(cosines: int) -> NDArray[np.float64]:
    """The orthonormal cosines (cosines, 32)."""
    numbers, steps = np.arange(cosines)[:, None], np.arange(SIDE)[None, :]
    found = np.cos(np.pi * numbers * (2 * steps + 1) / (2 * SIDE)) * np.sqrt(2 / SIDE)
    return np.asarray(np.where(numbers == 0, found / np.sqrt(2), found))


def _frequencies(cosines: int) -> NDArray[np.float64]:
    """The frequency of each cosine, by which it is weighted; of the mean, 0."""
    return np.asarray(np.hypot(np.arange(cosines)[:, None], np.arange(cosines)[None, :]))
