"""Pooling against torch's own, and "same" against windows laid by hand."""

from __future__ import annotations

import itertools
import re
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from striate.core.errors import NetworkError
from striate.nets import AdaptivePool, Node, Pool, SpatialPyramidPool
from striate.nets.node import Shape

MAX, AVERAGE = (nn.MaxPool1d, nn.MaxPool2d, nn.MaxPool3d), (nn.AvgPool1d, nn.AvgPool2d, nn.AvgPool3d)


@settings(max_examples=150, deadline=None)
@given(
    axes=st.integers(1, 3),
    side=st.integers(1, 9),
    window=st.integers(1, 4),
    stride=st.one_of(st.none(), st.integers(1, 5)),
    padding=st.integers(0, 2),
    kind=st.sampled_from(["max", "average"]),
    partial=st.booleans(),
    count_padding=st.booleans(),
)
def test_every_window_is_torch_s_and_a_misfit_is_one_for_torch(
    axes: int, side: int, window: int, stride: int | None, padding: int, kind: Any, partial: bool, count_padding: bool
) -> None:
    shape = (2, *(side + axis for axis in range(axes)))
    if kind == "max":
        plain: nn.Module = MAX[axes - 1](window, stride, padding, ceil_mode=partial)
    else:
        plain = AVERAGE[axes - 1](window, stride, padding, ceil_mode=partial, count_include_pad=count_padding)
    node = Pool(window, kind, stride, padding, partial, count_padding and kind == "average")
    x = torch.randn(1, *shape)
    try:
        output = node.output_shape(shape)
    except NetworkError:
        with pytest.raises(RuntimeError):
            plain(x)
        return
    found = node.build(shape)(x)
    assert found.shape[1:] == output
    assert torch.equal(found, plain(x))


def by_hand(x: Tensor, kernel: int, stride: int, kind: str, count_padding: bool) -> Tensor:
    """Window by window, where TensorFlow lays them."""
    axes = []
    for size in x.shape[2:]:
        count = -(-size // stride)
        before = max((count - 1) * stride + kernel - size, 0) // 2
        starts = [number * stride - before for number in range(count)]
        axes.append([slice(max(start, 0), min(start + kernel, size)) for start in starts])
    windows = [x[(..., *parts)].flatten(2) for parts in itertools.product(*axes)]
    if kind == "max":
        found = [window.amax(2) for window in windows]
    else:
        found = [window.sum(2) / (kernel ** len(axes) if count_padding else window.shape[2]) for window in windows]
    return torch.stack(found, 2).unflatten(2, [len(one) for one in axes])


@settings(max_examples=100, deadline=None)
@given(
    axes=st.integers(1, 3),
    side=st.integers(1, 7),
    kernel=st.integers(1, 4),
    stride=st.integers(1, 4),
    kind=st.sampled_from(["max", "average"]),
    count_padding=st.booleans(),
)
def test_same_padding_is_tensorflow_s_at_whatever_size_comes(
    axes: int, side: int, kernel: int, stride: int, kind: Any, count_padding: bool
) -> None:
    shape = (2, *(side + axis for axis in range(axes)))
    node = Pool(kernel, kind, stride, "same", count_padding=count_padding and kind == "average")
    module = node.build(shape)
    assert module(torch.randn(1, *shape)).shape[1:] == node.output_shape(shape)
    for size in (shape[1:], tuple(one + 3 for one in shape[1:])):
        x = torch.randn(2, 2, *size, dtype=torch.float64) - 3  # a padded zero would win
        torch.testing.assert_close(module(x), by_hand(x, kernel, stride, kind, count_padding))


@pytest.mark.parametrize("axes", [1, 2, 3])
@pytest.mark.parametrize(
    "node", [Pool(2, "average"), Pool(2, "average", padding="same"), Pool(2, padding="same"), AdaptivePool(2)]
)
def test_halves_are_taken_on_every_grid(node: Node, axes: int) -> None:
    module = node.build((2, *(5,) * axes))
    x = torch.randn(2, 2, *(5,) * axes, dtype=torch.bfloat16, requires_grad=True)
    y = module(x)
    assert y.dtype == torch.bfloat16
    torch.testing.assert_close(y.float(), module(x.float()), rtol=0.01, atol=0.01)
    y.sum().backward()
    assert x.grad is not None


@pytest.mark.parametrize("axes", [1, 2, 3])
@pytest.mark.parametrize("kind", ["max", "average"])
def test_torch_s_own_layer_serves_a_window_with_a_middle(axes: int, kind: Any) -> None:
    module = Pool(3, kind, 1, "same").build((2, *(8,) * axes))
    own = isinstance(module, MAX[axes - 1] if kind == "max" else AVERAGE[axes - 1])
    assert own == (not (kind == "average" and axes == 3))


@pytest.mark.parametrize("axes", [1, 2, 3])
@pytest.mark.parametrize("kind", ["max", "average"])
@pytest.mark.parametrize("parts", [1, 3, 5, 9])
def test_adaptive_pooling_by_its_parts(axes: int, kind: Any, parts: int) -> None:
    shape = (2, *(5 + axis for axis in range(axes)))
    x = torch.randn(3, *shape, dtype=torch.float64)
    cuts = [[slice(n * size // parts, -(-(n + 1) * size // parts)) for n in range(parts)] for size in shape[1:]]
    windows = [x[(..., *one)].flatten(2) for one in itertools.product(*cuts)]
    expected = torch.stack([one.amax(2) if kind == "max" else one.mean(2) for one in windows], 2)
    node = AdaptivePool(parts, kind)
    torch.testing.assert_close(node.build(shape)(x), expected.unflatten(2, (parts,) * axes))
    assert node.output_shape(shape) == (2, *(parts,) * axes)


@pytest.mark.parametrize("axes", [1, 2, 3])
@pytest.mark.parametrize("kind", ["max", "average"])
def test_a_pyramid_gives_one_length_whatever_the_size(axes: int, kind: Any) -> None:
    module = SpatialPyramidPool((1, 2, 4), kind).build((3, *(13,) * axes))
    for side in (2, 7, 13, 18):
        x = torch.randn(2, 3, *(side,) * axes)
        levels = [AdaptivePool(level, kind).build(x.shape[1:])(x).flatten(1) for level in (1, 2, 4)]
        y = module(x)
        assert torch.equal(y, torch.cat(levels, 1))
        assert y.shape[1:] == SpatialPyramidPool(kind=kind).output_shape((3, *(side,) * axes))


def test_the_pyramid_of_the_paper_has_twenty_one_bins() -> None:
    assert SpatialPyramidPool((4, 2, 1)).output_shape((256, 13, 13)) == (256 * 21,)


@pytest.mark.parametrize(
    ("node", "shape", "words"),
    [
        (Pool(4, partial=True, stride=2), (1, 2, 9), "needs at least 3×3, receives 1×2×9"),
        (Pool(2, padding=2), (1, 9, 9), "needs padding of at most half of kernel_size, receives 1×9×9"),
        (Pool(3, "average", padding=1), (1, 2, 9, 9), "needs at least 3×3×3"),
        (AdaptivePool((2, 3)), (1, 9), "has size for 2 axes"),
        (AdaptivePool(2), (4,), "needs channels and one to three axes"),
        (SpatialPyramidPool(), (4,), "needs channels and one to three axes"),
    ],
)
def test_misfits(node: Node, shape: Shape, words: str) -> None:
    for method in (node.output_shape, node.build):
        with pytest.raises(NetworkError, match=re.escape(words)):
            method(shape)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Pool(3, padding="same", partial=True), "fills every window"),
        (lambda: Pool(3, count_padding=True), "count_padding is of averages"),
        (lambda: Pool(3, padding="smae"), "did you mean 'same'"),
        (lambda: AdaptivePool(0), "size must be at least 1"),
        (lambda: SpatialPyramidPool(()), "levels must name at least one"),
        (lambda: SpatialPyramidPool((1, 0)), "levels must be at least 1"),
    ],
)
def test_impossible_values(make: object, words: str) -> None:
    with pytest.raises(NetworkError, match=re.escape(words)):
        make()  # type: ignore[operator]
