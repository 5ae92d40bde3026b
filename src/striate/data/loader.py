"""Batches: which samples, altered how, in which order, prepared ahead while the network computes.

The order and every draw are functions of (seed, epoch, batch), so an epoch can be entered at any batch without playing
those before it.
"""

from __future__ import annotations

import math
import queue
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Generic, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from striate.core.seeds import permutation
from striate.data.augment import Augmenter, centre, named
from striate.data.buckets import batches as batches_of_one_size
from striate.data.buckets import count_batches, in_turn, numbered
from striate.data.pictures import Pictures
from striate.data.sampling import Draws

T = TypeVar("T")

BOXES = 3
"""The dimensions of targets that are boxes."""


@dataclass(frozen=True)
class Batch:
    """Samples that are computed together.

    Args:
        images: (N, C, H, W), uint8 or float32, on 0 to 255.
        targets: (N, K), float32; of masks (N, H, W), uint8, the class of each pixel; of boxes (N, 1 + M, 7), see
            `striate.data.placed`.
        weights: (N,), float32: how much each counts in the loss.
        total_weight: the sum of the weights of the whole batch, also in a part of it: what a loss is divided by.
        ids: (N,): positions in the split's list of keys.
        turns: (N,): which time in the epoch each is shown, from 0 on; None where each is shown once.
    """

    images: Tensor
    targets: Tensor
    weights: Tensor
    total_weight: float
    ids: NDArray[np.int64]
    turns: NDArray[np.int64] | None = None

    def split(self, parts: int) -> list[Batch]:
        """The batch in `parts` pieces that are as equal as can be, none empty; together they are the batch."""
        pieces = [piece for piece in np.array_split(np.arange(len(self.ids)), parts) if len(piece)]
        return [
            replace(
                self,
                images=self.images[piece[0] : piece[-1] + 1],
                targets=self.targets[piece[0] : piece[-1] + 1],
                weights=self.weights[piece[0] : piece[-1] + 1],
                ids=self.ids[piece],
                turns=None if self.turns is None else self.turns[piece],
            )
            for piece in pieces
        ]

    def to(self, device: torch.device | str) -> Batch:
        """The same batch with its tensors on a device."""
        return replace(
            self,
            images=self.images.to(device, non_blocking=True),
            targets=self.targets.to(device, non_blocking=True),
            weights=self.weights.to(device, non_blocking=True),
        )


class TrainBatches:
    """A training split's batches, epoch by epoch: shuffled, augmented, mixed.

    The last samples of an order that fill no batch are left out of that epoch, unless they are all there is.

    Of pictures that keep their own sizes a batch holds those of one size, and every sample is shown, see
    `striate.data.buckets.batches`. Each counts alike, however many share its batch: what a loss is divided by is the
    weight of a batch of the mean number of samples.

    Args:
        pictures: the split's pictures, with or without a margin.
        targets: (N, K), float32; of pictures with masks, which are their targets, (N, 0); of boxes (N, 1 + M, 7).
        weights: (N,), float32.
        batch_size: samples a batch.
        seed: the training's seed.
        augmenter: what is done to the pictures.
        sampler: draws what an epoch shows; None shows every sample once.
        device: where that is done; to a GPU bytes go from pinned memory.
        ahead: batches fetched in advance by a thread; 0 fetches each when it is asked for.
    """

    def __init__(
        self,
        pictures: Pictures,
        targets: Tensor,
        weights: Tensor,
        *,
        batch_size: int,
        seed: int,
        augmenter: Augmenter,
        sampler: Draws | None = None,
        device: str | torch.device = "cpu",
        ahead: int = 2,
    ) -> None:
        if not len(pictures) == len(targets) == len(weights) > 0 or batch_size < 1:
            raise ValueError(
                f"{len(pictures)} pictures, {len(targets)} targets, {len(weights)} weights, batches of {batch_size}"
            )
        self.pictures = pictures
        self.targets = targets
        self.weights = weights
        self.batch_size = batch_size
        self.seed = seed
        self.augmenter = augmenter
        self.sampler = sampler
        self.device = torch.device(device)
        self.ahead = ahead
        self._codes = None if pictures.sizes is None else numbered(pictures.sizes)
        self._count = 0 if self._codes is None else count_batches(self._codes, batch_size)
        if self._codes is not None and sampler is not None:
            raise ValueError("of pictures of own sizes every sample is shown once an epoch")

    def __len__(self) -> int:
        """Batches an epoch."""
        if self._codes is not None:
            return self._count
        shown = len(self.pictures) if self.sampler is None else len(self.sampler)
        return max(1, shown // self.batch_size)

    @property
    def shown(self) -> int:
        """Samples an epoch."""
        return len(self.pictures) if self._codes is not None else len(self) * self.batch_size

    @property
    def pixels(self) -> float:
        """Of a batch, in the mean over an epoch, without the channels."""
        sizes = self.pictures.sizes
        if sizes is None:
            return float(self.batch_size * math.prod(self.pictures.shape[1:]))
        return float(sizes.prod(1).sum()) / len(self)

    def usual(self, epoch: int = 0) -> int:
        """The number of a batch that stands for all where one is measured: of about as many pixels as they have in the
        mean; the first where all have one size."""
        sizes = self.pictures.sizes
        if sizes is None:
            return 0
        return int(np.argmin([abs(float(sizes[batch].prod(1).sum()) - self.pixels) for batch in self.order(epoch)]))

    def order(self, epoch: int) -> list[NDArray[np.int64]]:
        """The positions in each batch of an epoch."""
        return self._cut(self._drawn(epoch)[0])

    def _drawn(self, epoch: int) -> tuple[NDArray[np.int64], NDArray[np.int64] | None]:
        if self.sampler is None:
            return permutation(len(self.pictures), self.seed, "shuffle", epoch), None
        return self.sampler.epoch(epoch)

    def _cut(self, whole: NDArray[np.int64]) -> list[NDArray[np.int64]]:
        if self._codes is not None:
            return batches_of_one_size(whole, self._codes, self.batch_size)
        return [whole[number * self.batch_size : (number + 1) * self.batch_size] for number in range(len(self))]

    def epoch(self, epoch: int, start: int = 0, size: tuple[int, int] | None = None) -> Iterator[Batch]:
        """The batches of an epoch from number `start` on: the same as if those before it had been taken.

        Args:
            size: (H, W) in place of the network's own.
        """
        for number, batch in enumerate(self.fetched(epoch, start), start):
            yield self.altered(batch, epoch, number, size)

    def fetched(self, epoch: int, start: int = 0) -> Iterator[Batch]:
        """The same batches on their device, but not altered yet: what has to be waited for."""
        return ahead(lambda: self._fetched(epoch, start), self.ahead)

    @torch.no_grad()
    def altered(self, batch: Batch, epoch: int, number: int, size: tuple[int, int] | None = None) -> Batch:
        """A batch augmented and mixed: computing like any other, which all threads share.

        Args:
            batch: the one of that number in the epoch, as fetched.
            size: (H, W) in place of the network's own.
        """
        if self.pictures.masked:
            images, masks = apart(batch.images)
            images, masks = self.augmenter.with_masks(images, masks, batch.ids, epoch, batch.turns)
            return replace(batch, images=images, targets=masks)
        if batch.targets.dim() == BOXES:
            images, boxes = self.augmenter.with_boxes(
                batch.images, batch.targets, batch.ids, epoch, number, batch.turns
            )
            return replace(batch, images=images, targets=boxes)
        images = self.augmenter.images(batch.images, batch.ids, epoch, size, batch.turns)
        images, targets, weights = self.augmenter.mix(images, batch.targets, batch.weights, epoch, number)
        return replace(batch, images=images, targets=targets, weights=weights)

    def bare(self, epoch: int, start: int = 0) -> Iterator[Batch]:
        """The same batches without their pictures, for what is known of these already: images are (N, 0)."""
        for ids in self.order(epoch)[start:]:
            yield self._batch(ids, torch.empty(len(ids), 0))

    @torch.no_grad()
    def in_order(self) -> Iterator[Batch]:
        """Every sample once, by its position, as an idle augmenter shows it; the last batch may have fewer.

        Raises:
            ValueError: pictures keep their own sizes, and make no batches in that order.
        """
        if self.augmenter.size is None:
            raise ValueError("pictures of own sizes are not shown in the order of their positions")
        count, size = len(self.pictures), self.batch_size
        order = [np.arange(first, min(count, first + size)) for first in range(0, count, size)]
        for ids, pixels in zip(order, self.pictures.stream(order), strict=True):
            batch = self._batch(ids, pixels)
            yield replace(batch, images=centre(batch.images, self.augmenter.size))

    @torch.no_grad()
    def _fetched(self, epoch: int, start: int) -> Iterator[Batch]:
        samples, turns = self._drawn(epoch)
        order = self._cut(samples)[start:]
        later = [None] * len(order) if turns is None else self._cut(turns)[start:]
        names = (named(ids, again) for ids, again in zip(order, later, strict=True))
        shown = self.pictures.shown(order, names, self.seed, epoch)
        for ids, again, pixels in zip(order, later, shown, strict=True):
            yield replace(self._batch(ids, pixels), turns=again)

    def _batch(self, ids: NDArray[np.int64], pixels: Tensor) -> Batch:
        """The samples of these positions, on the device."""
        rows = torch.from_numpy(ids)
        weights, targets = self.weights[rows], self.targets[rows]
        total = float(weights.sum(dtype=torch.float64))
        if self._codes is not None:
            total *= self.shown / len(self) / len(ids)
        return Batch(self._sent(pixels), self._sent(targets), self._sent(weights), total, ids)

    def _sent(self, tensor: Tensor) -> Tensor:
        """A tensor on the device."""
        if self.device.type == "cuda":
            tensor = tensor.pin_memory()
        return tensor.to(self.device, non_blocking=self.device.type == "cuda")


class EvalBatches:
    """A split's batches in the order of its keys, as they are; of pictures that keep their own sizes, size by size.

    Args:
        pictures: the split's pictures; a margin is cut off.
        targets: (N, K), float32, or boxes (N, 1 + M, 7); without them each batch has K = 0.
        weights: (N,), float32; without them each sample counts 1.
        batch_size: samples a batch; the last may have fewer.
        size: (H, W) to cut to, where the pictures have a margin.
        ahead: batches fetched in advance by a thread.
        rows: positions of the pictures to take, in place of all; targets and weights are of all.
    """

    def __init__(
        self,
        pictures: Pictures,
        targets: Tensor | None = None,
        weights: Tensor | None = None,
        *,
        batch_size: int,
        size: tuple[int, int] | None = None,
        ahead: int = 2,
        rows: NDArray[np.int64] | None = None,
    ) -> None:
        self.pictures = pictures
        self.rows = np.arange(len(pictures)) if rows is None else rows
        self.targets = torch.zeros(len(pictures), 0) if targets is None else targets
        self.weights = torch.ones(len(pictures)) if weights is None else weights
        self.batch_size = batch_size
        self.size = size
        self.ahead = ahead

    @property
    def count(self) -> int:
        """Samples in all."""
        return len(self.rows)

    @cached_property
    def order(self) -> list[NDArray[np.int64]]:
        """The positions in each batch."""
        sizes = self.pictures.sizes
        if sizes is not None:
            return in_turn(self.rows, sizes, self.batch_size)
        return [self.rows[first : first + self.batch_size] for first in range(0, len(self.rows), self.batch_size)]

    def sorted(self, found: Tensor) -> Tensor:
        """What was found of the samples as they came, (N, …), in the order of `rows`."""
        if self.pictures.sizes is None:
            return found
        came = np.concatenate([*self.order, self.rows[:0]])
        rising = np.argsort(came)
        return found[torch.from_numpy(rising[np.searchsorted(came[rising], self.rows)])]

    def __len__(self) -> int:
        """Batches in all."""
        return len(self.order)

    def __iter__(self) -> Iterator[Batch]:
        for batch in ahead(self._fetched, self.ahead):
            yield batch if self.size is None else replace(batch, images=centre(batch.images, self.size))

    @torch.no_grad()
    def _fetched(self) -> Iterator[Batch]:
        for ids, pixels in zip(self.order, self.pictures.stream(self.order), strict=True):
            places = torch.from_numpy(ids)
            weights = self.weights[places]
            total = float(weights.sum(dtype=torch.float64))
            images, targets = apart(pixels) if self.pictures.masked else (pixels, self.targets[places])
            yield Batch(images, targets, weights, total, ids)


def apart(planes: Tensor) -> tuple[Tensor, Tensor]:
    """Pictures (N, C, H, W) and their masks (N, H, W), uint8, from what has them as one more plane, the last."""
    return planes[:, :-1], planes[:, -1].to(torch.uint8)


class _End(Generic[T]):
    """The last thing a producer hands over: the error that ended it, or None."""

    def __init__(self, error: BaseException | None) -> None:
        self.error = error


def ahead(make: Callable[[], Iterator[T]], count: int) -> Iterator[T]:
    """What an iterator yields, prepared up to `count` items ahead by a thread.

    The thread ends when the iterator does, when it fails (the error is raised here), or when the consumer leaves. It
    should fetch and not compute: tensor operations large enough for several threads would get a set of threads of their
    own beside the consumer's, and the two sets stop each other at every step (measured on 2 cores: MobileNetV3-small
    trained with 177 pictures a second instead of 221, where the thread did nothing but cut a margin off).
    """
    if count == 0:
        yield from make()
        return
    handed: queue.Queue[T | _End[T]] = queue.Queue(count)
    left = threading.Event()

    def hand(item: T | _End[T]) -> bool:
        while not left.is_set():
            try:
                handed.put(item, timeout=0.1)
                return True
            except queue.Full:
                continue  # look again whether the consumer has left
        return False

    def produce() -> None:
        items = make()
        try:
            for item in items:
                if not hand(item):
                    break
            else:
                hand(_End(None))
        except BaseException as error:
            hand(_End(error))
        finally:
            close = getattr(items, "close", None)
            if close is not None:
                close()

    thread = threading.Thread(target=produce, name="striate-ahead", daemon=True)
    thread.start()
    try:
        while True:
            item = handed.get()
            if isinstance(item, _End):
                if item.error is not None:
                    raise item.error
                return
            yield item
    finally:
        left.set()
        thread.join()
