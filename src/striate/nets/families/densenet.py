"""DenseNet-121, -169 and -201: Huang et al. 2017, "Densely connected convolutional networks", table 1.

| | parameters, for 1000 classes | billion multiply-accumulates at 224 px | top-1 error, ImageNet (table 3) |
|---|---|---|---|
| densenet121 | 7,978,856 | 2.83 | 25.02 % |
| densenet169 | 14,149,480 | 3.36 | 23.80 % |
| densenet201 | 20,013,928 | 4.29 | 22.58 % |

Equal to torchvision's in outputs and gradients when weights are mapped across.
"""

from __future__ import annotations

from striate.nets.families import FAMILIES, same_as
from striate.nets.families.resnet import stem
from striate.nets.network import HEAD, Network
from striate.nets.node import Node
from striate.nets.nodes.activation import Activation
from striate.nets.nodes.branches import DenselyConnected
from striate.nets.nodes.conv import Conv
from striate.nets.nodes.dense import Dense
from striate.nets.nodes.norm import BatchNorm
from striate.nets.nodes.pool import GlobalPool, Pool
from striate.nets.nodes.structure import Sequence

SIZES = {"densenet121": (6, 12, 24, 16), "densenet169": (6, 12, 32, 32), "densenet201": (6, 12, 48, 32)}
"""Layers of each block."""


def _convolved(filters: int, kernel_size: int) -> tuple[Node, ...]:
    """Norm and activation ahead of the convolution (He et al. 2016b)."""
    return BatchNorm(), Activation("relu"), Conv(filters, kernel_size, padding=kernel_size // 2, bias=False)


def _add(name: str, counts: tuple[int, ...]) -> None:
    @FAMILIES.register(name)
    def densenet(outputs: int, *, growth: int = 32) -> Network:
        """Each layer sees the outputs of all before it in its block; for photographs of about 224 px.

        Args:
            outputs: what the task needs.
            growth: channels that each layer adds; the stem has twice as many, and a layer's 1×1 convolution gives four
                times as many to its 3×3 one.
        """
        layer = Sequence((*_convolved(4 * growth, 1), *_convolved(growth, 3)), name="layer")
        nodes: list[Node] = [stem(2 * growth)]
        channels = 2 * growth
        for number, count in enumerate(counts, 1):
            block: tuple[Node, ...] = (DenselyConnected(layer, count, name="block"),)
            channels += count * growth
            if number < len(counts):
                channels //= 2
                block = (*block, Sequence((*_convolved(channels, 1), Pool(2, "average")), name="transition"))
            nodes.append(Sequence(block, name=f"stage{number}"))
        nodes += [BatchNorm(), Activation("relu"), GlobalPool()]
        return Network(name, (*nodes, Dense(outputs, name=HEAD)))

    same_as(name, f"torchvision/{name}")


for _name, _counts in SIZES.items():
    _add(_name, _counts)
