"""Masks as annotations that other programs read: GeoJSON, and COCO's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from striate.data.outlines import fill_polygon, runs_of, runs_to_text
from striate.data.tracing import Traced, trace


def geojson(classes: NDArray[np.uint8], names: Sequence[str], *, background: int | None = 0) -> dict[str, Any]:
    """A FeatureCollection of a mask's regions, a Polygon each with its holes, in pixels of the picture.

    x goes to the right and y down, from the picture's upper left corner, as programs for pictures have it; rings are
    closed, and run as RFC 7946 asks (the outer one counterclockwise, were y to go up). Properties are `class`, its
    number `class_id`, and `area` in pixels.

    Args:
        classes: (H, W).
        names: of the classes.
        background: a class that is left out; None where there is no such.

    >>> found = geojson(np.array([[1]], np.uint8), ["ground", "disc"])
    >>> found["features"][0]["geometry"]["coordinates"]
    [[[0, 0], [1, 0], [1, 1], [0, 1], [0, 0]]]
    """
    features = [
        {
            "type": "Feature",
            "geometry": {
                "type": "Polygon",
                "coordinates": [[*ring.tolist(), ring[0].tolist()] for ring in region.rings],
            },
            "properties": {"class": names[region.place], "class_id": region.place, "area": region.area},
        }
        for region in trace(classes, background=background)
    ]
    return {"type": "FeatureCollection", "features": features}


def coco(masks: Mapping[str, NDArray[np.uint8]], names: Sequence[str], *, background: int | None = 0) -> dict[str, Any]:
    """Masks as one COCO document: an annotation for each region, categories by the numbers of the classes.

    A region without holes is a polygon; COCO's polygons have no holes, so that one with holes is run lengths.

    Args:
        masks: (H, W) each, by the file name of its picture.
        names: of the classes.
        background: a class that is left out; None where there is no such.

    >>> found = coco({"a.png": np.array([[0, 1]], np.uint8)}, ["ground", "disc"])
    >>> found["categories"], found["annotations"][0]["segmentation"]
    ([{'id': 1, 'name': 'disc'}], [[1, 0, 2, 0, 2, 1, 1, 1]])
    """
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for file, classes in masks.items():
        height, width = classes.shape
        images.append({"id": len(images) + 1, "file_name": file, "height": height, "width": width})
        for region in trace(classes, background=background):
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": len(images),
                    "category_id": region.place,
                    "segmentation": _segmentation(region, classes),
                    "area": region.area,
                    "bbox": list(region.box),
                    "iscrowd": 0,
                }
            )
    categories = [{"id": place, "name": name} for place, name in enumerate(names) if place != background]
    return {"images": images, "annotations": annotations, "categories": categories}


def _segmentation(region: Traced, classes: NDArray[np.uint8]) -> list[list[int]] | dict[str, Any]:
    """Polygons, or run lengths as text."""
    if len(region.rings) == 1:
        return [region.rings[0].ravel().tolist()]
    inside = np.zeros(classes.shape, np.bool_)
    for number, ring in enumerate(region.rings):
        fill_polygon(inside, ring.ravel().tolist(), number == 0)  # outside first, then the holes out of it
    return {"size": list(classes.shape), "counts": runs_to_text(runs_of(inside))}
