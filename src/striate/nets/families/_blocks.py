"""Groups of nodes that several families are made of."""

from __future__ import annotations

from striate.nets.node import Node
from striate.nets.nodes.activation import Activation
from striate.nets.nodes.conv import Conv
from striate.nets.nodes.norm import BatchNorm
from striate.nets.nodes.structure import Repeat, Residual


def basic_block(filters: int, stride: int = 1) -> Residual:
    """Two 3×3 convolutions with norms beside a shortcut (He et al. 2016, figure 5, left).

    The last norm's scale begins at zero, so that the block is the identity at first (Goyal et al. 2017).
    """
    return Residual(
        (
            Conv(filters, kernel_size=3, stride=stride, padding=1, bias=False),
            BatchNorm(),
            Activation("relu"),
            Conv(filters, kernel_size=3, padding=1, bias=False),
            BatchNorm(initial_scale=0.0),
        ),
        name="block",
    )


def stage(number: int, filters: int, blocks: int, stride: int) -> Node:
    """Blocks of one width, of which the first has the stride: `stage2.block1`, `stage2.block2`, …"""
    first = basic_block(filters, stride) if stride > 1 else None
    return Repeat(basic_block(filters), blocks, first, name=f"stage{number}")
