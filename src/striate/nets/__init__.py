"""Networks as data: nodes, families, any network of timm and torchvision by name, and weights for all of them.

>>> spec = resolve("compact", outputs=10, channels=1, height=8, width=8, arguments={"width": 16, "blocks": [1, 1]})
>>> network = build(spec)
>>> head_name(network), profile(spec).parameters == sum(one.numel() for one in network.parameters())
('head', True)
"""

from __future__ import annotations

from striate.nets.anatomy import depth_groups, head_name, head_parameters, unsafe_channels_last
from striate.nets.counting import LayerProfile
from striate.nets.edit import Carried, carry, edit
from striate.nets.edits import EDITS, Edit
from striate.nets.edits._stages import stages
from striate.nets.edits.change_stage import ChangeStage
from striate.nets.edits.change_stem import ChangeStem
from striate.nets.edits.cut_after import CutAfter
from striate.nets.edits.insert_after_stages import InsertAfterStages
from striate.nets.edits.replace_head import ReplaceHead
from striate.nets.edits.scale import Scale
from striate.nets.edits.swap_activation import SwapActivation
from striate.nets.edits.swap_norm import SwapNorm
from striate.nets.edits.swap_pooling import SwapPooling
from striate.nets.families import FAMILIES
from striate.nets.first_weights import INITS, LAST_NORMS, with_first_weights
from striate.nets.flow import Edge, Flow, ReceptiveField, Step
from striate.nets.folding import Folds, find_folds, fold_for_good, folded
from striate.nets.libraries import pretrained_weights
from striate.nets.loading import LoadReport, load_weights, match_weights
from striate.nets.mapping import hub_network, translated
from striate.nets.measure import Profile, profile, profile_module
from striate.nets.memory import Memory, memory
from striate.nets.network import Network
from striate.nets.node import Node, Shape, Structure
from striate.nets.nodes import NODES
from striate.nets.nodes.activation import Activation
from striate.nets.nodes.atrous import AtrousSpatialPyramid
from striate.nets.nodes.attention import (
    ClassPool,
    ClassToken,
    PatchEmbed,
    PositionEncoding,
    PositionwiseDense,
    SelfAttention,
)
from striate.nets.nodes.auxiliary import Auxiliary, has_auxiliary, hearing
from striate.nets.nodes.branches import Branches, DenselyConnected
from striate.nets.nodes.capsules import CapsuleLengths, DigitCapsules, PrimaryCapsules
from striate.nets.nodes.conv import Conv, DepthwiseConv, SeparableConv
from striate.nets.nodes.dense import Dense
from striate.nets.nodes.dropout import ChannelDropout, Dropout, StochasticDepth
from striate.nets.nodes.embedding import Embedding
from striate.nets.nodes.excite import ConvBlockAttention, SqueezeExcite
from striate.nets.nodes.fixed import FixedConv
from striate.nets.nodes.norm import BatchNorm, GroupNorm, InstanceNorm, LayerNorm, LocalResponseNorm
from striate.nets.nodes.pool import AdaptivePool, GlobalPool, Pool, SpatialPyramidPool
from striate.nets.nodes.shape import Flatten
from striate.nets.nodes.structure import Repeat, Residual, Sequence
from striate.nets.nodes.taps import Skip, Tied
from striate.nets.nodes.upsample import TransposedConv, Upsample
from striate.nets.nodes.wavenet import GatedStack
from striate.nets.normalize import Normalize
from striate.nets.regularise import regularised
from striate.nets.spec import Form, build, form_of, read_base, resolve, resolve_shape
from striate.nets.weights import Weights, read_weights

__all__ = [
    "EDITS",
    "FAMILIES",
    "INITS",
    "LAST_NORMS",
    "NODES",
    "Activation",
    "AdaptivePool",
    "AtrousSpatialPyramid",
    "Auxiliary",
    "BatchNorm",
    "Branches",
    "CapsuleLengths",
    "Carried",
    "ChangeStage",
    "ChangeStem",
    "ChannelDropout",
    "ClassPool",
    "ClassToken",
    "Conv",
    "ConvBlockAttention",
    "CutAfter",
    "Dense",
    "DenselyConnected",
    "DepthwiseConv",
    "DigitCapsules",
    "Dropout",
    "Edge",
    "Edit",
    "Embedding",
    "FixedConv",
    "Flatten",
    "Flow",
    "Folds",
    "Form",
    "GatedStack",
    "GlobalPool",
    "GroupNorm",
    "InsertAfterStages",
    "InstanceNorm",
    "LayerNorm",
    "LayerProfile",
    "LoadReport",
    "LocalResponseNorm",
    "Memory",
    "Network",
    "Node",
    "Normalize",
    "PatchEmbed",
    "Pool",
    "PositionEncoding",
    "PositionwiseDense",
    "PrimaryCapsules",
    "Profile",
    "ReceptiveField",
    "Repeat",
    "ReplaceHead",
    "Residual",
    "Scale",
    "SelfAttention",
    "SeparableConv",
    "Sequence",
    "Shape",
    "Skip",
    "SpatialPyramidPool",
    "SqueezeExcite",
    "Step",
    "StochasticDepth",
    "Structure",
    "SwapActivation",
    "SwapNorm",
    "SwapPooling",
    "Tied",
    "TransposedConv",
    "Upsample",
    "Weights",
    "build",
    "carry",
    "depth_groups",
    "edit",
    "find_folds",
    "fold_for_good",
    "folded",
    "form_of",
    "has_auxiliary",
    "head_name",
    "head_parameters",
    "hearing",
    "hub_network",
    "load_weights",
    "match_weights",
    "memory",
    "pretrained_weights",
    "profile",
    "profile_module",
    "read_base",
    "read_weights",
    "regularised",
    "resolve",
    "resolve_shape",
    "stages",
    "translated",
    "unsafe_channels_last",
    "with_first_weights",
]
