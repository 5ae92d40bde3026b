"""What `predict` writes of its predictions: masks or boxes, by the Model's task."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from striate.core.errors import UsageError
from striate.infer import Ensemble, Model
from striate.workflows.box_files import BoxFiles
from striate.workflows.mask_files import MaskFiles
from striate.workflows.predicted_files import PredictedFiles


def files_of(
    model: Model | Ensemble,
    folder: str | Path | None,
    paths: Sequence[str | Path],
    outlines: str | None,
    boxes: str | None,
) -> PredictedFiles | None:
    """What writes the predictions of a Model into a folder; None where nothing is asked for.

    Args:
        paths: what is predicted.
        outlines: of masks, see `MaskFiles`.
        boxes: see `BoxFiles`.

    Raises:
        UsageError: the Model's task has nothing of the kind, or no folder is named.
        UnknownName, DataError: as the two of them raise.
    """
    task = model.task
    if boxes is not None and not task.finds:
        fix = "give `--outlines`" if task.per_pixel else "leave `--boxes` out"
        raise UsageError(f"boxes are of the task detect, and this Model is of {task.name}", fix=fix)
    if outlines is not None and not task.per_pixel:
        fix = "give `--boxes`" if task.finds else "leave `--outlines` out"
        raise UsageError(f"outlines are of the task segment, and this Model is of {task.name}", fix=fix)
    asked = "outlines" if outlines is not None else "boxes" if boxes is not None else ""
    if folder is None:
        if asked:
            raise UsageError(f"{asked} are written into a folder, and none is given", fix="name one with --draw")
        return None
    if task.finds:
        return BoxFiles(model, Path(folder), paths, boxes)
    if task.per_pixel:
        return MaskFiles(model, Path(folder), paths, outlines)
    raise UsageError(
        f"masks and boxes can be drawn, and this Model is of the task {task.name}",
        fix="leave --draw out; `striate explain` draws where it looked",
    )
