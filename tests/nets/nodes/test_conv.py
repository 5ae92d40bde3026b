"""Convolutions against NumPy's padding with torch's functional form, on 1-D, 2-D and 3-D grids."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional

from striate.core.errors import NetworkError
from striate.nets import (
    BatchNorm,
    Conv,
    Dense,
    DepthwiseConv,
    GlobalPool,
    Network,
    Node,
    SeparableConv,
    find_folds,
    folded,
)
from striate.nets.node import Shape
from striate.nets.nodes.conv import PaddedConv1d, PaddedConv2d, PaddedConv3d

NUMPY = {"zeros": "constant", "reflect": "reflect", "replicate": "edge", "wrap": "wrap"}
CONV = (functional.conv1d, functional.conv2d, functional.conv3d)
PADDED = (PaddedConv1d, PaddedConv2d, PaddedConv3d)


def padded(x: Tensor, pads: list[tuple[int, int]], fill: str | float) -> Tensor:
    options: dict[str, Any] = {"mode": NUMPY[fill]} if isinstance(fill, str) else {"constant_values": fill}
    return torch.from_numpy(np.pad(x.numpy(), [(0, 0), (0, 0), *pads], **options))


def tensorflow_s(size: int, span: int, stride: int) -> tuple[int, int]:
    """As its documentation has it: by what is left of the size over a multiple of the stride."""
    whole = max(span - (stride if size % stride == 0 else size % stride), 0)
    return whole // 2, whole - whole // 2


@settings(max_examples=150, deadline=None)
@given(
    axes=st.integers(1, 3),
    side=st.integers(1, 7),
    kernel=st.integers(1, 4),
    stride=st.integers(1, 3),
    dilation=st.integers(1, 2),
    padding=st.sampled_from([1, 2, "same", "causal"]),
    groups=st.sampled_from([1, 2]),
    fill=st.sampled_from(["zeros", "reflect", "replicate", "wrap", 0.5, -1]),
)
def test_padding_of_every_kind_is_numpy_s_and_a_misfit_is_where_there_is_too_little(
    axes: int, side: int, kernel: int, stride: int, dilation: int, padding: int | str, groups: int, fill: str | float
) -> None:
    shape = (2, *(side + axis for axis in range(axes)))
    node = Conv(4, kernel, stride, padding, dilation, groups, fill=fill)  # type: ignore[arg-type]
    if padding == "causal" and axes > 1:
        with pytest.raises(NetworkError, match="needs one axis"):
            node.output_shape(shape)
        return
    span = dilation * (kernel - 1) + 1
    if padding == "same":
        pads = [tensorflow_s(size, span, stride) for size in shape[1:]]
    else:
        pads = [(span - 1, 0) if padding == "causal" else (int(padding), int(padding)) for _ in shape[1:]]
    short = any(
        size + sum(pair) < span
        or (fill == "reflect" and max(pair) >= size and max(pair) > 0)
        or (fill == "wrap" and max(pair) > size)
        for size, pair in zip(shape[1:], pads, strict=True)
    )
    if short:
        with pytest.raises(NetworkError, match="needs at least"):
            node.build(shape)
        return
    module, x = node.build(shape).double(), torch.randn(2, *shape, dtype=torch.float64)
    assert isinstance(module, (nn.Conv1d, nn.Conv2d, nn.Conv3d)[axes - 1])
    convolve: Any = CONV[axes - 1]
    expected = convolve(padded(x, pads, fill), module.weight, module.bias, stride, 0, dilation, groups)
    found = module(x)
    assert found.shape[1:] == node.output_shape(shape)
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("axes", [1, 2, 3])
def test_torch_s_own_layer_serves_wherever_it_pads_so(axes: int) -> None:
    shape = (2, *(8,) * axes)
    for node in (
        Conv(4, 3, 2, 1), Conv(4, 3, padding="same"), Conv(4, 3, padding=1, fill="reflect"), Conv(4, 1, 2, "same"),
        Conv(4, 1, padding="same", fill=7.0), DepthwiseConv(3, padding="same", fill="wrap"),
    ):  # fmt: skip
        assert not isinstance(node.build(shape), PADDED)
    for node in (Conv(4, 3, 2, "same"), Conv(4, 2, padding="same"), Conv(4, 3, padding=1, fill=7.0)):
        module = node.build(shape)
        assert isinstance(module, PADDED[axes - 1])
        assert "fill=" in repr(module)


@pytest.mark.parametrize("node", [Conv(4, 3, 2, "same"), Conv(4, padding=1, fill=7.0), DepthwiseConv(padding="same")])
def test_a_norm_folds_into_convolutions_that_pad_themselves_too(node: Node) -> None:
    network = Network("n", (node, BatchNorm(), GlobalPool(), Dense(3))).build((3, 8, 8)).eval()
    norm = network.get_submodule("norm1")
    nn.init.normal_(norm.bias)  # type: ignore[arg-type]
    nn.init.normal_(norm.running_mean)  # type: ignore[arg-type]
    x = torch.randn(2, 3, 8, 8)
    folds = find_folds(network, x)
    assert [second for _, second in folds] == ["norm1"]
    with torch.no_grad(), folded(network, folds):
        found = network(x)
    torch.testing.assert_close(found, network(x))


def test_a_causal_convolution_sees_nothing_of_what_comes() -> None:
    for stride in (1, 2, 3):
        module = Conv(3, 3, stride, "causal", dilation=2, fill=0.25).build((2, 11))
        x = torch.randn(1, 2, 11, requires_grad=True)
        y = module(x)
        assert y.shape[2] == -(-11 // stride)
        for position in range(y.shape[2]):
            (gradient,) = torch.autograd.grad(y[:, :, position].sum(), x, retain_graph=True)
            seen = gradient.abs().sum((0, 1)).nonzero().flatten().tolist()
            last = position * stride
            assert seen == [one for one in (last - 4, last - 2, last) if one >= 0]


@pytest.mark.parametrize("axes", [1, 2, 3])
@pytest.mark.parametrize("multiplier", [1, 3])
def test_a_depthwise_convolution_is_one_of_each_channel(axes: int, multiplier: int) -> None:
    shape = (4, *(6,) * axes)
    node = DepthwiseConv(3, 2, "same", multiplier=multiplier)
    module, x = node.build(shape), torch.randn(2, *shape)
    alone = Conv(multiplier, 3, 2, "same").build((1, *shape[1:]))
    parts = []
    for channel in range(4):
        rows = slice(channel * multiplier, (channel + 1) * multiplier)
        alone.load_state_dict({"weight": module.weight[rows], "bias": module.bias[rows]})  # type: ignore[index, dict-item]
        parts.append(alone(x[:, channel : channel + 1]))
    torch.testing.assert_close(module(x), torch.cat(parts, 1))
    assert node.output_shape(shape) == module(x).shape[1:]


@pytest.mark.parametrize("axes", [1, 2, 3])
def test_a_separable_convolution_is_a_depthwise_and_a_pointwise_one(axes: int) -> None:
    shape = (4, *(7,) * axes)
    node = SeparableConv(5, 3, 2, 1, multiplier=2, fill="replicate")
    module, x = node.build(shape), torch.randn(2, *shape)
    assert {name: tuple(one.shape[:2]) for name, one in module.named_parameters()} == {
        "depthwise.weight": (8, 1), "pointwise.weight": (5, 8), "pointwise.bias": (5,),
    }  # fmt: skip
    assert torch.equal(module(x), module.pointwise(module.depthwise(x)))  # type: ignore[operator]
    assert node.output_shape(shape) == module(x).shape[1:]
    assert [one.name for one in Network("n", (node,)).layers(shape)] == ["separable1.depthwise", "separable1.pointwise"]


def test_the_saving_of_mobilenet_s_paper() -> None:
    # Howard et al. 2017, section 3.1: the cost is 1/N + 1/k² of the whole convolution's.
    whole, parted = Conv(256, 3, bias=False), SeparableConv(256, 3, bias=False)
    whole_count, parted_count = (
        sum(one.numel() for one in node.build((128, 9, 9)).parameters()) for node in (whole, parted)
    )
    assert parted_count / whole_count == pytest.approx(1 / 256 + 1 / 9)


@pytest.mark.parametrize(
    ("node", "shape", "words"),
    [
        (Conv(4, 5, padding=3, fill="reflect"), (2, 9, 3), 'needs at least 4×4 to fill its padding by "reflect"'),
        (Conv(4, 5, padding=3, fill="wrap"), (2, 9, 2), 'needs at least 3×3 to fill its padding by "wrap"'),
        (Conv(4, padding="causal"), (2, 9, 9), 'needs one axis for padding "causal", receives 2×9×9'),
        (DepthwiseConv(5), (2, 4, 9), "`DepthwiseConv(5)`: needs at least 5×5, receives 2×4×9"),
        (DepthwiseConv(), (4,), "needs channels and one to three axes"),
        (SeparableConv(8, 5), (2, 4, 9), "needs at least 5×5, receives 2×4×9"),
    ],
)
def test_misfits(node: Node, shape: Shape, words: str) -> None:
    with pytest.raises(NetworkError, match=re.escape(words)):
        Network("n", (node,)).output_shape(shape)
    with pytest.raises(NetworkError, match="needs"):
        node.build(shape)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Conv(4, fill="reflect"), "fill says what padding holds, and there is none"),
        (lambda: DepthwiseConv(padding=0, fill=1.0), "fill says what padding holds"),
        (lambda: SeparableConv(4, fill="wrap"), "fill says what padding holds"),
        (lambda: Conv(4, padding=1, fill="reflekt"), "did you mean 'reflect'"),
        (lambda: Conv(4, padding=1, fill=float("inf")), "or a number, not inf"),
        (lambda: Conv(4, padding="casual"), "did you mean 'causal'"),
        (lambda: DepthwiseConv(multiplier=0), "multiplier must be at least 1"),
        (lambda: SeparableConv(0), "filters must be at least 1"),
    ],
)
def test_impossible_values(make: object, words: str) -> None:
    with pytest.raises(NetworkError, match=re.escape(words)):
        make()  # type: ignore[operator]
