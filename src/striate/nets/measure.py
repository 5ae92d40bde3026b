"""Parameters, operations, receptive fields and memory of a network, told by shapes alone: nothing is allocated."""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks

from striate.nets.counting import LayerProfile, count_operations, zeros_for
from striate.nets.flow import Flow
from striate.nets.nodes.auxiliary import hearing
from striate.nets.spec import checked

_SAMPLES = 2  # batch norm in training needs more than one


@dataclass(frozen=True)
class Profile:
    """What a network costs.

    Args:
        parameters: all of them, trainable or not.
        macs: multiply-accumulates of a forward pass over the batch: of convolutions and matrix products, attention
            included, as published figures count; norms, activations and additions are left out.
        activation_bytes: what autograd keeps of a forward pass over the batch in training, in float32: each tensor
            saved for backward once, the input among them, parameters and buffers not. An estimate of the peak: the
            buffers that live within one operation come on top, and bfloat16 halves most of it.
        layers: in the order in which they first run; those with neither parameters nor operations nor parts too.
        trainable: those of the parameters that are trained.
        flow: the graph of the layers.
    """

    parameters: int
    macs: int
    activation_bytes: int
    layers: tuple[LayerProfile, ...]
    trainable: int
    flow: Flow


def profile(spec: Mapping[str, Any], batch: int = 1) -> Profile:
    """Count what a network costs.

    Args:
        spec: the network, as `resolve` gives it.
        batch: samples that `macs` and `activation_bytes` are for; the rows of `layers` are for one.

    Raises:
        NetworkError: it cannot be built, or does not take its input.
    """
    return profile_module(checked(spec), spec["input"], batch)


def profile_module(module: nn.Module, shape: Sequence[int], batch: int = 1) -> Profile:
    """Count what any module costs.

    Args:
        module: on the meta device, where nothing is allocated, or on any other. A copy of it is run on zeros, in
            evaluation mode and in training mode.
        shape: of one sample of its input, (C, *grid).
        batch: as for `profile`.

    >>> found = profile_module(nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.MaxPool2d(2)), (1, 8, 8))
    >>> found.parameters, found.macs, str(found.layers[-1].receptive_field)
    (40, 1296, '4/2@0')
    """
    module = copy.deepcopy(module)  # its modes, and what its norms have seen, are not to be changed
    images = zeros_for(module, _SAMPLES, shape)
    layers, macs, flow = count_operations(module.eval(), images)
    with torch.random.fork_rng(devices=[]):
        kept = saved_bytes(module.train(), images)
    rows = tuple(replace(row, activation_bytes=kept.get(row.name, 0) // _SAMPLES) for row in layers)
    parameters = list(module.parameters())
    return Profile(
        parameters=sum(parameter.numel() for parameter in parameters),
        macs=macs * batch,
        activation_bytes=sum(kept.values()) * batch // _SAMPLES,
        layers=rows,
        trainable=sum(parameter.numel() for parameter in parameters if parameter.requires_grad),
        flow=flow,
    )


def saved_bytes(module: nn.Module, images: Tensor) -> dict[str, int]:
    """Bytes that autograd keeps of a forward pass for the backward one, by the dotted name of the module in which they
    are kept first; parameters and buffers left out."""
    own = {_storage(tensor) for tensor in (*module.parameters(), *module.buffers())}
    kept: dict[int, Tensor] = {}  # holds the tensors, so that no address is used twice
    places: Counter[str] = Counter()
    running = [""]

    def pack(tensor: Tensor) -> Tensor:
        if _storage(tensor) not in own and _storage(tensor) not in kept:
            kept[_storage(tensor)] = tensor
            places[running[-1]] += tensor.untyped_storage().nbytes()
        return tensor

    handles = []
    for name, layer in module.named_modules():
        handles.append(layer.register_forward_pre_hook(lambda *_, name=name: running.append(name)))
        handles.append(layer.register_forward_hook(lambda *_: running.pop() and None))
    try:
        with hearing(module), torch.enable_grad(), saved_tensors_hooks(pack, lambda tensor: tensor):
            output = module(images)
    finally:
        for handle in handles:
            handle.remove()
    del output
    return dict(places)


def _storage(tensor: Tensor) -> int:
    """What identifies a tensor's memory, on the meta device too."""
    return int(tensor.untyped_storage()._cdata)
