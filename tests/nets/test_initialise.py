"""First weights against the figures of their papers, and against torchvision's networks."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from striate.core.errors import NetworkError
from striate.nets import Conv, Dense, DepthwiseConv
from striate.nets.initialise import initialise


@pytest.mark.parametrize(
    ("init", "variance"),
    [
        ("he_normal_fan_out", 2 / (64 * 9)),
        ("he_uniform_fan_out", 2 / (64 * 9)),
        ("lecun_normal", 1 / 72),
        ("normal", 0.02**2),
        ("orthogonal", 1 / 72),
    ],
)
def test_variances(init: str, variance: float) -> None:
    torch.manual_seed(0)
    module = Conv(64, 3, init=init).build((8, 5, 5))  # type: ignore[arg-type]
    assert module.weight.var().item() == pytest.approx(variance, rel=0.05)  # type: ignore[operator, union-attr]
    assert not module.bias.any()  # type: ignore[operator, union-attr]


def test_uniform_ones_reach_as_far_as_their_variance_says() -> None:
    weight = Conv(64, 3, init="he_uniform_fan_out").build((8, 5, 5)).weight
    assert weight.abs().max().item() == pytest.approx(math.sqrt(3 * 2 / (64 * 9)), rel=0.01)  # type: ignore[operator, union-attr]


def test_a_truncated_normal_has_no_tails() -> None:
    torch.manual_seed(0)
    weight = Dense(300, init="truncated_normal").build((300,)).weight
    assert weight.abs().max().item() <= 0.04  # type: ignore[operator, union-attr]
    # The variance that is left within two deviations: 1 − 4φ(2) / (2Φ(2) − 1).
    density, mass = math.exp(-2) / math.sqrt(2 * math.pi), math.erf(math.sqrt(2))
    assert weight.var().item() == pytest.approx(0.02**2 * (1 - 4 * density / mass), rel=0.02)  # type: ignore[operator, union-attr]


def test_fan_out_is_what_torchvision_draws_for_its_resnets() -> None:
    theirs = nn.Conv2d(8, 64, 3, bias=False)
    torch.manual_seed(3)
    nn.init.kaiming_normal_(theirs.weight, mode="fan_out", nonlinearity="relu")  # as torchvision/models/resnet.py
    ours = nn.Conv2d(8, 64, 3, bias=False)
    torch.manual_seed(3)
    initialise(ours.weight, None, "he_normal_fan_out")
    assert torch.equal(ours.weight, theirs.weight)


def test_grouped_dirac_hands_every_channel_on() -> None:
    x = torch.randn(2, 4, 5, 5)
    assert torch.equal(DepthwiseConv(padding="same", bias=False, init="dirac").build((4, 5, 5))(x), x)
    with pytest.raises(NetworkError, match="is for convolutions"):
        Dense(4, init="dirac").build((4,))
