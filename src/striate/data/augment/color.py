"""Brightness, contrast and saturation: the light of another hour, the camera of another maker."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from striate.data.augment import Draws, per_image
from striate.data.prepare import LUMA


@per_image("color", {"color": 0.0}, draws=3, order=30, moves=False)
def color(images: Tensor, draws: Draws, color: float) -> Tensor:
    """Scale each picture's brightness, its contrast about its mean, and with three channels its saturation.

    Args:
        images: (N, C, H, W), float32 on 0 to 255.
        draws: (N, 3): brightness, contrast, saturation.
        color: the largest change of each factor from 1; uniform.

    Returns:
        clipped to 0 to 255, or to the picture's own range where that is wider.
    """
    factors = torch.from_numpy((1 + color * (2 * draws - 1)).astype(np.float32)).to(images.device)
    brightness, contrast, saturation = factors[:, :, None, None, None].unbind(1)
    mean = _means(images)[:, None, None, None] * brightness
    slope, offset = brightness * contrast, mean * (1 - contrast)
    if images.shape[1] == 3:  # each channel moves towards or away from the grey of its pixel
        red, green, blue = images.unbind(1)
        grey = (red * LUMA[0]).add_(green, alpha=LUMA[1]).add_(blue, alpha=LUMA[2])[:, None]
        result = (images * (slope * saturation)).add_(grey.mul_(slope * (1 - saturation)).add_(offset))
    else:
        result = (images * slope).add_(offset)
    if images.device.type == "cpu":  # to ask a GPU would be to wait for it
        low, high = images.aminmax()
        if low >= 0 and high <= 255:
            return result.clamp_(0, 255)
    low, high = images.amin((1, 2, 3), keepdim=True).clamp(max=0), images.amax((1, 2, 3), keepdim=True).clamp(min=255)
    return torch.minimum(torch.maximum(result, low), high)


def _means(images: Tensor) -> Tensor:
    """The mean of each picture."""
    if images.device.type == "cpu":  # NumPy's sum of a row does not depend on how many rows there are; torch's may
        return torch.from_numpy(images.numpy().reshape(len(images), -1).mean(1))
    return images.mean((1, 2, 3))
