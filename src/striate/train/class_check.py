"""Whether an augmentation keeps the class: a small probe is asked for held-out samples under it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from striate.data.augment import Augmenter, centre
from striate.data.pictures import Pictures
from striate.infer import ForwardWay, made_ready
from striate.infer.features import HeadInputs
from striate.plan.rules.augment import Probed

Features: TypeAlias = Callable[[Tensor], Tensor]
"""From images (N, C, H, W) on 0 to 255 to features (N, D)."""

CHUNK = 64
VIEWS = 4
"""Draws of an augmentation that each held-out sample is judged under."""
LOUD = 2.0
"""Standard errors above which a loss is looked into."""
RIDGE = 0.03
"""Of the penalty, in units of the features' variance."""


@dataclass(frozen=True)
class Known:
    """Samples whose classes are known.

    Args:
        pictures: theirs and others', with or without a margin.
        places: (N,), of the samples among them.
        labels: (N,), their classes.
        units: (N,), equal for those of one group, which err together.
    """

    pictures: Pictures
    places: NDArray[np.int64]
    labels: NDArray[np.int64]
    units: NDArray[np.int64]


class ClassProbe:
    """A linear classifier on features, fitted to unaltered training samples.

    Args:
        features: of pictures of `size`.
        train, held_out: samples.
        size: (H, W) of the pictures.
        classes: how many there are.
    """

    def __init__(self, features: Features, train: Known, held_out: Known, size: tuple[int, int], classes: int) -> None:
        self._features, self._size, self._classes = features, size, classes
        self._train, self._held_out = train, held_out
        self._rows, unseen = self._of(train, None, 0), self._of(held_out, None, 0)
        self._probe = _Linear(self._rows, train.labels, classes)
        self._right = self._probe(unseen) == held_out.labels

    @property
    def accuracy(self) -> float:
        """On the held-out samples as they are."""
        return float(self._right.mean())

    def under(self, augmenter: Augmenter) -> Probed:
        """What the held-out accuracy loses under an augmentation.

        First of the probe as it is. One that loses may only not have been shown such pictures, as a linear one of
        pictures moved by a pixel: where it loses more than chance explains, one is asked that was fitted to the
        training samples altered too, and what it loses counts.
        """
        views = [self._of(self._held_out, augmenter, epoch) for epoch in range(VIEWS)]
        lost, error = self._lost(self._probe, views)
        if lost > LOUD * error:
            rows = np.concatenate([self._rows, self._of(self._train, augmenter, 0)])
            taught = _Linear(rows, np.tile(self._train.labels, 2), self._classes)
            return Probed(self.accuracy, len(self._right), lost, *self._lost(taught, views))
        return Probed(self.accuracy, len(self._right), lost, lost, error)

    def _lost(self, probe: _Linear, views: list[NDArray[np.float64]]) -> tuple[float, float]:
        """The mean paired difference, and its standard error, in which a group counts as one."""
        right = np.mean([probe(rows) == self._held_out.labels for rows in views], 0)
        lost = self._right - right
        together = np.bincount(self._held_out.units, lost - lost.mean())
        return float(lost.mean()), math.sqrt(float((together**2).sum())) / len(lost)

    @torch.no_grad()
    def _of(self, known: Known, augmenter: Augmenter | None, epoch: int) -> NDArray[np.float64]:
        found = []
        for places, pixels in _chunks(known):
            images = centre(pixels, self._size)
            if augmenter is not None:
                images = augmenter.images(pixels, places, epoch)
            found.append(self._features(images).double().numpy())
        return np.concatenate(found)


class _Linear:
    """Ridge regression on the classes, a number a class, of which the largest is taken."""

    def __init__(self, rows: NDArray[np.float64], labels: NDArray[np.int64], classes: int) -> None:
        self._mean = rows.mean(0)
        self._scale = rows.std(0) + 1e-6 * (rows.std() + 1e-12)
        scaled = (rows - self._mean) / self._scale
        targets = np.eye(classes)[labels]
        self._offset = targets.mean(0)
        gram = scaled.T @ scaled
        gram[np.diag_indices(len(gram))] += RIDGE * len(rows)
        self._matrix = np.linalg.solve(gram, scaled.T @ (targets - self._offset))

    def __call__(self, rows: NDArray[np.float64]) -> NDArray[np.int64]:
        """The classes of rows."""
        return np.asarray(np.argmax((rows - self._mean) / self._scale @ self._matrix + self._offset, 1))


def frozen_features(network: nn.Module, normalize: nn.Module, shape: Sequence[int], device: torch.device) -> Features:
    """What the head of a network receives, as one vector a picture.

    Args:
        shape: (C, H, W) that it takes.
    """
    ready = made_ready(network.to(device), ForwardWay("float32", False), tuple(shape))
    return HeadInputs(ready.network, normalize, ready)


def _chunks(known: Known) -> Iterator[tuple[NDArray[np.int64], Tensor]]:
    parts = [known.places[first : first + CHUNK] for first in range(0, len(known.places), CHUNK)]
    yield from zip(parts, known.pictures.stream(parts), strict=True)
