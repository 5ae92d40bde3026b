"""What is known of a training's samples before any label: features that none of their labels has taught."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from types import TracebackType

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from striate.core.events import Silent
from striate.core.records import Sample
from striate.data.augment import centre
from striate.data.loader import EvalBatches
from striate.data.pack import pack
from striate.data.pictures import Pictures
from striate.infer import evaluating
from striate.infer.features import HeadInputs
from striate.train.patches import Patches, looked_at
from striate.train.ridge import seconds_of
from striate.workflows.lineage import known_fates
from striate.workflows.materials import Materials

AT_ONCE, TIMED, LEAST = 32, 32, 60
"""Pictures at once, those that are timed, and samples below which heads on their features tell nothing."""


class LabelFree:
    """Features of the samples of a training: by the weights it begins with, as they came, or by patches of the pictures
    where there are none, or where they come of a Run that has learnt from these samples.

    Args:
        materials: of the training.
    """

    def __init__(self, materials: Materials) -> None:
        plan, prepared = materials.plan, materials.prepared
        self._materials = materials
        self._places = {
            sample.key: (part, place)
            for part, samples in materials.samples.items()
            for place, sample in enumerate(samples)
        }
        self._pictures: dict[str, Pictures] = dict(materials.pictures)
        self._more: list[Pictures] = []
        if not _weights_tell(materials):
            because = "" if prepared.weights is None else ", as the weights have learnt from some of these samples"
            self.words = f"patches of the pictures{because}"
            self._look: Callable[[Tensor], Tensor] = Patches(self._some(), seed=0)
            self._network = None
        else:
            self.words = f"frozen features of {plan['network.name']}"
            self._network = materials.networks()["network"].to(plan["execution.device"])
            self._look = HeadInputs(self._network, materials.normalize)

    def __call__(self, samples: Sequence[Sample]) -> NDArray[np.float64]:
        """Features (N, D) of samples."""
        if self._network is None:
            return self._found(samples)
        with evaluating(self._network):
            return self._found(samples)

    def add(self, samples: Sequence[Sample]) -> None:
        """Prepare the pictures of samples that are in no split, so that they can be asked for too."""
        found = self._packed(samples, self._materials.plan["execution.workers"])
        part = f"more {len(self._more)}"
        self._more.append(found)
        self._pictures[part] = found
        self._places |= {sample.key: (part, place) for place, sample in enumerate(samples)}

    def adding(self, samples: Sequence[Sample]) -> float:
        """About the seconds that `add` takes for each of some samples, by how long a few take."""
        few = _spread(samples)
        started = time.perf_counter()
        self._packed(few, workers=0).close()
        return (time.perf_counter() - started) / len(few)

    def _packed(self, samples: Sequence[Sample], workers: int) -> Pictures:
        plan, prepared = self._materials.plan, self._materials.prepared
        return pack(
            prepared.dataset,
            [sample.key for sample in samples],
            self._materials.preprocessing,
            keep_margin=False,
            workers=workers,
            memory_bytes=plan["execution.pack_bytes"] // 3,
            reporter=Silent(),
        )

    def carried(
        self, samples: Sequence[Sample], most: int, seconds: float | None, *, fits: int = 1, more: float = 0.0
    ) -> int:
        """How many samples can be looked at, and heads fitted to them, by how long a few of some take.

        Args:
            samples: that are known, or have been added.
            most: how many there are to look at, whatever the time.
            seconds: for it all; None where time is not short.
            fits: how often `OutOfFold.best` is asked of as many.
            more: seconds that each sample takes beside.
        """
        if seconds is None:
            return most
        if seconds <= 0:
            return 0
        started = time.perf_counter()
        few = _spread(samples)
        self(few[:1])  # what comes first takes longer
        begun = time.perf_counter()
        self(few)
        each = (time.perf_counter() - begun) / len(few) + more
        cubed, numbers = fits * seconds_of(1), np.arange(most + 1)
        left = seconds - (time.perf_counter() - started)
        return int(numbers[each * numbers + cubed * numbers**3 <= left].max(initial=0))

    def __enter__(self) -> LabelFree:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for pictures in self._more:
            pictures.close()

    def _some(self) -> Tensor:
        """Training pictures to take patches from, as validation would show them."""
        materials = self._materials
        found = materials.pictures["train"].batch(looked_at(materials.count("train")))
        return found if materials.size is None else centre(found, materials.size)

    @torch.no_grad()
    def _found(self, samples: Sequence[Sample]) -> NDArray[np.float64]:
        wanted: dict[str, list[tuple[int, int]]] = defaultdict(list)
        for place, sample in enumerate(samples):
            part, row = self._places[sample.key]
            wanted[part].append((row, place))
        found: NDArray[np.float64] | None = None
        for part, pairs in wanted.items():
            rows, places = np.array(sorted(pairs), np.int64).T
            shown = EvalBatches(self._pictures[part], batch_size=AT_ONCE, size=self._materials.size, ahead=0, rows=rows)
            each = shown.sorted(torch.cat([self._look(batch.images) for batch in shown])).double().numpy()
            found = np.empty((len(samples), each.shape[1])) if found is None else found
            found[places] = each
        return np.empty((0, 0)) if found is None else found


def left_until(ends: float | None) -> float | None:
    """Seconds until a time of `time.perf_counter`, and 0 after it; None where there is none."""
    return None if ends is None else max(0.0, ends - time.perf_counter())


def _spread(samples: Sequence[Sample]) -> Sequence[Sample]:
    """A few of them, from the first to the last."""
    return samples[:: max(1, len(samples) // TIMED)][:TIMED]


def untold(materials: Materials) -> str | None:
    """Why there are no such features; None where there are."""
    if not materials.task.one_answer:
        return "pixels or things have classes here, and it is told by heads that give one answer a picture"
    if materials.preprocessing.own and not _weights_tell(materials):
        return "pictures keep their own sizes, and no weights look at them that these have not taught"
    return None


def _weights_tell(materials: Materials) -> bool:
    """Whether there are weights, and none of a Run that has learnt from these samples."""
    prepared = materials.prepared
    return prepared.weights is not None and not known_fates(materials.plan["network.weights"], prepared.audit)
