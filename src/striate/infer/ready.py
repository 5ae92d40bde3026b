"""A network made ready for predictions, and how fast it then is."""

from __future__ import annotations

import copy
import threading
import time
from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase

from striate.core.errors import NonFinite, UsageError
from striate.core.memory import ran_out_of_memory
from striate.infer.forward import in_parts
from striate.infer.fusing import fused, onednn_computes
from striate.infer.graphs import CannotRecord, ForwardGraph
from striate.nets import find_folds, fold_for_good, head_name
from striate.nets.detectors import Detector, Maps
from striate.nets.folding import seen

Precision = Literal["float32", "bfloat16"]

OUTPUT_TOLERANCE = 0.05
"""What another way may differ by, as a share of the norm of all outputs: bfloat16 keeps 8 bits, and the random outputs
of an untrained ResNet-18 differ by 0.01."""
_LAYERS = (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.Linear)
_OFTEN, _GRAPHS = 3, 4
"""How often a shape of pictures comes before its pass is recorded as a CUDA graph, and how many are."""
_NORMS = (_NormBase, nn.LayerNorm, nn.GroupNorm, nn.RMSNorm)


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


class Ready(nn.Module):
    """A network that only predicts, computed in one way; see `made_ready`.

    Args:
        network: in evaluation mode, its norms folded, its parameters in their layout and precision.
        way: how it is computed.
        alone: whether bfloat16 needs no autocast, all of the network being in it.
    """

    def __init__(self, network: nn.Module, way: ForwardWay, alone: bool) -> None:
        super().__init__()
        self.network = network
        self.way = way
        self.alone = alone
        self._graphs: dict[torch.Size, ForwardGraph | int] = {}
        self._recording = threading.Lock()

    def forward(self, images: Tensor) -> Tensor:
        """From standardised images (N, C, H, W) in float32 to outputs."""
        recordable = not isinstance(self.network, Detector)  # how much is found is not known beforehand
        if images.is_cuda and recordable and not torch.is_grad_enabled():
            return self._replayed(images)
        return self._computed(images)

    def _replayed(self, images: Tensor) -> Tensor:
        """The outputs from a graph, once a shape has come often enough to be worth recording."""
        with self._recording:  # a graph's memory is for one thread at a time
            found = self._graphs.get(images.shape, 0)
            if isinstance(found, int):
                self._graphs[images.shape] = found + 1
                graphs = sum(isinstance(one, ForwardGraph) for one in self._graphs.values())
                if found + 1 != _OFTEN or graphs == _GRAPHS:
                    return self._computed(images)
                try:
                    found = ForwardGraph(self._computed, images)
                except CannotRecord:
                    return self._computed(images)  # now, and ever after
                self._graphs[images.shape] = found
            return found(images)

    def _computed(self, images: Tensor) -> Tensor:
        images = images.contiguous(memory_format=self.way.layout)
        found: Tensor
        if self.way.precision == "float32":
            found = self.network(images)
        elif self.alone:
            found = self.network(images.to(torch.bfloat16))
        else:
            with torch.autocast(images.device.type, torch.bfloat16):
                found = self.network(images)
        return found


@torch.no_grad()
def made_ready(network: nn.Module, way: ForwardWay, shape: Sequence[int]) -> Ready:
    """A copy of a network that only predicts: norms folded into convolutions, filters in their layout and precision;
    on a processor, additions and activations done by the convolutions before them.

    It gives what the network gives in evaluation mode, but for the rounding of the folded filters; in bfloat16 what it
    gives under autocast, or within `OUTPUT_TOLERANCE` / 2 of it. Its parameters no longer follow the network's, and are
    not those that a Model keeps.

    Args:
        way: how it will be computed.
        shape: (C, H, W) of a picture.
    """
    ready = copy.deepcopy(network).requires_grad_(False).eval().to(memory_format=way.layout)
    images = waves(shape).to(next(ready.parameters()).device).contiguous(memory_format=way.layout)
    fold_for_good(ready, find_folds(ready, images))
    ready.to(memory_format=way.layout)
    if way.precision == "float32":
        return Ready(_fused(ready, way, images), way, alone=False)
    for module in ready.modules():
        if isinstance(module, _LAYERS):
            module.to(torch.bfloat16)  # autocast would do so in each pass
    alone = _cast(ready, way, images)
    return Ready(_fused(ready, way, images) if alone else ready, way, alone)


def _fused(network: nn.Module, way: ForwardWay, images: Tensor) -> nn.Module:
    """The network with its convolutions fused with what follows them, where that gives the same; else the network."""
    alone = way.precision == "bfloat16"
    if isinstance(network, Detector):
        return _with_fused_maps(network, way, images)
    head = head_name(network)
    faster = fused(network, images.to(torch.bfloat16) if alone else images, but=head)
    if faster is network:
        return network
    expected = seen(network, images, Ready(network, way, alone))
    found = seen(faster, images, Ready(faster, way, alone), head=head)
    return faster if all(_near(*both) for both in zip(found, expected, strict=True)) else network


def _with_fused_maps(detector: Detector, way: ForwardWay, images: Tensor) -> Detector:
    """A detector whose body is fused, as `_fused` does with other networks: the graph of its head cannot be told."""
    alone = way.precision == "bfloat16"
    maps = Maps(detector.body, detector.taps)
    faster = fused(maps, images.to(torch.bfloat16) if alone else images, but="")
    if faster is maps:
        return detector
    expected = seen(detector, images, Ready(detector, way, alone))
    body, taps = detector.body, detector.taps
    detector.with_maps(faster)
    found = seen(detector, images, Ready(detector, way, alone))
    if not all(_near(*both) for both in zip(found, expected, strict=True)):
        detector.body, detector.taps = body, taps
    return detector


def _cast(network: nn.Module, way: ForwardWay, images: Tensor) -> bool:
    """Bring what is left of a network to bfloat16, norms apart, where it then gives the same without autocast.

    Autocast looks at every operation, which takes half of the time of one picture in a small network.

    Returns:
        whether that is so; else the network is as it was.
    """
    expected = seen(network, images, Ready(network, way, alone=False))
    norms = {id(part) for module in network.modules() if isinstance(module, _NORMS) for part in _parts(module)}
    wide = [(part, part.data) for part in _parts(network) if part.dtype == torch.float32 and id(part) not in norms]
    for part, _ in wide:
        part.data = part.data.to(torch.bfloat16)
    try:
        found = seen(network, images, Ready(network, way, alone=True))
        if all(_near(*both) for both in zip(found, expected, strict=True)):
            return True
    except (RuntimeError, TypeError, ValueError) as error:  # operations that do not take both types
        if ran_out_of_memory(error):
            raise
    for part, data in wide:
        part.data = data
    return False


def _near(found: Tensor, expected: Tensor) -> bool:
    found, expected = found.float(), expected.float()
    return bool((found - expected).norm() <= OUTPUT_TOLERANCE / 2 * expected.norm())


def _parts(module: nn.Module) -> Iterator[Tensor]:
    """Its parameters and buffers, and those of all modules in it."""
    yield from module.parameters()
    yield from module.buffers()


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
            ready = made_ready(network, way, shape)
            found, spent = _timed(ready, images)
            if isinstance(ready.network, Detector):  # boxes are sorted: two that are all but equally sure may change
                found = torch.cat([one.float().flatten() for one in seen(ready.network, images, ready)]).cpu()
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
        rates[count] = count / _timed(ready, waves(shape, count))[1]
    return rates


_PASSES = 4


def _timed(ready: Ready, images: Tensor) -> tuple[Tensor, float]:
    """The outputs in float32 on the processor, and the least seconds of a pass after the first."""
    device = next(ready.parameters()).device
    images = images.to(device).contiguous(memory_format=ready.way.layout)
    spent = []
    for _ in range(_PASSES):
        started = time.perf_counter()
        found = in_parts(ready, images)
        wait_for(device.type)
        spent.append(time.perf_counter() - started)
    return found.float().cpu(), min(spent[1:])


def found_device(name: str) -> str:
    """A device by its name; for "auto" a GPU where torch has one, else the processor.

    Raises:
        UsageError: torch cannot use it here.
    """
    can = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if name == "auto":
        return next(device for device, usable in can.items() if usable)
    if not can.get(name, False):
        raise UsageError(f"this machine has no {name} device that torch can use", fix="leave the device out")
    return name


def computes_bfloat16(device: str) -> bool:
    """Whether torch has kernels for bfloat16 there.

    On a processor without AVX-512, or its like, it is computed in detours that take a hundred times as long as float32.
    """
    if device == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if device == "cpu":
        return onednn_computes(torch.bfloat16)
    return True


def wait_for(device: str) -> None:
    """Let a device finish what it was given, so that the time is that of the work; a processor always has."""
    if device == "cuda":
        torch.cuda.synchronize()
    elif device == "mps":
        torch.mps.synchronize()
