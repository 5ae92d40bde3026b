"""Nodes made of nodes: a named group, repetition, and the residual block. Those with branches are in `branches`."""

from __future__ import annotations

import math
from collections import OrderedDict
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import ClassVar, Literal

from torch import Tensor, nn
from torch.nn import functional

from striate.core.errors import NetworkError
from striate.nets.chain import build_chain, build_modules, follow
from striate.nets.node import Misfit, Node, Shape, Structure, Walk, written
from striate.nets.nodes import NODES
from striate.nets.nodes.activation import ActivationKind, activation
from striate.nets.nodes.conv import Conv
from striate.nets.nodes.dense import Dense
from striate.nets.nodes.norm import BatchNorm, GroupNorm, InstanceNorm, LayerNorm

_PROBES = {1: 1024, 2: 1024, 3: 256}  # positions, by axes: so large a map shows strides, which a small one hides


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
        """`nn.Sequential` with names, or `Chain`."""
        return build_chain(self.nodes, shape)


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
        self.at_most_layers(self.count)

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
        return build_chain(self.copies(), shape)


@NODES.register("Residual")
@dataclass(frozen=True)
class Residual(Structure):
    """What the body makes of its input, added to the input: y = activation(body(x) + shortcut(x)).

    He et al. 2016, "Deep residual learning for image recognition", equations 1 and 2. With `activation` null and
    norms and activations ahead of the convolutions, it is the pre-activation block of He et al. 2016b.

    Args:
        body: the nodes of the branch.
        shortcut: "identity"; "projection", a convolution of 1×1 with the body's stride; "zero_padding", every
            stride-th position, between channels of zeros, half of them on each side (the paper's option A, without
            parameters); or "auto", the identity where the shapes agree, else a projection.
        activation: the function of the sum, or null for none.
        projection_norm: whether a projection is normalised, by a batch norm; or by which other norm.

    The body's modules are the block's own, beside `shortcut` and `activation`: `block1.conv1`,
    `block1.shortcut.conv`.
    """

    body: tuple[Node, ...]
    shortcut: Literal["auto", "identity", "projection", "zero_padding"] = "auto"
    activation: ActivationKind | None = "relu"
    projection_norm: bool | BatchNorm | LayerNorm | GroupNorm | InstanceNorm = True

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
        start = walk.sources
        output = walk.chain(self.body, shape)
        self._check(shape, output)
        walk.join(start)
        return output

    def build(self, shape: Shape) -> nn.Module:
        """`ResidualBlock`."""
        output = Walk().chain(self.body, shape)
        self._check(shape, output)
        body = build_modules(self.body, shape)
        shortcut = self._build_shortcut(shape, output)
        return ResidualBlock(body, shortcut, None if self.activation is None else activation(self.activation))

    def _check(self, shape: Shape, output: Shape) -> None:
        """Raise `Misfit` where the shortcut does not lead to the body's shape."""
        if self.shortcut == "zero_padding":
            self._padding(shape, output)
        else:
            self._projection(shape, output)

    def _build_shortcut(self, shape: Shape, output: Shape) -> nn.Module:
        if self.shortcut == "zero_padding":
            strides, more = self._padding(shape, output)
            return ZeroPadding(strides, more) if more or any(stride > 1 for stride in strides) else nn.Identity()
        projection = self._projection(shape, output)
        return nn.Identity() if projection is None else projection.build(shape)

    def _padding(self, shape: Shape, output: Shape) -> tuple[Shape, int]:
        """The stride of a shortcut of zeros on each axis, and the channels that it adds."""
        strides, more = self._strides(shape, output), output[0] - shape[0]
        if more < 0 or more % 2:
            raise Misfit(
                self, f"needs an even number of channels to add on its shortcut, its body gives {written(output)}",
                shape, fix='change the filters, or set shortcut to "projection"',
            )  # fmt: skip
        if tuple(-(-size // stride) for size, stride in zip(shape[1:], strides, strict=True)) != output[1:]:
            raise self._unreached(shape, output)
        return strides, more

    def _unreached(self, shape: Shape, output: Shape) -> Misfit:
        larger = any(after > before for before, after in zip(shape[1:], output[1:], strict=True))
        return Misfit(
            self, f"has a body that gives {written(output)}, which no stride reaches", shape,
            fix="put what enlarges the grid behind the sum" if larger else 'pad the body\'s convolutions ("same")',
        )  # fmt: skip

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
        bias = self.projection_norm is False
        if len(shape) == 1:
            layer: Node = Dense(output[0], bias=bias, init="he_normal", name="dense")
        else:
            layer = Conv(output[0], kernel_size=1, stride=strides, bias=bias, name="conv")
        given = self.projection_norm
        norm = BatchNorm() if isinstance(given, bool) else given
        projection = Sequence((layer, replace(norm, name="norm")) if given is not False else (layer,))
        if projection.trace(shape, Walk(math.inf)) != output:  # of `output` the walk through the body has judged
            raise self._unreached(shape, output)
        return projection

    def _strides(self, shape: Shape, output: Shape) -> tuple[int, ...]:
        if len(shape) != len(output):
            raise Misfit(self, f"has a body that gives {written(output)}, to which nothing can be added", shape)
        if len(shape) == 1:
            return ()
        steps = _steps(self.body, shape[0], len(shape) - 1)
        return tuple(
            max(1, round(before / after if step is None else step))
            for step, before, after in zip(steps, shape[1:], output[1:], strict=True)
        )


@lru_cache(maxsize=4096)
def _steps(body: tuple[Node, ...], channels: int, axes: int) -> tuple[float | None, ...]:
    """Positions of the input for one of the output, by axis; None along one whose output is of one size for all.

    Kept, for a block within blocks would else be walked anew for each of them, and for each of those.
    """
    side = _PROBES[axes]
    near, far = (Walk(math.inf).chain(body, (channels, *(size,) * axes))[1:] for size in (side, 2 * side))
    grown = (after - before for before, after in zip(near, far, strict=True))
    return tuple(side / more if more else None for more in grown)


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
        y = follow({name: self.get_submodule(name) for name in self.order}, x)
        result: Tensor = self.activation(y + self.shortcut(x))
        return result


class ZeroPadding(nn.Module):
    """Every stride-th position of (N, C, *grid), between channels of zeros.

    Args:
        strides: of each axis.
        more: channels that are added, half of them on each side.
    """

    def __init__(self, strides: Shape, more: int) -> None:
        super().__init__()
        self.strides, self.more = strides, more

    def forward(self, x: Tensor) -> Tensor:
        x = x[(slice(None), slice(None), *(slice(None, None, stride) for stride in self.strides))]
        around = (0, 0) * len(self.strides)
        return functional.pad(x, (*around, self.more // 2, self.more // 2))

    def extra_repr(self) -> str:
        return f"strides={self.strides}, more={self.more}"
