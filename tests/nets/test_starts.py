"""First weights: none of a family's is told of, and each that was spoilt is, by its layer."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from striate.nets import FAMILIES, build, head_name, resolve_shape
from striate.nets.alarms import Alarm, find_alarms
from striate.nets.gradients import layers_with_weights
from striate.nets.nodes.attention import ChannelLinear
from striate.nets.spec import form_of
from striate.nets.starts import first_weights, without_bias

SHAPES: dict[str, tuple[int, ...]] = {
    **dict.fromkeys(("alexnet", "alexnet_2012", "sppnet", "inception_v3", "googlenet_2014"), (3, 96, 96)),
    **dict.fromkeys(("fcn1d", "inception_time", "resnet1d"), (1, 128)),
    **dict.fromkeys(("vit_base", "vit_small", "vit_tiny"), (3, 224, 224)),
    **dict.fromkeys((f"resnet{depth}" for depth in (20, 32, 44, 56, 110)), (3, 16, 16)),
    **dict.fromkeys(("compact", "cifarnet"), (3, 16, 16)),
    "capsnet": (1, 28, 28),
    "dcgan_generator": (100, 1, 1),
    "lenet5": (1, 32, 32),
    "textcnn": (56,),
    "unet": (1, 64, 64),
    "wavenet": (1, 256),
}
QUICK = ("lenet5", "compact", "resnet20", "plain", "dcgan_discriminator", "textcnn", "fcn1d")
"""Convolutions with norms and without, dense layers, tokens and signals."""

Spoil = Callable[[Tensor], object]
SPOILT: dict[str, Spoil] = {
    "too large": lambda weight: weight.mul_(10),
    "too small": lambda weight: weight.div_(10),
    "all zero": lambda weight: weight.zero_(),
    "all equal": lambda weight: weight.fill_(0.1),
}


def made(name: str, seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    shape, outputs = SHAPES.get(name, (3, 64, 64)), 1 if name == "dcgan_discriminator" else 3
    return build(resolve_shape(name, shape, outputs=outputs, form=form_of(name))).train()


def looked_at(name: str, network: nn.Module, *, smooth: bool = False, drawn: bool = True) -> list[Alarm]:
    shape, draws = SHAPES.get(name, (3, 64, 64)), torch.Generator().manual_seed(1)
    if len(shape) == 1:
        images = torch.randint(0, 100, (8, *shape), generator=draws)
    else:
        images = torch.randn(8, *shape, generator=draws)
    if smooth:
        images = images.mean(dim=-1, keepdim=True) * 3 + torch.linspace(-1, 1, shape[-1]) + 0.1 * images

    def loss(module: nn.Module, _: int) -> Tensor:
        outputs = module(images).float()
        targets = torch.randn(outputs.shape, generator=torch.Generator().manual_seed(2))
        return nn.functional.mse_loss(outputs, targets)

    return find_alarms(network, loss, 1, start=True, drawn=drawn)


def told(found: list[Alarm]) -> dict[str, Alarm]:
    return {one.kind.removeprefix("first weights "): one for one in found if one.kind.startswith("first weights")}


@pytest.mark.parametrize("name", QUICK)
def test_a_family_begins_well(name: str) -> None:
    assert looked_at(name, made(name)) == []
    if len(SHAPES.get(name, (3, 64, 64))) > 1:
        assert looked_at(name, made(name, seed=3), smooth=True) == []


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in FAMILIES.names() if name not in QUICK])
def test_every_family_begins_well(name: str) -> None:
    assert looked_at(name, made(name)) == []


@pytest.mark.parametrize("name", QUICK)
@pytest.mark.parametrize("how", SPOILT)
def test_weights_that_are_spoilt_everywhere_are_told_by_layer(name: str, how: str) -> None:
    network = made(name)
    with torch.no_grad():
        for layer in layers_with_weights(network):
            SPOILT[how](network.get_submodule(layer).get_parameter("weight"))
    assert told(looked_at(name, network, drawn=False)) == {}
    alarm = told(looked_at(name, network))[how]
    assert alarm.layer in layers_with_weights(network)
    assert alarm.finding.startswith(alarm.layer)
    assert "`init: he_normal`" in alarm.remedy


@pytest.mark.parametrize(
    ("name", "layer"),
    [
        ("resnet20", "stage1.block2.conv1"),
        ("resnet20", "stem.conv1"),
        ("compact", "stage2.block1.conv2"),
        ("plain", "conv2"),
        ("lenet5", "c5"),
    ],
)
@pytest.mark.parametrize("how", SPOILT)
def test_one_spoilt_layer_is_told_alone(name: str, layer: str, how: str) -> None:
    network = made(name)
    with torch.no_grad():
        SPOILT[how](network.get_submodule(layer).get_parameter("weight"))
    found = told(looked_at(name, network))
    assert list(found) == [how]
    assert found[how].layer == layer
    assert found[how].finding.startswith(f"{layer}, ")


class Branch(nn.Module):
    """A shortcut around two layers, the last of which begins at zero, and learns."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.first, self.last = nn.Conv2d(3, 8, 3), nn.Conv2d(8, 8, 3, padding=1), nn.Conv2d(8, 8, 1)
        self.head = nn.Linear(8, 3)
        nn.init.zeros_(self.last.weight)

    def forward(self, images: Tensor) -> Tensor:
        found = self.stem(images).relu()
        return self.head((found + self.last(self.first(found).relu())).mean((2, 3)))


def test_a_branch_that_begins_silent_is_well() -> None:
    torch.manual_seed(0)
    assert looked_at("branch", Branch()) == []


def test_a_head_that_is_loud_is_told_and_one_that_is_quiet_is_not() -> None:
    for factor, expected in ((10.0, ["too large"]), (0.01, []), (0.0, [])):
        network = made("compact")
        with torch.no_grad():
            network.get_submodule(str(head_name(network))).get_parameter("weight").mul_(factor)
        assert list(told(looked_at("compact", network))) == expected


def test_layers_drawn_for_the_gradients_size_are_well() -> None:
    """As torchvision draws depthwise convolutions, and timm the layers that squeeze."""

    def gain(part: nn.Module, images: Tensor) -> tuple[float, float]:
        with torch.no_grad():
            outputs = without_bias(part, part(images))
        found = first_weights(
            "one", part, float(images.square().mean().sqrt()), float(outputs.square().mean().sqrt()), 1
        )
        assert found is not None
        return found.gain * found.groups**0.5, found.gain * min(1.0, found.fans**0.5)

    torch.manual_seed(0)
    depthwise, squeeze = nn.Conv2d(256, 256, 3, padding=1, groups=256), nn.Linear(512, 8)
    for part, images in ((depthwise, torch.randn(8, 256, 8, 8)), (squeeze, torch.randn(512, 512))):
        nn.init.kaiming_normal_(part.weight, mode="fan_out", nonlinearity="relu")
        wide, narrow = gain(part, images)
        assert (wide if part is depthwise else narrow) == pytest.approx(2**0.5, rel=0.15)


@pytest.mark.parametrize(
    ("part", "images"),
    [
        (nn.Linear(6, 4), torch.randn(3, 5, 6)),
        (ChannelLinear(6, 4), torch.randn(3, 6, 5)),
        (nn.Conv1d(4, 6, 3, groups=2), torch.randn(2, 4, 9)),
        (nn.Conv2d(3, 4, 3), torch.randn(2, 3, 8, 8)),
        (nn.ConvTranspose2d(4, 6, 2, stride=2, groups=2), torch.randn(2, 4, 3, 3)),
        (nn.Conv3d(1, 2, 2), torch.randn(1, 1, 4, 4, 4)),
    ],
)
def test_units_and_biases_of_every_kind_of_layer(part: nn.Module, images: Tensor) -> None:
    with torch.no_grad():
        outputs = part(images)
        bare = without_bias(part, outputs)
        part.bias.zero_()  # type: ignore[union-attr, operator]
        torch.testing.assert_close(bare, part(images))

    def equal() -> bool:
        found = first_weights("one", part, 1.0, 1.0, 1.0)
        assert found is not None
        assert not found.zero
        return found.equal

    weight = part.get_parameter("weight")
    assert not equal()
    with torch.no_grad():
        weight.fill_(0.3)
        assert equal()
        weight[0, 0].add_(0.1)
    assert not equal()
    assert first_weights("norm", nn.BatchNorm2d(3), 1.0, 1.0, 1.0) is None


def test_a_layer_that_arranges_its_units_otherwise_keeps_its_bias() -> None:
    class Turned(nn.Linear):
        def forward(self, input: Tensor) -> Tensor:
            return super().forward(input).mT

    outputs = Turned(6, 4)(torch.randn(3, 5, 6))
    assert without_bias(Turned(6, 4), outputs) is outputs
