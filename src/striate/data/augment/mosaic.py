"""Mosaic: four pictures laid around a point."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from striate.core.boxes import LABEL, NONE
from striate.data.augment import per_boxes
from striate.data.augment._follow import Boxes, part
from striate.data.augment._resample import resampled

SMALLEST = 0.5
"""The least scale of a picture."""


@per_boxes("mosaic", {"mosaic": 0.0})
def mosaic(images: Tensor, boxes: Boxes, generator: np.random.Generator, mosaic: float) -> tuple[Tensor, Boxes]:
    """Some pictures become the upper left quarter of four, the others of which are partners of their batch.

    Bochkovskiy et al. 2020, "YOLOv4: Optimal speed and accuracy of object detection", section 3.3: things outside of
    their usual context, and more of them a picture. One point and three permutations a batch, as CutMix has one
    window; the point lies from a quarter of the sides to three.

    Of each picture a window fills its quarter, anywhere in it. Its scale is between the picture's own, at which things
    have the size that they are later sought at (but more of them are cut), and the least that still fills the quarter,
    half at least, at which nearly all is seen but small (Chen et al. 2020, "Stitcher: Feedback-driven data provider for
    object detection", lay four whole ones together at half their sides); its logarithm is uniform.

    Args:
        images: (N, C, H, W), float32.
        boxes: in their pixels, M of each; there are 4 M then.
        mosaic: how likely each picture is to become one.
    """
    count, size = len(images), (images.shape[2], images.shape[3])
    chosen = np.flatnonzero(generator.random(count) < mosaic)
    down, across = (int(np.clip(round((0.25 + 0.5 * generator.random()) * side), 1, side - 1)) for side in size)
    partners = np.stack([np.arange(count), *(generator.permutation(count) for _ in range(3))])[:, chosen]
    draws = generator.random((4, count, 3))[:, chosen]
    if not len(chosen) or min(size) < 2:
        return images, boxes

    rows, result, found = torch.from_numpy(chosen).to(images.device), images.clone(), []
    for number in range(4):
        top, left = (down if number >= 2 else 0), (across if number % 2 else 0)
        quarter = (size[0] - down if top else down), (size[1] - across if left else across)
        least = max(SMALLEST, quarter[0] / size[0], quarter[1] / size[1])
        scale = least ** draws[number, :, 0]
        high, wide = (side / whole / scale for side, whole in zip(quarter, size, strict=True))
        plane = part(high, wide, draws[number, :, 1], draws[number, :, 2])
        partner = torch.from_numpy(partners[number]).to(images.device)
        shown = resampled(images[partner], plane[:, :2], quarter, "border")
        result[rows, :, top : top + quarter[0], left : left + quarter[1]] = shown
        found.append(boxes.at(partner).followed(plane, size, quarter).moved(left, top))

    nothing = torch.zeros_like(boxes.rows)
    nothing[..., LABEL] = NONE
    every = torch.cat([boxes.rows, nothing, nothing, nothing], dim=1)
    shares = torch.cat([boxes.shares] * 4, dim=1)
    every[rows] = torch.cat([one.rows for one in found], dim=1)
    shares[rows] = torch.cat([one.shares for one in found], dim=1)
    return result, Boxes(every, shares)
