"""Pictures on their way into a network: any input's pixels, loaded ahead in threads, in order, in bounded memory."""

from __future__ import annotations

import itertools
import warnings
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from striate.core.errors import DataError, StriateError, UsageError
from striate.core.records import Damaged, Picture, Pixels, Sample
from striate.data.buckets import in_turn
from striate.data.dataset import list_pictures
from striate.data.decode import decode_sample, picture_of, picture_of_array
from striate.data.loader import Batch
from striate.data.store import Store

T = TypeVar("T")
OnDamaged: TypeAlias = Callable[[str, str], None]
Input: TypeAlias = "str | Path | NDArray[Any] | Image.Image"
Read: TypeAlias = Callable[[], Picture]
Images: TypeAlias = "Tensor | Sequence[Tensor]"
"""Prepared pictures on the 0..255 scale: (N, C, H, W), or of their own sizes a list of (C, H, W)."""


def ahead(
    items: Iterable[tuple[str, Read]],
    load: Callable[[str, Read], T | Damaged],
    workers: int,
    window: int,
    turns: bool = False,
) -> Iterator[tuple[str, T | Damaged]]:
    """Load items in threads, at most `window` (but one for each thread) beyond the one asked for; in the order given.

    Without threads each is loaded when it is asked for, which for a single one is the quickest. Threads, since Pillow
    decodes and resizes outside Python's lock, and pixels need not be sent between processes.

    Args:
        turns: load `window` items, and nothing more until all of them were taken. Where the same processors load and
            compute, threads that load beside those that compute let these wait for one another at each layer.
    """
    if not workers:
        for key, read in items:
            yield key, load(key, read)
        return
    waiting: deque[tuple[str, Future[T | Damaged]]] = deque()
    pool = ThreadPoolExecutor(workers, thread_name_prefix="striate-decode")
    try:
        if turns:
            items = iter(items)
            while some := list(itertools.islice(items, window)):
                yield from list(zip([key for key, _ in some], pool.map(lambda one: load(*one), some), strict=True))
            return
        for key, read in items:
            waiting.append((key, pool.submit(load, key, read)))
            if len(waiting) > max(window, workers):
                key, future = waiting.popleft()
                yield key, future.result()
        while waiting:
            key, future = waiting.popleft()
            yield key, future.result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def whole(
    items: Iterable[tuple[str, Read]],
    prepare: Callable[[Picture], T],
    workers: int,
    window: int,
    on_damaged: OnDamaged,
    turns: bool = False,
) -> Iterator[tuple[str, T]]:
    """The whole ones of some pictures, prepared; damaged ones are told and left out. See `ahead`."""

    def load(key: str, read: Read) -> T | Damaged:
        try:
            return prepare(read())
        except (DataError, OSError) as error:
            return Damaged(key, error.message if isinstance(error, StriateError) else str(error))

    for key, found in ahead(items, load, workers, window, turns):
        if isinstance(found, Damaged):
            on_damaged(found.key, found.reason)
        else:
            yield key, found


def pictures(x: Input, suffix: str) -> Iterator[tuple[str, Read]]:
    """The pictures that an input holds, by key, not yet read.

    Args:
        suffix: put behind the keys of pictures that have no name of their own.
    """
    if isinstance(x, str | Path):
        store = Store()
        for sample in list_pictures([x]):
            yield sample.key, partial(decode_sample, store, sample)
    elif isinstance(x, Image.Image):
        yield getattr(x, "filename", "") or f"image{suffix}", partial(picture_of, x)
    elif isinstance(x, np.ndarray):
        if x.ndim not in (2, 3, 4):
            raise UsageError(
                f"pixels of shape {x.shape} are neither (H, W), (H, W, C) nor (N, H, W, C)", fix="reshape the array"
            )
        for row, pixels in enumerate(x if x.ndim == 4 else x[None]):
            yield (f"array{suffix}/{row}" if x.ndim == 4 else f"array{suffix}"), partial(picture_of_array, pixels)
    else:
        raise UsageError(f"a {type(x).__name__} is not a picture", fix="give a path, a PIL image or a NumPy array")


def is_single(x: Input) -> bool:
    """Whether an input is one picture, rather than something that may hold several."""
    if isinstance(x, str | Path):
        samples: list[Sample] = list(itertools.islice(list_pictures([x]), 2))
        return len(samples) == 1 and samples[0].sources[0].kind == "file" and Path(x).is_file()
    return not (isinstance(x, np.ndarray) and x.ndim == 4)


def stack(pixels: Sequence[Pixels]) -> Tensor:
    """One tensor (N, C, H, W): uint8 where all are, else float32 (the same numbers on the same scale)."""
    stacked: NDArray[Any] = np.stack(list(pixels))
    return torch.from_numpy(stacked if stacked.dtype == np.uint8 else stacked.astype(np.float32))


def in_sizes(images: Images, at_once: int) -> Iterator[tuple[NDArray[np.int64], Tensor]]:
    """Prepared pictures in batches of one size each, with their places.

    >>> images = [torch.zeros(1, 2, 2), torch.zeros(1, 1, 2), torch.ones(1, 2, 2)]
    >>> [(places.tolist(), list(batch.shape)) for places, batch in in_sizes(images, 32)]
    [([1], [1, 1, 1, 2]), ([0, 2], [2, 1, 2, 2])]
    """
    order = np.arange(len(images))
    if isinstance(images, Tensor):
        for first in range(0, len(images), at_once):
            yield order[first : first + at_once], images[first : first + at_once]
        return
    sizes = np.array([image.shape[1:] for image in images], np.int64).reshape(-1, 2)
    for places in in_turn(order, sizes, at_once):
        yield places, stack([images[place].numpy() for place in places])


def batch_of(images: Tensor, first: int = 0) -> Batch:
    """A batch without targets, with ids from `first` on."""
    count = len(images)
    return Batch(images, torch.zeros(count, 0), torch.ones(count), float(count), np.arange(first, first + count))


def batches_of(images: Images, size: int) -> Iterator[Batch]:
    """Prepared pictures in batches of `size`, each of one size; their ids are their places."""
    for places, some in in_sizes(images, size):
        yield replace(batch_of(some), ids=places)


def refuse(key: str, reason: str) -> None:
    """A damaged picture is an error."""
    raise DataError(f"{key} cannot be predicted: {reason}", fix="look at the file; `predict_paths` skips damaged ones")


def warn(key: str, reason: str) -> None:
    """A damaged picture is a warning."""
    warnings.warn(f"{key} is skipped: {reason}", stacklevel=2)
