"""Receptive fields against gradients: the pixels that a position's gradient reaches, and against published sizes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch
import torchvision
from hypothesis import HealthCheck, assume, given, reject, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from striate.core.errors import NetworkError
from striate.nets import (
    Activation,
    BatchNorm,
    Conv,
    Dense,
    Flatten,
    GlobalPool,
    Network,
    Node,
    Pool,
    Residual,
    build,
    profile_module,
    resolve,
)
from striate.nets.flow import following
from striate.nets.reach import Reach, Unknown, Window


def positive(module: nn.Module) -> nn.Module:
    """A copy in float64 whose every path hands a gradient on: positive weights, no ReLU, no zero slope."""
    module = module.double().eval()
    generator = torch.Generator().manual_seed(0)
    for name, part in list(module.named_modules()):
        if isinstance(part, nn.ReLU | nn.ReLU6 | nn.Hardswish | nn.SiLU | nn.GELU | nn.Hardsigmoid):
            module.set_submodule(name, nn.Identity())
        if isinstance(part, nn.MaxPool1d | nn.MaxPool2d | nn.MaxPool3d):  # its gradient goes to one place only
            module.set_submodule(name, SumPool(part))
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(torch.rand(parameter.shape, generator=generator, dtype=torch.float64) * 0.5 + 0.5)
            if parameter.dim() > 1:
                parameter.div_(parameter[0].numel())
    return module


class SumPool(nn.Module):
    """The mean of the windows that a max-pooling looks at."""

    def __init__(self, pool: nn.Module) -> None:
        super().__init__()
        self.pool = pool

    def forward(self, x: Tensor) -> Tensor:
        kind = {3: nn.functional.avg_pool1d, 4: nn.functional.avg_pool2d, 5: nn.functional.avg_pool3d}[x.dim()]
        result: Tensor = kind(
            x, self.pool.kernel_size, self.pool.stride, self.pool.padding, self.pool.ceil_mode, count_include_pad=True
        )
        return result


def spans_by_gradient(module: nn.Module, images: Tensor, layer: str, place: Sequence[int]) -> list[tuple[int, int]]:
    """The first and last pixel along each axis that move one position of a layer's output."""
    images = images.clone().requires_grad_()
    kept: dict[str, Tensor] = {}
    handle = module.get_submodule(layer).register_forward_hook(lambda _, __, output: kept.update(output=output))
    module(images)
    handle.remove()
    output = kept["output"]
    picked = output[(0, slice(None), *place)] if len(place) else output[0]
    (gradient,) = torch.autograd.grad(picked.sum(), images)
    seen = gradient[0].abs().sum(0) > 0
    spans = []
    for axis in range(seen.dim()):
        others = tuple(other for other in range(seen.dim()) if other != axis)
        line = (seen.any(others) if others else seen).nonzero()
        spans.append((int(line[0]), int(line[-1])))
    return spans


def compare(module: nn.Module, shape: Sequence[int], layers: Sequence[str] | None = None) -> int:
    """Assert that the fields of layers are what gradients say, at a central position; returns how many were known.

    Where a field meets a border, a stride may have dropped the last pixels, so that gradients may reach less.
    """
    module = positive(module)
    images = torch.rand(2, *shape, dtype=torch.float64)
    with torch.no_grad(), following(module, images) as followed:
        module(images)
    flow, known = followed.flow(), 0
    outputs: dict[str, tuple[int, ...]] = {step.layer: step.output for step in flow.steps if step.layer is not None}
    for name in layers or outputs:
        field = flow.tensors.get(name)
        if field is None or name not in outputs:
            continue
        if isinstance(module.get_submodule(name), nn.Linear) and len(outputs[name]) > 1:
            continue  # channels last: no position to pick in the way that follows
        axes = len(shape) - 1
        grid = outputs[name][1:] if len(outputs[name]) == axes + 1 else ()
        place = [size // 2 for size in grid]
        expected: list[tuple[int, int]] = []
        for axis, reach in enumerate(field.reaches):
            first, last = (0, shape[1 + axis] - 1) if reach is None else reach.span(place[axis] if place else 0)
            expected.append((first, last))
        for (first, last), one, size in zip(
            spans_by_gradient(module, images, name, place), expected, shape[1:], strict=True
        ):
            if one[0] >= 0 and one[1] < size and one != (0, size - 1):
                assert (first, last) == one, name
            else:
                assert one[0] <= first <= max(one[0], 0) + 1, name
                assert min(one[1], size - 1) - (size - 1) // 8 <= last <= one[1], name
        known += 1
    return known


@pytest.mark.parametrize(
    ("name", "size"), [("compact", 32), ("cifarnet", 32), ("lenet5", 32), ("plain", 40), ("resnet18", 96)]
)
def test_fields_of_families_are_what_gradients_say(name: str, size: int) -> None:
    module = build(resolve(name, outputs=3, channels=1, height=size, width=size))
    steps = [layer for layer, part in module.named_modules() if isinstance(part, nn.Conv2d | nn.Linear)]
    assert compare(module, (1, size, size), steps[:: max(1, len(steps) // 8)] + steps[-1:]) >= 3


LIBRARY: dict[str, Callable[[], nn.Module]] = {
    "densenet": lambda: torchvision.models.DenseNet(8, (2, 2), 8),
    "mobilenet": lambda: torchvision.models.mobilenet_v2(num_classes=2, width_mult=0.25),
    "squeezenet": lambda: torchvision.models.squeezenet1_1(num_classes=2),
    "convnext": lambda: torchvision.models.ConvNeXt(
        [torchvision.models.convnext.CNBlockConfig(8, 16, 1), torchvision.models.convnext.CNBlockConfig(16, None, 1)]
    ),
}


@pytest.mark.parametrize("name", LIBRARY)
def test_fields_of_library_networks_are_what_gradients_say(name: str) -> None:
    module = LIBRARY[name]()
    layers = [layer for layer, part in module.named_modules() if isinstance(part, nn.Conv2d | nn.Linear)]
    assert compare(module, (3, 64, 64), layers[:: max(1, len(layers) // 8)]) >= 4


@pytest.mark.parametrize(
    "module",
    [
        nn.Sequential(nn.Conv1d(2, 3, 3, dilation=4), nn.AvgPool1d(3, 2), nn.ConvTranspose1d(3, 2, 4, 2, 1)),
        nn.Sequential(nn.Conv2d(2, 3, (3, 5), (2, 1), padding=1), nn.ConvTranspose2d(3, 2, 3, 3), nn.Conv2d(2, 2, 3)),
        nn.Sequential(nn.Conv2d(2, 3, 3, 2), nn.Upsample(scale_factor=2), nn.Conv2d(3, 2, 3, padding="same")),
        nn.Sequential(nn.Conv2d(2, 3, 3, 2), nn.Upsample(scale_factor=2, mode="bilinear"), nn.Conv2d(3, 2, 3)),
        nn.Sequential(nn.ReflectionPad2d(3), nn.Conv2d(2, 3, 3), nn.ZeroPad2d((2, -1, 0, 1)), nn.AvgPool2d(2)),
        nn.Sequential(nn.PixelUnshuffle(2), nn.Conv2d(8, 4, 3), nn.PixelShuffle(2), nn.Conv2d(1, 2, 3)),
        nn.Sequential(nn.AdaptiveAvgPool2d((5, 7)), nn.Conv2d(2, 2, 3)),
        nn.Sequential(nn.Conv3d(2, 2, 3, stride=2), nn.AvgPool3d(2, 1), nn.ConvTranspose3d(2, 2, 2, 2)),
        nn.Sequential(nn.Conv2d(2, 4, 3), nn.LocalResponseNorm(3), nn.Conv2d(4, 2, 3)),
    ],
    ids=["signal", "uneven", "nearest", "bilinear", "pads", "shuffle", "adaptive", "volume", "response"],
)  # fmt: skip
def test_fields_of_every_kind_of_layer_are_what_gradients_say(module: nn.Module) -> None:
    axes = 1 if isinstance(module[0], nn.Conv1d) else 3 if isinstance(module[0], nn.Conv3d) else 2
    assert compare(module, (2, *(20 + 2 * axis for axis in range(axes)))) == len(module)


class UNet(nn.Module):
    """Two depths, joined by concatenation."""

    def __init__(self) -> None:
        super().__init__()
        self.down, self.deep = nn.Conv2d(1, 4, 3, padding=1), nn.Conv2d(4, 4, 3, stride=2, padding=1)
        self.up, self.out = nn.ConvTranspose2d(4, 4, 2, 2), nn.Conv2d(8, 2, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.down(x)
        result: Tensor = self.out(torch.cat([self.up(self.deep(x)), x], 1))
        return result


def test_taps_are_united() -> None:
    assert compare(UNet(), (1, 24, 24)) == 4
    rows = {row.name: str(row.receptive_field) for row in profile_module(UNet(), (1, 24, 24)).layers}
    assert (rows["down"], rows["deep"], rows["up"]) == ("3/1@-1", "5/2@-2", "5/1@-2")


node = st.one_of(
    st.builds(
        Conv, st.just(2), kernel_size=st.integers(1, 4), stride=st.integers(1, 2), dilation=st.integers(1, 2),
        padding=st.integers(0, 2),
    ),
    st.builds(Conv, st.just(2), kernel_size=st.integers(1, 3), padding=st.just("same"), stride=st.integers(1, 2)),
    st.builds(Pool, st.integers(2, 3), kind=st.just("average"), stride=st.integers(1, 2)),
    st.just(BatchNorm()),
    st.just(Residual((Conv(2, padding=1), Conv(2, padding=1)), activation=None)),
)  # fmt: skip


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.filter_too_much])
@given(st.lists(node, min_size=1, max_size=4), st.integers(1, 2))
def test_fields_of_random_chains_are_what_gradients_say(nodes: list[Node], axes: int) -> None:
    shape = (2, 33, 29)[: axes + 1]
    network = Network("chain", tuple(nodes))
    try:
        assume(min(network.output_shape(shape)[1:]) >= 3)
    except NetworkError:  # a kernel larger than what is left of the grid
        reject()
    module = network.build(shape)
    last = list(dict(module.named_children()))[-1]
    layers = [name for name, part in module.named_modules() if not list(part.children()) and name.startswith(last)]
    assert compare(module, shape, layers) >= 1


@pytest.mark.parametrize(
    ("name", "layer", "field"),
    [
        # Araujo, Norris and Sim 2019, "Computing receptive fields": sizes and strides. theirs of ResNet-50 is 483, with
        # the strides in the 1×1 convolutions; torchvision has them in the 3×3 ones: 2·(4 + 8 + 16) less.
        ("alexnet", "features.12", "195/32@-66"),
        ("vgg16", "features.30", "212/32@-90"),
        ("resnet50", "layer4", "427/32@-213"),
        ("mobilenet_v2", "features", "491/32@-245"),
    ],
)
def test_published_fields(name: str, layer: str, field: str) -> None:
    with torch.device("meta"):
        module, images = getattr(torchvision.models, name)().eval(), torch.zeros(1, 3, 224, 224)
        with torch.no_grad(), following(module, images) as followed:
            module(images)
    assert str(followed.flow().fields[layer]) == field


def field_of(module: nn.Module, *shape: int) -> Any:
    images = torch.zeros(1, *shape)
    with torch.no_grad(), following(module.eval(), images) as followed:
        module(images)
    return followed.flow().fields[""]


def test_what_sees_everything_says_so() -> None:
    class Excited(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x * x.mean((2, 3), keepdim=True).sigmoid()

    for module in (
        Excited(),
        nn.AdaptiveAvgPool2d(1),
        nn.Sequential(nn.Flatten(), nn.Linear(48, 2)),
        nn.GroupNorm(1, 3),
    ):
        assert str(field_of(module, 3, 4, 4)) == "4"


def test_windows_of_attention_are_exact() -> None:
    class Windows(nn.Module):
        def forward(self, x: Tensor) -> Tensor:  # (N, C, L) in windows of 4
            windows = x.view(1, 2, 4, 4).permute(0, 2, 3, 1).reshape(4, 4, 2)
            mixed = (windows @ windows.transpose(1, 2)).softmax(-1) @ windows
            return mixed.reshape(1, 16, 2).transpose(1, 2)

    images = torch.rand(1, 2, 16, dtype=torch.float64, requires_grad=True)
    with torch.no_grad(), following(Windows(), images) as followed:
        Windows()(images)
    field = followed.flow()
    assert field.fields == {}
    assert str(field_of(Windows(), 2, 16)) == "4/1@0"
    (gradient,) = torch.autograd.grad(Windows()(images)[0, :, 6].sum(), images)
    assert (gradient[0].abs().sum(0) > 1e-12).nonzero().flatten().tolist() == [4, 5, 6, 7]


@pytest.mark.parametrize("case", ["unfold", "flip", "written", "gathered", "sliced"])
def test_what_is_not_known_is_said_and_never_wrong(case: str) -> None:
    class Odd(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            if case == "unfold":
                return nn.functional.unfold(x, 3)
            if case == "flip":
                return x.flip(-1)
            if case == "gathered":
                return x[:, :, torch.tensor([3, 1, 2])]
            if case == "sliced":
                return x[:, :, 1] + x[:, :, 2]
            out = torch.zeros_like(x)
            out[:, :, 1:] = x[:, :, :-1]
            return out

    assert field_of(Odd(), 2, 6, 6) is None


def test_what_does_not_depend_on_the_input_sees_nothing() -> None:
    class Constant(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return torch.ones_like(x) * 2

    assert field_of(Constant(), 2, 6, 6).size == (0, 0)


def test_strides_that_do_not_agree_are_unknown() -> None:
    pixels = Reach((0,), (0,), 1)
    with pytest.raises(Unknown, match="strides"):
        pixels.joined(pixels.through(Window(2, 1, 0, 0)))


@given(
    st.lists(st.tuples(st.integers(1, 4), st.integers(1, 4), st.integers(-6, 2), st.integers(0, 5)), max_size=4),
    st.integers(-20, 20),
)
def test_composed_windows_are_what_following_each_gives(windows: list[tuple[int, int, int, int]], place: int) -> None:
    chain = [Window(up, down, low, low + down - 1 + more) for up, down, low, more in windows]
    reach = Reach((0,), (0,), 1)
    for window in chain:
        reach = reach.through(window)
    first = last = place
    for window in reversed(chain):
        first, last = window.span(first)[0], window.span(last)[1]
    assert reach.span(place) == (first, last)


def test_flattening_and_dense_layers_see_all() -> None:
    network = Network("flat", (Conv(2), Activation(), Flatten(), Dense(4)))
    rows = profile_module(network.build((1, 8, 8)), (1, 8, 8)).layers
    assert str(rows[-1].receptive_field) == "8"
    pooled = Network("pooled", (Conv(2, stride=2), GlobalPool())).build((1, 9, 9))
    assert str(profile_module(pooled, (1, 9, 9)).layers[-1].receptive_field) == "9"


def test_a_window_of_one_leaves_merged_positions_alone() -> None:
    class Planes(nn.Module):
        def forward(self, x: Tensor) -> Tensor:  # a mean over three channels, with rows and columns in one dimension
            means = nn.functional.avg_pool2d(x.flatten(2).unsqueeze(1), (3, 1), stride=1, padding=(1, 0))
            return x / means.reshape(x.shape)

    assert str(field_of(Planes(), 4, 6, 5)) == "1/1@0"


def test_shifted_windows_of_a_transformer_are_what_gradients_say() -> None:
    module = torchvision.models.SwinTransformer(
        [2, 2], 8, [2, 1, 1, 1], [1, 1, 1, 1], [4, 4], stochastic_depth_prob=0.0, num_classes=2
    )
    module = module.double().eval()
    images = torch.rand(1, 3, 64, 64, dtype=torch.float64, requires_grad=True)
    with torch.no_grad(), following(module, images) as followed:
        module(images)
    field = followed.flow().tensors["features.1.1"]
    assert field is not None
    kept: dict[str, Tensor] = {}
    module.get_submodule("features.1.1").register_forward_hook(lambda _, __, output: kept.update(output=output))
    module(images)
    for place in (5, 6, 7, 9):
        weights = torch.rand(8, dtype=torch.float64)
        (gradient,) = torch.autograd.grad((kept["output"][0, place, place] * weights).sum(), images, retain_graph=True)
        rows = (gradient[0].abs().sum((0, 2)) > 0).nonzero().flatten()
        reach = field.reaches[0]
        assert reach is not None
        assert (int(rows[0]), int(rows[-1])) == reach.span(place)


def test_a_node_tells_of_itself_on_every_grid() -> None:
    for shape in ((3, 9), (3, 9, 8), (3, 9, 8, 7)):
        node = Conv(4, kernel_size=3, stride=2, padding=1)
        module = node.build(shape)
        assert node.parameters(shape) == sum(parameter.numel() for parameter in module.parameters())
        assert node.macs(shape) == profile_module(module, shape).macs > 0
        assert str(node.receptive_field(shape)) == "3/2@-1"
    block = Residual((Conv(3, padding=1), BatchNorm(), Activation(), Conv(3, padding=1)))
    assert str(block.receptive_field((3, 9, 9))) == "5/1@-2"
    with pytest.raises(NetworkError, match="needs a vector"):
        Dense(4).parameters((3, 9, 9))


@pytest.mark.parametrize(
    ("regroup", "size", "stride"),
    [
        (lambda x: x.view(2, 2, 8, 2, 8, 2).mean((3, 5)), (2, 2), (2, 2)),
        (lambda x: x.view(2, 2, 8, 2, 8, 2).amax((3, 5)), (2, 2), (2, 2)),
        (lambda x: x.view(2, 2, 8, 2, 8, 2).permute(0, 1, 3, 5, 2, 4).reshape(2, 8, 8, 8), (2, 2), (2, 2)),
        (lambda x: nn.functional.pixel_unshuffle(x, 2), (2, 2), (2, 2)),
        (lambda x: x.view(2, 2, 8, 2, 8, 2).permute(0, 2, 4, 3, 5, 1).flatten(3), (2, 2), (2, 2)),
        (lambda x: x.repeat_interleave(2, 2), (1, 1), (0.5, 1)),
        (lambda x: x.flatten(2).transpose(1, 2), (1, 1), (1, 1)),
    ],
)
def test_positions_that_a_view_regroups_are_those_of_the_new_grid(
    regroup: Callable[[Tensor], Tensor], size: tuple[int, int], stride: tuple[float, float]
) -> None:
    class Regrouped(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return regroup(x)

    field = profile_module(nn.Sequential(Regrouped()), (2, 16, 16)).layers[-1].receptive_field
    assert field is not None
    assert (field.size, field.stride, field.offset) == (size, stride, (0, 0))
