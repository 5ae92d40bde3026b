"""The stages of a network of nodes: those that are called so, else the runs of nodes on one grid, as in any module."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import fields
from typing import Any

from striate.core.errors import NetworkError
from striate.nets.network import HEAD, Network
from striate.nets.node import Node
from striate.nets.nodes.attention import PatchEmbed
from striate.nets.nodes.auxiliary import Auxiliary
from striate.nets.nodes.branches import Branches
from striate.nets.nodes.capsules import PrimaryCapsules
from striate.nets.nodes.conv import Conv, DepthwiseConv, SeparableConv
from striate.nets.nodes.dense import Dense
from striate.nets.nodes.dropout import Dropout
from striate.nets.nodes.pool import AdaptivePool, GlobalPool, Pool, SpatialPyramidPool
from striate.nets.nodes.shape import Flatten
from striate.nets.nodes.structure import Repeat, Sequence
from striate.nets.nodes.upsample import Upsample

_NAMED = re.compile(r"stage\d+")
_CONVOLUTIONS = (Conv, DepthwiseConv, SeparableConv)
_ENDS = (AdaptivePool, Dense, Flatten, GlobalPool, PrimaryCapsules, SpatialPyramidPool)


def stages(network: Network) -> list[range]:
    """The places of each stage's nodes among a network's.

    They are the nodes called `stage1`, `stage2`, …; where none is, the runs of nodes between those that step over the
    grid, each of which opens the next, up to what pools or flattens the whole grid, or to the head. A first
    convolution that strides is the stem and belongs to none.

    Raises:
        NetworkError: there is none.

    >>> from striate.nets.families import FAMILIES
    >>> stages(FAMILIES.get("lenet5")(10)), stages(FAMILIES.get("resnet18")(10))[0]
    ([range(0, 2), range(2, 5), range(5, 8)], range(1, 2))
    """
    places = enumerate(network.nodes)
    found = [range(place, place + 1) for place, node in places if node.name and _NAMED.fullmatch(node.name)]
    found = found or _runs(network.nodes)
    if not found:
        raise NetworkError(
            f"the network {network.name!r} has no stages: no part of it gives channels on a grid",
            fix="call its parts stage1, stage2, … (`name` of a `Sequence`)",
        )
    return found


def stage_places(network: Network, number: int) -> range:
    """The places of one stage's nodes, from 1 on. Raises `NetworkError`."""
    found = stages(network)
    if not 1 <= number <= len(found):
        raise NetworkError(f"the network {network.name!r} has no stage {number}", fix=f"choose from 1 to {len(found)}")
    return found[number - 1]


def _runs(nodes: tuple[Node, ...]) -> list[range]:
    """The runs of nodes on one grid that hold a convolution, without the stem and without dropout at their ends."""
    end = next((place for place, node in enumerate(nodes) if node.name == HEAD or _ends(node)), len(nodes))
    first = _stem(nodes[:end])
    starts = [place for place in range(first, end) if place == first or _steps(nodes[place])]
    found = []
    for start, stop in zip(starts, [*starts[1:], end], strict=True):
        while stop > start and isinstance(nodes[stop - 1], Dropout):
            stop -= 1
        if any(_makes_channels(one) for node in nodes[start:stop] for one in _within(node)):
            found.append(range(start, stop))
    return found


def _stem(nodes: tuple[Node, ...]) -> int:
    """The place behind the node that holds the first convolution, where that strides; else 0."""
    for place, node in enumerate(nodes):
        first = next((one for one in _within(node) if _makes_channels(one)), None)
        if first is not None:
            return place + 1 if isinstance(first, _CONVOLUTIONS) and _largest(first.stride) > 1 else 0
    return 0


def _steps(node: Node) -> bool:
    """Whether a node gives another grid: whether it strides, pools or enlarges."""
    for one in _within(node):
        stride: Any = getattr(one, "stride", None)
        if isinstance(one, Pool) and stride is None:
            stride = one.kernel_size
        if isinstance(one, PatchEmbed | Upsample) or (stride is not None and _largest(stride) > 1):
            return True
    return False


def _ends(node: Node) -> bool:
    """Whether what a node gives is of the whole grid."""
    if isinstance(node, Sequence | Repeat):
        return any(map(_ends, node.nodes if isinstance(node, Sequence) else node.copies()[:1]))
    if isinstance(node, Branches):
        return all(any(map(_ends, branch)) for branch in node.branches)
    return isinstance(node, _ENDS)


def _within(value: Any) -> Iterator[Node]:
    """A node and those in it, in order; what only training computes is no part of it."""
    if isinstance(value, tuple):
        for one in value:
            yield from _within(one)
    elif isinstance(value, Node) and not isinstance(value, Auxiliary):
        yield value
        for one in fields(value):
            yield from _within(getattr(value, one.name))


def _makes_channels(node: Node) -> bool:
    return isinstance(node, DepthwiseConv) or hasattr(node, "filters")


def _largest(size: int | tuple[int, ...]) -> int:
    return max(size) if isinstance(size, tuple) else size
