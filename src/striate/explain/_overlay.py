"""Heat maps drawn over pictures, on one scale for all: equal evidence has equal colour in every figure."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

# Thirteen points of the viridis colour map (van der Walt and Smith 2015, released as CC0): its lightness rises evenly,
# so that it reads alike in grey and with colour-blind eyes. Between them, straight lines.
_ANCHORS = np.array(
    [
        (68, 1, 84),
        (72, 31, 112),
        (68, 57, 131),
        (59, 82, 139),
        (49, 104, 142),
        (40, 124, 142),
        (33, 145, 140),
        (32, 164, 134),
        (53, 183, 121),
        (94, 201, 98),
        (144, 215, 67),
        (200, 224, 32),
        (253, 231, 37),
    ],
    np.float64,
)
_OPACITY = 0.6
_SMALLEST = 224  # pixels of the shorter side: small pictures are enlarged to be seen


def colours(strength: NDArray[Any]) -> NDArray[np.uint8]:
    """Colours of numbers from 0 (dark violet) to 1 (yellow); what lies outside takes the colour of the nearer end.

    Args:
        strength: any shape.

    Returns:
        the same shape and 3 more, red, green and blue.

    >>> colours(np.array([0.0, 1.0])).tolist()
    [[68, 1, 84], [253, 231, 37]]
    """
    points = np.linspace(0, 1, len(_ANCHORS))
    values = np.clip(strength, 0, 1)
    return np.stack([np.interp(values, points, _ANCHORS[:, part]) for part in range(3)], -1).round().astype(np.uint8)


def overlay(pixels: NDArray[Any], heat: NDArray[np.float32]) -> Image.Image:
    """One heat map over its picture, made grey; dark violet where there is no evidence.

    Args:
        pixels: (C, H, W) on the 0..255 scale, as the network saw it; the first three channels, or the first, are drawn.
        heat: (H, W), from 0 to 1.

    Returns:
        an RGB picture of the same shape; enlarged by a whole number, pixel by pixel, where it is small.

    Raises:
        ValueError: the map is not of the picture's height and width.
    """
    if heat.shape != pixels.shape[1:]:
        raise ValueError(f"a heat map of {heat.shape} does not lie on a picture of {pixels.shape[1:]}")
    shown = np.asarray(pixels[:3] if len(pixels) >= 3 else pixels[:1], np.float64)
    luma = np.array([0.299, 0.587, 0.114]) if len(shown) == 3 else np.ones(1)  # ITU-R BT.601
    grey = np.clip(np.tensordot(luma, shown, 1), 0, 255)[:, :, None]
    mixed = (1 - _OPACITY) * grey + _OPACITY * colours(heat)
    times = enlargement(heat.shape)
    picture = Image.fromarray(mixed.round().astype(np.uint8), "RGB")
    return picture.resize((picture.width * times, picture.height * times), Image.Resampling.NEAREST)


def enlargement(shape: tuple[int, ...]) -> int:
    """How many times a small picture is enlarged, so that its shorter side has 224 px or more.

    >>> enlargement((28, 40)), enlargement((300, 300))
    (8, 1)
    """
    return max(1, -(-_SMALLEST // min(shape)))
