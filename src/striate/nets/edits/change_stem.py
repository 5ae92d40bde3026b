"""Another step of the stem, for small pictures."""

from __future__ import annotations

from dataclasses import dataclass, replace

from torch import nn

from striate.core.errors import NetworkError
from striate.nets.edits import EDITS
from striate.nets.edits._edit import Edit, nothing
from striate.nets.network import Network
from striate.nets.node import Node, Shape, mapped
from striate.nets.nodes.conv import Conv, DepthwiseConv, SeparableConv
from striate.nets.nodes.pool import Pool
from striate.nets.surgery import CONVOLUTIONS

_NODES = (Conv, DepthwiseConv, SeparableConv)
_POOLS = (nn.MaxPool1d, nn.MaxPool2d, nn.MaxPool3d, nn.AvgPool1d, nn.AvgPool2d, nn.AvgPool3d)


@EDITS.register("ChangeStem")
@dataclass(frozen=True)
class ChangeStem(Edit):
    """Another step of the first convolution, for small pictures.

    Args:
        stride: of it.
        pool: whether the stem's pooling layer stays.
    """

    stride: int
    pool: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.stride < 1:
            raise NetworkError(f"a stride is at least 1, not {self.stride}")

    def apply(self, network: Network) -> Network:
        """The first convolution, and the pooling layers beside it in the first node."""
        done: list[Node] = []

        def change(node: Node) -> Node:
            if isinstance(node, _NODES) and not done:
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
        if stem == network.nodes[0]:
            raise NetworkError(
                f"the stem of {network.name!r} has a stride of {self.stride} already", fix="leave this edit out"
            )
        return replace(network, nodes=(stem, *network.nodes[1:]))

    def apply_to_module(self, module: nn.Module, shape: Shape) -> nn.Module:
        """The first convolution, and the pooling layer that stands before the second."""
        seen, same = 0, False
        pool: str | None = None
        for name, one in module.named_modules():
            if isinstance(one, CONVOLUTIONS):
                seen += 1
                if seen == 1:
                    same = max(one.stride) == min(one.stride) == self.stride
                    one.stride = (self.stride,) * len(one.stride)
                else:
                    break
            elif isinstance(one, _POOLS) and seen and pool is None:
                pool = name
        if not seen:
            raise nothing(module, "convolutions")
        if same and self.pool:
            raise NetworkError(
                f"the stem of {type(module).__name__} has a stride of {self.stride} already", fix="leave this edit out"
            )
        if not self.pool:
            if pool is None:
                raise NetworkError(
                    f"the stem of {type(module).__name__} has no pooling layer", fix="leave pool as it is"
                )
            module.set_submodule(pool, nn.Identity())
        return module
