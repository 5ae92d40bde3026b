"""GoogLeNet: Szegedy et al. 2015, "Going deeper with convolutions", table 1.

`googlenet` is torchvision's, with norms, and with 3×3 convolutions where the paper has 5×5; 6,624,904 parameters for
1000 classes, 1.50 billion multiply-accumulates at 224 px. Equal to torchvision's without its auxiliary heads, in
outputs and gradients, when weights are mapped across. `googlenet_2014` is the paper's: local response normalisation
(figure 3), biases instead of norms, 5×5 convolutions; 13,378,280 parameters, 1.58 billion multiply-accumulates. Top-5
error 6.67 % with seven networks and 144 crops (table 2). Of its parameters, 6,379,728 are those of two auxiliary heads,
which only training computes (section 5); `googlenet` has them where it is told to, as torchvision's: 13,004,888.
"""

from __future__ import annotations

from collections.abc import Callable

from striate.nets.families import FAMILIES, same_as
from striate.nets.families._blocks import convolved
from striate.nets.network import HEAD, Network
from striate.nets.node import Node
from striate.nets.nodes.activation import Activation
from striate.nets.nodes.auxiliary import Auxiliary
from striate.nets.nodes.branches import Branches
from striate.nets.nodes.conv import Conv
from striate.nets.nodes.dense import Dense
from striate.nets.nodes.dropout import Dropout
from striate.nets.nodes.norm import LocalResponseNorm
from striate.nets.nodes.pool import AdaptivePool, GlobalPool, Pool
from striate.nets.nodes.shape import Flatten
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


Step = Callable[[int, int, int], tuple[Node, ...]]
"""The nodes of a convolution, from its filters, its kernel size and its stride."""


def _normed(filters: int, kernel_size: int, stride: int) -> tuple[Node, ...]:
    return convolved(filters, kernel_size, stride=stride, padding=kernel_size // 2, epsilon=1e-3)


def _biased(filters: int, kernel_size: int, stride: int) -> tuple[Node, ...]:
    return Conv(filters, kernel_size, stride, padding=kernel_size // 2), Activation("relu")


def inception(filters: tuple[int, ...], name: str, step: Step, largest: int) -> Branches:
    """Convolutions of several sizes and pooling side by side (figure 2b).

    Args:
        filters: as `STAGES` has them.
        name: of the node.
        step: makes a convolution.
        largest: kernel size in the third branch.
    """
    alone, before, wide, before_wider, wider, pooled = filters
    return Branches(
        (
            step(alone, 1, 1),
            (*step(before, 1, 1), *step(wide, 3, 1)),
            (*step(before_wider, 1, 1), *step(wider, largest, 1)),
            (Pool(3, stride=1, padding=1, partial=True), *step(pooled, 1, 1)),
        ),
        name=name,
    )


@FAMILIES.register("googlenet")
def googlenet(outputs: int, *, width: float = 1.0, dropout: float = 0.2, auxiliary: bool = False) -> Network:
    """Inception modules with norms, for photographs of about 224 px.

    Args:
        outputs: what the task needs.
        width: times the paper's filters.
        dropout: rate ahead of the head; the paper has 0.4, torchvision 0.2.
        auxiliary: whether two more heads help in training.
    """
    return _network("googlenet", outputs, width, dropout, auxiliary, step=_normed, largest=3, between=())


@FAMILIES.register("googlenet_2014")
def googlenet_2014(outputs: int, *, width: float = 1.0, dropout: float = 0.4, auxiliary: bool = True) -> Network:
    """The paper's own network, for photographs of about 224 px.

    Args:
        outputs: what the task needs.
        width: times the paper's filters.
        dropout: rate ahead of the head.
        auxiliary: whether two more heads help in training.
    """
    between = (LocalResponseNorm(),)
    return _network("googlenet_2014", outputs, width, dropout, auxiliary, step=_biased, largest=5, between=between)


def _auxiliary(outputs: int, step: Step, wide: Callable[[int], int], name: str) -> Auxiliary:
    """Section 5, the list on page 6: weight 0.3, dropout 0.7. As in torchvision, parts of any grid make the 4×4 that
    the paper's mean over 5×5 in steps of 3 makes of 14×14."""
    dense = (Flatten(), Dense(wide(1024)), Activation("relu"), Dropout(0.7), Dense(outputs, name=HEAD))
    return Auxiliary((AdaptivePool(4), *step(wide(128), 1, 1), *dense), weight=0.3, name=name)


def _network(
    name: str,
    outputs: int,
    width: float,
    dropout: float,
    auxiliary: bool,
    *,
    step: Step,
    largest: int,
    between: tuple[Node, ...],
) -> Network:
    def wide(count: int) -> int:
        return max(1, round(count * width))

    stem = (*step(wide(64), 7, 2), POOL, *between, *step(wide(64), 1, 1), *step(wide(192), 3, 1), *between, POOL)
    nodes: list[Node] = [Sequence(stem, name="stem")]
    for number, modules in enumerate(STAGES, 1):
        made: list[Node] = [
            inception(tuple(map(wide, filters)), f"inception{turn}", step, largest)
            for turn, filters in enumerate(modules, 1)
        ]
        if auxiliary and number == 2:
            made.insert(4, _auxiliary(outputs, step, wide, "auxiliary2"))  # on inception 4d
            made.insert(1, _auxiliary(outputs, step, wide, "auxiliary1"))  # on inception 4a
        if number < len(STAGES):
            made.append(POOL if number == 1 else Pool(2, partial=True))
        nodes.append(Sequence(tuple(made), name=f"stage{number}"))
    return Network(name, (*nodes, GlobalPool(), Dropout(dropout), Dense(outputs, name=HEAD)))


same_as("googlenet", "torchvision/googlenet")
