"""Batches and samples that the tests of tasks share."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from striate.core.records import Box, Boxes, Label, Labels, Mask, MaskCode, Sample, Source, Target, TargetKind, Value
from striate.data.loader import Batch


def whole(images: Tensor, targets: Tensor, weights: Tensor) -> Batch:
    """A whole batch."""
    return Batch(images, targets, weights, float(weights.sum(dtype=torch.float64)), np.arange(len(images)))


def pieces(batch: Batch, *sizes: int) -> list[Batch]:
    """Parts of these sizes that know the whole batch's weight."""
    stops = np.cumsum(sizes)
    return [
        replace(batch, images=batch.images[rows], targets=batch.targets[rows], weights=batch.weights[rows], ids=rows)
        for rows in np.split(np.arange(stops[-1]), stops[:-1])
    ]


def mixed(batch: Batch, share: float) -> Batch:
    """MixUp of a batch with its reverse: Σ of both weighted losses, each by its share (Zhang et al. 2018).

    A mixed target is weighted by its parts' weights, so that weight × loss is the mixture of weight × loss.
    """
    shares = share * batch.weights, (1 - share) * batch.weights.flip(0)
    weights = shares[0] + shares[1]
    targets = (shares[0][:, None] * batch.targets + shares[1][:, None] * batch.targets.flip(0)) / weights[:, None]
    return whole(share * batch.images + (1 - share) * batch.images.flip(0), targets, weights)


NAMES = ("bird", "cat", "dog")


def samples(kind: TargetKind, count: int = 24, weighted: bool = True) -> list[Sample]:
    """Samples with unequal classes and weights."""
    places = [(0, 1, 1, 2, 2, 2)[row % 6] for row in range(count)]
    targets: list[Target]
    if kind == "label":
        targets = [Label(NAMES[place]) for place in places]
    elif kind == "labels":
        targets = [Labels(tuple(name for bit, name in enumerate(NAMES) if row >> bit & 1)) for row in range(count)]
    elif kind == "mask":
        targets = [Mask(MaskCode("threshold"), (Source("file", f"{row}.png"),)) for row in range(count)]
    elif kind == "boxes":
        targets = [Boxes((Box(NAMES[place], 1, 2, 3 + place, 9), Box("dog", 0, 0, 5, 5))) for place in places]
    else:
        targets = [Value((float(row), 1000.0 - row * row, 1e-3 * (row % 5))) for row in range(count)]
    return [
        Sample(f"s/{row:02d}", (), target, weight=0.5 + row % 3 if weighted else 1.0)
        for row, target in enumerate(targets)
    ]


def linear(outputs: int, inputs: int = 5, dtype: torch.dtype = torch.float64) -> torch.nn.Module:
    """A network of images (N, inputs, 1, 1)."""
    network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(inputs, outputs)).to(dtype)
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator))
    return network


def images(count: int, inputs: int = 5) -> Tensor:
    """Standardised images (count, inputs, 1, 1) in double precision."""
    return torch.randn(count, inputs, 1, 1, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
