"""A Network: nodes in a list, under a name. A value, that can be printed, saved, edited and compared."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import yaml
from torch import nn

from striate.core.artifacts import parse_json, parse_yaml, write_json, write_yaml
from striate.core.errors import NetworkError, nearest
from striate.nets.chain import build_chain
from striate.nets.node import Layer, Node, Shape, Walk, mapped, written
from striate.nets.nodes.auxiliary import Auxiliary
from striate.nets.nodes.conv import Conv
from striate.nets.nodes.dense import Dense
from striate.nets.nodes.pool import GlobalPool
from striate.nets.notation import check_plain, from_plain, to_plain

HEAD = "head"
MOST_BYTES = 4 * 2**20


@dataclass(frozen=True)
class Network:
    """An architecture.

    Args:
        name: what it is called.
        nodes: its nodes, in order.

    >>> from striate.nets.nodes.conv import Conv
    >>> tiny = Network("tiny", (Conv(8), GlobalPool(), Dense(3, name="head")))
    >>> tiny.output_shape((1, 8, 8)), Network.from_dict(tiny.to_dict()) == tiny
    ((3,), True)
    >>> list(tiny.build((1, 8, 8)).state_dict())
    ['conv1.weight', 'conv1.bias', 'head.weight', 'head.bias']
    """

    name: str
    nodes: tuple[Node, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "nodes", tuple(self.nodes))
        if not self.nodes:
            raise NetworkError(f"the network {self.name!r} has no nodes")
        for number, node in enumerate(self.nodes, 1):
            if not isinstance(node, Node):
                raise NetworkError(f"layer {number} of the network {self.name!r} is not a node: {node!r}")

    def layers(self, shape: Shape) -> tuple[Layer, ...]:
        """Every layer with its number, name and shapes, in the order of execution.

        Args:
            shape: of the input, (C, *grid).

        Raises:
            NetworkError: a layer does not fit what reaches it; names it by number.
        """
        walk = Walk()
        walk.chain(self.nodes, shape)
        return tuple(walk.layers)

    def output_shape(self, shape: Shape) -> Shape:
        """The shape of the output for an input of this shape. Raises `NetworkError` as `layers` does."""
        return Walk().chain(self.nodes, shape)

    def build(self, shape: Shape) -> nn.Sequential:
        """The module for inputs of this shape, its weights drawn from torch's generator.

        Raises:
            NetworkError: as `layers` does.
        """
        self.output_shape(shape)
        return build_chain(self.nodes, shape)

    def with_head(self, outputs: int, shape: Shape, *, renew: bool = False) -> Network:
        """The same network with a head for `outputs`, where it does not give that many already.

        What ends in a grid gets `GlobalPool` and `Dense`, what ends in any other vector gets `Dense`, named `head`.
        Auxiliary heads get as many outputs.

        Args:
            outputs: how many the task needs.
            shape: of the input.
            renew: whether a last `Dense` of another size is a head that may be replaced (that of a saved Model), and
                not a mistake.

        Raises:
            NetworkError: it ends in a `Dense` of another size; or a layer does not fit.
        """
        network = replace(self, nodes=mapped(self.nodes, partial(_answering, outputs=outputs)))
        output, last = network.output_shape(shape), network.nodes[-1]
        if output == (outputs,):
            return network
        if isinstance(last, Dense):
            if renew:
                return replace(network, nodes=(*network.nodes[:-1], replace(last, units=outputs)))
            raise NetworkError(
                f"the network {self.name!r} gives {last.units} outputs, the task needs {outputs}",
                fix=f"leave its last layer `{last}` out, and a head is put on; or set its units to {outputs}",
            )
        head: tuple[Node, ...] = (Dense(outputs, name=HEAD),)
        if len(output) > 1:
            head = (GlobalPool(), *head)
        return replace(network, nodes=(*network.nodes, *head))

    def with_grid_head(self, outputs: int, shape: Shape) -> Network:
        """The same network with a head for `outputs` at each position, where it does not give that many already.

        Args:
            outputs: how many the task needs.
            shape: of the input.

        Raises:
            NetworkError: it ends in one vector a sample; or a layer does not fit.
        """
        network = replace(self, nodes=mapped(self.nodes, partial(_answering, outputs=outputs)))
        output, last = network.output_shape(shape), network.nodes[-1]
        if len(output) != len(shape):
            raise NetworkError(
                f"the network {self.name!r} gives one row a sample, and outputs for each position are needed",
                fix="let it end in a map as large as the picture, such as that of unet",
            )
        if output[0] == outputs:
            return network
        if isinstance(last, Conv) and last.name == HEAD:
            return replace(network, nodes=(*network.nodes[:-1], replace(last, filters=outputs)))
        return replace(network, nodes=(*network.nodes, Conv(outputs, 1, name=HEAD)))

    def to_dict(self) -> dict[str, Any]:
        """Plain values, with every field of every node."""
        return {"name": self.name, "nodes": [to_plain(node) for node in self.nodes]}

    @classmethod
    def from_dict(cls, content: Any) -> Network:
        """A network from plain values.

        Raises:
            NetworkError: they are none, or a node or argument is unknown; names the layer by its number in the list.
        """
        if not isinstance(content, Mapping) or not isinstance(content.get("nodes"), list):
            raise NetworkError(
                "this is not a network", fix="write a mapping with `name` and `nodes`, a list such as [{node: Conv, …}]"
            )
        for key in content:
            if key not in ("name", "nodes"):
                near = nearest(str(key), ["name", "nodes"])
                hint = f"; did you mean {near!r}?" if near else ""
                raise NetworkError(f"a network has `name` and `nodes`, no {key!r}{hint}")
        check_plain(content)
        nodes = tuple(from_plain(entry, f"layer {number}") for number, entry in enumerate(content["nodes"], 1))
        return cls(str(content.get("name", "network")), nodes)

    @classmethod
    def from_file(cls, path: str | Path) -> Network:
        """A network from a YAML or JSON file. Raises `NetworkError`, naming the file."""
        content = read_plain(Path(path))
        if isinstance(content, Mapping):
            content = {"name": Path(path).stem, **content}
        try:
            return cls.from_dict(content)
        except NetworkError as error:
            raise NetworkError(f"{path}: {error.message}", error.fix) from None

    def to_file(self, path: str | Path) -> None:
        """Write it as YAML, or as JSON where the name ends so: what `--model` and `from_file` take."""
        place = Path(path)
        (write_json if place.suffix == ".json" else write_yaml)(place, self.to_dict())

    def __str__(self) -> str:
        """A line for each node."""
        return "\n".join([self.name, *(f"  {number:>3} {node}" for number, node in enumerate(self.nodes, 1))])

    def describe(self, shape: Shape) -> str:
        """A line for each layer: number, name, node and output."""
        rows = [f"{one.number:>4}  {one.name:<28} {one.node!s:<52} {written(one.output)}" for one in self.layers(shape)]
        return "\n".join(rows)


def _answering(node: Node, outputs: int) -> Node:
    """A node; an auxiliary head with as many outputs."""
    if not isinstance(node, Auxiliary):
        return node
    last, before = node.nodes[-1], node.nodes[:-1]
    if not (isinstance(last, Dense) and last.name == HEAD):
        last, before = Dense(outputs, name=HEAD), node.nodes
    return replace(node, nodes=(*before, replace(last, units=outputs)))


def read_plain(path: Path) -> Any:
    """The plain values in a YAML or JSON file. Raises `NetworkError` where it is missing, too large, or neither."""
    try:
        if path.stat().st_size > MOST_BYTES:
            raise NetworkError(f"the network file {path} is larger than {MOST_BYTES // 2**20} MiB, as no network is")
        text = path.read_text("utf-8")
        return parse_json(text) if path.suffix == ".json" else parse_yaml(text)
    except FileNotFoundError:
        raise NetworkError(f"the network file {path} does not exist", fix="look at the path") from None
    except (ValueError, OSError, yaml.YAMLError, RecursionError) as error:
        raise NetworkError(f"the network file {path} cannot be read: {error}") from error
