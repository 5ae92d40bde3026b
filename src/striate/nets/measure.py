"""Parameters, operations and memory of a network, counted on shapes alone: nothing is allocated."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks
from torch.utils.flop_counter import FlopCounterMode

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
    """

    name: str
    kind: str
    output: tuple[int, ...]
    parameters: int
    macs: int


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
    """

    parameters: int
    macs: int
    activation_bytes: int
    layers: tuple[LayerProfile, ...]


def profile(spec: Mapping[str, Any], batch: int = 1) -> Profile:
    """Count what a network costs.

    Args:
        spec: the network, as `resolve` gives it.
        batch: samples that `macs` and `activation_bytes` are for; the rows of `layers` are for one.

    Raises:
        NetworkError: it cannot be built, or does not take its input.
    """
    module = checked(spec)
    device = next(module.parameters()).device
    images = torch.zeros(_SAMPLES, *spec["input"], device=device)
    layers, macs = count_operations(module, images)
    with torch.random.fork_rng(devices=[]):
        kept = saved_bytes(module.train(), images)
    return Profile(
        parameters=sum(parameter.numel() for parameter in module.parameters()),
        macs=macs * batch,
        activation_bytes=kept * batch // _SAMPLES,
        layers=layers,
    )


def count_operations(module: nn.Module, images: Tensor) -> tuple[tuple[LayerProfile, ...], int]:
    """Layers and multiply-accumulates for one sample of (N, C, H, W) images; the module is in evaluation mode.

    Operations are counted where they are dispatched, so that those outside any layer (attention's products) count.
    """
    outputs: dict[str, tuple[int, ...]] = {}
    handles = []
    for name, layer in module.named_modules():

        def note(_: nn.Module, __: Any, output: Any, name: str = name) -> None:
            first = output[0] if isinstance(output, tuple | list) and output else output
            outputs.setdefault(name, tuple(first.shape[1:]) if isinstance(first, Tensor) else ())

        handles.append(layer.register_forward_hook(note))
    try:
        with torch.no_grad(), FlopCounterMode(display=False) as counter:
            module(images)
    finally:
        for handle in handles:
            handle.remove()
    root = type(module).__name__
    samples = len(images)
    # A product and a sum are two operations and one multiply-accumulate.
    totals = {name: sum(kinds.values()) // (2 * samples) for name, kinds in counter.get_flop_counts().items()}

    def inclusive(name: str) -> int:
        found = totals.get(f"{root}.{name}" if name else root)
        # A list of modules is never called itself; its parts are.
        return sum(map(inclusive, _parts(module, name))) if found is None else found

    rows = []
    for name, shape in outputs.items():
        layer, parts = module.get_submodule(name), _parts(module, name)
        own = inclusive(name) - sum(map(inclusive, parts))
        parameters = sum(parameter.numel() for parameter in layer.parameters(recurse=False))
        if not parts or parameters or own:
            rows.append(LayerProfile(name, type(layer).__name__, shape, parameters, own))
    return tuple(rows), counter.get_total_flops() // (2 * samples)


def _parts(module: nn.Module, name: str) -> list[str]:
    """The dotted names of a part's own parts."""
    return [f"{name}.{part}" if name else part for part, _ in module.get_submodule(name).named_children()]


def saved_bytes(module: nn.Module, images: Tensor) -> int:
    """Bytes that autograd keeps of a forward pass for the backward one, parameters and buffers left out."""
    own = {_storage(tensor) for tensor in (*module.parameters(), *module.buffers())}
    kept: dict[int, Tensor] = {}  # holds the tensors, so that no address is used twice

    def pack(tensor: Tensor) -> Tensor:
        if _storage(tensor) not in own:
            kept.setdefault(_storage(tensor), tensor)
        return tensor

    with torch.enable_grad(), saved_tensors_hooks(pack, lambda tensor: tensor):
        output = module(images)
    total = sum(tensor.untyped_storage().nbytes() for tensor in kept.values())
    del output
    return total


def _storage(tensor: Tensor) -> int:
    """What identifies a tensor's memory, on the meta device too."""
    return int(tensor.untyped_storage()._cdata)
