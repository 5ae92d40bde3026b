"""Where a model is weak: its score by class, size, brightness, sharpness, folder and the columns of a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from striate.core.records import Label, Labels, Sample
from striate.data.detail import detail
from striate.data.loader import EvalBatches
from striate.data.pictures import Pictures
from striate.evaluate import units_of
from striate.evaluate.slices import LEAST, Slice, find_slices, worst
from striate.tasks import Task
from striate.workflows.materials import Materials

LOOKED_AT = 2000
"""Pictures whose brightness and sharpness are measured at most, evenly spread."""
AT_ONCE = 32
_WHAT = {
    "label": "accuracy",
    "labels": "share of labels that are right",
    "value": "mean absolute error",
    "mask": "mean IoU",
    "boxes": "mean F1 of a picture",
}


def sliced(materials: Materials, scores: Mapping[str, NDArray[np.float32]], seed: int) -> dict[str, Any]:
    """The slices of the test split, or of validation where there is no test; empty where nothing is held out.

    Args:
        scores: of each held-out split.

    Returns:
        `split`, `figure` (what is averaged), `slices` (as `striate.evaluate.slices.Slice` has them), `worst` (one of
        them, or None), `words`, `too_small` (how many were left out) and `least`.
    """
    part = next((one for one in ("test", "val") if one in scores), None)
    if part is None:
        return {}
    task, samples = materials.task, materials.samples[part]
    figures = rightness(task, scores[part], materials.targets[part].numpy())
    attributes = attributes_of(samples, materials.prepared.audit.sides, materials.pictures[part])
    return slices_of(task.kind, part, figures, attributes, [sample.group for sample in samples], seed)


def slices_of(
    kind: str,
    part: str,
    figures: NDArray[np.float64],
    attributes: Mapping[str, Sequence[Any]],
    groups: Sequence[str | None],
    seed: int,
) -> dict[str, Any]:
    """The slices of samples of which it is known how right each is; see `sliced` for what is returned.

    Args:
        kind: of the targets.
        figures: how right each is, (N,), as `rightness` gives it.
        attributes: as `attributes_of` gives them.
        groups: of each sample, what it is drawn with in resamples, or None.
    """
    units = units_of(groups) if any(groups) else None
    better = kind != "value"
    found, small = find_slices(figures, attributes, units, higher_is_better=better, seed=seed)
    behind = worst(found, better)
    return {
        "split": part,
        "figure": _WHAT[kind],
        "slices": [asdict(one) for one in found],
        "worst": None if behind is None else asdict(behind),
        "words": _words(found, behind, kind, part),
        "too_small": small,
        "least": LEAST,
    }


def rightness(task: Task, scores: NDArray[np.floating], targets: NDArray[np.floating]) -> NDArray[np.float64]:
    """How right each prediction is, (N,): 1 or 0 of a class, the share of labels that are right, the mean error, or of
    a mask the mean IoU; nothing is wrong with a mask that is all void."""
    if not task.one_answer:
        return task.agreement(scores)
    if task.kind == "value":
        return np.asarray(np.abs(scores.astype(np.float64) - targets).mean(1))
    decided = task.judged(scores)
    if task.kind == "label":
        return np.asarray(decided.argmax(1) == targets.argmax(1), np.float64)
    return np.asarray(((decided >= 0.5) == (targets > 0.5)).mean(1), np.float64)


def attributes_of(
    samples: Sequence[Sample], sides: Mapping[str, tuple[int, int]], pictures: Pictures | None
) -> dict[str, list[Any]]:
    """What samples can be told apart by, a value or None of each.

    Args:
        sides: height and width of samples by key; empty of a Run from before its audit held them.
        pictures: the samples as they are prepared, in their order; None where brightness and sharpness are passed over.
    """
    found: dict[str, list[Any]] = {
        "class": [one.target.name if isinstance(one.target, Label) else None for one in samples],
        "height": [sides[one.key][0] if one.key in sides else None for one in samples],
        "width": [sides[one.key][1] if one.key in sides else None for one in samples],
    }
    if pictures is not None:
        found["brightness"], found["sharpness"] = _looks(pictures)
    found["folder"] = [_folder(one) for one in samples]
    names = dict.fromkeys(name for one in samples for name, _ in one.columns)
    columns = {name: [dict(one.columns).get(name) for one in samples] for name in names}
    return {**found, **{f"column {name}": _numbers(cells) for name, cells in columns.items()}}


def _folder(sample: Sample) -> str:
    """The folder that a sample lies in, without the parts that are called as its class."""
    target = sample.target
    names = {target.name} if isinstance(target, Label) else set(target.names) if isinstance(target, Labels) else set()
    return "/".join(part for part in PurePosixPath(sample.key).parent.parts if part not in names) or "."


def _numbers(cells: Sequence[str | None]) -> list[Any]:
    """A column as numbers where every filled cell is one."""
    try:
        return [None if cell is None else float(cell) for cell in cells]
    except ValueError:
        return list(cells)


def _looks(pictures: Pictures) -> tuple[list[float | None], list[float | None]]:
    """Brightness, 0 to 255, and how far the detail reaches, of pictures as they are prepared."""
    count = len(pictures)
    places = np.unique(np.linspace(0, count - 1, min(count, LOOKED_AT)).astype(np.int64))
    bright: list[float | None] = [None] * count
    sharp: list[float | None] = [None] * count
    for batch in EvalBatches(pictures, batch_size=AT_ONCE, ahead=0, rows=places):
        for place, image in zip(batch.ids.tolist(), batch.images.numpy(), strict=True):
            bright[place] = float(image.mean(dtype=np.float64))
            sharp[place] = detail(image.transpose(1, 2, 0))
    return bright, sharp


def _words(found: Sequence[Slice], behind: Slice | None, kind: str, part: str) -> str:
    """The worst slice in a sentence, or that none is beyond chance."""
    if not found:
        return f"No part of the {part} samples is large enough to be held against the rest."
    if behind is None:
        return f"Of {len(found)} slices of the {part} samples none is worse than the rest beyond chance."
    points = (
        f"{100 * behind.figure:.1f} % against {100 * behind.rest:.1f} % on the rest"
        if kind != "value"
        else f"{behind.figure:.4g} against {behind.rest:.4g} on the rest"
    )
    chance = "p < 0.001" if behind.adjusted < 0.001 else f"p = {behind.adjusted:.2g}"
    return (
        f"The weakest slice is {behind.by} {behind.value!r} ({behind.samples:,} {part} samples): {_WHAT[kind]} "
        f"{points} ({chance}, corrected for {len(found)} slices)."
    )
