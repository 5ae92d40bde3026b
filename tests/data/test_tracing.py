"""Outlines of regions: filled again they are the mask, and their rings are as simple as they are said to be."""

from __future__ import annotations

import json
from collections import Counter

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from striate.core.records import VOID, Mask, MaskCode, Region
from striate.data.annotations import coco, geojson
from striate.data.masks import painted
from striate.data.outlines import inside_polygon, inside_runs, runs_from_text
from striate.data.tracing import shoelace, trace

NAMES = [f"class {number}" for number in range(5)]
MASKS = {
    "one pixel": np.array([[1]]),
    "a line": np.array([[1, 1, 2, 0, 1]]),
    "full": np.ones((4, 5)),
    "empty": np.zeros((4, 5)),
    "a ring": np.array([[1, 1, 1], [1, 0, 1], [1, 1, 1]]),
    "an island in a ring": np.pad(np.pad(np.ones((1, 1)), 1), 1, constant_values=1),
    "corners that touch": np.array([[1, 0], [0, 1]]),
    "a hole that touches the outside": np.array([[0, 1, 1], [1, 0, 1], [1, 1, 1]]),
    "holes that touch": np.array([[1, 1, 1, 1], [1, 0, 1, 1], [1, 1, 0, 1], [1, 1, 1, 1]]),
    "void": np.array([[VOID, 1], [1, VOID]]),
}
MASKS = {name: mask.astype(np.uint8) for name, mask in MASKS.items()}
for seed in range(20):
    random = np.random.default_rng(seed)
    noise = random.choice(4, (11, 14), p=[0.4, 0.4, 0.15, 0.05])
    MASKS[f"noise {seed}"] = np.where(random.random((11, 14)) < 0.05, VOID, noise).astype(np.uint8)
    fields = [ndimage.gaussian_filter(random.normal(size=(60, 70)), 3) for _ in range(4)]
    MASKS[f"blobs {seed}"] = np.argmax(fields, 0).astype(np.uint8)
every_mask = pytest.mark.parametrize("name", MASKS)


def even_odd(rings: list[list[list[float]]], size: tuple[int, int]) -> NDArray[np.bool_]:
    """What rings enclose, an odd number of times."""
    found = np.zeros(size, bool)
    for ring in rings:
        found ^= inside_polygon(np.ravel(ring).tolist(), size)
    return found


@every_mask
@pytest.mark.parametrize("background", [0, None, 1])
def test_filled_again_they_are_the_mask(name: str, background: int | None) -> None:
    mask = MASKS[name]
    covered = np.zeros(mask.shape, int)
    for region in trace(mask, background=background):
        inside = even_odd([ring.tolist() for ring in region.rings], mask.shape)
        assert (mask[inside] == region.place).all()
        assert inside.sum() == region.area == sum(shoelace(ring) for ring in region.rings)
        covered += inside
    assert (covered == ((mask != VOID) & (mask != background if background is not None else True))).all()


@every_mask
def test_regions_are_those_that_scipy_labels(name: str) -> None:
    mask = MASKS[name]
    found = Counter(region.place for region in trace(mask, background=None))
    for place in set(mask.ravel().tolist()) - {VOID}:
        assert found[place] == ndimage.label(mask == place)[1]
    for region in trace(mask):
        rows, columns = np.nonzero(even_odd([ring.tolist() for ring in region.rings], mask.shape))
        left, top, width, height = region.box
        assert (left, top) == (columns.min(), rows.min())
        assert (left + width, top + height) == (columns.max() + 1, rows.max() + 1)


@every_mask
def test_rings_are_simple_and_run_as_they_should(name: str) -> None:
    for region in trace(MASKS[name], background=None):
        assert shoelace(region.rings[0]) > 0
        assert all(shoelace(ring) < 0 for ring in region.rings[1:])
        inside = even_odd([ring.tolist() for ring in region.rings], MASKS[name].shape)
        outside = ndimage.label(np.pad(~inside, 1, constant_values=True))[1]
        assert len(region.rings) == outside, "a hole for each part of what is not the region, and one outside"
        for ring in region.rings:
            assert len({tuple(corner) for corner in ring.tolist()}) == len(ring), "a corner is passed twice"
            steps = np.roll(ring, -1, 0) - ring
            assert ((steps == 0).sum(1) == 1).all(), "sides go along pixels"
            turns = (steps == 0)[:, 0]
            assert (turns != np.roll(turns, 1)).all(), "a corner that is none"


@every_mask
def test_geojson_holds_the_mask(name: str) -> None:
    mask = MASKS[name]
    found = json.loads(json.dumps(geojson(mask, NAMES)))
    again = np.zeros(mask.shape, np.uint8)
    for feature in found["features"]:
        rings = feature["geometry"]["coordinates"]
        assert all(ring[0] == ring[-1] for ring in rings)
        again[even_odd([ring[:-1] for ring in rings], mask.shape)] = feature["properties"]["class_id"]
        assert feature["properties"]["class"] == f"class {feature['properties']['class_id']}"
    assert (again == np.where(mask == VOID, 0, mask)).all()
    assert {feature["geometry"]["type"] for feature in found["features"]} <= {"Polygon"}
    assert found["type"] == "FeatureCollection"


def test_coco_holds_the_masks_as_the_reader_paints_them() -> None:
    found = json.loads(json.dumps(coco(MASKS, NAMES)))
    assert [one["id"] for one in found["annotations"]] == list(range(1, len(found["annotations"]) + 1))
    assert [one["name"] for one in found["categories"]] == NAMES[1:]
    assert len(found["images"]) == len(MASKS)
    kinds = set()
    for image in found["images"][::3]:
        mask, own = MASKS[image["file_name"]], [one for one in found["annotations"] if one["image_id"] == image["id"]]
        assert (image["height"], image["width"]) == mask.shape
        regions = []
        for one in own:
            shape = one["segmentation"]
            kinds.add(type(shape))
            if isinstance(shape, list):
                regions.append(Region(one["category_id"], polygons=tuple(map(tuple, shape))))
                inside = inside_polygon(shape[0], mask.shape)
            else:
                counts = runs_from_text(shape["counts"])
                regions.append(Region(one["category_id"], counts=counts, size=tuple(shape["size"])))
                inside = inside_runs(counts, mask.shape)
            assert inside.sum() == one["area"]
            rows, columns = np.nonzero(inside)
            assert one["bbox"] == [columns.min(), rows.min(), np.ptp(columns) + 1, np.ptp(rows) + 1]
        again = painted(Mask(MaskCode("regions"), regions=tuple(regions)), mask.shape)
        assert (again == np.where(mask == VOID, 0, mask)).all()
    assert kinds == {list, dict}


def test_coco_is_what_pycocotools_reads() -> None:
    tools = pytest.importorskip("pycocotools.mask", reason="pycocotools is not installed")
    for annotation in coco(MASKS, NAMES)["annotations"]:
        shape = annotation["segmentation"]
        size = next(mask.shape for number, mask in enumerate(MASKS.values(), 1) if number == annotation["image_id"])
        encoded = tools.frPyObjects(shape, *size)[0] if isinstance(shape, list) else shape
        assert int(tools.area(encoded)) == annotation["area"]


def test_a_large_picture_is_traced_in_a_moment() -> None:
    mask = np.zeros((1000, 1000), np.uint8)
    mask[100:900, 100:900] = 1
    mask[300:600, 300:600] = 2
    assert [(region.place, len(region.rings)) for region in trace(mask)] == [(1, 2), (2, 1)]
