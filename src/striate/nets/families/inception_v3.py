"""Inception-v3: Szegedy et al. 2016, "Rethinking the Inception architecture for computer vision", table 1.

23,834,568 parameters for 1000 classes, 5.71 billion multiply-accumulates at 299 px; top-1 error 21.2 % (table 3).
Equal to torchvision's without its auxiliary head, in outputs and gradients, when weights are mapped across. With it,
where it is told to: 27,161,264 parameters, of which only training computes 3,326,696.
"""

from __future__ import annotations

from collections.abc import Callable

from striate.nets.families import FAMILIES, same_as
from striate.nets.families._blocks import convolved
from striate.nets.network import HEAD, Network
from striate.nets.node import Node
from striate.nets.nodes.auxiliary import Auxiliary
from striate.nets.nodes.branches import Branches
from striate.nets.nodes.dense import Dense
from striate.nets.nodes.dropout import Dropout
from striate.nets.nodes.pool import GlobalPool, Pool
from striate.nets.nodes.structure import Sequence

Nodes = tuple[Node, ...]
Wide = Callable[[int], int]

AROUND = Pool(3, "average", stride=1, padding=1, count_padding=True)
HALVED = Pool(3, stride=2)


def _conv(filters: int, kernel_size: int | tuple[int, int] = 1, stride: int = 1, pad: bool = True) -> Nodes:
    size = (kernel_size, kernel_size) if isinstance(kernel_size, int) else kernel_size
    padding = tuple(side // 2 for side in size) if pad else 0
    return convolved(filters, kernel_size, stride=stride, padding=padding, epsilon=1e-3)


def _fifth(wide: Wide, pooled: int) -> Branches:
    """Figure 5: 5×5 and doubled 3×3."""
    return Branches(
        (
            _conv(wide(64)),
            (*_conv(wide(48)), *_conv(wide(64), 5)),
            (*_conv(wide(64)), *_conv(wide(96), 3), *_conv(wide(96), 3)),
            (AROUND, *_conv(wide(pooled))),
        )
    )


def _first_halving(wide: Wide) -> Branches:
    """Figure 10, on the 35×35 grid."""
    return Branches(
        (
            _conv(wide(384), 3, 2, pad=False),
            (*_conv(wide(64)), *_conv(wide(96), 3), *_conv(wide(96), 3, 2, pad=False)),
            (HALVED,),
        )
    )


def _sixth(wide: Wide, inner: int) -> Branches:
    """Figure 6: 7×7 in two steps, once and twice."""
    across, down, within = (1, 7), (7, 1), wide(inner)
    return Branches(
        (
            _conv(wide(192)),
            (*_conv(within), *_conv(within, across), *_conv(wide(192), down)),
            (
                *_conv(within),
                *_conv(within, down),
                *_conv(within, across),
                *_conv(within, down),
                *_conv(wide(192), across),
            ),
            (AROUND, *_conv(wide(192))),
        )
    )


def _second_halving(wide: Wide) -> Branches:
    """Figure 10, on the 17×17 grid."""
    inner = wide(192)
    return Branches(
        (
            (*_conv(inner), *_conv(wide(320), 3, 2, pad=False)),
            (*_conv(inner), *_conv(inner, (1, 7)), *_conv(inner, (7, 1)), *_conv(inner, 3, 2, pad=False)),
            (HALVED,),
        )
    )


def _seventh(wide: Wide) -> Branches:
    """Figure 7: 3×3 as 1×3 beside 3×1."""
    split = Branches((_conv(wide(384), (1, 3)), _conv(wide(384), (3, 1))))
    return Branches(
        (
            _conv(wide(320)),
            (*_conv(wide(384)), split),
            (*_conv(wide(448)), *_conv(wide(384), 3), split),
            (AROUND, *_conv(wide(192))),
        )
    )


def _auxiliary(outputs: int, wide: Wide) -> Auxiliary:
    """Figure 8, as in torchvision; the weight is that of the authors' code, which the paper does not give."""
    first = (Pool(5, "average", stride=3), *_conv(wide(128)), *_conv(wide(768), 5, pad=False))
    return Auxiliary((*first, GlobalPool(), Dense(outputs, name=HEAD)), weight=0.4, name="auxiliary1")


@FAMILIES.register("inception_v3")
def inception_v3(outputs: int, *, width: float = 1.0, dropout: float = 0.5, auxiliary: bool = False) -> Network:
    """Factorised inception modules, for photographs of 299 px and not below 75.

    Args:
        outputs: what the task needs.
        width: times the paper's filters.
        dropout: rate ahead of the head.
        auxiliary: whether another head helps in training (section 4).
    """

    def wide(count: int) -> int:
        return max(1, round(count * width))

    stem: Nodes = (
        *_conv(wide(32), 3, 2, pad=False),
        *_conv(wide(32), 3, pad=False),
        *_conv(wide(64), 3),
        HALVED,
        *_conv(wide(80)),
        *_conv(wide(192), 3, pad=False),
        HALVED,
    )
    extra = (_auxiliary(outputs, wide),) if auxiliary else ()
    stages: tuple[Nodes, ...] = (
        tuple(_fifth(wide, pooled) for pooled in (32, 64, 64)),
        (_first_halving(wide), *(_sixth(wide, inner) for inner in (128, 160, 160, 192)), *extra),
        (_second_halving(wide), _seventh(wide), _seventh(wide)),
    )
    body = tuple(Sequence(nodes, name=f"stage{number}") for number, nodes in enumerate(stages, 1))
    end = (GlobalPool(), Dropout(dropout), Dense(outputs, name=HEAD))
    return Network("inception_v3", (Sequence(stem, name="stem"), *body, *end))


same_as("inception_v3", "torchvision/inception_v3", size=299)
