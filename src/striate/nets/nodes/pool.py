"""Pooling: over windows, over parts of a grid, over a pyramid of parts, and over the whole grid."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, TypeAlias

import torch
from torch import Tensor, nn
from torch.nn import functional

from striate.core.errors import NetworkError
from striate.nets.node import Misfit, Node, Shape, Sizes, for_axes, needs_grid, per_axis
from striate.nets.nodes import NODES
from striate.nets.nodes._windows import Windows

PoolKind: TypeAlias = Literal["max", "average"]

_ADAPTIVE_POOL: dict[str, tuple[Any, Any, Any]] = {
    "max": (functional.adaptive_max_pool1d, functional.adaptive_max_pool2d, functional.adaptive_max_pool3d),
    "average": (functional.adaptive_avg_pool1d, functional.adaptive_avg_pool2d, functional.adaptive_avg_pool3d),
}


@NODES.register("Pool")
@dataclass(frozen=True)
class Pool(Node):
    """The largest value, or the mean, of each window.

    Args:
        kernel_size: the window: one number, or one for each axis.
        kind: "max" or "average".
        stride: the step; the window itself unless given.
        padding: positions added on each side, at most half the window, which never win; or "same" for ⌈n / stride⌉
            windows, with the odd position behind, as TensorFlow does.
        partial: whether a last window that the padded grid does not fill counts (torch's `ceil_mode`); it is left out
            unless so.
        count_padding: whether padding counts in a mean, as zeros (torch's `count_include_pad`, which is its default).

    Input shape: (C, *grid). Output shape: (C, *grid'), ⌊(n + 2·padding − kernel_size) / stride⌋ + 1 for each axis;
    with `partial` rounded up, but for a window that would begin in the padding behind.

    >>> Pool().output_shape((64, 13, 13)), Pool(partial=True).output_shape((64, 13, 13))
    ((64, 6, 6), (64, 7, 7))
    >>> Pool(3, stride=2, padding="same").output_shape((64, 112, 112))
    (64, 56, 56)
    """

    kernel_size: Sizes = 2
    kind: PoolKind = "max"
    stride: Sizes | None = None
    padding: Sizes | Literal["same"] = 0
    partial: bool = False
    count_padding: bool = False

    label: ClassVar[str] = "pool"

    def __post_init__(self) -> None:
        super().__post_init__()
        self.at_least(1, "kernel_size", "stride")
        self.at_least(0, "padding")
        if self.partial and self.padding == "same":
            raise NetworkError(f'`{self}`: padding "same" fills every window', fix="leave partial out")
        if self.count_padding and self.kind == "max":
            raise NetworkError(f"`{self}`: count_padding is of averages", fix='leave it out, or set kind to "average"')

    def output_shape(self, shape: Shape) -> Shape:
        """The shape of the output. Raises `Misfit` where no window fits."""
        needs_grid(self, shape)
        windows = self._windows(shape)
        if isinstance(windows.padding, str):
            return (shape[0], *windows.outputs(shape[1:]))
        axes = list(zip(shape[1:], windows.padding, windows.kernel_size, windows.stride, strict=True))
        if any(2 * pad > kernel for _, pad, kernel, _ in axes):
            raise Misfit(self, "needs padding of at most half of kernel_size", shape, fix='pad less, or by "same"')
        least = [max(1, self._least(shape, *rest)) for _, *rest in axes]
        if any(size < one for size, one in zip(shape[1:], least, strict=True)):
            raise Misfit(
                self, f"needs at least {'×'.join(map(str, least))}", shape,
                fix="give larger inputs, or leave this pooling layer out",
            )  # fmt: skip
        return (shape[0], *(self._outputs(*axis) for axis in axes))

    def build(self, shape: Shape) -> nn.Module:
        """`nn.MaxPool1d` … `nn.AvgPool3d`; `PaddedPooling` where these do not pad so."""
        self.output_shape(shape)
        windows = self._windows(shape)
        pads = windows.even_pads()
        if self.padding == "same" and self.kind == "average" and len(shape) == 4:
            pads = None  # torch's own refuses grids smaller than the window, padded or not
        if pads is None:
            return PaddedPooling(self.kind, windows, self.count_padding)
        options = {"ceil_mode": self.partial}
        if self.kind == "average":
            options["count_include_pad"] = self.count_padding
        return _pooling(self.kind, len(pads))(windows.kernel_size, windows.stride, pads, **options)

    def _windows(self, shape: Shape) -> Windows:
        kernels = per_axis(self, "kernel_size", shape)
        strides = kernels if self.stride is None else per_axis(self, "stride", shape)
        padding = self.padding if self.padding == "same" else per_axis(self, "padding", shape)
        return Windows(kernels, strides, (1,) * len(kernels), padding, float("-inf") if self.kind == "max" else "zeros")

    def _least(self, shape: Shape, pad: int, kernel: int, stride: int) -> int:
        # torch counts no padding, nor the rest of a partial window, towards that of an average over three axes.
        if self.kind == "average" and len(shape) == 4:
            return kernel
        return kernel - 2 * pad - (stride - 1 if self.partial else 0)

    def _outputs(self, size: int, pad: int, kernel: int, stride: int) -> int:
        room = size + 2 * pad - kernel
        if not self.partial:
            return room // stride + 1
        count = -(-room // stride) + 1
        return count - 1 if (count - 1) * stride >= size + pad else count


class AveragePool3d(nn.AvgPool3d):
    """`nn.AvgPool3d`, by way of float32 for halves, which torch's own does not take on a processor."""

    def forward(self, input: Tensor) -> Tensor:
        halves = input.dtype in (torch.bfloat16, torch.float16)
        return super().forward(input.float() if halves else input).to(input.dtype)


class PaddedPooling(nn.Module):
    """Pooling of (N, C, *grid) behind padding with as many positions as the grid's size asks for.

    Args:
        kind: "max" or "average".
        windows: where the windows lie; their fill never wins, and is zero for an average.
        count_padding: whether padding counts in a mean.
    """

    def __init__(self, kind: PoolKind, windows: Windows, count_padding: bool) -> None:
        super().__init__()
        self.kind, self.windows, self.count_padding = kind, windows, count_padding
        self.pool = _pooling(kind, len(windows.kernel_size))(windows.kernel_size, windows.stride)

    def forward(self, maps: Tensor) -> Tensor:
        pooled = self._pool(maps)
        if self.kind == "max" or self.count_padding:
            return pooled
        return pooled / self._pool(maps.new_ones(1, 1, *maps.shape[2:]))

    def _pool(self, maps: Tensor) -> Tensor:
        pooled: Tensor = self.pool(self.windows.pad(maps))
        return pooled

    def extra_repr(self) -> str:
        return f"padding={self.windows.padding!r}"


def _pooling(kind: PoolKind, axes: int) -> Callable[..., nn.Module]:
    largest: tuple[Callable[..., nn.Module], ...] = (nn.MaxPool1d, nn.MaxPool2d, nn.MaxPool3d)
    means: tuple[Callable[..., nn.Module], ...] = (nn.AvgPool1d, nn.AvgPool2d, AveragePool3d)
    return (largest if kind == "max" else means)[axes - 1]


@NODES.register("AdaptivePool")
@dataclass(frozen=True)
class AdaptivePool(Node):
    """The largest value, or the mean, of each of so many parts of the grid, whatever its size.

    Part i of m on an axis of n reaches from ⌊i·n / m⌋ up to ⌈(i + 1)·n / m⌉, so that neighbours may overlap by a
    position, and repeat themselves where the grid is smaller.

    Args:
        size: parts: one number, or one for each axis.
        kind: "average" or "max".

    Input shape: (C, *grid). Output shape: (C, *size).

    >>> AdaptivePool(6).output_shape((256, 13, 13))
    (256, 6, 6)
    """

    size: Sizes
    kind: PoolKind = "average"

    label: ClassVar[str] = "pool"

    def __post_init__(self) -> None:
        super().__post_init__()
        self.at_least(1, "size")

    def output_shape(self, shape: Shape) -> Shape:
        """A grid of `size`."""
        needs_grid(self, shape)
        return (shape[0], *per_axis(self, "size", shape))

    def build(self, shape: Shape) -> nn.Module:
        """`nn.AdaptiveAvgPool1d` … `nn.AdaptiveMaxPool3d`."""
        sizes = self.output_shape(shape)[1:]
        if self.kind == "max":
            kinds: tuple[Any, Any, Any] = nn.AdaptiveMaxPool1d, nn.AdaptiveMaxPool2d, nn.AdaptiveMaxPool3d
        else:
            kinds = nn.AdaptiveAvgPool1d, nn.AdaptiveAvgPool2d, nn.AdaptiveAvgPool3d
        module = for_axes(shape, *kinds)(sizes[0] if len(sizes) == 1 else sizes)
        assert isinstance(module, nn.Module)
        return module


@NODES.register("SpatialPyramidPool")
@dataclass(frozen=True)
class SpatialPyramidPool(Node):
    """A vector of one length from a grid of any size: the grid pooled in 1, in 2×2 and in 4×4 parts, side by side.

    He et al. 2014, "Spatial pyramid pooling in deep convolutional networks for visual recognition", section 2.2.

    Args:
        levels: parts on each axis, level by level.
        kind: "max", as in the paper, or "average".

    Input shape: (C, *grid). Output shape: (C·Σ level^axes,): level by level, each row-major over C and its parts.

    >>> SpatialPyramidPool().output_shape((256, 13, 13))
    (5376,)
    """

    levels: tuple[int, ...] = (1, 2, 4)
    kind: PoolKind = "max"

    label: ClassVar[str] = "pyramid_pool"

    def __post_init__(self) -> None:
        super().__post_init__()
        self.at_least(1, "levels")
        if not self.levels:
            raise NetworkError(f"`{self}`: levels must name at least one", fix="give (1, 2, 4), say")

    def output_shape(self, shape: Shape) -> Shape:
        """A vector."""
        needs_grid(self, shape)
        return (shape[0] * sum(level ** (len(shape) - 1) for level in self.levels),)

    def build(self, shape: Shape) -> nn.Module:
        """`PyramidPooling`."""
        self.output_shape(shape)
        return PyramidPooling(self.levels, self.kind)


class PyramidPooling(nn.Module):
    """From (N, C, *grid) to (N, C·Σ level^axes)."""

    def __init__(self, levels: tuple[int, ...], kind: PoolKind) -> None:
        super().__init__()
        self.levels, self.kind = levels, kind

    def forward(self, maps: Tensor) -> Tensor:
        axes = maps.dim() - 2
        pool = _ADAPTIVE_POOL[self.kind][axes - 1]
        return torch.cat([pool(maps, (level,) * axes).flatten(1) for level in self.levels], 1)

    def extra_repr(self) -> str:
        return f"{self.kind}, levels={self.levels}"


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
