"""Networks for series: Wang, Yan and Oates 2017, "Time series classification from scratch", figure 1 (b) and (c).

| | parameters, for one channel and 10 classes | mean per-class error, 44 sets of UCR (table 1 and section 4) |
|---|---|---|
| fcn1d | 265,994 | 0.0219 |
| resnet1d | 504,842 | 0.0231 |

They take grids of two and three axes, too. Kernels of even length are padded as TensorFlow does.
"""

from __future__ import annotations

from striate.nets.families import FAMILIES
from striate.nets.network import HEAD, Network
from striate.nets.node import Node
from striate.nets.nodes.activation import Activation
from striate.nets.nodes.conv import Conv
from striate.nets.nodes.dense import Dense
from striate.nets.nodes.norm import BatchNorm
from striate.nets.nodes.pool import GlobalPool
from striate.nets.nodes.structure import Residual, Sequence


def _step(filters: int, kernel_size: int) -> tuple[Node, ...]:
    return Conv(filters, kernel_size, padding="same"), BatchNorm()


@FAMILIES.register("fcn1d")
def fcn1d(outputs: int, *, width: int = 128) -> Network:
    """Three convolutions and the mean over time.

    Args:
        outputs: what the task needs.
        width: filters of the first and the last; the second has twice as many.
    """
    relu = Activation("relu")
    nodes: list[Node] = []
    for number, (filters, kernel_size) in enumerate(((width, 8), (2 * width, 5), (width, 3)), 1):
        nodes.append(Sequence((*_step(filters, kernel_size), relu), name=f"stage{number}"))
    return Network("fcn1d", (*nodes, GlobalPool(), Dense(outputs, name=HEAD)))


@FAMILIES.register("resnet1d")
def resnet1d(outputs: int, *, width: int = 64) -> Network:
    """Three residual blocks of three convolutions each, and the mean over time.

    Args:
        outputs: what the task needs.
        width: filters of the first block; the others have twice as many.
    """
    relu = Activation("relu")
    nodes: list[Node] = []
    for number, filters in enumerate((width, 2 * width, 2 * width), 1):
        body = (*_step(filters, 8), relu, *_step(filters, 5), relu, *_step(filters, 3))
        nodes.append(Residual(body, name=f"stage{number}"))
    return Network("resnet1d", (*nodes, GlobalPool(), Dense(outputs, name=HEAD)))
