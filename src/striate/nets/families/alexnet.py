"""AlexNet: Krizhevsky, Sutskever and Hinton 2012, "ImageNet classification with deep convolutional neural networks".

`alexnet` is torchvision's, which follows Krizhevsky 2014, "One weird trick": one group, no response norm; 61,100,840
parameters for 1000 classes, 0.71 billion multiply-accumulates at 224 px. `alexnet_2012` is the paper's, with two groups
(figure 2) and local response normalisation (section 3.3); 60,965,224 parameters for 227 px, where its first
convolution fits without padding (the 224 of the paper do not give its 55 positions). Top-1 error 40.7 % (table 2).
"""

from __future__ import annotations

from striate.core.errors import NetworkError
from striate.nets.families import FAMILIES, same_as
from striate.nets.network import HEAD, Network
from striate.nets.node import Node
from striate.nets.nodes.activation import Activation
from striate.nets.nodes.conv import Conv
from striate.nets.nodes.dense import Dense
from striate.nets.nodes.dropout import Dropout
from striate.nets.nodes.norm import LocalResponseNorm
from striate.nets.nodes.pool import AdaptivePool, Pool
from striate.nets.nodes.shape import Flatten


@FAMILIES.register("alexnet")
def alexnet(outputs: int, *, width: int = 64, units: int = 4096, dropout: float = 0.5) -> Network:
    """Five convolutions and three dense layers, for photographs of about 224 px.

    Args:
        outputs: what the task needs.
        width: filters of the first convolution; the others are in proportion.
        units: of the two hidden dense layers.
        dropout: rate ahead of each of them.
    """
    relu, pool = Activation("relu"), Pool(3, stride=2)
    nodes: list[Node] = [Conv(width, 11, stride=4, padding=2), relu, pool]
    nodes += [Conv(3 * width, 5, padding=2), relu, pool]
    for filters in (6 * width, 4 * width, 4 * width):
        nodes += [Conv(filters, 3, padding=1), relu]
    nodes += [pool, AdaptivePool(6), Flatten()]
    nodes += [Dropout(dropout), Dense(units), relu] * 2
    return Network("alexnet", (*nodes, Dense(outputs, name=HEAD)))


same_as("alexnet", "torchvision/alexnet")


@FAMILIES.register("alexnet_2012")
def alexnet_2012(outputs: int, *, width: int = 96, units: int = 4096, dropout: float = 0.5) -> Network:
    """The paper's own network, for photographs of 227 px.

    Args:
        outputs: what the task needs.
        width: filters of the first convolution, a multiple of 6; the others are in proportion.
        units: of the two hidden dense layers.
        dropout: rate ahead of the second of them and of the head.
    """
    if width % 6:
        raise NetworkError(
            f"alexnet_2012: width must be a multiple of 6, not {width}", fix=f"give {max(6, width // 6 * 6)}"
        )
    relu, pool, norm = Activation("relu"), Pool(3, stride=2), LocalResponseNorm()
    second, third = width * 8 // 3, width * 4
    nodes: list[Node] = [Conv(width, 11, stride=4), relu, norm, pool]
    nodes += [Conv(second, 5, padding=2, groups=2), relu, norm, pool]
    nodes += [Conv(third, 3, padding=1), relu]
    nodes += [Conv(third, 3, padding=1, groups=2), relu]
    nodes += [Conv(second, 3, padding=1, groups=2), relu, pool, Flatten()]
    nodes += [Dense(units), relu, Dropout(dropout)] * 2
    return Network("alexnet_2012", (*nodes, Dense(outputs, name=HEAD)))
