"""Families against the same networks of torchvision and timm: counts, outputs, gradients, weights files."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from striate.core.errors import WeightsError
from striate.nets import (
    FAMILIES,
    Weights,
    build,
    head_name,
    hub_network,
    load_weights,
    read_weights,
    resolve,
    resolve_shape,
    translated,
)
from striate.nets.families import REFERENCES, Reference
from striate.nets.mapping import library_names, pair

WEIGHTS = Path(os.environ.get("STRIATE_DATA", Path(__file__).parents[3] / "shared" / "data")) / "weights"

FAMILIES.names()  # loads them
CASES = [(name, reference) for name, found in sorted(REFERENCES.items()) for reference in found]
# The side in pixels at which outputs are compared: the smallest that keeps every layer's arithmetic apart.
SIDES = {"alexnet": 63, "densenet": 33, "googlenet": 33, "inception": 75, "squeezenet": 33, "vgg": 32, "vit": 224}
LARGE = 40_000_000
"""Parameters from which a comparison in float64 is a slow test."""


def label(case: tuple[str, Reference]) -> str:
    family, reference = case
    return f"{family}={reference.network}{''.join(map(str, reference.network_arguments.values()))}"


def built(name: str, arguments: dict[str, object], side: int, outputs: int) -> nn.Module:
    return build(resolve(name, outputs=outputs, channels=3, height=side, width=side, arguments=arguments))


def side_of(family: str, reference: Reference) -> int:
    fixed = reference.size if family.startswith("vit") else None
    return fixed or next((side for start, side in SIDES.items() if family.startswith(start)), 33)


def compared() -> Iterator[object]:
    for family, reference in CASES:
        with torch.device("meta"):
            count = sum(
                one.numel()
                for one in built(reference.network, dict(reference.network_arguments), 224, 1000).parameters()
            )
        marks = [pytest.mark.slow] if count > LARGE else []
        yield pytest.param(family, reference, marks=marks, id=label((family, reference)))


@pytest.mark.parametrize(("family", "reference"), CASES, ids=map(label, CASES))
def test_a_family_has_the_parameters_of_its_reference(family: str, reference: Reference) -> None:
    with torch.device("meta"):
        ours = built(family, dict(reference.arguments), reference.size, 1000)
        theirs = built(reference.network, dict(reference.network_arguments), reference.size, 1000)
    assert sum(one.numel() for one in ours.parameters()) == sum(one.numel() for one in theirs.parameters())
    names = library_names(family, reference)
    assert sorted(names) == sorted(ours.state_dict())
    assert sorted(names.values()) == sorted(theirs.state_dict())


@pytest.mark.parametrize(("family", "reference"), list(compared()))
def test_a_family_gives_what_its_reference_gives(family: str, reference: Reference) -> None:
    torch.manual_seed(0)
    side = side_of(family, reference)
    names = library_names(family, reference)
    theirs = built(reference.network, dict(reference.network_arguments), side, 5).double()
    for module in theirs.modules():
        if isinstance(module, nn.BatchNorm2d):  # norms that change nothing would hide that they are exchanged
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, std=0.1)
            assert module.running_mean is not None
            assert module.running_var is not None
            module.running_mean.normal_(std=0.1)
            module.running_var.uniform_(0.5, 1.5)
    ours = built(family, dict(reference.arguments), side, 5).double()
    state = theirs.state_dict()
    ours.load_state_dict({name: state[other] for name, other in names.items()})
    x = torch.randn(2, 3, side, side, dtype=torch.float64)
    found, expected = ours.eval()(x), theirs.eval()(x)
    torch.testing.assert_close(found, expected, atol=1e-10, rtol=1e-8)
    assert expected.std() > 0
    found.square().sum().backward()
    expected.square().sum().backward()
    for name, parameter in ours.named_parameters():
        other = theirs.get_parameter(names[name]).grad
        assert other is not None
        assert parameter.grad is not None
        assert (parameter.grad - other).norm() <= 1e-8 * other.norm().clamp(min=1e-12), name


def test_networks_that_are_not_the_same_are_refused() -> None:
    first = nn.Sequential(nn.Conv2d(3, 4, 1), nn.Conv2d(4, 5, 1))
    second = nn.Sequential(nn.Conv2d(3, 4, 1), nn.Conv2d(4, 6, 1))
    with pytest.raises(WeightsError, match=r"not the same: 1\.weight, 1\.bias of the one and 1"):
        pair(first, second, torch.zeros(1, 3, 2, 2))


# -- weights files that circulate

needs_weights = pytest.mark.skipif(not WEIGHTS.is_dir(), reason=f"there are no weights in {WEIGHTS}; set STRIATE_DATA")


def loaded(family: str, file: str, size: int, outputs: int, **arguments: Any) -> nn.Module:
    """A family with the weights of a file, as a training loads them."""
    network = build(resolve(family, outputs=outputs, channels=3, height=size, width=size, arguments=arguments))
    weights = translated(read_weights(WEIGHTS / file), family, arguments)
    report = load_weights(network, weights, head=head_name(network))
    needed = [name for name in network.state_dict() if not name.endswith("batches_tracked")]
    assert report.loaded >= len(needed)
    assert not report.reinitialised
    return network.eval()


@needs_weights
@pytest.mark.parametrize(
    ("family", "file", "arguments"),
    [
        ("squeezenet1_0", "squeezenet1_0_torchvision_rgbnorm.safetensors", {}),
        ("mobilenet_v2", "mobilenetv2_100_padsame_mean0.5.safetensors", {"padding": "same"}),
    ],
)
def test_a_library_s_file_gives_a_family_the_library_s_outputs(
    family: str, file: str, arguments: dict[str, Any]
) -> None:
    weights = read_weights(WEIGHTS / file)
    assert weights.sidecar is not None
    theirs = build(
        resolve(
            weights.sidecar["network"],
            outputs=1000,
            channels=3,
            height=97,
            width=97,
            arguments=weights.sidecar["arguments"],
        )
    )
    load_weights(theirs, weights, head=head_name(theirs))
    ours = loaded(family, file, 97, 1000, **arguments)
    torch.manual_seed(0)
    images = torch.randn(2, 3, 97, 97, dtype=torch.float64)
    with torch.no_grad():
        torch.testing.assert_close(ours.double()(images), theirs.double().eval()(images), atol=1e-9, rtol=1e-9)


@needs_weights
def test_weights_of_another_padding_are_not_taken() -> None:
    weights = read_weights(WEIGHTS / "mobilenetv2_100_padsame_mean0.5.safetensors")
    assert translated(weights, "mobilenet_v2", {}) is weights


def test_a_family_with_other_arguments_is_another_network_unless_they_change_no_weight() -> None:
    names = [name for name, _ in built("torchvision/mobilenet_v2", {}, 64, 10).named_parameters()]
    sidecar = {"network": "torchvision/mobilenet_v2", "arguments": {}, "preprocessing": {}, "classes": 10}
    weights = Weights({name: torch.zeros(1) for name in names}, sidecar, "file")
    assert translated(weights, "mobilenet_v2", {"padding": "same"}) is weights  # every tensor would fit
    assert translated(weights, "mobilenet_v2", {"width": 0.5}) is weights
    for arguments in ({}, {"padding": "even"}, {"dropout": 0.5}):
        found = translated(weights, "mobilenet_v2", arguments).tensors
        assert len(found) == len(names)
        assert not set(found) & set(names)


class CifarBlock(nn.Module):
    """A basic block with a shortcut of zeros, written out."""

    def __init__(self, before: int, filters: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(before, filters, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(filters)
        self.conv2 = nn.Conv2d(filters, filters, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(filters)
        self.more = filters - before

    def forward(self, x: Tensor) -> Tensor:
        y = self.bn2(self.conv2(self.bn1(self.conv1(x)).relu()))
        if self.more:
            half = self.more // 2
            x = nn.functional.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, half, half))
        found: Tensor = (y + x).relu()
        return found


class CifarResNet(nn.Module):
    """A ResNet for CIFAR-10 with the names of its weights files."""

    def __init__(self, blocks: int) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(3, 16, 3, 1, 1, bias=False), nn.BatchNorm2d(16)
        before = 16
        for number, filters in enumerate((16, 32, 64), 1):
            made = []
            for turn in range(blocks):
                made.append(CifarBlock(before, filters, 2 if number > 1 and turn == 0 else 1))
                before = filters
            self.add_module(f"layer{number}", nn.Sequential(*made))
        self.linear = nn.Linear(64, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = self.bn1(self.conv1(x)).relu()
        for number in (1, 2, 3):
            x = self.get_submodule(f"layer{number}")(x)
        found: Tensor = self.linear(x.mean((2, 3)))
        return found


@needs_weights
@pytest.mark.parametrize(
    ("family", "file", "blocks"), [("resnet20", "resnet20-12fca82f.th", 3), ("resnet56", "resnet56-4bfd9763.th", 9)]
)
def test_files_of_cifar_resnets_load_and_give_the_same(family: str, file: str, blocks: int) -> None:
    theirs = CifarResNet(blocks)
    missing, unexpected = theirs.load_state_dict(read_weights(WEIGHTS / file).tensors, strict=False)
    assert not unexpected
    assert all(name.endswith("num_batches_tracked") for name in missing)
    ours = loaded(family, file, 32, 10).double()
    torch.manual_seed(0)
    images = torch.randn(4, 3, 32, 32, dtype=torch.float64)
    with torch.no_grad():
        torch.testing.assert_close(ours(images), theirs.double().eval()(images), atol=1e-10, rtol=1e-10)


def test_the_hub_of_a_family_is_its_reference_s() -> None:
    assert hub_network("vgg16", {}) == ("torchvision/vgg16", {})
    assert hub_network("vgg16", {"dropout": 0.1, "width": 64}) == ("torchvision/vgg16", {})
    assert hub_network("timm/resnet18", {"a": 1}) == ("timm/resnet18", {"a": 1})
    with pytest.raises(WeightsError, match="no library's hub has weights for compact"):
        hub_network("compact", {})
    with pytest.raises(WeightsError, match="for vgg16 with width"):
        hub_network("vgg16", {"width": 32})


# -- networks for segmentation, which the libraries' names here do not reach


@pytest.mark.parametrize("name", ["fcn_resnet50", "deeplabv3_resnet50"])
def test_networks_for_segmentation_equal_torchvision_s(name: str) -> None:
    from torchvision.models import segmentation

    torch.manual_seed(0)
    make = getattr(segmentation, name)
    theirs = make(weights=None, weights_backbone=None, num_classes=21, aux_loss=False).double().eval()

    class Out(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.whole = theirs

        def forward(self, x: Tensor) -> Tensor:
            found: Tensor = self.whole(x)["out"]
            return found

    other = Out().eval()
    for module in other.modules():
        if isinstance(module, nn.BatchNorm2d):
            assert module.running_mean is not None
            module.running_mean.normal_(std=0.1)
            nn.init.uniform_(module.weight, 0.5, 1.5)
    ours = build(resolve_shape(name, (3, 64, 64), outputs=21, form="grid")).double().eval()
    names = pair(ours, other, torch.zeros(1, 3, 64, 64, dtype=torch.float64))
    ours.load_state_dict({one: other.state_dict()[two] for one, two in names.items()})
    x = torch.randn(1, 3, 64, 64, dtype=torch.float64)
    found, expected = ours(x), other(x)
    torch.testing.assert_close(found, expected, atol=1e-9, rtol=1e-8)
    found.square().sum().backward()
    expected.square().sum().backward()
    for one, parameter in ours.named_parameters():
        gradient = other.get_parameter(names[one]).grad
        assert gradient is not None
        assert parameter.grad is not None
        assert (parameter.grad - gradient).norm() <= 1e-8 * gradient.norm().clamp(min=1e-12), one


def test_auxiliary_heads_change_no_weight_s_meaning() -> None:
    assert hub_network("googlenet", {"auxiliary": True}) == ("torchvision/googlenet", {})
