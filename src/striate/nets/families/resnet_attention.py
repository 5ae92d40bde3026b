"""ResNet-50 with attention in each block, ahead of the sum.

| | parameters, for 1000 classes | top-1 error, ImageNet |
|---|---|---|
| se_resnet50: Hu, Shen and Sun 2018, "Squeeze-and-excitation networks" | 28,088,024 | 23.29 % (table 2) |
| cbam_resnet50: Woo et al. 2018, "CBAM: convolutional block attention module" | 28,089,624 | 22.66 % (table 4) |

`se_resnet50` equals timm's `seresnet50` in outputs and gradients when weights are mapped across.
"""

from __future__ import annotations

from striate.nets.families import FAMILIES, same_as
from striate.nets.families._blocks import bottleneck
from striate.nets.families.resnet import SIZES, stem
from striate.nets.network import HEAD, Network
from striate.nets.node import Node
from striate.nets.nodes.dense import Dense
from striate.nets.nodes.excite import ConvBlockAttention, SqueezeExcite
from striate.nets.nodes.pool import GlobalPool
from striate.nets.nodes.structure import Repeat


def _with(attention: Node, name: str, outputs: int, width: int) -> Network:
    stages = []
    for number, count in enumerate(SIZES["resnet50"][1], 1):
        filters = width * 2 ** (number - 1)
        first = None if number == 1 else bottleneck(filters, 2, after=(attention,))
        stages.append(Repeat(bottleneck(filters, after=(attention,)), count, first, name=f"stage{number}"))
    return Network(name, (stem(width), *stages, GlobalPool(), Dense(outputs, name=HEAD)))


@FAMILIES.register("se_resnet50")
def se_resnet50(outputs: int, *, width: int = 64, reduction: int = 16) -> Network:
    """ResNet-50 whose blocks weigh their channels, for photographs of about 224 px.

    Args:
        outputs: what the task needs.
        width: filters of the first stage; each further stage has twice as many.
        reduction: how many times fewer units than channels decide on the weights.
    """
    return _with(SqueezeExcite(reduction=reduction), "se_resnet50", outputs, width)


@FAMILIES.register("cbam_resnet50")
def cbam_resnet50(outputs: int, *, width: int = 64, reduction: int = 16) -> Network:
    """ResNet-50 whose blocks weigh their channels and their positions, for photographs of about 224 px.

    Args:
        outputs: what the task needs.
        width: filters of the first stage; each further stage has twice as many.
        reduction: how many times fewer units than channels decide on the weights of the channels.
    """
    return _with(ConvBlockAttention(reduction), "cbam_resnet50", outputs, width)


same_as("se_resnet50", "timm/seresnet50")
