"""FCN and DeepLab-v3 on a dilated ResNet-50; both end in a grid: outputs for each position.

| | parameters, for 21 classes, without an auxiliary head |
|---|---|
| fcn_resnet50: Long, Shelhamer and Darrell 2015, "Fully convolutional networks" | 32,957,013 |
| deeplabv3_resnet50: Chen et al. 2017, "Rethinking atrous convolution", section 3 | 39,638,869 |

The last two stages are dilated instead of strided, so that the maps are an eighth of the picture; what the head says is
enlarged eightfold. For sides that 8 divides both equal torchvision's in outputs and gradients when weights are mapped
across.
"""

from __future__ import annotations

from striate.nets.families import FAMILIES, gives_grid
from striate.nets.families._blocks import bottleneck, convolved
from striate.nets.families.resnet import SIZES, stem
from striate.nets.network import HEAD, Network
from striate.nets.node import Node
from striate.nets.nodes.atrous import AtrousSpatialPyramid
from striate.nets.nodes.conv import Conv
from striate.nets.nodes.dropout import Dropout
from striate.nets.nodes.structure import Repeat
from striate.nets.nodes.upsample import Upsample

STEPS = ((1, 1, 1), (2, 1, 1), (1, 1, 2), (1, 2, 4))
"""Stride and dilation of each stage's first block, and dilation of its others."""


def dilated_resnet50(width: int) -> tuple[Node, ...]:
    """ResNet-50's stem and stages, the last two dilated."""
    stages = []
    for number, (count, (stride, first, later)) in enumerate(zip(SIZES["resnet50"][1], STEPS, strict=True), 1):
        filters = width * 2 ** (number - 1)
        stages.append(
            Repeat(
                bottleneck(filters, dilation=later),
                count,
                bottleneck(filters, stride, dilation=first),
                name=f"stage{number}",
            )
        )
    return stem(width), *stages


@FAMILIES.register("fcn_resnet50")
def fcn_resnet50(outputs: int, *, width: int = 64, dropout: float = 0.1) -> Network:
    """A convolution over the last maps, and a class for each position.

    Args:
        outputs: for each position.
        width: filters of the first stage.
        dropout: rate ahead of the head.
    """
    head = (*convolved(8 * width, 3, padding=1), Dropout(dropout), Conv(outputs, 1, name=HEAD))
    return Network("fcn_resnet50", (*dilated_resnet50(width), *head, Upsample(8, kind="linear")))


gives_grid("fcn_resnet50")


@FAMILIES.register("deeplabv3_resnet50")
def deeplabv3_resnet50(outputs: int, *, width: int = 64, filters: int = 256, dropout: float = 0.5) -> Network:
    """A pyramid of dilated convolutions over the last maps, and a class for each position.

    Args:
        outputs: for each position.
        width: filters of the first stage.
        filters: of each branch of the pyramid.
        dropout: rate behind the pyramid.
    """
    pyramid = AtrousSpatialPyramid(filters, dropout=dropout)
    head = (pyramid, *convolved(filters, 3, padding=1), Conv(outputs, 1, name=HEAD))
    return Network("deeplabv3_resnet50", (*dilated_resnet50(width), *head, Upsample(8, kind="linear")))


gives_grid("deeplabv3_resnet50")
