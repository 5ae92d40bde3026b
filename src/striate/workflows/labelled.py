"""Labelled pictures for a finished Run: its own test split, or other data read in the same way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from striate.core.errors import DataError, UsageError
from striate.core.events import Reporter
from striate.core.records import Dataset, Label, Labels
from striate.core.run import RunFolder
from striate.data.decode import DecodeError, decode_sample
from striate.data.split import SplitTable
from striate.data.store import Store
from striate.evaluate import score
from striate.infer import Model
from striate.workflows.request import Request
from striate.workflows.stages import read_dataset


@dataclass(frozen=True)
class Labelled:
    """Prepared pictures with their targets.

    Args:
        images: (N, C, H, W) on the 0 to 255 scale.
        targets: (N, K), as the task encodes them.
        keys: the samples' keys.
        damaged: keys and reasons of those left out.
    """

    images: torch.Tensor
    targets: torch.Tensor
    keys: Sequence[str]
    damaged: Sequence[tuple[str, str]]


def labelled(run: RunFolder, model: Model, data: str | None, reporter: Reporter) -> Labelled:
    """The pictures of `data`, or of the Run's own test split.

    Raises:
        DataError: no labelled picture, or classes that the model does not know.
    """
    content = run.read_environment()
    arrays = dict(np.load(run.arrays, allow_pickle=False)) if run.arrays.exists() else None
    request = Request.from_dict(content["request"], arrays)
    if data is None:
        dataset = read_dataset(request.read, reporter)
        split = SplitTable.read(run.split, dataset)
        keys = split.keys("test") or split.keys("val")
        dataset = dataset.select(set(keys))
    else:
        read = replace(request.read, data=data, arrays=None, val=None, test=None, task=model.task.name)
        dataset = read_dataset(read, reporter)
    _check_known(dataset, model)
    return _load(dataset, model)


def evaluate(run: RunFolder, model: Model, data: str, reporter: Reporter) -> dict[str, Any]:
    """Score a Run's model on other labelled data: flat metrics with intervals, tables, and what was left out."""
    found = labelled(run, model, data, reporter)
    reporter.stage("evaluating")
    result = score(model.task, model.scores(found.images), found.targets.numpy(), seed=0)
    damaged = [{"path": key, "reason": reason} for key, reason in found.damaged]
    return {"task": model.task.name, "samples": len(found.keys), "damaged": damaged, "metrics": result}


def _check_known(dataset: Dataset, model: Model) -> None:
    targets = [sample.target for sample in dataset.samples]
    names = {one.name for one in targets if isinstance(one, Label)}
    names |= {name for one in targets if isinstance(one, Labels) for name in one.names}
    unknown = sorted(names - set(model.classes))
    if unknown:
        raise DataError(
            f"the data has classes that the model was not trained on: {', '.join(unknown[:8])}",
            fix=f"the model knows {', '.join(model.classes[:12])}",
        )
    if model.task.name == "regress" and tuple(dataset.target_names) != tuple(model.classes):
        raise DataError(
            f"the data has the values {', '.join(dataset.target_names)}; the model predicts {', '.join(model.classes)}",
            fix="give the columns those names, in that order",
        )
    if not any(targets):
        raise UsageError(f"{dataset.path} has no labels to score against", fix="use `striate predict` for it")


def _load(dataset: Dataset, model: Model) -> Labelled:
    store = Store(dataset.arrays)
    pictures, kept, damaged = [], [], []
    for sample in dataset.samples:
        if sample.target is None:
            continue
        try:
            pictures.append(model.prepare([decode_sample(store, sample)]))
        except (DecodeError, OSError) as error:
            damaged.append((sample.key, str(error)))
            continue
        kept.append(sample)
    if not kept:
        raise DataError("there is no whole labelled picture")
    return Labelled(torch.cat(pictures), model.task.encode(kept), [sample.key for sample in kept], damaged)
