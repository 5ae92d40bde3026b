"""Normalisation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import nn

from striate.core.errors import NetworkError
from striate.nets.node import Misfit, Node, Shape
from striate.nets.nodes import NODES


@NODES.register("BatchNorm")
@dataclass(frozen=True)
class BatchNorm(Node):
    """Each channel less its mean, over its deviation, then scaled and shifted by learnt numbers.

    Ioffe and Szegedy 2015, "Batch normalization", algorithms 1 and 2: statistics of the batch in training, of the
    training so far in evaluation.

    Args:
        initial_scale: the learnt scale at first. 0 for the last norm of a residual branch makes each block the
            identity at first, so that depth costs nothing (Goyal et al. 2017, section 5.1).
        momentum: the share of the newest batch in the running statistics.
        epsilon: added to the variance.

    Input shape: (C, *grid) or (F,). Output shape: the same.
    """

    initial_scale: float = 1.0
    momentum: float = 0.1
    epsilon: float = 1e-5

    label: ClassVar[str] = "norm"

    def __post_init__(self) -> None:
        super().__post_init__()
        if not (0 < self.momentum <= 1 and self.epsilon > 0):
            raise NetworkError(f"`{self}`: momentum must lie in (0, 1], and epsilon above 0")

    def output_shape(self, shape: Shape) -> Shape:
        """The same shape."""
        if not 1 <= len(shape) <= 4:
            raise Misfit(self, "needs a vector, or channels and one to three axes", shape)
        return shape

    def build(self, shape: Shape) -> nn.Module:
        """`nn.BatchNorm1d`, `nn.BatchNorm2d` or `nn.BatchNorm3d`."""
        self.output_shape(shape)
        kind = {1: nn.BatchNorm1d, 2: nn.BatchNorm1d, 3: nn.BatchNorm2d, 4: nn.BatchNorm3d}[len(shape)]
        module = kind(shape[0], eps=self.epsilon, momentum=self.momentum)
        nn.init.constant_(module.weight, self.initial_scale)
        return module
