"""What every registered node and every registered family keeps; a new one inherits it by being registered.

A family is tried with its narrowest arguments at its smallest size, which it states here in one line, else with its
defaults at 32 px.
"""

from __future__ import annotations

import copy
import dataclasses
import inspect
import json
from typing import Any

import pytest
import torch
import yaml
from torch import nn

from striate.core.errors import NetworkError
from striate.nets import (
    FAMILIES,
    NODES,
    Conv,
    GlobalPool,
    Network,
    Node,
    Sequence,
    build,
    depth_groups,
    head_name,
    hearing,
    profile,
    resolve_shape,
)
from striate.nets.families import in_grid
from striate.nets.node import Linked, Walk
from striate.nets.notation import from_plain, to_plain
from striate.nets.spec import form_of

# One value of each node that needs arguments; the others are made without.
EXAMPLES: dict[str, dict[str, Any]] = {
    "AdaptivePool": {"size": 2},
    "AtrousSpatialPyramid": {"filters": 4, "rates": (1, 2)},
    "Auxiliary": {"nodes": (GlobalPool(),)},
    "Branches": {"branches": ((Conv(4, padding=1),), ())},
    "Conv": {"filters": 4, "padding": 1},
    "ConvBlockAttention": {"reduction": 2},
    "DenselyConnected": {"block": Conv(4, padding=1), "count": 2},
    "Dense": {"units": 4},
    "DigitCapsules": {"count": 3},
    "Embedding": {"units": 4, "vocabulary": 50},
    "FixedConv": {"kind": "sobel"},
    "GatedStack": {"filters": 4, "skip": 5, "dilations": (1, 2)},
    "GroupNorm": {"groups": 3},
    "PatchEmbed": {"units": 4, "size": 1},
    "PositionwiseDense": {"units": 4},
    "PrimaryCapsules": {"kinds": 2, "size": 3, "kernel_size": 3},
    "Repeat": {"block": Conv(4, padding=1), "count": 2},
    "Residual": {"body": (Conv(4, padding=1),)},
    "SelfAttention": {"heads": 2},
    "SeparableConv": {"filters": 4, "padding": 1},
    "Sequence": {"nodes": (Conv(4), Conv(5))},
    "Skip": {"taps": ("conv1",)},
    "SqueezeExcite": {"reduction": 2},
    "Tied": {"to": "conv1"},
    "TransposedConv": {"filters": 4},
    "Upsample": {"scale": 2},
}
# (channels, height and width, arguments) of each family's narrowest variant; or its input's whole shape.
SMALLEST: dict[str, tuple[int, int | tuple[int, ...], dict[str, Any]]] = {
    "alexnet": (1, 63, {"width": 8, "units": 32}),
    "alexnet_2012": (1, 67, {"width": 6, "units": 32}),
    "capsnet": (1, 12, {"filters": 8, "kinds": 2, "kernel_size": 3}),
    "cbam_resnet50": (1, 32, {"width": 4, "reduction": 4}),
    "cifarnet": (1, 8, {"widths": [8, 8]}),
    "compact": (1, 8, {"width": 8, "blocks": [1, 1]}),
    **{name: (1, 32, {"growth": 4}) for name in ("densenet121", "densenet169", "densenet201")},
    "dcgan_discriminator": (1, 64, {"width": 4}),
    "dcgan_generator": (8, 1, {"width": 4}),
    "deeplabv3_resnet50": (1, 32, {"width": 4, "filters": 8}),
    "efficientnet_b0": (1, 32, {"width": 0.25, "features": 64, "stochastic_depth": 0.0}),
    "fcn1d": (2, (24,), {"width": 8}),
    "fcn_resnet50": (1, 32, {"width": 4}),
    "googlenet": (1, 32, {"width": 0.125, "auxiliary": True}),
    "googlenet_2014": (1, 32, {"width": 0.125}),
    "inception_time": (2, (24,), {"filters": 4, "kernels": [8, 4]}),
    "inception_v3": (1, 75, {"width": 0.125}),
    "lenet5": (1, 28, {"padding": 2}),
    "mobilenet_v1": (1, 32, {"width": 4}),
    "mobilenet_v2": (1, 32, {"width": 0.25, "features": 64}),
    **{name: (1, 32, {"width": 4}) for name in ("resnet18", "resnet34", "resnet50", "resnet101", "resnet152")},
    **{f"vgg{depth}{norm}": (1, 32, {"width": 4, "units": 32}) for depth in (11, 13, 16, 19) for norm in ("", "_bn")},
    "mobilenet_v3_large": (1, 32, {"width": 0.25}),
    "mobilenet_v3_small": (1, 32, {"width": 0.25}),
    **{f"resnet{depth}": (1, 8, {"width": 4}) for depth in (20, 32, 44, 56, 110)},
    "resnet1d": (2, (24,), {"width": 8}),
    "se_resnet50": (1, 32, {"width": 4, "reduction": 4}),
    "sppnet": (1, 48, {"width": 6, "units": 32, "levels": [2, 1]}),
    "squeezenet1_0": (1, 48, {"width": 0.5}),
    "squeezenet1_1": (1, 48, {"width": 0.5}),
    "textcnn": (0, (12,), {"vocabulary": 50, "units": 8, "filters": 8}),
    "unet": (1, 16, {"width": 4, "depth": 2}),
    **{f"vit_{size}": (1, 16, {"units": 24, "depth": 2, "patch": 8}) for size in ("tiny", "small", "base")},
    "wavenet": (2, (24,), {"filters": 8, "skip": 16, "dilations": [1, 2, 4]}),
    "plain": (1, 10, {"filters": [8, 8], "units": 16}),
}
RATES = {"squeezenet1_0": 5e-4, "squeezenet1_1": 5e-4, **{f"vgg{depth}": 2e-3 for depth in (11, 13, 16, 19)}}
"""Of families that a higher one kills: a class whose output is cut off by the last ReLU everywhere learns no more, nor
does a deep network without norms."""
SHAPES = [(6,), (6, 9), (6, 9, 8), (6, 5, 6, 7)]

DROPOUTS = (nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d)

NOT_FOR_VOLUMES = {
    "inception_v3": "has kernel_size for 2 axes|has padding for 2 axes",  # 1×7 and 7×1
    "textcnn": "needs a vector of tokens",
    "wavenet": "needs one axis",
}
"""Families whose mathematics is of fewer axes, and what they say."""

nodes = pytest.mark.parametrize("kind", [kind for _, kind in NODES.items()], ids=NODES.names())
families = pytest.mark.parametrize("name", FAMILIES.names())


def example(kind: type[Node]) -> Node:
    return kind(**EXAMPLES.get(kind.__name__, {}))


def standing(kind: type[Node]) -> Node:
    """The example where it can stand alone: a node that uses an earlier one of its list gets one."""
    node = example(kind)
    return Sequence((Conv(6, 1), node)) if isinstance(node, Linked) else node


def inputs_of(kind: type[Node], count: int, shape: tuple[int, ...]) -> torch.Tensor:
    """Random inputs of a node: numbers, or tokens."""
    return torch.randint(50, (count, *shape)).float() if kind.__name__ == "Embedding" else torch.randn(count, *shape)


def spec_of(name: str, outputs: int = 4) -> dict[str, Any]:
    channels, size, arguments = SMALLEST.get(name, (3, 32, {}))
    grid = (size, size) if isinstance(size, int) else size
    shape = (channels, *grid) if channels else grid
    return resolve_shape(name, shape, outputs=outputs, arguments=arguments, form=form_of(name))


def samples_of(name: str, count: int = 16) -> torch.Tensor:
    """Random inputs of a family: numbers, or tokens."""
    shape = spec_of(name)["input"]
    if name == "textcnn":
        return torch.randint(50, (count, *shape))
    return torch.randn(count, *shape)


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
    node, served = standing(kind), 0
    for shape in SHAPES:
        try:
            output = node.output_shape(shape)
        except NetworkError:
            with pytest.raises(NetworkError, match=r"needs|nothing can be added"):
                node.build(shape)
            continue
        served += 1
        module = node.build(shape)
        assert module(inputs_of(kind, 3, shape)).shape == (3, *output)
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
    node = standing(kind)
    shape = next(one for one in SHAPES[::-1] if _takes(node, one))
    states = []
    for _ in range(2):
        torch.manual_seed(0)
        states.append(node.build(shape).state_dict())
    assert list(states[0]) == list(states[1])
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])


@nodes
def test_a_node_without_grid_or_vector_never_breaks_with_a_traceback(kind: type[Node]) -> None:
    node = standing(kind)
    for shape in ((1,), (1, 1), (1, 1, 1), (1, 1, 1, 1), (2, 1, 1, 1, 1)):
        try:
            node.output_shape(shape)
        except NetworkError:
            with pytest.raises(NetworkError):
                node.build(shape)
        else:
            node.build(shape)


@nodes
def test_a_node_s_module_works_in_other_precisions_as_a_copy_and_without_memory(kind: type[Node]) -> None:
    node = standing(kind)
    shape = next(one for one in SHAPES[::-1] if _takes(node, one))
    output, x = node.output_shape(shape), inputs_of(kind, 3, shape)
    module = node.build(shape).eval()
    given = x.clone()
    expected = module(x)
    assert torch.equal(x, given), "a layer in place would break hooks"
    assert torch.equal(copy.deepcopy(module)(x), expected)
    for dtype in (torch.float64, torch.bfloat16):
        found = copy.deepcopy(module).to(dtype)(x.to(dtype))
        assert found.dtype == dtype
        torch.testing.assert_close(found.float(), expected, rtol=0.1, atol=0.1)
    with torch.device("meta"):
        meta = node.build(shape)
    assert all(one.is_meta for one in (*meta.parameters(), *meta.buffers()))
    assert meta(torch.zeros(3, *shape, device="meta")).shape == (3, *output)


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
    assert next(module.get_submodule("head").parameters(recurse=False), None) is not None
    outputs = module(samples_of(name, 2))
    assert outputs.shape[:2] == (2, 4)
    assert (outputs.dim() > 2) == in_grid(name)


@families
def test_a_family_serves_volumes_too_at_its_full_width(name: str) -> None:
    network, shape = FAMILIES.get(name)(5), (3, 80, 80, 80)  # shapes alone: nothing is allocated
    if name in NOT_FOR_VOLUMES:
        with pytest.raises(NetworkError, match=NOT_FOR_VOLUMES[name]):
            network.output_shape(shape)
        return
    output = network.output_shape(shape)
    assert len(output) == (4 if in_grid(name) else 1)
    assert output == (40,) if name == "dcgan_discriminator" else output[0] == 5  # it says so for each of 2×2×2 places


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


def whole(outputs: torch.Tensor) -> torch.Tensor:
    """One row for each sample: the mean over the positions where outputs are a grid, large enough that those which a
    tanh bounds can be told apart."""
    return 10 * outputs.flatten(2).mean(2) if outputs.dim() > 2 else outputs


@families
def test_a_family_overfits_sixteen_samples(name: str) -> None:
    spec = spec_of(name)
    torch.manual_seed(0)
    network, images = build(spec), samples_of(name)
    labels = torch.arange(16) % 4
    optimizer = torch.optim.AdamW(network.parameters(), lr=RATES.get(name, 5e-3), weight_decay=0)
    for module in network.modules():
        if isinstance(module, DROPOUTS):
            module.p = 0.0
    for _ in range(150):
        with hearing(network) as heard:
            answers = [(1.0, network(images)), *heard]
        loss = sum(
            (weight * nn.functional.cross_entropy(whole(one), labels) for weight, one in answers), torch.zeros(())
        )
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if loss.item() < 0.02:
            break
    assert [one for one, parameter in network.named_parameters() if parameter.grad is None] == [], "never learnt"
    # With batch statistics, as it was trained: running ones lag behind in so few steps.
    with torch.no_grad():
        right = (whole(network(images)).argmax(1) == labels).float().mean().item()
    assert right >= 0.95


@families
def test_a_family_names_the_layer_that_a_tiny_picture_does_not_reach(name: str) -> None:
    shape = tuple(1 for _ in spec_of(name)["input"])
    try:
        build(resolve_shape(name, shape, outputs=4, form=form_of(name)))
    except NetworkError:
        with pytest.raises(NetworkError, match=r"^layers? \d+ .* receives "):
            resolve_shape(name, shape, outputs=4, form=form_of(name))


def _takes(node: Node, shape: tuple[int, ...]) -> bool:
    try:
        node.output_shape(shape)
    except NetworkError:
        return False
    return True
