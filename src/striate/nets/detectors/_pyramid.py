"""A feature pyramid with as many levels as are asked for: Lin et al. 2017, "Feature pyramid networks for object
detection", section 3, by torchvision's modules."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable, Sequence

from torch import Tensor, nn
from torchvision.ops import FeaturePyramidNetwork

from striate.core.errors import UnknownName

NORMS = ("group", "batch", "none")
_GROUPS, _EACH = 32, 8
"""At most so many groups, and about so many channels in each: Wu and He 2018, section 3.1, at the published width."""


def norm_layer(norm: str) -> Callable[[int], nn.Module] | None:
    """What makes a norm for so many channels; None for none.

    Args:
        norm: "group" does not hang on the batch, and is for small ones (Wu and He 2018, "Group normalization"),
            "batch", or "none".

    Raises:
        UnknownName: there is no such norm.
    """
    if norm not in NORMS:
        raise UnknownName("norm of a detector", norm, NORMS)
    if norm == "none":
        return None
    return nn.BatchNorm2d if norm == "batch" else _group_norm


def _group_norm(channels: int) -> nn.Module:
    return nn.GroupNorm(math.gcd(max(1, min(_GROUPS, channels // _EACH)), channels), channels)


class Pyramid(nn.Module):
    """Maps of equally many channels at several strides.

    Those at the strides of the body are its own, each with the coarser ones added; further ones are made of these, one
    after another.

    Args:
        channels: of the body's maps.
        taken: their strides.
        strides: of the levels that are to be given, in rising order.
        width: channels of each level.
        norm: behind each convolution, see `norm_layer`.
        further: makes what halves the sides of so many channels, of the body's last level or of one behind it.
    """

    def __init__(
        self,
        channels: Sequence[int],
        taken: Sequence[int],
        strides: Sequence[int],
        *,
        width: int,
        norm: str,
        further: Callable[[int, bool], nn.Module],
    ) -> None:
        super().__init__()
        self.fpn = FeaturePyramidNetwork(list(channels), width, norm_layer=norm_layer(norm))
        count = max(0, round(math.log2(strides[-1] / taken[-1])))
        self.further = nn.ModuleList(further(width, number > 0) for number in range(count))
        every = [*taken, *(taken[-1] * 2**number for number in range(1, count + 1))]
        self.given = tuple(every.index(stride) for stride in strides)

    def forward(self, *maps: Tensor) -> list[Tensor]:
        """From the body's maps to the levels, (N, width, ⌈H / stride⌉, ⌈W / stride⌉) each."""
        levels = list(self.fpn(OrderedDict((str(number), one) for number, one in enumerate(maps))).values())
        for layer in self.further:
            levels.append(layer(levels[-1]))
        return [levels[number] for number in self.given]


def convolved(width: int, behind: bool) -> nn.Module:
    """A 3×3 convolution of stride 2, on ReLU but for the first: Lin et al. 2017, "Focal loss for dense object
    detection", section 4 and footnote 2."""
    layer = nn.Conv2d(width, width, 3, stride=2, padding=1)
    nn.init.kaiming_uniform_(layer.weight, a=1)  # as the other convolutions of the pyramid
    assert layer.bias is not None
    nn.init.zeros_(layer.bias)
    return nn.Sequential(nn.ReLU(), layer) if behind else layer


def pooled(width: int, behind: bool) -> nn.Module:
    """Every second position: Lin et al. 2017, "Feature pyramid networks for object detection", section 4.1."""
    return nn.MaxPool2d(1, stride=2)
