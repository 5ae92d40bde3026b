"""Normalisation: which numbers share a mean and a deviation.

| node | over the batch | over positions | over channels |
|---|---|---|---|
| `BatchNorm` | yes | yes | no |
| `InstanceNorm` | no | yes | no |
| `GroupNorm` | no | yes | those of a group |
| `LayerNorm` | no | no | yes |
| `LocalResponseNorm` | no | no | neighbours; no mean is taken away |
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from torch import Tensor, nn
from torch.nn import functional

from striate.core.errors import NetworkError
from striate.nets.node import Misfit, Node, Shape, for_axes, needs_grid
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
        _needs_channels(self, shape)
        return shape

    def build(self, shape: Shape) -> nn.Module:
        """`nn.BatchNorm1d`, `nn.BatchNorm2d` or `nn.BatchNorm3d`."""
        self.output_shape(shape)
        kind = {1: nn.BatchNorm1d, 2: nn.BatchNorm1d, 3: nn.BatchNorm2d, 4: nn.BatchNorm3d}[len(shape)]
        module = kind(shape[0], eps=self.epsilon, momentum=self.momentum)
        nn.init.constant_(module.weight, self.initial_scale)
        return module


@NODES.register("LayerNorm")
@dataclass(frozen=True)
class LayerNorm(Node):
    """The channels of each position less their mean, over their deviation, then scaled and shifted by learnt numbers.

    Ba, Kiros and Hinton 2016, "Layer normalization", as transformers (over the features of a token) and ConvNeXt (over
    the channels of a pixel) have it. Over the whole grid, as the paper has it for convolutions, it is
    `GroupNorm(groups=1)`.

    Args:
        initial_scale: the learnt scale at first; see `BatchNorm`.
        epsilon: added to the variance. ViT and ConvNeXt have 1e-6.

    Input shape: (C, *grid), a sequence of L tokens being (C, L), or (F,). Output shape: the same.

    >>> LayerNorm().output_shape((96, 56, 56))
    (96, 56, 56)
    """

    initial_scale: float = 1.0
    epsilon: float = 1e-5

    label: ClassVar[str] = "norm"

    def __post_init__(self) -> None:
        super().__post_init__()
        _epsilon_above_zero(self, self.epsilon)

    def output_shape(self, shape: Shape) -> Shape:
        """The same shape. Raises `Misfit` for one channel, of which nothing would be left."""
        _needs_channels(self, shape)
        if shape[0] == 1:
            raise Misfit(self, "needs at least 2 channels, as one is its own mean", shape, fix="use another norm")
        return shape

    def build(self, shape: Shape) -> nn.Module:
        """`nn.LayerNorm` for a vector, `ChannelNorm` for a grid."""
        self.output_shape(shape)
        module = (nn.LayerNorm if len(shape) == 1 else ChannelNorm)(shape[0], eps=self.epsilon)
        nn.init.constant_(module.weight, self.initial_scale)
        return module


class ChannelNorm(nn.LayerNorm):
    """`nn.LayerNorm` over the channels of (N, C, *grid), for each position on its own."""

    def forward(self, input: Tensor) -> Tensor:
        return super().forward(input.movedim(1, -1)).movedim(-1, 1)


@NODES.register("GroupNorm")
@dataclass(frozen=True)
class GroupNorm(Node):
    """Each group of channels less its mean, over its deviation, then scaled and shifted by learnt numbers a channel.

    Wu and He 2018, "Group normalization": for batches too small for `BatchNorm`.

    Args:
        groups: must divide the channels.
        initial_scale: the learnt scale at first; see `BatchNorm`.
        epsilon: added to the variance.

    Input shape: (C, *grid) or (F,). Output shape: the same.

    >>> GroupNorm(8).output_shape((64, 7, 7))
    (64, 7, 7)
    """

    groups: int = 32
    initial_scale: float = 1.0
    epsilon: float = 1e-5

    label: ClassVar[str] = "norm"

    def __post_init__(self) -> None:
        super().__post_init__()
        self.at_least(1, "groups")
        _epsilon_above_zero(self, self.epsilon)

    def output_shape(self, shape: Shape) -> Shape:
        """The same shape. Raises `Misfit` where the groups do not divide the channels, or hold one number each."""
        _needs_channels(self, shape)
        if shape[0] % self.groups:
            raise Misfit(
                self, f"needs channels that {self.groups} groups divide, has {shape[0]}", shape, fix="change groups"
            )
        if shape[0] == self.groups and all(size == 1 for size in shape[1:]):
            raise Misfit(self, "needs groups of more than one number, which is its own mean", shape, fix="lower groups")
        return shape

    def build(self, shape: Shape) -> nn.Module:
        """`nn.GroupNorm`."""
        self.output_shape(shape)
        module = nn.GroupNorm(self.groups, shape[0], eps=self.epsilon)
        nn.init.constant_(module.weight, self.initial_scale)
        return module


@NODES.register("InstanceNorm")
@dataclass(frozen=True)
class InstanceNorm(Node):
    """Each channel of each sample less its mean, over its deviation.

    Ulyanov, Vedaldi and Lempitsky 2016, "Instance normalization: the missing ingredient for fast stylization". The
    statistics are the sample's own in evaluation too.

    Args:
        affine: whether learnt numbers scale and shift each channel afterwards.
        initial_scale: the learnt scale at first; see `BatchNorm`.
        epsilon: added to the variance.

    Input shape: (C, *grid). Output shape: the same.
    """

    affine: bool = True
    initial_scale: float = 1.0
    epsilon: float = 1e-5

    label: ClassVar[str] = "norm"

    def __post_init__(self) -> None:
        super().__post_init__()
        _epsilon_above_zero(self, self.epsilon)
        if not self.affine and self.initial_scale != 1:
            raise NetworkError(f"`{self}`: initial_scale is of a scale that affine leaves out", fix="give one of them")

    def output_shape(self, shape: Shape) -> Shape:
        """The same shape. Raises `Misfit` for a single position, of which nothing would be left."""
        needs_grid(self, shape)
        if all(size == 1 for size in shape[1:]):
            raise Misfit(self, "needs more than one position, which is its own mean", shape, fix="use another norm")
        return shape

    def build(self, shape: Shape) -> nn.Module:
        """`nn.InstanceNorm1d`, `nn.InstanceNorm2d` or `nn.InstanceNorm3d`."""
        self.output_shape(shape)
        kind = for_axes(shape, nn.InstanceNorm1d, nn.InstanceNorm2d, nn.InstanceNorm3d)
        module = kind(shape[0], eps=self.epsilon, affine=self.affine)
        assert isinstance(module, nn.Module)
        if self.affine:
            nn.init.constant_(module.weight, self.initial_scale)  # type: ignore[arg-type]
        return module


@NODES.register("LocalResponseNorm")
@dataclass(frozen=True)
class LocalResponseNorm(Node):
    """Each number over a power of the squares of its neighbours in other channels: b = a / (offset + α·Σ a²)^β.

    Krizhevsky, Sutskever and Hinton 2012, "ImageNet classification with deep convolutional neural networks", section
    3.3, whose numbers are the defaults: α multiplies the sum. torch and Caffe let it multiply the mean over `size`
    channels, outside the grid's edge counted as zeros: `alpha_times="mean"`. So the paper's α = 1e-4 is torch's 5e-4.

    Args:
        size: channels in the window, the number's own in the middle; with an even size one more before than behind.
        alpha: the weight of the squares.
        beta: the power.
        offset: the paper's k.
        alpha_times: what alpha multiplies: the "sum" of the squares, or their "mean".

    Input shape: (C, *grid). Output shape: the same.
    """

    size: int = 5
    alpha: float = 1e-4
    beta: float = 0.75
    offset: float = 2.0
    alpha_times: Literal["sum", "mean"] = "sum"

    label: ClassVar[str] = "norm"

    def __post_init__(self) -> None:
        super().__post_init__()
        self.at_least(1, "size")
        if self.offset <= 0 or self.alpha < 0:
            raise NetworkError(f"`{self}`: offset must lie above 0, and alpha not below it, or the power has no value")

    def output_shape(self, shape: Shape) -> Shape:
        """The same shape."""
        needs_grid(self, shape)
        return shape

    def build(self, shape: Shape) -> nn.Module:
        """`NeighbourNorm`."""
        self.output_shape(shape)
        alpha = self.alpha * (self.size if self.alpha_times == "sum" else 1)
        return NeighbourNorm(self.size, alpha=alpha, beta=self.beta, k=self.offset)


class NeighbourNorm(nn.LocalResponseNorm):
    """`nn.LocalResponseNorm` on planes, for torch's own takes neither bfloat16 on a processor nor channels-last."""

    def forward(self, input: Tensor) -> Tensor:
        squares = input.square().flatten(2).unsqueeze(1)  # (N, 1, C, positions)
        padded = functional.pad(squares, [0, 0, self.size // 2, (self.size - 1) // 2])
        means = functional.avg_pool2d(padded, (self.size, 1), stride=1).reshape(input.shape)
        return input / (self.k + self.alpha * means) ** self.beta


def _needs_channels(node: Node, shape: Shape) -> None:
    if not 1 <= len(shape) <= 4:
        raise Misfit(node, "needs a vector, or channels and one to three axes", shape)


def _epsilon_above_zero(node: Node, epsilon: float) -> None:
    if epsilon <= 0:
        raise NetworkError(f"`{node}`: epsilon must lie above 0, not {epsilon}")
