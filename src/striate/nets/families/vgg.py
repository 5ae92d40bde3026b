"""VGG-11, -13, -16 and -19: Simonyan and Zisserman 2015, "Very deep convolutional networks", table 1, A, B, D and E.

| | parameters, for 1000 classes | with norms | billion multiply-accumulates at 224 px |
|---|---|---|---|
| vgg11 | 132,863,336 | 132,868,840 | 7.61 |
| vgg13 | 133,047,848 | 133,053,736 | 11.31 |
| vgg16 | 138,357,544 | 138,365,992 | 15.47 |
| vgg19 | 143,667,240 | 143,678,248 | 19.63 |

Equal to torchvision's in outputs and gradients when weights are mapped across; `_bn` has a norm behind each
convolution. Without norms, the last of them learns only from weights that were drawn with care (`he_normal`).
"""

from __future__ import annotations

from striate.nets.families import FAMILIES, same_as
from striate.nets.network import HEAD, Network
from striate.nets.node import Node
from striate.nets.nodes.activation import Activation
from striate.nets.nodes.conv import Conv
from striate.nets.nodes.dense import Dense
from striate.nets.nodes.dropout import Dropout
from striate.nets.nodes.norm import BatchNorm
from striate.nets.nodes.pool import AdaptivePool, Pool
from striate.nets.nodes.shape import Flatten
from striate.nets.nodes.structure import Sequence

SIZES = {
    "vgg11": (1, 1, 2, 2, 2),
    "vgg13": (2, 2, 2, 2, 2),
    "vgg16": (2, 2, 3, 3, 3),
    "vgg19": (2, 2, 4, 4, 4),
}
"""Convolutions of each stage."""


def _stage(number: int, filters: int, count: int, norm: bool) -> Sequence:
    step: tuple[Node, ...] = (Conv(filters, 3, padding=1), *((BatchNorm(),) if norm else ()), Activation("relu"))
    return Sequence((*step * count, Pool(2)), name=f"stage{number}")


def _add(name: str, counts: tuple[int, ...], norm: bool) -> None:
    @FAMILIES.register(name)
    def vgg(outputs: int, *, width: int = 64, units: int = 4096, dropout: float = 0.5) -> Network:
        """A plain deep network of 3×3 convolutions, for photographs of about 224 px.

        Args:
            outputs: what the task needs.
            width: filters of the first stage; each further one has twice as many, up to eight times.
            units: of the two hidden dense layers, which hold most of the parameters.
            dropout: rate ahead of the second hidden layer and of the head.
        """
        stages = [
            _stage(number, width * min(2 ** (number - 1), 8), count, norm) for number, count in enumerate(counts, 1)
        ]
        hidden = (Dense(units), Activation("relu"), Dropout(dropout))
        return Network(name, (*stages, AdaptivePool(7), Flatten(), *hidden * 2, Dense(outputs, name=HEAD)))

    same_as(name, f"torchvision/{name}")


for _name, _counts in SIZES.items():
    _add(_name, _counts, norm=False)
    _add(f"{_name}_bn", _counts, norm=True)
