"""The maps of a detector's body: where they are taken in a network, and the pass that takes them."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn


@dataclass(frozen=True)
class Tap:
    """Where a map is taken.

    Args:
        name: the dotted name of the module whose output it is.
        stride: pixels of the input from one position to the next.
        channels: of the map.
        altered: whether what follows writes over it, as ReLU in place does: it is copied before.
    """

    name: str
    stride: int
    channels: int
    altered: bool = False


@dataclass(frozen=True)
class Body:
    """The body of a detector.

    Args:
        module: the classifier, in whose place of what lies behind the last map stands `Through`; all that is left has
            the names that it has in the classifier.
        taps: where the maps are taken, from the finest to the coarsest.
        left_out: dotted names of what is gone.
    """

    module: nn.Module
    taps: tuple[Tap, ...]
    left_out: tuple[str, ...]

    @property
    def channels(self) -> list[int]:
        """Of each map."""
        return [tap.channels for tap in self.taps]

    @property
    def strides(self) -> list[int]:
        """Of each map."""
        return [tap.stride for tap in self.taps]


def tapped(body: nn.Module, taps: Sequence[Tap], images: Tensor) -> list[Tensor]:
    """The maps of pictures (N, C, H, W), in the order of the taps.

    Hooks are put on for the one pass alone, so that what exchanges a module, as folding does, has nothing to take
    care of.
    """
    found: dict[str, Tensor] = {}
    thread = threading.get_ident()

    def catch(tap: Tap) -> Any:
        def hook(_: nn.Module, __: Any, output: Tensor) -> None:
            if threading.get_ident() == thread and tap.name not in found:  # other threads may have the network at work
                found[tap.name] = output.clone() if tap.altered else output

        return hook

    handles = [body.get_submodule(tap.name).register_forward_hook(catch(tap)) for tap in taps]
    try:
        body(images)
    finally:
        for handle in handles:
            handle.remove()
    return [found[tap.name] for tap in taps]


class Maps(nn.Module):
    """A body that gives its maps, for what changes a network by its graph.

    Args:
        body: the backbone.
        taps: where the maps are taken.
    """

    def __init__(self, body: nn.Module, taps: Sequence[Tap]) -> None:
        super().__init__()
        self.body, self.taps = body, tuple(taps)

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        return tuple(tapped(self.body, self.taps, images))
