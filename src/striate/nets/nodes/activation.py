"""Activations, by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Literal, TypeAlias

from torch import nn

from striate.nets.node import Node, Shape
from striate.nets.nodes import NODES

ActivationKind: TypeAlias = Literal["relu", "leaky_relu", "elu", "gelu", "silu", "tanh", "sigmoid"]

_MODULES: dict[str, Callable[[], nn.Module]] = {
    "relu": nn.ReLU,
    "leaky_relu": nn.LeakyReLU,
    "elu": nn.ELU,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
}


@NODES.register("Activation")
@dataclass(frozen=True)
class Activation(Node):
    """A function of each number on its own.

    Args:
        kind: the function.

    Input shape: any. Output shape: the same.
    """

    kind: ActivationKind = "relu"

    label: ClassVar[str] = "activation"

    def output_shape(self, shape: Shape) -> Shape:
        """The same shape."""
        return shape

    def build(self, shape: Shape) -> nn.Module:
        """The module; never in place, which would break the hooks that explain a network."""
        return activation(self.kind)


def activation(kind: ActivationKind) -> nn.Module:
    """The module of an activation."""
    return _MODULES[kind]()
