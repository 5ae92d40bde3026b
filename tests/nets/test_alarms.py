"""Alarms: each of a network built to deserve it, by the layer's name; none of networks that are well."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from striate.nets import build, resolve
from striate.nets.alarms import DEAD, Alarm, Losses, find_alarms


def loss_on(images: Tensor, asked: list[int] | None = None) -> Losses:
    labels = torch.arange(len(images)) % 3

    def loss(network: nn.Module, part: int) -> Tensor:
        if asked is not None:
            asked.append(part)
        return functional.cross_entropy(network(images), labels)

    return loss


def pictures(count: int = 8, channels: int = 3, side: int = 8) -> Tensor:
    return torch.randn(count, channels, side, side, generator=torch.Generator().manual_seed(1))


def small(activation: nn.Module, channels: int = 4) -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, channels, 3), activation, nn.Flatten(), nn.Linear(channels * 36, 3))


def kinds(found: list[Alarm]) -> list[tuple[str, str]]:
    return [(one.kind, one.layer) for one in found]


def test_units_that_never_fire_are_counted_by_layer() -> None:
    network = small(nn.ReLU())
    assert find_alarms(network, loss_on(pictures()), 1, start=False) == []
    with torch.no_grad():
        network[0].bias[:2] = -100.0
    assert find_alarms(network, loss_on(pictures()), 1, start=False) == []  # half is not more than half
    with torch.no_grad():
        network[0].bias[2] = -100.0
    (alarm,) = find_alarms(network, loss_on(pictures()), 1, start=False)
    assert (alarm.kind, alarm.layer) == ("dead units", "1")
    assert "3 of 4 units never fire, at 288 places each" in alarm.finding  # 8 pictures of 6×6
    assert "optimizer.rate" in alarm.remedy


def test_few_places_prove_nothing() -> None:
    network = nn.Sequential(nn.Flatten(), nn.Linear(192, 8), nn.ReLU(), nn.Linear(8, 3))
    with torch.no_grad():
        network[1].bias[:6] = -100.0
    assert find_alarms(network, loss_on(pictures(8)), 1, start=False) == []
    assert kinds(find_alarms(network, loss_on(pictures(8)), 13, start=False)) == [("dead units", "2")]


def test_further_parts_are_asked_for_only_where_units_look_dead() -> None:
    network, asked = small(nn.ReLU()), []
    find_alarms(network, loss_on(pictures(), asked), 4, start=False)
    assert asked == [0]
    with torch.no_grad():
        network[0].bias[:3] = -100.0
    asked.clear()
    find_alarms(network, loss_on(pictures(), asked), 4, start=False)
    assert asked == [0, 1, 2, 3]


def test_a_unit_that_fires_in_another_part_is_not_dead() -> None:
    network = small(nn.ReLU())
    with torch.no_grad():
        network[0].weight[:3], network[0].bias[:3] = 1.0, -30.0
    dark, light = pictures(), pictures() + 5.0

    def loss(module: nn.Module, part: int) -> Tensor:
        return loss_on(light if part else dark)(module, part)

    assert kinds(find_alarms(network, loss, 1, start=False)) == [("dead units", "1")]
    assert find_alarms(network, loss, 2, start=False) == []


@pytest.mark.parametrize("activation", [nn.Sigmoid(), nn.Tanh()], ids=["sigmoid", "tanh"])
def test_saturation_is_where_the_slope_is_gone(activation: nn.Module) -> None:
    network = small(activation)
    assert find_alarms(network, loss_on(pictures()), 1, start=False) == []
    with torch.no_grad():
        network[0].weight.mul_(100)
    found = {one.kind: one for one in find_alarms(network, loss_on(pictures()), 1, start=False)}
    alarm = found["saturated activations"]
    inputs = network[0](pictures()).detach().requires_grad_()
    (slopes,) = torch.autograd.grad(activation(inputs).sum(), inputs)
    steepest = 0.25 if isinstance(activation, nn.Sigmoid) else 1.0
    share = float((slopes < 0.01 * steepest).float().mean())
    assert share > 0.5
    assert alarm.finding.startswith(f"1: {share:.0%} of its numbers")


class Backward(nn.Module):
    """Hands on what it is given, and back so many times what comes back."""

    def __init__(self, times: float) -> None:
        super().__init__()
        self.times = times

    def forward(self, images: Tensor) -> Tensor:
        return images.detach() * (1 - self.times) + images * self.times


def deep(scale: float = 1.0, back: float = 1.0) -> nn.Sequential:
    """Eight orthogonal layers that multiply what passes by `scale`, and what comes back by `back` as well."""
    torch.manual_seed(0)
    layers: list[nn.Module] = [nn.Flatten()]
    for _ in range(8):
        layers += [nn.Linear(192, 192, bias=False), Backward(back)]
        nn.init.orthogonal_(layers[-2].weight, scale)
    return nn.Sequential(*layers, nn.Linear(192, 3))


@pytest.mark.parametrize(
    ("scale", "back", "found"),
    [
        (1.0, 1.0, []),
        (0.05, 1.0, [("vanishing activations", "9")]),  # 0.05⁴ is the first below 10⁻⁴, at the fifth layer
        (20.0, 1.0, [("exploding activations", "9")]),
        (1.0, 0.1, [("vanishing gradients", "1")]),
        (1.0, 10.0, [("exploding gradients", "1")]),
    ],
)
def test_scales_that_are_lost_on_the_way_are_told(scale: float, back: float, found: list[tuple[str, str]]) -> None:
    network = deep(scale, back)
    assert kinds(find_alarms(network, loss_on(pictures()), 1, start=True)) == found
    later = [one for one in found if "gradients" in one[0]]
    assert kinds(find_alarms(network, loss_on(pictures()), 1, start=False)) == later


def test_a_head_of_zeros_loses_no_gradient() -> None:
    network = small(nn.ReLU())
    nn.init.zeros_(network[3].weight)
    assert find_alarms(network, loss_on(pictures()), 1, start=True) == []
    assert not network[3].weight.any()


def test_the_network_stays_as_it_is() -> None:
    network = build(resolve("compact", outputs=3, channels=3, height=8, width=8, arguments={"blocks": [1]})).train()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    find_alarms(network, loss_on(pictures()), 1, start=True)
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())
    assert all(one.grad is None for one in network.parameters())
    assert not any(one._forward_hooks or one._forward_pre_hooks for one in network.modules())
    assert network.training


def test_a_module_used_twice_is_judged_each_time() -> None:
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.second, self.relu = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 6, 3), nn.ReLU(inplace=True)
            self.head = nn.Linear(6, 3)

        def forward(self, images: Tensor) -> Tensor:
            return self.head(self.relu(self.second(self.relu(self.first(images)))).mean((2, 3)))

    network = Twice()
    with torch.no_grad():
        network.second.bias.fill_(-100.0)
    assert ("dead units", "relu (use 2)") in kinds(find_alarms(network, loss_on(pictures()), 1, start=False))


@pytest.mark.parametrize(
    ("name", "side"),
    [("compact", 16), ("cifarnet", 32), ("lenet5", 32), ("resnet20", 16), ("resnet18", 32), ("mobilenet_v3_small", 32)],
)
def test_families_begin_without_an_alarm(name: str, side: int) -> None:
    torch.manual_seed(0)
    network = build(resolve(name, outputs=3, channels=3, height=side, width=side)).train()
    assert find_alarms(network, loss_on(pictures(16, side=side)), 1, start=True) == []


def test_channels_added_as_zeros_learn() -> None:
    """Beside a last norm that begins at zero they would be silent for ever."""
    torch.manual_seed(0)
    network = build(resolve("resnet20", outputs=3, channels=3, height=16, width=16)).train()
    loss_on(pictures(16, side=16))(network, 0).backward()
    for name, parameter in network.named_parameters():
        if parameter.dim() == 1 and "norm" in name:
            assert (parameter.grad != 0).float().mean() > 1 - DEAD, name
