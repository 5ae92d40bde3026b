"""Capsules: vectors whose length says whether something is there, and whose direction says how.

Sabour, Frosst and Hinton 2017, "Dynamic routing between capsules". L capsules of D numbers are a grid of one axis,
(D, L).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from striate.nets.initialise import initialise
from striate.nets.node import Node, Shape, needs_grid
from striate.nets.nodes import NODES
from striate.nets.nodes.attention import needs_tokens
from striate.nets.nodes.conv import Conv

_TINY = 1e-7


@NODES.register("PrimaryCapsules")
@dataclass(frozen=True)
class PrimaryCapsules(Node):
    """A convolution whose channels are parted into capsules, one of each kind at each position, squashed.

    Args:
        kinds: of capsules.
        size: numbers of a capsule.
        kernel_size, stride: of the convolution, which pads nothing.

    Input shape: (C, *grid). Output shape: (size, kinds·positions).

    >>> PrimaryCapsules().output_shape((256, 20, 20))
    (8, 1152)
    """

    kinds: int = 32
    size: int = 8
    kernel_size: int = 9
    stride: int = 2

    label: ClassVar[str] = "primary_capsules"

    def __post_init__(self) -> None:
        super().__post_init__()
        self.at_least(1, "kinds", "size", "kernel_size", "stride")

    def convolution(self) -> Conv:
        """The convolution."""
        return Conv(self.kinds * self.size, self.kernel_size, self.stride)

    def output_shape(self, shape: Shape) -> Shape:
        """(size, capsules). Raises `Misfit` where the kernel does not fit."""
        needs_grid(self, shape)
        return (self.size, self.kinds * math.prod(self.convolution().output_shape(shape)[1:]))

    def build(self, shape: Shape) -> nn.Module:
        """`ConvCapsules`."""
        self.output_shape(shape)
        return ConvCapsules(self.convolution().build(shape), self.kinds)


class ConvCapsules(nn.Module):
    """From (N, C, *grid) to capsules (N, size, kinds·positions)."""

    def __init__(self, conv: nn.Module, kinds: int) -> None:
        super().__init__()
        self.conv, self.kinds = conv, kinds

    def forward(self, maps: Tensor) -> Tensor:
        found: Tensor = self.conv(maps)
        parts = torch.unflatten(found, 1, (self.kinds, -1)).flatten(3)  # (N, kinds, size, positions)
        return squash(parts.transpose(1, 2).flatten(2))


@NODES.register("DigitCapsules")
@dataclass(frozen=True)
class DigitCapsules(Node):
    """Capsules of a higher level, each made of what all lower ones predict for it, by agreement.

    Procedure 1 of the paper: each lower capsule i predicts û = W_ij u for each higher one j; it is routed to those
    whose sum agrees with its prediction, b_ij growing by their product in each turn.

    Args:
        count: capsules.
        size: numbers of a capsule.
        turns: of routing; the paper has 3.

    Input shape: (D, L). Output shape: (size, count).

    >>> sum(one.numel() for one in DigitCapsules(10).build((8, 1152)).parameters())
    1474560
    """

    count: int
    size: int = 16
    turns: int = 3

    label: ClassVar[str] = "digit_capsules"

    def __post_init__(self) -> None:
        super().__post_init__()
        self.at_least(1, "count", "size", "turns")
        self.at_most_layers(self.turns)

    def output_shape(self, shape: Shape) -> Shape:
        """(size, count)."""
        needs_tokens(self, shape)
        return (self.size, self.count)

    def build(self, shape: Shape) -> nn.Module:
        """`RoutedCapsules`."""
        self.output_shape(shape)
        return RoutedCapsules(shape, self.count, self.size, self.turns)


class RoutedCapsules(nn.Module):
    """From (N, D, L) to (N, size, count).

    Args:
        shape: (D, L).
        count, size, turns: as `DigitCapsules` has them.
    """

    def __init__(self, shape: Shape, count: int, size: int, turns: int) -> None:
        super().__init__()
        self.turns = turns
        self.weight = nn.Parameter(torch.empty(count, shape[1], size, shape[0]))  # (K, L, size, D)
        initialise(self.weight.view(-1, shape[0]), None, "lecun_normal")

    def forward(self, capsules: Tensor) -> Tensor:
        predicted = torch.einsum("klsd,ndl->nkls", self.weight, capsules)
        agreed = torch.zeros_like(predicted[..., 0])  # (N, K, L)
        found = squash((predicted * agreed.softmax(1)[..., None]).sum(2), 2)
        for _ in range(self.turns - 1):
            agreed = agreed + (predicted * found[:, :, None]).sum(3)
            found = squash((predicted * agreed.softmax(1)[..., None]).sum(2), 2)
        return found.transpose(1, 2)


@NODES.register("CapsuleLengths")
@dataclass(frozen=True)
class CapsuleLengths(Node):
    """The length v of each capsule, in (0, 1), as a logit: ln(v / (1 − v)).

    Lengths themselves lie so close together that cross-entropy could not fall far; their sigmoid's inverse has no
    bounds, and the sigmoid of an output is the paper's length.

    Input shape: (D, K). Output shape: (K,).
    """

    label: ClassVar[str] = "lengths"

    def output_shape(self, shape: Shape) -> Shape:
        """A vector."""
        needs_tokens(self, shape)
        return (shape[1],)

    def build(self, shape: Shape) -> nn.Module:
        """`Lengths`."""
        self.output_shape(shape)
        return Lengths()


class Lengths(nn.Module):
    """From capsules (N, D, K) to logits (N, K)."""

    def forward(self, capsules: Tensor) -> Tensor:
        # v / (1 − v) of a squashed vector is |s|²; the bound is for lengths that rounding brings to 1.
        lengths = _norm(capsules, 1).squeeze(1)
        return lengths.log() - (1 - lengths).clamp(min=_TINY).log()


def squash(vectors: Tensor, axis: int = 1) -> Tensor:
    """Equation 1: v = |s|² / (1 + |s|²) · s / |s|: short vectors nearly vanish, long ones have nearly length 1."""
    norm = _norm(vectors, axis)
    return vectors * norm / (1 + norm * norm)


def _norm(vectors: Tensor, axis: int) -> Tensor:
    """Lengths whose gradient exists at zero."""
    return (vectors * vectors).sum(axis, keepdim=True).add(_TINY).sqrt()
