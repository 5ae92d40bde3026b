"""Other nodes in place of the head."""

from __future__ import annotations

import copy
from dataclasses import dataclass, replace

import torch
from torch import nn

from striate.core.errors import NetworkError
from striate.nets.anatomy import head_name
from striate.nets.chain import build_chain
from striate.nets.edits import EDITS
from striate.nets.edits._edit import Edit
from striate.nets.network import HEAD, Network
from striate.nets.node import Node, Shape
from striate.nets.surgery import CONVOLUTIONS, device_of


@EDITS.register("ReplaceHead")
@dataclass(frozen=True)
class ReplaceHead(Edit):
    """Other nodes in place of the one called `head` and of all behind it.

    Args:
        nodes: what comes instead; the last should be called `head`, or leave it out and one is put on.
    """

    nodes: tuple[Node, ...] = ()

    def apply(self, network: Network) -> Network:
        """In place of the head and of what follows it: the ReLU and means of SqueezeNet, the enlarging of an FCN."""
        place = next((place for place, node in enumerate(network.nodes) if node.name == HEAD), None)
        if place is None:
            raise NetworkError(f"no node of {network.name!r} is called {HEAD!r}", fix="cut it after a stage")
        if not place and not self.nodes:
            raise NetworkError(f"nothing stands before the head of {network.name!r}", fix="give nodes in its place")
        return replace(network, nodes=(*network.nodes[:place], *self.nodes))

    def apply_to_module(self, module: nn.Module, shape: Shape) -> nn.Module:
        """In place of the dense layer that makes the outputs; one for as many is put on where the nodes give others.

        A convolution that makes them is drawn anew where no nodes are given.
        """
        name = head_name(module)
        old = module.get_submodule(name)
        if isinstance(old, CONVOLUTIONS) and not self.nodes:
            fresh = copy.deepcopy(old)
            fresh.reset_parameters()
            module.set_submodule(name, fresh)
            return module
        if not isinstance(old, nn.Linear):
            raise NetworkError(
                f"the head {name} of {type(module).__name__} is no dense layer, which alone takes other nodes",
                fix="cut it after a stage",
            )
        received = (old.in_features,)
        renew = bool(self.nodes) and self.nodes[-1].name == HEAD  # a saved Model's, for other classes
        network = Network(HEAD, self.nodes).with_head(old.out_features, received, renew=renew) if self.nodes else None
        with torch.device(device_of(module)):
            made = (
                nn.Linear(old.in_features, old.out_features)
                if network is None
                else build_chain(network.nodes, received)
            )
        made.train(module.training)
        module.set_submodule(name, made)
        return module
