"""Where data may hold masks and boxes: what is read is what alone is there, else what the user says, else an error."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from made_boxes import xml
from shape_files import scenes, write_coco, write_voc

from striate import api
from striate.core.errors import DataError
from striate.data.dataset import open_dataset
from striate.data.readers import ReadOptions, _coco_files

MADE = scenes(6, seed=1, height=24, width=40)


def _coco(folder: Path, *, boxes: bool, outlines: bool) -> Path:
    write_coco(folder, MADE)
    path = folder / "annotations/instances.json"
    content: dict[str, Any] = json.loads(path.read_text())
    for one in content["annotations"]:
        one["bbox"] = [1, 2, 3, 4] if boxes else []
        one["segmentation"] = one["segmentation"] if outlines else []
    path.write_text(json.dumps(content))
    return folder


def _voc(folder: Path, *, boxes: bool, outlines: bool) -> Path:
    write_voc(folder, MADE)
    if not outlines:
        shutil.rmtree(folder / "SegmentationClass")
    if boxes:
        (folder / "Annotations").mkdir()
        for name in MADE:
            (folder / f"Annotations/{name}.xml").write_text(xml([("cat", 1, 2, 3, 4)], f"{name}.png", size=(40, 24)))
    return folder


def _packed(folder: Path) -> Path:
    return Path(shutil.make_archive(str(folder), "zip", folder))


MAKERS = {"coco": _coco, "voc": _voc}


@pytest.mark.parametrize("name", MAKERS)
def test_what_alone_is_there_is_read(name: str, tmp_path: Path) -> None:
    for task, reader in (("segment", name), ("detect", f"{name}_boxes")):
        folder = MAKERS[name](tmp_path / task, boxes=task == "detect", outlines=task == "segment")
        found = open_dataset(folder)
        assert (found.task, found.reader, len(found)) == (task, reader, len(MADE))
        packed = open_dataset(_packed(folder))
        assert (packed.task, packed.reader, len(packed)) == (task, "archive", len(MADE))
        other = {"segment": "detect", "detect": "segment"}[task]
        with pytest.raises(DataError, match=f"holds data for the task '{task}' .*nothing for the task '{other}'"):
            open_dataset(folder, ReadOptions(task=other))


@pytest.mark.parametrize("name", MAKERS)
def test_of_both_the_user_chooses(name: str, tmp_path: Path) -> None:
    folder = MAKERS[name](tmp_path / "d", boxes=True, outlines=True)
    with pytest.raises(DataError, match=rf"{name} \(--task segment\), {name}_boxes \(--task detect\)") as caught:
        open_dataset(folder)
    assert caught.value.fix == "choose one with --task"
    archive = _packed(folder)
    with pytest.raises(DataError, match=r"masks \(--task segment\), by its boxes \(--task detect\)"):
        open_dataset(archive)
    for data, readers in ((folder, (name, f"{name}_boxes")), (archive, ("archive", "archive"))):
        for task, reader in zip(("segment", "detect"), readers, strict=True):
            found = open_dataset(data, ReadOptions(task=task))
            assert (found.task, found.reader, len(found)) == (task, reader, len(MADE))
    converted = api.convert(folder, "yolo", tmp_path / "out")  # of boxes: nothing to choose
    assert converted.boxes == (sum(len(set(one.mask[one.mask > 0])) for one in MADE.values()) if name == "coco" else 6)


def test_what_stands_after_a_long_list_may_be_either(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = _coco(tmp_path / "d", boxes=False, outlines=True)
    monkeypatch.setattr(_coco_files, "LOOKED_BYTES", 100)
    with pytest.raises(DataError, match="can be read in several ways"):
        open_dataset(folder)
    assert open_dataset(folder, ReadOptions(task="segment")).reader == "coco"
    with pytest.raises(DataError, match="there are no boxes"):
        open_dataset(folder, ReadOptions(task="detect"))


def test_a_reader_that_is_named_says_what_is_missing(tmp_path: Path) -> None:
    boxes = _coco(tmp_path / "b", boxes=True, outlines=False)
    with pytest.raises(DataError, match=r"boxes and no outline") as caught:
        open_dataset(boxes, reader="coco")
    assert "--task detect" in str(caught.value.fix)
