"""Noise: the grain of a sensor in poor light."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from striate.data.augment import Draws, per_image


@per_image("noise", {"noise": 0.0}, draws=2, order=60, moves=False)
def noise(images: Tensor, draws: Draws, noise: float) -> Tensor:
    """Add to each number one of its own from a normal distribution.

    Args:
        images: (N, C, H, W), float32 on 0 to 255.
        draws: (N, 2): how strong, and which noise.
        noise: the largest standard deviation, as a share of the full scale; uniform from 0.

    Returns:
        clipped to 0 to 255.
    """
    strengths = torch.from_numpy((255 * noise * draws[:, 0]).astype(np.float32)).to(images.device)
    keys = torch.from_numpy((draws[:, 1] * 2**31).astype(np.int64)).to(images.device)
    return (
        normals(keys, images[0].numel())
        .view(images.shape)
        .mul_(strengths[:, None, None, None])
        .add_(images)
        .clamp_(0, 255)
    )


def normals(keys: Tensor, count: int) -> Tensor:
    """So many numbers from a normal distribution for each key: functions of the key and their place alone.

    Args:
        keys: (N,), int64, below 2³¹.

    Returns:
        (N, count), float32.
    """
    device, keys = keys.device, keys.to(exact(keys.device))
    places = torch.arange(count, device=keys.device)
    # Two rounds of a 32-bit mix (Mueller's, of full avalanche), in 64 bits so that nothing overflows.
    mixed = (keys[:, None] * 2654435761 + places * 2246822519) & 0xFFFFFFFF
    for _ in range(2):
        mixed = ((mixed >> 16) ^ mixed) * 0x45D9F3B & 0xFFFFFFFF
    mixed = (mixed >> 16) ^ mixed
    uniform = ((mixed >> 8).double() + 0.5) / 2**24
    found: Tensor = torch.special.ndtri(uniform)
    return found.float().to(device)


def exact(device: torch.device) -> torch.device:
    """Where double precision is computed for a device: on it, or on the processor, as Apple's GPUs have none."""
    return torch.device("cpu") if device.type == "mps" else device
