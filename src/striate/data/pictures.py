"""Prepared pictures by position: of one size in one array, of their own sizes, or decoded when they are asked for."""

from __future__ import annotations

import itertools
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from striate.core.records import Sample
from striate.core.seeds import uniforms
from striate.data.buckets import middle
from striate.data.planes import patch
from striate.data.prepare import Preprocessing
from striate.data.rendering import Render
from striate.data.workers import WorkerPool

Positions = NDArray[np.int64]


class Pictures(ABC):
    """Prepared pixels of the samples of some keys, by position.

    Args:
        keys: the samples' keys, in the order of positions.
        shape: (C, H, W) of each, margin included; of own sizes that of the one of median area.
        dtype: uint8, or float32 where pictures are deeper than 8 bits.
        sizes: (N, 2), height and width of each, where they keep their own; a batch then holds one size.
        masked: whether each comes with its mask as one more plane, the last, which the shape does not count.
    """

    def __init__(
        self,
        keys: Sequence[str],
        shape: tuple[int, int, int],
        dtype: np.dtype[Any],
        sizes: NDArray[np.int64] | None = None,
        masked: bool = False,
    ) -> None:
        self.keys = tuple(keys)
        self.shape = shape
        self.dtype = dtype
        self.sizes = sizes
        self.masked = masked

    def __len__(self) -> int:
        return len(self.keys)

    def batch(self, indices: Positions) -> torch.Tensor:
        """The pictures at these positions, (N, C, H, W), on a scale of 0 to 255."""
        return next(iter(self.stream([indices])))

    def shown(
        self, batches: Iterable[Positions], names: Iterable[Positions], seed: int, epoch: int
    ) -> Iterator[torch.Tensor]:
        """What an epoch of training shows: the pictures themselves, or parts of them that are drawn anew in each.

        Args:
            names: beside the positions of each batch, what names the draws of each sample in it.
        """
        return self.stream(batches)

    def sizes_of(self, indices: Positions) -> NDArray[np.int64]:
        """Height and width of the pictures at these positions, (N, 2), where they keep their own."""
        assert self.sizes is not None
        return self.sizes[indices]

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
        self,
        samples: Sequence[Sample],
        render: Render,
        workers: int,
        shape: tuple[int, int, int],
        dtype: np.dtype[Any],
        sizes: NDArray[np.int64] | None = None,
    ) -> None:
        super().__init__([sample.key for sample in samples], shape, dtype, sizes)
        self._samples = samples
        self._workers = workers
        self._pool = WorkerPool(render, workers, described)

    def stream(self, batches: Iterable[Positions]) -> Iterator[torch.Tensor]:
        """Batch after batch. Each is cut into parts, so that the workers share the first one too."""
        for found, indices in self._rendered(batches):
            yield torch.from_numpy(self._joined(found, indices))

    def _rendered(self, batches: Iterable[Positions]) -> Iterator[tuple[list[Any], Positions]]:
        """The parts of batch after batch, and its positions."""
        parts = max(1, self._workers)
        lengths: list[int] = []
        asked: list[Positions] = []

        def items() -> Iterator[list[Sample]]:
            for indices in batches:
                pieces = [piece for piece in np.array_split(indices, parts) if len(piece)]
                lengths.append(len(pieces))
                asked.append(indices)
                yield from ([self._samples[int(position)] for position in piece] for piece in pieces)

        found: list[Any] = []
        results = self._pool.map(items(), ahead=2 * parts)
        for result in results:
            found.append(result)
            if len(found) == lengths[0]:
                yield found, asked.pop(0)
                found = []
                del lengths[0]

    def _joined(self, parts: list[Any], indices: Positions) -> NDArray[Any]:
        """A batch from its parts; float32 where any is."""
        return np.concatenate(parts)

    def close(self) -> None:
        self._pool.close()


class OwnPictures(Pictures):
    """Pictures of their own sizes, in memory or mapped from a file.

    Args:
        arrays: (C, H, W) of each, as it was prepared.
        sizes: (N, 2), of each in a batch: its own, or another that it is then cut or padded to.
        preprocessing: fits it to that.
    """

    def __init__(
        self,
        keys: Sequence[str],
        arrays: Sequence[NDArray[Any]],
        sizes: NDArray[np.int64],
        preprocessing: Preprocessing,
        masked: bool = False,
    ) -> None:
        dtype = np.dtype(np.float32 if any(one.dtype != np.uint8 for one in arrays) else np.uint8)
        super().__init__(keys, _typical(sizes, preprocessing), dtype, sizes, masked)
        self.arrays = arrays
        self._preprocessing = preprocessing

    def stream(self, batches: Iterable[Positions]) -> Iterator[torch.Tensor]:
        for indices in batches:
            found = next(self.each([indices]))
            yield torch.from_numpy(assembled(found, self.sizes_of(indices), self._preprocessing))

    def each(self, batches: Iterable[Positions]) -> Iterator[list[NDArray[Any]]]:
        """The pictures of batch after batch as they are, of any sizes."""
        for indices in batches:
            yield [self.arrays[int(position)] for position in indices]

    def close(self) -> None:
        """Nothing to end: the arrays go with their last user."""


class StreamingOwnPictures(StreamingPictures):
    """Pictures of their own sizes that are decoded when they are asked for."""

    def __init__(
        self,
        samples: Sequence[Sample],
        render: Render,
        workers: int,
        dtype: np.dtype[Any],
        sizes: NDArray[np.int64],
    ) -> None:
        super().__init__(samples, render, workers, _typical(sizes, render.preprocessing), dtype, sizes)
        self.masked = render.masks
        self._preprocessing = render.preprocessing

    def each(self, batches: Iterable[Positions]) -> Iterator[list[NDArray[Any]]]:
        """The pictures of batch after batch as they are, of any sizes."""
        for parts, _ in self._rendered(batches):
            yield [one.astype(self.dtype, copy=False) for part in parts for one in part]

    def _joined(self, parts: list[Any], indices: Positions) -> NDArray[Any]:
        found = assembled([one for part in parts for one in part], self.sizes_of(indices), self._preprocessing)
        return found.astype(self.dtype, copy=False)


class Patches(Pictures):
    """Parts of pictures that keep their own sizes, all of one size.

    Args:
        whole: the pictures.
        size: (H, W) of each part.
    """

    def __init__(self, whole: OwnPictures | StreamingOwnPictures, size: tuple[int, int]) -> None:
        super().__init__(whole.keys, (whole.shape[0], *size), whole.dtype, masked=whole.masked)
        self.whole = whole
        self.size = size

    def stream(self, batches: Iterable[Positions]) -> Iterator[torch.Tensor]:
        """The middle of each picture."""
        batches, again = itertools.tee(batches)
        return self._cut(again, (np.full((len(indices), 2), 0.5) for indices in batches))

    def shown(
        self, batches: Iterable[Positions], names: Iterable[Positions], seed: int, epoch: int
    ) -> Iterator[torch.Tensor]:
        """A part of each picture, every place in it as likely."""
        return self._cut(batches, (uniforms(one, 2, seed, "patch", epoch) for one in names))

    def _cut(self, batches: Iterable[Positions], places: Iterable[NDArray[np.float64]]) -> Iterator[torch.Tensor]:
        for found, drawn in zip(self.whole.each(batches), places, strict=True):
            parts = zip(found, drawn.tolist(), strict=True)
            yield torch.from_numpy(np.stack([patch(one, self.size, place, self.masked) for one, place in parts]))

    def close(self) -> None:
        self.whole.close()


def patches_of(pictures: Pictures, size: tuple[int, int]) -> Patches:
    """Parts of pictures that keep their own sizes. Raises `ValueError` where all were brought to one size."""
    if not isinstance(pictures, OwnPictures | StreamingOwnPictures):
        raise ValueError(f"patches are cut from pictures of their own sizes, not from {type(pictures).__name__}")
    return Patches(pictures, size)


def assembled(arrays: Sequence[NDArray[Any]], sizes: NDArray[np.int64], preprocessing: Preprocessing) -> NDArray[Any]:
    """Pictures (C, H, W) of one bucket as a batch (N, C, H, W), each cut or padded to it where it is of another.

    Raises:
        ValueError: they are of several buckets.
    """
    height, width = (int(side) for side in sizes[0])
    if (sizes != sizes[0]).any():
        raise ValueError(f"a batch of pictures of own sizes holds {len(np.unique(sizes, axis=0))} of them")
    size = height, width
    fitted = [
        one if one.shape[1:] == size else preprocessing.fit(one.transpose(1, 2, 0), size).transpose(2, 0, 1)
        for one in arrays
    ]
    return np.stack(fitted)  # float32 where any is


def _typical(sizes: NDArray[np.int64], preprocessing: Preprocessing) -> tuple[int, int, int]:
    return (preprocessing.channels, *middle(sizes))


def described(samples: Sequence[Sample]) -> str:
    """Samples in the words of an error."""
    return samples[0].key if len(samples) == 1 else f"{samples[0].key} to {samples[-1].key}"
