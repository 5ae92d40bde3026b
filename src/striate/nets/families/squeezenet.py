"""SqueezeNet: Iandola et al. 2016, "SqueezeNet: AlexNet-level accuracy with 50x fewer parameters", table 1.

| | parameters, for 1000 classes | billion multiply-accumulates at 224 px |
|---|---|---|
| squeezenet1_0 | 1,248,424 | 0.82 |
| squeezenet1_1 | 1,235,496 | 0.35 |

Top-1 accuracy 57.5 % (table 2). 1.1 is the authors' later version: it pools earlier, with filters of 3×3 at the start.
Equal to torchvision's in outputs and gradients when weights are mapped across.
"""

from __future__ import annotations

from striate.nets.families import FAMILIES, same_as
from striate.nets.network import HEAD, Network
from striate.nets.node import Node
from striate.nets.nodes.activation import Activation
from striate.nets.nodes.branches import Branches
from striate.nets.nodes.conv import Conv
from striate.nets.nodes.dropout import Dropout
from striate.nets.nodes.pool import GlobalPool, Pool
from striate.nets.nodes.structure import Sequence

RELU, POOL = Activation("relu"), Pool(3, stride=2, partial=True)
STAGES: dict[str, tuple[Conv, tuple[tuple[int, ...], ...]]] = {
    "squeezenet1_0": (Conv(96, 7, stride=2), ((16, 16, 32), (32, 48, 48, 64), (64,))),
    "squeezenet1_1": (Conv(64, 3, stride=2), ((16, 16), (32, 32), (48, 48, 64, 64))),
}
"""The stem, and the squeezed filters of each fire module by stage."""


def fire(squeezed: int) -> Sequence:
    """1×1 down, then 1×1 and 3×3 side by side, each with four times the filters (figure 1)."""
    wide = 4 * squeezed
    expanded = Branches(((Conv(wide, 1), RELU), (Conv(wide, 3, padding=1), RELU)), name="expand")
    return Sequence((Conv(squeezed, 1), RELU, expanded), name="fire")


def _add(name: str) -> None:
    @FAMILIES.register(name)
    def squeezenet(outputs: int, *, width: float = 1.0, dropout: float = 0.5) -> Network:
        """Squeezed and expanded in turn, without dense layers, for photographs of about 224 px.

        Args:
            outputs: what the task needs.
            width: times the paper's filters.
            dropout: rate ahead of the last convolution, which is the head.
        """
        stem, stages = STAGES[name]
        first = Conv(max(1, round(stem.filters * width)), stem.kernel_size, stem.stride)
        nodes: list[Node] = [Sequence((first, RELU, POOL), name="stem")]
        for number, squeezed in enumerate(stages, 1):
            fires: tuple[Node, ...] = tuple(
                Sequence(fire(max(1, round(filters * width))).nodes, name=f"fire{turn}")
                for turn, filters in enumerate(squeezed, 1)
            )
            nodes.append(Sequence((*fires, POOL) if number < len(stages) else fires, name=f"stage{number}"))
        head = (Dropout(dropout), Conv(outputs, 1, init="default", name=HEAD), RELU, GlobalPool())
        return Network(name, (*nodes, *head))

    same_as(name, f"torchvision/{name}")


for _name in STAGES:
    _add(_name)
