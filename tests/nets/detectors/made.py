"""Small detectors, truths for them, and torchvision's own models on the same body."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from striate.core.boxes import MOST, NONE, PLAIN
from striate.nets.detectors import Detector
from striate.nets.spec import build, resolve

SIDE = 64
BACKBONE = {"backbone": "resnet18", "backbone_arguments": {"width": 8}}
SMALL: dict[str, dict[str, Any]] = {
    "faster_rcnn": {"width": 16, "strides": [8, 16, 32], "hidden": 32, "rois": 32},
    "fcos": {"width": 16, "depth": 1, "strides": [8, 16, 32]},
    "retinanet": {"width": 16, "depth": 1, "strides": [8, 16, 32]},
    "ssdlite": {"width": 32, "strides": [8, 16, 32, 64]},
}
"""Arguments by detector with which it is small."""


def spec_of(name: str, *, outputs: int = 3, channels: int = 3, side: int = SIDE, **arguments: Any) -> dict[str, Any]:
    """The spec of a small detector."""
    given = {**BACKBONE, **SMALL[name], **arguments}
    return resolve(name, outputs=outputs, channels=channels, height=side, width=side, arguments=given, form="boxes")


def made(name: str, seed: int = 0, **about: Any) -> Any:
    """A small detector whose predictions are spread out: as drawn, all chances are alike."""
    torch.manual_seed(seed)
    detector = build(spec_of(name, **about))
    with torch.no_grad():
        for layer in detector.head.modules():
            if isinstance(layer, nn.Conv2d | nn.Linear):
                layer.weight.normal_(std=layer.weight[0].numel() ** -0.5)
    return detector


def pictures(count: int = 2, channels: int = 3, side: int = SIDE) -> Tensor:
    """Standardised pictures."""
    return torch.randn(count, channels, side, side, generator=torch.Generator().manual_seed(1))


def truths(*pictures: Sequence[Sequence[float]], room: int = 4) -> Tensor:
    """Targets (N, 1 + room, 7): of each picture, rows (x1, y1, x2, y2, class) or (…, class, counts)."""
    rows = torch.zeros(len(pictures), 1 + room, 7)
    rows[:, 1:, 4] = NONE
    rows[:, 0, 2:4] = 1.0
    for place, boxes in zip(rows, pictures, strict=True):
        for row, box in zip(place[1:], boxes, strict=False):
            row[:6] = torch.tensor([*box, PLAIN][:6])
    return rows


TWO = truths([(4, 6, 40, 50, 1), (20, 20, 36, 30, 0), (30, 2, 60, 60, 2)], [(8, 8, 30, 44, 2)])
"""Truths of two pictures."""


def theirs(targets: Tensor, shift: int = 0) -> list[dict[str, Tensor]]:
    """The same as torchvision takes them, classes from `shift` on."""
    found = []
    for rows in targets[:, 1:]:
        there = rows[rows[:, 4] != NONE]
        found.append({"boxes": there[:, :4], "labels": there[:, 4].long() + shift})
    return found


class Levels(nn.Module):
    """A detector's body and pyramid as torchvision takes a backbone."""

    def __init__(self, detector: Detector, pyramid: nn.Module, width: int) -> None:
        super().__init__()
        self.detector, self.pyramid, self.out_channels = detector, pyramid, width

    def forward(self, images: Tensor) -> OrderedDict[str, Tensor]:
        levels = self.pyramid(*self.detector.maps(images))
        return OrderedDict((str(number), one) for number, one in enumerate(levels))


PLAIN_PICTURES: dict[str, Any] = {
    "min_size": SIDE,
    "max_size": SIDE,
    "image_mean": [0.0] * 3,
    "image_std": [1.0] * 3,
    "size_divisible": 1,
}
"""Arguments with which torchvision's models leave pictures as they are."""


def as_rows(found: Sequence[dict[str, Tensor]], shift: int = 0) -> Tensor:
    """What torchvision found as rows (N, `MOST`, 6)."""
    rows = torch.zeros(len(found), MOST, 6)
    rows[:, :, 5] = NONE
    for place, one in zip(rows, found, strict=True):
        count = len(one["boxes"])
        place[:count] = torch.cat([one["boxes"], one["scores"][:, None], one["labels"][:, None] - shift], 1)
    return rows
