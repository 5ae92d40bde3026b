"""Tokens, and attention among them. A sequence of L tokens of D numbers is a grid of one axis, (D, L)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from striate.core.errors import NetworkError
from striate.nets.initialise import Initialiser, initialise
from striate.nets.node import Misfit, Node, Shape, for_axes, needs_grid
from striate.nets.nodes import NODES


@NODES.register("PatchEmbed")
@dataclass(frozen=True)
class PatchEmbed(Node):
    """Each patch of a grid as a token: a convolution whose kernel is its stride, its positions in a row.

    Dosovitskiy et al. 2021, "An image is worth 16x16 words", equation 1.

    Args:
        units: numbers of a token.
        size: side of a patch, in positions.
        init: how the filters are drawn.

    Input shape: (C, *grid), sides that `size` divides. Output shape: (units, patches), row by row.

    >>> PatchEmbed(192, size=16).output_shape((3, 224, 224))
    (192, 196)
    """

    units: int
    size: int = 16
    init: Initialiser = "lecun_normal"

    label: ClassVar[str] = "patches"

    def __post_init__(self) -> None:
        super().__post_init__()
        self.at_least(1, "units", "size")

    def output_shape(self, shape: Shape) -> Shape:
        """(units, patches). Raises `Misfit` where a side is no multiple of the patch's."""
        needs_grid(self, shape)
        if any(side % self.size or not side for side in shape[1:]):
            near = "×".join(str(max(1, round(side / self.size)) * self.size) for side in shape[1:])
            raise Misfit(
                self, f"needs sides that {self.size} divides", shape, fix=f"the nearest that it takes are {near}"
            )
        return (self.units, math.prod(side // self.size for side in shape[1:]))

    def build(self, shape: Shape) -> nn.Module:
        """`nn.Conv1d` to `nn.Conv3d`, then the positions in a row."""
        self.output_shape(shape)
        project = for_axes(shape, nn.Conv1d, nn.Conv2d, nn.Conv3d)(shape[0], self.units, self.size, self.size)
        initialise(project.weight, project.bias, self.init)
        return Patches(project)


class Patches(nn.Module):
    """From (N, C, *grid) to (N, units, patches)."""

    def __init__(self, project: nn.Module) -> None:
        super().__init__()
        self.project = project

    def forward(self, maps: Tensor) -> Tensor:
        found: Tensor = self.project(maps)
        return found.flatten(2)


@NODES.register("ClassToken")
@dataclass(frozen=True)
class ClassToken(Node):
    """A learnt token ahead of the others, which comes to hold what they say together (Dosovitskiy et al. 2021).

    Input shape: (D, L). Output shape: (D, L + 1).
    """

    label: ClassVar[str] = "class_token"

    def output_shape(self, shape: Shape) -> Shape:
        """One token more."""
        needs_tokens(self, shape)
        return (shape[0], shape[1] + 1)

    def build(self, shape: Shape) -> nn.Module:
        """`LearntToken`."""
        self.output_shape(shape)
        return LearntToken(shape[0])


class LearntToken(nn.Module):
    """From (N, D, L) to (N, D, L + 1)."""

    def __init__(self, units: int) -> None:
        super().__init__()
        self.token = nn.Parameter(torch.empty(1, 1, units))
        initialise(self.token, None, "truncated_normal")

    def forward(self, tokens: Tensor) -> Tensor:
        return torch.cat([self.token.transpose(1, 2).expand(tokens.shape[0], -1, -1), tokens], 2)


@NODES.register("PositionEncoding")
@dataclass(frozen=True)
class PositionEncoding(Node):
    """Where each token stands, added to it.

    Args:
        kind: "learnt", a number for each token's every number; or "sinusoidal", sines and cosines of wavelengths from
            2π to 10,000·2π, never trained (Vaswani et al. 2017, "Attention is all you need", section 3.5).

    Input shape: (D, L). Output shape: the same.
    """

    kind: Literal["learnt", "sinusoidal"] = "learnt"

    label: ClassVar[str] = "positions"

    def output_shape(self, shape: Shape) -> Shape:
        """The same shape. Raises `Misfit` where sines and cosines do not come in pairs."""
        needs_tokens(self, shape)
        if self.kind == "sinusoidal" and shape[0] % 2:
            raise Misfit(self, "needs tokens of an even length", shape, fix='set kind to "learnt"')
        return shape

    def build(self, shape: Shape) -> nn.Module:
        """`Positions`."""
        self.output_shape(shape)
        return Positions(shape[0], shape[1], self.kind == "learnt")


class Positions(nn.Module):
    """(N, D, L) and what tells its positions."""

    positions: Tensor

    def __init__(self, units: int, count: int, learnt: bool) -> None:
        super().__init__()
        if learnt:
            self.positions = nn.Parameter(torch.empty(1, count, units))
            initialise(self.positions, None, "truncated_normal")
        else:
            self.register_buffer("positions", waves(count, units)[None])

    def forward(self, tokens: Tensor) -> Tensor:
        return tokens + self.positions.transpose(1, 2).to(tokens.dtype)


def waves(count: int, units: int) -> Tensor:
    """Vaswani et al. 2017, section 3.5: PE(p, 2i) = sin(p / 10000^(2i / units)), PE(p, 2i + 1) the cosine.

    Returns:
        (count, units).
    """
    rates = 10_000.0 ** (-torch.arange(0, units, 2, dtype=torch.float32) / units)
    angles = torch.arange(count, dtype=torch.float32)[:, None] * rates
    return torch.stack([angles.sin(), angles.cos()], 2).flatten(1)


@NODES.register("SelfAttention")
@dataclass(frozen=True)
class SelfAttention(Node):
    """Each token becomes a mean of all tokens' values, weighed by how well its query fits their keys.

    Vaswani et al. 2017, equation 1 and section 3.2.2: softmax(Q Kᵀ / √d) V in each of the heads, their results side by
    side projected once more.

    Args:
        heads: must divide the tokens' length; d is the length over the heads.
        dropout: rate behind the last projection.
        init: how the projections are drawn.

    Input shape: (D, L). Output shape: the same.

    >>> sum(one.numel() for one in SelfAttention(3).build((192, 10)).parameters())
    148224
    """

    heads: int = 8
    dropout: float = 0.0
    init: Initialiser = "truncated_normal"

    label: ClassVar[str] = "attention"

    def __post_init__(self) -> None:
        super().__post_init__()
        self.at_least(1, "heads")
        if not 0 <= self.dropout < 1:
            raise NetworkError(f"`{self}`: dropout must lie in [0, 1), not {self.dropout}")

    def output_shape(self, shape: Shape) -> Shape:
        """The same shape. Raises `Misfit` where the heads do not divide the tokens' length."""
        needs_tokens(self, shape)
        if shape[0] % self.heads:
            raise Misfit(self, f"needs tokens of a length that {self.heads} heads divide", shape, fix="change heads")
        return shape

    def build(self, shape: Shape) -> nn.Module:
        """`Attention`."""
        self.output_shape(shape)
        module = Attention(shape[0], self.heads, self.dropout)
        for layer in (module.queries_keys_values, module.project):
            initialise(layer.weight, layer.bias, self.init)
        return module


class Attention(nn.Module):
    """From (N, D, L) to (N, D, L)."""

    def __init__(self, units: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.queries_keys_values = nn.Linear(units, 3 * units)
        self.project = nn.Linear(units, units)
        self.dropout = nn.Dropout(dropout)

    def forward(self, tokens: Tensor) -> Tensor:
        joined: Tensor = self.queries_keys_values(tokens.transpose(1, 2))  # (N, L, 3·D)
        count, length, units = joined.shape
        parts = joined.reshape(count, length, 3, self.heads, units // (3 * self.heads))
        parts = parts.permute(2, 0, 3, 1, 4)  # (3, N, heads, L, d)
        queries, keys, values = parts.unbind(0)
        found = functional.scaled_dot_product_attention(queries, keys, values)
        projected: Tensor = self.dropout(self.project(found.transpose(1, 2).flatten(2)))
        return projected.transpose(1, 2)


@NODES.register("PositionwiseDense")
@dataclass(frozen=True)
class PositionwiseDense(Node):
    """The same matrix product, and bias, at each position (Vaswani et al. 2017, section 3.3).

    Args:
        units: channels of the output.
        bias: whether a number is added to each.
        init: how the matrix is drawn.

    Input shape: (C, *grid). Output shape: (units, *grid).
    """

    units: int
    bias: bool = True
    init: Initialiser = "truncated_normal"

    label: ClassVar[str] = "dense"

    def __post_init__(self) -> None:
        super().__post_init__()
        self.at_least(1, "units")

    def output_shape(self, shape: Shape) -> Shape:
        """(units, *grid)."""
        needs_grid(self, shape)
        return (self.units, *shape[1:])

    def build(self, shape: Shape) -> nn.Module:
        """`ChannelLinear`."""
        self.output_shape(shape)
        module = ChannelLinear(shape[0], self.units, bias=self.bias)
        initialise(module.weight, module.bias, self.init)
        return module


class ChannelLinear(nn.Linear):
    """`nn.Linear` over the channels of (N, C, *grid)."""

    def forward(self, input: Tensor) -> Tensor:
        return super().forward(input.movedim(1, -1)).movedim(-1, 1)


@NODES.register("ClassPool")
@dataclass(frozen=True)
class ClassPool(Node):
    """The first token alone: that of `ClassToken`.

    Input shape: (D, L). Output shape: (D,).
    """

    label: ClassVar[str] = "class_pool"

    def output_shape(self, shape: Shape) -> Shape:
        """A vector."""
        needs_tokens(self, shape)
        return (shape[0],)

    def build(self, shape: Shape) -> nn.Module:
        """`FirstToken`."""
        self.output_shape(shape)
        return FirstToken()


class FirstToken(nn.Module):
    """From (N, D, L) to (N, D)."""

    def forward(self, tokens: Tensor) -> Tensor:
        return tokens[:, :, 0]


def needs_tokens(node: Node, shape: Shape) -> None:
    """Raise `Misfit` unless the shape is one of tokens, (D, L)."""
    if len(shape) != 2:
        raise Misfit(node, "needs tokens, (D, L)", shape, fix="put `PatchEmbed` or `Embedding` before it")
