"""Which picture boxes are about, where several are called alike, some are masks, and some are not there."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from made_boxes import picture, voc, xml

from striate.core.errors import DataError
from striate.core.records import Boxes, Dataset, Source
from striate.data.dataset import open_as_given, open_dataset
from striate.data.readers._listing import Listing
from striate.data.readers._matching import Album

HEADER = "path,x1,y1,x2,y2,label\n"


def album(*names: str) -> Album:
    return Album(Listing("data", [(name, Source("file", name)) for name in names], []))


def lefts(dataset: Dataset) -> dict[str, list[float]]:
    """The left edges of each picture's boxes."""
    return {one.key: [box.x1 for box in one.target.boxes] for one in dataset.samples if isinstance(one.target, Boxes)}


def coco_json(path: Path, names: list[str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    images = [{"id": number, "file_name": name} for number, name in enumerate(names)]
    things = [
        {"id": number, "image_id": number, "category_id": 1, "bbox": [number + 1, 1, 5, 5]}
        for number in range(len(names))
    ]
    content = {"images": images, "annotations": things, "categories": [{"id": 1, "name": "cat"}]}
    path.write_text(json.dumps(content))


@pytest.mark.parametrize(
    ("here", "said", "found"),
    [
        ("cam1/1.png", "cam2/1.png", None),
        ("cam1/left/1.png", "cam2/left/1.png", None),
        ("1.png", "cam2/1.png", "1.png"),
        ("cam1/1.png", "1.png", "cam1/1.png"),
        ("a/cam1/1.png", "cam1/1.png", "a/cam1/1.png"),
        ("cam1/1.png", "data/cam1/1.png", "cam1/1.png"),
        ("cam1/1.png", "..\\cam1\\1.png", "cam1/1.png"),
        ("mine/cam1/1.png", "C:\\theirs\\cam1\\1.png", "mine/cam1/1.png"),
        ("mine/cam1/1.png", "/theirs/cam2/1.png", None),
    ],
)
@pytest.mark.parametrize("suffix", [True, False])
def test_a_path_that_ends_in_other_folders_is_of_another_picture(
    here: str, said: str, found: str | None, suffix: bool
) -> None:
    assert album(here).by_path(said if suffix else said.removesuffix(".png"), "t.csv", suffix=suffix) == found


@pytest.mark.parametrize("said", [("/a/cam/1.png", "/b/cam/1.png"), ("/b/cam/1.png", "cam/1.png")])
def test_two_paths_that_lead_to_one_picture_are_refused(said: tuple[str, str]) -> None:
    for paths in (said, said[::-1]):
        one = album("cam/1.png")
        assert one.by_path(paths[0], "t.csv") == one.by_path(paths[0], "t.csv") == "cam/1.png"
        with pytest.raises(DataError, match="both lead to the picture cam/1"):
            one.by_path(paths[1], "t.csv")


def test_boxes_of_an_absent_picture_stay_its_own(tmp_path: Path) -> None:
    for number in (1, 2):
        picture(tmp_path / f"cam1/000{number}.png")
    rows = "cam1/0001.png,1,1,9,9,cat\ncam2/0001.png,7,7,9,9,dog\ncam1/0002.png,2,1,9,9,cat\n"
    (tmp_path / "boxes.csv").write_text(HEADER + rows)
    wanted = {"cam1/0001.png": [1], "cam2/0001.png": [7], "cam1/0002.png": [2]}
    assert lefts(open_dataset(tmp_path, reader="box_table")) == wanted
    coco_json(tmp_path / "a.json", ["cam1/0001.png", "cam2/0001.png"])
    assert lefts(open_dataset(tmp_path, reader="coco_boxes")) == {"cam1/0001.png": [1], "cam2/0001.png": [2]}


@pytest.mark.parametrize("masks", ["masks", "annotations/trimaps"])
def test_an_annotation_is_of_the_picture_and_not_of_its_mask(masks: str, tmp_path: Path) -> None:
    (tmp_path / "annotations/xmls").mkdir(parents=True)
    for stem in "ab":
        picture(tmp_path / f"images/{stem}.jpg")
        picture(tmp_path / f"{masks}/{stem}.png")
        (tmp_path / f"annotations/xmls/{stem}.xml").write_text(xml([("cat", 2, 3, 10, 12)], f"{stem}.jpg"))
    found = open_dataset(tmp_path, reader="voc_boxes")
    assert lefts(found) == {"images/a.jpg": [2], "images/b.jpg": [2]}
    assert len(found) == 2


def test_the_suffix_in_filename_tells_pictures_of_one_stem_apart(tmp_path: Path) -> None:
    (tmp_path / "boxes").mkdir()
    picture(tmp_path / "boxes/a.png")
    picture(tmp_path / "photos/a.jpg")
    (tmp_path / "boxes/a.xml").write_text(xml([("cat", 2, 3, 10, 12)], "a.jpg"))
    assert lefts(open_dataset(tmp_path, reader="voc_boxes")) == {"photos/a.jpg": [2]}


def test_pictures_that_all_lie_in_folders_called_as_masks_are_still_found() -> None:
    assert album("labels/1.png").by_path("1.png", "t.csv") == "labels/1.png"
    both = album("labels/1.png", "images/1.png")
    assert (both.by_path("1.png", "t.csv"), both.by_path("labels/1.png", "t.csv")) == ("images/1.png", "labels/1.png")


def test_the_lists_of_two_years_are_each_of_their_own_year(tmp_path: Path) -> None:
    for year in ("VOC2007", "VOC2012"):
        voc(tmp_path / year)
        (tmp_path / year / "ImageSets/Main").mkdir(parents=True)
    for name, stems in (
        ("VOC2007/ImageSets/Main/train.txt", "a b"),
        ("VOC2007/ImageSets/Main/test.txt", "c"),
        ("VOC2012/ImageSets/Main/trainval.txt", "a c d"),
        ("VOC2012/ImageSets/Main/val.txt", "c"),
    ):
        (tmp_path / name).write_text(stems.replace(" ", "\n"))
    found = open_as_given(tmp_path, reader="voc_boxes")
    assert {one.key: one.split for one in found.samples} == {
        "VOC2007/JPEGImages/a.png": "train",
        "VOC2007/JPEGImages/b.png": "train",
        "VOC2007/JPEGImages/c.png": "test",
        "VOC2012/JPEGImages/a.png": "train",
        "VOC2012/JPEGImages/c.png": "val",
        "VOC2012/JPEGImages/d.jpg": "train",
    }
    assert "ImageSets/Main gives the splits: test 1, train 4, val 1." in found.notes


@pytest.mark.parametrize("start", ["", "images/"])
def test_pictures_numbered_alike_in_each_split_are_those_of_the_files_split(start: str, tmp_path: Path) -> None:
    for split in ("train", "val"):
        picture(tmp_path / f"{start}{split}/1.png")
        coco_json(tmp_path / f"annotations/instances_{split}.json", ["1.png"])
    found = open_as_given(tmp_path, reader="coco_boxes")
    assert {one.key: one.split for one in found.samples} == {
        f"{start}train/1.png": "train",
        f"{start}val/1.png": "val",
    }
    with pytest.raises(DataError, match="may be about 2 pictures"):
        album("train/1.png", "val/1.png").by_path("1.png", "annotations/all.json")


def test_dots_before_the_name_of_an_absent_picture_are_its_own(tmp_path: Path) -> None:
    picture(tmp_path / "a.png")
    (tmp_path / "boxes.csv").write_text(HEADER + "a.png,1,1,9,9,cat\n./.b.png,2,1,9,9,cat\n..c.png,3,1,9,9,cat\n")
    assert lefts(open_dataset(tmp_path)) == {"a.png": [1], ".b.png": [2], "..c.png": [3]}
    (tmp_path / "boxes.csv").unlink()
    (tmp_path / "a.txt").write_text("0 0.5 0.5 0.5 0.5\n")
    (tmp_path / "list.txt").write_text("a.png\n./.b.png\n")
    (tmp_path / "data.yaml").write_text("names: [cat]\ntrain: list.txt\n")
    assert [one.key for one in open_dataset(tmp_path / "data.yaml").samples] == [".b.png", "a.png"]
