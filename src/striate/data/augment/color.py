"""Brightness, contrast and saturation: the light of another hour, the camera of another maker."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from striate.data.augment import Draws, per_image
from striate.data.prepare import LUMA


@per_image("color", {"color": 0.0}, draws=3, order=30)
def color(images: Tensor, draws: Draws, color: float) -> Tensor:
    """Scale each picture's brightness, its contrast about its mean, and with three channels its saturation.

    Args:
        images: (N, C, H, W), float32 on 0 to 255.
        draws: (N, 3): brightness, contrast, saturation.
        color: the largest change of each factor from 1; uniform.

    Returns:
        clipped to 0 to 255, or to the picture's own range where that is wider.
    """
    factors = torch.from_numpy((1 + color * (2 * draws - 1)).astype(np.float32))[:, :, None, None, None]
    brightness, contrast, saturation = factors.unbind(1)
    low, high = images.amin((1, 2, 3), keepdim=True).clamp(max=0), images.amax((1, 2, 3), keepdim=True).clamp(min=255)
    bright = images * brightness
    # NumPy's sum of a row does not depend on how many rows there are; torch's may.
    average = bright.numpy().reshape(len(bright), -1).mean(1, dtype=np.float64).astype(np.float32)
    mean = torch.from_numpy(average)[:, None, None, None]
    result = (bright - mean).mul_(contrast).add_(mean)
    if images.shape[1] == 3:
        red, green, blue = result.unbind(1)
        grey = (LUMA[0] * red + LUMA[1] * green + LUMA[2] * blue)[:, None]
        result = (result - grey).mul_(saturation).add_(grey)
    return torch.minimum(torch.maximum(result, low), high)
