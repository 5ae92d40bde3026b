"""InceptionTime: Ismail Fawaz et al. 2020, "InceptionTime: finding AlexNet for time series classification", figure 1.

One of its five equal networks; the ensemble is five trainings. Two residual blocks of three modules, each with kernels
of three lengths beside pooling.
"""

from __future__ import annotations

from collections.abc import Sequence as Numbers

from striate.nets.families import FAMILIES
from striate.nets.network import HEAD, Network
from striate.nets.node import Node
from striate.nets.nodes.activation import Activation
from striate.nets.nodes.branches import Branches
from striate.nets.nodes.conv import Conv
from striate.nets.nodes.dense import Dense
from striate.nets.nodes.norm import BatchNorm
from striate.nets.nodes.pool import GlobalPool, Pool
from striate.nets.nodes.structure import Residual, Sequence


def module(filters: int, kernels: Numbers[int], bottleneck: bool) -> Sequence:
    """Figure 2: a bottleneck to `filters` channels ahead of the long kernels, and pooling beside them."""

    def conv(kernel_size: int) -> Conv:
        return Conv(filters, kernel_size, padding="same", bias=False)

    before: tuple[Node, ...] = (conv(1),) if bottleneck else ()
    long = Branches(tuple((conv(kernel_size),) for kernel_size in kernels))
    pooled: tuple[Node, ...] = (Pool(3, stride=1, padding=1), conv(1))
    return Sequence((Branches(((*before, long), pooled)), BatchNorm(), Activation("relu")), name="module")


@FAMILIES.register("inception_time")
def inception_time(
    outputs: int,
    *,
    filters: int = 32,
    kernels: Numbers[int] = (40, 20, 10),
    blocks: int = 2,
    bottleneck: bool = False,
) -> Network:
    """Modules of long and short kernels, for series.

    Args:
        outputs: what the task needs.
        filters: of each kernel; a module gives one time more than there are kernels as many channels.
        kernels: their lengths.
        blocks: of three modules beside a shortcut.
        bottleneck: whether the first module has one too, as the authors' code gives it for series of several channels.
    """
    nodes: list[Node] = []
    for number in range(1, blocks + 1):
        body = tuple(module(filters, kernels, bottleneck=bottleneck or number > 1 or turn > 0) for turn in range(3))
        nodes.append(
            Residual(
                tuple(Sequence(one.nodes, name=f"module{turn}") for turn, one in enumerate(body, 1)),
                shortcut="projection",
                name=f"stage{number}",
            )
        )
    return Network("inception_time", (*nodes, GlobalPool(), Dense(outputs, name=HEAD)))
