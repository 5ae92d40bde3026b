"""Norms against torch's own, against formulas written out, and on 1-D, 2-D and 3-D grids."""

from __future__ import annotations

import re

import pytest
import torch
from torch import Tensor, nn
from torchvision.models.convnext import LayerNorm2d

from striate.core.errors import NetworkError
from striate.nets import GroupNorm, InstanceNorm, LayerNorm, LocalResponseNorm, Node
from striate.nets.node import Shape

GRIDS = [(6, 5), (6, 4, 3), (6, 2, 3, 4)]


def drawn(node: Node, shape: Shape) -> nn.Module:
    """The node's module in float64, with learnt numbers that tell channels apart."""
    module = node.build(shape).double()
    for parameter in module.parameters():
        nn.init.normal_(parameter)
    return module


def standardised(x: Tensor, axes: tuple[int, ...], epsilon: float) -> Tensor:
    variance, mean = torch.var_mean(x, axes, correction=0, keepdim=True)
    return (x - mean) / (variance + epsilon).sqrt()


def by_channel(numbers: Tensor, x: Tensor) -> Tensor:
    return numbers.view(1, -1, *[1] * (x.dim() - 2))


@pytest.mark.parametrize("shape", [(6,), *GRIDS])
def test_a_layer_norm_is_over_the_channels_of_each_position(shape: Shape) -> None:
    x = torch.randn(3, *shape, dtype=torch.float64, requires_grad=True)
    module = drawn(LayerNorm(epsilon=1e-3), shape)
    expected = standardised(x, (1,), 1e-3) * by_channel(module.weight, x) + by_channel(module.bias, x)  # type: ignore[arg-type]
    torch.testing.assert_close(module(x), expected)
    assert torch.autograd.gradcheck(module, x)
    assert {name: tuple(one.shape) for name, one in module.named_parameters()} == {"weight": (6,), "bias": (6,)}


def test_a_layer_norm_is_torchvision_s_for_pictures() -> None:
    x = torch.randn(2, 6, 4, 3, dtype=torch.float64)
    theirs, ours = LayerNorm2d(6, eps=1e-6).double(), drawn(LayerNorm(epsilon=1e-6), (6, 4, 3))
    theirs.load_state_dict(ours.state_dict())
    assert torch.equal(ours(x), theirs(x))


@pytest.mark.parametrize("groups", [1, 2, 3])
@pytest.mark.parametrize("shape", [(6,), *GRIDS])
def test_a_group_norm_is_over_the_channels_of_a_group_and_all_positions(shape: Shape, groups: int) -> None:
    x = torch.randn(3, *shape, dtype=torch.float64)
    module = drawn(GroupNorm(groups, epsilon=1e-3), shape)
    parts = [standardised(part, tuple(range(1, x.dim())), 1e-3) for part in x.chunk(groups, 1)]
    expected = torch.cat(parts, 1) * by_channel(module.weight, x) + by_channel(module.bias, x)  # type: ignore[arg-type]
    torch.testing.assert_close(module(x), expected)


@pytest.mark.parametrize("shape", GRIDS)
def test_an_instance_norm_is_over_the_positions_of_each_channel_in_evaluation_too(shape: Shape) -> None:
    x = torch.randn(3, *shape, dtype=torch.float64)
    expected = standardised(x, tuple(range(2, x.dim())), 1e-3)
    plain = InstanceNorm(affine=False, epsilon=1e-3).build(shape)
    assert not plain.state_dict()
    torch.testing.assert_close(plain(x), expected)
    torch.testing.assert_close(plain.eval()(x), expected)
    module = drawn(InstanceNorm(epsilon=1e-3), shape)
    torch.testing.assert_close(module(x), expected * by_channel(module.weight, x) + by_channel(module.bias, x))  # type: ignore[arg-type]


@pytest.mark.parametrize("node", [LayerNorm(0.0), GroupNorm(2, 0.0), InstanceNorm(initial_scale=0.0)])
def test_a_scale_of_zero_silences_a_branch_at_first(node: Node) -> None:
    module = node.build((6, 4, 3))
    assert not module(torch.randn(2, 6, 4, 3)).any()
    assert all(parameter.requires_grad for parameter in module.parameters())


@pytest.mark.parametrize("alpha_times", ["sum", "mean"])
@pytest.mark.parametrize("size", [1, 3, 4, 5])
@pytest.mark.parametrize("shape", GRIDS)
def test_local_response_norm_by_its_formula(shape: Shape, size: int, alpha_times: str) -> None:
    x = torch.randn(2, *shape, dtype=torch.float64)
    found = LocalResponseNorm(size, 0.3, 0.6, 1.5, alpha_times).build(shape)(x)  # type: ignore[arg-type]
    share = 0.3 if alpha_times == "sum" else 0.3 / size
    for channel in range(6):
        first = max(channel - size // 2, 0)
        near = x[:, first : channel - size // 2 + size]
        expected = x[:, channel] / (1.5 + share * (near**2).sum(1)) ** 0.6
        torch.testing.assert_close(found[:, channel], expected)


def test_the_paper_s_alpha_is_a_fifth_of_torch_s() -> None:
    x = torch.randn(2, 16, 3, 3, dtype=torch.float64)
    papers = LocalResponseNorm().build((16, 3, 3))(x)
    torch.testing.assert_close(papers, nn.LocalResponseNorm(5, alpha=5e-4, beta=0.75, k=2.0)(x))
    torchs = LocalResponseNorm(offset=1.0, alpha_times="mean").build((16, 3, 3))(x)
    torch.testing.assert_close(torchs, nn.LocalResponseNorm(5)(x))


def test_local_response_norm_takes_pictures_laid_out_channels_last() -> None:
    module, x = LocalResponseNorm().build((8, 4, 5)), torch.randn(2, 8, 4, 5)
    torch.testing.assert_close(module(x.to(memory_format=torch.channels_last)), module(x))


@pytest.mark.parametrize(
    ("node", "shape", "words"),
    [
        (GroupNorm(4), (6, 9, 9), "needs channels that 4 groups divide, has 6"),
        (GroupNorm(6), (6,), "needs groups of more than one number"),
        (GroupNorm(6), (6, 1, 1), "needs groups of more than one number"),
        (GroupNorm(2), (6, 1, 1, 1, 1), "needs a vector, or channels and one to three axes"),
        (LayerNorm(), (1, 9, 9), "needs at least 2 channels"),
        (InstanceNorm(), (6,), "needs channels and one to three axes"),
        (InstanceNorm(), (6, 1, 1), "needs more than one position"),
        (LocalResponseNorm(), (6,), "needs channels and one to three axes"),
    ],
)
def test_misfits(node: Node, shape: Shape, words: str) -> None:
    with pytest.raises(NetworkError, match=re.escape(words)):
        node.output_shape(shape)
    with pytest.raises(NetworkError, match=re.escape(words)):
        node.build(shape)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: LayerNorm(epsilon=0.0), "epsilon must lie above 0"),
        (lambda: GroupNorm(0), "groups must be at least 1"),
        (lambda: InstanceNorm(affine=False, initial_scale=0.0), "a scale that affine leaves out"),
        (lambda: LocalResponseNorm(size=0), "size must be at least 1"),
        (lambda: LocalResponseNorm(offset=0.0), "offset must lie above 0"),
        (lambda: LocalResponseNorm(alpha_times="total"), "alpha_times must be one of 'sum', 'mean'"),  # type: ignore[arg-type]
        (lambda: LayerNorm(epsilon=float("nan")), "epsilon must be a number, not nan"),
        (lambda: LocalResponseNorm(alpha=float("inf")), "alpha must be a number, not inf"),
    ],
)
def test_impossible_values(make: object, words: str) -> None:
    with pytest.raises(NetworkError, match=re.escape(words)):
        make()  # type: ignore[operator]
