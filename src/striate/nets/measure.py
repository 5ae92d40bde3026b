"""Parameters, operations, receptive fields and memory of a network, told by shapes alone: nothing is allocated."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks
from torch.utils.flop_counter import FlopCounterMode

from striate.nets.flow import Flow, ReceptiveField, following
from striate.nets.spec import checked

_SAMPLES = 2  # batch norm in training needs more than one


@dataclass(frozen=True)
class LayerProfile:
    """One layer of a network.

    Args:
        name: its dotted name.
        kind: its class.
        output: the shape of its output, without the batch.
        parameters: its own, without those of parts.
        macs: its own multiply-accumulates for one sample.
        trainable: those of its parameters that are trained.
        activation_bytes: what autograd keeps of it in training, for one sample in float32; what several layers share
            is counted with the first.
        receptive_field: of its output; None where it cannot be told.
    """

    name: str
    kind: str
    output: tuple[int, ...]
    parameters: int
    macs: int
    trainable: int = 0
    activation_bytes: int = 0
    receptive_field: ReceptiveField | None = None


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
        module: on the meta device, where nothing is allocated, or on any other. It is run on zeros, in evaluation mode
            and in training mode, and left in the mode in which it was.
        shape: of one sample of its input, (C, *grid).
        batch: as for `profile`.

    >>> found = profile_module(nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.MaxPool2d(2)), (1, 8, 8))
    >>> found.parameters, found.macs, str(found.layers[-1].receptive_field)
    (40, 1296, '4/2@0')
    """
    first = next(iter((*module.parameters(), *module.buffers())), torch.empty(0))
    images = torch.zeros(_SAMPLES, *shape, device=first.device, dtype=first.dtype)
    training = module.training
    layers, macs, flow = count_operations(module.eval(), images)
    with torch.random.fork_rng(devices=[]):
        kept = saved_bytes(module.train(), images)
    module.train(training)
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


def count_operations(module: nn.Module, images: Tensor) -> tuple[tuple[LayerProfile, ...], int, Flow]:
    """Layers, multiply-accumulates for one sample of (N, C, *grid) images, and the graph; in evaluation mode.

    Operations are counted where they are dispatched, so that those outside any layer (attention's products) count.
    """
    with torch.no_grad(), FlopCounterMode(display=False) as counter, following(module, images) as followed:
        module(images)
    flow = followed.flow()
    root = type(module).__name__
    samples = len(images)
    # A product and a sum are two operations and one multiply-accumulate.
    totals = {name: sum(kinds.values()) // (2 * samples) for name, kinds in counter.get_flop_counts().items()}

    def inclusive(name: str) -> int:
        found = totals.get(f"{root}.{name}" if name else root)
        # A list of modules is never called itself; its parts are.
        return sum(map(inclusive, _parts(module, name))) if found is None else found

    rows = []
    for name, shape in flow.outputs.items():
        layer, parts = module.get_submodule(name), _parts(module, name)
        own = inclusive(name) - sum(map(inclusive, parts))
        mine = list(layer.parameters(recurse=False))
        if not parts or mine or own:
            rows.append(
                LayerProfile(
                    name,
                    type(layer).__name__,
                    shape,
                    parameters=sum(parameter.numel() for parameter in mine),
                    macs=own,
                    trainable=sum(parameter.numel() for parameter in mine if parameter.requires_grad),
                    receptive_field=flow.fields.get(name),
                )
            )
    return tuple(rows), counter.get_total_flops() // (2 * samples), flow


def _parts(module: nn.Module, name: str) -> list[str]:
    """The dotted names of a part's own parts."""
    return [f"{name}.{part}" if name else part for part, _ in module.get_submodule(name).named_children()]


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
        with torch.enable_grad(), saved_tensors_hooks(pack, lambda tensor: tensor):
            output = module(images)
    finally:
        for handle in handles:
            handle.remove()
    del output
    return dict(places)


def _storage(tensor: Tensor) -> int:
    """What identifies a tensor's memory, on the meta device too."""
    return int(tensor.untyped_storage()._cdata)
