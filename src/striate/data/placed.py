"""The truths of pictures as a batch has them: in the pixels of the network's input."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from striate.core.boxes import LABEL, NONE, TRUTH, Floats, Frame
from striate.data.prepare import Preprocessing


def placed(truths: Sequence[Floats], sides: Sequence[tuple[int, int]], preprocessing: Preprocessing) -> Tensor:
    """Boxes of pictures as batches have them.

    Boxes are cut to their picture; what lies outside of it is none.

    Args:
        truths: of each picture (B, 7), in its own pixels, see `striate.core.boxes`.
        sides: height and width of each.
        preprocessing: brings pictures to the network's input.

    Returns:
        (N, 1 + M, 7) float32: line 0 of a picture is its `Frame`, the others its boxes, first those that there are.
    """
    frames = [preprocessing.placed(height, width) for height, width in sides]
    within = [_within(found, frame) for found, frame in zip(truths, frames, strict=True)]
    most = max((len(rows) for rows in within), default=0)
    targets = np.zeros((len(truths), 1 + most, TRUTH), np.float32)
    targets[:, 1:, LABEL] = NONE
    for place, frame, rows in zip(targets, frames, within, strict=True):
        place[0, : len(frame)] = frame
        place[1 : 1 + len(rows)] = rows
    return torch.from_numpy(targets)


def _within(truths: Floats, frame: Frame) -> Floats:
    found = cut(truths, int(frame.height), int(frame.width))
    found[:, :LABEL] = frame.into(found[:, :LABEL])
    return found


def cut(truths: Floats, height: int, width: int) -> Floats:
    """Boxes (B, 7) cut to a picture of a height and width; those that lie outside are left out.

    >>> cut(np.array([[-5.0, 0, 5, 5, 1, 0, 0], [20, 0, 30, 5, 1, 0, 0]]), 10, 10)[:, :4].tolist()
    [[0.0, 0.0, 5.0, 5.0]]
    """
    found = truths.copy()
    found[:, :LABEL] = np.clip(found[:, :LABEL], 0, [width, height, width, height])
    return found[((found[:, 2:LABEL] - found[:, :2]) > 0).all(1)]
