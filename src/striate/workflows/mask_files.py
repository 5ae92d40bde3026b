"""Predicted masks as files: classes as PNG, drawn over their pictures, and as outlines."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import takewhile
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from striate.core.artifacts import make_folder, read_json, write_bytes, write_json
from striate.core.errors import DataError, StriateError, UnknownName, UsageError
from striate.data.annotations import coco, geojson
from striate.data.dataset import list_pictures
from striate.data.decode import decode_sample
from striate.data.store import Store
from striate.explain import class_colours, mask_overlay, mask_png
from striate.infer import Ensemble, Model, Prediction
from striate.workflows.figures import png

OUTLINES = ("geojson", "coco")
ANNOTATIONS, LEGEND = "annotations.json", "classes.json"
"""What is of all pictures together: their outlines as COCO, and what the numbers of classes stand for."""


class MaskFiles:
    """Writes the masks of predictions into a folder as they come.

    Of the picture `a/b.jpg` it is `a/b.png`, whose numbers are classes and whose palette shows them, and
    `a/b.overlay.png`, the classes over the picture; as GeoJSON also `a/b.geojson`, and as COCO one
    `annotations.json` of all. `classes.json` says what the numbers stand for.

    Args:
        model: that predicts.
        folder: made where it is not there. No file of it is written over; a `classes.json` that says the same stays.
        paths: what is predicted, as `Model.predict_paths` takes it.
        outlines: None, or one of `OUTLINES`.

    Raises:
        UsageError: the model gives no masks.
        UnknownName: there are no such outlines.
        DataError: the folder has outlines of all pictures already, or its masks are of other classes.
    """

    def __init__(
        self, model: Model | Ensemble, folder: Path, paths: Sequence[str | Path], outlines: str | None = None
    ) -> None:
        if not model.task.per_pixel:
            raise UsageError(
                f"masks are of the task segment, and this Model is of {model.task.name}",
                fix="leave --draw out; `striate explain` draws where it looked",
            )
        if outlines is not None and outlines not in OUTLINES:
            raise UnknownName("kind of outlines", outlines, OUTLINES)
        self.model = model
        self.folder = make_folder(folder)
        self.outlines = outlines
        self._colours = class_colours(len(model.classes))
        if outlines == "coco":
            self._refuse_old(ANNOTATIONS)
        if not self._told():
            self._refuse_old(LEGEND)
        self._samples = {sample.key: sample for sample in list_pictures(paths)}
        self._stems = _stems(list(self._samples))
        self._store = Store()
        self._masks: dict[str, NDArray[np.uint8]] = {}

    def write(self, prediction: Prediction) -> None:
        """Write the mask of a prediction. Raises `DataError` where a file of that name is there already."""
        mask, stem = prediction.mask, self._stems[prediction.key]
        assert mask is not None
        make_folder((self.folder / stem).parent)
        self._new(f"{stem}.png", mask_png(mask, self._colours))
        picture = decode_sample(self._store, self._samples[prediction.key])
        one = self.model.models[0] if isinstance(self.model, Ensemble) else self.model  # all take it whole
        pixels = one.prepare_each([picture])[0].numpy()
        self._new(f"{stem}.overlay.png", png(mask_overlay(pixels, mask, self._colours)))
        if self.outlines == "geojson":
            content = geojson(mask, self.model.classes)
            self._new(f"{stem}.geojson", json.dumps(content).encode())
        elif self.outlines == "coco":
            self._masks[prediction.key] = mask

    def close(self) -> None:
        """Write what is of all pictures together, and say what the numbers of classes stand for."""
        if self.outlines == "coco":
            self._refuse_old(ANNOTATIONS)
            write_json(self.folder / ANNOTATIONS, coco(self._masks, self.model.classes))
        if not self._told():
            self._refuse_old(LEGEND)
            write_json(self.folder / LEGEND, self._legend())

    def _legend(self) -> dict[str, Any]:
        names = {str(place): name for place, name in enumerate(self.model.classes)}
        return {"classes": names, "colours": {str(place): one for place, one in enumerate(self._colours.tolist())}}

    def _told(self) -> bool:
        """Whether the folder says already what the numbers stand for, as it would be said."""
        try:
            return bool(read_json(self.folder / LEGEND) == self._legend())
        except StriateError:  # none is there, or it is no JSON
            return False

    def _refuse_old(self, name: str) -> None:
        path = self.folder / name
        if path.exists():
            raise DataError(f"{path} exists already, and is not written over", fix="name another folder, or a new one")

    def _new(self, name: str, content: bytes) -> None:
        self._refuse_old(name)
        write_bytes(self.folder / name, content)


def written(files: MaskFiles, predictions: Iterable[Prediction]) -> Iterator[Prediction]:
    """The predictions as they come, each mask written; what is of all of them together when the last has come."""
    for prediction in predictions:
        files.write(prediction)
        yield prediction
    files.close()


def _stems(keys: Sequence[str]) -> dict[str, str]:
    """A name for the files of each picture, below the folder that all are in: its own without the suffix, where that is
    no other's.

    >>> _stems(["/data/a.png", "/data/a.jpg", "/data/x.zip::b/c.png"])
    {'/data/a.png': 'a.png', '/data/a.jpg': 'a.jpg', '/data/x.zip::b/c.png': 'x.zip/b/c'}
    """
    parts = {key: PurePosixPath(key.replace("::", "/")).parts for key in keys}
    levels = zip(*(one[:-1] for one in parts.values()), strict=False)
    above = sum(1 for _ in takewhile(lambda level: len(set(level)) == 1, levels))
    whole = {key: "/".join(part for part in one[above:] if part not in ("..", "/")) for key, one in parts.items()}
    short = {key: str(PurePosixPath(one).with_suffix("")) for key, one in whole.items()}
    counts = Counter(short.values())
    return {key: short[key] if counts[short[key]] == 1 else whole[key] for key in keys}
