"""Several Models that answer together: the mean of what each says."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from striate.core.errors import DataError, StriateError, UsageError
from striate.core.records import Picture
from striate.data.dataset import list_pictures
from striate.data.decode import decode_sample
from striate.data.store import Store
from striate.infer.intake import OnDamaged, warn
from striate.infer.model import Model
from striate.infer.prediction import Prediction, prediction_of

if TYPE_CHECKING:
    from striate.tasks import Task


class Ensemble:
    """Models of the same task, such as those of the folds, whose probabilities or values are averaged.

    The likeliest class of the mean is decided for, unless costs say otherwise: thresholds that single Models had moved
    are theirs alone.

    Args:
        models: at least one; their classes are the same, in the same order.

    Raises:
        UsageError: they are not of one task.
    """

    def __init__(self, models: Sequence[Model]) -> None:
        kinds = {(model.task.name, model.classes) for model in models}
        if len(kinds) != 1:
            raise UsageError(f"{len(models)} Models of {len(kinds)} tasks have no mean", fix="give Models of one task")
        self.models = tuple(models)
        self.task = plain(models[0].task)
        self.batch_size = models[0].batch_size

    @classmethod
    def load(cls, paths: Sequence[str | Path], device: str | torch.device = "cpu") -> Ensemble:
        """The Models at these places; see `Model.load`."""
        return cls([Model.load(path, device) for path in paths])

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names, or the names of the predicted values, in the order of the outputs."""
        return self.models[0].classes

    def predict_paths(
        self,
        paths: Sequence[str | Path],
        *,
        batch_size: int | None = None,
        on_damaged: OnDamaged | None = None,
    ) -> Iterator[Prediction]:
        """Predict pictures, folders and archives, one after another; each is decoded once.

        Args:
            batch_size: pictures a batch; the first Model's own unless given.
            on_damaged: called with (key, reason) for each damaged picture; a Python warning without it.

        Raises:
            DataError: a path does not exist.
        """
        size = self.batch_size if batch_size is None else batch_size
        if size < 1:
            raise UsageError(f"a batch of {size} pictures cannot be", fix="give a batch_size of 1 or more")
        store, found = Store(), list_pictures(paths)
        while chunk := list(islice(found, size)):
            keys: list[str] = []
            prepared: list[list[Tensor]] = []
            for sample in chunk:
                try:
                    prepared.append(self._prepared(decode_sample(store, sample)))
                    keys.append(sample.key)
                except (DataError, OSError) as error:
                    reason = error.message if isinstance(error, StriateError) else str(error)
                    (on_damaged or warn)(sample.key, reason)
            if keys:
                rows = self.scores([torch.cat(own) for own in zip(*prepared, strict=True)])
                yield from (prediction_of(self.task, key, row) for key, row in zip(keys, rows, strict=True))

    def scores(self, images: Sequence[Tensor]) -> NDArray[np.float32]:
        """The mean of what the Models give.

        Args:
            images: for each Model (N, C, H, W), prepared as it takes them.

        Returns:
            (N, K) float32.
        """
        found = [model.scores(own) for model, own in zip(self.models, images, strict=True)]
        return mean_scores(found)

    def _prepared(self, picture: Picture) -> list[Tensor]:
        return [model.prepare([picture]) for model in self.models]


def mean_scores(found: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
    """The mean of several (N, K), summed in float64."""
    return np.asarray(np.mean(np.asarray(found, np.float64), axis=0), np.float32)


def plain(task: Task) -> Task:
    """The task without moved thresholds."""
    return type(task)(task.target_names, replace(task.settings, factors=None))
