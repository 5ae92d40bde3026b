"""Nodes that use earlier nodes of their list: skips, and tied weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal, TypeAlias

import torch
from torch import Tensor, nn
from torch.nn import functional

from striate.core.errors import NetworkError
from striate.nets.chain import Again, Joining
from striate.nets.node import Earlier, Linked, Misfit, Node, Shape, written
from striate.nets.nodes import NODES

Join: TypeAlias = Literal["concat", "add"]


@NODES.register("Skip")
@dataclass(frozen=True)
class Skip(Linked):
    """What flows, joined with what earlier nodes of the same list gave: the long connections of a U-Net.

    Args:
        taps: the names of the earlier nodes, as written or as counted: "enc3", "conv2".
        join: "concat", channels one after another, those that flow first; or "add".
        align: what is done about unequal grids. "crop" cuts the taps about their centres to the grid that flows
            (Ronneberger et al. 2015, "U-Net"; Long et al. 2015, "Fully convolutional networks"); "resize" brings what
            flows, and every other tap, to the grid of the first tap, linearly between the centres of positions. Left
            out, unequal grids are an error.

    Input shape: (C, *grid), of the taps (C_i, *grid_i); or vectors. Output shape: (C + ΣC_i, *grid) or (C, *grid).

    >>> from striate.nets.network import Network
    >>> from striate.nets.nodes.conv import Conv
    >>> from striate.nets.nodes.pool import Pool
    >>> nodes = (Conv(8, padding=1, name="early"), Pool(), Conv(16, padding=1), Skip(("early",), align="resize"))
    >>> Network("net", nodes).output_shape((1, 9, 9))
    (24, 9, 9)
    """

    taps: tuple[str, ...]
    join: Join = "concat"
    align: Literal["crop", "resize"] | None = None

    label: ClassVar[str] = "skip"

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.taps or len(set(self.taps)) < len(self.taps):
            raise NetworkError(f"`{self}`: taps must name at least one earlier node, and each once")

    def links(self) -> tuple[str, ...]:
        """The taps."""
        return self.taps

    def linked_sources(self, sources: tuple[int, ...], earlier: Mapping[str, Earlier]) -> tuple[int, ...]:
        """What flows, and the taps."""
        return tuple(sorted({*sources, *(number for tap in self.taps for number in earlier[tap].sources)}))

    def linked_shape(self, shape: Shape, earlier: Mapping[str, Earlier]) -> Shape:
        """The shape of the join. Raises `Misfit` where grids, or channels that are added, differ."""
        shapes = {tap: earlier[tap].output for tap in self.taps}
        if any(len(one) != len(shape) for one in shapes.values()):
            raise Misfit(self, f"needs taps with {len(shape) - 1} axes, {_listed(shapes)}", shape)
        grid = next(iter(shapes.values()))[1:] if self.align == "resize" else shape[1:]
        for tap, one in shapes.items():
            if self.align is None and one[1:] != grid:
                raise Misfit(
                    self, f"needs the grid of {tap!r}, {written(one)}", shape,
                    fix='set align to "crop" or "resize", or make the sides such that pooling halves them evenly',
                )  # fmt: skip
            if self.align == "crop" and any(size < wanted for size, wanted in zip(one[1:], grid, strict=True)):
                raise Misfit(
                    self, f"needs taps no smaller than what flows, {_listed(shapes)}", shape,
                    fix='set align to "resize", or tap an earlier node',
                )  # fmt: skip
            if self.join == "add" and one[0] != shape[0]:
                raise Misfit(
                    self, f"needs as many channels as {tap!r}, {written(one)}, to add them", shape,
                    fix='put a `Conv` of kernel_size 1 before it, or set join to "concat"',
                )  # fmt: skip
        return joined((shape, *shapes.values()), grid, self.join)

    def linked_build(self, shape: Shape, earlier: Mapping[str, Earlier]) -> nn.Module:
        """`SkipJoin`."""
        self.linked_shape(shape, earlier)
        return SkipJoin(self.taps, self.join, self.align)


class SkipJoin(Joining):
    """What flows with what was tapped, concatenated or added.

    Args:
        taps: the names of the modules whose outputs come after what flows.
        join, align: as `Skip` has them.
    """

    def __init__(self, taps: tuple[str, ...], join: Join, align: str | None) -> None:
        super().__init__(taps)
        self.join, self.align = join, align

    def forward(self, x: Tensor, *tapped: Tensor) -> Tensor:
        parts = (x, *tapped)
        if self.align == "crop":
            parts = tuple(cropped(part, x.shape[2:]) for part in parts)
        elif self.align == "resize":
            first, *others = tapped
            parts = (resized(x, first.shape[2:]), first, *(resized(part, first.shape[2:]) for part in others))
        return joined_tensors(parts, self.join)

    def extra_repr(self) -> str:
        return f"{', '.join(self.taps)}, join={self.join}, align={self.align}"


@NODES.register("Tied")
@dataclass(frozen=True)
class Tied(Linked):
    """An earlier node of the same list once more, with the same weights.

    A `state_dict` holds them once, under the earlier node's name; their gradients add up.

    Args:
        to: the name of the earlier node.

    Input shape: any that the other's weights take. Output shape: as the other makes of it.

    >>> from striate.nets.network import Network
    >>> from striate.nets.nodes.conv import Conv
    >>> nodes = (Conv(8, padding=1), Conv(8, padding=1, name="shared"), Tied("shared"), Tied("shared"))
    >>> list(Network("net", nodes).build((1, 9, 9)).state_dict())
    ['conv1.weight', 'conv1.bias', 'shared.weight', 'shared.bias']
    """

    to: str

    label: ClassVar[str] = "tied"

    def links(self) -> tuple[str, ...]:
        """The other."""
        return (self.to,)

    def linked_shape(self, shape: Shape, earlier: Mapping[str, Earlier]) -> Shape:
        """What the other makes of this shape. Raises `Misfit` where its weights do not fit."""
        first = earlier[self._root(earlier)]
        try:
            output = first.node.output_shape(shape)
        except NetworkError as error:
            raise Misfit(self, f"needs what {self.to!r} takes: {error.message}", shape, error.fix) from None
        if shape != first.input and _tensors(first.node, shape) != _tensors(first.node, first.input):
            raise Misfit(
                self, f"needs the weights of {self.to!r}, which are for {written(first.input)}", shape,
                fix="bring what flows to that shape",
            )  # fmt: skip
        return output

    def linked_build(self, shape: Shape, earlier: Mapping[str, Earlier]) -> nn.Module:
        """`Again`."""
        self.linked_shape(shape, earlier)
        return Again(self._root(earlier))

    def _root(self, earlier: Mapping[str, Earlier]) -> str:
        """The name of the node that has the weights."""
        name = self.to
        while isinstance(node := earlier[name].node, Tied):
            name = node.to
        if isinstance(node, Linked):
            raise Misfit(self, f"names {self.to!r}, which only joins", None, fix="name a node that has weights")
        return name


def joined(shapes: tuple[Shape, ...], grid: Shape, join: Join) -> Shape:
    """The shape of tensors of one grid, concatenated or added."""
    return (sum(one[0] for one in shapes) if join == "concat" else shapes[0][0], *grid)


def joined_tensors(parts: tuple[Tensor, ...], join: Join) -> Tensor:
    """Tensors of one grid, concatenated along their channels or added."""
    if join == "concat":
        return torch.cat(parts, 1)
    total = parts[0]
    for part in parts[1:]:
        total = total + part
    return total


def cropped(maps: Tensor, grid: Shape) -> Tensor:
    """Maps (N, C, *grid'), cut about their centre to a grid."""
    for axis, size in enumerate(grid, 2):
        maps = maps.narrow(axis, (maps.shape[axis] - size) // 2, size)
    return maps


def resized(maps: Tensor, grid: Shape) -> Tensor:
    """Maps (N, C, *grid'), interpolated linearly to a grid; vectors as they are."""
    if not len(grid):
        return maps
    mode = ("linear", "bilinear", "trilinear")[len(grid) - 1]
    return functional.interpolate(maps, tuple(grid), mode=mode, align_corners=False)


def _listed(shapes: Mapping[str, Shape]) -> str:
    return " and ".join(f"{tap!r} has {written(shape)}" for tap, shape in shapes.items())


def _tensors(node: Node, shape: Shape) -> dict[str, tuple[int, ...]]:
    """The shapes of a node's tensors where it receives a shape, found without memory."""
    with torch.device("meta"):
        return {name: tuple(tensor.shape) for name, tensor in node.build(shape).state_dict().items()}
