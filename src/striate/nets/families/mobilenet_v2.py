"""MobileNet v2: Sandler et al. 2018, "MobileNetV2: inverted residuals and linear bottlenecks", table 2.

3,504,872 parameters for 1000 classes, 0.30 billion multiply-accumulates at 224 px; top-1 accuracy 72.0 % (table 4).
Equal to torchvision's and timm's in outputs and gradients when weights are mapped across.
"""

from __future__ import annotations

from typing import Literal

from striate.nets.families import FAMILIES, same_as
from striate.nets.families._blocks import convolved, eights
from striate.nets.network import HEAD, Network
from striate.nets.node import Node
from striate.nets.nodes.activation import Activation
from striate.nets.nodes.conv import DepthwiseConv
from striate.nets.nodes.dense import Dense
from striate.nets.nodes.dropout import Dropout
from striate.nets.nodes.norm import BatchNorm
from striate.nets.nodes.pool import GlobalPool
from striate.nets.nodes.structure import Repeat, Residual, Sequence

STAGES = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))
"""Expansion, filters, blocks and stride of each stage: t, c, n and s of table 2."""


def _block(channels: int, filters: int, times: int, stride: int, pads: Literal["same"] | int) -> Node:
    """Wide inside, narrow between (figure 3b); beside a shortcut where the shape stays."""
    body: tuple[Node, ...] = (
        *(convolved(channels * times, 1, activation="relu6") if times > 1 else ()),
        DepthwiseConv(3, stride, padding=pads, bias=False),
        BatchNorm(),
        Activation("relu6"),
        *convolved(filters, 1, activation=None),
    )
    kept = stride == 1 and channels == filters
    return Residual(body, activation=None, name="block") if kept else Sequence(body, name="block")


@FAMILIES.register("mobilenet_v2")
def mobilenet_v2(
    outputs: int,
    *,
    width: float = 1.0,
    features: int = 1280,
    padding: Literal["even", "same"] = "even",
    dropout: float = 0.2,
) -> Network:
    """Inverted residuals: wide inside, narrow between; for photographs of about 224 px.

    Args:
        outputs: what the task needs.
        width: times the paper's filters, rounded to multiples of 8.
        features: filters of the last convolution.
        padding: "even" pads both sides of every 3×3 convolution, as torchvision and timm do; "same" pads as TensorFlow
            does, with which the original weights were trained: the other gives them features that are worthless.
        dropout: rate ahead of the head.
    """
    pads: Literal["same"] | int = 1 if padding == "even" else "same"
    channels = eights(32 * width)
    nodes: list[Node] = [
        Sequence(convolved(channels, 3, stride=2, padding=pads, activation="relu6"), name="stem"),
    ]
    for number, (times, filters, count, stride) in enumerate(STAGES, 1):
        filters = eights(filters * width)
        first = _block(channels, filters, times, stride, pads)
        nodes.append(Repeat(_block(filters, filters, times, 1, pads), count, first, name=f"stage{number}"))
        channels = filters
    nodes.append(Sequence(convolved(features, 1, activation="relu6"), name="features"))
    return Network("mobilenet_v2", (*nodes, GlobalPool(), Dropout(dropout), Dense(outputs, name=HEAD)))


same_as("mobilenet_v2", "torchvision/mobilenet_v2")
same_as("mobilenet_v2", "timm/mobilenetv2_100")
same_as(
    "mobilenet_v2",
    "timm/mobilenetv2_100",
    arguments={"padding": "same"},
    network_arguments={"pad_type": "same"},
)
