"""A body that stays is not computed again, and no figure tells."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn

from striate.infer import ForwardWay, made_ready
from striate.nets import build, resolve
from striate.workflows.known_body import KnownBody

PICTURES = torch.randn(10, 3, 16, 16)


@pytest.fixture
def network() -> nn.Module:
    torch.manual_seed(0)
    return build(
        resolve("compact", outputs=3, channels=3, height=16, width=16, arguments={"width": 8, "blocks": [1, 1]})
    ).eval()


def through(ready: nn.Module) -> torch.Tensor:
    with torch.no_grad():
        return torch.cat([ready(part).float() for part in PICTURES.split(4)])


def watched(known: KnownBody, network: nn.Module, precision: str = "float32") -> torch.Tensor:
    return known.watch(network, made_ready(network, ForwardWay(precision, False), (3, 16, 16)), through)


def test_a_new_head_on_a_known_body_gives_the_same_bits(network: nn.Module) -> None:
    known = KnownBody()
    assert known.outputs(network) is None
    first = watched(known, network)
    assert torch.equal(known.outputs(network), first)
    nn.init.normal_(network.get_parameter("head.weight"))
    found = known.outputs(network)
    assert not torch.equal(found, first)
    assert torch.equal(found, watched(KnownBody(), network))


@pytest.mark.parametrize("name", ["stem.conv1.weight", "stem.norm1.running_mean"])
def test_a_body_that_moved_is_computed(network: nn.Module, name: str) -> None:
    known = KnownBody()
    watched(known, network)
    network.state_dict()[name].add_(1e-6)
    assert known.outputs(network) is None


def test_outputs_that_are_not_finite_are_left_to_the_pass_that_names_them(network: nn.Module) -> None:
    known = KnownBody()
    watched(known, network)
    nn.init.constant_(network.get_parameter("head.bias"), torch.nan)
    assert known.outputs(network) is None


def flat() -> nn.Module:
    return nn.Sequential(nn.Conv2d(3, 3, 16), nn.Flatten())


def behind() -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(768, 3), nn.Softplus())


@pytest.mark.parametrize("make", [flat, behind])
def test_what_does_not_end_in_a_dense_layer_is_always_computed(make: Callable[[], nn.Module]) -> None:
    changed, known = make().eval(), KnownBody()
    watched(known, changed)
    assert known.outputs(changed) is None
