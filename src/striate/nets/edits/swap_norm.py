"""Another norm everywhere."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, replace

import torch
from torch import nn

from striate.core.errors import NetworkError
from striate.nets.edits import EDITS
from striate.nets.edits._edit import Edit, changed, nothing
from striate.nets.network import Network
from striate.nets.node import Node, Shape, mapped
from striate.nets.nodes.norm import BatchNorm, GroupNorm, InstanceNorm, LayerNorm
from striate.nets.nodes.structure import Residual
from striate.nets.surgery import device_of, exchange

_NODES = (BatchNorm, LayerNorm, GroupNorm, InstanceNorm)
_MODULES = (
    nn.BatchNorm1d,
    nn.BatchNorm2d,
    nn.BatchNorm3d,
    nn.GroupNorm,
    nn.InstanceNorm1d,
    nn.InstanceNorm2d,
    nn.InstanceNorm3d,
)


@EDITS.register("SwapNorm")
@dataclass(frozen=True)
class SwapNorm(Edit):
    """Another norm in place of every batch, layer, group and instance norm, with the same first scale and name.

    In modules, layer norms stay: they are for tokens.

    Args:
        norm: the new one: `GroupNorm(8)`.
    """

    norm: BatchNorm | LayerNorm | GroupNorm | InstanceNorm

    def apply(self, network: Network) -> Network:
        """Every node of a norm, and the norms of projections on the shortcuts of blocks that have any."""

        def change(node: Node) -> Node:
            if isinstance(node, Residual) and node.projection_norm is True and _normed(node.body):
                return replace(node, projection_norm=self.norm)
            if not isinstance(node, _NODES):
                return node
            return replace(self.norm, initial_scale=node.initial_scale, name=node.name)

        return changed(network, change, "norms")

    def apply_to_module(self, module: nn.Module, shape: Shape) -> nn.Module:
        """Every batch, group and instance norm; what timm's norms do besides (an activation, dropped blocks) stays."""
        device = device_of(module)
        names = {id(one): name for name, one in module.named_modules()}

        def make(old: nn.Module) -> nn.Module:
            channels = int(old.num_channels if isinstance(old, nn.GroupNorm) else old.num_features)  # type: ignore[arg-type]
            scale = 0.0 if _starts_at_zero(old) else 1.0
            try:
                with torch.device(device):
                    made = replace(self.norm, initial_scale=scale).build((channels, *(2,) * (len(shape) - 1)))
            except NetworkError as error:
                raise NetworkError(f"its norm {names[id(old)]}: {error.message}", error.fix) from None
            besides = OrderedDict(
                (name, part) for name, part in old.named_children() if not isinstance(part, nn.Identity)
            )
            return nn.Sequential(OrderedDict(norm=made, **besides)) if besides else made

        if not exchange(module, _MODULES, make):
            raise nothing(module, "norms of channels")
        return module


def _normed(nodes: tuple[Node, ...]) -> bool:
    found = [False]

    def look(node: Node) -> Node:
        found[0] |= isinstance(node, _NODES)
        return node

    mapped(nodes, look)
    return found[0]


def _starts_at_zero(norm: nn.Module) -> bool:
    """Whether a norm's scale is zero, as that of a block's last may be drawn; without memory, that is not known."""
    scale = getattr(norm, "weight", None)
    return isinstance(scale, nn.Parameter) and not scale.is_meta and not bool(scale.any())
