"""A node behind each stage."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import nn

from striate.nets.edits import EDITS
from striate.nets.edits._edit import Edit, stages
from striate.nets.network import Network
from striate.nets.node import Node, Shape
from striate.nets.surgery import device_of, module_stages


@EDITS.register("InsertAfterStages")
@dataclass(frozen=True)
class InsertAfterStages(Edit):
    """Put a node behind each stage: `SqueezeExcite()`, `ConvBlockAttention()`.

    In a module it stands in the stage's `nn.Sequential`, behind the last part, under that one's name and its own
    (`layer1.1_excite`); where there is none, it is a part of the last part (`layer1.excite`), applied to its output.

    Args:
        node: what is put in; it must keep the shape.
    """

    node: Node

    def apply(self, network: Network) -> Network:
        """Behind the nodes `stage1`, `stage2`, …"""
        found = stages(network)
        nodes = [part for number, one in enumerate(network.nodes) for part in self._with(one, number in found)]
        return replace(network, nodes=tuple(nodes))

    def _with(self, node: Node, stage: bool) -> tuple[Node, ...]:
        return (node, replace(self.node, name=f"{node.name}_{self.node.label}")) if stage else (node,)

    def apply_to_module(self, module: nn.Module, shape: Shape) -> nn.Module:
        """Behind the last part of each stage."""
        for stage in module_stages(module, shape):
            with torch.device(device_of(module)):
                made = self.node.build(stage.output)
            made.train(module.training)
            where, _, name = stage.parts[-1].rpartition(".")
            holder = module.get_submodule(where)
            if type(holder) is nn.Sequential:
                _put_behind(holder, name, f"{name}_{self.node.label}", made)
            else:
                part = holder.get_submodule(name)
                part.add_module(self.node.label, made)
                part.register_forward_hook(_applying(self.node.label))
        return module


def _put_behind(holder: nn.Sequential, name: str, new: str, made: nn.Module) -> None:
    """A module into an `nn.Sequential`, whose others keep their names."""
    parts = list(holder._modules.items())
    place = [one for one, _ in parts].index(name) + 1
    holder._modules.clear()
    for one, part in [*parts[:place], (new, made), *parts[place:]]:
        holder.add_module(one, part)


def _applying(name: str) -> Callable[..., Any]:
    """A hook that passes the output through a part of the module that gave it."""

    def hook(module: nn.Module, _: Any, output: Any) -> Any:
        return module.get_submodule(name)(output)

    return hook
