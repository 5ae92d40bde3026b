"""A node behind each stage."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, replace

import torch
from torch import nn

from striate.core.errors import NetworkError
from striate.nets.edits import EDITS
from striate.nets.edits._edit import Edit
from striate.nets.edits._stages import stages
from striate.nets.network import Network
from striate.nets.node import Node, Shape, written
from striate.nets.surgery import BEFORE, device_of, is_sequence, module_stages


@EDITS.register("InsertAfterStages")
@dataclass(frozen=True)
class InsertAfterStages(Edit):
    """Put a node behind each stage: `SqueezeExcite()`, `ConvBlockAttention()`.

    In a module it stands in the stage's `nn.Sequential`, behind the last part, under that one's name and its own
    (`layer1.1_excite`); where there is none, one is made of the last part and it (`bn2.before`, `bn2.excite`).

    Args:
        node: what is put in; in a module it must keep the shape.
    """

    node: Node

    def apply(self, network: Network) -> Network:
        """Behind the last node of each stage, as `stage1_excite`, `stage2_excite`, …"""
        nodes = list(network.nodes)
        for number, places in reversed(list(enumerate(stages(network), 1))):
            named = network.nodes[places[0]].name if len(places) == 1 else None
            made = replace(self.node, name=f"{named or f'stage{number}'}_{self.node.label}")
            nodes.insert(places.stop, made)
        return replace(network, nodes=tuple(nodes))

    def apply_to_module(self, module: nn.Module, shape: Shape) -> nn.Module:
        """Behind the last part of each stage. Raises `NetworkError` where the node does not keep the shape."""
        for stage in module_stages(module, shape):
            if self.node.output_shape(stage.output) != stage.output:
                raise NetworkError(
                    f"`{self.node}` does not keep the shape {written(stage.output)} of {stage.parts[-1]}",
                    fix="give a node that does: SqueezeExcite, ConvBlockAttention",
                )
            with torch.device(device_of(module)):
                made = self.node.build(stage.output)
            made.train(module.training)
            where, _, name = stage.parts[-1].rpartition(".")
            holder = module.get_submodule(where)
            if is_sequence(holder):
                _put_behind(holder, name, self.node.label, made)
            else:
                part = holder.get_submodule(name)
                module.set_submodule(stage.parts[-1], nn.Sequential(OrderedDict({BEFORE: part, self.node.label: made})))
        return module


def _put_behind(holder: nn.Module, name: str, label: str, made: nn.Module) -> None:
    """A module into a sequence, whose others keep their names."""
    parts = list(holder._modules.items())
    taken, new, count = dict(parts), f"{name}_{label}", 1
    while new in taken:
        count += 1
        new = f"{name}_{label}{count}"
    place = [one for one, _ in parts].index(name) + 1
    holder._modules.clear()
    for one, part in [*parts[:place], (new, made), *parts[place:]]:
        holder.add_module(one, part)
