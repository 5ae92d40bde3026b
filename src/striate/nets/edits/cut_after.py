"""Nothing behind a stage."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import fx, nn

from striate.core.errors import NetworkError
from striate.nets.anatomy import head_name
from striate.nets.edits import EDITS
from striate.nets.edits._edit import FAMILY, Edit
from striate.nets.edits._stages import stage_places
from striate.nets.network import HEAD, Network
from striate.nets.node import Shape
from striate.nets.nodes.pool import GlobalPool
from striate.nets.surgery import device_of, module_stage

_POOL = "global_pool"


@EDITS.register("CutAfter")
@dataclass(frozen=True)
class CutAfter(Edit):
    """Nothing behind a stage: a head is put on, when a network of nodes is resolved.

    Args:
        stage: the last that stays, from 1 on.
    """

    stage: int

    def apply(self, network: Network) -> Network:
        """The nodes up to that stage's last."""
        return replace(network, nodes=network.nodes[: stage_places(network, self.stage).stop])

    def apply_to_module(self, module: nn.Module, shape: Shape) -> nn.Module:
        """The graph up to that stage's last part, as torch.fx traces it, with means and a new `head` behind."""
        stage = module_stage(module, shape, self.stage)
        last = stage.parts[-1]
        outputs = _outputs_of(module)
        modes, codes = [(one, one.training) for one in module.modules()], set()
        try:
            for mode in (False, True):
                graph = _UpTo(last).trace(module.train(mode))
                codes.add(fx.GraphModule(module, graph).code)
        except Exception as error:  # tracing runs the module's own code on what stands for a tensor
            raise NetworkError(
                f"{type(module).__name__} cannot be traced, so it cannot be cut: {error}", fix=FAMILY
            ) from error
        finally:
            for one, mode in modes:
                one.training = mode
        if len(codes) > 1:
            raise NetworkError(
                f"{type(module).__name__} itself does something else in training: it cannot be cut", fix=FAMILY
            )
        found = fx.GraphModule(module, graph, type(module).__name__)
        calls = [node for node in graph.nodes if node.op == "call_module" and node.target == last]
        if len(calls) != 1:
            raise NetworkError(
                f"{type(module).__name__} runs its part {last} {len(calls)} times: it cannot be cut there",
                fix="cut after another stage",
            )
        with torch.device(device_of(module)):
            found.add_module(_POOL, GlobalPool().build(stage.output).train(module.training))
            found.add_module(HEAD, nn.Linear(stage.output[0], outputs).train(module.training))
        with graph.inserting_after(calls[0]):
            pooled = graph.call_module(_POOL, (calls[0],))
        with graph.inserting_after(pooled):
            head = graph.call_module(HEAD, (pooled,))
        (end,) = (node for node in graph.nodes if node.op == "output")
        end.args = (head,)
        kept = _needed(end)
        for node in reversed(list(graph.nodes)):
            if node not in kept and node.op != "placeholder":
                graph.erase_node(node)
        found.delete_all_unused_submodules()
        found.recompile()
        found.training = module.training  # its parts keep the modes that they had
        return found


class _UpTo(fx.Tracer):
    """Looks into what holds one part, and into nothing else."""

    def __init__(self, part: str) -> None:
        super().__init__()
        self.part = part

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return not self.part.startswith(f"{module_qualified_name}.")


def _needed(end: fx.Node) -> set[fx.Node]:
    """The nodes that an output hangs on."""
    found: set[fx.Node] = set()
    waiting = [end]
    while waiting:
        node = waiting.pop()
        if node not in found:
            found.add(node)
            waiting += node.all_input_nodes
    return found


def _outputs_of(module: nn.Module) -> int:
    head: Any = module.get_submodule(head_name(module))
    return int(head.out_features if isinstance(head, nn.Linear) else head.out_channels)
