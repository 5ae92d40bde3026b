"""What all detectors share: a body, a head, what is found in evaluation mode, and the losses of each picture."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from striate.core.boxes import COUNTS, CROWD, DIFFICULT, FOUND, FOUND_LABEL, LABEL, MOST, NONE
from striate.nets.detectors._taps import Body, tapped

IGNORED_FROM = 0.5
"""Share from which what overlaps a truth that is not to be found is no background either."""


class Dense(NamedTuple):
    """What the head of a detector says of each position.

    Args:
        outputs: by what they say, (N, positions, …) each, the levels one after another, from the finest.
        grids: height and width of each level.
    """

    outputs: dict[str, Tensor]
    grids: list[tuple[int, int]]


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
    input, surest first, at most `MOST` a picture. In training mode it gives what the head says of each position, by
    which memory is told; what is learnt from comes from `losses`.

    Args:
        body: the backbone.
        head: takes the body's maps, gives a `Dense`: pyramid and predictors, all that is new.
        outputs: classes.
    """

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

    def maps(self, images: Tensor) -> list[Tensor]:
        """The body's maps of standardised images (N, C, H, W), from the finest to the coarsest."""
        return tapped(self.body, self.taps, images)

    def forward(self, images: Tensor) -> Any:
        """What is found in standardised images (N, C, H, W): (N, `MOST`, 6); in training mode a `Dense`."""
        maps = self.maps(images)
        dense: Dense = self.head(*maps)
        if self.training:
            return dense
        if images.is_meta:  # shapes alone do not tell what is found
            return images.new_zeros(len(images), MOST, FOUND)
        size = int(images.shape[2]), int(images.shape[3])
        with torch.no_grad(), torch.autocast(images.device.type, enabled=False):
            return self.found(_wide(dense), maps, size)

    def losses(self, images: Tensor, targets: Tensor) -> dict[str, Tensor]:
        """The losses of each picture, by name, (N,) float32 each, whatever the batch that it is in.

        Args:
            images: (N, C, H, W), standardised.
            targets: (N, 1 + M, 7), in pixels of the input: a `Frame`, then truths, see `striate.core.boxes`. Truths
                that are `DIFFICULT` or a `CROWD` are neither to be found nor background.
        """
        maps = self.maps(images)
        dense: Dense = self.head(*maps)
        size = int(images.shape[2]), int(images.shape[3])
        with torch.autocast(images.device.type, enabled=False):
            truths = [truths_of(rows[1:]) for rows in targets.float()]
            return self.compared(_wide(dense), maps, truths, size)

    @abstractmethod
    def found(self, dense: Dense, maps: Sequence[Tensor], size: tuple[int, int]) -> Tensor:
        """What is found, (N, `MOST`, 6).

        Args:
            dense: in float32.
            maps: the body's.
            size: height and width of the pictures.
        """

    @abstractmethod
    def compared(
        self, dense: Dense, maps: Sequence[Tensor], truths: Sequence[Truths], size: tuple[int, int]
    ) -> dict[str, Tensor]:
        """The losses of each picture; arguments as `found`, and the truths of each picture."""


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


def _wide(dense: Dense) -> Dense:
    return Dense({name: one.float() for name, one in dense.outputs.items()}, dense.grids)
