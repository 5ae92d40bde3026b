"""What every registered node and every registered family keeps; a new one inherits it by being registered.

A family is tried with its narrowest arguments at its smallest size, which it states here in one line, else with its
defaults at 32 px.
"""

from __future__ import annotations

import dataclasses
import inspect
import json
from typing import Any

import pytest
import torch
import yaml
from torch import nn

from striate.core.errors import NetworkError
from striate.nets import FAMILIES, NODES, Conv, Network, Node, build, depth_groups, head_name, profile, resolve
from striate.nets.node import Walk
from striate.nets.notation import from_plain, to_plain

# One value of each node that needs arguments; the others are made without.
EXAMPLES: dict[str, dict[str, Any]] = {
    "Conv": {"filters": 4, "padding": 1},
    "Dense": {"units": 4},
    "Repeat": {"block": Conv(4, padding=1), "count": 2},
    "Residual": {"body": (Conv(4, padding=1),)},
    "Sequence": {"nodes": (Conv(4), Conv(5))},
}
# (channels, height and width, arguments) of each family's narrowest variant.
SMALLEST: dict[str, tuple[int, int, dict[str, Any]]] = {
    "cifarnet": (1, 8, {"widths": [8, 8]}),
    "compact": (1, 8, {"width": 8, "blocks": [1, 1]}),
    "lenet5": (1, 28, {"padding": 2}),
    "plain": (1, 10, {"filters": [8, 8], "units": 16}),
}
SHAPES = [(6,), (6, 9), (6, 9, 8), (6, 5, 6, 7)]

nodes = pytest.mark.parametrize("kind", [kind for _, kind in NODES.items()], ids=NODES.names())
families = pytest.mark.parametrize("name", FAMILIES.names())


def example(kind: type[Node]) -> Node:
    return kind(**EXAMPLES.get(kind.__name__, {}))


def spec_of(name: str, outputs: int = 4) -> dict[str, Any]:
    channels, size, arguments = SMALLEST.get(name, (3, 32, {}))
    return resolve(name, outputs=outputs, channels=channels, height=size, width=size, arguments=arguments)


@nodes
def test_a_node_is_registered_under_its_own_name_and_is_a_frozen_value(kind: type[Node]) -> None:
    node = example(kind)
    assert NODES.get(kind.__name__) is kind
    assert node == example(kind)
    assert hash(node) == hash(example(kind))
    with pytest.raises(dataclasses.FrozenInstanceError):
        node.name = "x"  # type: ignore[misc]
    assert kind.__doc__
    assert kind.label.isidentifier()
    assert not {field.name for field in dataclasses.fields(kind)} & {"node"}, "the notation keeps that key"


@nodes
def test_a_node_survives_json_and_yaml(kind: type[Node]) -> None:
    for node in (example(kind), dataclasses.replace(example(kind), name="called")):
        plain = to_plain(node)
        assert from_plain(json.loads(json.dumps(plain)), "here") == node
        assert from_plain(yaml.safe_load(yaml.safe_dump(plain)), "here") == node


@nodes
def test_a_node_refuses_an_unknown_argument(kind: type[Node]) -> None:
    with pytest.raises(NetworkError, match="there is no argument 'not_there'"):
        from_plain({**to_plain(example(kind)), "not_there": 1}, "here")


@nodes
def test_a_node_gives_the_shape_that_it_infers_on_every_grid(kind: type[Node]) -> None:
    node, served = example(kind), 0
    for shape in SHAPES:
        try:
            output = node.output_shape(shape)
        except NetworkError:
            with pytest.raises(NetworkError, match=r"needs|nothing can be added"):
                node.build(shape)
            continue
        served += 1
        module = node.build(shape)
        assert module(torch.randn(3, *shape)).shape == (3, *output)
        walk = Walk()
        assert walk.chain((node,), shape) == output
        assert walk.layers
    assert served >= 1


@nodes
def test_a_node_tells_its_cost_and_what_it_sees_without_memory(kind: type[Node]) -> None:
    node = example(kind)
    for shape in filter(lambda one: _takes(node, one), SHAPES):
        assert node.parameters(shape) == sum(parameter.numel() for parameter in node.build(shape).parameters())
        assert node.macs(shape) >= 0
        field = node.receptive_field(shape)
        assert field is None or len(field.size) == len(shape) - 1


@nodes
def test_a_node_builds_the_same_bits_after_the_same_seed(kind: type[Node]) -> None:
    node = example(kind)
    shape = next(one for one in SHAPES[::-1] if _takes(node, one))
    states = []
    for _ in range(2):
        torch.manual_seed(0)
        states.append(node.build(shape).state_dict())
    assert list(states[0]) == list(states[1])
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])


@nodes
def test_a_node_without_grid_or_vector_never_breaks_with_a_traceback(kind: type[Node]) -> None:
    node = example(kind)
    for shape in ((1,), (1, 1), (1, 1, 1), (1, 1, 1, 1), (2, 1, 1, 1, 1)):
        try:
            node.output_shape(shape)
        except NetworkError:
            with pytest.raises(NetworkError):
                node.build(shape)
        else:
            node.build(shape)


@families
def test_a_family_takes_outputs_and_keyword_arguments_with_defaults(name: str) -> None:
    outputs, *others = inspect.signature(FAMILIES.get(name)).parameters.values()
    assert outputs.name == "outputs"
    assert all(one.kind is one.KEYWORD_ONLY and one.default is not one.empty for one in others)
    assert FAMILIES.get(name).__doc__


@families
def test_a_family_is_a_network_by_its_name_with_a_head_and_survives_json(name: str) -> None:
    spec = spec_of(name)
    network = Network.from_dict(spec["network"])
    assert network.name == name
    assert json.loads(json.dumps(spec)) == spec
    module = build(spec)
    assert head_name(module) == "head"
    assert isinstance(module.get_submodule("head"), nn.Linear)
    assert module(torch.randn(2, *spec["input"])).shape == (2, 4)


@families
def test_a_family_s_cost_is_what_it_has(name: str) -> None:
    spec = spec_of(name)
    found, module = profile(spec), build(spec)
    assert found.parameters == sum(parameter.numel() for parameter in module.parameters())
    assert found.parameters == sum(row.parameters for row in found.layers)
    assert found.macs == sum(row.macs for row in found.layers) > 0
    assert found.activation_bytes > 0
    groups = depth_groups(module)
    assert sorted(one for group in groups for one in group) == sorted(one for one, _ in module.named_parameters())


@families
def test_a_family_overfits_sixteen_samples(name: str) -> None:
    spec = spec_of(name)
    torch.manual_seed(0)
    network, images = build(spec), torch.randn(16, *spec["input"])
    labels = torch.arange(16) % 4
    optimizer = torch.optim.AdamW(network.parameters(), lr=5e-3, weight_decay=0)
    for module in network.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    for _ in range(150):
        loss = nn.functional.cross_entropy(network(images), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if loss.item() < 0.02:
            break
    # With batch statistics, as it was trained: running ones lag behind in so few steps.
    with torch.no_grad():
        right = (network(images).argmax(1) == labels).float().mean().item()
    assert right >= 0.95


@families
def test_a_family_names_the_layer_that_a_tiny_picture_does_not_reach(name: str) -> None:
    try:
        build(resolve(name, outputs=4, channels=3, height=1, width=1))
    except NetworkError:
        with pytest.raises(NetworkError, match=r"^layer \d+ .* receives "):
            resolve(name, outputs=4, channels=3, height=1, width=1)


def _takes(node: Node, shape: tuple[int, ...]) -> bool:
    try:
        node.output_shape(shape)
    except NetworkError:
        return False
    return True
