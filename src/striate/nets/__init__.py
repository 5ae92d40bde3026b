"""Networks as data: nodes, families, any network of timm and torchvision by name, and weights for all of them.

>>> spec = resolve("compact", outputs=10, channels=1, height=8, width=8, arguments={"width": 16, "blocks": [1, 1]})
>>> network = build(spec)
>>> head_name(network), profile(spec).parameters == sum(one.numel() for one in network.parameters())
('head', True)
"""

from __future__ import annotations

from striate.nets.anatomy import depth_groups, head_name, head_parameters, unsafe_channels_last
from striate.nets.counting import LayerProfile
from striate.nets.families import FAMILIES
from striate.nets.flow import Edge, Flow, ReceptiveField, Step
from striate.nets.folding import Folds, find_folds, fold_for_good, folded
from striate.nets.libraries import pretrained_weights
from striate.nets.measure import Profile, profile, profile_module
from striate.nets.memory import Memory, memory
from striate.nets.network import Network
from striate.nets.node import Node, Shape, Structure
from striate.nets.nodes import NODES
from striate.nets.nodes.activation import Activation
from striate.nets.nodes.conv import Conv
from striate.nets.nodes.dense import Dense
from striate.nets.nodes.dropout import Dropout
from striate.nets.nodes.norm import BatchNorm
from striate.nets.nodes.pool import GlobalPool, Pool
from striate.nets.nodes.shape import Flatten
from striate.nets.nodes.structure import Repeat, Residual, Sequence
from striate.nets.normalize import Normalize
from striate.nets.spec import build, resolve
from striate.nets.weights import LoadReport, Weights, load_weights, read_weights

__all__ = [
    "FAMILIES",
    "NODES",
    "Activation",
    "BatchNorm",
    "Conv",
    "Dense",
    "Dropout",
    "Edge",
    "Flatten",
    "Flow",
    "Folds",
    "GlobalPool",
    "LayerProfile",
    "LoadReport",
    "Memory",
    "Network",
    "Node",
    "Normalize",
    "Pool",
    "Profile",
    "ReceptiveField",
    "Repeat",
    "Residual",
    "Sequence",
    "Shape",
    "Step",
    "Structure",
    "Weights",
    "build",
    "depth_groups",
    "find_folds",
    "fold_for_good",
    "folded",
    "head_name",
    "head_parameters",
    "load_weights",
    "memory",
    "pretrained_weights",
    "profile",
    "profile_module",
    "read_weights",
    "resolve",
    "unsafe_channels_last",
]
