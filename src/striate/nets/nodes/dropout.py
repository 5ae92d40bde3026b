"""Parts left out at random in training: numbers, channels, or whole branches."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor, nn

from striate.core.errors import NetworkError
from striate.nets.node import Node, Shape, for_axes, needs_grid
from striate.nets.nodes import NODES


@NODES.register("Dropout")
@dataclass(frozen=True)
class Dropout(Node):
    """Numbers set to zero at random in training, the others scaled up so that the mean stays.

    Srivastava et al. 2014, "Dropout: a simple way to prevent neural networks from overfitting".

    Args:
        rate: the share that is set to zero.

    Input shape: any. Output shape: the same.
    """

    rate: float = 0.5

    label: ClassVar[str] = "dropout"

    def __post_init__(self) -> None:
        super().__post_init__()
        _rate_below_one(self, self.rate)

    def output_shape(self, shape: Shape) -> Shape:
        """The same shape."""
        return shape

    def build(self, shape: Shape) -> nn.Module:
        """`nn.Dropout`."""
        return nn.Dropout(self.rate)


@NODES.register("ChannelDropout")
@dataclass(frozen=True)
class ChannelDropout(Node):
    """Whole channels set to zero at random in training, the others scaled up so that the mean stays.

    Tompson et al. 2015, "Efficient object localization using convolutional networks", section 3.2: neighbours in a map
    are alike, so that a number left out alone is hardly missed.

    Args:
        rate: the share that is set to zero.

    Input shape: (C, *grid). Output shape: the same.
    """

    rate: float = 0.5

    label: ClassVar[str] = "dropout"

    def __post_init__(self) -> None:
        super().__post_init__()
        _rate_below_one(self, self.rate)

    def output_shape(self, shape: Shape) -> Shape:
        """The same shape."""
        needs_grid(self, shape)
        return shape

    def build(self, shape: Shape) -> nn.Module:
        """`nn.Dropout1d`, `nn.Dropout2d` or `nn.Dropout3d`."""
        self.output_shape(shape)
        module = for_axes(shape, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d)(self.rate)
        assert isinstance(module, nn.Module)
        return module


@NODES.register("StochasticDepth")
@dataclass(frozen=True)
class StochasticDepth(Node):
    """Everything of some samples set to zero at random in training, the others scaled up so that the mean stays.

    Huang et al. 2016, "Deep networks with stochastic depth": as the last node of a `Residual`'s body it leaves the
    branch out, so that the sample passes by the shortcut alone.

    Args:
        rate: the share of samples; the paper lets it grow from block to block, up to 0.5.

    Input shape: any. Output shape: the same.
    """

    rate: float = 0.2

    label: ClassVar[str] = "stochastic_depth"

    def __post_init__(self) -> None:
        super().__post_init__()
        _rate_below_one(self, self.rate)

    def output_shape(self, shape: Shape) -> Shape:
        """The same shape."""
        return shape

    def build(self, shape: Shape) -> nn.Module:
        """`SampleDropout`."""
        return SampleDropout(self.rate)


class SampleDropout(nn.Dropout):
    """`nn.Dropout` whose draw is one a sample; with equal draws it is `torchvision.ops.StochasticDepth` by "row"."""

    def forward(self, input: Tensor) -> Tensor:
        if not self.training or self.p == 0:
            return input
        kept = 1 - self.p
        draws = input.new_empty(input.shape[0], *[1] * (input.dim() - 1)).bernoulli_(kept)
        return input * draws.div_(kept)


def _rate_below_one(node: Node, rate: float) -> None:
    if not 0 <= rate < 1:
        raise NetworkError(f"`{node}`: rate must lie in [0, 1), not {rate}")
