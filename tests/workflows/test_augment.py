"""The sheet shows what training will see, and pictures are written out as it would alter them."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

import striate as st
from striate.core.errors import RunError, UsageError
from striate.core.records import Box, Boxes
from striate.data.dataset import open_dataset
from striate.data.readers import ReadOptions
from striate.plan import Budget
from striate.workflows import stages
from striate.workflows.sheet import GAP
from tests.made_boxes import Edges, coco, coco_content
from tests.made_data import Listener
from tests.shapes import CLASSES, FILLS, GROUND, write_boxes

SET = {"augment.shift": 0.25, "augment.flip": "horizontal", "augment.mixup": 0.2}


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    draws = np.random.default_rng(0)
    for name in ("cat", "dog/small"):
        for number in range(12):
            path = tmp_path / "photos" / name / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(draws.integers(0, 256, (32, 32, 3), np.uint8)).save(path)
    return tmp_path / "photos"


def cells(sheet: str, rows: int, columns: int) -> np.ndarray:
    """The pictures on a sheet, (rows, columns, H, W, 3)."""
    whole = np.asarray(Image.open(sheet).convert("RGB"))
    height, width = (whole.shape[0] - GAP) // rows - GAP, (whole.shape[1] - GAP) // columns - GAP
    return np.stack(
        [
            [
                whole[GAP + down * (height + GAP) :, GAP + across * (width + GAP) :][:height, :width]
                for across in range(columns)
            ]
            for down in range(rows)
        ]
    )


def test_the_sheet_shows_samples_as_they_are_and_as_training_alters_them(photos: Path, tmp_path: Path) -> None:
    found = st.augment(photos, sheet=tmp_path / "a.png", rows=3, views=4, label_depth=2, set=SET)
    assert found["settings"]["shift"] == 0.25
    assert found["written"] == 0
    assert len(found["shown"]) == 3
    pictures = cells(found["sheet"], 3, 5)
    for key, row in zip(found["shown"], pictures, strict=True):
        own = np.asarray(Image.open(photos / key))
        times = row.shape[1] // 32
        np.testing.assert_array_equal(row[0][::times, ::times], own)
        assert any((view != row[0]).any() for view in row[1:])
    again = st.augment(photos, sheet=tmp_path / "b.png", rows=3, views=4, label_depth=2, set=SET)
    assert Path(again["sheet"]).read_bytes() == Path(found["sheet"]).read_bytes()


def test_a_check_that_only_training_does_is_told(photos: Path, tmp_path: Path) -> None:
    said = Listener()
    options: dict[str, Any] = {"sheet": tmp_path / "a.png", "rows": 1, "views": 1, "label_depth": 2, "reporter": said}
    st.augment(photos, set=SET, **options)
    assert not said.warnings
    st.augment(photos, set={**SET, "augment.check": True}, **options)
    assert any("augment.check is applied by `striate train`" in warning for warning in said.warnings)


def test_pictures_are_written_in_folders_of_their_classes_and_can_be_trained_on(photos: Path, tmp_path: Path) -> None:
    found = st.augment(photos, sheet=tmp_path / "a.png", out=tmp_path / "out", copies=2, label_depth=2, set=SET)
    files = sorted((tmp_path / "out").rglob("*.png"))
    assert len(files) == found["written"]
    assert found["written"] % 2 == 0
    assert found["written"] >= 2 * 12
    assert {path.parent.relative_to(tmp_path / "out").as_posix() for path in files} == {"cat", "dog/small"}
    assert Image.open(files[0]).size == (32, 32)
    assert st.audit(tmp_path / "out", label_depth=2).samples == len(files)
    with pytest.raises(RunError, match="not empty"):
        st.augment(photos, sheet=tmp_path / "a.png", out=tmp_path / "out", label_depth=2)


def test_values_are_not_written_in_folders_of_classes(tmp_path: Path) -> None:
    draws = np.random.default_rng(0)
    arrays = {"x": draws.integers(0, 256, (40, 16, 16, 3), np.uint8), "y": draws.normal(size=40)}
    with pytest.raises(UsageError, match="regress"):
        st.augment(arrays, sheet=tmp_path / "a.png", out=tmp_path / "out", task="regress")
    assert not (tmp_path / "out").exists()
    assert st.augment(arrays, sheet=tmp_path / "a.png", task="regress", rows=2, views=2)["shown"]


BOXES: dict[str, Any] = {
    "network.name": "ssdlite",
    "network.arguments": {
        "backbone": "compact",
        "backbone_arguments": {"width": 4, "blocks": [1, 1], "stem_stride": 2},
        "strides": [4],
        "width": 8,
    },
    "input.height": 64,
    "input.width": 64,
    "augment.flip": "horizontal",
    "augment.shift": 0.2,
    "augment.mosaic": 0.6,
    "split.near_duplicates": False,
}
NAMES = ("disc", "square", "triangle")


def test_the_sheet_shows_boxes_as_they_move(tmp_path: Path) -> None:
    data = write_boxes(tmp_path / "data", 16)
    found = st.augment(data, sheet=tmp_path / "a.png", rows=3, views=3, set=BOXES)
    assert found["settings"]["mosaic"] == 0.6
    pictures = cells(found["sheet"], 3, 4)
    times = pictures.shape[2] // 64
    for key, row in zip(found["shown"], pictures, strict=True):
        own = np.asarray(Image.open(data / key)).repeat(times, 0).repeat(times, 1)
        changed = (row[0] != own).any(2)
        assert 0 < changed.mean() < 0.5
        root = ElementTree.parse(data / "Annotations" / f"{Path(key).stem}.xml").getroot()
        for one in root.iter("object"):
            edges = {edge.tag: int(edge.text or "") * times for edge in one.iterfind("bndbox/*")}
            across, down = slice(edges["xmin"], edges["xmax"]), slice(edges["ymin"], edges["ymax"])
            lines = (down.start, across), (down.stop - 1, across), (down, across.start), (down, across.stop - 1)
            assert all(changed[line].all() for line in lines)
        assert any((view != row[0]).any() for view in row[1:])
    without = st.augment(data, sheet=tmp_path / "b.png", rows=3, views=3, set={**BOXES, "augment.mosaic": 0.0})
    assert (cells(without["sheet"], 3, 4)[:, 1:] != pictures[:, 1:]).any()


def test_pictures_are_written_with_their_boxes_and_are_read_back(tmp_path: Path) -> None:
    """Each box holds its thing: the picture there is of the class's colour."""
    data = write_boxes(tmp_path / "data", 16, shapes=1)
    set_ = {**BOXES, "augment.color": 0.0, "augment.scale": 0.0}
    found = st.augment(data, sheet=tmp_path / "a.png", out=tmp_path / "out", copies=2, rows=1, views=1, set=set_)
    back = open_dataset(tmp_path / "out", ReadOptions())
    assert (back.task, back.target_names) == ("detect", NAMES)
    assert len(back.samples) == found["written"] == 2 * (found["written"] // 2)
    counts = []
    for sample in back.samples:
        assert isinstance(sample.target, Boxes)
        pixels = np.asarray(Image.open(tmp_path / "out" / sample.key), float)
        assert pixels.shape == (64, 64, 3)
        assert sample.target.size == (64, 64)
        counts.append(len(sample.target.boxes))
        for box in sample.target.boxes:
            assert 0 <= box.x1 < box.x2 <= 64
            assert 0 <= box.y1 < box.y2 <= 64
            if min(box.x2 - box.x1, box.y2 - box.y1) < 8 or box.label == "triangle":
                continue  # a corner of it may be all that is left
            x, y = int((box.x1 + box.x2) / 2), int((box.y1 + box.y2) / 2)
            middle = pixels[max(0, y - 1) : y + 2, max(0, x - 1) : x + 2].mean((0, 1))
            nearest = [np.abs(middle - np.array(colour)).sum() for colour in (GROUND, *FILLS)]
            assert CLASSES[int(np.argmin(nearest))] == box.label
    assert min(counts) <= 1 < max(counts)  # of one thing a picture, more are there where four were laid together
    assert st.audit(tmp_path / "out").samples == found["written"]
    with pytest.raises(RunError, match="not empty"):
        st.augment(data, sheet=tmp_path / "a.png", out=tmp_path / "out", set=BOXES)


def test_what_need_not_be_found_is_written_as_difficult_and_nothing_as_nothing(tmp_path: Path) -> None:
    scenes: dict[str, list[Edges]] = {
        f"{n}": [("cat", 2, 3, 20, 22), ("dog", 15, 5, 38, 28)] if n % 2 else [] for n in range(12)
    }
    data = coco(tmp_path / "data", scenes=scenes)
    path = data / "annotations" / "instances.json"
    content = coco_content(scenes)
    for one in content["annotations"]:
        one["iscrowd"] = int(one["category_id"] == 0)  # cats
    path.write_text(json.dumps(content))
    off = {"augment.flip": "none", "augment.shift": 0.0, "augment.scale": 0.0, "augment.mosaic": 0.0}
    plain = {**BOXES, **off, "input.height": 30, "input.width": 40}
    found = st.augment(data, sheet=tmp_path / "a.png", out=tmp_path / "out", rows=1, views=1, set=plain)
    targets = [sample.target for sample in open_dataset(tmp_path / "out", ReadOptions()).samples]
    assert len(targets) == found["written"]
    boxes = [target.boxes for target in targets if isinstance(target, Boxes)]
    assert len(boxes) == len(targets)
    cat, dog = Box("cat", 2.0, 3.0, 20.0, 22.0, difficult=True), Box("dog", 15.0, 5.0, 38.0, 28.0)
    assert set(boxes) == {(), (cat, dog)}


def test_nothing_of_the_users_is_written_over(photos: Path, tmp_path: Path) -> None:
    mine = tmp_path / "mine.png"
    Image.fromarray(np.zeros((4, 4, 3), np.uint8)).save(mine)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*.png")}
    for sheet, kind, said in (
        (mine, RunError, "no sheet of this command's"),
        (photos / "cat" / "0.png", UsageError, "data are not altered"),
        (photos / "new.png", UsageError, "data are not altered"),
        (tmp_path / "sheet.jpg", UsageError, "is a PNG"),
        (tmp_path / "plan.yaml", UsageError, "is a PNG"),
    ):
        with pytest.raises(kind, match=said):
            st.augment(photos, sheet=sheet, label_depth=2)
    with pytest.raises(UsageError, match="--out"):
        st.augment(photos, sheet=tmp_path / "a.png", out=photos / "more", label_depth=2)
    with pytest.raises(UsageError, match="data are not altered"):
        st.augment(photos / "cat", val=photos / "dog", sheet=photos / "dog" / "a.png")
    assert {path: path.read_bytes() for path in tmp_path.rglob("*.png")} == before
    assert not (photos / "more").exists()


def test_the_budget_decides_as_in_training(photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    decided = stages.make_plan

    def watched(*arguments: Any, **options: Any) -> Any:
        asked.append((options["budget"], arguments[3].device))
        return decided(*arguments, **options)

    monkeypatch.setattr(stages, "make_plan", watched)
    st.augment(photos, sheet=tmp_path / "a.png", rows=1, views=1, label_depth=2, epochs=7, device="cpu")
    assert asked == [(Budget(epochs=7), "cpu")]


FUNCTION = """
def half(image, generator):
    return image / 2
"""


def test_a_function_is_looked_for_before_anything_is_read(tmp_path: Path) -> None:
    for call in (st.plan, st.augment, st.train):
        with pytest.raises(UsageError, match="no_such_module"):
            call(tmp_path / "nowhere", set={"augment.function": "no_such_module:half"})


def test_a_run_goes_on_with_its_own_function_from_anywhere_and_with_no_other(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home, other = tmp_path / "home", tmp_path / "other"
    for folder in (home, other):
        folder.mkdir()
        (folder / "halved.py").write_text(FUNCTION if folder == home else FUNCTION.replace("/ 2", "* 0"))
    monkeypatch.chdir(home)
    options: dict[str, Any] = {"label_depth": 2, "epochs": 1, "model": "lenet5", "size": 32}
    options["set"] = {"augment.function": "halved:half"}
    whole = st.train(photos, out=tmp_path / "whole", **options)
    kept = whole.folder.read_environment()["request"]["function"]
    assert (kept["folder"], kept["file"]) == (str(home), os.path.realpath(home / "halved.py"))
    for part in ("model", "metrics.json", "report.html", "predictions.csv", "figures"):  # as if killed before scoring
        path = whole.path / part
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    monkeypatch.chdir(other)
    assert st.resume(whole.path).finished
    (whole.path / "metrics.json").unlink()
    (home / "halved.py").write_text(FUNCTION.replace("/ 2", "/ 3"))
    with pytest.raises(RunError, match=r"halved.py.* is not what it was when training began"):
        st.resume(whole.path)
    (home / "halved.py").unlink()
    with pytest.raises((RunError, UsageError), match="halved"):
        st.resume(whole.path)
