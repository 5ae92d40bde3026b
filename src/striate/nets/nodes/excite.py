"""Attention that scales what there is: by channel, and by position."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from striate.core.errors import NetworkError
from striate.nets.initialise import Initialiser, initialise
from striate.nets.node import Misfit, Node, Shape, for_axes, needs_grid
from striate.nets.nodes import NODES
from striate.nets.nodes.activation import ActivationKind, activation


@NODES.register("SqueezeExcite")
@dataclass(frozen=True)
class SqueezeExcite(Node):
    """Each channel scaled by a number that the means of all channels decide.

    Hu, Shen and Sun 2018, "Squeeze-and-excitation networks", equations 2 to 4: s = gate(W₂ activation(W₁ z)), where z
    are the channels' means.

    Args:
        width: units between W₁ and W₂; the channels over `reduction` unless given.
        reduction: how many times fewer units than channels there are between.
        activation: of the units between.
        gate: of the result, which scales.
        init: how W₁ and W₂ are drawn.

    Input shape: (C, *grid). Output shape: the same.

    >>> sum(one.numel() for one in SqueezeExcite(reduction=4).build((16, 8, 8)).parameters())
    148
    """

    width: int | None = None
    reduction: int = 16
    activation: ActivationKind = "relu"
    gate: ActivationKind = "sigmoid"
    init: Initialiser = "he_normal"

    label: ClassVar[str] = "excite"

    def __post_init__(self) -> None:
        super().__post_init__()
        self.at_least(1, "width", "reduction")

    def output_shape(self, shape: Shape) -> Shape:
        """The same shape."""
        needs_grid(self, shape)
        self.units(shape)
        return shape

    def units(self, shape: Shape) -> int:
        """How many units are between. Raises `Misfit` where none is left."""
        if self.width is not None:
            return self.width
        if shape[0] < self.reduction:
            raise Misfit(
                self, f"needs at least {self.reduction} channels", shape, fix="reduce less, or give the width between"
            )
        return shape[0] // self.reduction

    def build(self, shape: Shape) -> nn.Module:
        """`Excitation`."""
        self.output_shape(shape)
        units = self.units(shape)
        squeeze, excite = (
            for_axes(shape, nn.Conv1d, nn.Conv2d, nn.Conv3d)(before, after, 1)
            for before, after in ((shape[0], units), (units, shape[0]))
        )
        for module in (squeeze, excite):
            initialise(module.weight, module.bias, self.init)
        return Excitation(squeeze, activation(self.activation), excite, activation(self.gate))


class Excitation(nn.Module):
    """x · gate(excite(activation(squeeze(mean of x)))).

    Args:
        squeeze, excite: 1×1 convolutions.
        activation, gate: functions of each number.
    """

    def __init__(self, squeeze: nn.Module, activation: nn.Module, excite: nn.Module, gate: nn.Module) -> None:
        super().__init__()
        self.squeeze, self.activation, self.excite, self.gate = squeeze, activation, excite, gate

    def forward(self, x: Tensor) -> Tensor:
        means = x.mean(tuple(range(2, x.dim())), keepdim=True)
        scale: Tensor = self.gate(self.excite(self.activation(self.squeeze(means))))
        return x * scale


@NODES.register("ConvBlockAttention")
@dataclass(frozen=True)
class ConvBlockAttention(Node):
    """Channels scaled by their means and maxima, then positions by those over the channels.

    Woo et al. 2018, "CBAM: convolutional block attention module", equations 2 and 3:
    M_c = σ(MLP(mean) + MLP(max)), then M_s = σ(norm(f([max; mean]))), where f is a convolution over two maps,
    in the order of the authors' own code.

    Args:
        reduction: how many times fewer units than channels the MLP has inside.
        kernel_size: of f, odd; 7 was best (table 2).

    Input shape: (C, *grid). Output shape: the same.

    >>> sum(one.numel() for one in ConvBlockAttention(reduction=4).build((16, 8, 8)).parameters())
    248
    """

    reduction: int = 16
    kernel_size: int = 7

    label: ClassVar[str] = "attention"

    def __post_init__(self) -> None:
        super().__post_init__()
        self.at_least(1, "reduction", "kernel_size")
        if self.kernel_size % 2 == 0:
            raise NetworkError(f"`{self}`: kernel_size must be odd, so that each position has a centre")

    def output_shape(self, shape: Shape) -> Shape:
        """The same shape. Raises `Misfit` where the MLP has no units."""
        needs_grid(self, shape)
        if shape[0] < self.reduction:
            raise Misfit(self, f"needs at least {self.reduction} channels", shape, fix="reduce less")
        return shape

    def build(self, shape: Shape) -> nn.Module:
        """`ChannelAndSpatialAttention`."""
        self.output_shape(shape)
        units = shape[0] // self.reduction
        conv, norm = (
            for_axes(shape, nn.Conv1d, nn.Conv2d, nn.Conv3d),
            for_axes(shape, nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d),
        )
        squeeze, excite = conv(shape[0], units, 1), conv(units, shape[0], 1)
        spatial = conv(2, 1, self.kernel_size, padding=self.kernel_size // 2, bias=False)
        for module in (squeeze, excite, spatial):
            initialise(module.weight, module.bias, "he_normal")
        return ChannelAndSpatialAttention(squeeze, excite, spatial, norm(1))


class ChannelAndSpatialAttention(nn.Module):
    """x scaled by channel, and the result by position.

    Args:
        squeeze, excite: the MLP of the channels, as 1×1 convolutions.
        spatial: from the maps of means and maxima over the channels to one map.
        norm: of that map.
    """

    def __init__(self, squeeze: nn.Module, excite: nn.Module, spatial: nn.Module, norm: nn.Module) -> None:
        super().__init__()
        self.squeeze, self.activation, self.excite = squeeze, nn.ReLU(), excite
        self.spatial, self.norm, self.gate = spatial, norm, nn.Sigmoid()

    def forward(self, x: Tensor) -> Tensor:
        axes = tuple(range(2, x.dim()))
        mean, most = (self._mlp(one) for one in (x.mean(axes, keepdim=True), x.amax(axes, keepdim=True)))
        x = x * self.gate(mean + most)
        maps = torch.cat([x.amax(1, keepdim=True), x.mean(1, keepdim=True)], 1)
        scaled: Tensor = x * self.gate(self.norm(self.spatial(maps)))
        return scaled

    def _mlp(self, x: Tensor) -> Tensor:
        found: Tensor = self.excite(self.activation(self.squeeze(x)))
        return found
