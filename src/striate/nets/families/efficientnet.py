"""EfficientNet-B0: Tan and Le 2019, "EfficientNet: rethinking model scaling", table 1.

5,288,548 parameters for 1000 classes, 0.39 billion multiply-accumulates at 224 px; top-1 accuracy 77.1 % (table 2).
Equal to torchvision's in outputs and gradients when weights are mapped across.
"""

from __future__ import annotations

from striate.nets.families import FAMILIES, same_as
from striate.nets.families._blocks import convolved, eights
from striate.nets.network import HEAD, Network
from striate.nets.node import Node
from striate.nets.nodes.activation import Activation
from striate.nets.nodes.conv import DepthwiseConv
from striate.nets.nodes.dense import Dense
from striate.nets.nodes.dropout import Dropout, StochasticDepth
from striate.nets.nodes.excite import SqueezeExcite
from striate.nets.nodes.norm import BatchNorm
from striate.nets.nodes.pool import GlobalPool
from striate.nets.nodes.structure import Residual, Sequence

STAGES = (
    (1, 3, 1, 16, 1),
    (6, 3, 2, 24, 2),
    (6, 5, 2, 40, 2),
    (6, 3, 2, 80, 3),
    (6, 5, 1, 112, 3),
    (6, 5, 2, 192, 4),
    (6, 3, 1, 320, 1),
)
"""Expansion, kernel, stride, filters and blocks of each stage."""


@FAMILIES.register("efficientnet_b0")
def efficientnet_b0(
    outputs: int, *, width: float = 1.0, features: int = 1280, dropout: float = 0.2, stochastic_depth: float = 0.2
) -> Network:
    """Inverted residuals with squeeze-and-excitation, for photographs of about 224 px.

    Args:
        outputs: what the task needs.
        width: times the paper's filters, rounded to multiples of 8.
        features: filters of the last convolution.
        dropout: rate ahead of the head.
        stochastic_depth: rate at which the last block is left out; that of earlier ones grows towards it from 0.
    """
    channels = eights(32 * width)
    total = sum(count for *_, count in STAGES)
    nodes: list[Node] = [Sequence(convolved(channels, 3, stride=2, padding=1, activation="silu"), name="stem")]
    before = 0
    for number, (times, kernel_size, stride, filters, count) in enumerate(STAGES, 1):
        filters = eights(filters * width)
        blocks: list[Node] = []
        for turn in range(count):
            step = stride if turn == 0 else 1
            body: tuple[Node, ...] = (
                *(convolved(channels * times, 1, activation="silu") if times > 1 else ()),
                DepthwiseConv(kernel_size, step, padding=kernel_size // 2, bias=False),
                BatchNorm(),
                Activation("silu"),
                SqueezeExcite(max(1, channels // 4), activation="silu"),
                *convolved(filters, 1, activation=None),
            )
            name = f"block{turn + 1}"
            if step == 1 and channels == filters:
                rate = stochastic_depth * before / total
                body = (*body, StochasticDepth(rate)) if rate else body
                blocks.append(Residual(body, activation=None, name=name))
            else:
                blocks.append(Sequence(body, name=name))
            channels, before = filters, before + 1
        nodes.append(Sequence(tuple(blocks), name=f"stage{number}"))
    nodes.append(Sequence(convolved(features, 1, activation="silu"), name="features"))
    return Network("efficientnet_b0", (*nodes, GlobalPool(), Dropout(dropout), Dense(outputs, name=HEAD)))


same_as("efficientnet_b0", "torchvision/efficientnet_b0")
