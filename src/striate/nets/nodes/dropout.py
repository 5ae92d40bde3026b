"""Dropout."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import nn

from striate.core.errors import NetworkError
from striate.nets.node import Node, Shape
from striate.nets.nodes import NODES


@NODES.register("Dropout")
@dataclass(frozen=True)
class Dropout(Node):
    """Numbers set to zero at random in training, the others scaled up so that the mean stays.

    Srivastava et al. 2014, "Dropout: a simple way to prevent neural networks from overfitting".

    Args:
        rate: the share that is set to zero.

    Input shape: any. Output shape: the same.
    """

    rate: float = 0.5

    label: ClassVar[str] = "dropout"

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.rate < 1:
            raise NetworkError(f"`{self}`: rate must lie in [0, 1)")

    def output_shape(self, shape: Shape) -> Shape:
        """The same shape."""
        return shape

    def build(self, shape: Shape) -> nn.Module:
        """`nn.Dropout`."""
        return nn.Dropout(self.rate)
