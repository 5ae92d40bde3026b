"""Convolution on 1-D, 2-D and 3-D grids: whole, by channel, and by channel and then across channels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from torch import Tensor, nn

from striate.core.errors import NetworkError
from striate.nets.chain import build_chain
from striate.nets.initialise import Initialiser, initialise
from striate.nets.node import (
    Misfit,
    Node,
    Shape,
    Sizes,
    Structure,
    Walk,
    for_axes,
    needs_grid,
    per_axis,
)
from striate.nets.nodes import NODES
from striate.nets.nodes._windows import TORCH_MODES, Fill, Windows, fitted


@NODES.register("Conv")
@dataclass(frozen=True)
class Conv(Node):
    """Convolution as networks use it: Y(i, j) = Σ X(i·stride + u·dilation, …)·F(u, v), correlation without a flip.

    Args:
        filters: output channels; input channels are inferred.
        kernel_size, stride, dilation: one number, or one for each axis.
        padding: positions on each side, as numbers; "valid" is none; "same" keeps ⌈n / stride⌉, with the odd position
            behind, as TensorFlow does; "causal" pads before alone, so that no output sees what comes after it (van den
            Oord et al. 2016, "WaveNet", section 2.1), on one axis.
        groups: must divide input channels and filters.
        bias: whether a number is added to each output channel; leave it out before a norm, which takes it away.
        init: how the filters are drawn; see `striate.nets.initialise`.
        fill: what the padding holds: "zeros", another number, "reflect" (the grid mirrored at its outermost positions),
            "replicate" (these repeated) or "wrap" (the other end).

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
    padding: Sizes | Literal["same", "valid", "causal"] = "valid"
    dilation: Sizes = 1
    groups: int = 1
    bias: bool = True
    init: Initialiser = "he_normal"
    fill: Fill = "zeros"

    label: ClassVar[str] = "conv"

    def __post_init__(self) -> None:
        super().__post_init__()
        self.at_least(1, "filters", "kernel_size", "stride", "dilation", "groups")
        _check_padding(self)

    def output_shape(self, shape: Shape) -> Shape:
        """The shape of the output. Raises `Misfit` where the kernel is larger than its padded input."""
        windows = _windows(self, shape)
        for count, what in ((shape[0], "input channels"), (self.filters, "filters")):
            if count % self.groups:
                raise Misfit(
                    self, f"needs {what} that {self.groups} groups divide, has {count}", shape, fix="change groups"
                )
        return (self.filters, *fitted(self, shape, windows))

    def build(self, shape: Shape) -> nn.Module:
        """`nn.Conv1d`, `nn.Conv2d` or `nn.Conv3d`; a subclass where these do not pad so."""
        self.output_shape(shape)
        return _module(self, shape, self.filters, self.groups)


@NODES.register("DepthwiseConv")
@dataclass(frozen=True)
class DepthwiseConv(Node):
    """A convolution of each channel on its own.

    Args:
        kernel_size, stride, padding, dilation, bias, init, fill: see `Conv`.
        multiplier: output channels for each input channel, which follow one another.

    Input shape: (C, *grid). Output shape: (C·multiplier, *grid').

    >>> DepthwiseConv(3, padding="same", multiplier=2).output_shape((32, 28, 28))
    (64, 28, 28)
    """

    kernel_size: Sizes = 3
    stride: Sizes = 1
    padding: Sizes | Literal["same", "valid", "causal"] = "valid"
    dilation: Sizes = 1
    multiplier: int = 1
    bias: bool = True
    init: Initialiser = "he_normal"
    fill: Fill = "zeros"

    label: ClassVar[str] = "depthwise"

    def __post_init__(self) -> None:
        super().__post_init__()
        self.at_least(1, "kernel_size", "stride", "dilation", "multiplier")
        _check_padding(self)

    def output_shape(self, shape: Shape) -> Shape:
        """The shape of the output. Raises `Misfit` where the kernel is larger than its padded input."""
        return (shape[0] * self.multiplier, *fitted(self, shape, _windows(self, shape)))

    def build(self, shape: Shape) -> nn.Module:
        """The module of a `Conv` with as many groups as channels."""
        filters = self.output_shape(shape)[0]
        return _module(self, shape, filters, groups=shape[0])


@NODES.register("SeparableConv")
@dataclass(frozen=True)
class SeparableConv(Structure):
    """A convolution of each channel on its own, then one of 1×1 across channels: for k×k about k² times cheaper.

    Chollet 2017, "Xception: deep learning with depthwise separable convolutions", without anything between the two, as
    there; for a norm and an activation between (Howard et al. 2017, "MobileNets"), write `DepthwiseConv` and `Conv`.

    Args:
        filters: output channels.
        kernel_size, stride, padding, dilation, fill: of the first; see `Conv`.
        multiplier: channels between the two for each input channel.
        bias: of the second; the first has none, which the second would take in.
        init: of both.

    Input shape: (C, *grid). Output shape: (filters, *grid'). The modules are `depthwise` and `pointwise`.

    >>> SeparableConv(64, padding="same").output_shape((32, 28, 28))
    (64, 28, 28)
    """

    filters: int
    kernel_size: Sizes = 3
    stride: Sizes = 1
    padding: Sizes | Literal["same", "valid", "causal"] = "valid"
    dilation: Sizes = 1
    multiplier: int = 1
    bias: bool = True
    init: Initialiser = "he_normal"
    fill: Fill = "zeros"

    label: ClassVar[str] = "separable"

    def __post_init__(self) -> None:
        super().__post_init__()
        self.at_least(1, "filters", "kernel_size", "stride", "dilation", "multiplier")
        _check_padding(self)

    def trace(self, shape: Shape, walk: Walk) -> Shape:
        """Through both."""
        return walk.chain(self._parts(), shape)

    def build(self, shape: Shape) -> nn.Module:
        """`nn.Sequential` of both."""
        self.output_shape(shape)
        return build_chain(self._parts(), shape)

    def _parts(self) -> tuple[Node, Node]:
        depthwise = DepthwiseConv(
            self.kernel_size, self.stride, self.padding, self.dilation, self.multiplier, bias=False, init=self.init,
            fill=self.fill, name="depthwise",
        )  # fmt: skip
        return depthwise, Conv(self.filters, kernel_size=1, bias=self.bias, init=self.init, name="pointwise")


class PaddedConv1d(nn.Conv1d):
    """`nn.Conv1d` behind padding of a kind that it has not itself."""

    windows: Windows

    def forward(self, input: Tensor) -> Tensor:
        return super().forward(self.windows.pad(input))

    def extra_repr(self) -> str:
        return f"{super().extra_repr()}, {self.windows}"  # type: ignore[no-untyped-call]


class PaddedConv2d(nn.Conv2d):
    """`nn.Conv2d` behind padding of a kind that it has not itself."""

    windows: Windows

    def forward(self, input: Tensor) -> Tensor:
        return super().forward(self.windows.pad(input))

    def extra_repr(self) -> str:
        return f"{super().extra_repr()}, {self.windows}"  # type: ignore[no-untyped-call]


class PaddedConv3d(nn.Conv3d):
    """`nn.Conv3d` behind padding of a kind that it has not itself."""

    windows: Windows

    def forward(self, input: Tensor) -> Tensor:
        return super().forward(self.windows.pad(input))

    def extra_repr(self) -> str:
        return f"{super().extra_repr()}, {self.windows}"  # type: ignore[no-untyped-call]


def _check_padding(node: Conv | DepthwiseConv | SeparableConv) -> None:
    node.at_least(0, "padding")
    if node.fill != "zeros" and node.padding in ("valid", 0):
        raise NetworkError(f"`{node}`: fill says what padding holds, and there is none", fix='set padding, say "same"')


def _windows(node: Conv | DepthwiseConv, shape: Shape) -> Windows:
    needs_grid(node, shape)
    padding = node.padding
    if padding == "causal" and len(shape) != 2:
        raise Misfit(node, 'needs one axis for padding "causal"', shape, fix='pad by numbers or "same"')
    if not isinstance(padding, str):
        padding = per_axis(node, "padding", shape)
    elif padding == "valid":
        padding = (0,) * (len(shape) - 1)
    kernels, strides = per_axis(node, "kernel_size", shape), per_axis(node, "stride", shape)
    return Windows(kernels, strides, per_axis(node, "dilation", shape), padding, node.fill)


def _module(node: Conv | DepthwiseConv, shape: Shape, filters: int, groups: int) -> nn.Module:
    windows = _windows(node, shape)
    pads, mode = windows.even_pads(), TORCH_MODES.get(str(node.fill))
    own = pads is not None and (mode is not None or not any(pads))  # whether torch's own layer pads so
    kinds = (nn.Conv1d, nn.Conv2d, nn.Conv3d) if own else (PaddedConv1d, PaddedConv2d, PaddedConv3d)
    module = for_axes(shape, *kinds)(
        shape[0],
        filters,
        windows.kernel_size,
        stride=windows.stride,
        padding=pads if own else 0,
        dilation=windows.dilation,
        groups=groups,
        bias=node.bias,
        padding_mode=mode if own and pads and any(pads) else "zeros",
    )
    assert isinstance(module, nn.Conv1d | nn.Conv2d | nn.Conv3d)
    if isinstance(module, PaddedConv1d | PaddedConv2d | PaddedConv3d):
        module.windows = windows
    initialise(module.weight, module.bias, node.init, groups)
    return module
