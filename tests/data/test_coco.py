"""COCO's annotations: outlines come back as what was written, and what does not fit is said with its place."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from shape_files import check, coco, decoded, said, save, scenes, write_coco, write_pictures
from shapes import CLASSES

from striate.core.errors import DataError
from striate.core.records import VOID
from striate.data.dataset import open_dataset
from striate.data.masks import decode_mask
from striate.data.readers import ReadOptions, _json_stream
from striate.data.readers import coco as coco_reader
from striate.data.store import Store

MADE = scenes(6, seed=1, height=24, width=40)


@pytest.mark.parametrize("how", ["polygons", "runs", "text"])
def test_coco(tmp_path: Path, how: str) -> None:
    found = open_dataset(write_coco(tmp_path, MADE, how))
    check(found, MADE)
    assert (found.reader, found.target_names) == ("coco", CLASSES)
    assert found.samples[0].key == "images/000.png"
    check(open_dataset(tmp_path / "annotations/instances.json"), MADE)


def test_coco_with_a_file_a_split(tmp_path: Path) -> None:
    names = list(MADE)
    (tmp_path / "annotations").mkdir()
    for split, own in (("train2017", names[:4]), ("val2017", names[4:])):
        part = {name: MADE[name] for name in own}
        write_pictures(tmp_path / split, part)
        (tmp_path / f"annotations/instances_{split}.json").write_text(json.dumps(coco(part)))
        (tmp_path / f"annotations/captions_{split}.json").write_text('{"images": [{"file_name": "x.jpg"}]}')
    found = open_dataset(tmp_path)
    check(found, MADE)
    assert found.given_splits == {"train", "test"}
    beside = tmp_path / "robo"
    for split, own in (("train", names[:4]), ("valid", names[4:])):
        part = {name: MADE[name] for name in own}
        write_pictures(beside / split, part)
        (beside / split / "_annotations.coco.json").write_text(json.dumps(coco(part)))
    check(open_dataset(beside), MADE)


def test_numbered_folders_name_splits_as_they_do_for_boxes(tmp_path: Path) -> None:
    names = list(MADE)
    for split, own in (("train2017", names[:4]), ("val2017", names[4:])):
        part = {name: MADE[name] for name in own}
        write_pictures(tmp_path / split, part)
        (tmp_path / split / "_annotations.coco.json").write_text(json.dumps(coco(part)))
    found = open_dataset(tmp_path)
    check(found, MADE)
    assert (found.reader, found.given_splits) == ("coco", {"train", "test"})


def test_crowds_are_void_and_pictures_without_outlines_background(tmp_path: Path) -> None:
    content = json.loads(json.dumps(coco(MADE, "runs")))
    content["annotations"] = [one for one in content["annotations"] if one["image_id"] != 1]
    content["annotations"][-1]["iscrowd"] = 1
    write_coco(tmp_path, MADE)
    (tmp_path / "annotations/instances.json").write_text(json.dumps(content))
    found = open_dataset(tmp_path)
    masks = decoded(found)
    assert not masks["001"].any()
    assert (masks["005"] == VOID).sum() == content["annotations"][-1]["area"]
    assert said(found, "1 picture has no outline: background throughout")


def _changed(tmp_path: Path, change: str) -> Path:
    write_coco(tmp_path, MADE)
    path = tmp_path / "annotations/instances.json"
    content = json.loads(path.read_text())
    if change == "category":
        content["annotations"][2]["category_id"] = 99
    elif change == "image":
        content["annotations"][2]["image_id"] = 99
    elif change == "boxes":
        for one in content["annotations"]:
            del one["segmentation"]
    elif change == "empty":
        content["annotations"] = []
    elif change == "images":
        content["images"] = []
    elif change == "odd":
        content["annotations"][2]["segmentation"] = [[1, 2, 3]]
    elif change == "text":
        content["annotations"][2]["segmentation"] = {"size": [24, 40], "counts": "é"}
    elif change == "shape":
        content["annotations"][2]["segmentation"] = {"runs": []}
    elif change == "no id":
        del content["images"][0]["id"]
    elif change == "no object":
        content["categories"].append(3)
    elif change == "files":
        for one in content["images"]:
            one["file_name"] = "x" + one["file_name"]
    text = json.dumps(content)
    path.write_text({"cut": text[:-200], "syntax": text.replace('"id": 3', '"id": oops', 1)}.get(change, text))
    return tmp_path


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("category", r"annotation 2 is of the category 99, which is not known; known are 10, 20, 30"),
        ("image", r"annotation 2 is of the picture 99, which is not among its 6 pictures"),
        ("boxes", r"there are no boxes"),
        ("empty", r"there are no boxes"),
        ("images", r"names no pictures under 'images'"),
        ("odd", r"annotation 2 has a polygon of 3 numbers"),
        ("text", r"annotation 2 of .*: run lengths hold the character 'é'"),
        ("shape", r"annotation 2 is .* polygons, or 'counts' and 'size', were expected"),
        ("no id", r"a picture has the 'id' None"),
        ("no object", r"3 among 'categories'; an object was expected"),
        ("files", r"none of the pictures that annotations/instances.json lists is there, such as x000.png"),
        ("cut", r"annotations/instances.json is cut off: it ends after [\d,]+ characters"),
        ("syntax", r"no JSON of the kind that is needed: Expecting value, near character [\d,]+"),
    ],
)
def test_coco_that_cannot_be_used(tmp_path: Path, change: str, words: str) -> None:
    with pytest.raises(DataError, match=words) as caught:
        open_dataset(_changed(tmp_path, change))
    assert caught.value.fix


def test_a_coco_picture_that_is_absent_or_of_another_size(tmp_path: Path) -> None:
    write_coco(tmp_path, MADE)
    (tmp_path / "images/002.png").unlink()
    found = open_dataset(tmp_path)
    assert said(found, "1 picture is not there: the audit names them")
    save(tmp_path / "images/003.png", MADE["003"].pixels[:20])
    sample = next(one for one in found.samples if one.key.endswith("003.png"))
    with pytest.raises(DataError, match="of 24 × 40 pixels, the picture has 20 × 40"):
        decode_mask(Store(), sample, (20, 40))


def test_annotations_larger_than_the_memory_say_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_coco(tmp_path, MADE)
    monkeypatch.setattr(coco_reader, "memory_bytes", lambda: 2**30)
    with open(tmp_path / "annotations/instances.json", "r+b") as file:
        file.seek(2**30)  # a gigabyte, of which the disk holds nothing
        file.write(b"}")
    with pytest.raises(DataError, match=r"take up to 8,589,934,600 bytes of memory, and 1,073,741,824 are free"):
        open_dataset(tmp_path)


def test_json_is_read_in_pieces(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Whatever the pieces, the elements are those of the whole; and no more than a piece and an element is held."""
    content = coco(MADE, "text") | {"notes": {"é": ['\\"]}', -1.5e3, None, True]}}
    path = tmp_path / "a.json"
    path.write_text(json.dumps(content, ensure_ascii=False, indent=1))
    for chunk in (1, 7, 100, 10**6):
        monkeypatch.setattr(_json_stream, "CHUNK", chunk)
        with open(path, "rb") as file:
            found = list(_json_stream.stream_lists(file, "a.json", ("images", "annotations")))
        assert [one for key, one in found if key == "images"] == content["images"]
        assert [one for key, one in found if key == "annotations"] == content["annotations"]
    monkeypatch.setattr(_json_stream, "CHUNK", 256)
    with open(path, "rb") as file:
        walk = _json_stream.stream_lists(file, "a.json", ("images",))
        next(walk)
        assert file.seek(0, 1) <= 1024


@pytest.mark.parametrize("text", ['{"images": [1, 2', '{"images": [{"a": "b', '{"images"', "{", ""])
def test_json_that_ends_early(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.json").write_text(text)
    with open(tmp_path / "a.json", "rb") as file, pytest.raises(DataError, match="cut off"):
        list(_json_stream.stream_lists(file, "a.json", ("images",)))


def test_another_task_than_masks_is_refused_with_how_the_data_is_read(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="read as COCO's annotations and holds masks, which are for the task 'segment'"):
        open_dataset(write_coco(tmp_path, MADE), ReadOptions(task="classify"), reader="coco")
