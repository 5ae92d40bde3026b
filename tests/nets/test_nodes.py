"""Nodes against torch, against figures of the field, on 1-D, 2-D and 3-D grids."""

from __future__ import annotations

import re

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from striate.core.errors import NetworkError
from striate.nets import (
    Activation,
    BatchNorm,
    Conv,
    Dense,
    Dropout,
    Flatten,
    GlobalPool,
    Network,
    Node,
    Pool,
    Repeat,
    Residual,
    Sequence,
)
from striate.nets.node import Shape


def count(node: Node, shape: Shape) -> int:
    return sum(parameter.numel() for parameter in node.build(shape).parameters())


# Everyday questions with their answers.
@pytest.mark.parametrize(
    ("node", "shape", "output"),
    [
        (Conv(1, 3), (1, 7, 7), (1, 5, 5)),
        (Conv(1, 3, stride=2), (1, 7, 7), (1, 3, 3)),
        (Conv(1, 3), (1, 12, 12), (1, 10, 10)),
        (Conv(1, 3), (1, 28, 28), (1, 26, 26)),
        (Conv(1, 3, padding=1), (1, 32, 32), (1, 32, 32)),
        (Conv(1, 3, stride=2), (1, 32, 32), (1, 15, 15)),
        (Conv(1, 3, dilation=2), (1, 8, 8), (1, 4, 4)),
        (Conv(10, 3), (3, 5, 5), (10, 3, 3)),
        (Conv(1, 2), (1, 2, 2), (1, 1, 1)),
        (Conv(8, 3, padding="same"), (1, 9, 9), (8, 9, 9)),
        (Conv(12, 3, groups=3), (6, 9, 9), (12, 7, 7)),
        (Pool(), (4, 13, 13), (4, 6, 6)),
        (Pool(3, stride=2, padding=1), (64, 112, 112), (64, 56, 56)),
    ],
)
def test_sizes(node: Node, shape: Shape, output: Shape) -> None:
    assert node.output_shape(shape) == output
    assert node.build(shape)(torch.zeros(2, *shape)).shape[1:] == output


def test_parameters_of_a_convolution() -> None:
    assert count(Conv(64, 3), (3, 9, 9)) == 1792
    assert count(Conv(64, 3, bias=False), (3, 9, 9)) == 1728
    assert count(Dense(10), (84,)) == 850
    assert count(BatchNorm(), (7, 3, 3)) == 14


sizes = st.integers(1, 4)


@settings(max_examples=50, deadline=None)
@given(
    axes=st.integers(1, 3),
    side=st.integers(1, 12),
    kernel=sizes,
    stride=sizes,
    dilation=st.integers(1, 3),
    padding=st.one_of(st.integers(0, 3), st.sampled_from(["same", "valid"])),
    groups=st.sampled_from([1, 2]),
)
def test_the_inferred_shape_is_torch_s_and_a_misfit_is_one_for_torch(
    axes: int, side: int, kernel: int, stride: int, dilation: int, padding: int | str, groups: int
) -> None:
    shape = (2, *(side + axis for axis in range(axes)))
    node = Conv(4, kernel, stride, padding, dilation, groups)  # type: ignore[arg-type]
    try:
        output = node.output_shape(shape)
    except NetworkError:
        kind = (nn.Conv1d, nn.Conv2d, nn.Conv3d)[axes - 1]
        plain = kind(2, 4, kernel, stride, 0 if padding == "valid" else padding, dilation, groups)
        with pytest.raises(RuntimeError, match=r"[Kk]ernel size"):
            plain(torch.zeros(1, *shape))
        return
    assert node.build(shape)(torch.zeros(1, *shape)).shape[1:] == output


@settings(max_examples=50, deadline=None)
@given(
    axes=st.integers(1, 3),
    side=st.integers(1, 12),
    window=sizes,
    stride=st.one_of(st.none(), sizes),
    padding=st.integers(0, 2),
    kind=st.sampled_from(["max", "average"]),
)
def test_pooling_is_torch_s(axes: int, side: int, window: int, stride: int | None, padding: int, kind: str) -> None:
    shape = (2, *(side + axis for axis in range(axes)))
    node = Pool(window, kind, stride, padding)  # type: ignore[arg-type]
    kinds = {"max": (nn.MaxPool1d, nn.MaxPool2d, nn.MaxPool3d), "average": (nn.AvgPool1d, nn.AvgPool2d, nn.AvgPool3d)}
    plain = kinds[kind][axes - 1](window, stride, padding)
    x = torch.randn(1, *shape)
    try:
        output = node.output_shape(shape)
    except NetworkError:
        with pytest.raises(RuntimeError):
            plain(x)
        return
    found = node.build(shape)(x)
    assert found.shape[1:] == output
    if padding == 0 or kind == "max":
        assert torch.equal(found, plain(x))


@pytest.mark.parametrize("side", [5, 6, 7, 8])
@pytest.mark.parametrize(("kernel", "stride", "dilation"), [(3, 2, 1), (2, 1, 1), (5, 3, 1), (3, 2, 2), (4, 4, 1)])
def test_same_padding_puts_the_odd_zero_behind_as_tensorflow_does(
    side: int, kernel: int, stride: int, dilation: int
) -> None:
    node = Conv(1, kernel, stride, "same", dilation, bias=False)
    module = node.build((1, side, side))
    x = torch.randn(1, 1, side, side)
    # By hand, output by output: TensorFlow's rule for where the window begins.
    outputs = -(-side // stride)
    span = dilation * (kernel - 1) + 1
    before = max((outputs - 1) * stride + span - side, 0) // 2
    weight = module.weight[0, 0]  # type: ignore[index, union-attr]
    expected = torch.zeros(outputs, outputs)
    for i in range(outputs):
        for j in range(outputs):
            for u in range(kernel):
                for v in range(kernel):
                    r, c = i * stride + u * dilation - before, j * stride + v * dilation - before
                    if 0 <= r < side and 0 <= c < side:
                        expected[i, j] += weight[u, v].item() * x[0, 0, r, c]
    torch.testing.assert_close(module(x)[0, 0], expected)
    assert module(torch.zeros(1, 1, side + 3, side + 1)).shape[2:] == (
        -(-(side + 3) // stride),
        -(-(side + 1) // stride),
    )


def test_a_padded_average_counts_real_positions_only() -> None:
    module = Pool(3, "average", stride=1, padding=1).build((1, 3, 3))
    assert torch.equal(module(torch.ones(1, 1, 3, 3)), torch.ones(1, 1, 3, 3))


@pytest.mark.parametrize("axes", [1, 2, 3])
def test_global_pooling(axes: int) -> None:
    x = torch.randn(2, 3, *range(4, 4 + axes))
    flat = x.flatten(2)
    assert torch.allclose(GlobalPool().build(x.shape[1:])(x), flat.mean(2), atol=1e-6)
    assert torch.equal(GlobalPool("max").build(x.shape[1:])(x), flat.amax(2))
    both = GlobalPool("both").build(x.shape[1:])(x)
    assert torch.allclose(both, torch.cat([flat.mean(2), flat.amax(2)], 1), atol=1e-6)


@pytest.mark.parametrize("shape", [(5,), (5, 7), (5, 4, 3), (5, 2, 3, 4)])
def test_batch_norm_standardises_each_channel(shape: Shape) -> None:
    module = BatchNorm().build(shape)
    y = module(torch.randn(64, *shape) * 3 + 2).transpose(0, 1).flatten(1)
    torch.testing.assert_close(y.mean(1), torch.zeros(5), atol=1e-5, rtol=0)
    torch.testing.assert_close(y.var(1, unbiased=False), torch.ones(5), atol=1e-3, rtol=0)


@pytest.mark.parametrize(
    ("kind", "function"),
    [
        ("relu", torch.relu),
        ("leaky_relu", lambda x: torch.where(x > 0, x, 0.01 * x)),
        ("elu", lambda x: torch.where(x > 0, x, torch.expm1(x))),
        ("gelu", lambda x: x * 0.5 * (1 + torch.erf(x / 2**0.5))),
        ("silu", lambda x: x / (1 + torch.exp(-x))),
        ("tanh", torch.tanh),
        ("sigmoid", lambda x: 1 / (1 + torch.exp(-x))),
    ],
)
def test_activations_by_their_formulas(kind: str, function: object) -> None:
    x = torch.linspace(-4, 4, 41, dtype=torch.float64)
    given = x.clone()
    node = Activation(kind)  # type: ignore[arg-type]
    torch.testing.assert_close(node.build((41,))(x), function(x))  # type: ignore[operator]
    assert torch.equal(x, given), "an activation in place would break hooks"


def test_dropout_drops_its_share_and_keeps_the_mean() -> None:
    torch.manual_seed(0)
    y = Dropout(0.25).build((1000,)).train()(torch.ones(100, 1000))
    assert abs((y == 0).float().mean().item() - 0.25) < 0.01
    assert abs(y.mean().item() - 1) < 0.01


def test_flatten_is_row_major_over_channels_first() -> None:
    x = torch.arange(24.0).view(1, 2, 3, 4)
    assert Flatten().build((2, 3, 4))(x)[0].tolist() == list(range(24))


@pytest.mark.parametrize(
    ("init", "variance"),
    [
        ("he_normal", 2 / 72),
        ("he_uniform", 2 / 72),
        ("xavier_normal", 2 / (72 + 64 * 9)),
        ("xavier_uniform", 2 / (72 + 64 * 9)),
        ("default", 1 / (3 * 72)),
        ("zeros", 0.0),
    ],
)
def test_first_weights_have_the_variance_of_their_paper(init: str, variance: float) -> None:
    torch.manual_seed(0)
    module = Conv(64, 3, init=init).build((8, 5, 5))  # type: ignore[arg-type]
    assert module.weight.var().item() == pytest.approx(variance, rel=0.05)  # type: ignore[operator, union-attr]
    if init != "default":
        assert not module.bias.any()  # type: ignore[operator, union-attr]


def test_dirac_filters_hand_their_input_on() -> None:
    images = torch.randn(2, 3, 6, 6)
    torch.manual_seed(0)
    wide = Conv(5, padding=1, bias=False, init="dirac").build((3, 6, 6))
    torch.testing.assert_close(wide(images)[:, :3], images)
    assert float(wide.weight[3:].detach().std()) > 0.05
    narrow = Conv(2, padding=1, bias=False, init="dirac").build((3, 6, 6))
    torch.testing.assert_close(narrow(images), images[:, :2])


def test_orthogonal_rows() -> None:
    weight = Dense(8, init="orthogonal").build((20,)).weight
    torch.testing.assert_close(weight @ weight.T, torch.eye(8), atol=1e-5, rtol=0)  # type: ignore[operator, union-attr]


def block(filters: int, stride: int = 1, **options: object) -> Residual:
    body = (Conv(filters, 3, stride, 1, bias=False), BatchNorm(), Activation("relu"), Conv(filters, 3, padding=1))
    return Residual(body, **options)  # type: ignore[arg-type]


def test_a_residual_block_by_hand() -> None:
    torch.manual_seed(0)
    module = block(6, 2).build((4, 9, 9)).eval()
    assert [name for name, _ in module.named_children()] == [
        "conv1", "norm1", "activation1", "conv2", "shortcut", "activation",
    ]  # fmt: skip
    x = torch.randn(2, 4, 9, 9)
    body = module.conv2(module.activation1(module.norm1(module.conv1(x))))  # type: ignore[operator]
    projected = torch.nn.functional.conv2d(x, module.shortcut.conv.weight, stride=2)  # type: ignore[union-attr, arg-type]
    expected = torch.relu(body + module.shortcut.norm(projected))  # type: ignore[operator, union-attr]
    assert torch.equal(module(x), expected)


def test_the_shortcut_is_the_identity_where_shapes_agree() -> None:
    assert isinstance(block(4).build((4, 9, 9)).shortcut, nn.Identity)
    projected = block(4, shortcut="projection", projection_norm=False).build((4, 9, 9))
    assert list(projected.shortcut.state_dict()) == ["conv.weight", "conv.bias"]  # type: ignore[union-attr]
    assert isinstance(block(4, activation=None).build((4, 9, 9)).activation, nn.Identity)


def test_the_stride_of_a_shortcut_is_the_body_s_even_where_the_map_has_one_position() -> None:
    small, large = (block(8, 2).build((8, side, side)) for side in (1, 16))
    assert small.shortcut.conv.stride == large.shortcut.conv.stride == (2, 2)  # type: ignore[union-attr]


def test_an_identity_shortcut_refuses_a_body_that_changes_the_shape() -> None:
    with pytest.raises(NetworkError, match=re.escape("its body gives 8×5×5, receives 4×9×9")):
        block(8, 2, shortcut="identity").output_shape((4, 9, 9))


def test_a_body_that_gives_a_vector_or_no_stride_reaches_is_refused() -> None:
    with pytest.raises(NetworkError, match="nothing can be added"):
        Residual((Flatten(),)).output_shape((4, 9, 9))
    with pytest.raises(NetworkError, match="no stride reaches"):
        Residual((Conv(4, 3),)).output_shape((4, 9, 9))


def test_residuals_work_on_vectors_and_on_other_grids() -> None:
    assert Residual((Dense(7), BatchNorm())).build((5,))(torch.randn(3, 5)).shape == (3, 7)
    for axes in (1, 2, 3):
        shape = (4, *(8,) * axes)
        assert block(6, 2).build(shape)(torch.randn(2, *shape)).shape == (2, 6, *(4,) * axes)


def test_repeat_gives_each_copy_its_own_weights_and_the_first_its_stride() -> None:
    node = Repeat(Conv(4, 3, padding=1, name="c"), 3, Conv(4, 3, 2, 1))
    module = node.build((2, 8, 8))
    assert [name for name, _ in module.named_children()] == ["c1", "c2", "c3"]
    assert module.c1.stride == (2, 2)  # type: ignore[union-attr]
    assert module.c2.stride == (1, 1)  # type: ignore[union-attr]
    assert not torch.equal(module.c2.weight, module.c3.weight)  # type: ignore[union-attr, arg-type]
    assert node.output_shape((2, 8, 8)) == (4, 4, 4)


def test_sequences_nest_under_dots() -> None:
    net = Network("n", (Sequence((Conv(4), BatchNorm()), name="stem"), GlobalPool()))
    assert set(net.build((1, 5, 5)).state_dict()) >= {"stem.conv1.weight", "stem.norm1.running_mean"}


@pytest.mark.parametrize(
    ("node", "shape", "words"),
    [
        (Conv(8, groups=3), (6, 9, 9), "needs filters that 3 groups divide, has 8"),
        (Conv(6, groups=3), (4, 9, 9), "needs input channels that 3 groups divide, has 4"),
        (Conv(8, (3, 3)), (4, 9), "has kernel_size for 2 axes"),
        (Conv(8), (4,), "needs channels and one to three axes, receives a vector of 4"),
        (Pool(), (4,), "needs channels and one to three axes"),
        (GlobalPool(), (4,), "needs channels and one to three axes"),
        (Pool(4), (1, 3, 9), "needs at least 4×4, receives 1×3×9"),
        (Pool(2, padding=2), (1, 9, 9), "at most half"),
        (Dense(8), (4, 2), "needs a vector"),
        (Conv(8, (3, 5), padding=(0, 1)), (1, 2, 2), "needs at least 3×3"),
    ],
)
def test_misfits_say_what_is_needed_and_what_comes(node: Node, shape: Shape, words: str) -> None:
    with pytest.raises(NetworkError, match=re.escape(words)):
        node.output_shape(shape)
