"""Attention that scales, against torchvision and written-out formulas."""

from __future__ import annotations

import pytest
import torch
from torchvision.ops import SqueezeExcitation

from striate.core.errors import NetworkError
from striate.nets import ConvBlockAttention, Network, SqueezeExcite


def test_squeeze_and_excitation_is_torchvision_s() -> None:
    theirs = SqueezeExcitation(12, 3, torch.nn.SiLU, torch.nn.Hardsigmoid)
    ours = SqueezeExcite(3, activation="silu", gate="hard_sigmoid").build((12, 5, 6))
    state = dict(zip(ours.state_dict(), theirs.state_dict().values(), strict=True))
    ours.load_state_dict(state)
    x = torch.randn(2, 12, 5, 6)
    torch.testing.assert_close(ours(x), theirs(x))


def test_block_attention_is_the_paper_s_formula() -> None:
    module = ConvBlockAttention(reduction=2, kernel_size=3).build((4, 5, 5)).eval().double()
    x = torch.randn(2, 4, 5, 5, dtype=torch.float64)
    w1, b1, w2, b2 = (
        module.get_parameter(f"{name}.{kind}") for name in ("squeeze", "excite") for kind in ("weight", "bias")
    )

    def mlp(z: torch.Tensor) -> torch.Tensor:
        return torch.relu(z @ w1[:, :, 0, 0].T + b1) @ w2[:, :, 0, 0].T + b2

    channel = torch.sigmoid(mlp(x.mean((2, 3))) + mlp(x.amax((2, 3))))
    x1 = x * channel[:, :, None, None]
    maps = torch.stack([x1.amax(1), x1.mean(1)], 1)
    filtered = torch.nn.functional.conv2d(maps, module.get_parameter("spatial.weight"), padding=1)
    spatial = torch.sigmoid(filtered / (1 + 1e-5) ** 0.5)
    torch.testing.assert_close(module(x), x1 * spatial)


def test_too_few_channels_are_named() -> None:
    with pytest.raises(NetworkError, match=r"layer 1 `SqueezeExcite\(\)`: needs at least 16 channels, receives 8×4×4"):
        Network("x", (SqueezeExcite(),)).output_shape((8, 4, 4))
    with pytest.raises(NetworkError, match="must be odd"):
        ConvBlockAttention(kernel_size=4)
