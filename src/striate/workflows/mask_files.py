"""Predicted masks as files: classes as PNG, drawn over their pictures, and as outlines."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from striate.core.artifacts import make_folder, read_json, write_json
from striate.core.errors import StriateError, UnknownName
from striate.core.records import Sample
from striate.data.annotations import coco, geojson
from striate.data.decode import decode_sample
from striate.data.store import Store
from striate.explain import class_colours, mask_overlay, mask_png
from striate.infer import Ensemble, Model, Prediction
from striate.workflows.figures import png
from striate.workflows.predicted_files import OVERLAY, named_once, refuse_old, stems_of, write_new

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
        paths: what is predicted, as `Model.predict_paths` takes it; of a picture that is named twice, files are
            written once.
        outlines: None, or one of `OUTLINES`.

    Raises:
        UnknownName: there are no such outlines.
        UsageError: two pictures have one key.
        DataError: the folder has outlines of all pictures already, or its masks are of other classes.
    """

    def __init__(
        self, model: Model | Ensemble, folder: Path, paths: Sequence[str | Path], outlines: str | None = None
    ) -> None:
        if outlines is not None and outlines not in OUTLINES:
            raise UnknownName("kind of outlines", outlines, OUTLINES)
        self.model = model
        self.folder = make_folder(folder)
        self.outlines = outlines
        self._colours = class_colours(len(model.classes))
        if outlines == "coco":
            refuse_old(self.folder / ANNOTATIONS)
        if not self._told():
            refuse_old(self.folder / LEGEND)
        self.samples: Mapping[str, Sample] = named_once(paths)
        self._stems = stems_of([key for key, sample in self.samples.items() if key == sample.key])
        self._written: set[str] = set()
        self._store = Store()
        self._masks: dict[str, NDArray[np.uint8]] = {}

    def write(self, prediction: Prediction) -> None:
        """Write the mask of a prediction. Raises `DataError` where a file of that name is there already."""
        mask, sample = prediction.mask, self.samples[prediction.key]
        assert mask is not None
        if sample.key in self._written:  # it was named twice
            return
        self._written.add(sample.key)
        stem = self._stems[sample.key]
        write_new(self.folder / f"{stem}.png", mask_png(mask, self._colours))
        picture = decode_sample(self._store, sample)
        one = self.model.models[0] if isinstance(self.model, Ensemble) else self.model  # all take it whole
        pixels = one.prepare_each([picture])[0].numpy()
        write_new(self.folder / f"{stem}{OVERLAY}.png", png(mask_overlay(pixels, mask, self._colours)))
        if self.outlines == "geojson":
            content = geojson(mask, self.model.classes)
            write_new(self.folder / f"{stem}.geojson", json.dumps(content).encode())
        elif self.outlines == "coco":
            self._masks[sample.key] = mask

    def close(self) -> None:
        """Write what is of all pictures together, and say what the numbers of classes stand for."""
        if self.outlines == "coco":
            refuse_old(self.folder / ANNOTATIONS)
            write_json(self.folder / ANNOTATIONS, coco(self._masks, self.model.classes))
        if not self._told():
            refuse_old(self.folder / LEGEND)
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
