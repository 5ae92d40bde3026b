"""The pictures of a Run that looks for things: the best, the median and the worst, with what was found."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from striate.core.artifacts import make_folder, write_bytes
from striate.core.boxes import parted
from striate.core.records import Picture, Sample
from striate.data.decode import decode_sample
from striate.data.store import Store
from striate.explain import BOX_ERRORS, box_errors_over, box_overlay
from striate.metrics import box_curves, boxes_by_class, errors_by_kind
from striate.metrics._box_figures import POINTS as CURVE
from striate.tasks._task import defined
from striate.tasks.detect import Detect
from striate.workflows.figures import png
from striate.workflows.mask_figures import chosen

LONGEST = 320
"""Pixels of the longer side to which larger pictures are reduced: about what the report shows of each, so that names
keep their size."""


def draw_boxes(
    folder: Path,
    task: Detect,
    store: Store,
    samples: Sequence[Sample],
    rows: NDArray[np.float64],
    wrong: NDArray[np.float64],
    full_scale: float,
) -> list[dict[str, str]]:
    """What was found in some pictures, and beside each what of it is right, and what was missed.

    Args:
        rows: what was found in each sample and its truth, (N, S), as `Detect.collected` gives them.
        wrong: of each sample, what its F1 lacks to 1.
        full_scale: the value in pictures of more than 8 bits that means white.

    Returns:
        their entries for `figures/index.json`.
    """
    make_folder(folder)
    found, truths = parted(rows)
    each, names, entries = task.each(rows), task.target_names, []
    for number, (place, kind) in enumerate(chosen(wrong), 1):
        pixels = pixels_of(decode_sample(store, samples[place]), full_scale)
        kept = task.kept(found[place])
        plain, errors = f"boxes-{number}.png", f"boxes-{number}-heat.png"
        write_bytes(folder / plain, png(box_overlay(pixels, kept, names, longest=LONGEST)))
        write_bytes(folder / errors, png(box_errors_over(pixels, kept, truths[place], names, longest=LONGEST)))
        counts = ", ".join(f"{int(each[name][place])} {name}" for name in ("found", "missed", "invented"))
        words = f"{samples[place].key}: {kind}, F1 {1 - wrong[place]:.3f}: {counts}"
        entries.append({"file": plain, "caption": words, "words": f"What was found. {words}", "section": "boxes"})
        told = f"What is right and wrong: {'; '.join(one.meaning for one in BOX_ERRORS.values())}. {words}"
        entries.append({"file": errors, "caption": words, "words": told, "section": "boxes"})
    return entries


def pixels_of(picture: Picture, full_scale: float) -> NDArray[Any]:
    """A decoded picture as it is drawn, (C, H, W) on the 0..255 scale."""
    pixels = np.moveaxis(picture.pixels, -1, 0)
    return pixels if pixels.dtype == np.uint8 else pixels.astype(np.float32) * np.float32(255.0 / full_scale)


POINTS = 20_000
"""Of the curves of all classes, at most; of each at least `LEAST`."""
LEAST = 20


def boxes_told(task: Detect, rows: NDArray[np.float64]) -> dict[str, Any]:
    """What the report tells of boxes beside their metrics, as plain values for `metrics.json`.

    Args:
        rows: of pictures of one split, (N, S).

    Returns:
        `curves`, for each class that has truths `points` (recall and precision, from the surest boxes on, at an overlap
        of one half), `area` (average precision there) and `held` (recall and precision from its threshold on); and
        `errors`: `counts` of each kind among what is held to be there, `costs` (what average precision would gain
        without it) and `precision` over all that was found, however unsure, as the authors of TIDE have it.
    """
    names, held = task.target_names, task.thresholds
    figures = boxes_by_class(rows, task.outputs, held)
    drawn = box_curves(rows, task.outputs, max(LEAST, min(CURVE, POINTS // max(1, task.outputs))))
    told = {
        name: {
            "points": np.stack([curve.recall, curve.precision], 1).round(5).tolist(),
            "area": defined(figures["ap50"][place]),
            "held": [defined(figures[side][place]) for side in ("recall", "precision")],
        }
        for place, (name, curve) in enumerate(zip(names, drawn, strict=True))
        if figures["support"][place]
    }
    shown = errors_by_kind(rows, task.outputs, held)
    every = errors_by_kind(rows, task.outputs, [0.0] * task.outputs)
    costs = {kind: defined(cost) for kind, cost in every.costs.items()}
    return {
        "curves": told,
        "errors": {"counts": dict(shown.counts), "costs": costs, "precision": defined(every.precision)},
    }
