"""Groups of nodes that several families are made of."""

from __future__ import annotations

from typing import Any, Literal

from striate.nets.node import Node
from striate.nets.nodes.activation import Activation, ActivationKind
from striate.nets.nodes.conv import Conv
from striate.nets.nodes.norm import BatchNorm
from striate.nets.nodes.structure import Repeat, Residual

BlockKind = Literal["basic", "bottleneck"]


def convolved(
    filters: int,
    kernel_size: int | tuple[int, int] = 3,
    *,
    activation: ActivationKind | None = "relu",
    epsilon: float = 1e-5,
    momentum: float = 0.1,
    **about: Any,
) -> tuple[Node, ...]:
    """A convolution without bias, a norm, and an activation: what most networks are made of.

    Args:
        activation: None for none.
        epsilon, momentum: of the norm.
        about: further arguments of `Conv`.
    """
    nodes: tuple[Node, ...] = (
        Conv(filters, kernel_size, bias=False, **about),
        BatchNorm(epsilon=epsilon, momentum=momentum),
    )
    return nodes if activation is None else (*nodes, Activation(activation))


def eights(filters: float) -> int:
    """The nearest multiple of 8, at least 8, and never less than nine tenths of what was asked for.

    So MobileNets and EfficientNets round their filters.

    >>> eights(24), eights(8.5), eights(35)
    (24, 8, 32)
    """
    rounded = max(8, int(filters + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * filters else rounded


def basic_block(filters: int, stride: int = 1, **about: Any) -> Residual:
    """Two 3×3 convolutions with norms beside a shortcut (He et al. 2016, figure 5, left).

    The last norm's scale begins at zero, so that the block is the identity at first (Goyal et al. 2017); not beside a
    shortcut that adds channels of zeros, which ReLU would then hand no gradient back through, ever.

    Args:
        about: further arguments of `Residual`.
    """
    scale = 1.0 if about.get("shortcut") == "zero_padding" else 0.0
    return Residual(
        (
            *convolved(filters, 3, stride=stride, padding=1),
            Conv(filters, kernel_size=3, padding=1, bias=False),
            BatchNorm(initial_scale=scale),
        ),
        name="block",
        **about,
    )


def bottleneck(filters: int, stride: int = 1, *, dilation: int = 1, after: tuple[Node, ...] = ()) -> Residual:
    """1×1 down, 3×3, 1×1 up to four times the filters, beside a shortcut (He et al. 2016, figure 5, right).

    The stride is in the 3×3 convolution, as in torchvision and timm ("ResNet v1.5"); the paper has it in the first.

    Args:
        dilation: of the 3×3 convolution.
        after: nodes behind the last norm, ahead of the sum: attention.
    """
    return Residual(
        (
            *convolved(filters, 1),
            *convolved(filters, 3, stride=stride, padding=dilation, dilation=dilation),
            Conv(4 * filters, kernel_size=1, bias=False),
            BatchNorm(initial_scale=0.0),
            *after,
        ),
        name="block",
    )


def stage(number: int, filters: int, blocks: int, stride: int, kind: BlockKind = "basic", **about: Any) -> Node:
    """Blocks of one width, of which the first has the stride: `stage2.block1`, `stage2.block2`, …"""
    make = basic_block if kind == "basic" else bottleneck
    first = make(filters, stride, **about) if stride > 1 else None
    return Repeat(make(filters, **about), blocks, first, name=f"stage{number}")
