"""Labelled pictures for a finished Run: its own test split, or other data read in the same way."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from striate.core.boxes import FOUND, MOST, TRUTH, Floats, Frame, joined, stacked
from striate.core.errors import DataError, UsageError
from striate.core.events import Reporter
from striate.core.records import Boxes, Dataset, Label, Labels, Picture, Sample
from striate.core.run import RunFolder
from striate.data.decode import DecodeError, decode_sample
from striate.data.masks import decode_mask
from striate.data.placed import cut
from striate.data.split import SplitTable
from striate.data.store import Store
from striate.evaluate import judge_sets, score, units_of
from striate.infer import Ensemble, Model, Tiling
from striate.infer.intake import Images
from striate.metrics import statistics
from striate.tasks import Task
from striate.tasks.detect import Detect
from striate.workflows.reading import read_dataset
from striate.workflows.request import ReadRequest, Request, kept_list

CHUNK, MASKS = 256, 8
"""Pictures that are decoded at once, and of whole ones with masks, which may be large."""

T = TypeVar("T")


@dataclass(frozen=True)
class Labelled:
    """Prepared pictures with their targets.

    Args:
        images: (N, C, H, W) on the 0 to 255 scale; of own sizes a list of (C, H, W).
        targets: (N, K), as the task encodes them.
        samples: what they are.
        damaged: keys and reasons of those left out.
        masks: the class of each pixel of each, (H, W), where the task has them.
        frames: where each lies in its image, where things are looked for.
    """

    images: Images
    targets: torch.Tensor
    samples: Sequence[Sample]
    damaged: Sequence[tuple[str, str]]
    masks: Sequence[NDArray[np.uint8]] = ()
    frames: Sequence[Frame] = ()


def labelled(run: RunFolder, model: Model | Ensemble, data: str | None, reporter: Reporter) -> Dataset:
    """The samples of `data`, or of the Run's own test split, that have a target; none is decoded yet.

    Raises:
        DataError: no labelled picture, or classes that the model does not know.
    """
    content = run.read_environment()
    arrays = dict(np.load(run.arrays, allow_pickle=False)) if run.arrays.exists() else None
    request = kept_list(run, Request.from_dict(content["request"], arrays))
    if data is None:
        dataset = read_dataset(request.read, reporter)
        split = SplitTable.read(run.split, dataset)
        keys = split.keys("test") or split.keys("val")
        dataset = dataset.select(set(keys))
    else:
        read = replace(request.read, data=data, arrays=None, val=None, test=None, relabel=None, task=model.task.name)
        dataset = _read_other(read, reporter)
    _check_known(dataset, model)
    return dataset.select({sample.key for sample in dataset.samples if sample.target is not None})


def _read_other(read: ReadRequest, reporter: Reporter) -> Dataset:
    """Other data than the Run's, which may have no times, and no groups, where the Run's have."""
    try:
        return read_dataset(read, reporter)
    except (DataError, UsageError) as error:
        if read.time is not None:  # which divides, and nothing is divided here
            return _read_other(replace(read, time=None), reporter)
        if read.group is None:
            raise
        found = read_dataset(replace(read, group=None), reporter)  # raises where it was not the groups
        reporter.warn(f"without the Run's groups, as intervals count each sample alone: {error.message}")
        return found


def evaluate(
    run: RunFolder, model: Model | Ensemble, data: str, reporter: Reporter, tilings: tuple[Tiling, ...] = ()
) -> dict[str, Any]:
    """Score a Run's model on other labelled data: flat metrics with intervals, tables, what was left out, and how what
    it holds possible holds, see `judge_sets`.

    A chunk of pictures is decoded and scored at a time, so that memory stays flat.

    Args:
        tilings: how pictures are cut where things are looked for in tiles; see `Model.tilings`.
    """
    dataset = labelled(run, model, data, reporter)
    reporter.stage("evaluating")
    scores, targets, groups, damaged = [], [], [], []
    at_once = MASKS if model.task.per_pixel else CHUNK
    for first in range(0, len(dataset), at_once):
        found, samples, reasons = scored(dataset, dataset.samples[first : first + at_once], model, tilings)
        damaged += [{"path": key, "reason": reason} for key, reason in reasons]
        if samples:
            groups += [sample.group for sample in samples]
            scores.append(found)
            targets.append(model.task.encode(samples).numpy())
        reporter.progress(min(len(dataset), first + at_once), len(dataset))
    if not scores:
        raise _none_whole()
    result = score(model.task, model.task.together(scores), np.concatenate(targets), groups, seed=0)
    content = {"task": model.task.name, "samples": sum(map(len, scores)), "damaged": damaged, "metrics": result}
    if tilings:
        content["tiles"] = [one._asdict() for one in dict.fromkeys(tilings)]
    if model.task.settings.sets is not None:
        rows = model.task.together(scores), np.concatenate(targets)
        held = judge_sets(model.task, *rows, units_of(groups), seed=0)
        content["possible"] = {"wanted": model.task.settings.sets.coverage, **held}
    return content


def load_some(dataset: Dataset, model: Model, limit: int) -> Labelled:
    """At most so many of the samples, evenly spread, decoded. Raises `DataError` where none is whole."""
    found = _load(dataset, dataset.samples[:: max(1, -(-len(dataset) // limit))], model)
    if not found.samples:
        raise _none_whole()
    return found


def _none_whole() -> DataError:
    return DataError("there is no whole labelled picture", fix="`striate audit DATA` says what is wrong with each")


def _check_known(dataset: Dataset, model: Model | Ensemble) -> None:
    targets = [sample.target for sample in dataset.samples]
    names = {one.name for one in targets if isinstance(one, Label)}
    names |= {name for one in targets if isinstance(one, Labels) for name in one.names}
    names |= {box.label for one in targets if isinstance(one, Boxes) for box in one.boxes}
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
    if model.task.per_pixel and tuple(dataset.target_names) != tuple(model.classes):
        raise DataError(
            f"the masks are of {', '.join(dataset.target_names)}; the model predicts {', '.join(model.classes)}",
            fix="give masks of those classes, in that order",
        )
    if all(target is None for target in targets):
        raise UsageError(f"{dataset.path} has no labels to score against", fix="use `striate predict` for it")


def scored(
    dataset: Dataset, samples: Sequence[Sample], model: Model | Ensemble, tilings: tuple[Tiling, ...] = ()
) -> tuple[NDArray[Any], Sequence[Sample], Sequence[tuple[str, str]]]:
    """Scores of the whole ones of some samples, (N, K), or what their masks or boxes are judged by; those samples; keys
    and reasons of the damaged ones."""
    if tilings:  # of a large picture all that is kept is what was found
        sizes: list[tuple[int, int]] = []

        def looked_at(picture: Picture, sample: Sample) -> Floats:
            found = model.found_in_tiles(picture, tilings, sample.key)
            sizes.append((picture.pixels.shape[0], picture.pixels.shape[1]))
            return found

        things, kept, damaged = _decoded(dataset, samples, looked_at)
        return _found(model.task, things, kept, sizes), kept, damaged
    if isinstance(model, Ensemble):
        masks: list[NDArray[np.uint8]] = []
        frames: list[tuple[Frame, ...]] = []
        store = Store(dataset.arrays)

        def prepared(picture: Picture, sample: Sample) -> tuple[torch.Tensor, ...]:
            found = model.prepare_each([picture])[0]
            if model.task.per_pixel:
                masks.append(_mask(store, sample, picture.pixels.shape[:2]))
            if model.task.finds:
                frames.append(model.frames(picture))
            return found

        each, kept, damaged = _decoded(dataset, samples, prepared)
        if model.task.finds:
            rows = _found(model.task, model.found(each, frames), kept, _sizes([one[0] for one in frames]))
            return rows, kept, damaged
        if not model.task.per_pixel:
            return model.scores(each), kept, damaged
        return _judged(model.masks(each), masks, len(model.classes)), kept, damaged
    found = _load(dataset, samples, model)
    if model.task.finds:
        rows = _found(model.task, model.found(found.images, found.frames), found.samples, _sizes(found.frames))
        return rows, found.samples, found.damaged
    if not model.task.per_pixel:
        return model.scores(found.images), found.samples, found.damaged
    return _judged(model.masks(found.images), found.masks, len(model.classes)), found.samples, found.damaged


def _found(
    task: Task, found: Sequence[Floats], samples: Sequence[Sample], sizes: Sequence[tuple[int, int]]
) -> NDArray[np.float64]:
    """A row of what was found and of the truth for each sample, both within the picture."""
    assert isinstance(task, Detect)
    truths = [cut(task.truths(sample), *size) for sample, size in zip(samples, sizes, strict=True)]
    return joined(stacked(found, FOUND, MOST), stacked(truths, TRUTH))


def _sizes(frames: Sequence[Frame]) -> list[tuple[int, int]]:
    return [(int(one.height), int(one.width)) for one in frames]


def _judged(found: Iterable[NDArray[np.uint8]], true: Sequence[NDArray[np.uint8]], classes: int) -> NDArray[np.float64]:
    """A row of statistics for each mask that was found."""
    rows = [statistics(one, other, classes) for one, other in zip(found, true, strict=True)]
    return np.stack(rows) if rows else np.empty((0, 0))


def _load(dataset: Dataset, samples: Sequence[Sample], model: Model) -> Labelled:
    """Decode some samples of a dataset; what is damaged is left out and named."""
    masks: list[NDArray[np.uint8]] = []
    frames: list[Frame] = []
    store = Store(dataset.arrays)

    def prepared(picture: Picture, sample: Sample) -> torch.Tensor:
        found = model.prepare([picture])
        if model.task.finds:
            frames.append(model.preprocessing.placed(*picture.pixels.shape[:2]))
        if model.task.per_pixel:
            masks.append(_mask(store, sample, (found.shape[2], found.shape[3])))
        return found

    pictures, kept, damaged = _decoded(dataset, samples, prepared)
    size = (model.preprocessing.channels, model.preprocessing.height, model.preprocessing.width)
    images: Images = [found[0] for found in pictures]
    if not model.preprocessing.own:
        images = torch.cat(pictures) if pictures else torch.zeros(0, *size)
    return Labelled(images, model.task.encode(kept), kept, damaged, masks, frames)


def _mask(store: Store, sample: Sample, size: tuple[int, int]) -> NDArray[np.uint8]:
    """A sample's mask. One that is no use is damage of that sample alone, as a picture that cannot be decoded is.

    Raises:
        DecodeError: it is damaged, of another size than its picture, or holds a value that stands for no class.
    """
    try:
        return decode_mask(store, sample, size)
    except DataError as error:
        raise DecodeError(error.message) from error


def _decoded(
    dataset: Dataset, samples: Sequence[Sample], prepare: Callable[[Picture, Sample], T]
) -> tuple[list[T], list[Sample], list[tuple[str, str]]]:
    """Each whole sample's picture, prepared; those samples; keys and reasons of the damaged ones."""
    store = Store(dataset.arrays)
    pictures, kept, damaged = [], [], []
    for sample in samples:
        try:
            pictures.append(prepare(decode_sample(store, sample), sample))
        except (DecodeError, OSError) as error:
            damaged.append((sample.key, str(error)))
            continue
        kept.append(sample)
    return pictures, kept, damaged
