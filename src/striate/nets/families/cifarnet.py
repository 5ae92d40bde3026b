"""A plain convolutional network that learns fast: the one of the CIFAR-10 speed records, by width and picture size.

Jordan 2024, "94% on CIFAR-10 in 3.29 seconds on a single GPU", sections 3.1 and 3.3: each stage pools right after
its first convolution, so that all others see a quarter of the pixels; filters begin as the identity where they can
("dirac"); GELU; one maximum a channel ahead of the head. Left out are its whitening first layer, whose filters depend
on the data, and the factor of 1/9 on the outputs; the first layer learns and is normalised instead.
"""

from __future__ import annotations

from collections.abc import Sequence as Numbers
from typing import Any, Literal

from striate.core.errors import NetworkError
from striate.nets.families import FAMILIES
from striate.nets.network import HEAD, Network
from striate.nets.node import Node
from striate.nets.nodes.activation import Activation
from striate.nets.nodes.conv import Conv
from striate.nets.nodes.dense import Dense
from striate.nets.nodes.dropout import Dropout
from striate.nets.nodes.norm import BatchNorm
from striate.nets.nodes.pool import GlobalPool, Pool
from striate.nets.nodes.structure import Sequence


@FAMILIES.register("cifarnet")
def cifarnet(
    outputs: int,
    *,
    widths: Numbers[int] = (64, 256, 256),
    stem: int = 24,
    stem_stride: int = 1,
    pool: Literal["average", "max", "both"] = "max",
    dropout: float = 0.0,
) -> Network:
    """A stem, then a stage of two convolutions for each of `widths`, each halving the sides; a dense head.

    Args:
        outputs: what the task needs.
        widths: channels of each stage; the paper's are the default.
        stem: channels of the first layer, which sees every pixel.
        stem_stride: its step; 2 for pictures of 64 px and more.
        pool: how each channel's last map becomes a number.
        dropout: rate ahead of the head.

    >>> cifarnet(10, **fit(32, 32)).layers((3, 32, 32))[-2].input
    (256, 4, 4)
    """
    if not widths:
        raise NetworkError("cifarnet: widths must name at least one stage", fix="give [64, 256, 256], say")
    first = (Conv(stem, stride=stem_stride, padding=1, bias=False), BatchNorm(), Activation("gelu"))
    nodes: list[Node] = [Sequence(first, name="stem")]
    nodes += [_stage(number, width) for number, width in enumerate(widths, 1)]
    nodes.append(GlobalPool(pool))
    if dropout:
        nodes.append(Dropout(dropout))
    return Network("cifarnet", (*nodes, Dense(outputs, name=HEAD)))


def _stage(number: int, width: int) -> Node:
    convolution = Conv(width, padding=1, bias=False, init="dirac")
    activated = (BatchNorm(), Activation("gelu"))
    return Sequence((convolution, Pool(2), *activated, convolution, *activated), name=f"stage{number}")


def fit(side: int, width: int) -> dict[str, Any]:
    """The arguments that bring pictures of this side to a last map of 3 to 6 px.

    Args:
        side: the shorter side of the network's input, in pixels.
        width: channels of the first stage; the second has three times as many, later ones eight times: where a stage
            sees few pixels, channels cost little.

    Returns:
        `widths`, `stem` and `stem_stride`.

    >>> fit(32, 32)
    {'widths': [32, 96, 256], 'stem': 24, 'stem_stride': 1}
    >>> fit(128, 16)
    {'widths': [16, 48, 128, 128], 'stem': 24, 'stem_stride': 2}
    """
    stem_stride = 1 if side < 64 else 2 if side < 192 else 4
    stages = 1
    while side // (stem_stride * 2**stages) > 6:
        stages += 1
    return {"widths": [width, 3 * width, *[8 * width] * stages][:stages], "stem": 24, "stem_stride": stem_stride}
