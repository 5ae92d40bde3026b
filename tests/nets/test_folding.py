"""Folding norms: outputs and every gradient as without it, and only where it is right."""

from __future__ import annotations

import copy

import pytest
import timm
import torch
from torch import Tensor, nn
from torch.nn import functional

from striate.nets import find_folds, folded


def settled(network: nn.Module) -> nn.Module:
    """The network in training mode, with norms that keep statistics of their own."""
    torch.manual_seed(1)
    for module in network.train().modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.running_mean.normal_(0, 0.2)
            module.running_var.uniform_(0.5, 2)
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, 0, 0.2)
            module.eval()
    return network


def gradients(network: nn.Module, images: Tensor) -> dict[str, Tensor]:
    functional.cross_entropy(network(images), torch.tensor([0, 1])).backward()
    return {name: parameter.grad for name, parameter in network.named_parameters() if parameter.grad is not None}


@pytest.mark.parametrize(
    ("name", "options", "norms"),
    [
        ("resnet18", {}, 20),
        ("mobilenetv2_100", {"pad_type": "same"}, 52),
        ("mobilenetv3_small_050", {}, 34),
        ("efficientnet_b0", {"drop_rate": 0.0, "drop_path_rate": 0.0}, 49),
    ],
)
def test_outputs_and_gradients_are_those_of_the_norms(name: str, options: dict, norms: int) -> None:
    torch.manual_seed(0)
    network = settled(timm.create_model(name, num_classes=3, **options)).double()
    images = torch.randn(2, 3, 64, 64, dtype=torch.float64)
    folds = find_folds(network, images)
    assert len(folds) == norms
    twin = copy.deepcopy(network)
    with folded(network, folds):
        torch.testing.assert_close(network(images), twin(images), rtol=1e-9, atol=1e-9)
        found = gradients(network, images)
    expected = gradients(twin, images)
    assert set(found) == set(expected) == {name for name, _ in network.named_parameters()}
    for name, gradient in expected.items():
        torch.testing.assert_close(found[name], gradient, rtol=1e-6, atol=1e-9, msg=name)


def test_nothing_is_left_behind() -> None:
    network = settled(timm.create_model("resnet18", num_classes=3))
    before = {name: set(module.__dict__) for name, module in network.named_modules()}
    keys, modes = list(network.state_dict()), [module.training for module in network.modules()]
    images = torch.randn(2, 3, 32, 32)
    folds = find_folds(network, images)
    with folded(network, folds):
        assert list(network.state_dict()) == keys
        with pytest.raises(RuntimeError):
            network(torch.randn(2, 9, 32, 32))
    assert {name: set(module.__dict__) for name, module in network.named_modules()} == before
    assert [module.training for module in network.modules()] == modes
    copy.deepcopy(network)


class Reused(nn.Module):
    """A convolution whose output is read twice: by a norm, and beside it."""

    def __init__(self, shown: bool) -> None:
        super().__init__()
        self.conv, self.norm, self.act = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU()
        self.shown = shown

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv(x)
        beside = self.act(y) if self.shown else y.relu()
        return (self.norm(y) + beside).mean((2, 3))


@pytest.mark.parametrize("shown", [True, False])
def test_an_output_with_two_readers_is_not_folded(shown: bool) -> None:
    assert not find_folds(settled(Reused(shown)), torch.randn(2, 3, 8, 8))


def test_a_cleared_head_hides_nothing() -> None:
    class Headed(Reused):
        def __init__(self) -> None:
            super().__init__(shown=False)
            self.head = nn.Linear(4, 2)
            nn.init.zeros_(self.head.weight)
            nn.init.zeros_(self.head.bias)

        def forward(self, x: Tensor) -> Tensor:
            return self.head(super().forward(x))

    assert not find_folds(settled(Headed()), torch.randn(2, 3, 8, 8))


def test_a_layer_used_twice_is_folded_where_one_norm_follows_it_each_time() -> None:
    conv, norm, images = nn.Conv2d(3, 3, 3, padding=1), nn.BatchNorm2d(3), torch.randn(2, 3, 8, 8)
    assert find_folds(settled(nn.Sequential(conv, norm, nn.ReLU(), conv, norm)), images) == (("0", "1"),)
    assert not find_folds(settled(nn.Sequential(conv, norm, nn.ReLU(), conv, nn.BatchNorm2d(3))), images)
    assert not find_folds(settled(nn.Sequential(conv, norm, nn.Conv2d(3, 3, 1), norm)), images)
    assert not find_folds(settled(nn.Sequential(conv, norm, nn.ReLU(), conv)), images)


def test_norms_before_convolutions_and_without_statistics_stay() -> None:
    network = nn.Sequential(
        nn.BatchNorm2d(3),
        nn.Conv2d(3, 4, 3),
        nn.ReLU(),
        nn.Conv2d(4, 4, 3),
        nn.BatchNorm2d(4, track_running_stats=False),
    )
    assert not find_folds(network, torch.randn(2, 3, 9, 9))


def test_a_norm_that_learns_from_the_batch_is_refused() -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)).train()
    folds = find_folds(network, torch.randn(2, 3, 9, 9))
    assert folds == (("0", "1"),)
    with pytest.raises(RuntimeError, match="training mode"), folded(network, folds):
        pass
    assert network[0].weight is network[0]._parameters["weight"]
