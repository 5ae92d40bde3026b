"""More or fewer channels, and more or fewer repetitions."""

from __future__ import annotations

from dataclasses import dataclass, replace

from torch import nn

from striate.core.errors import NetworkError
from striate.nets.edits import EDITS
from striate.nets.edits._edit import Edit, changed
from striate.nets.network import HEAD, Network
from striate.nets.node import Node, Shape
from striate.nets.nodes.branches import DenselyConnected
from striate.nets.nodes.conv import Conv
from striate.nets.nodes.structure import Repeat

_WIDTHS = ("filters", "units", "width", "skip")


@EDITS.register("Scale")
@dataclass(frozen=True)
class Scale(Edit):
    """More or fewer channels everywhere but in the head, and more or fewer repetitions.

    Args:
        width: times the channels, rounded to what the groups divide, at least one a group.
        depth: times the repetitions, rounded, at least one.
    """

    width: float = 1.0
    depth: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if min(self.width, self.depth) <= 0:
            raise NetworkError("width and depth are factors, above 0")

    def apply(self, network: Network) -> Network:
        """Every node with channels but for the head, and every repeated one."""
        if self.width != 1:
            network = changed(network, self._wider, "layers with channels")
        if self.depth != 1:
            network = changed(network, self._deeper, "repetitions")
        return network

    def apply_to_module(self, module: nn.Module, shape: Shape) -> nn.Module:
        """Never possible: what is built has its width and depth. Raises `NetworkError`."""
        raise NetworkError(
            f"the width and depth of {type(module).__name__} are fixed when its library builds it",
            fix="choose a narrower or wider one by name, give arguments of its own, or edit a family of nodes",
        )

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
