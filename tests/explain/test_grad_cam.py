"""Grad-CAM against captum, against its equations by hand, and what it leaves behind."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from small_models import pictures, small_model, stirred
from torch import nn

from striate.core.errors import NetworkError, UsageError
from striate.explain import EXPLANATIONS
from striate.explain.grad_cam import feature_evidence, find_layer, grad_cam, strength
from striate.infer import Model
from striate.nets import build, head_name, resolve


def library(name: str, size: int = 64) -> nn.Module:
    torch.manual_seed(0)
    return stirred(build(resolve(name, outputs=4, channels=3, height=size, width=size))).eval()


@pytest.fixture
def model(tmp_path: Path) -> Model:
    return small_model(tmp_path, size=32)


class Plain(nn.Module):
    """A network whose Grad-CAM can be worked out by hand: maps, their mean, a dense layer."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.maps = nn.Conv2d(3, 5, 3, padding=1)
        self.relu = nn.ReLU(inplace=True)
        self.head = nn.Linear(5, 4)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        outputs: torch.Tensor = self.head(self.relu(self.maps(images)).mean((2, 3)))
        return outputs


LIBRARY = [
    ("torchvision/resnet18", "layer4"),
    ("torchvision/squeezenet1_1", "features"),
    ("torchvision/densenet121", "features"),
    ("torchvision/mobilenet_v3_small", "features"),
    ("timm/resnet18", "layer4"),
    ("timm/mobilenetv3_small_050", "blocks"),
    ("timm/convnext_atto", "stages"),
]


@pytest.mark.parametrize(("name", "start"), LIBRARY, ids=[name for name, _ in LIBRARY])
def test_the_last_maps_of_library_networks_are_found_and_equal_captum(name: str, start: str) -> None:
    captum = pytest.importorskip("captum.attr")
    network, images = library(name), torch.randn(2, 3, 64, 64)
    layer = find_layer(network, head_name(network), images[:1])
    assert layer.name == start or layer.name.startswith(start + ".")
    assert layer.shape[1] * layer.shape[2] > 1
    targets = torch.tensor([1, 3])
    found = feature_evidence(network, head_name(network), images, targets)
    assert found.shape == (2, *layer.shape[1:])
    for parameter in network.parameters():
        parameter.requires_grad_(True)
    reference = captum.LayerGradCam(network, network.get_submodule(layer.name))
    expected = reference.attribute(images, target=targets, relu_attributions=True)[:, 0]
    torch.testing.assert_close(found, expected.detach(), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("name", ["compact", "lenet5"])
def test_our_own_networks_equal_captum(tmp_path: Path, name: str) -> None:
    captum = pytest.importorskip("captum.attr")
    model = small_model(tmp_path, name=name, size=32)
    images = model.standardised(pictures(3, size=32))
    head = head_name(model.network)
    layer = find_layer(model.network, head, images[:1])
    targets = torch.tensor([2, 0, 1])
    reference = captum.LayerGradCam(model.network, model.network.get_submodule(layer.name))
    expected = reference.attribute(images, target=targets, relu_attributions=True)[:, 0].detach()
    found = feature_evidence(model.network, head, images, targets)
    assert expected.abs().sum() > 0
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)


def test_the_equations_by_hand() -> None:
    network, images = Plain().eval(), torch.randn(3, 3, 6, 6)
    layer = find_layer(network, "head", images[:1])
    assert (layer.name, layer.call, layer.shape) == ("relu", 0, (5, 6, 6))
    targets = torch.tensor([0, 3, 2])
    with torch.no_grad():
        maps = network.maps(images).relu()
        weights = network.head.weight[targets]  # dy/dA = w / Z everywhere, so that α = w / Z
        expected = torch.einsum("nk,nkhw->nhw", weights, maps).relu() / 36
    found = feature_evidence(network, "head", images, targets)
    torch.testing.assert_close(found, expected, atol=1e-6, rtol=1e-6)


def test_the_evidence_adds_up_to_the_logit() -> None:
    """The unit of the scale: with the ReLU away, the mean of Z·L is the logit less the bias."""
    network, images = Plain().eval(), torch.randn(4, 3, 6, 6)
    with torch.no_grad():
        network.head.weight.abs_()  # all evidence speaks for: the ReLU does nothing
        logits = network(images)
    target = torch.full((4,), 2)
    evidence = 36 * feature_evidence(network, "head", images, target)
    torch.testing.assert_close(evidence.mean((1, 2)), (logits - network.head.bias)[:, 2].detach(), atol=1e-5, rtol=1e-5)


def test_maps_are_at_the_size_of_the_pictures_and_from_0_to_1(model: Model) -> None:
    found = grad_cam(model, pictures(6, size=32))
    assert found.shape == (6, 32, 32)
    assert found.dtype == np.float32
    assert found.min() >= 0
    assert 0 < found.max() < 1


def test_no_evidence_stays_dark(model: Model) -> None:
    """A map is not stretched to its own maximum: half the weights give less, none gives nothing."""
    images = pictures(4, size=32)
    whole = grad_cam(model, images, 1)
    head = model.network.get_submodule(head_name(model.network))
    with torch.no_grad():
        head.weight[1] *= 0.5  # type: ignore[index, operator]
    half = grad_cam(model, images, 1)
    assert np.all(half <= whole)
    np.testing.assert_allclose(-np.log1p(-half), -0.5 * np.log1p(-whole), atol=1e-5)
    with torch.no_grad():
        head.weight[1] = 0  # type: ignore[index, operator]
    assert not grad_cam(model, images, 1).any()


def test_the_scale_is_the_same_in_every_batch(model: Model) -> None:
    images = pictures(7, size=32)
    whole = grad_cam(model, images)
    for number in range(7):
        np.testing.assert_allclose(grad_cam(model, images[number : number + 1])[0], whole[number], atol=1e-5)


def test_the_likeliest_output_is_explained_unless_one_is_named(model: Model) -> None:
    images = pictures(6, size=32)
    likeliest = torch.from_numpy(model.scores(images).argmax(1))
    np.testing.assert_array_equal(grad_cam(model, images), grad_cam(model, images, likeliest))
    assert not np.array_equal(grad_cam(model, images, 0), grad_cam(model, images, 1))


def test_evidence_lies_where_the_picture_has_it() -> None:
    """One feature, redness; a red patch in the top left corner must be what lights up."""
    network = Plain().eval()
    with torch.no_grad():
        network.maps.weight.zero_()
        network.maps.weight[0, 0, 1, 1] = 1
        network.maps.bias.zero_()  # type: ignore[union-attr]
        network.head.weight.zero_()
        network.head.weight[0, 0] = 5
    images = torch.zeros(1, 3, 8, 8)
    images[:, 0, :3, :3] = 1
    found = feature_evidence(network, "head", images, torch.tensor([0]))[0]
    assert (found[:3, :3] > 0).all()
    assert found[3:].abs().sum() + found[:, 3:].abs().sum() == 0


def test_the_in_place_relu_behind_the_maps_changes_nothing() -> None:
    """DenseNet applies ReLU in place to what its last layer gave: the maps are those from before."""
    network = library("torchvision/densenet121")
    head = head_name(network)
    images = torch.randn(1, 3, 64, 64)
    layer = find_layer(network, head, images)
    maps: list[torch.Tensor] = []
    handle = network.get_submodule(layer.name).register_forward_hook(lambda _, __, output: maps.append(output.clone()))
    with torch.no_grad():
        network(images)
    handle.remove()
    assert (maps[0] < 0).any()
    weight = network.get_submodule(head).weight[0].detach()  # type: ignore[union-attr, index]
    positions = maps[0].shape[2] * maps[0].shape[3]
    alpha = (weight[None, :, None, None] * (maps[0] > 0) / positions).mean((2, 3), keepdim=True)
    expected = (alpha * maps[0]).sum(1).relu()
    found = feature_evidence(network, head, images, torch.tensor([0]))
    torch.testing.assert_close(found, expected, atol=1e-6, rtol=1e-4)


def test_works_on_a_frozen_network_and_leaves_no_gradients(model: Model) -> None:
    images = pictures(2, size=32)
    expected = grad_cam(model, images)
    for parameter in model.network.parameters():
        parameter.requires_grad_(False)
    with torch.no_grad():
        np.testing.assert_array_equal(grad_cam(model, images), expected)
    assert all(parameter.grad is None for parameter in model.network.parameters())


def hooks(network: nn.Module) -> int:
    return sum(len(module._forward_hooks) + len(module._forward_pre_hooks) for module in network.modules())


def test_no_hook_is_left_even_after_an_error(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    network = model.network.train()
    grad_cam(model, pictures(2, size=32))
    assert hooks(network) == 0
    with pytest.raises(UsageError, match="outputs 0 to 2"):
        grad_cam(model, pictures(2, size=32), 3)
    assert hooks(network) == 0

    last = network.get_submodule(head_name(network))

    def broken(*_: object) -> torch.Tensor:
        raise ZeroDivisionError

    monkeypatch.setattr(last, "forward", broken)
    with pytest.raises(ZeroDivisionError):
        grad_cam(model, pictures(2, size=32))
    assert hooks(network) == 0
    assert network.training


def test_tokens_are_no_feature_maps() -> None:
    network = library("timm/vit_tiny_patch16_224", 224)
    with pytest.raises(NetworkError, match="another form"):
        find_layer(network, head_name(network), torch.zeros(1, 3, 224, 224))


def test_a_network_without_maps_is_refused() -> None:
    network = nn.Sequential(nn.Flatten(), nn.Linear(12, 2))
    with pytest.raises(NetworkError, match="no feature maps"):
        find_layer(network, "1", torch.zeros(1, 3, 2, 2))


def test_a_reused_layer_is_taken_at_its_last_call() -> None:
    class Reused(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            torch.manual_seed(0)
            self.first, self.second = nn.Conv2d(3, 3, 3, padding=1), nn.Conv2d(3, 3, 3, stride=2)
            self.relu, self.head = nn.ReLU(), nn.Linear(3, 2)

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            outputs: torch.Tensor = self.head(self.relu(self.second(self.relu(self.first(images)))).mean((2, 3)))
            return outputs

    network, images = Reused().eval(), torch.randn(2, 3, 9, 9)
    layer = find_layer(network, "head", images[:1])
    assert (layer.name, layer.call, layer.shape) == ("relu", 1, (3, 4, 4))
    with torch.no_grad():
        maps = network.second(network.first(images).relu()).relu()
        expected = torch.einsum("k,nkhw->nhw", network.head.weight[0], maps).relu() / 16
    torch.testing.assert_close(feature_evidence(network, "head", images, torch.tensor([0, 0])), expected)


def test_strength_never_clips() -> None:
    values = strength(torch.linspace(0, 40, 500, dtype=torch.float64))
    assert values[0] == 0
    assert bool((values.diff() > 0).all())
    assert values[-1] < 1


def test_it_is_registered() -> None:
    assert EXPLANATIONS.get("grad_cam") is grad_cam
