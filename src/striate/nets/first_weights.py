"""Another way to draw the first weights: put into the spec of a network of nodes, to be saved and drawn again."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any, Literal, TypeAlias, get_args

from striate.core.errors import NetworkError
from striate.nets.initialise import Initialiser
from striate.nets.network import Network
from striate.nets.node import Node, mapped
from striate.nets.nodes.activation import Activation, ActivationKind
from striate.nets.nodes.auxiliary import Auxiliary
from striate.nets.nodes.conv import Conv, DepthwiseConv, SeparableConv
from striate.nets.nodes.dense import Dense
from striate.nets.nodes.norm import BatchNorm, GroupNorm, InstanceNorm, LayerNorm
from striate.nets.nodes.structure import Residual
from striate.nets.nodes.upsample import TransposedConv

INITS: tuple[str, ...] = (
    "own", "by_activation", *(name for name in get_args(Initialiser) if name not in ("dirac", "zeros"))
)  # fmt: skip
"""How filters and matrices may be drawn: as the network says, by the activation behind each, or all alike."""

LastNorm: TypeAlias = Literal["own", "zero", "one"]
LAST_NORMS: tuple[str, ...] = get_args(LastNorm)

_DRAWN = (Conv, DepthwiseConv, SeparableConv, TransposedConv, Dense)
_NORMS = (BatchNorm, LayerNorm, GroupNorm, InstanceNorm)
_STEEP = ("tanh", "sigmoid", "hard_sigmoid", "softmax")


def with_first_weights(spec: Mapping[str, Any], *, init: str = "own", last_norm: LastNorm = "own") -> dict[str, Any]:
    """A network whose first weights are drawn in another way; its layers, names and shapes stay.

    Args:
        spec: as `resolve` gives it; of a detector its body is meant, as its head is drawn as published.
        init: of convolutions and dense layers, one of `INITS`. "by_activation": He's normal ahead of what is linear
            above zero, such as ReLU, GELU and SiLU; Xavier's ahead of tanh, sigmoid and softmax, and in layers with no
            activation behind them; LeCun's ahead of SELU. Attention and what excites channels keep their own.
        last_norm: the scale that the last norm of each residual branch begins with: "zero", so that blocks begin as
            the identity (Goyal et al. 2017, section 5.1), or "one".

    Raises:
        NetworkError: it is a library's network, which draws its own, or it has no residual branch that ends in a norm.

    >>> from striate.nets import resolve
    >>> spec = resolve("lenet5", outputs=10, channels=1, height=32, width=32)
    >>> nodes = with_first_weights(spec, init="by_activation")["network"]["nodes"]
    >>> [node.get("init", "he_normal") for node in nodes if node["node"] == "Conv"]
    ['xavier_normal', 'xavier_normal', 'xavier_normal']
    """
    if init == "own" and last_norm == "own":
        return dict(spec)
    if spec["kind"] == "detector":
        return {**spec, "body": with_first_weights(spec["body"], init=init, last_norm=last_norm)}
    if spec["kind"] == "library":
        leaf = "init" if init != "own" else "last_norm"
        raise NetworkError(
            f"network.{leaf}: {spec['name']} draws its own first weights",
            f"leave network.{leaf} out, choose a network of striate's, or see its arguments, such as zero_init_last",
        )
    network = Network.from_dict(spec["network"])
    if init == "by_activation":
        network = replace(network, nodes=_by_activation(network.nodes, None)[0])
    elif init != "own":
        network = replace(network, nodes=mapped(network.nodes, partial(_drawn_by, init)))
    if last_norm != "own":
        network = _with_last_norm(network, 0.0 if last_norm == "zero" else 1.0)
    return {**spec, "network": network.to_dict()}


def _drawn_by(init: Any, node: Node) -> Node:
    return replace(node, init=init) if isinstance(node, _DRAWN) else node


def _by_activation(value: Any, behind: ActivationKind | None) -> tuple[Any, ActivationKind | None]:
    """A node, or a tuple of nodes, drawn by what is behind; and the activation first in it, or else behind."""
    if isinstance(value, tuple):
        changed = []
        for one in reversed(value):
            found, behind = _by_activation(one, behind)
            changed.append(found)
        return tuple(reversed(changed)), behind
    if not isinstance(value, Node):
        return value, behind
    if isinstance(value, Activation):
        return value, value.kind
    if isinstance(value, _DRAWN):
        return replace(value, init=_fitting(behind)), None
    if isinstance(value, Auxiliary):  # a way out, not on the way
        return replace(value, nodes=_by_activation(value.nodes, None)[0]), behind
    if isinstance(value, Residual):
        behind = value.activation or behind
    inside = {
        one.name: _by_activation(getattr(value, one.name), behind)
        for one in dataclasses.fields(value)
        if _holds_nodes(getattr(value, one.name))
    }
    if not inside:
        return value, behind
    first = next(iter(inside.values()))[1]
    return replace(value, **{name: changed for name, (changed, _) in inside.items()}), first


def _holds_nodes(value: Any) -> bool:
    return isinstance(value, Node) or (isinstance(value, tuple) and any(_holds_nodes(one) for one in value))


def _fitting(behind: ActivationKind | None) -> Initialiser:
    if behind is None or behind in _STEEP:
        return "xavier_normal"
    return "lecun_normal" if behind == "selu" else "he_normal"


def _with_last_norm(network: Network, scale: float) -> Network:
    changed = 0

    def change(node: Node) -> Node:
        nonlocal changed
        if not (isinstance(node, Residual) and isinstance(node.body[-1], _NORMS)):
            return node
        changed += 1
        return replace(node, body=(*node.body[:-1], replace(node.body[-1], initial_scale=scale)))

    nodes = mapped(network.nodes, change)
    if not changed:
        raise NetworkError(
            f"network.last_norm: no residual branch of {network.name!r} ends in a norm",
            "leave network.last_norm out, or choose a network of such branches, such as resnet18",
        )
    return replace(network, nodes=nodes)
