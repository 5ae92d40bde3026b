"""Prepared pictures by position: decoded once into a file of the cache, or into memory, else anew for each batch.

All give the same pixels; which one is taken decides speed only.
"""

from __future__ import annotations

import hashlib
import json
import math
import time
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from striate.core.artifacts import read_json, write_json, write_parts
from striate.core.cache import Cache
from striate.core.errors import CacheError, DataError, StriateError
from striate.core.events import Reporter, time_left
from striate.core.machine import versions
from striate.core.records import Dataset, Sample
from striate.core.wording import plural
from striate.data import buckets, prepare
from striate.data import masks as data_masks
from striate.data.buckets import in_accord
from striate.data.pictures import (
    OwnPictures,
    PackedPictures,
    Pictures,
    StreamingOwnPictures,
    StreamingPictures,
    described,
)
from striate.data.planes import mask_digest
from striate.data.prepare import Preprocessing
from striate.data.rendering import Render
from striate.data.store import Store
from striate.data.workers import WorkerPool, chunks

_CHUNK = 32
_FORMAT, _PIXELS, _INDEX, _INDEX_BYTES = 1, "pixels", "index.json", 4096
_CHECKED, _LARGE = 2**24, 2**28


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
    accord: bool = False,
    masks: bool = False,
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
        accord: of own sizes, bring pictures that are alone in theirs to the nearest, for training.
        masks: of own sizes, whether the samples' masks go with them, as one more plane.

    Raises:
        DataError: a sample is damaged (since the audit), its channels do not fit, or a worker process died.
    """
    rows = {sample.key: sample for sample in dataset.samples}
    samples = [rows[key] for key in keys]
    render = Render(Store(dataset.arrays), preprocessing, keep_margin, masks)
    workers = 0 if dataset.arrays else workers  # arrays are at hand; sending them costs more than it gains
    height, width = preprocessing.frame if keep_margin else (preprocessing.height, preprocessing.width)
    shape = (preprocessing.channels + masks, height, width)
    job = _Job(samples, render, workers, shape, reporter)
    entry = None
    if cache is not None and cache.limit_bytes and samples and digests and not dataset.arrays:
        known = [digests[key] for key in keys]
        known += [mask_digest(render.store, sample) for sample in samples] if masks else []
        entry = _Entry(cache, _key(known, preprocessing, keep_margin))
    if preprocessing.own:
        return _own(job, keys, memory_bytes, entry, accord and not preprocessing.patches)
    if entry is not None and (mapped := _found(entry, reporter)) is not None:
        reporter.line(_FOUND.format(len(samples)))
        return PackedPictures(keys, mapped)
    dtype = np.asarray(render(samples[:1])).dtype if samples else np.dtype(np.uint8)
    if entry is not None and (mapped := _kept(job, dtype, entry)) is not None:
        return PackedPictures(keys, mapped)
    needed = len(samples) * math.prod(shape) * dtype.itemsize
    if needed <= memory_bytes:
        array = _filled(job, dtype, memory_bytes)
        if array is not None:
            return PackedPictures(keys, array)
        needed = len(samples) * math.prod(shape) * 4
    reporter.line(_too_many(len(samples), needed, memory_bytes, entry))
    return StreamingPictures(samples, render, workers, shape, dtype)


_FOUND = "prepare: {:,} pictures found on disk, prepared before"
_NOT_KEPT = "prepared pictures are not kept for another run: {}"


def _too_many(count: int, needed: int, memory_bytes: int, entry: _Entry | None) -> str:
    return (
        f"{count:,} prepared pictures take {needed / 1e9:.1f} GB, more than the {memory_bytes / 1e9:.1f} GB "
        "allowed: they are decoded anew in each epoch (a smaller input size would fit"
        f"{'' if entry is None else ', and so would a larger --cache-size'})"
    )


@dataclass(frozen=True)
class _Job:
    """Pictures to prepare, (C, H, W) each, a mask's plane included; of own sizes the shape is that of the largest."""

    samples: Sequence[Sample]
    render: Render
    workers: int
    shape: tuple[int, int, int]
    reporter: Reporter

    def bytes(self, dtype: np.dtype[Any]) -> int:
        """What all of them take."""
        return len(self.samples) * math.prod(self.shape) * dtype.itemsize

    def run(self) -> Iterator[tuple[range, Any]]:
        """Parts in order, with the positions that they are for."""
        self.reporter.stage("prepare")
        started, total = time.monotonic(), len(self.samples)
        size = max(1, min(_CHUNK, math.ceil(total / max(1, 4 * self.workers))))
        ranges = list(chunks(total, size))
        items = ([self.samples[number] for number in numbers] for numbers in ranges)
        with WorkerPool(self.render, min(self.workers, len(ranges)), described) as pool:
            for numbers, found in zip(ranges, pool.map(items), strict=True):
                yield numbers, found
                self.reporter.progress(numbers.stop, total, f"{time_left(numbers.stop, total, started)} left")


def _own(
    job: _Job, keys: Sequence[str], memory_bytes: int, entry: _Entry | None, accord: bool
) -> OwnPictures | StreamingOwnPictures:
    """Pictures of their own sizes. How large they are is known once all were prepared."""
    preprocessing, reporter, count = job.render.preprocessing, job.reporter, len(keys)
    own = partial(OwnPictures, keys, preprocessing=preprocessing, masked=job.render.masks)
    if entry is not None and (known := _found_own(entry, job.shape[0], reporter)) is not None:
        reporter.line(_FOUND.format(count))
        return own(known, _agreed(_sizes(known), accord, reporter))
    arrays: list[NDArray[Any]] = []
    sizes, taken, deep = np.zeros((count, 2), np.int64), 0, False
    for numbers, some in job.run():
        sizes[numbers.start : numbers.stop] = [one.shape[1:] for one in some]
        deep = deep or any(one.dtype != np.uint8 for one in some)
        taken += sum(one.size for one in some)
        arrays += some
        if taken * (4 if deep else 1) > memory_bytes:
            arrays.clear()
    dtype, needed = np.dtype(np.float32 if deep else np.uint8), taken * (4 if deep else 1)
    agreed = _agreed(sizes, accord, reporter)
    if entry is not None and (kept := _kept_own(job, arrays, sizes, dtype, entry)) is not None:
        return own(kept, agreed)
    if len(arrays) == count:
        return own([one.astype(dtype, copy=False) for one in arrays], agreed)
    reporter.line(_too_many(count, needed, memory_bytes, entry))
    return StreamingOwnPictures(job.samples, job.render, job.workers, dtype, agreed)


def _sizes(arrays: Sequence[NDArray[Any]]) -> NDArray[np.int64]:
    return np.array([one.shape[1:] for one in arrays], np.int64).reshape(-1, 2)


def _agreed(sizes: NDArray[np.int64], accord: bool, reporter: Reporter) -> NDArray[np.int64]:
    """The sizes that batches have: those of pictures that are alone in theirs are others', where that is asked for."""
    if not accord:
        return sizes
    found = in_accord(sizes)
    moved = (found != sizes).any(1)
    if moved.any():
        left = (np.minimum(found, sizes).prod(1) / sizes.prod(1))[moved]
        reporter.line(
            f"input.sizing: {plural(int(moved.sum()), 'training picture is', 'training pictures are')} alone in their "
            f"size, and cut or padded to the nearest; {left.mean():.0%} of them is left in the mean, {left.min():.0%} "
            "at worst (a larger input.step gives them company)"
        )
    return found


def _kept_own(
    job: _Job, arrays: Sequence[NDArray[Any]], sizes: NDArray[np.int64], dtype: np.dtype[Any], entry: _Entry
) -> list[NDArray[Any]] | None:
    """Pictures written into the cache and found there; None where it does not take or no longer has them.

    Args:
        arrays: those that are in memory, all or none of them.
    """
    channels = job.shape[0]
    numbers = int(sizes.prod(1).sum()) * channels
    size = numbers * dtype.itemsize

    def write(folder: Path) -> None:
        checksum = 0

        def parts() -> Iterator[bytes]:
            nonlocal checksum
            for one in arrays if len(arrays) == len(sizes) else (one for _, some in job.run() for one in some):
                content = np.ascontiguousarray(one, dtype).tobytes()
                checksum = zlib.crc32(content, checksum)
                yield content

        write_parts(folder / _PIXELS, parts(), size)
        index = {"shape": [numbers], "dtype": dtype.name, "sizes": sizes.tolist()}
        write_json(folder / _INDEX, {**index, "crc32": checksum})

    try:
        folder = entry.cache.keep(entry.key, size + _INDEX_BYTES + 16 * len(sizes), write)
    except CacheError as error:
        job.reporter.line(_NOT_KEPT.format(error.message))
        return None
    return None if folder is None else _found_own(entry, channels, job.reporter)


def _found_own(entry: _Entry, channels: int, reporter: Reporter) -> list[NDArray[Any]] | None:
    """Pictures of their own sizes, mapped from the cache; None where they are not there, or damaged."""
    flat = _found(entry, reporter)
    folder = entry.cache.find(entry.key) if flat is not None else None
    if flat is None or folder is None:
        return None
    sizes = np.array(read_json(folder / _INDEX)["sizes"], np.int64)
    ends = np.cumsum(sizes.prod(1) * channels)
    parts = np.split(flat, ends[:-1])
    return [part.reshape(channels, *size) for part, size in zip(parts, sizes.tolist(), strict=True)]


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
            job.reporter.line(_NOT_KEPT.format(error.message))
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
    if preprocessing.patches:  # a whole picture is the same whatever is cut from it
        how = {name: how[name] for name in ("sizing", "channels", "full_scale")}
    elif preprocessing.policy != "pad" and not preprocessing.own:
        del how["fill"]
    code = "".join(Path(str(module.__file__)).read_text("utf-8") for module in (prepare, buckets, data_masks))
    libraries = {name: versions()[name] for name in ("numpy", "pillow")}
    content = json.dumps([_FORMAT, digests, how, keep_margin, code, libraries])
    return hashlib.sha256(content.encode()).hexdigest()[:40]
