"""A network made ready for predictions, and how fast it then is."""

from __future__ import annotations

import copy
import time
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from striate.core.errors import NonFinite
from striate.core.memory import ran_out_of_memory
from striate.infer.forward import Precision, in_parts
from striate.nets import find_folds, fold_for_good

OUTPUT_TOLERANCE = 0.05
"""What another way may differ by, as a share of the norm of all outputs: bfloat16 keeps 8 bits, and the random outputs
of an untrained ResNet-18 differ by 0.01."""
_LAYERS = (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.Linear)


class ForwardWay(NamedTuple):
    """A way to compute a prediction; the names are those of the plan's leaves."""

    precision: Precision
    channels_last: bool

    def __str__(self) -> str:
        return f"{self.precision}{', channels-last' if self.channels_last else ''}"

    @property
    def layout(self) -> torch.memory_format:
        """The memory layout of pictures and filters."""
        return torch.channels_last if self.channels_last else torch.contiguous_format


def made_ready(network: nn.Module, way: ForwardWay, shape: Sequence[int]) -> nn.Module:
    """A copy of a network that only predicts: norms folded into convolutions, filters in their layout and precision.

    It gives what the network gives in evaluation mode, but for the rounding of the folded filters. Its parameters no
    longer follow the network's, and are not those that a Model keeps.

    Args:
        way: how it will be computed, under autocast where that is bfloat16.
        shape: (C, H, W) of a picture.
    """
    ready = copy.deepcopy(network).requires_grad_(False).eval().to(memory_format=way.layout)
    device = next(ready.parameters()).device
    fold_for_good(ready, find_folds(ready, waves(shape).to(device).contiguous(memory_format=way.layout)))
    ready.to(memory_format=way.layout)
    if way.precision == "bfloat16":  # autocast would do so in each pass
        for module in ready.modules():
            if isinstance(module, _LAYERS):
                module.to(torch.bfloat16)
    return ready


def waves(shape: Sequence[int], count: int = 2) -> Tensor:
    """Standardised pictures of waves, (count, C, H, W), which tell any two networks apart that are not the same."""
    size = torch.Size([count, *shape])
    return torch.arange(size.numel(), dtype=torch.float32).sin_().view(size)


@torch.no_grad()
def forward_rates(
    network: nn.Module, shape: Sequence[int], ways: Sequence[ForwardWay], *, count: int, seconds: float
) -> dict[ForwardWay, float]:
    """Pictures a second of the ways to compute a prediction that agree with the first of them.

    Args:
        network: on its device, with a head that is not cleared, or all ways would agree.
        shape: (C, H, W) of a picture.
        count: pictures at once.
        seconds: no further way is tried after this time; a slow one may take longer.

    Raises:
        NonFinite: the first way gives something that is not a number.
    """
    images = waves(shape, count)
    rates: dict[ForwardWay, float] = {}
    reference: Tensor | None = None
    started = time.perf_counter()
    for way in ways:
        if rates and time.perf_counter() - started > seconds:
            break
        try:
            found, spent = _timed(made_ready(network, way, shape), way, images)
        except RuntimeError as error:
            if reference is None or ran_out_of_memory(error):
                raise
            continue  # the network cannot be computed so: it is no choice
        if reference is None and not bool(found.isfinite().all()):
            raise NonFinite(
                "the network gives outputs that are not finite numbers for pictures of waves",
                fix="its weights have diverged, or are of another network: train again, or give other --weights",
            )
        reference = found if reference is None else reference
        if (found - reference).norm() <= OUTPUT_TOLERANCE * reference.norm():
            rates[way] = count / spent
    return rates


@torch.no_grad()
def batch_rates(
    network: nn.Module, shape: Sequence[int], way: ForwardWay, counts: Sequence[int], *, seconds: float
) -> dict[int, float]:
    """Pictures a second by pictures at once.

    Args:
        counts: to try, the smallest first; the first is always tried.
        seconds: no further count is tried where it would end after this time, by the rates of those before it.
    """
    ready = made_ready(network, way, shape)
    rates: dict[int, float] = {}
    started = time.perf_counter()
    for count in counts:
        if rates and time.perf_counter() - started + _PASSES * count / rates[max(rates)] > seconds:
            break
        rates[count] = count / _timed(ready, way, waves(shape, count))[1]
    return rates


_PASSES = 4


def _timed(ready: nn.Module, way: ForwardWay, images: Tensor) -> tuple[Tensor, float]:
    """The outputs in float32 on the processor, and the least seconds of a pass after the first."""
    device = next(ready.parameters()).device
    images = images.to(device).contiguous(memory_format=way.layout)
    spent = []
    for _ in range(_PASSES):
        started = time.perf_counter()
        with torch.autocast(device.type, torch.bfloat16, enabled=way.precision == "bfloat16"):
            found = in_parts(ready, images)
        wait_for(device.type)
        spent.append(time.perf_counter() - started)
    return found.float().cpu(), min(spent[1:])


def wait_for(device: str) -> None:
    """Let a device finish what it was given, so that the time is that of the work; a processor always has."""
    if device == "cuda":
        torch.cuda.synchronize()
    elif device == "mps":
        torch.mps.synchronize()
