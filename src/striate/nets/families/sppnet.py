"""SPP-Net: He, Zhang, Ren and Sun 2014, "Spatial pyramid pooling in deep convolutional networks", ZF-5 of table 1.

A pyramid of 6×6, 3×3, 2×2 and 1×1 bins (section 3.1) makes a vector of one length of a picture of any size, so that the
dense layers fit all. Top-1 error 34.60 % on ImageNet, trained at several sizes (table 2).
"""

from __future__ import annotations

from collections.abc import Sequence as Numbers

from striate.core.errors import NetworkError
from striate.nets.families import FAMILIES
from striate.nets.network import HEAD, Network
from striate.nets.nodes.activation import Activation
from striate.nets.nodes.conv import Conv
from striate.nets.nodes.dense import Dense
from striate.nets.nodes.dropout import Dropout
from striate.nets.nodes.norm import LocalResponseNorm
from striate.nets.nodes.pool import Pool, SpatialPyramidPool


@FAMILIES.register("sppnet")
def sppnet(
    outputs: int,
    *,
    width: int = 96,
    units: int = 4096,
    levels: Numbers[int] = (6, 3, 2, 1),
    dropout: float = 0.5,
) -> Network:
    """Five convolutions, a spatial pyramid, and three dense layers, for photographs of about 224 px.

    Args:
        outputs: what the task needs.
        width: filters of the first convolution, a multiple of 3; the others are in proportion.
        units: of the two hidden dense layers.
        levels: bins on each side, by level of the pyramid.
        dropout: rate ahead of the second hidden layer and of the head.
    """
    if width % 3:
        raise NetworkError(f"sppnet: width must be a multiple of 3, not {width}", fix=f"give {max(3, width // 3 * 3)}")
    relu, pool, norm = Activation("relu"), Pool(3, stride=2, partial=True), LocalResponseNorm()
    second, third = width * 8 // 3, width * 4
    nodes = (
        *(Conv(width, 7, stride=2, padding=1), relu, norm, pool),
        *(Conv(second, 5, stride=2), relu, norm, pool),
        *(Conv(third, 3, padding=1), relu),
        *(Conv(third, 3, padding=1), relu),
        *(Conv(second, 3, padding=1), relu),
        SpatialPyramidPool(tuple(levels)),
        *(Dense(units, init="he_normal"), relu, Dropout(dropout)) * 2,
    )
    return Network("sppnet", (*nodes, Dense(outputs, name=HEAD)))
