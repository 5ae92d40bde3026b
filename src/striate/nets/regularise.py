"""Parts left out at random in training: put into the spec of any network that has a place for them, to be saved."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from torch import nn
from torch.nn.modules.dropout import _DropoutNd

from striate.core.errors import NetworkError
from striate.nets.edits.insert_after_stages import InsertAfterStages
from striate.nets.libraries import known_arguments
from striate.nets.network import Network
from striate.nets.node import Node, mapped, named
from striate.nets.nodes.auxiliary import Auxiliary
from striate.nets.nodes.dense import Dense
from striate.nets.nodes.dropout import ChannelDropout, Dropout, StochasticDepth
from striate.nets.nodes.structure import Repeat, Residual, Sequence
from striate.nets.spec import checked

_ARGUMENTS = {"dropout": ("drop_rate", "dropout"), "stochastic_depth": ("drop_path_rate", "stochastic_depth_prob")}
"""What timm and torchvision call them."""


def regularised(
    spec: Mapping[str, Any], *, dropout: float = 0.0, channel_dropout: float = 0.0, stochastic_depth: float = 0.0
) -> dict[str, Any]:
    """A network that leaves parts out at random in training; predictions, and names of weights, stay as they were.

    A rate of 0 leaves the network's own. A library's network gets a rate by its own argument.

    Args:
        spec: as `resolve` gives it; of a detector its body is meant, which has no place for `dropout`.
        dropout: of every `Dropout` that there is, auxiliary heads apart; where there is none, of one ahead of the last
            `Dense` (Srivastava et al. 2014).
        channel_dropout: of whole channels behind each stage (Tompson et al. 2015).
        stochastic_depth: of the last `Residual`'s branch; it rises linearly from the first on (Huang et al. 2016,
            equation 4).

    Raises:
        NetworkError: the network has no place for it.

    >>> from striate.nets import resolve
    >>> spec = resolve("resnet18", outputs=10, channels=3, height=32, width=32)
    >>> [node["node"] for node in regularised(spec, dropout=0.2)["network"]["nodes"]][-3:]
    ['GlobalPool', 'Dropout', 'Dense']
    """
    rates = {"dropout": dropout, "channel_dropout": channel_dropout, "stochastic_depth": stochastic_depth}
    wanted = {what: rate for what, rate in rates.items() if rate > 0}
    if not wanted:
        return dict(spec)
    if spec["kind"] == "detector":
        if "dropout" in wanted:
            raise _no_place("dropout", f"{spec['name']} has no dense layer ahead of which it would be")
        return {**spec, "body": regularised(spec["body"], **wanted)}
    return _library(spec, wanted) if spec["kind"] == "library" else _nodes(spec, wanted)


def _nodes(spec: Mapping[str, Any], wanted: Mapping[str, float]) -> dict[str, Any]:
    network = Network.from_dict(spec["network"])
    changes = {"dropout": _with_dropout, "channel_dropout": _with_channel_dropout, "stochastic_depth": _with_depth}
    for what, rate in wanted.items():
        network = changes[what](network, rate)
    network.output_shape(tuple(spec["input"]))
    return {**spec, "network": network.to_dict()}


def _no_place(what: str, why: str, fix: str | None = None) -> NetworkError:
    return NetworkError(f"network.{what}: {why}", fix or f"leave network.{what} out, or choose another network")


def _with_dropout(network: Network, rate: float) -> Network:
    def change(node: Node) -> Node:
        return replace(node, rate=rate) if isinstance(node, Dropout) else node

    found = [node for node in network.nodes if not isinstance(node, Auxiliary) and _holds(node, Dropout)]
    if found:
        kept = (node if isinstance(node, Auxiliary) else mapped(node, change) for node in network.nodes)
        return replace(network, nodes=tuple(kept))
    if not isinstance(network.nodes[-1], Dense):
        raise _no_place("dropout", f"the network {network.name!r} has no dropout of its own and ends in no dense layer")
    # Its name is its own, so that no other of its kind is counted anew.
    return replace(network, nodes=(*network.nodes[:-1], Dropout(rate, name="head_dropout"), network.nodes[-1]))


def _with_channel_dropout(network: Network, rate: float) -> Network:
    try:
        return InsertAfterStages(ChannelDropout(rate)).apply(network)
    except NetworkError as error:
        raise _no_place("channel_dropout", error.message) from None


def _with_depth(network: Network, rate: float) -> Network:
    count = sum(1 for node in network.nodes for one in _unrolled(node) if isinstance(one, Residual))
    if not count:
        raise _no_place("stochastic_depth", f"the network {network.name!r} has no residual blocks")
    numbers = itertools.count(1)

    def thinned(value: Any) -> Any:
        if isinstance(value, tuple) and value and all(isinstance(one, Node) for one in value):
            # A copy becomes a node by itself, under the name that it had among the others.
            named_so = (replace(one, name=name) if isinstance(one, Repeat) else one for name, one in named(value))
            return tuple(thinned(one) for one in named_so)
        if isinstance(value, tuple):
            return tuple(thinned(one) for one in value)
        if not isinstance(value, Node):
            return value
        if isinstance(value, Repeat):
            return Sequence(thinned(tuple(value.copies())), name=value.name)
        node = replace(value, **{one.name: thinned(getattr(value, one.name)) for one in dataclasses.fields(value)})
        if not isinstance(node, Residual):
            return node
        share = rate * next(numbers) / count
        last = node.body[-1]
        if isinstance(last, StochasticDepth):
            return replace(node, body=(*node.body[:-1], replace(last, rate=share)))
        return replace(node, body=(*node.body, StochasticDepth(share)))

    return replace(network, nodes=thinned(network.nodes))


def _unrolled(value: Any) -> Iterator[Node]:
    """Every node in a value, each copy of a repeated one by itself."""
    if isinstance(value, tuple):
        for one in value:
            yield from _unrolled(one)
    elif isinstance(value, Repeat):
        yield from _unrolled(tuple(value.copies()))
    elif isinstance(value, Node):
        yield value
        for field in dataclasses.fields(value):
            yield from _unrolled(getattr(value, field.name))


def _holds(node: Node, kind: type[Node]) -> bool:
    return any(isinstance(one, kind) for one in _unrolled(node))


def _library(spec: Mapping[str, Any], wanted: Mapping[str, float]) -> dict[str, Any]:
    name, arguments = spec["name"], dict(spec["arguments"])
    known = known_arguments(name)
    for what, rate in wanted.items():
        named_so = _ARGUMENTS.get(what, ())
        argument = next((one for one in named_so if one in known), None)
        if what == "channel_dropout":
            fix = "write a file with `base` and the edit {edit: InsertAfterStages, node: {node: ChannelDropout}}"
            raise _no_place(what, f"{name} has no argument for it", fix)
        if argument is None:
            raise _no_place(what, f"{name} has no place for it: it takes no {' or '.join(named_so)}")
        arguments[argument] = rate
    found = {**spec, "arguments": arguments}
    words = " and ".join(f"network.{what}" for what in wanted)
    try:
        module = checked(found)
    except NetworkError as error:
        raise NetworkError(f"{words}: {error.message}", f"leave {words} out, or choose another network") from error
    for what, rate in wanted.items():
        if not _acts(module, what, rate):
            raise _no_place(what, f"{name} takes the rate, and leaves nothing out")
    return found


def _acts(module: nn.Module, what: str, rate: float) -> bool:
    """Whether a library's network holds anything that leaves parts out at such a rate."""
    if what == "stochastic_depth":
        paths = [one for one in module.modules() if type(one).__name__ in ("DropPath", "StochasticDepth")]
        return any(getattr(one, "drop_prob", 0) or getattr(one, "p", 0) for one in paths)
    own = getattr(module, "drop_rate", 0) == rate  # timm's ResNets call a function with it
    return own or any(isinstance(one, _DropoutNd) and one.p == rate for one in module.modules())
