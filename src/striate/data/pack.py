"""Prepared pictures by position: decoded once into a file of the cache, or into memory, else anew for each batch.

All give the same pixels; which one is taken decides speed only.
"""

from __future__ import annotations

import hashlib
import json
import math
import time
import zlib
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from striate.core.artifacts import read_json, write_json, write_parts
from striate.core.cache import Cache
from striate.core.errors import CacheError, DataError, StriateError
from striate.core.events import Reporter, time_left
from striate.core.machine import versions
from striate.core.records import Dataset, Sample
from striate.data import prepare
from striate.data.prepare import Preprocessing
from striate.data.rendering import Render
from striate.data.store import Store
from striate.data.workers import WorkerPool, chunks

Positions = NDArray[np.int64]

_CHUNK = 32
_FORMAT, _PIXELS, _INDEX, _INDEX_BYTES = 1, "pixels", "index.json", 4096
_CHECKED, _LARGE = 2**24, 2**28


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
    """Pictures in one array, in memory or mapped from a file.

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
    cache: Cache | None = None,
    digests: Mapping[str, str] | None = None,
) -> Pictures:
    """Prepare the pictures of some samples: in the cache, or in memory, if they fit.

    Args:
        keys: whose pictures, in the order of positions.
        keep_margin: keep the frame around the centre, for shifted crops in training.
        workers: processes that decode; 0 decodes in this one.
        memory_bytes: what the pictures may take in memory.
        cache: where prepared pictures are kept between runs; None keeps none, nor is anything kept of arrays.
        digests: the audit's hashes of decoded pixels by key. Without them, as on resuming when a file has changed since
            the audit, nothing is kept or found.

    Raises:
        DataError: a sample is damaged (since the audit), its channels do not fit, or a worker process died.
    """
    rows = {sample.key: sample for sample in dataset.samples}
    samples = [rows[key] for key in keys]
    render = Render(Store(dataset.arrays), preprocessing, keep_margin)
    workers = 0 if dataset.arrays else workers  # arrays are at hand; sending them costs more than it gains
    height, width = preprocessing.frame if keep_margin else (preprocessing.height, preprocessing.width)
    shape = (preprocessing.channels, height, width)
    job = _Job(samples, render, workers, shape, reporter)
    entry = None
    if cache is not None and cache.limit_bytes and samples and digests and not dataset.arrays:
        entry = _Entry(cache, _key([digests[key] for key in keys], preprocessing, keep_margin))
    if entry is not None and (mapped := _found(entry, reporter)) is not None:
        reporter.line(f"prepare: {len(samples):,} pictures found on disk, prepared before")
        return PackedPictures(keys, mapped)
    dtype = render(samples[:1]).dtype if samples else np.dtype(np.uint8)
    if entry is not None and (mapped := _kept(job, dtype, entry)) is not None:
        return PackedPictures(keys, mapped)
    needed = len(samples) * math.prod(shape) * dtype.itemsize
    if needed <= memory_bytes:
        array = _filled(job, dtype, memory_bytes)
        if array is not None:
            return PackedPictures(keys, array)
        needed = len(samples) * math.prod(shape) * 4
    reporter.line(
        f"{len(samples):,} prepared pictures take {needed / 1e9:.1f} GB, more than the {memory_bytes / 1e9:.1f} GB "
        "allowed: they are decoded anew in each epoch (a smaller input size would fit"
        f"{'' if entry is None else ', and so would a larger --cache-size'})"
    )
    return StreamingPictures(samples, render, workers, shape, dtype)


@dataclass(frozen=True)
class _Job:
    """Pictures to prepare, (C, H, W) each."""

    samples: Sequence[Sample]
    render: Render
    workers: int
    shape: tuple[int, int, int]
    reporter: Reporter

    def bytes(self, dtype: np.dtype[Any]) -> int:
        """What all of them take."""
        return len(self.samples) * math.prod(self.shape) * dtype.itemsize

    def run(self) -> Iterator[tuple[range, NDArray[Any]]]:
        """Parts in order, with the positions that they are for."""
        self.reporter.stage("prepare")
        started, total = time.monotonic(), len(self.samples)
        size = max(1, min(_CHUNK, math.ceil(total / max(1, 4 * self.workers))))
        ranges = list(chunks(total, size))
        items = ([self.samples[number] for number in numbers] for numbers in ranges)
        with WorkerPool(self.render, min(self.workers, len(ranges)), _describe) as pool:
            for numbers, found in zip(ranges, pool.map(items), strict=True):
                yield numbers, found
                self.reporter.progress(numbers.stop, total, f"{time_left(numbers.stop, total, started)} left")


def _filled(job: _Job, dtype: np.dtype[Any], memory_bytes: int) -> NDArray[Any] | None:
    """All pictures in one array; None where a deeper one turns up late and the array then no longer fits."""
    try:
        array = np.empty((len(job.samples), *job.shape), dtype)
    except MemoryError as error:
        raise DataError(
            f"memory for {len(job.samples):,} prepared pictures cannot be had", fix="choose a smaller input size"
        ) from error
    for numbers, found in job.run():
        if found.dtype != array.dtype and array.dtype == np.uint8:
            if array.nbytes * 4 > memory_bytes:
                return None
            array = array.astype(np.float32)
        array[numbers.start : numbers.stop] = found
    return array


class _Deeper(Exception):
    """A picture deeper than 8 bits after others that are not."""


class _Entry(NamedTuple):
    """Where in the cache the pictures are, or will be."""

    cache: Cache
    key: str


def _kept(job: _Job, dtype: np.dtype[Any], entry: _Entry) -> NDArray[Any] | None:
    """All pictures, written into the cache and found there; None where it does not take or no longer has them."""
    for kind in dict.fromkeys((dtype, np.dtype(np.float32))):
        try:
            folder = entry.cache.keep(entry.key, job.bytes(kind) + _INDEX_BYTES, partial(_write, job, kind))
            return None if folder is None else _found(entry, job.reporter)
        except _Deeper:
            continue  # again, as float
        except CacheError as error:
            job.reporter.line(f"prepared pictures are not kept for another run: {error.message}")
            return None
    return None


def _write(job: _Job, dtype: np.dtype[Any], folder: Path) -> None:
    """Write pictures and their index into a folder."""
    checksum = 0

    def parts() -> Iterator[bytes]:
        nonlocal checksum
        for _, found in job.run():
            if found.dtype != dtype and dtype == np.uint8:
                raise _Deeper
            content = np.ascontiguousarray(found, dtype).tobytes()
            checksum = zlib.crc32(content, checksum)
            yield content

    write_parts(folder / _PIXELS, parts(), job.bytes(dtype))
    index = {"shape": [len(job.samples), *job.shape], "dtype": dtype.name, "crc32": checksum}
    write_json(folder / _INDEX, index)


def _found(entry: _Entry, reporter: Reporter) -> NDArray[Any] | None:
    """All pictures, mapped from the cache after a check of every byte; None where they are not there, or damaged."""
    folder = entry.cache.find(entry.key)
    if folder is None:
        return None
    try:
        index = read_json(folder / _INDEX)
        size = math.prod(index["shape"]) * np.dtype(index["dtype"]).itemsize
        if _checksum(folder / _PIXELS, size, index["shape"][0], reporter) == index["crc32"]:
            return _mapped(folder, index)
    except OSError as error:  # it may be whole, and another process may read it
        reporter.line(f"prepared pictures on disk cannot be read: {error}")
        return None
    except (StriateError, ValueError, TypeError, KeyError):
        pass  # not what was written: removed below, and made anew
    entry.cache.drop(entry.key)
    return None


def _checksum(path: Path, size: int, count: int, reporter: Reporter) -> int | None:
    """Of the bytes of so many pictures; None where they are more or less. Read, not mapped: a disk's error is an error.

    Reading takes a moment, so that only what is large shows how far it is.
    """
    checksum = done = 0
    if size > _LARGE:
        reporter.stage("check")
    with open(path, "rb") as file:
        while part := file.read(_CHECKED):
            checksum = zlib.crc32(part, checksum)
            done += len(part)
            if size > _LARGE:
                reporter.progress(count * min(done, size) // size, count)
    return checksum if done == size else None


def _mapped(folder: Path, index: Mapping[str, Any]) -> NDArray[Any]:
    return np.asarray(np.memmap(folder / _PIXELS, index["dtype"], "r", shape=tuple(index["shape"])))


def _key(digests: Sequence[str], preprocessing: Preprocessing, keep_margin: bool) -> str:
    """A hash of all that decides the pixels: those decoded, in order, and how they are prepared."""
    how = asdict(preprocessing)
    del how["mean"], how["std"]  # the network's first operation
    if preprocessing.policy != "pad":
        del how["fill"]
    code = Path(prepare.__file__).read_text("utf-8")
    libraries = {name: versions()[name] for name in ("numpy", "pillow")}
    content = json.dumps([_FORMAT, digests, how, keep_margin, code, libraries])
    return hashlib.sha256(content.encode()).hexdigest()[:40]


def _describe(samples: Sequence[Sample]) -> str:
    return samples[0].key if len(samples) == 1 else f"{samples[0].key} to {samples[-1].key}"
