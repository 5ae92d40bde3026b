"""The pictures of a Run whose pixels have classes: the best, the median and the worst, with what was predicted."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from striate.core.artifacts import make_folder, write_bytes
from striate.core.records import Sample
from striate.data.decode import decode_sample
from striate.data.masks import decode_mask
from striate.data.store import Store
from striate.explain import ERRORS, class_colours, error_map, mask_overlay
from striate.infer import Model
from striate.workflows.figures import png

LONGEST = 320
"""Pixels of the longer side to which larger pictures are reduced."""
EACH = 2
"""Pictures of each kind; of the worst twice as many."""


def draw_masks(
    folder: Path, model: Model, store: Store, samples: Sequence[Sample], wrong: NDArray[np.float64]
) -> list[dict[str, str]]:
    """The predicted classes over some pictures, and beside each where it is right, and in which way it is wrong.

    Args:
        wrong: of each sample, what the headline lacks to 1.

    Returns:
        their entries for `figures/index.json`.
    """
    make_folder(folder)
    colours, entries = class_colours(len(model.classes)), []
    for number, (place, kind) in enumerate(chosen(wrong), 1):
        sample = samples[place]
        image = model.prepare_each([decode_sample(store, sample)])[0]
        pixels = image.numpy()
        truth = decode_mask(store, sample, (pixels.shape[1], pixels.shape[2]))
        found = next(model.masks([image]))
        plain, errors = f"masks-{number}.png", f"masks-{number}-heat.png"
        write_bytes(folder / plain, png(mask_overlay(pixels, found, colours, longest=LONGEST)))
        write_bytes(folder / errors, png(error_map(pixels, found, truth, longest=LONGEST)))
        words = f"{sample.key}: {kind}, {model.task.headline.replace('mean_iou', 'mean IoU')} {1 - wrong[place]:.3f}"
        entries.append({"file": plain, "caption": words, "words": f"What was predicted. {words}", "section": "masks"})
        told = f"Where it is right and wrong: {', '.join(one.meaning for one in ERRORS.values())}. {words}"
        entries.append({"file": errors, "caption": words, "words": told, "section": "masks"})
    return entries


def chosen(wrong: NDArray[np.float64]) -> list[tuple[int, str]]:
    """Which samples are drawn, none twice, the worst first, and what each is.

    >>> chosen(np.array([0.1, 0.9, 0.5, 0.2, 0.3]))
    [(1, 'worst'), (2, 'worst'), (4, 'worst'), (3, 'worst'), (0, 'best')]
    >>> [kind for _, kind in chosen(np.linspace(0, 1, 40))]
    ['worst', 'worst', 'worst', 'worst', 'median', 'median', 'best', 'best']
    """
    order = np.argsort(-wrong, kind="stable").tolist()
    middle = max(0, len(order) // 2 - EACH // 2)
    kinds = {"worst": order[: 2 * EACH], "best": order[::-1][:EACH], "median": order[middle : middle + EACH]}
    named: dict[int, str] = {}
    for kind, places in kinds.items():
        for place in places:
            named.setdefault(place, kind)
    return [(place, named[place]) for place in order if place in named]
