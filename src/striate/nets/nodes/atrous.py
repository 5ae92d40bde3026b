"""Atrous spatial pyramid pooling."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from striate.core.errors import NetworkError
from striate.nets.chain import build_modules
from striate.nets.node import Node, Shape, Structure, Walk, needs_grid
from striate.nets.nodes import NODES
from striate.nets.nodes.activation import Activation
from striate.nets.nodes.conv import Conv
from striate.nets.nodes.dropout import Dropout
from striate.nets.nodes.norm import BatchNorm
from striate.nets.nodes.pool import AdaptivePool
from striate.nets.nodes.structure import Sequence
from striate.nets.nodes.upsample import LINEAR


@NODES.register("AtrousSpatialPyramid")
@dataclass(frozen=True)
class AtrousSpatialPyramid(Structure):
    """One position, ever wider surroundings and the whole grid seen at once: branches side by side, then projected.

    Chen et al. 2017, "Rethinking atrous convolution for semantic image segmentation" (DeepLab-v3), section 3.3, as
    torchvision has it: a convolution of 1, one of 3 for each rate, and the mean over the grid, interpolated back; each
    with a norm and ReLU. The mean's norm needs more than one sample in training.

    Args:
        filters: output channels of every branch, and of the whole.
        rates: the dilations.
        dropout: the share left out behind.

    Input shape: (C, *grid). Output shape: (filters, *grid). The modules are `branch1`, `branch2`, …, `pooling` and
    `project`.

    >>> AtrousSpatialPyramid().output_shape((2048, 28, 28))
    (256, 28, 28)
    """

    filters: int = 256
    rates: tuple[int, ...] = (12, 24, 36)
    dropout: float = 0.5

    label: ClassVar[str] = "atrous_pyramid"

    def __post_init__(self) -> None:
        super().__post_init__()
        self.at_least(1, "filters", "rates")
        if not 0 <= self.dropout < 1:
            raise NetworkError(f"`{self}`: dropout must lie in [0, 1), not {self.dropout}")

    def trace(self, shape: Shape, walk: Walk) -> Shape:
        """Through each branch, then the projection."""
        needs_grid(self, shape)
        branches = self._branches()
        walk.branches({branch.name or "": branch.nodes for branch in branches}, shape)
        return walk.chain((self._project(),), (len(branches) * self.filters, *shape[1:]))

    def build(self, shape: Shape) -> nn.Module:
        """`AtrousPyramid`."""
        self.output_shape(shape)
        branches = self._branches()
        modules = {name: module for branch in branches for name, module in build_modules((branch,), shape).items()}
        project = self._project().build((len(branches) * self.filters, *shape[1:]))
        return AtrousPyramid(modules, project)

    def _branches(self) -> list[Sequence]:
        wide = [self._branch(f"branch{n}", 3, rate) for n, rate in enumerate(self.rates, 2)]
        whole = self._branch("pooling", 1)
        return [self._branch("branch1", 1), *wide, Sequence((AdaptivePool(1), *whole.nodes), name="pooling")]

    def _branch(self, name: str, kernel_size: int, rate: int = 1) -> Sequence:
        padding = rate * (kernel_size // 2)
        convolution = Conv(self.filters, kernel_size, padding=padding, dilation=rate, bias=False)
        return Sequence((convolution, BatchNorm(), Activation("relu")), name=name)

    def _project(self) -> Sequence:
        nodes: tuple[Node, ...] = self._branch("project", 1).nodes
        return Sequence((*nodes, Dropout(self.dropout)), name="project")


class AtrousPyramid(nn.Module):
    """From (N, C, *grid) to (N, filters, *grid).

    Args:
        branches: by name; the last gives one position for the whole grid.
        project: from all of their channels, one after another, to the output's.
    """

    def __init__(self, branches: dict[str, nn.Module], project: nn.Module) -> None:
        super().__init__()
        self.order = tuple(branches)
        for name, module in branches.items():
            self.add_module(name, module)
        self.project = project

    def forward(self, maps: Tensor) -> Tensor:
        grid = maps.shape[2:]
        *near, whole = [getattr(self, name)(maps) for name in self.order]
        whole = functional.interpolate(whole, size=grid, mode=LINEAR[len(grid)], align_corners=False)
        result: Tensor = self.project(torch.cat([*near, whole], 1))
        return result
