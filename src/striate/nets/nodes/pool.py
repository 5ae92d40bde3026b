"""Pooling: over windows, and over the whole grid."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn

from striate.core.errors import NetworkError
from striate.nets.node import Misfit, Node, Shape, Sizes, for_axes, needs_grid, per_axis
from striate.nets.nodes import NODES


@NODES.register("Pool")
@dataclass(frozen=True)
class Pool(Node):
    """The largest value, or the mean, of each window.

    Args:
        kernel_size: the window: one number, or one for each axis.
        kind: "max" or "average".
        stride: the step; the window itself unless given.
        padding: positions added on each side, at most half the window; they never win, and do not count in a mean.

    Input shape: (C, *grid). Output shape: (C, *grid'), ⌊(n + 2·padding − kernel_size) / stride⌋ + 1 for each axis:
    what the last window does not fill is left out.

    >>> Pool().output_shape((64, 13, 13))
    (64, 6, 6)
    """

    kernel_size: Sizes = 2
    kind: Literal["max", "average"] = "max"
    stride: Sizes | None = None
    padding: Sizes = 0

    label: ClassVar[str] = "pool"

    def __post_init__(self) -> None:
        super().__post_init__()
        self.at_least(1, "kernel_size", "stride")
        self.at_least(0, "padding")

    def output_shape(self, shape: Shape) -> Shape:
        """The shape of the output. Raises `Misfit` where no window fits."""
        needs_grid(self, shape)
        windows, strides, pads = self._axes(shape)
        if any(2 * pad > window for pad, window in zip(pads, windows, strict=True)):
            raise NetworkError(f"`{self}`: padding must be at most half of kernel_size")
        # torch does not count padding towards the window of an average over three axes.
        helps = (0,) * len(pads) if self.kind == "average" and len(pads) == 3 else pads
        if any(size + 2 * pad < window for size, pad, window in zip(shape[1:], helps, windows, strict=True)):
            least = "×".join(str(max(1, window - 2 * pad)) for window, pad in zip(windows, helps, strict=True))
            raise Misfit(
                self, f"needs at least {least}", shape, fix="give larger pictures, or leave this pooling layer out"
            )
        sizes = zip(shape[1:], pads, windows, strides, strict=True)
        return (shape[0], *((size + 2 * pad - window) // stride + 1 for size, pad, window, stride in sizes))

    def build(self, shape: Shape) -> nn.Module:
        """`nn.MaxPool1d` … `nn.AvgPool3d`."""
        self.output_shape(shape)
        windows, strides, pads = self._axes(shape)
        if self.kind == "max":
            module = for_axes(shape, nn.MaxPool1d, nn.MaxPool2d, nn.MaxPool3d)(windows, strides, pads)
        else:
            kinds = (nn.AvgPool1d, nn.AvgPool2d, nn.AvgPool3d)
            module = for_axes(shape, *kinds)(windows, strides, pads, count_include_pad=False)
        assert isinstance(module, nn.Module)
        return module

    def _axes(self, shape: Shape) -> tuple[Shape, Shape, Shape]:
        windows = per_axis(self, "kernel_size", shape)
        strides = windows if self.stride is None else per_axis(self, "stride", shape)
        return windows, strides, per_axis(self, "padding", shape)


@NODES.register("GlobalPool")
@dataclass(frozen=True)
class GlobalPool(Node):
    """One number, or two, for each channel, from the whole grid.

    Args:
        kind: "average" (Lin et al. 2014, "Network in network", section 3.2), "max", or "both": means, then maxima.

    Input shape: (C, *grid). Output shape: (C,), or (2·C,) for "both".

    >>> GlobalPool("both").output_shape((64, 7, 7))
    (128,)
    """

    kind: Literal["average", "max", "both"] = "average"

    label: ClassVar[str] = "global_pool"

    def output_shape(self, shape: Shape) -> Shape:
        """A vector."""
        needs_grid(self, shape)
        return (shape[0] * (2 if self.kind == "both" else 1),)

    def build(self, shape: Shape) -> nn.Module:
        """`GlobalPooling`."""
        self.output_shape(shape)
        return GlobalPooling(self.kind, len(shape) - 1)


class GlobalPooling(nn.Module):
    """From (N, C, *grid) to (N, C) or (N, 2·C)."""

    def __init__(self, kind: str, axes: int) -> None:
        super().__init__()
        self.kind = kind
        self.axes = tuple(range(2, 2 + axes))

    def forward(self, maps: Tensor) -> Tensor:
        if self.kind == "average":
            return maps.mean(self.axes)
        if self.kind == "max":
            return maps.amax(self.axes)
        return torch.cat([maps.mean(self.axes), maps.amax(self.axes)], 1)

    def extra_repr(self) -> str:
        return self.kind
