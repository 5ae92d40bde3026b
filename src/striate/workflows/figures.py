"""The pictures of a Run: what the network saw while it learnt, its worst mistakes, and where it looked."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from striate.core.artifacts import make_folder, write_bytes
from striate.core.plan import Plan
from striate.core.records import Label, Labels, Sample, Value
from striate.data.augment import switched_on
from striate.data.decode import decode_sample
from striate.data.store import Store
from striate.explain import EXPLANATIONS, write_overlay
from striate.infer import Model
from striate.infer.intake import in_sizes
from striate.train.recipe import Recipe
from striate.workflows import sheet

ROWS, VIEWS = 4, 7
SIDE = 160


def augmentation_sheet(folder: Path, recipe: Recipe) -> dict[str, str]:
    """Some training samples as they are, and as the first epochs showed them.

    Returns:
        its entry for `figures/index.json`.
    """
    make_folder(folder)
    plan, batches = recipe.plan, recipe.batches
    places = sheet.spread(len(batches.pictures), ROWS)
    sizes = [recipe.size(epoch) for epoch in range(min(VIEWS, plan["train.epochs"]))]
    columns = sheet.columns(batches.pictures, places, batches.augmenter, places, sizes)
    write_bytes(folder / "augmentation.png", sheet.as_png(sheet.sheet(columns, SIDE // 2)))
    return {"file": "augmentation.png", "caption": _altered(plan, len(sizes)), "section": "augmentation"}


def _altered(plan: Plan, epochs: int) -> str:
    """What a sheet of so many epochs shows, and what is on."""
    on = switched_on(plan.section("augment"))
    mixing: dict[str, Any] = {name: on.pop(name) for name in ("mixup", "cutmix") if name in on}
    seen = "as the first epoch showed it" if epochs == 1 else f"as the first {epochs} epochs showed it"
    said = f"Training samples, one a row: as validation would show it, then {seen}. "
    said += f"On: {sheet.named(on)}." if on else "Nothing is altered: all augmentation of single pictures is off."
    if on and plan.get("augment.minority", 1.0) != 1:
        said += f" For small classes {plan['augment.minority']:g} times as strong."
    return said + (f" Mixing is not drawn: {sheet.named(mixing)}." if mixing else "")


def draw_explanations(
    folder: Path,
    model: Model,
    store: Store,
    samples: Sequence[Sample],
    section: str,
    scores: NDArray[np.float32] | None = None,
) -> list[dict[str, str]]:
    """Each sample beside the heat map of what was predicted for it.

    Args:
        section: what the figures are shown under: "mistakes" or "explanations".
        scores: (N, K), what was predicted for the samples; None: it is predicted here.

    Returns:
        their entries for `figures/index.json`.
    """
    if not samples:
        return []
    make_folder(folder)
    images = model.prepare_each([decode_sample(store, sample) for sample in samples])
    scores = model.scores(images) if scores is None else scores
    named = model.task.judged(scores) if model.task.kind == "label" else scores
    said = None if model.task.kind == "value" else torch.from_numpy(named.argmax(1))  # what the caption names
    maps: dict[int, NDArray[np.float32]] = {}
    for places, some in in_sizes(images, len(images)):
        wanted = None if said is None else said[torch.from_numpy(places)]
        maps |= zip(places.tolist(), EXPLANATIONS.get("grad_cam")(model, some, wanted), strict=True)
    entries = []
    for number, sample in enumerate(samples):
        plain, heated = f"{section}-{number + 1}.png", f"{section}-{number + 1}-heat.png"
        write_bytes(folder / plain, png(shown(images[number].numpy())))
        write_overlay(folder / heated, images[number].numpy(), maps[number])
        words = caption(model, scores[number], sample)
        entries.append({"file": plain, "caption": words, "section": section})
        entries.append({"file": heated, "caption": f"where the evidence lies (Grad-CAM): {words}", "section": section})
    return entries


def caption(model: Model, row: NDArray[np.float32], sample: Sample) -> str:
    """What was predicted, how surely, and what is true."""
    decoded = model.task.decode(row)
    if isinstance(sample.target, Value):
        said = ", ".join(f"{value:.4g}" for value in row)
        return f"{sample.key}: predicted {said}, true {', '.join(f'{value:.4g}' for value in sample.target.values)}"
    if isinstance(sample.target, Labels):
        return f"{sample.key}: predicted {'; '.join(decoded['labels'])}, true {'; '.join(sample.target.names)}"
    said = f"{sample.key}: predicted {decoded['label']} ({decoded['probability']:.0%})"
    return f"{said}, true {sample.target.name}" if isinstance(sample.target, Label) else said


def shown(image: NDArray[Any]) -> Image.Image:
    """Prepared pixels (C, H, W) as a picture of at least 160 px: the first three channels, or the first as grey."""
    pixels = np.clip(image[:3] if len(image) >= 3 else np.repeat(image[:1], 3, 0), 0, 255).astype(np.uint8)
    picture = Image.fromarray(np.ascontiguousarray(pixels.transpose(1, 2, 0)))
    times = max(1, -(-SIDE // min(picture.size)))
    return picture.resize((picture.width * times, picture.height * times), Image.Resampling.NEAREST)


def png(picture: Image.Image) -> bytes:
    """A picture as PNG bytes."""
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()
