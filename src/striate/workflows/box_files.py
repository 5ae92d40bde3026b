"""Boxes that were found as files: drawn over their pictures, and as annotations in a format of choice."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from striate.core.artifacts import make_folder
from striate.core.boxes import FOUND, Floats
from striate.core.errors import UnknownName
from striate.core.records import Box, Sample
from striate.data.decode import decode_sample
from striate.data.store import Store
from striate.data.writers import DECIMALS, WRITERS, Scene, number
from striate.explain import box_overlay
from striate.infer import Ensemble, FoundBox, Model, Prediction
from striate.workflows.box_figures import pixels_of
from striate.workflows.figures import png
from striate.workflows.predicted_files import OVERLAY, named_once, refuse_old, stems_of, write_new

BOXES = ("coco", "csv", "json", "voc", "yolo")
"""Formats of annotations that what was found is written in."""
RESULTS = "annotations/results.json"
"""What was found as COCO has results: a list, by the ids of `annotations/instances.json`."""
_HEADER = ("path", "width", "height", "x1", "y1", "x2", "y2", "label", "score")
_OF_RESULTS = ("image_id", "category_id", "bbox", "score")


class BoxFiles:
    """Writes what is found in pictures into a folder.

    Of the picture `a/b.jpg` it is `a/b.overlay.png`, the boxes over the picture. Annotations are of all pictures
    together, and written when the last has come: `csv` is `boxes.csv`, a table that is read as data too, with the
    folder that all pictures are in as its root; `json` is `boxes.json`; the others are as `striate convert` writes
    them, but that pictures stay where they are. Scores are in all of them but `yolo`, whose readers take no sixth
    number.

    Args:
        model: that predicts.
        folder: made where it is not there. No file of it is written over.
        paths: what is predicted, as `Model.predict_paths` takes it; of a picture that is named twice, files are
            written once.
        format: of annotations, one of `BOXES`; None for none.

    Raises:
        UnknownName: there is no such format.
        UsageError: two pictures have one key.
        DataError: a file that would be written is there.
    """

    def __init__(
        self, model: Model | Ensemble, folder: Path, paths: Sequence[str | Path], format: str | None = None
    ) -> None:
        if format is not None and format not in BOXES:
            raise UnknownName("format of boxes", format, BOXES)
        self.model = model
        self.folder = make_folder(folder)
        self.format = format
        first = model.models[0] if isinstance(model, Ensemble) else model
        self._full_scale = first.preprocessing.full_scale
        self.samples: Mapping[str, Sample] = named_once(paths)
        self._stems = stems_of([key for key, sample in self.samples.items() if key == sample.key])
        self._store = Store()
        self._scenes: dict[str, Scene] = {}
        empty = {key: self._scene(key, (1, 1), ()) for key in self._stems}
        for name in (*(f"{stem}{OVERLAY}.png" for stem in self._stems.values()), *dict(self._files(empty))):
            refuse_old(self.folder / name)

    def write(self, prediction: Prediction) -> None:
        """Draw the boxes of a prediction. Raises `DataError` where a file of that name is there already."""
        found, sample = prediction.boxes, self.samples[prediction.key]
        assert found is not None
        if sample.key in self._scenes:  # it was named twice
            return
        picture = decode_sample(self._store, sample)
        pixels = pixels_of(picture, self._full_scale)
        drawn = box_overlay(pixels, self._rows(found), self.model.classes)
        write_new(self.folder / f"{self._stems[sample.key]}{OVERLAY}.png", png(drawn))
        self._scenes[sample.key] = self._scene(sample.key, picture.pixels.shape[:2], found)

    def close(self) -> None:
        """Write the annotations."""
        for name, content in self._files(self._scenes):
            write_new(self.folder / name, content)

    def _rows(self, found: Sequence[FoundBox]) -> Floats:
        """Boxes as rows, (D, 6)."""
        places = {name: place for place, name in enumerate(self.model.classes)}
        rows = [(one.x1, one.y1, one.x2, one.y2, one.score, places[one.label]) for one in found]
        return np.array(rows, np.float64).reshape(-1, FOUND)

    def _scene(self, key: str, size: tuple[int, ...], found: Sequence[FoundBox]) -> Scene:
        """A picture and its boxes as writers take them; a box without a width or a height is none."""
        stem, path = self._stems[key], PurePosixPath(key.replace("::", "/"))
        kept = [one for one in found if one.x1 < one.x2 and one.y1 < one.y2]
        boxes = tuple(Box(one.label, one.x1, one.y1, one.x2, one.y2) for one in kept)
        suffix = "" if PurePosixPath(stem).name == path.name else path.suffix  # kept where it sets pictures apart
        return Scene(stem, suffix, (size[0], size[1]), boxes, scores=tuple(round(one.score, 6) for one in kept))

    def _files(self, scenes: dict[str, Scene]) -> Iterator[tuple[str, bytes]]:
        """The files of annotations by their names."""
        if self.format == "csv":
            yield "boxes.csv", _table(scenes.values())
        elif self.format == "json":
            content = {"classes": list(self.model.classes), "pictures": [_plain(*one) for one in scenes.items()]}
            yield "boxes.json", json.dumps(content).encode()
        elif self.format is not None:
            for name, made in WRITERS.get(self.format).files(list(scenes.values()), self.model.classes):
                yield name, made
                if self.format == "coco":
                    results = [{part: one[part] for part in _OF_RESULTS} for one in json.loads(made)["annotations"]]
                    yield RESULTS, json.dumps(results).encode()


def _table(scenes: Iterable[Scene]) -> bytes:
    """A row for each box, and one without edges for a picture in which nothing was found."""
    buffer = io.StringIO(newline="")
    table = csv.writer(buffer, lineterminator="\n")
    table.writerow(_HEADER)
    for scene in scenes:
        start = [scene.file, scene.size[1], scene.size[0]]
        for box, score in scene.scored:
            table.writerow([*start, *(number(edge) for edge in box.corners), box.label, score])
        if not scene.boxes:
            table.writerow([*start, *[""] * (len(_HEADER) - len(start))])
    return buffer.getvalue().encode("utf-8", "surrogateescape")


def _plain(key: str, scene: Scene) -> dict[str, Any]:
    """A picture with its boxes as plain values."""
    boxes = [
        {"label": box.label, "score": score, **{edge: round(asdict(box)[edge], DECIMALS) for edge in _EDGES}}
        for box, score in scene.scored
    ]
    return {"path": key, "width": scene.size[1], "height": scene.size[0], "boxes": boxes}


_EDGES = ("x1", "y1", "x2", "y2")
