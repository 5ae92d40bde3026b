"""Activations, by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import ClassVar, Literal, TypeAlias

from torch import nn

from striate.core.errors import NetworkError
from striate.nets.node import Node, Shape
from striate.nets.nodes import NODES

ActivationKind: TypeAlias = Literal[
    "relu", "relu6", "leaky_relu", "elu", "selu", "gelu", "gelu_tanh", "silu", "hard_swish", "hard_sigmoid", "sigmoid",
    "tanh", "softmax",
]  # fmt: skip

_MODULES: dict[str, Callable[[], nn.Module]] = {
    "relu": nn.ReLU,
    "relu6": nn.ReLU6,
    "leaky_relu": nn.LeakyReLU,
    "elu": nn.ELU,
    "selu": nn.SELU,
    "gelu": nn.GELU,
    "gelu_tanh": partial(nn.GELU, approximate="tanh"),
    "silu": nn.SiLU,
    "hard_swish": nn.Hardswish,
    "hard_sigmoid": nn.Hardsigmoid,
    "sigmoid": nn.Sigmoid,
    "tanh": nn.Tanh,
    "softmax": partial(nn.Softmax, dim=1),
}


@NODES.register("Activation")
@dataclass(frozen=True)
class Activation(Node):
    """A function of each number on its own; "softmax" of the channels at each position.

    Args:
        kind: "relu"; "relu6", cut at 6; "leaky_relu"; "elu" (Clevert et al. 2016); "selu" (Klambauer et al. 2017);
            "gelu" (Hendrycks and Gimpel 2016), and "gelu_tanh", its approximation; "silu", also called swish;
            "hard_swish" and "hard_sigmoid" (Howard et al. 2019); "sigmoid"; "tanh"; "softmax".
        slope: of "leaky_relu" below zero, 0.01 unless given.

    Input shape: any. Output shape: the same.
    """

    kind: ActivationKind = "relu"
    slope: float | None = None

    label: ClassVar[str] = "activation"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.slope is not None and self.kind != "leaky_relu":
            raise NetworkError(
                f"`{self}`: slope is an argument of leaky_relu alone", fix='leave it out, or set kind to "leaky_relu"'
            )

    def output_shape(self, shape: Shape) -> Shape:
        """The same shape."""
        return shape

    def build(self, shape: Shape) -> nn.Module:
        """The module; never in place, which would break the hooks that explain a network."""
        return activation(self.kind) if self.slope is None else nn.LeakyReLU(self.slope)


def activation(kind: ActivationKind) -> nn.Module:
    """The module of an activation."""
    return _MODULES[kind]()
