"""Near-duplicates: pictures that were compressed again, resized, brightened or cropped, or taken twice.

Not all pairs are compared. Some pictures are drawn as landmarks; each picture stands in the cells of the two landmarks
that it is most like, and ten windows of it are compared with the pictures in the cells of the four that the window is
most like (an inverted file: Jégou, Douze and Schmid 2011, "Product quantization for nearest neighbor search"). What is
likely by 64 numbers is laid over each other (`striate.data.likeness`), and confirmed where it agrees in detail.

Confirmed pairs make clusters. Those that are most alike are joined first, and no cluster grows beyond a limit: else a
chain of pictures, each like the next, would swallow a class.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from striate.data.likeness import LENGTH, WINDOWS, descriptors, similarity

LIKELY = 0.75
"""Agreement of descriptors above which a pair is looked at closely: copies cropped to 90 % reach 0.84 at least."""

ALIKE, ALIKE_SMALL = 0.9, 0.85
"""Similarity that confirms a pair; and where the smaller has less than 64 px, of which compression leaves less. Copies
by JPEG of quality 30, and those cropped to 90 %, reach 0.94 and 0.84; other things of one shape, 0.9 and 0.8."""

SMALL = 64
"""Short side in pixels of the pictures that are judged by `ALIKE_SMALL`."""

MOST, MOST_SHARE = 20, 0.02
"""Pictures that a cluster may have, and as a share of all, whichever is more."""

SECONDS = 600.0
"""Time after which an audit looks no further."""

_FEW = 4096  # pictures that are compared all with all
_LANDMARKS = 4  # times the square root of the pictures
_JOINED, _PROBED = 2, 4
_KEPT = 16  # pictures that one is laid over, the likeliest
_BLOCK = 1024

Candidates = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]


@dataclass(frozen=True)
class Pair:
    """Two pictures, by their places in the order given, and how alike they are, up to 1."""

    one: int
    other: int
    similarity: float


@dataclass(frozen=True)
class Search:
    """What a search found.

    Args:
        pairs: the confirmed ones, the most alike first.
        compared: pictures that were compared with the others before time ran out.
    """

    pairs: tuple[Pair, ...]
    compared: int


def search(miniatures: NDArray[np.uint8], sides: NDArray[np.int64], *, seconds: float | None = None) -> Search:
    """Find the pictures that are alike.

    Args:
        miniatures: (N, 32, 32).
        sides: (N,), the short sides of the pictures that they show, in pixels.
        seconds: after which no further ones are compared; without, all are.

    >>> scenes = np.random.default_rng(0).integers(0, 256, (9, 32, 32), np.uint8)
    >>> scenes[7] = scenes[2] // 2 + 40
    >>> [(pair.one, pair.other) for pair in search(scenes, np.full(9, 100)).pairs]
    [(2, 7)]
    """
    started = time.monotonic()
    count = len(miniatures)
    if count < 2:
        return Search((), count)
    blocks = [slice(begin, begin + _BLOCK) for begin in range(0, count, _BLOCK)]
    index = _Index(np.concatenate([descriptors(miniatures[block], WINDOWS[0]) for block in blocks]))
    least = np.where(sides < SMALL, ALIKE_SMALL, ALIKE)
    best: dict[tuple[int, int], float] = {}
    compared = 0
    for block in blocks:
        if seconds is not None and time.monotonic() - started > seconds:
            break
        owners, others, windows = _likely(miniatures[block], block.start, index)
        found = similarity(miniatures[owners], miniatures[others], windows)
        sure = np.flatnonzero(found >= np.minimum(least[owners], least[others]))
        for one, other, value in zip(owners[sure].tolist(), others[sure].tolist(), found[sure].tolist(), strict=True):
            pair = min(one, other), max(one, other)
            best[pair] = max(best.get(pair, 0.0), round(value, 3))
        compared += len(miniatures[block])
    pairs = sorted((Pair(*pair, value) for pair, value in best.items()), key=_by_similarity)
    return Search(tuple(pairs), compared)


def _by_similarity(pair: Pair) -> tuple[float, int, int]:
    return -pair.similarity, pair.one, pair.other


def _likely(
    block: NDArray[np.uint8], begin: int, index: _Index
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Of each picture of the block, the others that are likely to show a window of it, and the window."""
    columns: list[tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32], NDArray[np.int64]]] = []
    for number, window in enumerate(WINDOWS):
        rows, others, agreement = index.find(descriptors(block, window), LIKELY * LENGTH**2)
        apart = rows + begin != others
        columns.append((rows[apart], others[apart], agreement[apart], np.full(int(apart.sum()), number)))
    rows, others, agreement, windows = (np.concatenate(column) for column in zip(*columns, strict=True))
    order = np.lexsort((windows, -agreement, others, rows))  # of each pair, the best window first
    rows, others, agreement, windows = rows[order], others[order], agreement[order], windows[order]
    new = np.ones(len(rows), bool)
    new[1:] = (rows[1:] != rows[:-1]) | (others[1:] != others[:-1])
    rows, others, agreement, windows = rows[new], others[new], agreement[new], windows[new]
    order = np.lexsort((others, -agreement, rows))
    rows, others, windows = rows[order], others[order], windows[order]
    kept = np.arange(len(rows)) - np.searchsorted(rows, rows) < _KEPT
    return rows[kept] + begin, others[kept], windows[kept]


class _Index:
    """Descriptors of whole pictures, in the cells of the landmarks that they are most like.

    Args:
        whole: (N, 64).
    """

    def __init__(self, whole: NDArray[np.float32]) -> None:
        self.whole = whole
        count = len(whole)
        landmarks = 1 if count <= _FEW else round(_LANDMARKS * count**0.5)
        self.landmarks = whole[np.sort(np.random.default_rng(0).choice(count, landmarks, replace=False))]
        self.members = self._by_cell(whole, _JOINED)

    def find(self, vectors: NDArray[np.float32], least: float) -> Candidates:
        """For each vector (V, 64) the pictures in its cells that agree: vectors, pictures, agreements; some twice."""
        found: list[Candidates] = []
        for asked, members in zip(self._by_cell(vectors, _PROBED), self.members, strict=True):
            if not len(asked) or not len(members):
                continue
            agreement = vectors[asked] @ self.whole[members].T
            rows, columns = np.nonzero(agreement >= least)
            if len(rows) > 2 * _KEPT * len(asked):  # all are alike: of each row the most alike
                columns = np.argpartition(-agreement, _KEPT, axis=1)[:, : _KEPT + 1].ravel()
                rows = np.repeat(np.arange(len(asked)), _KEPT + 1)
                rows, columns = (one[agreement[rows, columns] >= least] for one in (rows, columns))
            found.append((asked[rows], members[columns], agreement[rows, columns]))
        if not found:
            return np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0, np.float32)
        rows, others, agreements = (np.concatenate(column) for column in zip(*found, strict=True))
        return rows, others, agreements

    def _by_cell(self, vectors: NDArray[np.float32], cells: int) -> list[NDArray[np.int64]]:
        """The vectors of each cell, each in several."""
        landmarks = len(self.landmarks)
        cells = min(cells, landmarks)
        nearest = np.concatenate(
            [
                np.argpartition(-(vectors[begin : begin + _BLOCK] @ self.landmarks.T), cells - 1, axis=1)[:, :cells]
                for begin in range(0, len(vectors), _BLOCK)
            ]
        )
        order = np.argsort(nearest.ravel(), kind="stable")
        bounds = np.searchsorted(nearest.ravel()[order], np.arange(landmarks + 1))
        return [order[bounds[cell] : bounds[cell + 1]] // cells for cell in range(landmarks)]


def gather(pairs: Sequence[Pair], most: int) -> tuple[list[list[int]], int]:
    """Clusters of the pictures in pairs, the most alike joined first, none of more than `most`.

    Args:
        pairs: the most alike first.

    Returns:
        the clusters, each in order, and how many pairs they part.

    >>> gather([Pair(3, 5, 0.99), Pair(1, 3, 0.95), Pair(0, 1, 0.9)], 3)
    ([[1, 3, 5]], 1)
    """
    home: dict[int, list[int]] = {}
    for pair in pairs:
        one, other = (home.setdefault(place, [place]) for place in (pair.one, pair.other))
        if one is other or len(one) + len(other) > most:
            continue
        large, little = (one, other) if len(one) >= len(other) else (other, one)
        large += little
        home.update(dict.fromkeys(little, large))
    parted = sum(home[pair.one] is not home[pair.other] for pair in pairs)
    clusters = {id(cluster): sorted(cluster) for cluster in home.values() if len(cluster) > 1}
    return sorted(clusters.values()), parted


def limit(pictures: int) -> int:
    """Pictures that a cluster of so many may have."""
    return max(MOST, int(MOST_SHARE * pictures))
