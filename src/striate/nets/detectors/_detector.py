"""What all detectors share: a body, a head, what is found in evaluation mode, and the losses of each picture."""

from __future__ import annotations

import contextlib
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from striate.core.boxes import COUNTS, CROWD, DIFFICULT, FOUND, FOUND_LABEL, LABEL, MOST, NONE
from striate.core.errors import NetworkError
from striate.nets.detectors._taps import Body, tapped

IGNORED_FROM = 0.5
"""Share from which what overlaps a truth that is not to be found is no background either."""


class Dense(NamedTuple):
    """What the head of a detector says of each position.

    Args:
        outputs: by what they say, (N, positions, …) each, the levels one after another, from the finest.
        levels: the maps that it says it of, (N, C, H, W) each.
        mixed: whether it was computed under autocast.
    """

    outputs: dict[str, Tensor]
    levels: list[Tensor]
    mixed: bool = False

    @property
    def grids(self) -> list[tuple[int, int]]:
        """Height and width of each level."""
        return [(int(one.shape[2]), int(one.shape[3])) for one in self.levels]

    @property
    def device(self) -> torch.device:
        """Where it is."""
        return self.levels[0].device

    def of(self, number: int) -> dict[str, Tensor]:
        """The outputs of one picture, (1, positions, …) each."""
        return {name: one[number : number + 1] for name, one in self.outputs.items()}


class Truths(NamedTuple):
    """The truths of one picture, in pixels of the input.

    Args:
        boxes: of what is to be found, (B, 4).
        labels: its classes, (B,).
        difficult: boxes of what need not be found, (D, 4).
        crowds: boxes of many that nobody told apart, (C, 4).
    """

    boxes: Tensor
    labels: Tensor
    difficult: Tensor
    crowds: Tensor


class Detector(nn.Module, ABC):
    """A network that finds boxes.

    In evaluation mode it gives what it found, (N, `MOST`, 6) in the format of `striate.core.boxes`: in pixels of the
    input, surest first, at most `MOST` a picture. Called with targets it gives its losses, see `losses`. In training
    mode without them it gives what the head says of each position, by which memory is told.

    Args:
        body: the backbone.
        head: takes the body's maps, gives a `Dense`: pyramid and predictors, all that is new.
        outputs: classes.
    """

    class_layers: tuple[str, ...] = ()
    """The dotted names of the layers whose rows are classes, or of what holds them all."""
    published: str = "resnet50"
    """The backbone where none is named."""
    least: float = 0.01
    """The score below which nothing is given. It is far below what anyone would act on, as average precision is of
    the whole curve."""
    overlap: float = 0.5
    """Intersection over union above which the less sure of two boxes of one class goes."""

    def __init__(self, body: Body, head: nn.Module, outputs: int) -> None:
        super().__init__()
        self.body = body.module
        self.head = head
        self.taps, self.left_out = body.taps, body.left_out
        self.outputs = outputs

    def __init_subclass__(cls, **about: Any) -> None:
        """Keep `compared` out of compiled steps: each number of truths would be compiled anew."""
        super().__init_subclass__(**about)
        if "compared" in vars(cls):
            cls.compared = torch.compiler.disable(cls.compared)  # type: ignore[method-assign, no-untyped-call]

    @classmethod
    def complete(cls, arguments: dict[str, Any]) -> dict[str, Any]:
        """All arguments, with those worked out that None stands for: a Model says what its anchors are."""
        return arguments

    def maps(self, images: Tensor) -> list[Tensor]:
        """The body's maps of standardised images (N, C, H, W), from the finest to the coarsest."""
        return tapped(self.body, self.taps, images) if self.taps else list(self.body(images))

    def with_maps(self, maps: nn.Module) -> None:
        """Compute the maps by another module, which gives them as `Maps` does. For predictions: the body's parameters
        have other names then."""
        self.body, self.taps = maps, ()

    def forward(self, images: Tensor, targets: Tensor | None = None) -> Any:
        """What is found in standardised images (N, C, H, W): (N, `MOST`, 6); in training mode a `Dense`; where targets
        are given, the losses of `losses`.

        Losses come from a call, as what wraps a network, to compile or distribute it, sees nothing else.
        """
        if targets is not None:
            return self._losses(images, targets)
        dense: Dense = self.head(*self.maps(images))
        if self.training or images.is_meta:
            shown = self.shown(dense)
            # Shapes alone do not tell what is found.
            return shown if self.training else images.new_zeros(len(images), MOST, FOUND)
        with torch.no_grad(), _in_full(images) as mixed:
            return self.found(_wide(dense, mixed), (int(images.shape[2]), int(images.shape[3])))

    def losses(self, images: Tensor, targets: Tensor) -> dict[str, Tensor]:
        """The losses of each picture, by name, (N,) float32 each, whatever the batch that it is in.

        Args:
            images: (N, C, H, W), standardised.
            targets: (N, 1 + M, 7), in pixels of the input: a `Frame`, then truths, see `striate.core.boxes`. Truths
                that are `DIFFICULT` or a `CROWD` are neither to be found nor background.
        """
        found: dict[str, Tensor] = self(images, targets)
        return found

    def _losses(self, images: Tensor, targets: Tensor) -> dict[str, Tensor]:
        dense: Dense = self.head(*self.maps(images))
        with _in_full(images) as mixed:
            truths = [truths_of(rows[1:]) for rows in targets.float()]
            return self.compared(_wide(dense, mixed), truths, (int(images.shape[2]), int(images.shape[3])))

    def shown(self, dense: Dense) -> Any:
        """What is computed of every picture, whatever is in it; operations and memory are counted by it."""
        return dense

    @abstractmethod
    def found(self, dense: Dense, size: tuple[int, int]) -> Tensor:
        """What is found, (N, `MOST`, 6).

        Args:
            dense: its outputs in float32.
            size: height and width of the pictures.
        """

    @abstractmethod
    def compared(self, dense: Dense, truths: Sequence[Truths], size: tuple[int, int]) -> dict[str, Tensor]:
        """The losses of each picture; arguments as `found`, and the truths of each picture."""


def check_least(least: int, **sizes: int) -> None:
    """Raise `NetworkError` where one of these arguments of a detector, whole numbers, is below the least that makes
    sense.

    >>> check_least(1, width=256, hidden=1024)
    """
    for name, size in sizes.items():
        if not isinstance(size, int):
            raise TypeError(f"{name} must be a whole number, not {size!r}")
        if size < least:
            raise NetworkError(
                f"{name} of a detector must be {least} or more, not {size}", fix=f"leave {name} out, or set it higher"
            )


def truths_of(rows: Tensor) -> Truths:
    """Rows (M, 7) of one picture by what they mean; those that hold nothing, or no area, are left out."""
    edges = rows[:, :4]
    there = (rows[:, LABEL] != NONE) & (edges[:, 2:] > edges[:, :2]).all(1)
    difficult, crowd = there & (rows[:, COUNTS] == DIFFICULT), there & (rows[:, COUNTS] == CROWD)
    plain = there & ~difficult & ~crowd
    return Truths(edges[plain], rows[plain, LABEL].long(), edges[difficult], edges[crowd])


def filled(rows: Sequence[Tensor]) -> Tensor:
    """Rows (B, 6) of several pictures, at most `MOST` each, as one tensor (N, `MOST`, 6)."""
    found = rows[0].new_zeros(len(rows), MOST, FOUND)
    found[:, :, FOUND_LABEL] = NONE
    for place, one in zip(found, rows, strict=True):
        place[: len(one)] = one
    return found


def gathered(losses: Sequence[Mapping[str, Tensor]]) -> dict[str, Tensor]:
    """The losses of several pictures, each by name, as (N,) by name."""
    return {name: torch.stack([one[name].reshape(()) for one in losses]) for name in losses[0]}


@contextlib.contextmanager
def _in_full(images: Tensor) -> Iterator[bool]:
    """Without autocast, while entered: losses and edges want all digits. Gives whether it was on."""
    kind = images.device.type
    mixed = torch.is_autocast_enabled(kind)
    with torch.autocast(kind, enabled=False):
        yield mixed


def _wide(dense: Dense, mixed: bool) -> Dense:
    return Dense({name: one.float() for name, one in dense.outputs.items()}, dense.levels, mixed)
