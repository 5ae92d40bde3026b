"""GoogLeNet: Szegedy et al. 2015, "Going deeper with convolutions", table 1, with norms.

6,624,904 parameters for 1000 classes, 1.50 billion multiply-accumulates at 224 px; top-5 error 6.67 % with seven
networks and 144 crops (table 3). Equal to torchvision's without its auxiliary heads, in outputs and gradients, when
weights are mapped across: as there, the branch of 5×5 convolutions has 3×3 ones.
"""

from __future__ import annotations

from striate.nets.families import FAMILIES, same_as
from striate.nets.families._blocks import convolved
from striate.nets.network import HEAD, Network
from striate.nets.node import Node
from striate.nets.nodes.branches import Branches
from striate.nets.nodes.dense import Dense
from striate.nets.nodes.dropout import Dropout
from striate.nets.nodes.pool import GlobalPool, Pool
from striate.nets.nodes.structure import Sequence

POOL = Pool(3, stride=2, partial=True)
STAGES: tuple[tuple[tuple[int, ...], ...], ...] = (
    ((64, 96, 128, 16, 32, 32), (128, 128, 192, 32, 96, 64)),
    (
        (192, 96, 208, 16, 48, 64),
        (160, 112, 224, 24, 64, 64),
        (128, 128, 256, 24, 64, 64),
        (112, 144, 288, 32, 64, 64),
        (256, 160, 320, 32, 128, 128),
    ),
    ((256, 160, 320, 32, 128, 128), (384, 192, 384, 48, 128, 128)),
)
"""Filters of each inception module by stage: #1×1, #3×3 reduce, #3×3, #5×5 reduce, #5×5, pool proj."""


def inception(filters: tuple[int, ...], name: str) -> Branches:
    """Convolutions of several sizes and pooling side by side (figure 2b)."""
    alone, before, wide, before_wider, wider, pooled = filters
    return Branches(
        (
            _convolved(alone, 1),
            (*_convolved(before, 1), *_convolved(wide, 3)),
            (*_convolved(before_wider, 1), *_convolved(wider, 3)),
            (Pool(3, stride=1, padding=1, partial=True), *_convolved(pooled, 1)),
        ),
        name=name,
    )


def _convolved(filters: int, kernel_size: int, stride: int = 1) -> tuple[Node, ...]:
    return convolved(filters, kernel_size, stride=stride, padding=kernel_size // 2, epsilon=1e-3)


@FAMILIES.register("googlenet")
def googlenet(outputs: int, *, width: float = 1.0, dropout: float = 0.2) -> Network:
    """Inception modules, for photographs of about 224 px.

    Args:
        outputs: what the task needs.
        width: times the paper's filters.
        dropout: rate ahead of the head; the paper has 0.4, torchvision 0.2.
    """

    def wide(count: int) -> int:
        return max(1, round(count * width))

    stem = (*_convolved(wide(64), 7, 2), POOL, *_convolved(wide(64), 1), *_convolved(wide(192), 3), POOL)
    nodes: list[Node] = [Sequence(stem, name="stem")]
    for number, modules in enumerate(STAGES, 1):
        made: list[Node] = [
            inception(tuple(map(wide, filters)), f"inception{turn}") for turn, filters in enumerate(modules, 1)
        ]
        if number < len(STAGES):
            made.append(POOL if number == 1 else Pool(2, partial=True))
        nodes.append(Sequence(tuple(made), name=f"stage{number}"))
    return Network("googlenet", (*nodes, GlobalPool(), Dropout(dropout), Dense(outputs, name=HEAD)))


same_as("googlenet", "torchvision/googlenet")
