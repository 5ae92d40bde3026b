"""What predicts: one Model or several together, which take the same inputs in the same way."""

from __future__ import annotations

import itertools
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import cast

from striate.core.errors import UsageError
from striate.data.dataset import list_pictures
from striate.data.decode import decode_sample
from striate.data.store import Store
from striate.infer.box_tiles import Side, Tiling
from striate.infer.intake import Input, OnDamaged, Read, is_single, pictures, refuse, warn
from striate.infer.prediction import Prediction


class Predictor(ABC):
    """Predicts pictures however they are given."""

    batch_size: int

    def predict(
        self, x: Input | Sequence[Input], *, tile: Side | None = None, overlap: int | None = None
    ) -> Prediction | list[Prediction]:
        """Predict one picture or several.

        Args:
            x: a path, a PIL image or pixels; or a list of these. A folder or an archive gives a list. Pixels are
                (H, W), (H, W, C) or, for several pictures, (N, H, W, C); uint8, uint16 or float on the scale of the
                training data.
            tile, overlap: of boxes, in pixels of the picture: one with a longer side is looked at in tiles, see
                `tilings`.

        Returns:
            One `Prediction` for one picture, else a list in the order given.

        Raises:
            DataError: a picture is damaged or does not exist (`predict_paths` skips such).
            UsageError: see `tilings`.
        """
        tilings = self.tilings(tile, overlap)
        if isinstance(x, list | tuple):
            items = itertools.chain.from_iterable(pictures(one, f"/{row}") for row, one in enumerate(x))
            return list(self._predict(items, self.batch_size, None, refuse, tilings))
        one = cast(Input, x)
        single = is_single(one)
        found = list(self._predict(pictures(one, ""), self.batch_size, 0 if single else None, refuse, tilings))
        return found[0] if single else found

    def predict_paths(
        self,
        paths: Sequence[str | Path],
        *,
        batch_size: int | None = None,
        workers: int | None = None,
        on_damaged: OnDamaged | None = None,
        tile: Side | None = None,
        overlap: int | None = None,
    ) -> Iterator[Prediction]:
        """Predict pictures, folders (with all below them) and archives of any size, one after another.

        Threads decode some pictures before these are computed, on a processor in turn: 64 of them, or a batch, so
        memory stays bounded. A damaged one is left out of its batch, and the next takes its place. Until the last is
        taken, or the iterator is closed, the process keeps the memory that it frees.

        Args:
            batch_size: pictures in a batch; its own unless given.
            workers: decoding threads; the machine's cores unless given, and 0 for none. They never change a result.
            on_damaged: called with (key, reason) for each damaged picture, in order; a Python warning without it.
            tile, overlap: as for `predict`. Pictures are then decoded one at a time.

        Yields:
            A `Prediction` for every whole picture, in the order of the paths.

        Raises:
            DataError: a path does not exist.
            NonFinite: the network gives something that is not a number for a whole picture.
            UsageError: see `tilings`.
        """
        size = self.batch_size if batch_size is None else batch_size
        if size < 1:
            raise UsageError(f"a batch of {size} pictures cannot be", fix="give a batch_size of 1 or more")
        tilings = self.tilings(tile, overlap)
        store = Store()
        items = ((sample.key, partial(decode_sample, store, sample)) for sample in list_pictures(paths))
        return self._predict(items, size, workers, on_damaged or warn, tilings)

    @abstractmethod
    def tilings(self, tile: Side | None, overlap: int | None = None) -> tuple[Tiling, ...]:
        """How each of its Models cuts pictures into tiles; none where each is looked at whole.

        Args:
            tile: the side of a tile in pixels of the picture, 32 at least; "auto" for the median of the longer sides of
                the training pictures; None for no tiles.
            overlap: pixels that neighbours share at least; see `striate.infer.box_tiles.tiling_of`.

        Raises:
            UsageError: the task is not of boxes, or there are no such tiles.
        """

    @abstractmethod
    def _predict(
        self,
        items: Iterable[tuple[str, Read]],
        batch_size: int,
        workers: int | None,
        on_damaged: OnDamaged,
        tilings: tuple[Tiling, ...],
    ) -> Iterator[Prediction]:
        """Predict the whole ones of some pictures, by key, in their order.

        Args:
            workers: decoding threads; None for the machine's cores.
            on_damaged: called with key and reason of each that is damaged.
            tilings: what `tilings` gave.
        """
