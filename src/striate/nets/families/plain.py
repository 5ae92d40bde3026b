"""A small plain network, as in every first lesson: convolutions and pooling, then dense layers.

1,626,442 parameters for 3×64×64 and 10 classes, nearly all of them in the first dense layer.
"""

from __future__ import annotations

from collections.abc import Sequence

from striate.nets.families import FAMILIES
from striate.nets.network import HEAD, Network
from striate.nets.node import Node
from striate.nets.nodes.activation import Activation
from striate.nets.nodes.conv import Conv
from striate.nets.nodes.dense import Dense
from striate.nets.nodes.dropout import Dropout
from striate.nets.nodes.pool import Pool
from striate.nets.nodes.shape import Flatten


@FAMILIES.register("plain")
def plain(outputs: int, *, filters: Sequence[int] = (32, 64), units: int = 128, dropout: float = 0.0) -> Network:
    """Convolution, ReLU and max-pooling for each of `filters`, then one hidden dense layer.

    Args:
        outputs: what the task needs.
        filters: of each 3×3 convolution; each halves the picture.
        units: of the hidden layer.
        dropout: rate ahead of the head.
    """
    nodes: list[Node] = []
    for count in filters:
        nodes += [Conv(count, kernel_size=3), Activation("relu"), Pool(2)]
    nodes += [Flatten(), Dense(units, init="he_normal"), Activation("relu")]
    if dropout:
        nodes.append(Dropout(dropout))
    return Network("plain", (*nodes, Dense(outputs, name=HEAD)))
