"""Parameters and operations of each layer of any module, counted where torch dispatches them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from striate.nets.flow import Flow, ReceptiveField, following


@dataclass(frozen=True)
class LayerProfile:
    """One layer of a network.

    Args:
        name: its dotted name.
        kind: its class.
        output: the shape of its output, without the batch; () where predictions do not call it.
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


def count_operations(module: nn.Module, images: Tensor) -> tuple[tuple[LayerProfile, ...], int, Flow]:
    """Layers, multiply-accumulates for one sample of (N, C, *grid) images, and the graph; in evaluation mode.

    Operations are counted where they are dispatched, so that those outside any layer (attention's products) count.
    """
    with (
        _frozen(module),
        torch.no_grad(),
        FlopCounterMode(display=False) as counter,
        following(module, images) as followed,
    ):
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
        # A part may be called by another than its holder, as the second stage of a detector is.
        own = max(0, inclusive(name) - sum(map(inclusive, parts)))
        mine = _own(layer)
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
    rows += [_idle(name, layer) for name, layer in module.named_modules() if name not in flow.outputs and _own(layer)]
    return tuple(rows), counter.get_total_flops() // (2 * samples), flow


@contextlib.contextmanager
def _frozen(module: nn.Module) -> Iterator[None]:
    """For the while, no parameter asks for a gradient: the counter would look for those of views, which have none."""
    asking = [one for one in module.parameters() if one.requires_grad]
    try:
        for one in asking:
            one.requires_grad_(False)
        yield
    finally:
        for one in asking:
            one.requires_grad_(True)


def _idle(name: str, layer: nn.Module) -> LayerProfile:
    """A layer that predictions do not call: of an auxiliary head, or one whose weights its holder reads. No output."""
    mine = _own(layer)
    trainable = sum(parameter.numel() for parameter in mine if parameter.requires_grad)
    return LayerProfile(name, type(layer).__name__, (), sum(map(torch.numel, mine)), 0, trainable)


def _own(layer: nn.Module) -> list[nn.Parameter]:
    return list(layer.parameters(recurse=False))


def token_table(module: nn.Module) -> nn.Embedding | None:
    """The embedding that a module begins with, so that its input are tokens; None where it begins otherwise."""
    first = next((part for part in module.modules() if part._parameters or part._buffers), None)
    return first if isinstance(first, nn.Embedding) else None


def zeros_for(module: nn.Module, count: int, shape: Sequence[int]) -> Tensor:
    """An input of zeros of the kind that the module takes, where it is."""
    held = [*module.parameters(), *module.buffers()]
    kind = next((one.dtype for one in held if one.is_floating_point()), torch.float32)
    device = held[0].device if held else torch.device("cpu")
    return torch.zeros(count, *shape, device=device, dtype=torch.long if token_table(module) else kind)


def _parts(module: nn.Module, name: str) -> list[str]:
    """The dotted names of a part's own parts."""
    return [f"{name}.{part}" if name else part for part, _ in module.get_submodule(name).named_children()]
