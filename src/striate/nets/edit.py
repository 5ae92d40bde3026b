"""Networks changed as values: an edit makes of nodes other nodes, and weights that still fit are carried over.

Stages are the top-level nodes called `stage1`, `stage2`, …, as families call them. An edit that finds nothing to change
is refused: a network that is not what its user believes is worse than an error.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal

import torch
from torch import nn

from striate.core.errors import NetworkError
from striate.core.wording import some
from striate.nets.network import HEAD, Network
from striate.nets.node import Node, Sizes, mapped
from striate.nets.nodes.activation import Activation, ActivationKind
from striate.nets.nodes.branches import DenselyConnected
from striate.nets.nodes.conv import Conv, DepthwiseConv, SeparableConv
from striate.nets.nodes.norm import BatchNorm, GroupNorm, InstanceNorm, LayerNorm
from striate.nets.nodes.pool import AdaptivePool, GlobalPool, Pool, SpatialPyramidPool
from striate.nets.nodes.structure import Repeat, Residual

_STAGE = re.compile(r"stage\d+")
_CONVOLUTIONS = (Conv, DepthwiseConv, SeparableConv)
_NORMS = (BatchNorm, LayerNorm, GroupNorm, InstanceNorm)
_POOLS = (Pool, AdaptivePool, SpatialPyramidPool, GlobalPool)
_WIDTHS = ("filters", "units", "width", "skip")
_SHOWN = 5


class Edit(ABC):
    """One change of a network."""

    @abstractmethod
    def apply(self, network: Network) -> Network:
        """The changed network. Raises `NetworkError` where there is nothing that it could change."""


def edit(network: Network, *edits: Edit) -> Network:
    """A network after some changes, one after another.

    Args:
        network: a family's, a file's, or your own; it stays as it is.
        edits: what to change.

    Raises:
        NetworkError: an edit finds nothing to change.

    >>> from striate.nets import FAMILIES, SqueezeExcite
    >>> before = FAMILIES.get("resnet18")(10)
    >>> after = edit(before, ChangeStem(1, pool=False), InsertAfterStages(SqueezeExcite()), SwapActivation("silu"))
    >>> carry(before.build((3, 32, 32)), after.build((3, 32, 32))).describe()[:17]
    '122 tensors kept;'
    """
    for one in edits:
        network = one.apply(network)
    return network


@dataclass(frozen=True)
class InsertAfterStages(Edit):
    """Put a node behind each stage: `SqueezeExcite()`, `ConvBlockAttention()`.

    Args:
        node: what is put in.
    """

    node: Node

    def apply(self, network: Network) -> Network:
        found = stages(network)
        nodes = [part for number, one in enumerate(network.nodes) for part in self._with(one, number in found)]
        return replace(network, nodes=tuple(nodes))

    def _with(self, node: Node, stage: bool) -> tuple[Node, ...]:
        return (node, replace(self.node, name=f"{node.name}_{self.node.label}")) if stage else (node,)


@dataclass(frozen=True)
class SwapActivation(Edit):
    """Another activation everywhere, but for gates.

    Args:
        kind: the new one.
        of: only these are swapped; all unless given.
    """

    kind: ActivationKind
    of: ActivationKind | None = None

    def apply(self, network: Network) -> Network:
        def change(node: Node) -> Node:
            if isinstance(node, Activation) and self.of in (None, node.kind):
                return replace(node, kind=self.kind, slope=None)
            if isinstance(node, Residual) and node.activation is not None and self.of in (None, node.activation):
                return replace(node, activation=self.kind)
            return node

        return _changed(network, change, f"activations{f' of kind {self.of}' if self.of else ''}")


@dataclass(frozen=True)
class SwapNorm(Edit):
    """Another norm in place of every batch, layer, group and instance norm, with the same first scale and name.

    The norms of projections on shortcuts stay batch norms: they are the block's own.

    Args:
        norm: the new one: `GroupNorm(8)`.
    """

    norm: BatchNorm | LayerNorm | GroupNorm | InstanceNorm

    def apply(self, network: Network) -> Network:
        def change(node: Node) -> Node:
            if not isinstance(node, _NORMS):
                return node
            return replace(self.norm, initial_scale=node.initial_scale, name=node.name)

        return _changed(network, change, "norms")


@dataclass(frozen=True)
class SwapPooling(Edit):
    """Maxima in place of means, or the other way round, in every pooling layer.

    Args:
        kind: the new one.
        whole: whether pooling over the whole grid is swapped, too.
    """

    kind: Literal["max", "average"]
    whole: bool = False

    def apply(self, network: Network) -> Network:
        def change(node: Node) -> Node:
            if isinstance(node, _POOLS) and (self.whole or not isinstance(node, GlobalPool)):
                return replace(node, kind=self.kind)
            return node

        return _changed(network, change, "pooling layers")


@dataclass(frozen=True)
class ChangeStage(Edit):
    """Other kernels, dilations or groups in the convolutions of one stage, but for those of 1×1.

    Numeric padding follows, so that the output keeps its size.

    Args:
        stage: which, from 1 on.
        kernel_size: odd.
        dilation, groups: as `Conv` has them; depthwise convolutions have their own groups.
    """

    stage: int
    kernel_size: int | None = None
    dilation: int | None = None
    groups: int | None = None

    def apply(self, network: Network) -> Network:
        if self.kernel_size is not None and self.kernel_size % 2 == 0:
            raise NetworkError(f"kernels of {self.kernel_size} have no centre", fix="give an odd kernel_size")
        place = _stage(network, self.stage)
        stage = Network("stage", (network.nodes[place],))
        changed = _changed(stage, self._change, f"convolutions wider than 1 in stage {self.stage}")
        return replace(network, nodes=(*network.nodes[:place], *changed.nodes, *network.nodes[place + 1 :]))

    def _change(self, node: Node) -> Node:
        if not isinstance(node, _CONVOLUTIONS) or _largest(node.kernel_size) == 1:
            return node
        given: dict[str, Any] = {"kernel_size": self.kernel_size, "dilation": self.dilation}
        if isinstance(node, Conv):
            given["groups"] = self.groups
        new = replace(node, **{key: value for key, value in given.items() if value is not None})
        if isinstance(node.padding, str):
            return new
        before, after = (_reach(one) for one in (node, new))
        if isinstance(before, tuple) or isinstance(after, tuple) or isinstance(node.padding, tuple):
            raise NetworkError(f"`{node}` has other sizes on each axis", fix='set its padding to "same" first')
        return replace(new, padding=node.padding + after - before)


@dataclass(frozen=True)
class ChangeStem(Edit):
    """Another step of the first convolution, for small pictures.

    Args:
        stride: of it.
        pool: whether the stem's pooling layer stays.
    """

    stride: int
    pool: bool = True

    def apply(self, network: Network) -> Network:
        done: list[Node] = []

        def change(node: Node) -> Node:
            if isinstance(node, _CONVOLUTIONS) and not done:
                done.append(node)
                return replace(node, stride=self.stride)
            return node

        stem = mapped(network.nodes[0], change)
        if not done:
            raise NetworkError(f"the network {network.name!r} does not begin with a convolution")
        if not self.pool:
            inner = getattr(stem, "nodes", ())
            kept = tuple(node for node in inner if not isinstance(node, Pool))
            if len(kept) == len(inner):
                raise NetworkError(f"the stem of {network.name!r} has no pooling layer", fix="leave pool as it is")
            stem = replace(stem, nodes=kept)
        return replace(network, nodes=(stem, *network.nodes[1:]))


@dataclass(frozen=True)
class Scale(Edit):
    """More or fewer channels everywhere but in the head, and more or fewer repetitions.

    Args:
        width: times the channels, rounded to what the groups divide, at least one a group.
        depth: times the repetitions, rounded, at least one.
    """

    width: float = 1.0
    depth: float = 1.0

    def apply(self, network: Network) -> Network:
        if min(self.width, self.depth) <= 0:
            raise NetworkError("width and depth are factors, above 0")
        if self.width != 1:
            network = _changed(network, self._wider, "layers with channels")
        if self.depth != 1:
            network = _changed(network, self._deeper, "repetitions")
        return network

    def _wider(self, node: Node) -> Node:
        if node.name == HEAD:
            return node
        step = getattr(node, "groups", 1) if isinstance(node, Conv) else 1
        wider = {
            name: max(1, round(getattr(node, name) * self.width / step)) * step
            for name in _WIDTHS
            if isinstance(getattr(node, name, None), int)
        }
        return replace(node, **wider) if wider else node

    def _deeper(self, node: Node) -> Node:
        if isinstance(node, Repeat | DenselyConnected):
            return replace(node, count=max(1, round(node.count * self.depth)))
        return node


@dataclass(frozen=True)
class CutAfter(Edit):
    """Nothing behind a stage: a head is put on when the network is resolved.

    Args:
        stage: the last that stays, from 1 on.
    """

    stage: int

    def apply(self, network: Network) -> Network:
        return replace(network, nodes=network.nodes[: _stage(network, self.stage) + 1])


@dataclass(frozen=True)
class ReplaceHead(Edit):
    """Other nodes in place of the last one, called `head`.

    Args:
        nodes: what comes instead; the last should be called `head`, or leave it out and one is put on.
    """

    nodes: tuple[Node, ...] = ()

    def apply(self, network: Network) -> Network:
        if network.nodes[-1].name != HEAD:
            raise NetworkError(f"the last node of {network.name!r} is not called {HEAD!r}", fix="cut it after a stage")
        return replace(network, nodes=(*network.nodes[:-1], *self.nodes))


@dataclass(frozen=True)
class Carried:
    """What became of each tensor.

    Args:
        kept: names of those that were taken over.
        new: names that only the new network has.
        dropped: names that only the old one had.
        reshaped: names of both, in other shapes: these are new, too.
    """

    kept: tuple[str, ...]
    new: tuple[str, ...]
    dropped: tuple[str, ...]
    reshaped: tuple[str, ...]

    def describe(self) -> str:
        """One sentence for the user."""
        parts = [f"{len(self.kept)} tensors kept"]
        for what, names in (("new", self.new), ("dropped", self.dropped), ("of another shape", self.reshaped)):
            if names:
                parts.append(f"{what}: {some(names, _SHOWN)}")
        return "; ".join(parts)


@torch.no_grad()
def carry(before: nn.Module, after: nn.Module) -> Carried:
    """Give a changed network the weights of the old one that still fit, by name and shape.

    Args:
        before: the network as it was.
        after: as it is now; changed in place.

    Returns:
        what was kept and what was not.
    """
    old, new = before.state_dict(), after.state_dict()
    both = [name for name in new if name in old]
    kept = tuple(name for name in both if old[name].shape == new[name].shape)
    for name in kept:
        new[name].copy_(old[name])
    return Carried(
        kept,
        tuple(name for name in new if name not in old),
        tuple(name for name in old if name not in new),
        tuple(name for name in both if old[name].shape != new[name].shape),
    )


def stages(network: Network) -> list[int]:
    """The places of the stages among a network's nodes. Raises `NetworkError` where there is none."""
    found = [place for place, node in enumerate(network.nodes) if node.name and _STAGE.fullmatch(node.name)]
    if not found:
        raise NetworkError(
            f"the network {network.name!r} has no stages",
            fix="call its parts stage1, stage2, … (`name` of a `Sequence`)",
        )
    return found


def _stage(network: Network, number: int) -> int:
    found = stages(network)
    if not 1 <= number <= len(found):
        raise NetworkError(f"the network {network.name!r} has no stage {number}", fix=f"choose from 1 to {len(found)}")
    return found[number - 1]


def _changed(network: Network, change: Callable[[Node], Node], what: str) -> Network:
    nodes = tuple(mapped(node, change) for node in network.nodes)
    if nodes == network.nodes:
        raise NetworkError(f"the network {network.name!r} has no {what} that this edit changes")
    return replace(network, nodes=nodes)


def _largest(size: Sizes) -> int:
    return max(size) if isinstance(size, tuple) else size


def _reach(node: Any) -> int | tuple[int, ...]:
    """How far a kernel reaches on each side of its centre."""
    if isinstance(node.kernel_size, tuple) or isinstance(node.dilation, tuple):
        return ()
    reach: int = node.dilation * (node.kernel_size - 1) // 2
    return reach
