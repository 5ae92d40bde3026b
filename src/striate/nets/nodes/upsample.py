"""From smaller grids to larger ones: by interpolation, and by transposed convolution."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn

from striate.core.errors import NetworkError
from striate.nets.initialise import Initialiser, initialise
from striate.nets.node import Misfit, Node, Shape, Sizes, for_axes, needs_grid, per_axis
from striate.nets.nodes import NODES

LINEAR = {1: "linear", 2: "bilinear", 3: "trilinear"}  # what torch calls it, by the number of axes


@NODES.register("Upsample")
@dataclass(frozen=True)
class Upsample(Node):
    """A larger grid by interpolation.

    Args:
        scale: how many times larger: one number, or one for each axis.
        size: in place of `scale`, the size itself.
        kind: "nearest", each position repeated, or "linear" on every axis.
        align_corners: of "linear", whether the outermost positions keep their places at the grid's ends, instead of
            each position standing for the middle of its cell.

    Input shape: (C, *grid). Output shape: (C, *scale·grid) or (C, *size).

    >>> Upsample(2).output_shape((64, 7, 7)), Upsample(size=224, kind="linear").output_shape((21, 28, 28))
    ((64, 14, 14), (21, 224, 224))
    """

    scale: Sizes | None = None
    size: Sizes | None = None
    kind: Literal["nearest", "linear"] = "nearest"
    align_corners: bool = False

    label: ClassVar[str] = "upsample"

    def __post_init__(self) -> None:
        super().__post_init__()
        self.at_least(1, "scale", "size")
        if (self.scale is None) == (self.size is None):
            raise NetworkError(f"`{self}`: needs scale or size, one of them", fix="give scale=2, say")
        if self.align_corners and self.kind != "linear":
            raise NetworkError(f'`{self}`: align_corners is of kind "linear"', fix="leave it out, or change kind")

    def output_shape(self, shape: Shape) -> Shape:
        """The shape of the output."""
        needs_grid(self, shape)
        if self.scale is None:
            return (shape[0], *per_axis(self, "size", shape))
        scales = per_axis(self, "scale", shape)
        return (shape[0], *(size * scale for size, scale in zip(shape[1:], scales, strict=True)))

    def build(self, shape: Shape) -> nn.Module:
        """`nn.Upsample`; by scale, it serves grids of other sizes too."""
        sizes = self.output_shape(shape)[1:]
        mode = "nearest" if self.kind == "nearest" else LINEAR[len(sizes)]
        corners = None if self.kind == "nearest" else self.align_corners
        if self.scale is None:
            return nn.Upsample(size=sizes, mode=mode, align_corners=corners)
        scales = tuple(float(scale) for scale in per_axis(self, "scale", shape))
        return nn.Upsample(scale_factor=scales, mode=mode, align_corners=corners)


@NODES.register("TransposedConv")
@dataclass(frozen=True)
class TransposedConv(Node):
    """The gradient of a convolution by its input, as a layer: each input position adds its filter, `stride` apart.

    Zeiler et al. 2010, "Deconvolutional networks"; Long, Shelhamer and Darrell 2015, "Fully convolutional networks",
    section 3.3. A kernel that the stride does not divide covers positions unevenly (Odena et al. 2016,
    "Deconvolution and checkerboard artifacts").

    Args:
        filters: output channels; input channels are inferred.
        kernel_size, stride, dilation: one number, or one for each axis.
        padding: positions cut off on each side, as numbers; "valid" cuts none; "same" gives n·stride, cutting the odd
            position behind, as TensorFlow does.
        output_padding: positions more behind, below stride or dilation: of the sizes that a convolution with this
            stride would bring to n, the smallest is given without it.
        groups: must divide input channels and filters.
        bias: whether a number is added to each output channel.
        init: how the filters are drawn, for as many inputs as a convolution of this kernel has; see
            `striate.nets.initialise`.

    Input shape: (C, *grid). Output shape: (filters, *grid'), where each axis of n becomes
    (n − 1)·stride − 2·padding + dilation·(kernel_size − 1) + 1 + output_padding.

    >>> TransposedConv(64, kernel_size=4, stride=2, padding=1).output_shape((128, 8, 8))
    (64, 16, 16)
    >>> TransposedConv(8, kernel_size=3, padding="same").output_shape((16, 7))
    (8, 14)
    """

    filters: int
    kernel_size: Sizes = 2
    stride: Sizes = 2
    padding: Sizes | Literal["same", "valid"] = "valid"
    output_padding: Sizes = 0
    dilation: Sizes = 1
    groups: int = 1
    bias: bool = True
    init: Initialiser = "he_normal"

    label: ClassVar[str] = "transposed"

    def __post_init__(self) -> None:
        super().__post_init__()
        self.at_least(1, "filters", "kernel_size", "stride", "dilation", "groups")
        self.at_least(0, "padding", "output_padding")
        if self.padding == "same" and self.output_padding not in (0, (0,), (0, 0), (0, 0, 0)):
            raise NetworkError(f'`{self}`: padding "same" settles the size', fix="leave output_padding out")

    def output_shape(self, shape: Shape) -> Shape:
        """The shape of the output. Raises `Misfit` where groups do not divide, or nothing would be left."""
        needs_grid(self, shape)
        for count, what in ((shape[0], "input channels"), (self.filters, "filters")):
            if count % self.groups:
                raise Misfit(
                    self, f"needs {what} that {self.groups} groups divide, has {count}", shape, fix="change groups"
                )
        strides, spans = per_axis(self, "stride", shape), self._spans(shape)
        if self.padding == "same":
            return (self.filters, *(size * stride for size, stride in zip(shape[1:], strides, strict=True)))
        cuts, extras, gaps = self._cuts(shape), self._extras(shape), per_axis(self, "dilation", shape)
        for extra, stride, gap in zip(extras, strides, gaps, strict=True):
            if extra >= max(stride, gap):
                raise Misfit(self, "needs output_padding below stride or dilation", shape, fix="lower output_padding")
        axes = zip(shape[1:], strides, spans, cuts, extras, strict=True)
        sizes = [(size - 1) * stride - 2 * cut + span + extra for size, stride, span, cut, extra in axes]
        if min(sizes) < 1:
            raise Misfit(self, "needs less padding, which cuts everything off", shape, fix="lower padding")
        return (self.filters, *sizes)

    def build(self, shape: Shape) -> nn.Module:
        """`nn.ConvTranspose1d` … `nn.ConvTranspose3d`; a subclass that cuts where "same" has unequal sides."""
        self.output_shape(shape)
        strides, spans = per_axis(self, "stride", shape), self._spans(shape)
        odd = self.padding == "same" and any(
            span > stride and (span - stride) % 2 for span, stride in zip(spans, strides, strict=True)
        )
        kinds = (
            (SameConvTranspose1d, SameConvTranspose2d, SameConvTranspose3d)
            if odd
            else (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
        )
        module = for_axes(shape, *kinds)(
            shape[0],
            self.filters,
            per_axis(self, "kernel_size", shape),
            stride=strides,
            padding=self._cuts(shape),
            output_padding=self._extras(shape),
            groups=self.groups,
            bias=self.bias,
            dilation=per_axis(self, "dilation", shape),
        )
        assert isinstance(module, nn.ConvTranspose1d | nn.ConvTranspose2d | nn.ConvTranspose3d)
        _initialise_transposed(module.weight, module.bias, self.init, self.groups)
        return module

    def _spans(self, shape: Shape) -> Shape:
        kernels, gaps = per_axis(self, "kernel_size", shape), per_axis(self, "dilation", shape)
        return tuple(gap * (kernel - 1) + 1 for kernel, gap in zip(kernels, gaps, strict=True))

    def _cuts(self, shape: Shape) -> Shape:
        """Positions cut off on each side."""
        if self.padding == "same":
            axes = zip(self._spans(shape), per_axis(self, "stride", shape), strict=True)
            return tuple(max(span - stride, 0) // 2 for span, stride in axes)
        return (0,) * (len(shape) - 1) if self.padding == "valid" else per_axis(self, "padding", shape)

    def _extras(self, shape: Shape) -> Shape:
        """Positions added behind; for "same", those that a filter narrower than its stride does not reach."""
        if self.padding == "same":
            axes = zip(self._spans(shape), per_axis(self, "stride", shape), strict=True)
            return tuple(max(stride - span, 0) for span, stride in axes)
        return per_axis(self, "output_padding", shape)


class SameConvTranspose1d(nn.ConvTranspose1d):
    """`nn.ConvTranspose1d` that gives n·stride."""

    def forward(self, input: Tensor, output_size: list[int] | None = None) -> Tensor:
        (stride,) = self.stride
        return super().forward(input)[:, :, : input.shape[2] * stride]


class SameConvTranspose2d(nn.ConvTranspose2d):
    """`nn.ConvTranspose2d` that gives n·stride on each axis."""

    def forward(self, input: Tensor, output_size: list[int] | None = None) -> Tensor:
        (down, across), (height, width) = self.stride, input.shape[2:]
        return super().forward(input)[:, :, : height * down, : width * across]


class SameConvTranspose3d(nn.ConvTranspose3d):
    """`nn.ConvTranspose3d` that gives n·stride on each axis."""

    def forward(self, input: Tensor, output_size: list[int] | None = None) -> Tensor:
        (inward, down, across), (depth, height, width) = self.stride, input.shape[2:]
        return super().forward(input)[:, :, : depth * inward, : height * down, : width * across]


def _initialise_transposed(weight: Tensor, bias: Tensor | None, how: Initialiser, groups: int) -> None:
    """Draw (inputs, outputs of each, *kernel) as the convolution with the same inputs and outputs would be drawn."""
    if how == "default" or weight.is_meta:
        return
    with torch.no_grad():
        for part in weight.chunk(groups):
            drawn = torch.empty_like(part.transpose(0, 1), memory_format=torch.contiguous_format)
            initialise(drawn, bias, how)
            part.copy_(drawn.transpose(0, 1))
