"""First weights drawn in another way: which layers, how wide, and that nothing else changes."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from striate.core.errors import NetworkError
from striate.nets import build, resolve, with_first_weights
from striate.nets.network import Network
from striate.nets.nodes.activation import Activation
from striate.nets.nodes.conv import Conv, SeparableConv
from striate.nets.nodes.dense import Dense
from striate.nets.nodes.pool import GlobalPool
from striate.nets.nodes.structure import Residual


def spec_of(name: str, side: int = 64, **arguments: Any) -> dict[str, Any]:
    return resolve(name, outputs=3, channels=3, height=side, width=side, arguments=arguments)


def drawn(spec: dict[str, Any]) -> list[tuple[str, str]]:
    """Each node that draws and how, in the order of the file."""

    def walk(value: Any) -> list[tuple[str, str]]:
        if isinstance(value, list):
            return [pair for one in value for pair in walk(one)]
        if not isinstance(value, dict):
            return []
        own = [(value["node"], value.get("init", "own"))] if value.get("node") in ("Conv", "Dense") else []
        return own + [pair for one in value.values() for pair in walk(one)]

    return walk(spec["network"]["nodes"])


def of_nodes(*nodes: Any) -> dict[str, Any]:
    network = Network("made", (*nodes, GlobalPool(), Dense(2, name="head")))
    return {"kind": "nodes", "name": "made", "network": network.to_dict(), "input": [3, 8, 8], "outputs": 2}


@pytest.mark.parametrize(
    ("kind", "init"),
    [("relu", "he_normal"), ("silu", "he_normal"), ("tanh", "xavier_normal"), ("selu", "lecun_normal")],
)
def test_filters_are_drawn_by_the_activation_behind_them(kind: Any, init: str) -> None:
    changed = with_first_weights(
        of_nodes(Conv(4), Activation(kind), Residual((Conv(4, padding="same"),), activation=kind)), init="by_activation"
    )
    nodes = Network.from_dict(changed["network"]).nodes
    assert nodes[0].init == init  # type: ignore[attr-defined]
    assert nodes[2].body[0].init == init  # type: ignore[attr-defined]
    assert nodes[-1].init == "xavier_normal"  # type: ignore[attr-defined]


@pytest.mark.parametrize("init", ["xavier_normal", "he_normal", "orthogonal", "by_activation"])
def test_the_deviation_is_that_of_the_formula(init: str) -> None:
    spec = of_nodes(Conv(64, kernel_size=3, padding=1), Activation("relu"), SeparableConv(128, padding="same"))
    torch.manual_seed(0)
    module = build(with_first_weights(spec, init=init))
    weight = next(one for one in module.modules() if isinstance(one, nn.Conv2d) and one.kernel_size == (1, 1)).weight
    fan_in, fan_out = 64, 128
    expected = {
        "xavier_normal": (2 / (fan_in + fan_out)) ** 0.5,
        "he_normal": (2 / fan_in) ** 0.5,
        "orthogonal": (1 / fan_out) ** 0.5,
        "by_activation": (2 / (fan_in + fan_out)) ** 0.5,  # nothing but pooling is behind it
    }
    assert float(weight.detach().std()) == pytest.approx(expected[init], rel=0.05)


@pytest.mark.parametrize("name", ["resnet18", "vgg11", "googlenet", "densenet121", "mobilenet_v2"])
def test_layers_names_and_shapes_stay(name: str) -> None:
    spec = spec_of(name, 96)
    with torch.device("meta"):
        before = build(spec).state_dict()
        after = build(with_first_weights(spec, init="by_activation")).state_dict()
    assert {key: one.shape for key, one in before.items()} == {key: one.shape for key, one in after.items()}


def test_each_block_begins_as_the_identity_or_not() -> None:
    def scales(spec: dict[str, Any]) -> set[float]:
        module = build(spec)
        return {
            float(one.weight.detach().mean()) for name, one in module.named_modules() if name.endswith("block1.norm2")
        }

    spec = spec_of("resnet18")
    assert scales(with_first_weights(spec, last_norm="zero")) == {0.0}
    assert scales(with_first_weights(spec, last_norm="one")) == {1.0}
    assert with_first_weights(spec) == spec


def test_auxiliary_heads_have_ends_of_their_own() -> None:
    found = drawn(with_first_weights(spec_of("googlenet", 96), init="by_activation"))
    ends = [init for node, init in found if node == "Dense"]
    assert ends.count("xavier_normal") >= 1
    assert {init for node, init in found if node == "Conv"} <= {"he_normal", "own"}  # own: he_normal is left out


@pytest.mark.parametrize(
    ("name", "settings", "said"),
    [
        ("torchvision/resnet18", {"init": "orthogonal"}, "network.init: torchvision/resnet18 draws its own"),
        ("torchvision/resnet18", {"last_norm": "zero"}, "network.last_norm: torchvision/resnet18 draws its own"),
        ("vgg11", {"last_norm": "zero"}, "no residual branch of 'vgg11' ends in a norm"),
    ],
)
def test_what_cannot_be_changed_is_refused(name: str, settings: Any, said: str) -> None:
    with pytest.raises(NetworkError, match=said):
        with_first_weights(spec_of(name), **settings)
