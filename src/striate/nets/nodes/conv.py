"""Convolution on 1-D, 2-D and 3-D grids."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from torch import Tensor, nn
from torch.nn import functional

from striate.nets.initialise import Initialiser, initialise
from striate.nets.node import Misfit, Node, Shape, Sizes, for_axes, needs_grid, per_axis
from striate.nets.nodes import NODES


@NODES.register("Conv")
@dataclass(frozen=True)
class Conv(Node):
    """Convolution as networks use it: Y(i, j) = Σ X(i·stride + u·dilation, …)·F(u, v), correlation without a flip.

    Args:
        filters: output channels; input channels are inferred.
        kernel_size, stride, dilation: one number, or one for each axis.
        padding: zeros on each side, as numbers; "valid" is none; "same" keeps ceil(n / stride), with the odd zero
            behind, as TensorFlow does.
        groups: must divide input channels and filters.
        bias: whether a number is added to each output channel; leave it out before a norm, which takes it away.
        init: how the filters are drawn; see `striate.nets.initialise`.

    Input shape: (C, *grid). Output shape: (filters, *grid'), where each axis of n becomes
    ⌊(n + 2·padding − dilation·(kernel_size − 1) − 1) / stride⌋ + 1.

    >>> Conv(10, kernel_size=3).output_shape((3, 5, 5))
    (10, 3, 3)
    >>> Conv(8, kernel_size=3, stride=2, padding="same").output_shape((1, 15))
    (8, 8)
    """

    filters: int
    kernel_size: Sizes = 3
    stride: Sizes = 1
    padding: Sizes | Literal["same", "valid"] = "valid"
    dilation: Sizes = 1
    groups: int = 1
    bias: bool = True
    init: Initialiser = "he_normal"

    label: ClassVar[str] = "conv"

    def __post_init__(self) -> None:
        super().__post_init__()
        self.at_least(1, "filters", "kernel_size", "stride", "dilation", "groups")
        self.at_least(0, "padding")

    def output_shape(self, shape: Shape) -> Shape:
        """The shape of the output. Raises `Misfit` where the kernel is larger than its padded input."""
        needs_grid(self, shape)
        for count, what in ((shape[0], "input channels"), (self.filters, "filters")):
            if count % self.groups:
                raise Misfit(
                    self, f"needs {what} that {self.groups} groups divide, has {count}", shape, fix="change groups"
                )
        spans, strides = self._spans(shape), per_axis(self, "stride", shape)
        if self.padding == "same":
            return (self.filters, *(-(-size // stride) for size, stride in zip(shape[1:], strides, strict=True)))
        pads = self._pads(shape)
        fits = [size + 2 * pad >= span for size, pad, span in zip(shape[1:], pads, spans, strict=True)]
        if not all(fits):
            least = "×".join(str(max(1, span - 2 * pad)) for span, pad in zip(spans, pads, strict=True))
            more = max(-((size - span) // 2) for size, span in zip(shape[1:], spans, strict=True))
            raise Misfit(
                self, f"needs at least {least}", shape, fix=f"pad by {more}, or drop a pooling layer before it"
            )
        sizes = zip(shape[1:], pads, spans, strides, strict=True)
        return (self.filters, *((size + 2 * pad - span) // stride + 1 for size, pad, span, stride in sizes))

    def build(self, shape: Shape) -> nn.Module:
        """`nn.Conv1d`, `nn.Conv2d` or `nn.Conv3d`; a subclass that pads where "same" has no equal sides."""
        self.output_shape(shape)
        spans, strides = self._spans(shape), per_axis(self, "stride", shape)
        uneven = self.padding == "same" and any(
            stride > 1 or span % 2 == 0 for span, stride in zip(spans, strides, strict=True)
        )
        kinds = (SameConv1d, SameConv2d, SameConv3d) if uneven else (nn.Conv1d, nn.Conv2d, nn.Conv3d)
        padding = tuple(span // 2 for span in spans) if self.padding == "same" else self._pads(shape)
        module = for_axes(shape, *kinds)(
            shape[0],
            self.filters,
            per_axis(self, "kernel_size", shape),
            stride=strides,
            padding=0 if uneven else padding,
            dilation=per_axis(self, "dilation", shape),
            groups=self.groups,
            bias=self.bias,
        )
        assert isinstance(module, nn.Module)
        initialise(module.weight, module.bias, self.init, self.groups)  # type: ignore[arg-type]
        return module

    def _spans(self, shape: Shape) -> tuple[int, ...]:
        """What the kernel covers on each axis, dilation included."""
        kernels, dilations = per_axis(self, "kernel_size", shape), per_axis(self, "dilation", shape)
        return tuple(dilation * (kernel - 1) + 1 for kernel, dilation in zip(kernels, dilations, strict=True))

    def _pads(self, shape: Shape) -> tuple[int, ...]:
        return (0,) * (len(shape) - 1) if isinstance(self.padding, str) else per_axis(self, "padding", shape)


def same_padding(sizes: Any, kernel_size: Shape, stride: Shape, dilation: Shape) -> list[int]:
    """Zeros before and behind each axis, last axis first, as `functional.pad` takes them."""
    pads: list[int] = []
    for size, kernel, step, gap in zip(sizes, kernel_size, stride, dilation, strict=True):
        whole = max((-(-size // step) - 1) * step + gap * (kernel - 1) + 1 - size, 0)
        pads = [whole // 2, whole - whole // 2, *pads]
    return pads


class SameConv1d(nn.Conv1d):
    """`nn.Conv1d` that pads for ceil(n / stride) outputs at whatever size comes."""

    def forward(self, input: Tensor) -> Tensor:
        pads = same_padding(input.shape[2:], self.kernel_size, self.stride, self.dilation)
        return super().forward(functional.pad(input, pads))


class SameConv2d(nn.Conv2d):
    """`nn.Conv2d` that pads for ceil(n / stride) outputs at whatever size comes."""

    def forward(self, input: Tensor) -> Tensor:
        pads = same_padding(input.shape[2:], self.kernel_size, self.stride, self.dilation)
        return super().forward(functional.pad(input, pads))


class SameConv3d(nn.Conv3d):
    """`nn.Conv3d` that pads for ceil(n / stride) outputs at whatever size comes."""

    def forward(self, input: Tensor) -> Tensor:
        pads = same_padding(input.shape[2:], self.kernel_size, self.stride, self.dilation)
        return super().forward(functional.pad(input, pads))
