"""Nodes made of nodes side by side: branches that are joined, and dense connections."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import Tensor, nn

from striate.core.errors import NetworkError
from striate.nets.chain import build_chain
from striate.nets.node import Misfit, Node, Shape, Structure, Walk, written
from striate.nets.nodes import NODES
from striate.nets.nodes.taps import Join, joined, joined_tensors


@NODES.register("Branches")
@dataclass(frozen=True)
class Branches(Structure):
    """Lists of nodes side by side on the same input, and what they make of it joined.

    Szegedy et al. 2015, "Going deeper with convolutions", figure 2; Xie et al. 2017, "Aggregated residual
    transformations", figure 3, for branches that are added.

    Args:
        branches: the lists; an empty one is the identity. Their modules are called `branch1`, `branch2`, …
        join: "concat", channels one after another in the order of the branches; or "add".

    Input shape: what the branches take. Output shape: (ΣC_i, *grid) or (C, *grid).

    >>> from striate.nets.nodes.conv import Conv
    >>> Branches(((Conv(8, 1),), (Conv(4, 1), Conv(16, 3, padding=1)), ())).output_shape((3, 9, 9))
    (27, 9, 9)
    """

    branches: tuple[tuple[Node, ...], ...]
    join: Join = "concat"

    label: ClassVar[str] = "branches"

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.branches:
            raise NetworkError(f"`{self}`: branches must hold at least one list of nodes")

    def by_name(self) -> dict[str, Sequence[Node]]:
        """The lists by the names of their modules."""
        return {f"branch{number}": nodes for number, nodes in enumerate(self.branches, 1)}

    def trace(self, shape: Shape, walk: Walk) -> Shape:
        """Through each list in turn, each from the same input. Raises `Misfit` where they cannot be joined."""
        shapes = walk.branches(self.by_name(), shape)
        alike = {one[1:] if self.join == "concat" else one for one in shapes}
        if len(alike) > 1 or len({len(one) for one in shapes}) > 1:
            given = ", ".join(f"{name} gives {written(one)}" for name, one in zip(self.by_name(), shapes, strict=True))
            raise Misfit(
                self, f"needs branches of equal {'grids' if self.join == 'concat' else 'shapes'}: {given}", shape,
                fix="pad their convolutions and pooling, and give all the same strides"
                + ("" if self.join == "concat" else " and as many filters"),
            )  # fmt: skip
        return joined(tuple(shapes), shapes[0][1:], self.join)

    def build(self, shape: Shape) -> nn.Module:
        """`BranchJoin`."""
        self.output_shape(shape)
        modules: dict[str, nn.Module] = {
            name: build_chain(nodes, shape) if nodes else nn.Identity() for name, nodes in self.by_name().items()
        }
        return BranchJoin(modules, self.join)


class BranchJoin(nn.Module):
    """What each of its parts makes of one input, concatenated or added.

    Args:
        modules: the branches by name, in order.
        join: "concat" or "add".
    """

    def __init__(self, modules: dict[str, nn.Module], join: Join) -> None:
        super().__init__()
        for name, module in modules.items():
            self.add_module(name, module)
        self.join = join

    def forward(self, x: Tensor) -> Tensor:
        return joined_tensors(tuple(branch(x) for branch in self.children()), self.join)

    def extra_repr(self) -> str:
        return f"join={self.join}"


@NODES.register("DenselyConnected")
@dataclass(frozen=True)
class DenselyConnected(Structure):
    """A block several times over, of which each sees the input and what all before it made.

    Huang et al. 2017, "Densely connected convolutional networks", equation 2: x_l = H_l([x_0, x_1, …, x_{l−1}]).

    Args:
        block: H; the copies are called after it and numbered, as `Repeat` does: `sequence1`, `sequence2`.
        count: how many there are.

    Input shape: (C, *grid) or (F,). Output shape: (C + ΣC_l, *grid), all of them concatenated in order.

    >>> from striate.nets.nodes.conv import Conv
    >>> DenselyConnected(Conv(12, padding=1), count=4).output_shape((16, 9, 9))
    (64, 9, 9)
    """

    block: Node
    count: int

    label: ClassVar[str] = "densely_connected"

    def __post_init__(self) -> None:
        super().__post_init__()
        self.at_least(1, "count")
        self.at_most_layers(self.count)

    def copies(self) -> list[Node]:
        """The copies with their names."""
        base = self.block.name or self.block.label
        return [replace(self.block, name=f"{base}{number}") for number in range(1, self.count + 1)]

    def trace(self, shape: Shape, walk: Walk) -> Shape:
        """Through each copy, each with more channels. Raises `Misfit` where a copy changes the grid."""
        first = shape
        for copy in self.copies():
            start = walk.sources
            output = walk.chain((copy,), shape)
            if output[1:] != shape[1:] or len(output) != len(shape):
                raise Misfit(
                    self, f"needs a block that keeps the grid, its block gives {written(output)}", first,
                    fix='pad its convolutions ("same"), and leave strides and pooling to what comes between',
                )  # fmt: skip
            walk.join(start)
            shape = (shape[0] + output[0], *shape[1:])
        return shape

    def build(self, shape: Shape) -> nn.Module:
        """`DenseBlock`."""
        self.output_shape(shape)
        modules: dict[str, nn.Module] = {}
        for copy in self.copies():
            assert copy.name is not None
            modules[copy.name] = copy.build(shape)
            shape = (shape[0] + copy.output_shape(shape)[0], *shape[1:])
        return DenseBlock(modules)


class DenseBlock(nn.Module):
    """[x, H_1(x), H_2([x, H_1(x)]), …] along the channels.

    Args:
        modules: H_1, H_2, … by name.
    """

    def __init__(self, modules: dict[str, nn.Module]) -> None:
        super().__init__()
        for name, module in modules.items():
            self.add_module(name, module)

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.children():
            x = torch.cat([x, layer(x)], 1)
        return x
