"""What learns: decay, rates by depth, and the share that stays as it came."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from striate.nets import build, resolve
from striate.train.groups import freeze_body, kept_parameters, parameter_groups


@pytest.fixture
def network() -> nn.Module:
    return build(resolve("resnet18", outputs=3, channels=3, height=32, width=32))


def test_the_lowest_share_of_the_depth_never_learns(network: nn.Module) -> None:
    names = [name for name, _ in network.named_parameters()]
    assert kept_parameters(network, 0.0) == set()
    half = kept_parameters(network, 0.5)
    assert half == set(names[: len(half)])
    assert 0 < len(half) < len(names)
    assert kept_parameters(network, 1.0) == {name for name in names if not name.startswith("head.")}


@pytest.mark.parametrize("share", [0.0, 0.4])
def test_groups_hold_what_learns_once(network: nn.Module, share: float) -> None:
    groups = parameter_groups(network, weight_decay=0.1, stem_rate=0.01, kept_share=share)
    names = [name for group in groups for name in group["names"]]
    kept = kept_parameters(network, share)
    assert sorted([*names, *kept]) == sorted(name for name, _ in network.named_parameters())
    for group in groups:
        assert all((parameter.dim() > 1) == (group["weight_decay"] > 0) for parameter in group["params"])
    assert groups[-1]["factor"] == 1.0
    assert groups[0]["factor"] == pytest.approx(0.01) if not share else groups[0]["factor"] > 0.01


def test_only_what_may_learn_gets_gradients(network: nn.Module) -> None:
    freeze_body(network, frozen=False, frozen_norms=True, kept_share=0.4)
    network(torch.randn(2, 3, 32, 32)).sum().backward()
    kept = kept_parameters(network, 0.4)
    assert kept == {name for name, parameter in network.named_parameters() if parameter.grad is None}
    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    assert not any(norm.training for norm in norms)
    freeze_body(network, frozen=True, kept_share=0.4)
    learning = {name for name, parameter in network.named_parameters() if parameter.requires_grad}
    assert learning == {"head.weight", "head.bias"}
