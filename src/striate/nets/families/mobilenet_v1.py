"""MobileNet: Howard et al. 2017, "MobileNets: efficient convolutional neural networks for mobile vision", table 1.

4,231,976 parameters for 1000 classes, 0.57 billion multiply-accumulates at 224 px; top-1 accuracy 70.6 % (table 8).
Equal to timm's `mobilenetv1_100` in outputs and gradients when weights are mapped across.
"""

from __future__ import annotations

from striate.nets.families import FAMILIES, same_as
from striate.nets.families._blocks import convolved
from striate.nets.network import HEAD, Network
from striate.nets.node import Node
from striate.nets.nodes.activation import Activation
from striate.nets.nodes.conv import DepthwiseConv
from striate.nets.nodes.dense import Dense
from striate.nets.nodes.norm import BatchNorm
from striate.nets.nodes.pool import GlobalPool
from striate.nets.nodes.structure import Sequence

STEPS = ((2, 1), (4, 2), (4, 1), (8, 2), (8, 1), (16, 2), *((16, 1),) * 5, (32, 2), (32, 1))
"""Filters, as multiples of the stem's, and stride of each depthwise and pointwise pair."""


@FAMILIES.register("mobilenet_v1")
def mobilenet_v1(outputs: int, *, width: int = 32) -> Network:
    """Depthwise and pointwise convolutions in turn, for photographs of about 224 px.

    Args:
        outputs: what the task needs.
        width: filters of the stem; the others are in proportion (the paper's α is width / 32).
    """
    nodes: list[Node] = [Sequence(convolved(width, 3, stride=2, padding=1, activation="relu6"), name="stem")]
    for number, (times, stride) in enumerate(STEPS, 1):
        pair = (
            DepthwiseConv(3, stride, padding=1, bias=False),
            BatchNorm(),
            Activation("relu6"),
            *convolved(width * times, 1, activation="relu6"),
        )
        nodes.append(Sequence(pair, name=f"block{number}"))
    return Network("mobilenet_v1", (*nodes, GlobalPool(), Dense(outputs, name=HEAD)))


same_as("mobilenet_v1", "timm/mobilenetv1_100")
