"""Shortcuts: whether a model keeps its score when the middle of the picture, or its subject where clear, is hidden.

A model that is right without the subject has learnt something else that goes with the class: a mark in a corner, a
ruler, the table that things were photographed on (Geirhos et al. 2020, "Shortcut learning in deep neural networks").
Parts are hidden by their place in the frame; and the subject by a rectangle, since a hole of its shape would tell what
it was, or all but the subject (as "Only-BG-B" and "Only-FG" of Xiao et al. 2020, "Noise or signal: the role of image
backgrounds in object recognition"), in pictures where a prior finds one (`striate.evaluate.saliency`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from striate.evaluate.intervals import RESAMPLES, percentile_interval, resample_counts
from striate.evaluate.saliency import box

CENTRE, FRAME = 0.5, 0.25
"""Shares of the area: of the centre, and of the frame."""
ALARM = {"centre_hidden": 0.7, "frame_only": 0.5, "subject_hidden": 0.5}
"""Shares of what a model knows beyond chance that are too much to keep, by the low end of the interval. With heads on
MobileNetV2's features 240 pictures of trashnet kept 0.15 without the centre and 0.06 in the frame alone, flowers 0.12
and 0.14 (at most 0.25 and 0.29 by the high ends); marks in a corner that were the class itself kept all."""
LEAST, LEAST_ABOVE = 50, 0.1
"""Samples or groups, and accuracy above chance, below which nothing is told."""


def visible(height: int, width: int) -> dict[str, NDArray[np.bool_]]:
    """What is left to see of a picture, (H, W), by the name of each way to hide parts of it.

    The centre is the middle rectangle of half the area; the frame is the outermost quarter of it, at least a pixel.

    >>> {name: float(mask.mean()) for name, mask in visible(100, 100).items()}
    {'whole': 1.0, 'centre_hidden': 0.51, 'border_hidden': 0.49, 'frame_only': 0.2604}
    """
    centre = _inner(height, width, CENTRE)
    return {
        "whole": np.ones((height, width), bool),
        "centre_hidden": ~centre,
        "border_hidden": centre,
        "frame_only": ~_inner(height, width, 1 - FRAME),
    }


def _inner(height: int, width: int, share: float) -> NDArray[np.bool_]:
    """The middle rectangle of a share of the area, with the picture's proportions."""
    mask = np.zeros((height, width), bool)
    sides = []
    for length in (height, width):
        outside = max(1, round(length * (1 - math.sqrt(share)) / 2))
        sides.append(slice(outside, length - outside))
    mask[sides[0], sides[1]] = True
    return mask


def without(mask: NDArray[np.bool_]) -> dict[str, NDArray[np.bool_]]:
    """What is left to see of a picture, (H, W), whose subject is known, by the name of each way to hide parts of it.

    Args:
        mask: (H, W), the subject.

    >>> mask = np.zeros((10, 10), bool); mask[2:6, 3:5] = True; mask[4, 6] = True
    >>> {name: int(one.sum()) for name, one in without(mask).items()}
    {'background_hidden': 9, 'subject_hidden': 84}
    """
    return {"background_hidden": mask, "subject_hidden": ~box(mask)}


@dataclass(frozen=True)
class Kept:
    """What a model keeps of its accuracy with one part hidden.

    Args:
        accuracy: with it hidden.
        share: of what it knows beyond chance, (accuracy − chance) / (whole − chance).
        low, high: the 95 % interval of the share; None where there is none.
        alarm: whether the share is too large, by the low end of its interval.
    """

    accuracy: float
    share: float | None
    low: float | None
    high: float | None
    alarm: bool


def judge(
    right: Mapping[str, NDArray[np.bool_]], chance: float, units: NDArray[np.int64] | None, seed: int
) -> dict[str, Kept] | str:
    """What a model keeps of its accuracy with each part hidden.

    Args:
        right: by the names of `visible` or `without`, and "whole", (N,), whether each sample is recognised.
        chance: the accuracy that answering with the commonest class has.
        units: (N,), what samples belong together; None: each stands alone.
        seed: of the resamples.

    Returns:
        by name; or why nothing can be told.
    """
    whole, count = right["whole"].astype(np.float64), len(right["whole"])
    each = np.arange(count) if units is None else units
    drawn = len(np.unique(each))
    if drawn < LEAST:
        return f"there are {drawn} {'samples' if units is None else 'groups'}, and below {LEAST} little can be told"
    known = float(whole.mean()) - chance
    if known < LEAST_ABOVE:
        return (
            f"with {whole.mean():.1%} the model is not {100 * LEAST_ABOVE:.0f} points above the {chance:.1%} of its "
            "commonest class: it has nothing to keep"
        )
    counts = resample_counts(int(each.max()) + 1, seed, 0, RESAMPLES)[:, each]
    sizes = counts.sum(axis=1)
    above = counts @ whole / sizes - chance
    found = {}
    for name, one in right.items():
        with np.errstate(divide="ignore", invalid="ignore"):
            shares = np.where(above > 0, (counts @ one.astype(np.float64) / sizes - chance) / above, np.nan)
        interval = percentile_interval(shares, drawn)
        most = ALARM.get(name)
        share = float((float(one.mean()) - chance) / known)
        alarm = most is not None and interval.low is not None and interval.low > most
        found[name] = Kept(float(one.mean()), share, interval.low, interval.high, alarm)
    return found
