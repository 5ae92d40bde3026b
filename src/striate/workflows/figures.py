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
from striate.core.wording import some
from striate.data.augment import switched_on
from striate.data.decode import decode_sample
from striate.data.store import Store
from striate.explain import EXPLANATIONS, overlay
from striate.explain.grad_cam import FULL_LOGITS
from striate.infer import Model
from striate.infer.intake import in_sizes
from striate.train.recipe import Recipe
from striate.workflows import sheet

ROWS, VIEWS = 4, 7
SIDE = 160
LONGEST = 200
"""Pixels of the longer side of a report's pictures."""


def augmentation_sheet(folder: Path, recipe: Recipe) -> dict[str, str]:
    """Some training samples as they are, and as the first epochs showed them.

    Returns:
        its entry for `figures/index.json`.
    """
    make_folder(folder)
    plan, batches = recipe.plan, recipe.batches
    places = sheet.even_places(len(batches.pictures), ROWS)
    sizes = [recipe.size(epoch) for epoch in range(min(VIEWS, plan["train.epochs"]))]
    if recipe.task.finds:
        names = recipe.task.target_names
        columns = sheet.box_columns(
            batches.pictures, batches.targets, names, places, batches.augmenter, places, len(sizes), LONGEST
        )
        drawn = sheet.sheet(columns)
    else:
        columns = sheet.columns(batches.pictures, places, batches.augmenter, places, sizes)
        drawn = sheet.sheet(columns, SIDE // 2)
    write_bytes(folder / "augmentation.png", sheet.as_png(drawn))
    return {"file": "augmentation.png", "caption": _altered(plan, len(sizes)), "section": "augmentation"}


def _altered(plan: Plan, epochs: int) -> str:
    """What a sheet of so many epochs shows, and what is on."""
    on = switched_on(plan.section("augment"))
    mixing: dict[str, Any] = {name: on.pop(name) for name in ("mixup", "cutmix") if name in on}
    seen = "as the first epoch showed it" if epochs == 1 else f"as the first {epochs} epochs showed it"
    said = f"Training samples, one a row: as validation would show it, then {seen}. "
    said += f"On: {sheet.named(on)}." if on else "Nothing is altered: all augmentation of single pictures is off."
    if "mosaic" in on:
        said += " Mosaics are of the pictures on this sheet."
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
    longest: int | None = None,
) -> list[dict[str, str]]:
    """Each sample beside the heat map of what was predicted for it.

    Args:
        section: what the figures are shown under: "mistakes" or "explanations".
        scores: (N, K), what was predicted for the samples; None: it is predicted here.
        longest: pixels of the longer side to which larger pictures are reduced; None leaves them as they are.

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
    for places, alike in in_sizes(images, len(images)):
        wanted = None if said is None else said[torch.from_numpy(places)]
        maps |= zip(places.tolist(), EXPLANATIONS.get("grad_cam")(model, alike, wanted), strict=True)
    unit = "units of the network's output" if model.task.kind == "value" else "logits"
    entries = []
    for number, sample in enumerate(samples):
        plain, heated = f"{section}-{number + 1}.png", f"{section}-{number + 1}-heat.png"
        pixels = images[number].numpy()
        most = longest if longest is not None and max(pixels.shape[1:]) > longest else None  # enlarged ones stay crisp
        write_bytes(folder / plain, png(reduced(shown(pixels), most)))
        write_bytes(folder / heated, png(reduced(overlay(pixels, maps[number]), most)))
        predicted, true = told(model, scores[number], sample)
        words = caption(sample, predicted, true)
        both = {"section": section, "predicted": predicted, "true": true}
        entries.append(
            {"file": plain, "caption": words, "words": f"The picture as the network saw it. {words}", **both}
        )
        evidence = f"where the evidence lies (Grad-CAM): {words}"
        entries.append({"file": heated, "caption": evidence, "words": f"{seen(maps[number], unit)} {words}", **both})
    return entries


def draw_equal(folder: Path, model: Model, store: Store, groups: Sequence[Sequence[Sample]]) -> list[dict[str, str]]:
    """One picture of each group of equal ones, as the network sees it, with the names and targets of all.

    Returns:
        their entries for `figures/index.json`.
    """
    make_folder(folder)
    entries = []
    for number, group in enumerate(groups):
        pixels = model.prepare([decode_sample(store, group[0])])[0].numpy()
        most = SIDE if max(pixels.shape[1:]) > SIDE else None
        write_bytes(folder / f"equal-{number + 1}.png", png(reduced(shown(pixels), most)))
        twofold = len({sample.target for sample in group}) > 1
        names = [f"{sample.key} ({_target(sample)})" if twofold else sample.key for sample in group]
        words = f"{some(names)}: equal pixels" + (", different targets" if twofold else "")
        entries.append({"file": f"equal-{number + 1}.png", "caption": words, "section": "equal"})
    return entries


def _target(sample: Sample) -> str:
    """A target in words."""
    if isinstance(sample.target, Labels):
        return "; ".join(sample.target.names)
    if isinstance(sample.target, Value):
        return ", ".join(f"{value:.4g}" for value in sample.target.values)
    return sample.target.name if isinstance(sample.target, Label) else "no target"


def caption(sample: Sample, predicted: str, true: str) -> str:
    """What was predicted, how surely, and what is true where that is known."""
    return f"{sample.key}: predicted {predicted}" + (f", true {true}" if true else "")


def told(model: Model, row: NDArray[np.float32], sample: Sample) -> tuple[str, str]:
    """What was predicted, with how sure that is of a class, and what is true, "" where the sample does not know."""
    decoded, true = model.task.decode(row), "" if sample.target is None else _target(sample)
    if isinstance(sample.target, Value):
        return ", ".join(f"{value:.4g}" for value in row), true
    if isinstance(sample.target, Labels):
        return "; ".join(decoded["labels"]), true
    return f"{decoded['label']} ({decoded['probability']:.0%})", true


def seen(heat: NDArray[np.float32], unit: str = "logits") -> str:
    """What a heat map shows, for those who do not see it.

    Args:
        heat: (H, W), strengths from 0 towards 1 as Grad-CAM gives them.
        unit: what evidence is counted in.

    >>> seen(np.zeros((3, 3), np.float32))
    'Heat map: no evidence anywhere.'
    >>> seen(np.array([[0.0, 0.0, 0.7], [0, 0, 0], [0, 0, 0]], np.float32))
    'Heat map: the evidence is strongest at the top right, 4.8 logits; 11% of the picture has more than 1.'
    """
    logits = -FULL_LOGITS * np.log1p(-np.minimum(heat.astype(np.float64), 1 - 1e-7))
    most = float(logits.max())
    if most < 0.05:  # less than is told apart from none in any colour
        return "Heat map: no evidence anywhere."
    row, column = np.unravel_index(int(logits.argmax()), logits.shape)
    down = ("top", "", "bottom")[int(3 * row / logits.shape[0])]
    across = ("left", "", "right")[int(3 * column / logits.shape[1])]
    place = f"at the {' '.join(part for part in (down, across) if part)}" if down or across else "in the middle"
    wide = float((logits > 1).mean())
    return f"Heat map: the evidence is strongest {place}, {most:.1f} {unit}; {wide:.0%} of the picture has more than 1."


def shown(image: NDArray[Any]) -> Image.Image:
    """Prepared pixels (C, H, W) as a picture of at least 160 px: the first three channels, or the first as grey."""
    pixels = np.clip(image[:3] if len(image) >= 3 else np.repeat(image[:1], 3, 0), 0, 255).astype(np.uint8)
    picture = Image.fromarray(np.ascontiguousarray(pixels.transpose(1, 2, 0)))
    times = max(1, -(-SIDE // min(picture.size)))
    return picture.resize((picture.width * times, picture.height * times), Image.Resampling.NEAREST)


def reduced(picture: Image.Image, longest: int | None) -> Image.Image:
    """A picture whose longer side is at most this.

    >>> reduced(Image.new("RGB", (400, 300)), 200).size, reduced(Image.new("RGB", (40, 30)), 200).size
    ((200, 150), (40, 30))
    """
    if longest is None or max(picture.size) <= longest:
        return picture
    scale = longest / max(picture.size)
    size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
    return picture.resize(size, Image.Resampling.LANCZOS)


def png(picture: Image.Image) -> bytes:
    """A picture as PNG bytes."""
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()
