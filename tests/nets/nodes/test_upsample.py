"""Interpolation by matrices written out; transposed convolution as the gradient of a convolution."""

from __future__ import annotations

import re
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from striate.core.errors import NetworkError
from striate.nets import Conv, Node, TransposedConv, Upsample
from striate.nets.node import Shape
from striate.nets.nodes.upsample import SameConvTranspose1d, SameConvTranspose2d, SameConvTranspose3d

KINDS = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
SAME = (SameConvTranspose1d, SameConvTranspose2d, SameConvTranspose3d)


def interpolation(size: int, larger: int, kind: str, align_corners: bool) -> Tensor:
    """What each of the larger axis's positions takes of each of the smaller's, (larger, size)."""
    matrix = torch.zeros(larger, size, dtype=torch.float64)
    for row in range(larger):
        if kind == "nearest":
            matrix[row, row * size // larger] = 1
            continue
        if align_corners:
            place = row * (size - 1) / (larger - 1) if larger > 1 else 0.0
        else:
            place = min(max((row + 0.5) * size / larger - 0.5, 0.0), size - 1.0)
        before = min(int(place), size - 1)
        matrix[row, before] += 1 - (place - before)
        matrix[row, min(before + 1, size - 1)] += place - before
    return matrix


@pytest.mark.parametrize("axes", [1, 2, 3])
@pytest.mark.parametrize(("kind", "align_corners"), [("nearest", False), ("linear", False), ("linear", True)])
@pytest.mark.parametrize("by", ["scale", "size"])
def test_a_larger_grid_position_by_position(axes: int, kind: Any, align_corners: bool, by: str) -> None:
    shape, scales = (2, *(3, 2, 4)[:axes]), (2, 3, 1)[:axes]
    sizes = tuple(size * scale for size, scale in zip(shape[1:], scales, strict=True)) if by == "scale" else (7, 2, 5)
    sizes = sizes[:axes]
    options = {"scale": scales} if by == "scale" else {"size": sizes}
    node = Upsample(**options, kind=kind, align_corners=align_corners)
    x = torch.randn(2, *shape, dtype=torch.float64)
    expected = x
    for axis, (size, larger) in enumerate(zip(shape[1:], sizes, strict=True), 2):
        matrix = interpolation(size, larger, kind, align_corners)
        expected = torch.tensordot(expected, matrix, dims=([axis], [1])).movedim(-1, axis)
    torch.testing.assert_close(node.build(shape)(x), expected)
    assert node.output_shape(shape) == (2, *sizes)


def test_by_scale_it_serves_other_sizes_too() -> None:
    module = Upsample(2, kind="linear").build((3, 4, 4))
    assert module(torch.zeros(1, 3, 5, 7)).shape == (1, 3, 10, 14)


sizes = st.integers(1, 4)


@settings(max_examples=100, deadline=None)
@given(
    axes=st.integers(1, 3),
    side=st.integers(1, 4),
    kernel=sizes,
    stride=st.integers(1, 3),
    padding=st.integers(0, 2),
    output_padding=st.integers(0, 3),
    dilation=st.integers(1, 2),
    groups=st.sampled_from([1, 2]),
)
def test_a_transposed_convolution_is_torch_s_and_a_misfit_is_one_for_torch(
    axes: int, side: int, kernel: int, stride: int, padding: int, output_padding: int, dilation: int, groups: int
) -> None:
    shape = (4, *(side + axis for axis in range(axes)))
    node = TransposedConv(2, kernel, stride, padding, output_padding, dilation, groups)
    plain = KINDS[axes - 1](4, 2, kernel, stride, padding, output_padding, groups, True, dilation).double()
    x = torch.randn(1, *shape, dtype=torch.float64)
    try:
        output = node.output_shape(shape)
    except NetworkError:
        with pytest.raises(RuntimeError):
            plain(x)
        return
    module = node.build(shape).double()
    plain.load_state_dict(module.state_dict())
    assert torch.equal(module(x), plain(x))
    assert module(x).shape[1:] == output


@settings(max_examples=100, deadline=None)
@given(
    axes=st.integers(1, 3),
    side=st.integers(1, 4),
    kernel=st.integers(1, 5),
    stride=st.integers(1, 4),
    dilation=st.integers(1, 2),
    groups=st.sampled_from([1, 2]),
)
def test_same_is_the_gradient_of_tensorflow_s_convolution_from_n_times_the_stride(
    axes: int, side: int, kernel: int, stride: int, dilation: int, groups: int
) -> None:
    shape = (4, *(side + axis for axis in range(axes)))
    larger = (2, *(size * stride for size in shape[1:]))
    node = TransposedConv(2, kernel, stride, "same", dilation=dilation, groups=groups, bias=False)
    module = node.build(shape).double()
    forward = Conv(4, kernel, stride, "same", dilation, groups, bias=False).build(larger).double()
    forward.load_state_dict(module.state_dict())
    for extra in (0, 3):  # at another size than it was built for
        y = torch.randn(2, 4, *(size + extra for size in shape[1:]), dtype=torch.float64)
        x = torch.zeros(2, 2, *((size + extra) * stride for size in shape[1:]), dtype=torch.float64, requires_grad=True)
        (expected,) = torch.autograd.grad(forward(x), x, y)
        torch.testing.assert_close(module(y), expected)
    assert node.output_shape(shape) == larger


@pytest.mark.parametrize("axes", [1, 2, 3])
def test_torch_s_own_layer_serves_where_the_sides_are_equal(axes: int) -> None:
    shape = (3, *(4,) * axes)
    assert type(TransposedConv(2, 4, 2, "same").build(shape)) is KINDS[axes - 1]  # DCGAN's
    assert type(TransposedConv(2, 2, 3, "same").build(shape)) is KINDS[axes - 1]
    assert type(TransposedConv(2, 3, 2, "same").build(shape)) is SAME[axes - 1]


@pytest.mark.parametrize("groups", [1, 4])
def test_first_weights_are_for_the_inputs_that_an_output_sees(groups: int) -> None:
    torch.manual_seed(0)
    module = TransposedConv(16, 5, groups=groups, init="he_normal").build((64, 4, 4))
    assert module.weight.var().item() == pytest.approx(2 / (64 // groups * 25), rel=0.05)  # type: ignore[operator, union-attr]
    assert not module.bias.any()  # type: ignore[operator, union-attr]


def test_an_orthogonal_transposed_convolution() -> None:
    weight = TransposedConv(6, 2, init="orthogonal").build((16, 4, 4)).weight
    rows = weight.transpose(0, 1).flatten(1)  # type: ignore[operator, union-attr]
    torch.testing.assert_close(rows @ rows.T, torch.eye(6), atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    ("node", "shape", "words"),
    [
        (TransposedConv(4, groups=3), (6, 9), "needs filters that 3 groups divide, has 4"),
        (TransposedConv(6, groups=3), (4, 9), "needs input channels that 3 groups divide, has 4"),
        (TransposedConv(4, 3, padding=2), (4, 1, 1), "needs less padding, which cuts everything off"),
        (TransposedConv(4, output_padding=2), (4, 9), "needs output_padding below stride or dilation"),
        (TransposedConv(4, (2, 2)), (4, 9), "has kernel_size for 2 axes"),
        (TransposedConv(4), (4,), "needs channels and one to three axes"),
        (Upsample(2), (4,), "needs channels and one to three axes"),
        (Upsample(size=(3, 3)), (4, 9), "has size for 2 axes"),
    ],
)
def test_misfits(node: Node, shape: Shape, words: str) -> None:
    for method in (node.output_shape, node.build):
        with pytest.raises(NetworkError, match=re.escape(words)):
            method(shape)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Upsample(), "needs scale or size, one of them"),
        (lambda: Upsample(2, 8), "needs scale or size, one of them"),
        (lambda: Upsample(0), "scale must be at least 1"),
        (lambda: Upsample(2, align_corners=True), 'align_corners is of kind "linear"'),
        (lambda: Upsample(2, kind="bilinear"), "did you mean 'linear'"),
        (lambda: TransposedConv(4, padding="same", output_padding=1), "settles the size"),
        (lambda: TransposedConv(4, output_padding=-1), "output_padding must be at least 0"),
    ],
)
def test_impossible_values(make: object, words: str) -> None:
    with pytest.raises(NetworkError, match=re.escape(words)):
        make()  # type: ignore[operator]
