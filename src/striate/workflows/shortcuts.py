"""Whether a finished network looks at the subject: its accuracy with parts of the pictures hidden."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from striate.core.events import Reporter
from striate.core.seeds import generator
from striate.core.wording import plural
from striate.data.loader import Batch, EvalBatches
from striate.evaluate import units_of
from striate.evaluate.saliency import subject
from striate.evaluate.shortcuts import ALARM, Kept, judge, visible, without
from striate.infer import Model
from striate.workflows.materials import Materials

MOST, AT_ONCE = 200, 32
"""Samples that are judged again, evenly spread, and at once."""
SEARCHED = 600
"""Samples, evenly spread, among which those with a clear subject are looked for."""
HIDDEN = tuple(name for name in visible(8, 8) if name != "whole")
OF_SUBJECTS = tuple(without(np.ones((1, 1), bool)))
_WORDS = {
    "centre_hidden": "with the centre hidden (half of the picture)",
    "frame_only": "with the outermost quarter alone",
    "subject_hidden": "with the subject hidden where one is clear",
}

Seen = Callable[[int, int, int], NDArray[np.bool_]]
"""Of a sample's place in its split, its height and its width: what is seen of it, (H, W)."""


def look_for_shortcuts(
    model: Model,
    materials: Materials,
    scores: Mapping[str, NDArray[np.float32]],
    *,
    asked: bool,
    seed: int,
    reporter: Reporter,
) -> dict[str, Any]:
    """Judge the test split, or validation where there is no test, with parts of its pictures hidden.

    What is hidden has the mean colour of the training pictures, so that a picture's own is gone too.

    Args:
        model: as it was saved.
        scores: what it gave for the whole pictures of each held-out split.
        asked: whether the plan asks for it.
        seed: of the resamples.

    Returns:
        plain values: `split`, `samples`, `chance`, `hidden` (by name, as `striate.evaluate.shortcuts.Kept` has it),
        `alarms` (names), `thresholds` and `words`; `why` and `words` alone where nothing can be told; empty where it is
        not asked for, or nothing is held out.
    """
    part = next((one for one in ("test", "val") if one in scores), None)
    if not asked or part is None:
        return {}
    if materials.task.kind != "label":
        return _untold(f"it is told by accuracy, and {materials.task.name} has none")
    if min(materials.shape[1:]) < 8:
        return _untold("pictures below 8 px have no centre to speak of")
    places = _spread(np.arange(materials.count(part)), MOST)
    masks = {name: _by_place(name) for name in HIDDEN}
    kept = _kept(model, materials, part, scores[part], places, masks, seed)
    if isinstance(kept, str):
        return _untold(kept)
    found, subjects = _of_subjects(model, materials, part, scores[part], seed)
    kept |= found
    alarms = [name for name, one in kept.items() if one.alarm]
    words = _words(kept, alarms, subjects)
    if alarms:
        reporter.warn(words)
    return {
        "split": part,
        "samples": len(places),
        "chance": _chance(materials, part, places),
        "hidden": {name: asdict(one) for name, one in kept.items()},
        "subjects": subjects,
        "alarms": alarms,
        "thresholds": dict(ALARM),
        "words": words,
    }


def _of_subjects(
    model: Model, materials: Materials, part: str, scores: NDArray[np.float32], seed: int
) -> tuple[dict[str, Kept], dict[str, Any]]:
    """What is kept without the background and without the subject, and of which samples; or why that is not told."""
    searched = _spread(np.arange(materials.count(part)), SEARCHED)
    clear: dict[int, NDArray[np.bool_]] = {}
    for batch in _shown(materials, part, searched):
        for place, image in zip(batch.ids.tolist(), batch.images.numpy(), strict=True):
            mask = subject(image)
            if mask is not None:
                clear[place] = mask
    subjects: dict[str, Any] = {"searched": len(searched), "clear": len(clear)}
    places = _spread(np.array(sorted(clear), np.int64), MOST)
    if not len(places):
        return {}, {**subjects, "samples": 0, "why": "no picture has a clear subject"}
    masks = {name: (lambda place, *_, name=name: without(clear[place])[name]) for name in OF_SUBJECTS}
    kept = _kept(model, materials, part, scores, places, masks, seed)
    subjects["samples"] = len(places)
    if isinstance(kept, str):
        return {}, {**subjects, "why": f"of the pictures with a clear subject {kept}"}
    subjects |= {"accuracy": kept.pop("whole").accuracy, "chance": _chance(materials, part, places)}
    return kept, subjects


def _kept(
    model: Model,
    materials: Materials,
    part: str,
    scores: NDArray[np.float32],
    places: NDArray[np.int64],
    masks: Mapping[str, Seen],
    seed: int,
) -> dict[str, Kept] | str:
    """What a model keeps of its accuracy for some samples with parts of them hidden; or why that is not told."""
    true = materials.targets[part].numpy()[places].argmax(1)
    right = {"whole": model.task.judged(scores[places]).argmax(1) == true}
    shown = _shown(materials, part, places)
    for name, seen in masks.items():
        found = torch.cat([torch.from_numpy(model.scores(images)) for images in _hidden(materials, shown, seen)])
        right[name] = model.task.judged(shown.sorted(found).numpy()).argmax(1) == true
    groups = [materials.samples[part][place].group for place in places]
    units = units_of(groups) if any(groups) else None
    return judge(right, _chance(materials, part, places), units, seed)


def _shown(materials: Materials, part: str, places: NDArray[np.int64]) -> EvalBatches:
    return EvalBatches(materials.pictures[part], batch_size=AT_ONCE, size=materials.size, ahead=0, rows=places)


def _chance(materials: Materials, part: str, places: NDArray[np.int64]) -> float:
    """The share of the commonest class."""
    true = materials.targets[part].numpy()[places].argmax(1)
    return float(np.bincount(true).max() / len(true))


def passes(scored: int) -> int:
    """Predictions that it takes at most, where so many samples are held out."""
    return (len(HIDDEN) + len(OF_SUBJECTS)) * min(MOST, scored)


def searching_seconds(scored: int, shape: Sequence[int]) -> float:
    """About the seconds that looking for subjects takes, where so many samples are held out: tried on noise.

    Args:
        shape: (C, H, W) of the pictures.

    >>> 0 < searching_seconds(200, (3, 64, 64)) < 60
    True
    """
    picture = generator(0, "searching").integers(0, 256, tuple(shape)).astype(np.float32)
    started = time.perf_counter()
    subject(picture)
    return (time.perf_counter() - started) * min(SEARCHED, scored)


def _spread(places: NDArray[np.int64], most: int) -> NDArray[np.int64]:
    """So many of the places at most, evenly spread."""
    if not len(places):
        return places
    return places[np.unique(np.linspace(0, len(places) - 1, min(len(places), most)).astype(np.int64))]


def _untold(why: str) -> dict[str, Any]:
    return {"why": why, "words": f"Whether the model takes shortcuts is not told: {why}."}


def _by_place(name: str) -> Seen:
    return lambda _, height, width: visible(height, width)[name]


def _hidden(materials: Materials, shown: EvalBatches, seen: Seen) -> Iterator[Tensor]:
    """Pictures of which only a part is seen, batch by batch."""
    fill = torch.tensor(materials.preprocessing.fill)[None, :, None, None]
    for batch in shown:
        colour = fill if batch.images.is_floating_point() else fill.round()
        yield torch.where(_masks(batch, seen), batch.images, colour.to(batch.images.dtype))


def _masks(batch: Batch, seen: Seen) -> Tensor:
    """What is seen of each picture of a batch, (N, 1, H, W)."""
    height, width = batch.images.shape[2:]
    return torch.from_numpy(np.stack([seen(place, height, width) for place in batch.ids.tolist()]))[:, None]


def _words(kept: Mapping[str, Kept], alarms: list[str], subjects: Mapping[str, Any]) -> str:
    whole = dict.fromkeys(HIDDEN, kept["whole"].accuracy) | {"subject_hidden": subjects.get("accuracy", 0.0)}
    said = [
        f"{words} the model keeps {max(0.0, kept[name].share or 0.0):.0%} of what it knows beyond chance "
        f"(accuracy {kept[name].accuracy:.1%} of {whole[name]:.1%})"
        for name, words in _WORDS.items()
        if name in kept and (not alarms or name in alarms)
    ]
    told = "; ".join(said)
    told = told[:1].upper() + told[1:]
    if alarms:
        return (
            f"{told}: it may have learnt from something beside the subject, such as a mark in a corner, a border or "
            "the background. Look at the heat maps, and at what the borders of each class have in common; where the "
            "subject itself fills the picture, this is no alarm."
        )
    told += ": no sign of a shortcut. No subject is marked: parts are hidden by their place"
    if "subject_hidden" not in kept:
        return f"{told} alone, since {subjects['why']}."
    clear = plural(subjects["clear"], "picture", "pictures")
    return f"{told}, and subjects where colours set one apart from the border, in {clear} of {subjects['searched']:,}."
