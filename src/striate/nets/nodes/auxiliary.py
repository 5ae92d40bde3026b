"""Auxiliary heads: a second answer in the middle of a network, whose loss helps the early layers to learn."""

from __future__ import annotations

import contextlib
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor, nn

from striate.core.errors import NetworkError
from striate.nets.chain import build_modules, follow
from striate.nets.node import Misfit, Node, Shape, Structure, Walk
from striate.nets.nodes import NODES


@NODES.register("Auxiliary")
@dataclass(frozen=True)
class Auxiliary(Structure):
    """A head on what flows, which goes on as it is. In training the head's loss, times its weight, is added.

    Szegedy et al. 2015, "Going deeper with convolutions", section 5: there are two, of weight 0.3. Predictions never
    compute it; its weights stay with the network, for further training.

    Args:
        nodes: of the head, up to a vector. A last `Dense` called `head` gives as many outputs as the network, and is
            put on where it is left out, when the network gets its own (`Network.with_head`).
        weight: of its loss, beside 1 for the network's own.

    Input shape: any. Output shape: the same.

    >>> from striate.nets.network import Network
    >>> from striate.nets.nodes.conv import Conv
    >>> from striate.nets.nodes.pool import GlobalPool
    >>> network = Network("net", (Conv(4), Auxiliary((GlobalPool(),)), Conv(8))).with_head(3, (1, 9, 9))
    >>> list(network.build((1, 9, 9)).state_dict())[2:4]
    ['auxiliary1.head.weight', 'auxiliary1.head.bias']
    """

    nodes: tuple[Node, ...]
    weight: float = 0.3

    label: ClassVar[str] = "auxiliary"

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.nodes:
            raise NetworkError(f"`{self}` has no nodes", fix="give at least `GlobalPool`")
        if self.weight <= 0:
            raise NetworkError(f"`{self}`: the weight must be above 0, not {self.weight}", fix="leave the node out")

    def trace(self, shape: Shape, walk: Walk) -> Shape:
        """Through the head, which must end in a vector; the shape itself goes on."""
        sources = walk.sources
        output = walk.chain(self.nodes, shape)
        if len(output) != 1:
            raise Misfit(
                self, "needs nodes that end in a vector", shape, fix="put `GlobalPool` or `Flatten` at their end"
            )
        walk.sources = sources
        return shape

    def build(self, shape: Shape) -> nn.Module:
        """`AuxiliaryHead`."""
        return AuxiliaryHead(build_modules(self.nodes, shape), self.weight)


class AuxiliaryHead(nn.Sequential):
    """Hands on what it receives; in training, within `hearing`, its modules answer too.

    Args:
        modules: by name, as `Chain` follows them.
        weight: of the answer's loss.
    """

    def __init__(self, modules: dict[str, nn.Module], weight: float) -> None:
        super().__init__(OrderedDict(modules))
        self.weight = weight
        self.heard: list[Answer] | None = None

    def forward(self, input: Tensor) -> Tensor:
        if self.training and self.heard is not None:
            self.heard.append((self.weight, follow(self._modules, input)))
        return input

    def extra_repr(self) -> str:
        return f"weight={self.weight}"


Answer = tuple[float, Tensor]
"""The weight of an auxiliary head's loss, and its outputs (N, K)."""


def has_auxiliary(network: nn.Module) -> bool:
    """Whether a network has auxiliary heads, which answer in training beside its outputs."""
    return any(isinstance(module, AuxiliaryHead) for module in network.modules())


@contextlib.contextmanager
def hearing(network: nn.Module) -> Iterator[list[Answer]]:
    """What the auxiliary heads of a network answer in the passes within, in the order of execution.

    >>> import torch
    >>> network = nn.Sequential(AuxiliaryHead({"head": nn.Linear(4, 3)}, 0.3), nn.Linear(4, 3))
    >>> with hearing(network) as heard:
    ...     outputs = network(torch.zeros(2, 4))
    >>> [(weight, tuple(one.shape)) for weight, one in heard]
    [(0.3, (2, 3))]
    """
    heads = [module for module in network.modules() if isinstance(module, AuxiliaryHead)]
    heard: list[Answer] = []
    for head in heads:
        head.heard = heard
    try:
        yield heard
    finally:
        for head in heads:
            head.heard = None
