"""MobileNet v3: Howard et al. 2019, "Searching for MobileNetV3", tables 1 and 2.

| | parameters, for 1000 classes | billion multiply-accumulates at 224 px | top-1 accuracy, ImageNet (table 3) |
|---|---|---|---|
| mobilenet_v3_large | 5,483,032 | 0.22 | 75.2 % |
| mobilenet_v3_small | 2,542,856 | 0.06 | 67.4 % |

Equal to torchvision's in outputs and gradients when weights are mapped across.
"""

from __future__ import annotations

from striate.nets.families import FAMILIES, same_as
from striate.nets.families._blocks import convolved, eights
from striate.nets.network import HEAD, Network
from striate.nets.node import Node
from striate.nets.nodes.activation import Activation, ActivationKind
from striate.nets.nodes.conv import DepthwiseConv
from striate.nets.nodes.dense import Dense
from striate.nets.nodes.dropout import Dropout
from striate.nets.nodes.excite import SqueezeExcite
from striate.nets.nodes.norm import BatchNorm
from striate.nets.nodes.pool import GlobalPool
from striate.nets.nodes.structure import Residual, Sequence

BLOCKS: dict[str, tuple[tuple[tuple[int, int, int, int, str, int], ...], int]] = {
    "mobilenet_v3_large": (
        (
            (3, 16, 16, 0, "relu", 1),
            (3, 64, 24, 0, "relu", 2),
            (3, 72, 24, 0, "relu", 1),
            (5, 72, 40, 1, "relu", 2),
            (5, 120, 40, 1, "relu", 1),
            (5, 120, 40, 1, "relu", 1),
            (3, 240, 80, 0, "hard_swish", 2),
            (3, 200, 80, 0, "hard_swish", 1),
            (3, 184, 80, 0, "hard_swish", 1),
            (3, 184, 80, 0, "hard_swish", 1),
            (3, 480, 112, 1, "hard_swish", 1),
            (3, 672, 112, 1, "hard_swish", 1),
            (5, 672, 160, 1, "hard_swish", 2),
            (5, 960, 160, 1, "hard_swish", 1),
            (5, 960, 160, 1, "hard_swish", 1),
        ),
        1280,
    ),
    "mobilenet_v3_small": (
        (
            (3, 16, 16, 1, "relu", 2),
            (3, 72, 24, 0, "relu", 2),
            (3, 88, 24, 0, "relu", 1),
            (5, 96, 40, 1, "hard_swish", 2),
            (5, 240, 40, 1, "hard_swish", 1),
            (5, 240, 40, 1, "hard_swish", 1),
            (5, 120, 48, 1, "hard_swish", 1),
            (5, 144, 48, 1, "hard_swish", 1),
            (5, 288, 96, 1, "hard_swish", 2),
            (5, 576, 96, 1, "hard_swish", 1),
            (5, 576, 96, 1, "hard_swish", 1),
        ),
        1024,
    ),
}
"""Kernel, inner filters, filters, excitation, activation and stride of each block; and units of the last layer."""


def _convolved(filters: int, kernel_size: int, activation: ActivationKind | None, **about: int) -> tuple[Node, ...]:
    return convolved(filters, kernel_size, activation=activation, epsilon=1e-3, momentum=0.01, **about)


def _block(channels: int, row: tuple[int, int, int, int, str, int], width: float, name: str) -> Residual | Sequence:
    kernel_size, inner, filters, excited, activation, stride = row
    inner, filters = eights(inner * width), eights(filters * width)
    kind: ActivationKind = "relu" if activation == "relu" else "hard_swish"
    body: tuple[Node, ...] = (
        *(_convolved(inner, 1, kind) if inner != channels else ()),
        DepthwiseConv(kernel_size, stride, padding=kernel_size // 2, bias=False),
        BatchNorm(epsilon=1e-3, momentum=0.01),
        Activation(kind),
        *((SqueezeExcite(eights(inner // 4), gate="hard_sigmoid"),) if excited else ()),
        *_convolved(filters, 1, None),
    )
    kept = stride == 1 and channels == filters
    return Residual(body, activation=None, name=name) if kept else Sequence(body, name=name)


def _add(name: str) -> None:
    @FAMILIES.register(name)
    def mobilenet_v3(outputs: int, *, width: float = 1.0, units: int | None = None, dropout: float = 0.2) -> Network:
        """Inverted residuals found by search, for photographs of about 224 px.

        Args:
            outputs: what the task needs.
            width: times the paper's filters, rounded to multiples of 8.
            units: of the dense layer ahead of the head; in proportion to the width unless given.
            dropout: rate ahead of the head.
        """
        rows, last = BLOCKS[name]
        channels = eights(16 * width)
        stem = _convolved(channels, 3, "hard_swish", stride=2, padding=1)
        nodes: list[Node] = []
        stages: list[list[Node]] = [[Sequence(stem, name="stem")]]
        for row in rows:
            if row[-1] == 2:
                stages.append([])
            stages[-1].append(_block(channels, row, width, f"block{len(stages[-1]) + 1}"))
            channels = eights(row[2] * width)
        nodes = [
            stages[0][0],
            *(
                Sequence(tuple(stage if number else stage[1:]), name=f"stage{number + 1}")
                for number, stage in enumerate(stages)
                if number or len(stage) > 1
            ),
        ]
        features = Sequence(_convolved(6 * channels, 1, "hard_swish"), name="features")
        end = (Dense(units or eights(last * width)), Activation("hard_swish"), Dropout(dropout))
        return Network(name, (*nodes, features, GlobalPool(), *end, Dense(outputs, name=HEAD)))

    same_as(name, f"torchvision/{name}")


for _name in BLOCKS:
    _add(_name)
