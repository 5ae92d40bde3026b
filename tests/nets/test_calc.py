"""The everyday arithmetic against torch, and against the questions that are asked every day."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from striate.core.errors import NetworkError, StriateError, UsageError
from striate.nets import Activation, Conv, Dense, Flatten, Network, Pool, profile_module
from striate.nets.calc import calculate


@pytest.mark.parametrize(
    ("kind", "input", "kernel", "more", "output"),
    [
        ("conv", (7, 7), 3, {}, (5, 5)),
        ("conv", (7, 7), 3, {"stride": 2}, (3, 3)),
        ("conv", (12, 12), 3, {}, (10, 10)),
        ("conv", (28, 28), 3, {}, (26, 26)),
        ("conv", (32,), 3, {"padding": 1}, (32,)),
        ("conv", (32,), 3, {"stride": 2}, (15,)),
        ("conv", (8, 8), 3, {"dilation": 2}, (4, 4)),
        ("conv", (5, 5), 3, {"channels": 3, "filters": 10}, (10, 3, 3)),
        ("conv", (2, 2), 2, {}, (1, 1)),
        ("conv", (9, 9), 3, {"padding": "same"}, (9, 9)),
        ("conv", (6, 6), 3, {"groups": 2, "channels": 4, "filters": 8}, (8, 4, 4)),
        ("pool", (13, 13), 2, {"channels": 64}, (64, 6, 6)),
        ("transposed", (14, 14), 2, {"stride": 2}, (28, 28)),
        ("conv", (16, 28, 28), (3, 3, 3), {"stride": (1, 2, 2), "padding": 1}, (16, 14, 14)),
    ],
)  # fmt: skip
def test_questions_with_known_answers(kind: Any, input: Any, kernel: Any, more: dict[str, Any], output: Any) -> None:
    assert calculate(kind, input, kernel, **more).output == output


def test_parameters_with_known_answers() -> None:
    assert calculate("conv", (224, 224), 3, channels=3, filters=64).parameters == 1792
    assert calculate("conv", (5, 5), 3, channels=3, filters=10).parameters == 280
    assert calculate("pool", (8, 8), 2, channels=4).parameters == 0
    assert calculate("conv", (5, 5), 3).parameters is None


@pytest.mark.parametrize(
    ("units", "filters", "shapes", "parameters"),
    [
        (10, (32, 64), [(32, 62, 62), (32, 31, 31), (64, 29, 29), (64, 14, 14), (12544,)], 1_626_442),
        (1, (32,), [(32, 62, 62), (32, 31, 31), (30752,)], 3_937_409),
    ],
)
def test_networks_with_known_answers(units: int, filters: Any, shapes: Any, parameters: int) -> None:
    grids = [node for count in filters for node in (Conv(count, kernel_size=3), Activation(), Pool(2))]
    network = Network("n", (*grids, Flatten(), Dense(128), Activation(), Dense(units)))
    outputs = [layer.output for layer in network.layers((3, 64, 64)) if not isinstance(layer.node, Activation)]
    assert outputs == [*shapes, (128,), (units,)]
    with torch.device("meta"):
        assert profile_module(network.build((3, 64, 64)), (3, 64, 64)).parameters == parameters


def test_flattening_is_row_major_over_channels_rows_and_columns() -> None:
    maps = torch.arange(24.0).view(1, 2, 3, 4)
    assert Flatten().build((2, 3, 4))(maps)[0].tolist() == [
        maps[0, c, y, x] for c in range(2) for y in range(3) for x in range(4)
    ]


def test_convolution_is_correlation_without_a_flip() -> None:
    image, kernel = torch.zeros(1, 1, 3, 3), torch.arange(4.0).view(1, 1, 2, 2)
    image[0, 0, 0, 1] = 1
    layer = nn.Conv2d(1, 1, 2, bias=False)
    layer.weight.data = kernel
    assert layer(image)[0, 0].tolist() == [[1.0, 0.0], [0.0, 0.0]]
    assert Conv(1, kernel_size=2).output_shape((1, 3, 3)) == (1, 2, 2)


def test_local_response_normalisation_divides_alpha_by_the_window() -> None:
    """torch's, and AlexNet's in torch, divides α by n; the paper's formula does not."""
    x = torch.rand(1, 5, 2, 2, dtype=torch.float64)
    size, alpha, beta, k = 3, 0.1, 0.75, 2.0
    padded = nn.functional.pad(x.square(), (0, 0, 0, 0, 1, 1))
    total = padded[:, :-2] + padded[:, 1:-1] + padded[:, 2:]
    assert torch.allclose(nn.LocalResponseNorm(size, alpha, beta, k)(x), x / (k + alpha / size * total) ** beta)


def test_what_is_left_over_is_said() -> None:
    found = calculate("conv", (32,), 3, stride=2)
    assert found.steps[-1].startswith("the division gives 15.5; the floor counts")
    assert "the last 1 position of the padded input is left over" in found.steps[-1]
    assert "⌊(32 + 2·0 − 3) / 2⌋ + 1 = ⌊29 / 2⌋ + 1 = 14 + 1 = 15" in found.steps[1]
    assert "left over" not in " ".join(calculate("conv", (33,), 3, stride=2).steps)


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (("conv", (2, 2), 3), NetworkError, "a kernel that spans 3 does not fit an input of 2"),
        (("conv", (5,), 3, {"dilation": 3}), NetworkError, "spans 7"),
        (("conv", (5,), 3, {"groups": 3, "channels": 4}), NetworkError, "3 groups do not divide 4 input channels"),
        (("pool", (5,), 2, {"padding": 2}), NetworkError, "half its window"),
        (("pool", (5,), 2, {"filters": 2}), UsageError, "neither filters nor groups"),
        (("conv", (5,), 3, {"channels": 4}), UsageError, "need both channels and filters"),
        (("transposed", (1,), 2, {"padding": 2}), NetworkError, "takes all away"),
        (("transposed", (4,), 2, {"output_padding": 1}), NetworkError, "smaller than the stride"),
        (("transposed", (4,), 2, {"padding": "same"}), UsageError, '"same"'),
        (("conv", (5,), 0), UsageError, "kernel must be at least 1"),
        (("conv", (5, 5), (3, 3, 3)), UsageError, "3 numbers for 2 axes"),
        (("conv", (5, 5, 5, 5), 3), UsageError, "no grid"),
        (("conv", (5,), 3, {"output_padding": 1}), UsageError, "only a transposed"),
        (("convolution", (5,), 3), UsageError, "nothing to calculate"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused(call: Any, error: type[StriateError], words: str) -> None:
    kind, input, kernel, *more = call
    with pytest.raises(error, match=words):
        calculate(kind, input, kernel, **(more[0] if more else {}))


@given(
    st.sampled_from(["conv", "transposed", "pool"]), st.integers(1, 3), st.data(), st.integers(1, 3), st.booleans()
)  # fmt: skip
def test_torch_makes_the_same_of_it(kind: Any, axes: int, data: st.DataObject, groups: int, bias: bool) -> None:
    def draw(least: int, most: int) -> tuple[int, ...]:
        return tuple(data.draw(st.integers(least, most)) for _ in range(axes))

    input, kernel, stride, padding, dilation = draw(3, 9), draw(1, 4), draw(1, 3), draw(0, 2), draw(1, 2)
    extra = tuple(min(one, step - 1) for one, step in zip(draw(0, 2), stride, strict=True))
    channels, filters = 2 * groups, 3 * groups
    more: dict[str, Any] = {"stride": stride, "padding": padding, "channels": channels}
    kinds = {"conv": "Conv", "transposed": "ConvTranspose", "pool": "MaxPool"}
    if kind == "pool":
        arguments: tuple[Any, ...] = (kernel, stride, padding, dilation)
    else:
        more |= {"groups": groups, "filters": filters, "bias": bias}
        arguments = (channels, filters, kernel, stride, padding)
    if kind == "transposed":
        more["output_padding"] = extra
    options = {} if kind == "pool" else {"groups": groups, "bias": bias, "dilation": dilation}
    options |= {"output_padding": extra} if kind == "transposed" else {}
    if kind == "pool":
        padding = more["padding"] = tuple(min(pad, size // 2) for pad, size in zip(padding, kernel, strict=True))
        arguments = (kernel, stride, padding, dilation)
    layer = getattr(nn, f"{kinds[kind]}{axes}d")(*arguments, **options)
    try:
        found = calculate(kind, input, kernel, dilation=dilation, **more)
    except NetworkError:
        found = None
    try:
        made = layer(torch.zeros(1, channels, *input))
    except RuntimeError:
        assert found is None
        return
    if found is None:  # on some processors torch gives nothing for it, on others an error
        assert made.numel() == 0
        return
    assert made.shape[1:] == found.output
    assert found.parameters == sum(one.numel() for one in layer.parameters())
    if kind != "pool":
        with torch.device("meta"):
            assert found.macs == profile_module(layer.to("meta"), (channels, *input)).macs
