"""Filters that are known and not learnt, by name."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar, Literal, TypeAlias

import torch
from torch import Tensor, nn
from torch.nn import functional

from striate.nets.node import Node, Shape, Sizes, needs_grid, per_axis
from striate.nets.nodes import NODES
from striate.nets.nodes._windows import Fill, Windows, fitted

FilterKind: TypeAlias = Literal["sobel", "blur", "sharpen", "laplacian"]

_SMOOTH, _SLOPE, _BEND, _POINT = (1.0, 2.0, 1.0), (-1.0, 0.0, 1.0), (1.0, -2.0, 1.0), (0.0, 1.0, 0.0)


@NODES.register("FixedConv")
@dataclass(frozen=True)
class FixedConv(Node):
    """A known filter of 3 positions on each axis, passed over each channel on its own, and never trained.

    Args:
        kind: "sobel", the slope along each axis, smoothed along the others (Sobel and Feldman 1968): as many output
            channels as axes for each input channel, in the order of the axes (down, then across); "blur", the mean
            weighted 1, 2, 1 on each axis; "laplacian", the sum of the second differences along the axes; "sharpen",
            the grid less its Laplacian.
        stride: of 2 after "blur" halves a grid without aliasing (Zhang 2019, "Making convolutional networks
            shift-invariant again").
        padding: as numbers, "valid" or "same"; see `Conv`.
        fill: what the padding holds; see `Conv`. Repeats the outermost positions unless given, as zeros would be an
            edge where there is none.

    Input shape: (C, *grid). Output shape: (C, *grid'), or (axes·C, *grid') for "sobel".

    >>> FixedConv("sobel").output_shape((3, 28, 28)), FixedConv("blur", stride=2).output_shape((3, 28, 28))
    ((6, 28, 28), (3, 14, 14))
    """

    kind: FilterKind
    stride: Sizes = 1
    padding: Sizes | Literal["same", "valid"] = "same"
    fill: Fill = "replicate"

    label: ClassVar[str] = "fixed"

    def __post_init__(self) -> None:
        super().__post_init__()
        self.at_least(1, "stride")
        self.at_least(0, "padding")

    def output_shape(self, shape: Shape) -> Shape:
        """The shape of the output. Raises `Misfit` where the padded grid is smaller than the filter."""
        windows = self._windows(shape)
        return (shape[0] * (len(shape) - 1 if self.kind == "sobel" else 1), *fitted(self, shape, windows))

    def build(self, shape: Shape) -> nn.Module:
        """`FixedFilter`."""
        self.output_shape(shape)
        return FixedFilter(fixed_filters(self.kind, len(shape) - 1), shape[0], self._windows(shape))

    def _windows(self, shape: Shape) -> Windows:
        needs_grid(self, shape)
        axes = len(shape) - 1
        padding: Shape | Literal["same"] = (0,) * axes
        if self.padding == "same":
            padding = "same"
        elif self.padding != "valid":
            padding = per_axis(self, "padding", shape)
        return Windows((3,) * axes, per_axis(self, "stride", shape), (1,) * axes, padding, self.fill)


class FixedFilter(nn.Module):
    """Known filters over each channel of (N, C, *grid).

    Args:
        filters: (M, 3, …): M outputs for each channel.
        channels: C.
        windows: where they lie.
    """

    weight: Tensor

    def __init__(self, filters: Tensor, channels: int, windows: Windows) -> None:
        super().__init__()
        self.windows = windows
        self.register_buffer("weight", filters.unsqueeze(1).repeat(channels, *[1] * filters.dim()))

    def forward(self, maps: Tensor) -> Tensor:
        convolve = (functional.conv1d, functional.conv2d, functional.conv3d)[maps.dim() - 3]
        padded = self.windows.pad(maps)
        result: Tensor = convolve(padded, self.weight, stride=self.windows.stride, groups=maps.shape[1])
        return result

    def extra_repr(self) -> str:
        return f"{tuple(self.weight.shape)}, stride={self.windows.stride}, padding={self.windows.padding!r}"


def fixed_filters(kind: FilterKind, axes: int) -> Tensor:
    """The filters of a kind on so many axes, (M, 3, …) with M = axes for "sobel", else 1.

    >>> fixed_filters("sobel", 2)[1].tolist()
    [[-1.0, 0.0, 1.0], [-2.0, 0.0, 2.0], [-1.0, 0.0, 1.0]]
    """
    along = range(axes)
    if kind == "sobel":
        return torch.stack([_outer(_SLOPE if other == axis else _SMOOTH for other in along) for axis in along])
    if kind == "blur":
        return (_outer(_SMOOTH for _ in along) / 4.0**axes).unsqueeze(0)
    bends = [_outer(_BEND if other == axis else _POINT for other in along) for axis in along]
    laplacian = torch.stack(bends).sum(0, keepdim=True)
    return laplacian if kind == "laplacian" else _outer(_POINT for _ in along) - laplacian


def _outer(factors: Iterable[tuple[float, ...]]) -> Tensor:
    """The product of one factor for each axis."""
    product = torch.ones(())
    for factor in factors:
        product = torch.mul(product.unsqueeze(-1), torch.tensor(factor))
    return product
