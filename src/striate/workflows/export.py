"""`export`: a Run's model in another format, checked against the model on real samples before it is written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from striate.core.events import Reporter
from striate.core.run import RunFolder
from striate.infer import Model
from striate.infer.intake import in_sizes
from striate.ship import EXPORTERS
from striate.workflows.checks import check_one_answer
from striate.workflows.labelled import labelled, load_some

LARGEST_BATCH = 64


def export(run: RunFolder, model: Model, path: Path, kind: str, reporter: Reporter) -> dict[str, Any]:
    """Write the model in another format.

    Args:
        path: the file to write.
        kind: a name in `EXPORTERS`.

    Returns:
        what the exporter reports: the file, the batches checked and the largest differences.

    Raises:
        ParityError: the file disagreed with the model, and was not written.
    """
    check_one_answer(
        model, "export", "masks and boxes are predicted by `striate predict --draw DIR`, or `Model.load(RUN).predict`"
    )
    found = load_some(labelled(run, model, None, reporter), model, LARGEST_BATCH).images
    samples = [_filling(images) for _, images in in_sizes(found, LARGEST_BATCH)]
    reporter.stage("exporting")
    return EXPORTERS.get(kind)(model, path, samples if model.preprocessing.own else samples[0])


def _filling(images: torch.Tensor) -> torch.Tensor:
    """As many pictures as the largest batch: few are repeated to fill it."""
    while len(images) < LARGEST_BATCH:
        images = torch.cat([images, images])
    return images[:LARGEST_BATCH]
