"""Arithmetic with boxes that detectors share, on torchvision's operators."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import torch
from torch import Tensor
from torchvision.ops import batched_nms, box_area, box_iou, clip_boxes_to_image

from striate.core.boxes import MOST
from striate.nets.detectors._detector import IGNORED_FROM, Truths

Scored: TypeAlias = tuple[Tensor, Tensor, Tensor]
"""Boxes, their scores and their classes."""


def passed_over(boxes: Tensor, truths: Truths) -> Tensor:
    """Which boxes (P, 4) lie by half or more on what is not to be found, (P,).

    Of a crowd it is the share of the box that counts, as in COCO's evaluation: a crowd may be many times as large.
    """
    found = torch.zeros(len(boxes), dtype=torch.bool, device=boxes.device)
    if len(truths.difficult):
        found |= box_iou(boxes, truths.difficult).amax(1) >= IGNORED_FROM
    if len(truths.crowds):
        low = torch.maximum(boxes[:, None, :2], truths.crowds[None, :, :2])
        high = torch.minimum(boxes[:, None, 2:], truths.crowds[None, :, 2:])
        shares = (high - low).clamp(min=0).prod(2) / box_area(boxes)[:, None].clamp(min=1e-6)
        found |= shares.amax(1) >= IGNORED_FROM
    return found


def best(scores: Tensor, least: float, most: int) -> tuple[Tensor, Tensor, Tensor]:
    """The scores (P, K) above a least one, the `most` highest of them in falling order, with their positions and
    classes."""
    flat = scores.flatten()
    places = torch.nonzero(flat > least).squeeze(1)
    kept, order = flat[places].topk(min(most, len(places)))
    places = places[order]
    return kept, places // scores.shape[1], places % scores.shape[1]


def suppressed(levels: Sequence[Scored], size: tuple[int, int], overlap: float) -> Tensor:
    """Rows (at most `MOST`, 6) of what is found in one picture: cut to it, without what overlaps a surer box of its
    class.

    Args:
        levels: boxes (P, 4), scores (P,) and classes (P,) from 0 of each level.
        size: height and width of the picture.
        overlap: intersection over union from which a box goes.
    """
    edges, scores, labels = (torch.cat(parts) for parts in zip(*levels, strict=True))
    edges = clip_boxes_to_image(edges, size)
    kept = batched_nms(edges, scores, labels, overlap)[:MOST]
    return torch.cat([edges[kept], scores[kept, None], labels[kept, None].to(edges.dtype)], 1)


def split(outputs: Tensor, grids: Sequence[tuple[int, int]], each: int) -> list[Tensor]:
    """Outputs (positions, …) of one picture by level, of `each` boxes at every position."""
    return list(torch.split(outputs, [height * width * each for height, width in grids]))
