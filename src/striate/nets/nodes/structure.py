"""Nodes made of nodes: a named group, repetition, and the residual block."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, replace
from typing import ClassVar, Literal

from torch import Tensor, nn

from striate.core.errors import NetworkError
from striate.nets.node import Misfit, Node, Shape, Structure, Walk, build_chain, written
from striate.nets.nodes import NODES
from striate.nets.nodes.activation import ActivationKind, activation
from striate.nets.nodes.conv import Conv
from striate.nets.nodes.dense import Dense
from striate.nets.nodes.norm import BatchNorm

_PROBE = 1024  # pixels: large enough that strides show, which a map of one position hides


@NODES.register("Sequence")
@dataclass(frozen=True)
class Sequence(Structure):
    """Nodes one after another, under one name.

    Args:
        nodes: the nodes.
    """

    nodes: tuple[Node, ...]

    label: ClassVar[str] = "sequence"

    def trace(self, shape: Shape, walk: Walk) -> Shape:
        """Through each node in turn."""
        return walk.chain(self.nodes, shape)

    def build(self, shape: Shape) -> nn.Module:
        """`nn.Sequential` with names."""
        return nn.Sequential(build_chain(self.nodes, shape))


@NODES.register("Repeat")
@dataclass(frozen=True)
class Repeat(Structure):
    """A node several times over, each with weights of its own.

    The copies are called after the block and numbered: `block1`, `block2`.

    Args:
        block: what is repeated.
        count: how many there are.
        first: what stands in place of the first, where a stage begins with a stride.
    """

    block: Node
    count: int
    first: Node | None = None

    label: ClassVar[str] = "repeat"

    def __post_init__(self) -> None:
        super().__post_init__()
        self.at_least(1, "count")

    def copies(self) -> list[Node]:
        """The copies with their names. Made where they are needed, so that the value stays small."""
        base = self.block.name or self.block.label
        first = self.block if self.first is None else self.first
        return [replace(first if n == 1 else self.block, name=f"{base}{n}") for n in range(1, self.count + 1)]

    def trace(self, shape: Shape, walk: Walk) -> Shape:
        """Through each copy in turn."""
        return walk.chain(self.copies(), shape)

    def build(self, shape: Shape) -> nn.Module:
        """`nn.Sequential` of the copies."""
        return nn.Sequential(build_chain(self.copies(), shape))


@NODES.register("Residual")
@dataclass(frozen=True)
class Residual(Structure):
    """What the body makes of its input, added to the input: y = activation(body(x) + shortcut(x)).

    He et al. 2016, "Deep residual learning for image recognition", equations 1 and 2. With `activation` null and
    norms and activations ahead of the convolutions, it is the pre-activation block of He et al. 2016b.

    Args:
        body: the nodes of the branch.
        shortcut: "identity"; "projection", a convolution of 1×1 with the body's stride; or "auto", the first where
            the shapes agree, else the second.
        activation: the function of the sum, or null for none.
        projection_norm: whether a projection is normalised.

    The body's modules are the block's own, beside `shortcut` and `activation`: `block1.conv1`,
    `block1.shortcut.conv`.
    """

    body: tuple[Node, ...]
    shortcut: Literal["auto", "identity", "projection"] = "auto"
    activation: ActivationKind | None = "relu"
    projection_norm: bool = True

    label: ClassVar[str] = "residual"

    def __post_init__(self) -> None:
        super().__post_init__()
        for node in self.body:
            if node.name in ("shortcut", "activation"):
                raise NetworkError(
                    f"`{self}`: the name {node.name!r} is taken by the block's own", fix="choose another"
                )

    def trace(self, shape: Shape, walk: Walk) -> Shape:
        """Through the body; the shortcut must lead to the same shape."""
        output = walk.chain(self.body, shape)
        self._projection(shape, output)
        return output

    def build(self, shape: Shape) -> nn.Module:
        """`ResidualBlock`."""
        projection = self._projection(shape, Walk().chain(self.body, shape))
        body = build_chain(self.body, shape)
        shortcut = nn.Identity() if projection is None else projection.build(shape)
        return ResidualBlock(body, shortcut, None if self.activation is None else activation(self.activation))

    def _projection(self, shape: Shape, output: Shape) -> Sequence | None:
        """What the shortcut does to reach the body's shape; None where it needs nothing."""
        strides = self._strides(shape, output)
        same = shape == output and all(stride == 1 for stride in strides)
        if self.shortcut == "identity" and not same:
            raise Misfit(
                self, f"needs a body that keeps the shape, its body gives {written(output)}", shape,
                fix='set shortcut to "projection" or "auto"',
            )  # fmt: skip
        if same and self.shortcut != "projection":
            return None
        bias = not self.projection_norm
        if len(shape) == 1:
            layer: Node = Dense(output[0], bias=bias, init="he_normal", name="dense")
        else:
            layer = Conv(output[0], kernel_size=1, stride=strides, bias=bias, name="conv")
        projection = Sequence((layer, BatchNorm(name="norm")) if self.projection_norm else (layer,))
        if projection.output_shape(shape) != output:
            raise Misfit(
                self, f"has a body that gives {written(output)}, which no stride reaches", shape,
                fix='pad the body\'s convolutions ("same")',
            )  # fmt: skip
        return projection

    def _strides(self, shape: Shape, output: Shape) -> tuple[int, ...]:
        if len(shape) != len(output):
            raise Misfit(self, f"has a body that gives {written(output)}, to which nothing can be added", shape)
        if len(shape) == 1:
            return ()
        probe = Walk().chain(self.body, (shape[0], *(_PROBE for _ in shape[1:])))
        return tuple(max(1, round(_PROBE / size)) for size in probe[1:])


class ResidualBlock(nn.Module):
    """activation(body(x) + shortcut(x)).

    Args:
        body: the branch's modules by name, which become the block's own.
        shortcut: from the input to what is added.
        activation: of the sum, or None.
    """

    def __init__(self, body: OrderedDict[str, nn.Module], shortcut: nn.Module, activation: nn.Module | None) -> None:
        super().__init__()
        self.order = tuple(body)
        for name, module in body.items():
            self.add_module(name, module)
        self.shortcut = shortcut
        self.activation = nn.Identity() if activation is None else activation

    def forward(self, x: Tensor) -> Tensor:
        y = x
        for name in self.order:
            y = getattr(self, name)(y)
        result: Tensor = self.activation(y + self.shortcut(x))
        return result
