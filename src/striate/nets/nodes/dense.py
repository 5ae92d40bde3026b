"""The dense layer: every output sees every input."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import nn

from striate.nets.initialise import Initialiser, initialise
from striate.nets.node import Misfit, Node, Shape
from striate.nets.nodes import NODES


@NODES.register("Dense")
@dataclass(frozen=True)
class Dense(Node):
    """A matrix product and a bias: y = W x + b.

    Args:
        units: length of the output; the input's is inferred.
        bias: whether b is there.
        init: how W is drawn; see `striate.nets.initialise`.

    Input shape: (F,). Output shape: (units,).

    >>> Dense(10).output_shape((84,))
    (10,)
    """

    units: int
    bias: bool = True
    init: Initialiser = "default"

    label: ClassVar[str] = "dense"

    def __post_init__(self) -> None:
        super().__post_init__()
        self.at_least(1, "units")

    def output_shape(self, shape: Shape) -> Shape:
        """(units,). Raises `Misfit` for anything but a vector."""
        if len(shape) != 1:
            raise Misfit(self, "needs a vector", shape, fix="put `Flatten` or `GlobalPool` before it")
        return (self.units,)

    def build(self, shape: Shape) -> nn.Module:
        """`nn.Linear`."""
        self.output_shape(shape)
        module = nn.Linear(shape[0], self.units, bias=self.bias)
        initialise(module.weight, module.bias, self.init)
        return module
