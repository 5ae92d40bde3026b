"""Several Models that answer together: the mean of what each says."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from striate.core.boxes import MOST, Floats, Frame
from striate.core.errors import DataError, UsageError
from striate.core.machine import processors
from striate.core.records import Picture
from striate.data.prepare import Preprocessing
from striate.infer.agreed import agreed
from striate.infer.box_tiles import Side, Tiling, tiles
from striate.infer.intake import OnDamaged, Read, whole
from striate.infer.model import Model
from striate.infer.prediction import Prediction, found_prediction, prediction_of
from striate.infer.predictor import Predictor
from striate.tasks import Task
from striate.tasks.detect import Detect
from striate.tasks.segment import Segment

Prepared = tuple[Tensor, ...]
"""One picture as each of the Models takes it, (C, H, W) on the 0..255 scale."""


class Ensemble(Predictor):
    """Models of the same task, such as those of the folds, whose probabilities or values are averaged.

    The mean is decided by as each Model decides, with the mean of their thresholds where validation had moved or chosen
    these. What a single Model held possible is its own.

    Args:
        models: at least one; their classes are the same, in the same order.

    Raises:
        UsageError: there is none, or they are not of one task.
    """

    def __init__(self, models: Sequence[Model]) -> None:
        kinds = {(model.task.name, model.classes) for model in models}
        if len(kinds) != 1:
            raise UsageError(
                f"{len(models)} Models of {len(kinds)} tasks have no mean",
                fix="give Models of one task and its classes",
            )
        self.models = tuple(models)
        self.task = common_task([model.task for model in models])
        self.batch_size = models[0].batch_size

    @classmethod
    def load(cls, paths: Sequence[str | Path], device: str | torch.device = "cpu") -> Ensemble:
        """The Models at these places; see `Model.load`."""
        return cls([Model.load(path, device) for path in paths])

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names, or the names of the predicted values, in the order of the outputs."""
        return self.models[0].classes

    def prepare_each(self, pictures: Iterable[Picture]) -> list[Prepared]:
        """Decoded pictures, each as every Model takes it; what several take alike is made once.

        Raises:
            DataError: a picture holds pixels that are not finite numbers.
        """
        found = []
        for picture in pictures:
            made: dict[Preprocessing, Tensor] = {}
            for model in self.models:
                if model.preprocessing not in made:
                    (made[model.preprocessing],) = model.prepare_each([picture])
            found.append(tuple(made[model.preprocessing] for model in self.models))
        return found

    def scores(self, images: Sequence[Prepared]) -> NDArray[np.float32]:
        """The mean of what the Models say.

        Args:
            images: as `prepare_each` gives them.

        Returns:
            (N, K) float32, in their order.
        """
        return mean_scores([model.scores([one[place] for one in images]) for place, model in enumerate(self.models)])

    def masks(self, images: Sequence[Prepared]) -> Iterator[NDArray[np.uint8]]:
        """The class of each pixel by the mean of the probabilities that the Models give it, (H, W) each.

        Args:
            images: as `prepare_each` gives them.

        Raises:
            UsageError: the Models are not of a task in which pixels have classes.
        """
        for number, each in enumerate(images):
            yield self._mask(str(number), each)

    def frames(self, picture: Picture) -> tuple[Frame, ...]:
        """Where a picture lies in the input of each Model."""
        return tuple(model.preprocessing.placed(*picture.pixels.shape[:2]) for model in self.models)

    def found(self, images: Sequence[Prepared], frames: Sequence[tuple[Frame, ...]]) -> list[Floats]:
        """All that the Models find together, in the pictures' own pixels: boxes of a class that overlap are one, whose
        edges are the mean by score and whose score is the mean over all Models, see `striate.infer.agreed`.

        Args:
            images: as `prepare_each` gives them.
            frames: of each picture, as `frames` gives them.

        Returns:
            of each picture (D, 6), the surest first.
        """
        each = [
            model.found([one[place] for one in images], [one[place] for one in frames])
            for place, model in enumerate(self.models)
        ]
        return [agreed(found) for found in zip(*each, strict=True)]

    def tilings(self, tile: Side | None, overlap: int | None = None) -> tuple[Tiling, ...]:
        """How each of its Models cuts pictures, see `Predictor.tilings`: "auto" is of its own training pictures."""
        return tuple(one for model in self.models for one in model.tilings(tile, overlap))

    def found_in_tiles(self, picture: Picture, tilings: tuple[Tiling, ...], key: str = "the picture") -> Floats:
        """All that the Models find together in one picture, each looking at its own tiles, fused as `found` does.

        Args:
            tilings: what `tilings` gave.
            key: what it is called in an error.

        Returns:
            (D, 6), the surest first, as many as the Model with the most tiles gives at most.
        """
        each = [model.found_in_tiles(picture, (one,), key) for model, one in zip(self.models, tilings, strict=True)]
        return agreed(each, most=MOST * max(len(tiles(picture.pixels.shape[:2], one)) for one in tilings))

    def _mask(self, key: str, each: Prepared) -> NDArray[np.uint8]:
        if not isinstance(self.task, Segment):
            raise UsageError(f"these Models are of the task {self.task.name}, and give no masks", fix="use `predict`")
        summed: Tensor | None = None
        for model, image in zip(self.models, each, strict=True):
            found = model.of_each_pixel(image, key)
            summed = found if summed is None else summed.add_(found)
        assert summed is not None
        mask: NDArray[np.uint8] = self.task.classes(summed[None])[0]
        return mask

    def _predict(
        self,
        items: Iterable[tuple[str, Read]],
        batch_size: int,
        workers: int | None,
        on_damaged: OnDamaged,
        tilings: tuple[Tiling, ...],
    ) -> Iterator[Prediction]:
        threads = processors() if workers is None else workers
        if isinstance(self.task, Detect) and tilings:
            yield from self._predict_tiles(self.task, items, threads, on_damaged, tilings)
            return
        if isinstance(self.task, Detect):
            yield from self._predict_boxes(self.task, items, batch_size, threads, on_damaged)
            return
        pairs = whole(
            items, lambda picture: self.prepare_each([picture])[0], threads, batch_size, on_damaged, turns=True
        )
        if isinstance(self.task, Segment):
            for key, each in pairs:
                mask = self._mask(key, each)
                yield replace(prediction_of(self.task, key, self.task.shares(mask)), mask=mask)
            return
        while some := list(itertools.islice(pairs, batch_size)):
            rows = self.scores([images for _, images in some])
            yield from (prediction_of(self.task, key, row) for (key, _), row in zip(some, rows, strict=True))

    def _predict_boxes(
        self, task: Detect, items: Iterable[tuple[str, Read]], batch_size: int, threads: int, on_damaged: OnDamaged
    ) -> Iterator[Prediction]:
        def prepared(picture: Picture) -> tuple[Prepared, tuple[Frame, ...]]:
            return self.prepare_each([picture])[0], self.frames(picture)

        pairs = whole(items, prepared, threads, batch_size, on_damaged, turns=True)
        while some := list(itertools.islice(pairs, batch_size)):
            found = self.found([images for _, (images, _) in some], [frames for _, (_, frames) in some])
            yield from (found_prediction(task, key, rows) for (key, _), rows in zip(some, found, strict=True))

    def _predict_tiles(
        self,
        task: Detect,
        items: Iterable[tuple[str, Read]],
        threads: int,
        on_damaged: OnDamaged,
        tilings: tuple[Tiling, ...],
    ) -> Iterator[Prediction]:
        for key, picture in whole(items, lambda one: one, min(threads, 1), 1, on_damaged, turns=True):
            try:
                found = self.found_in_tiles(picture, tilings, key)
            except DataError as error:
                on_damaged(key, error.message)
                continue
            yield found_prediction(task, key, found)

    def __repr__(self) -> str:
        return f"Ensemble({len(self.models)} Models, task={self.task.name}, outputs={len(self.classes)})"


def mean_scores(found: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
    """The mean of several (N, K), summed in float64.

    >>> mean_scores([np.float32([[0.25, 0.75]]), np.float32([[0.75, 0.25]])]).tolist()
    [[0.5, 0.5]]
    """
    return np.asarray(np.mean(np.asarray(found, np.float64), axis=0), np.float32)


def common_task(tasks: Sequence[Task]) -> Task:
    """The task of the mean: factors that move thresholds in their geometric mean, thresholds of labels in theirs.

    Masks are tidied where all Models' are, and in the same way.

    Temperatures have done their part in each Model's probabilities, and what a Model held possible is of its own.
    """
    settings = [task.settings for task in tasks]
    factors = thresholds = None
    if any(one.factors is not None for one in settings):
        logs = [np.log(one.factors if one.factors is not None else np.ones(tasks[0].outputs)) for one in settings]
        factors = tuple(np.exp(np.mean(logs, axis=0)).tolist())
    if any(one.thresholds is not None for one in settings):
        each = [one.thresholds if one.thresholds is not None else [0.5] * tasks[0].outputs for one in settings]
        thresholds = tuple(np.mean(each, axis=0).tolist())
    tidying = settings[0].tidying if all(one.tidying == settings[0].tidying for one in settings) else None
    common = replace(settings[0], factors=factors, thresholds=thresholds, temperature=None, sets=None, tidying=tidying)
    return type(tasks[0])(tasks[0].target_names, common)
