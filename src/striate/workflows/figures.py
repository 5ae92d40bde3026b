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
from striate.core.records import Label, Labels, Sample, Value
from striate.data.decode import decode_sample
from striate.data.store import Store
from striate.explain import EXPLANATIONS, write_overlay
from striate.infer import Model
from striate.train.recipe import Recipe

SHEET = 16
SIDE = 160


def augmentation_sheet(folder: Path, recipe: Recipe) -> dict[str, str]:
    """One picture of the first training batch as the network saw it.

    Returns:
        its entry for `figures/index.json`.
    """
    make_folder(folder)
    batch = next(iter(recipe.batches.epoch(0, 0)))
    images = batch.images[:SHEET].float().clamp(0, 255).byte().cpu().numpy()
    columns = 8 if len(images) >= 8 else len(images)
    rows = -(-len(images) // columns)
    sheet = np.full((rows * (SIDE // 2 + 4), columns * (SIDE // 2 + 4), 3), 255, np.uint8)
    for number, image in enumerate(images):
        top, left = number // columns * (SIDE // 2 + 4), number % columns * (SIDE // 2 + 4)
        sheet[top : top + SIDE // 2, left : left + SIDE // 2] = np.asarray(
            shown(image).resize((SIDE // 2, SIDE // 2), Image.Resampling.NEAREST)
        )
    write_bytes(folder / "augmentation.png", png(Image.fromarray(sheet)))
    return {
        "file": "augmentation.png",
        "caption": f"{len(images)} samples of the first batch as the network saw them, augmented",
        "section": "augmentation",
    }


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
    images = model.prepare([decode_sample(store, sample) for sample in samples])
    scores = model.scores(images) if scores is None else scores
    said = (
        None if model.task.kind == "value" else torch.from_numpy(model.task.judged(scores).argmax(1))
    )  # what the caption names
    maps = EXPLANATIONS.get("grad_cam")(model, images, said)
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
