"""The first operation of every network: pixels on a 0 to 255 scale become standardised numbers."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from striate.core.errors import NetworkError


class Normalize(nn.Module):
    """(x / 255 − mean) / std for each channel, in float32, as one product and one sum.

    Its buffers move with `.to(device)` and are in no state_dict: mean and std belong to the preprocessing, which is
    saved as data.

    Args:
        mean, std: of each channel, on a 0 to 1 scale.

    Input shape: (N, C, H, W), uint8 or float on a 0 to 255 scale. Output shape: the same, float32.

    Raises:
        NetworkError: mean and std differ in length, or a deviation is not above zero.

    >>> Normalize([0.5], [0.25])(torch.tensor([[[[0, 255]]]], dtype=torch.uint8)).tolist()
    [[[[-2.0, 2.0]]]]
    """

    scale: Tensor
    shift: Tensor

    def __init__(self, mean: Sequence[float], std: Sequence[float]) -> None:
        super().__init__()
        if len(mean) != len(std) or not mean or not all(value > 0 for value in std):
            raise NetworkError(
                f"mean {list(mean)} and std {list(std)} must be as long as there are channels, and std above zero"
            )
        means, stds = torch.tensor(mean, dtype=torch.float64), torch.tensor(std, dtype=torch.float64)
        self.register_buffer("scale", (1 / (255 * stds)).float().view(1, -1, 1, 1), persistent=False)
        self.register_buffer("shift", (-means / stds).float().view(1, -1, 1, 1), persistent=False)

    def forward(self, pixels: Tensor) -> Tensor:
        """Standardised pixels. Raises `NetworkError` where the channels are not those of mean and std."""
        if pixels.shape[1] != self.scale.shape[1]:  # one channel would broadcast without a word
            raise NetworkError(f"pixels of {self.scale.shape[1]} channels were expected, not {tuple(pixels.shape)}")
        return pixels.float() * self.scale + self.shift

    def extra_repr(self) -> str:
        return f"channels={self.scale.shape[1]}"
