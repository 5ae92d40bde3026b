"""Pictures of what a detector found, and what is told of its boxes beside their metrics."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from fake_boxes import found_rows, task_of
from PIL import Image

from striate.core.boxes import FOUND, TRUTH, empty, joined
from striate.core.errors import DataError
from striate.core.records import Picture, Sample, Source
from striate.data.store import Store
from striate.workflows.box_figures import LONGEST, boxes_told, draw_boxes, pixels_of

NAMES = ("cat", "dog")


def pictures(folder: Path, count: int, side: int = 120) -> list[Sample]:
    samples = []
    for number in range(count):
        Image.fromarray(np.full((side, side, 3), 120, np.uint8)).save(folder / f"{number}.png")
        samples.append(Sample(f"{number}.png", (Source("file", str(folder / f"{number}.png")),)))
    return samples


def test_the_worst_the_median_and_the_best_are_drawn_twice(tmp_path: Path) -> None:
    task, rows = task_of(NAMES), found_rows(np.random.default_rng(1), 2, 12)
    wrong = 1 - task.agreement(rows)
    entries = draw_boxes(tmp_path / "figures", task, Store(), pictures(tmp_path, 12), rows, wrong, 255.0)
    assert [one["file"] for one in entries[:2]] == ["boxes-1.png", "boxes-1-heat.png"]
    assert {one["section"] for one in entries} == {"boxes"}
    assert len(entries) == 16
    worst = int(wrong.argmax())
    assert entries[0]["caption"].startswith(f"{worst}.png: worst, F1 {1 - wrong[worst]:.3f}: ")
    each = task.each(rows)
    assert entries[0]["caption"].endswith(
        f"{each['found'][worst]:.0f} found, {each['missed'][worst]:.0f} missed, {each['invented'][worst]:.0f} invented"
    )
    for one in entries:
        drawn = np.asarray(Image.open(tmp_path / "figures" / one["file"]))
        assert drawn.shape == (240, 240, 3)
    assert json.loads(json.dumps(entries)) == entries


def test_large_pictures_are_reduced_and_what_is_not_held_is_not_drawn(tmp_path: Path) -> None:
    found = np.array([[[100.0, 100, 600, 600, 0.3, 0]]])  # below the threshold
    rows = joined(found, empty(1, 1, TRUTH))
    (plain, _) = draw_boxes(tmp_path, task_of(NAMES), Store(), pictures(tmp_path, 1, 700), rows, np.zeros(1), 255.0)
    drawn = np.asarray(Image.open(tmp_path / plain["file"]))
    assert drawn.shape == (LONGEST, LONGEST, 3)
    assert (drawn == 120).all()


def test_a_picture_that_is_gone_is_an_error(tmp_path: Path) -> None:
    rows = joined(empty(1, 1, FOUND), empty(1, 1, TRUTH))
    gone = [Sample("a.png", (Source("file", str(tmp_path / "a.png")),))]
    with pytest.raises((DataError, OSError)):
        draw_boxes(tmp_path, task_of(NAMES), Store(), gone, rows, np.zeros(1), 255.0)


def test_deep_pictures_are_brought_to_the_scale_that_is_drawn() -> None:
    deep = Picture(np.full((2, 3, 1), 2047, np.uint16), "I;16")
    found = pixels_of(deep, 4095.0)
    assert found.shape == (1, 2, 3)
    assert found == pytest.approx(127.5, abs=0.1)
    plain = Picture(np.full((2, 3, 3), 7, np.uint8), "RGB")
    assert pixels_of(plain, 4095.0).dtype == np.uint8


def test_what_is_told_is_plain_and_of_classes_that_are_there() -> None:
    found = np.array([[[0.0, 0, 8, 6, 0.9, 0], [20, 0, 28, 8, 0.4, 1]]])
    told = boxes_told(task_of(NAMES), joined(found, np.array([[[0.0, 0, 8, 8, 0, 0, 0]]])))
    assert told["curves"] == {"cat": {"points": [[1.0, 1.0]], "area": 1.0, "held": [1.0, 1.0]}}
    assert told["errors"]["precision"] == 1.0
    assert told["errors"]["counts"]["background"] == 0  # it is below its threshold
    assert json.loads(json.dumps(told, allow_nan=False)) == told


def test_of_nothing_nothing_is_told() -> None:
    told = boxes_told(task_of(NAMES), joined(empty(2, 3, FOUND), empty(2, 2, TRUTH)))
    assert told["curves"] == {}
    assert told["errors"]["precision"] is None
    assert set(told["errors"]["costs"].values()) == {None}
