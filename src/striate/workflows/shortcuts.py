"""Whether a finished network looks at the subject: its accuracy with parts of the pictures hidden."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from striate.core.events import Reporter
from striate.data.loader import EvalBatches
from striate.evaluate import units_of
from striate.evaluate.shortcuts import ALARM, Kept, judge, visible
from striate.infer import Model
from striate.workflows.materials import Materials

MOST, AT_ONCE = 200, 32
"""Samples that are looked at, evenly spread, and at once."""
HIDDEN = tuple(name for name in visible(8, 8) if name != "whole")
_WORDS = {
    "centre_hidden": "with the centre hidden (half of the picture)",
    "frame_only": "with the outermost quarter alone",
}


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
    places = _spread(materials.count(part))
    true = materials.targets[part].numpy()[places].argmax(1)
    right = {"whole": model.task.judged(scores[part][places]).argmax(1) == true}
    shown = EvalBatches(materials.pictures[part], batch_size=AT_ONCE, size=materials.size, ahead=0, rows=places)
    for name in HIDDEN:
        found = torch.cat([torch.from_numpy(model.scores(images)) for images in _hidden(materials, shown, name)])
        right[name] = model.task.judged(shown.sorted(found).numpy()).argmax(1) == true
    groups = [materials.samples[part][place].group for place in places]
    units = units_of(groups) if any(groups) else None
    chance = float(np.bincount(true).max() / len(true))
    kept = judge(right, chance, units, seed)
    if isinstance(kept, str):
        return _untold(kept)
    alarms = [name for name, one in kept.items() if one.alarm]
    words = _words(kept, alarms)
    if alarms:
        reporter.warn(words)
    return {
        "split": part,
        "samples": len(places),
        "chance": chance,
        "hidden": {name: asdict(one) for name, one in kept.items()},
        "alarms": alarms,
        "thresholds": dict(ALARM),
        "words": words,
    }


def passes(scored: int) -> int:
    """Predictions that it takes, where so many samples are held out."""
    return len(HIDDEN) * min(MOST, scored)


def _spread(count: int) -> NDArray[np.int64]:
    return np.unique(np.linspace(0, count - 1, min(count, MOST)).astype(np.int64))


def _untold(why: str) -> dict[str, Any]:
    return {"why": why, "words": f"Whether the model takes shortcuts is not told: {why}."}


def _hidden(materials: Materials, shown: EvalBatches, name: str) -> Iterator[Tensor]:
    """Pictures of which only a part is seen, batch by batch."""
    fill = torch.tensor(materials.preprocessing.fill)[None, :, None, None]
    for batch in shown:
        colour = fill if batch.images.is_floating_point() else fill.round()
        seen = torch.from_numpy(visible(*batch.images.shape[2:])[name])
        yield torch.where(seen, batch.images, colour.to(batch.images.dtype))


def _words(kept: Mapping[str, Kept], alarms: list[str]) -> str:
    said = [
        f"{words} the model keeps {max(0.0, kept[name].share or 0.0):.0%} of what it knows beyond chance "
        f"(accuracy {kept[name].accuracy:.1%} of {kept['whole'].accuracy:.1%})"
        for name, words in _WORDS.items()
        if not alarms or name in alarms
    ]
    told = "; ".join(said)
    told = told[:1].upper() + told[1:]
    if alarms:
        return (
            f"{told}: it may have learnt from something beside the subject, such as a mark in a corner, a border or "
            "the background. Look at the heat maps, and at what the borders of each class have in common; where the "
            "subject itself fills the picture, this is no alarm."
        )
    return f"{told}: no sign of a shortcut. Parts are hidden by their place alone, as no subject is marked."
