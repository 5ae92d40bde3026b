"""What is left out, in which units, and that the mean stays."""

from __future__ import annotations

import re

import pytest
import torch
from torchvision.ops import StochasticDepth as TorchvisionStochasticDepth

from striate.core.errors import NetworkError
from striate.nets import BatchNorm, ChannelDropout, Conv, Dropout, Node, Residual, StochasticDepth

SHAPES = [(5, 7), (5, 4, 3), (5, 2, 3, 4)]


@pytest.mark.parametrize("shape", SHAPES)
def test_whole_channels_go_and_the_mean_stays(shape: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    y = ChannelDropout(0.25).build(shape)(torch.ones(4000, *shape)).flatten(2)
    assert torch.equal(y.amax(2), y.amin(2)), "a channel is left out whole, or not at all"
    assert y.unique().tolist() == pytest.approx([0.0, 1 / 0.75])
    assert (y[..., 0] == 0).float().mean().item() == pytest.approx(0.25, abs=0.01)


@pytest.mark.parametrize("shape", [(5,), *SHAPES])
def test_stochastic_depth_is_torchvision_s_by_row(shape: tuple[int, ...]) -> None:
    ours, theirs = StochasticDepth(0.3).build(shape), TorchvisionStochasticDepth(0.3, "row")
    x = torch.randn(40, *shape)
    found = []
    for module in (ours, theirs):
        torch.manual_seed(1)
        found.append(module(x))
    assert torch.equal(*found)
    left = found[0].flatten(1).abs().amax(1) > 0
    assert 0 < left.sum() < 40
    torch.testing.assert_close(found[0][left], x[left] / 0.7)


@pytest.mark.parametrize("node", [Dropout(0.9), ChannelDropout(0.9), StochasticDepth(0.9), StochasticDepth(0.0)])
def test_nothing_is_left_out_in_evaluation_or_at_rate_zero(node: Node) -> None:
    module = node.build((5, 4, 3))
    x = torch.randn(6, 5, 4, 3)
    assert torch.equal(module.train(getattr(node, "rate") == 0)(x), x)  # noqa: B009


def test_a_branch_left_out_leaves_the_shortcut() -> None:
    block = Residual((Conv(3, padding=1), BatchNorm(), StochasticDepth(0.5)), activation=None)
    module = block.build((3, 4, 4))
    torch.manual_seed(0)
    x = torch.randn(32, 3, 4, 4)
    same = (module(x) == x).flatten(1).all(1)
    assert 4 < same.sum() < 28


@pytest.mark.parametrize("kind", [Dropout, ChannelDropout, StochasticDepth])
@pytest.mark.parametrize("rate", [-0.1, 1.0])
def test_a_rate_beyond_its_range(kind: type[Node], rate: float) -> None:
    with pytest.raises(NetworkError, match=re.escape(f"rate must lie in [0, 1), not {rate}")):
        kind(rate)  # type: ignore[call-arg]


def test_a_vector_has_no_channels_to_leave_out() -> None:
    with pytest.raises(NetworkError, match="needs channels and one to three axes"):
        ChannelDropout().output_shape((5,))
