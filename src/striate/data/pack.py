"""Prepared pictures by position: decoded once into one array where memory allows, else anew for each batch.

Both kinds give the same pixels; which one is taken decides speed only.
"""

from __future__ import annotations

import math
import time
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from striate.core.errors import DataError
from striate.core.events import Reporter, time_left
from striate.core.records import Dataset, Sample
from striate.data.prepare import Preprocessing
from striate.data.rendering import Render
from striate.data.store import Store
from striate.data.workers import WorkerPool, chunks

Positions = NDArray[np.int64]

_CHUNK = 32


class Pictures(ABC):
    """Prepared pixels of the samples of some keys, by position.

    Args:
        keys: the samples' keys, in the order of positions.
        shape: (C, H, W) of each, margin included.
        dtype: uint8, or float32 where pictures are deeper than 8 bits.
    """

    def __init__(self, keys: Sequence[str], shape: tuple[int, int, int], dtype: np.dtype[Any]) -> None:
        self.keys = tuple(keys)
        self.shape = shape
        self.dtype = dtype

    def __len__(self) -> int:
        return len(self.keys)

    def batch(self, indices: Positions) -> torch.Tensor:
        """The pictures at these positions, (N, C, H, W), on a scale of 0 to 255."""
        return next(iter(self.stream([indices])))

    @abstractmethod
    def stream(self, batches: Iterable[Positions]) -> Iterator[torch.Tensor]:
        """Batch after batch, prepared ahead of need where that helps. A new stream ends the one before it."""

    @abstractmethod
    def close(self) -> None:
        """End worker processes, if there are any; a later use starts them again."""


class PackedPictures(Pictures):
    """Pictures in one array in memory.

    Args:
        array: (N, C, H, W).
    """

    def __init__(self, keys: Sequence[str], array: NDArray[Any]) -> None:
        super().__init__(keys, (array.shape[1], array.shape[2], array.shape[3]), array.dtype)
        self.array = array

    def stream(self, batches: Iterable[Positions]) -> Iterator[torch.Tensor]:
        for indices in batches:
            yield torch.from_numpy(self.array[indices])

    def close(self) -> None:
        """Nothing to end: the array goes with its last user."""


class StreamingPictures(Pictures):
    """Pictures that are decoded when they are asked for.

    Args:
        workers: processes that decode ahead; 0 decodes in this process.
    """

    def __init__(
        self, samples: Sequence[Sample], render: Render, workers: int, shape: tuple[int, int, int], dtype: np.dtype[Any]
    ) -> None:
        super().__init__([sample.key for sample in samples], shape, dtype)
        self._samples = samples
        self._workers = workers
        self._pool = WorkerPool(render, workers, _describe)

    def stream(self, batches: Iterable[Positions]) -> Iterator[torch.Tensor]:
        """Batch after batch. Each is cut into parts, so that the workers share the first one too."""
        parts = max(1, self._workers)
        lengths: list[int] = []

        def items() -> Iterator[list[Sample]]:
            for indices in batches:
                pieces = [piece for piece in np.array_split(indices, parts) if len(piece)]
                lengths.append(len(pieces))
                yield from ([self._samples[int(position)] for position in piece] for piece in pieces)

        found: list[NDArray[Any]] = []
        results = self._pool.map(items(), ahead=2 * parts)
        for result in results:
            found.append(result)
            if len(found) == lengths[0]:
                yield torch.from_numpy(np.concatenate(found))  # float32 where any part is
                found = []
                del lengths[0]

    def close(self) -> None:
        self._pool.close()


def pack(
    dataset: Dataset,
    keys: Sequence[str],
    preprocessing: Preprocessing,
    *,
    keep_margin: bool,
    workers: int,
    memory_bytes: int,
    reporter: Reporter,
) -> Pictures:
    """Prepare the pictures of some samples, in memory if they fit.

    Args:
        keys: whose pictures, in the order of positions.
        keep_margin: keep the frame around the centre, for shifted crops in training.
        workers: processes that decode; 0 decodes in this one.
        memory_bytes: what the pictures may take in memory.

    Raises:
        DataError: a sample is damaged (since the audit), its channels do not fit, or a worker process died.
    """
    rows = {sample.key: sample for sample in dataset.samples}
    samples = [rows[key] for key in keys]
    render = Render(Store(dataset.arrays), preprocessing, keep_margin)
    workers = 0 if dataset.arrays else workers  # arrays are at hand; sending them costs more than it gains
    height, width = preprocessing.frame if keep_margin else (preprocessing.height, preprocessing.width)
    shape = (preprocessing.channels, height, width)
    dtype = render(samples[:1]).dtype if samples else np.dtype(np.uint8)
    needed = len(samples) * math.prod(shape) * dtype.itemsize
    if needed <= memory_bytes:
        array = _filled(samples, render, workers, shape, dtype, memory_bytes, reporter)
        if array is not None:
            return PackedPictures(keys, array)
        needed = len(samples) * math.prod(shape) * 4
    reporter.line(
        f"{len(samples):,} prepared pictures take {needed / 1e9:.1f} GB, more than the {memory_bytes / 1e9:.1f} GB "
        "allowed: they are decoded anew in each epoch (a smaller input size would fit)"
    )
    return StreamingPictures(samples, render, workers, shape, dtype)


def _filled(
    samples: Sequence[Sample],
    render: Render,
    workers: int,
    shape: tuple[int, int, int],
    dtype: np.dtype[Any],
    memory_bytes: int,
    reporter: Reporter,
) -> NDArray[Any] | None:
    """All pictures in one array; None where a deeper one turns up late and the array then no longer fits."""
    reporter.stage("prepare")
    started = time.monotonic()
    try:
        array = np.empty((len(samples), *shape), dtype)
    except MemoryError as error:
        raise DataError(
            f"memory for {len(samples):,} prepared pictures cannot be had", fix="choose a smaller input size"
        ) from error
    size = max(1, min(_CHUNK, math.ceil(len(samples) / max(1, 4 * workers))))
    ranges = list(chunks(len(samples), size))
    items = ([samples[number] for number in numbers] for numbers in ranges)
    with WorkerPool(render, min(workers, len(ranges)), _describe) as pool:
        for numbers, found in zip(ranges, pool.map(items), strict=True):
            if found.dtype != array.dtype and array.dtype == np.uint8:
                if array.nbytes * 4 > memory_bytes:
                    return None
                array = array.astype(np.float32)
            array[numbers.start : numbers.stop] = found
            reporter.progress(numbers.stop, len(samples), f"{time_left(numbers.stop, len(samples), started)} left")
    return array


def _describe(samples: Sequence[Sample]) -> str:
    return samples[0].key if len(samples) == 1 else f"{samples[0].key} to {samples[-1].key}"
