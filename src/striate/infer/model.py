"""The Model: the shippable artifact. Weights in safetensors and one JSON, no pickle and no code; predicts anywhere."""

from __future__ import annotations

import contextlib
import itertools
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from striate.core.artifacts import finite, make_folder, write_json
from striate.core.boxes import Floats, Frame
from striate.core.errors import DataError, UsageError
from striate.core.machine import processors
from striate.core.memory import freed_memory_kept
from striate.core.records import Damaged, Picture, Pixels
from striate.core.tensors import read_tensors, write_tensors
from striate.data.loader import Batch
from striate.data.prepare import Preprocessing
from striate.infer.artifact import DESCRIPTION, FORMAT, WEIGHTS, checksum, description, find, load_strictly, verify
from striate.infer.box_tiles import Side, Tile, Tiling, merged, tiles, tiling_of
from striate.infer.forward import VIEWS, Views, evaluating, over_views, stream_outputs
from striate.infer.intake import Images, OnDamaged, Read, batch_of, batches_of, stack, whole
from striate.infer.prediction import Prediction, found_prediction, prediction_of
from striate.infer.predictor import Predictor
from striate.infer.ready import ForwardWay, Precision, made_ready
from striate.infer.tiles import on_whole
from striate.nets import Normalize, build
from striate.nets.sources import Source, described
from striate.tasks import Task, task_from_dict
from striate.tasks.detect import Detect
from striate.tasks.segment import Segment

OWN_TURN, OWN_BYTES = 8, 256 * 1024**2
"""Batches, and bytes of them at most, of pictures of their own sizes that are put together by size."""
TURN, TURN_BYTES = 64, 64 * 1024**2
"""Pictures, and bytes of them, that a processor decodes in one turn at most, before it computes them. Beside decoding
in the same moments, in one run on 2 cores with AMX, medians: MobileNetV3-small 285 → 365 pictures a second, ResNet-50
138 → 150, ResNet-18 263 → 273."""
_PRECISIONS = ("float32", "bfloat16")
_EXTRA: dict[str, Any] = {
    "precision": "float32",
    "channels_last": False,
    "views": "single",
    "batch_size": 32,
    "summary": {},
}
_SIZED = {"one": "", "own": " at most, in own sizes", "patch": ", and whole pictures of any size"}
_KEYS = {"striate_model", "sha256", "bytes", "network", "preprocessing", "task", "classes", *_EXTRA}


class Model(Predictor):
    """A trained network with all that prediction needs; made by `Model.load`, written by `Model.save`.

    The same call gives the same bits, from a copy anywhere (same build of torch, same threads): precision, memory
    format and the size of a batch are the Model's own. Batches of another size differ in the last digits.

    Args:
        network: in evaluation mode from here on.
        spec: the network as data, as `striate.nets.build` reads it.
        preprocessing: from a decoded picture to the network's input.
        task: what is asked; brings the class names and the decoding.
        precision: "float32" or "bfloat16" (autocast).
        channels_last: whether the network runs channels-last.
        views: what a prediction averages over; see `striate.infer.each_view`.
        batch_size: pictures in a batch, unless a call names another.
        summary: figures of the training, for the reader; nothing depends on them.
        path: the folder it was read from.
        device: where the network is.
    """

    def __init__(
        self,
        network: nn.Module,
        spec: Mapping[str, Any],
        preprocessing: Preprocessing,
        task: Task,
        *,
        precision: Precision = "float32",
        channels_last: bool = False,
        views: Views = "single",
        batch_size: int = 32,
        summary: Mapping[str, Any] | None = None,
        path: Path | None = None,
        device: str | torch.device = "cpu",
    ) -> None:
        self.device = torch.device(device)
        self.network = network.to(self.device).eval()
        if channels_last:
            self.network = self.network.to(memory_format=torch.channels_last)
        self.normalize = Normalize(preprocessing.mean, preprocessing.std).to(self.device).eval()
        self.spec = dict(spec)
        self.preprocessing = preprocessing
        self.task = task
        self.precision = precision
        self.channels_last = channels_last
        self.views = views
        self.batch_size = batch_size
        self.summary = dict(summary or {})
        self.path = path
        self._ready: nn.Module | None = None
        self._making = threading.Lock()

    @property
    def way(self) -> ForwardWay:
        """How predictions are computed."""
        return ForwardWay(self.precision, self.channels_last)

    @property
    def ready(self) -> nn.Module:
        """The network as predictions run it, a copy made at the first: see `striate.infer.made_ready`.

        It does not follow later changes of `network`, such as other weights; a Model is made anew for those.
        """
        with self._making:
            if self._ready is None:
                shape = (self.preprocessing.channels, self.preprocessing.height, self.preprocessing.width)
                self._ready = on_whole(made_ready(self.network, self.way, shape), self.preprocessing)
            return self._ready

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names, or the names of the predicted values, in the order of the outputs."""
        return tuple(self.task.target_names)

    @property
    def sources(self) -> list[Source]:
        """What its weights were trained from, the nearest first: of each what is said, licence and known bias too."""
        return [dict(one) for one in self.summary.get("sources", [])]

    # -- on disk

    @classmethod
    def save(
        cls,
        folder: str | Path,
        network: nn.Module,
        spec: Mapping[str, Any],
        preprocessing: Preprocessing,
        task: Task,
        extra: Mapping[str, Any] | None = None,
    ) -> Path:
        """Write `model.safetensors` and `model.json` into a folder, each whole or not at all.

        Floating-point weights are stored as float32; memory layouts and ties are recorded.

        Args:
            extra: any of `precision`, `channels_last`, `views`, `batch_size`, `summary`; see `Model`.

        Returns:
            The folder.

        Raises:
            UsageError: `extra` holds something else.
        """
        settings = _checked_extra(extra or {})
        folder = make_folder(Path(folder))
        weights = folder / WEIGHTS
        digest = write_tensors(
            weights,
            {
                name: tensor.detach().cpu().float() if tensor.is_floating_point() else tensor.detach().cpu()
                for name, tensor in network.state_dict().items()
            },
        )
        content = {
            "striate_model": FORMAT,
            "sha256": digest,
            "bytes": weights.stat().st_size,
            "network": dict(spec),
            "preprocessing": preprocessing.to_dict(),
            "task": task.to_dict(),
            "classes": list(task.target_names),
            **settings,
        }
        content = finite(content)
        write_json(folder / DESCRIPTION, {**content, "checksum": checksum(content)})
        return folder

    @classmethod
    def load(cls, path: str | Path, device: str | torch.device = "cpu") -> Model:
        """Read a Model, and verify it: version, both checksums, and that the weights fit the network.

        Args:
            path: the Model's folder, its `model.json`, or a Run.
            device: where to run it.

        Raises:
            RunError: there is no Model there, or one of another version.
            WeightsError: it is damaged, or its weights are another network's.
        """
        folder = find(Path(path))
        content = description(folder, _KEYS)
        weights = folder / WEIGHTS
        verify(weights, content)
        with torch.random.fork_rng(devices=[]):  # building draws random weights: the caller's state must not move
            network = build(content["network"])
        load_strictly(network, read_tensors(weights), weights)
        return cls(
            network,
            content["network"],
            Preprocessing.from_dict(content["preprocessing"]),
            task_from_dict(content["task"]),
            **{name: content[name] for name in _EXTRA},
            path=folder,
            device=device,
        )

    # -- prediction

    def prepare(self, pictures: Iterable[Picture]) -> Tensor:
        """Decoded pictures as the network's pixels, (N, C, H, W) on the 0..255 scale.

        Raises:
            UsageError: they keep their own sizes, and differ in them.
        """
        found = [self._prepared(picture) for picture in pictures]
        if len({one.shape for one in found}) > 1:
            raise UsageError(
                "this Model keeps the pictures' own sizes, and these differ: they make no single batch",
                fix="use `prepare_each`; `scores` takes what it gives",
            )
        return stack(found)

    def prepare_each(self, pictures: Iterable[Picture]) -> list[Tensor]:
        """Decoded pictures as the network's pixels, each (C, H, W) on the 0..255 scale, of one size or of their own."""
        return [torch.from_numpy(self._prepared(picture)) for picture in pictures]

    def outputs(self, images: Tensor) -> Tensor:
        """Raw outputs of one batch in float32, differentiable with respect to the pixels: for explaining, attacking
        and exporting.

        Args:
            images: (N, C, H, W) on the 0..255 scale.

        Returns:
            (N, K) float32, on the Model's device; (N, K, H, W) where pixels have classes.
        """
        with evaluating(self.network):
            return over_views(on_whole(self.network, self.preprocessing), self.standardised(images), self.views)

    def standardised(self, images: Tensor) -> Tensor:
        """Pixels as the network itself takes them: float32 on the Model's device, standardised, in its layout.

        Args:
            images: (N, C, H, W) on the 0..255 scale.
        """
        layout = torch.channels_last if self.channels_last else torch.contiguous_format
        standardised: Tensor = self.normalize(images.to(self.device))
        return standardised.contiguous(memory_format=layout)

    def scores(self, images: Images) -> NDArray[np.float32]:
        """Probabilities or values of prepared pixels, as prediction computes them.

        Args:
            images: (N, C, H, W) on the 0..255 scale, any N; or of any sizes a list of (C, H, W).

        Returns:
            (N, K) float32, in their order; where pixels have classes the share of each in a picture's.
        """
        return self._rows(images, self.batch_size, str)

    def masks(self, images: Images) -> Iterator[NDArray[np.uint8]]:
        """The class of each pixel of prepared pictures, (H, W) each, one after another.

        Args:
            images: as for `scores`.

        Raises:
            UsageError: the Model is not of a task in which pixels have classes.
        """
        task = self._of_pixels
        for number, image in enumerate(images):
            yield task.classes(self._alone(image, str(number)))[0]

    def of_each_pixel(self, image: Tensor, key: str) -> Tensor:
        """The probability of each class at each pixel of a prepared picture (C, H, W), (K, H, W) float32."""
        return self._of_pixels.chances(self._alone(image, key))[0]

    @property
    def _of_pixels(self) -> Segment:
        if not isinstance(self.task, Segment):
            raise UsageError(f"this Model is of the task {self.task.name}, and gives no masks", fix="use `predict`")
        return self.task

    def found(self, images: Images, frames: Sequence[Frame]) -> list[Floats]:
        """All that is found in prepared pictures, however unsure, in the pixels of the pictures as they were.

        Args:
            images: as for `scores`.
            frames: where each picture lies in its image, as `Preprocessing.placed` tells.

        Returns:
            of each picture (D, 6): x1, y1, x2, y2, score and class, the surest first.

        Raises:
            UsageError: the Model is not of a task in which things are looked for.
        """
        task = self._of_things
        found: dict[int, Floats] = {}
        for outputs, ids in self._stream(batches_of(images, self.batch_size), str):
            found.update(zip(ids.tolist(), task.back(outputs, [frames[place] for place in ids]), strict=True))
        return [found[place] for place in range(len(images))]

    def tilings(self, tile: Side | None, overlap: int | None = None) -> tuple[Tiling, ...]:
        """How it cuts pictures into tiles, see `Predictor.tilings`: one, or none."""
        tiling = tiling_of(self.task, tile, overlap)
        return () if tiling is None else (tiling,)

    def found_in_tiles(self, picture: Picture, tilings: tuple[Tiling, ...], key: str = "the picture") -> Floats:
        """All that is found in one picture that is looked at tile by tile, as `found` has it.

        Args:
            tilings: what `tilings` gave.
            key: what it is called in an error.

        Returns:
            (D, 6), the surest first, put together as `striate.infer.box_tiles.merged` does.

        Raises:
            DataError: the picture's channels are not the network's, or a pixel is not finite.
        """
        ((_, found),) = self._in_tiles([(key, picture)], self.batch_size, tilings)
        if isinstance(found, Damaged):
            raise DataError(found.reason)
        return found

    def _in_tiles(
        self, pictures: Iterable[tuple[str, Picture]], batch_size: int, tilings: tuple[Tiling, ...]
    ) -> Iterator[tuple[str, Floats | Damaged]]:
        """What is found in each picture, in their order.

        Tiles are prepared, each as a picture of its own, when a batch has room for them, so that of a picture no more
        is in memory than itself and a batch. A batch holds tiles of several pictures where these have few.
        """
        (tiling,) = tilings
        under_way: deque[_InTiles] = deque()
        parts = self._tiles(pictures, tiling, under_way)
        while some := list(itertools.islice(parts, batch_size)):
            keys = [one.key for one, _, _ in some]
            frames = [self.preprocessing.placed(at.bottom - at.top, at.right - at.left) for _, at, _ in some]
            images = stack([pixels for _, _, pixels in some])
            ((outputs, _),) = self._stream([batch_of(images)], keys.__getitem__)
            for (one, at, _), rows in zip(some, self._of_things.back(outputs, frames), strict=True):
                rows[:, :4] += [at.left, at.top, at.left, at.top]
                one.found.append(rows)
            while under_way and under_way[0].done:
                yield under_way.popleft().result()
        yield from (one.result() for one in under_way)

    def _tiles(
        self, pictures: Iterable[tuple[str, Picture]], tiling: Tiling, under_way: deque[_InTiles]
    ) -> Iterator[tuple[_InTiles, Tile, Pixels]]:
        """The tiles of each picture, prepared; those that were begun stand in `under_way`, in order."""
        for key, picture in pictures:
            one = _InTiles(key, tiles(picture.pixels.shape[:2], tiling))
            under_way.append(one)
            try:
                for at in one.places:
                    part = replace(picture, pixels=picture.pixels[at.top : at.bottom, at.left : at.right])
                    yield one, at, self._prepared(part)
            except DataError as error:
                one.damaged = error.message

    @property
    def _of_things(self) -> Detect:
        if not isinstance(self.task, Detect):
            raise UsageError(f"this Model is of the task {self.task.name}, and gives no boxes", fix="use `predict`")
        return self.task

    def _rows(self, images: Images, batch_size: int, name: Callable[[int], str]) -> NDArray[np.float32]:
        if self.task.finds:
            raise UsageError("a Model of boxes gives no row of scores for a picture", fix="use `found` or `predict`")
        if self.task.per_pixel:
            return np.stack([self._of_pixels.shares(mask) for mask in self.masks(images)])
        rows = np.zeros((len(images), len(self.classes)), np.float32)
        for outputs, ids in self._stream(batches_of(images, batch_size), name):
            rows[ids] = self._scores(outputs)
        return rows

    def _predict(
        self,
        items: Iterable[tuple[str, Read]],
        batch_size: int,
        workers: int | None,
        on_damaged: OnDamaged,
        tilings: tuple[Tiling, ...],
    ) -> Iterator[Prediction]:
        keys: deque[str] = deque()
        workers = processors() if workers is None else workers
        if self.task.per_pixel:
            yield from self._predict_masks(items, workers, on_damaged)
            return
        if tilings:
            yield from self._predict_tiles(items, batch_size, workers, on_damaged, tilings)
            return
        if self.task.finds:
            yield from self._predict_boxes(items, batch_size, workers, on_damaged)
            return
        if self.preprocessing.own:
            yield from self._predict_own(items, batch_size, workers, on_damaged)
            return
        batches = self._prepared_batches(items, batch_size, workers, on_damaged, keys)
        # One picture alone is sooner computed than memory is given back.
        with freed_memory_kept() if workers != 0 else contextlib.nullcontext():
            for outputs, _ in self._stream(batches, lambda row: keys[row]):
                for row in self._scores(outputs):
                    yield prediction_of(self.task, keys.popleft(), row)

    def _predict_own(
        self, items: Iterable[tuple[str, Read]], batch_size: int, workers: int, on_damaged: OnDamaged
    ) -> Iterator[Prediction]:
        """Predictions in the order of the pictures, which are put together by size some batches at a time."""
        shape = self.preprocessing
        most = OWN_BYTES // (shape.channels * shape.height * shape.width)
        count = batch_size * max(1, min(OWN_TURN, most // batch_size))
        with freed_memory_kept() if workers else contextlib.nullcontext():
            found = self._whole(items, workers, count, on_damaged)
            while some := list(itertools.islice(found, count)):
                keys = [key for key, _ in some]
                images = [torch.from_numpy(pixels) for _, pixels in some]
                for key, row in zip(keys, self._rows(images, batch_size, keys.__getitem__), strict=True):
                    yield prediction_of(self.task, key, row)

    def _predict_masks(
        self, items: Iterable[tuple[str, Read]], workers: int, on_damaged: OnDamaged
    ) -> Iterator[Prediction]:
        """Predictions of whole pictures, each computed by itself, as they have any size."""
        task = self._of_pixels
        with freed_memory_kept() if workers else contextlib.nullcontext():
            for key, pixels in self._whole(items, workers, max(1, workers), on_damaged):
                mask = task.classes(self._alone(torch.from_numpy(pixels), key))[0]
                yield replace(prediction_of(task, key, task.shares(mask)), mask=mask)

    def _predict_boxes(
        self, items: Iterable[tuple[str, Read]], batch_size: int, workers: int, on_damaged: OnDamaged
    ) -> Iterator[Prediction]:
        """Predictions of what is in each picture, where it is there."""

        def prepared(picture: Picture) -> tuple[Pixels, Frame]:
            return self._prepared(picture), self.preprocessing.placed(*picture.pixels.shape[:2])

        task, window = self._of_things, self._turn(batch_size) if self.device.type == "cpu" else batch_size
        with freed_memory_kept() if workers else contextlib.nullcontext():
            found = whole(items, prepared, workers, window, on_damaged, turns=self.device.type == "cpu")
            while some := list(itertools.islice(found, batch_size)):
                keys, frames = [key for key, _ in some], [frame for _, (_, frame) in some]
                images = stack([pixels for _, (pixels, _) in some])
                ((outputs, _),) = self._stream([batch_of(images)], keys.__getitem__)
                for key, rows in zip(keys, task.back(outputs, frames), strict=True):
                    yield found_prediction(task, key, rows)

    def _predict_tiles(
        self,
        items: Iterable[tuple[str, Read]],
        batch_size: int,
        workers: int,
        on_damaged: OnDamaged,
        tilings: tuple[Tiling, ...],
    ) -> Iterator[Prediction]:
        """The same of pictures in tiles. One is decoded at a time, as one may be as large as many."""
        task, ahead = self._of_things, min(workers, 1)
        with freed_memory_kept() if workers else contextlib.nullcontext():
            pictures = whole(items, lambda one: one, ahead, 1, on_damaged, turns=self.device.type == "cpu")
            for key, found in self._in_tiles(pictures, batch_size, tilings):
                if isinstance(found, Damaged):
                    on_damaged(key, found.reason)
                else:
                    yield found_prediction(task, key, found)

    def _alone(self, image: Tensor, key: str) -> Tensor:
        """The raw outputs of one picture (C, H, W), (1, …)."""
        ((outputs, _),) = self._stream([batch_of(image[None])], lambda _: key)
        return outputs

    def _stream(self, batches: Iterable[Batch], name: Callable[[int], str]) -> Iterator[tuple[Tensor, Any]]:
        return stream_outputs(
            self.ready,
            self.normalize,
            batches,
            views=self.views,
            device=self.device,
            name=name,
        )

    def _prepared_batches(
        self,
        items: Iterable[tuple[str, Read]],
        batch_size: int,
        workers: int,
        on_damaged: OnDamaged,
        keys: deque[str],
    ) -> Iterator[Batch]:
        """Batches of whole pictures; the keys of those under way stand in `keys`, in order."""
        pixels: list[Pixels] = []
        window = self._turn(batch_size) if self.device.type == "cpu" else batch_size
        for key, found in self._whole(items, workers, window, on_damaged):
            keys.append(key)
            pixels.append(found)
            if len(pixels) == batch_size:
                yield batch_of(stack(pixels))
                pixels = []
        if pixels:
            yield batch_of(stack(pixels))

    def _whole(
        self, items: Iterable[tuple[str, Read]], workers: int, window: int, on_damaged: OnDamaged
    ) -> Iterator[tuple[str, Pixels]]:
        """Whole pictures, prepared."""
        return whole(items, self._prepared, workers, window, on_damaged, turns=self.device.type == "cpu")

    def _turn(self, batch_size: int) -> int:
        """Pictures that are decoded before they are computed: whole batches, of so many or so many bytes at most."""
        shape = self.preprocessing
        most = min(TURN, TURN_BYTES // (shape.channels * shape.height * shape.width))
        return batch_size * max(1, most // batch_size)

    def _prepared(self, picture: Picture) -> Pixels:
        pixels = self.preprocessing.prepare(picture)
        if pixels.dtype != np.uint8 and not np.isfinite(pixels).all():
            raise DataError("it holds pixels that are not finite numbers")
        return pixels

    def _scores(self, outputs: Tensor) -> NDArray[np.float32]:
        return np.asarray(self.task.scores(outputs).numpy(), np.float32)

    # -- for the reader

    def describe(self) -> dict[str, Any]:
        """The Model in a few plain values."""
        parameters = sum(parameter.numel() for parameter in self.network.parameters())
        names = ", ".join(self.classes[:12]) + (", …" if len(self.classes) > 12 else "")
        shape = (self.preprocessing.channels, self.preprocessing.height, self.preprocessing.width)
        return {
            "task": self.task.name,
            "network": self.spec.get("name"),
            "input": "×".join(map(str, shape)) + _SIZED[self.preprocessing.sizing],
            "outputs": f"{len(self.classes)}: {names}",
            "parameters": f"{parameters:,}",
            "precision": self.precision,
            "views": self.views,
            "batch_size": self.batch_size,
            **self._decided(),
            **{name: value for name, value in self.summary.items() if isinstance(value, str | int | float)},
            **({"trained from": " ← ".join(map(described, self.sources))} if self.sources else {}),
        }

    def _decided(self) -> dict[str, Any]:
        """What validation decided of its predictions."""
        settings, each = self.task.settings, "class" if self.task.finds else "label"
        return {
            **({} if settings.temperature is None else {"temperature": round(settings.temperature, 4)}),
            **({} if settings.thresholds is None else {"thresholds": f"of each {each}"}),
            **({} if settings.sets is None else {"coverage": settings.sets.coverage}),
        }

    def __repr__(self) -> str:
        return "Model(" + ", ".join(f"{name}={value}" for name, value in self.describe().items()) + ")"

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><th style='text-align:left'>{escape(name)}</th><td>{escape(str(value))}</td></tr>"
            for name, value in self.describe().items()
        )
        return f"<table><caption>striate Model</caption>{rows}</table>"


@dataclass
class _InTiles:
    """A picture that is looked at in tiles.

    Args:
        key: the picture.
        places: its tiles.
        found: in each, as far as they were looked at, in the picture's pixels.
        damaged: why it cannot be.
    """

    key: str
    places: list[Tile]
    found: list[Floats] = field(default_factory=list)
    damaged: str = ""

    @property
    def done(self) -> bool:
        """Whether all of it is known that will be."""
        return bool(self.damaged) or len(self.found) == len(self.places)

    def result(self) -> tuple[str, Floats | Damaged]:
        """What was found in all of it."""
        return self.key, Damaged(self.key, self.damaged) if self.damaged else merged(self.found, self.places)


def _checked_extra(extra: Mapping[str, Any]) -> dict[str, Any]:
    unknown = sorted(set(extra) - set(_EXTRA))
    if unknown:
        raise UsageError(f"a Model has no {', '.join(unknown)}", fix=f"give only {', '.join(_EXTRA)}")
    settings = {**_EXTRA, **extra}
    if settings["precision"] not in _PRECISIONS:
        raise UsageError(f"there is no precision {settings['precision']!r}", fix=f"choose of {', '.join(_PRECISIONS)}")
    if settings["views"] not in VIEWS:
        raise UsageError(f"there are no views {settings['views']!r}", fix=f"choose of {', '.join(VIEWS)}")
    if not isinstance(settings["batch_size"], int) or settings["batch_size"] < 1:
        raise UsageError(f"batch_size must be a whole number from 1 on, not {settings['batch_size']!r}")
    return settings
