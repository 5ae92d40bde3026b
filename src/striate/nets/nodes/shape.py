"""Nodes that only change the shape."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from torch import nn

from striate.nets.node import Node, Shape
from striate.nets.nodes import NODES


@NODES.register("Flatten")
@dataclass(frozen=True)
class Flatten(Node):
    """A grid as a vector, row-major over C, H, W (channels first).

    Input shape: any. Output shape: (F,), the product.

    >>> Flatten().output_shape((16, 5, 5))
    (400,)
    """

    label: ClassVar[str] = "flatten"

    def output_shape(self, shape: Shape) -> Shape:
        """A vector."""
        return (math.prod(shape),)

    def build(self, shape: Shape) -> nn.Module:
        """`nn.Flatten`."""
        return nn.Flatten()
