"""Boxes that were found as files: each format is read back as data, and nothing is written over."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from striate.core.errors import DataError, UnknownName, UsageError
from striate.core.records import Boxes
from striate.data.dataset import list_pictures
from striate.data.readers import READERS, ReadOptions
from striate.infer import FoundBox, Model, Prediction
from striate.workflows.box_files import BOXES, RESULTS, BoxFiles
from striate.workflows.drawing import files_of
from striate.workflows.mask_files import MaskFiles

NAMES = ("cat", "dog")
FOUND = (FoundBox("dog", 0.875, 1.25, 2.0, 11.5, 18.0), FoundBox("cat", 0.5, 3.0, 3.0, 9.0, 9.0))


def model_of(finds: bool = True, per_pixel: bool = False, name: str = "detect") -> Model:
    task = SimpleNamespace(finds=finds, per_pixel=per_pixel, name=name)
    return cast(Model, SimpleNamespace(task=task, classes=NAMES, preprocessing=SimpleNamespace(full_scale=255.0)))


def pictures(folder: Path, *names: str) -> Path:
    """Pictures of 24 × 30 pixels in a folder, which it returns."""
    for name in names:
        path = folder / "seen" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((24, 30, 3), 100, np.uint8)).save(path)
    return folder / "seen"


def write_all(seen: Path, out: Path, format: str | None, found: Sequence[tuple[FoundBox, ...]]) -> None:
    files = BoxFiles(model_of(), out, [seen], format)
    for sample, boxes in zip(list_pictures([seen]), found, strict=True):
        files.write(Prediction(sample.key, boxes=boxes))
    files.close()


def test_boxes_are_drawn_over_each_picture(tmp_path: Path) -> None:
    seen = pictures(tmp_path, "a/b.png", "c.png")
    write_all(seen, tmp_path / "out", None, [FOUND, ()])
    names = sorted(path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("*.*"))
    assert names == ["a/b.overlay.png", "c.overlay.png"]
    drawn = {name: np.asarray(Image.open(tmp_path / "out" / name)) for name in names}
    assert (drawn["c.overlay.png"] == 100).all()
    assert (drawn["a/b.overlay.png"] != 100).any()


@pytest.mark.parametrize(("format", "reader"), [("voc", "voc_boxes"), ("yolo", "yolo"), ("coco", "coco_boxes")])
def test_annotations_are_read_back_as_data(tmp_path: Path, format: str, reader: str) -> None:
    seen, out = pictures(tmp_path, "b.png", "c.png"), tmp_path / "out"
    write_all(seen, out, format, [FOUND, ()])
    home = out / {"voc": "JPEGImages", "yolo": "images", "coco": "images"}[format]
    home.mkdir()
    for path in seen.iterdir():
        (home / path.name).write_bytes(path.read_bytes())
    read = READERS.get(reader).read(out, ReadOptions())
    targets = {Path(sample.key).stem: sample.target for sample in read.samples if sample.target is not None}
    assert isinstance(targets["b"], Boxes)
    assert sorted((one.label, *(round(edge, 2) for edge in one.corners)) for one in targets["b"].boxes) == [
        ("cat", 3.0, 3.0, 9.0, 9.0),
        ("dog", 1.25, 2.0, 11.5, 18.0),
    ]
    assert targets["c"] == Boxes(())


def test_a_table_is_read_back_as_data(tmp_path: Path) -> None:
    seen, out = pictures(tmp_path, "b.png", "c.png"), tmp_path / "out"
    write_all(seen, out, "csv", [FOUND, ()])
    lines = (out / "boxes.csv").read_text().splitlines()
    assert lines[0] == "path,width,height,x1,y1,x2,y2,label,score"
    assert lines[1] == "b.png,30,24,1.25,2,11.5,18,dog,0.875"
    assert lines[3] == "c.png,30,24,,,,,,"
    read = READERS.get("box_table").read(out / "boxes.csv", ReadOptions(root=str(seen)))
    assert [len(cast(Boxes, sample.target).boxes) for sample in read.samples] == [2, 0]


def test_scores_are_in_all_formats_but_yolo_s(tmp_path: Path) -> None:
    seen = pictures(tmp_path, "b.png")
    for format in BOXES:
        write_all(seen, tmp_path / format, format, [FOUND])
    root = ElementTree.parse(tmp_path / "voc" / "Annotations" / "b.xml").getroot()
    assert [one.findtext("score") for one in root.iter("object")] == ["0.875", "0.5"]
    content = json.loads((tmp_path / "coco" / "annotations" / "instances.json").read_text())
    assert [one["score"] for one in content["annotations"]] == [0.875, 0.5]
    plain = json.loads((tmp_path / "json" / "boxes.json").read_text())
    assert plain["classes"] == ["cat", "dog"]
    assert plain["pictures"][0]["boxes"][0] == {
        "label": "dog", "score": 0.875, "x1": 1.25, "y1": 2.0, "x2": 11.5, "y2": 18.0
    }  # fmt: skip
    assert [len(line.split()) for line in (tmp_path / "yolo" / "labels" / "b.txt").read_text().splitlines()] == [5, 5]


def test_results_are_taken_by_coco_s_own_code(tmp_path: Path) -> None:
    coco = pytest.importorskip("pycocotools.coco")
    write_all(pictures(tmp_path, "b.png", "c.png"), tmp_path / "out", "coco", [(), FOUND])
    truth = coco.COCO(str(tmp_path / "out" / "annotations" / "instances.json"))
    found = truth.loadRes(str(tmp_path / "out" / RESULTS))
    rows = [(truth.cats[one["category_id"]]["name"], one["bbox"], one["score"]) for one in found.anns.values()]
    assert rows == [("dog", [1.25, 2.0, 10.25, 16.0], 0.875), ("cat", [3.0, 3.0, 6.0, 6.0], 0.5)]
    assert {truth.imgs[one["image_id"]]["file_name"] for one in found.anns.values()} == {"c.png"}


def test_a_picture_s_name_is_its_file_s_where_another_has_the_stem(tmp_path: Path) -> None:
    write_all(pictures(tmp_path, "b.bmp", "b.png", "c.png"), tmp_path / "out", "coco", [FOUND, (), ()])
    content = json.loads((tmp_path / "out" / "annotations" / "instances.json").read_text())
    assert [one["file_name"] for one in content["images"]] == ["b.bmp", "b.png", "c.png"]


@pytest.mark.parametrize(
    ("format", "old"),
    [
        (None, "b.overlay.png"),
        ("voc", "Annotations/b.xml"),
        ("coco", "annotations/instances.json"),
        ("coco", RESULTS),
        ("yolo", "labels/b.txt"),
        ("yolo", "data.yaml"),
        ("csv", "boxes.csv"),
        ("json", "boxes.json"),
    ],
)
def test_what_is_there_is_refused_before_anything_is_predicted(tmp_path: Path, format: str | None, old: str) -> None:
    seen, path = pictures(tmp_path, "b.png"), tmp_path / "out" / old
    path.parent.mkdir(parents=True)
    path.write_text("of others")
    with pytest.raises(DataError, match="exists already"):
        BoxFiles(model_of(), tmp_path / "out", [seen], format)
    assert path.read_text() == "of others"


def test_files_that_come_while_it_predicts_are_not_written_over(tmp_path: Path) -> None:
    files = BoxFiles(model_of(), tmp_path / "out", [pictures(tmp_path, "b.png")], "csv")
    (tmp_path / "out" / "boxes.csv").write_text("of others")
    with pytest.raises(DataError, match="exists already"):
        files.close()


def test_a_box_without_a_width_is_left_out(tmp_path: Path) -> None:
    flat = FoundBox("cat", 0.9, 3.0, 3.0, 3.0, 9.0)
    write_all(pictures(tmp_path, "b.png"), tmp_path / "out", "voc", [(flat, *FOUND)])
    root = ElementTree.parse(tmp_path / "out" / "Annotations" / "b.xml").getroot()
    assert len(root.findall("object")) == 2


CASES: list[tuple[Model, dict[str, Any], type[Exception], str]] = [
    (model_of(False, True, "segment"), {"boxes": "coco"}, UsageError, "give `--outlines`"),
    (model_of(False, False, "classify"), {"boxes": "coco"}, UsageError, "leave `--boxes` out"),
    (model_of(), {"outlines": "coco"}, UsageError, "give `--boxes`"),
    (model_of(False, False, "regress"), {"outlines": "coco"}, UsageError, "leave `--outlines` out"),
    (model_of(False, False, "regress"), {}, UsageError, "leave --draw out"),
    (model_of(), {"boxes": "cocoa"}, UnknownName, "coco"),
]


@pytest.mark.parametrize(("model", "asked", "kind", "words"), CASES)
def test_what_does_not_fit_the_task_is_refused(
    tmp_path: Path, model: Model, asked: dict[str, Any], kind: type[Exception], words: str
) -> None:
    seen = pictures(tmp_path, "b.png")
    with pytest.raises(kind, match=words):
        files_of(model, tmp_path / "out", [seen], asked.get("outlines"), asked.get("boxes"))
    assert not (tmp_path / "out").exists()


def test_a_folder_is_needed_and_without_one_nothing_is_written(tmp_path: Path) -> None:
    seen = pictures(tmp_path, "b.png")
    for outlines, boxes in (("coco", None), (None, "coco")):
        model = model_of(outlines is None, outlines is not None)
        with pytest.raises(UsageError, match="--draw"):
            files_of(model, None, [seen], outlines, boxes)
    assert files_of(model_of(), None, [seen], None, None) is None
    assert isinstance(files_of(model_of(), tmp_path / "b", [seen], None, None), BoxFiles)
    assert isinstance(files_of(model_of(False, True), tmp_path / "m", [seen], None, None), MaskFiles)


@pytest.mark.parametrize("format", [None, *BOXES])
def test_a_picture_that_is_named_twice_is_written_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, format: str | None
) -> None:
    monkeypatch.chdir(pictures(tmp_path, "b.png", "c.png"))
    paths = ["b.png", "b.png", "."]
    files = BoxFiles(model_of(), tmp_path / "out", paths, format)
    for sample in list_pictures(paths):
        files.write(Prediction(sample.key, boxes=FOUND))
    files.close()
    assert sorted(path.name for path in (tmp_path / "out").glob("*.overlay.png")) == ["b.overlay.png", "c.overlay.png"]
    if format == "csv":
        assert [line.split(",")[0] for line in (tmp_path / "out" / "boxes.csv").read_text().split()[1:]] == [
            *["b.png"] * 2,
            *["c.png"] * 2,
        ]
