"""What the head of a network receives while nothing below it learns: computed once, and the same in every epoch."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.dropout import _DropoutNd
from torch.nn.modules.instancenorm import _InstanceNorm

from striate.core.memory import ran_out_of_memory
from striate.nets import has_auxiliary, head_name, head_parameters
from striate.nets.detectors import Detector

_RANDOM = ("DropPath", "DropBlock2d", "StochasticDepth")
"""Classes of timm and torchvision, by name, that leave something out beside torch's dropout."""


@dataclass(frozen=True)
class Features:
    """What a head receives, of every sample.

    Args:
        rows: (N, …), by the samples' positions; on the processor, whose memory they are allowed for.
        modes: whether each module trained when they were computed.
    """

    rows: Tensor
    modes: tuple[bool, ...]

    def stand(self, network: nn.Module) -> bool:
        """Whether the network, whose weights below the head do not learn, would still give them."""
        return self.modes == _modes(network)


def only_head_learns(network: nn.Module) -> bool:
    """Whether nothing but the head has gradients."""
    return {name for name, one in network.named_parameters() if one.requires_grad} == set(head_parameters(network))


def head_of(network: nn.Module) -> nn.Module:
    """The layer that makes the outputs."""
    return network.get_submodule(head_name(network))


def hindrance(network: nn.Module) -> str | None:
    """Why what the head receives is no function of each picture alone, as far as layers show it; None if none does."""
    if isinstance(network, Detector):
        return "its head takes several maps of each picture"
    if has_auxiliary(network):
        return "its auxiliary heads answer beside its outputs"
    for name, one in network.named_modules():
        batch = isinstance(one, _BatchNorm) and (one.training or one.running_mean is None)
        if batch or (isinstance(one, _InstanceNorm) and one.training and one.track_running_stats):
            return f"the norm {name} takes the statistics of each batch"
        drops = isinstance(one, _DropoutNd) or type(one).__name__ in _RANDOM
        if one.training and drops and (getattr(one, "p", 0) or getattr(one, "drop_prob", 0)):
            return f"{name} leaves parts out at random"
    return None


@torch.no_grad()
def find_features(network: nn.Module, shown: Iterable[Tensor], count: int, most_bytes: int) -> Features | str:
    """What the head receives of every sample; or why it is not the same in every epoch, or cannot be kept.

    Args:
        network: in the modes in which it trains.
        shown: standardised images (n, C, H, W), in order; of all samples once.
        count: N, samples in all.
        most_bytes: of the features together.
    """
    received: list[Tensor] = []
    head = head_of(network)
    hook = head.register_forward_pre_hook(lambda _, inputs: received.append(inputs[0]))
    rows, done = torch.zeros(0), 0
    try:
        for images in shown:
            received.clear()
            outputs = network(images)
            if len(received) != 1:
                return f"its head is computed {len(received)} times"
            (found,) = received
            if not done:
                if not torch.equal(head(found), outputs):
                    return "its head is not its end"
                network(images)  # once more: of what is drawn by functions no layer tells
                if not torch.equal(received[-1], found):
                    return "something in it draws at random"
                size = found[0].numel() * found.element_size() * count
                if size > most_bytes:
                    return f"they would take {size / 1e9:.2f} GB, and {most_bytes / 1e9:.2f} GB are for them"
                room = _room(count, found)
                if room is None:
                    return f"memory does not hold their {size / 1e9:.2f} GB"
                rows = room
            rows[done : done + len(found)] = found.cpu()
            done += len(found)
    finally:
        hook.remove()
    assert done == count, f"{done} of {count} samples were shown"
    return Features(rows, _modes(network))


def _room(count: int, found: Tensor) -> Tensor | None:
    """Memory of the processor for so many rows like these; None where it has none."""
    try:
        return torch.empty(count, *found.shape[1:], dtype=found.dtype)
    except (RuntimeError, MemoryError) as error:
        if not ran_out_of_memory(error):
            raise
        return None


def _modes(network: nn.Module) -> tuple[bool, ...]:
    return tuple(one.training for one in network.modules())
