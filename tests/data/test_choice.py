"""Which reader takes a folder or an archive that looks like data of several kinds."""

from __future__ import annotations

import json
import os
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from made_boxes import coco_content, picture, voc

from striate.core.errors import DataError
from striate.data.dataset import open_dataset
from striate.data.readers import READERS, _glance
from striate.data.readers.masks import Masks


def classes(folder: Path, *parts: str, count: int = 4) -> Path:
    """Folders of pictures, each of a name of its own."""
    for part in parts:
        for number in range(count):
            picture(folder / part / f"{part.replace('/', '-')}{number}.png", 8, 8, seed=number)
    return folder


def zipped(folder: Path, path: Path) -> Path:
    """The files of a folder in an archive."""
    with zipfile.ZipFile(path, "w") as archive:
        for file in sorted(folder.rglob("*")):
            if file.is_file():
                archive.write(file, file.relative_to(folder))
    return path


@pytest.mark.parametrize(
    "parts",
    [
        ("train/target", "train/clutter", "test/target", "test/clutter"),
        ("train/matte", "train/glossy", "val/matte", "val/glossy"),
        ("train/label", "train/no_label", "test/label", "test/no_label"),
        ("mask", "photo", "text"),
        ("images", "labels", "masks"),
    ],
)
@pytest.mark.parametrize("packed", [False, True])
def test_classes_called_like_masks_are_classes(parts: tuple[str, ...], packed: bool, tmp_path: Path) -> None:
    data = classes(tmp_path / "data", *parts)
    found = open_dataset(zipped(data, tmp_path / "data.zip") if packed else data)
    assert found.task == "classify"
    assert set(found.target_names) == {part.split("/")[-1] for part in parts}


def test_pictures_and_masks_that_do_not_pair_are_an_error_and_not_two_classes(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="has a mask"):
        open_dataset(classes(tmp_path, "images", "masks"))


def test_masks_of_a_few_of_many_pictures_are_masks(tmp_path: Path) -> None:
    """However the disk orders names: those of both folders are all looked at."""
    for number in range(600):
        (tmp_path / "train" / "images").mkdir(parents=True, exist_ok=True)
        (tmp_path / "train" / "images" / f"{number:03}.png").write_bytes(b"")
        (tmp_path / "train" / "previews").mkdir(exist_ok=True)
        (tmp_path / "train" / "previews" / f"p{number:03}.png").write_bytes(b"")
    for number in range(590, 600):
        picture(tmp_path / "train" / "images" / f"{number}.png", 8, 8)
        path = tmp_path / "train" / "masks" / f"{number}.png"
        path.parent.mkdir(exist_ok=True)
        picture(path, 8, 8)
    assert Masks().accepts(tmp_path)


STRAYS = {
    "data.yaml": "train: train\nval: val\nnc: 2\nnames: [cat, dog]\n",
    "train.json": json.dumps(
        {
            "images": [{"id": 1, "file_name": "cat/cat0.png"}],
            "annotations": [{"id": 1, "image_id": 1, "category_id": 0}],
            "categories": [{"id": 0, "name": "cat"}],
        }
    ),
    "cat/cat0.xml": "<annotation><filename>cat0.png</filename><size/></annotation>",
    "cat/cat0.txt": "0 0.5 0.5 0.1 0.1\n",
}


@pytest.mark.parametrize("stray", STRAYS)
@pytest.mark.parametrize("packed", [False, True])
def test_a_stray_file_makes_no_boxes_of_class_folders(stray: str, packed: bool, tmp_path: Path) -> None:
    data = classes(tmp_path / "labels" / "data", "cat", "dog")
    (data / stray).write_text(STRAYS[stray])
    found = open_dataset(zipped(data, tmp_path / "data.zip") if packed else data)
    assert (found.task, found.target_names) == ("classify", ("cat", "dog"))


def test_annotations_behind_a_stray_xml_in_an_archive(tmp_path: Path) -> None:
    data = voc(tmp_path / "data")
    (data / "0.xml").write_text("<project/>")
    found = open_dataset(zipped(data, tmp_path / "data.zip"))
    assert (found.task, len(found)) == ("detect", 3)


@pytest.mark.parametrize(
    "line", ["{n}.png,0.{n},0.1,0.5,0.6,0.{n}", "{n}.png,{n},1,0,1,0", "{n}.png,0.5,0.1,0.2,0.3,x"]
)
def test_a_table_of_numbers_without_a_header_is_no_table_of_boxes(line: str, tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("".join(line.format(n=number) + "\n" for number in range(2)))
    assert not READERS.get("box_table").accepts(path)


@pytest.mark.parametrize("line", ["0.png,1,2,9,9,cat", "0.png,,,,,"])
def test_a_table_of_boxes_without_a_header_is_one(line: str, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(f"{line}\n")
    assert READERS.get("box_table").accepts(tmp_path / "t.csv")


@pytest.mark.parametrize(
    ("name", "content", "reader"),
    [
        ("zz.coco.json", json.dumps(coco_content()), "coco_boxes"),
        ("zz.csv", "filename,xmin,ymin,xmax,ymax,class\na.png,1,1,4,4,cat\n", "box_table"),
    ],
)
def test_one_file_among_many_is_found(
    name: str, content: str, reader: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Last in whatever order the disk lists: found behind 1,500 others."""
    for number in range(1500):
        (tmp_path / f"{number:04}.png").touch()
    (tmp_path / name).write_text(content)
    listed = os.scandir

    @contextmanager
    def sorted_scan(path: str) -> Iterator[list[os.DirEntry[str]]]:
        with listed(path) as found:
            yield sorted(found, key=lambda entry: entry.name)

    monkeypatch.setattr(_glance.os, "scandir", sorted_scan)
    assert READERS.get(reader).accepts(tmp_path)


def test_labels_behind_many_sequences_are_found(tmp_path: Path) -> None:
    for number in range(70):
        picture(tmp_path / "images" / f"s{number:02}" / f"{number}.png", 8, 8)
        label = tmp_path / "labels" / f"s{number:02}" / f"{number}.txt"
        label.parent.mkdir(parents=True)
        label.write_text("0 0.5 0.5 0.2 0.2\n")
    found = open_dataset(tmp_path)
    assert (found.reader, len(found)) == ("yolo", 70)


def test_masks_behind_many_sequences_are_found(tmp_path: Path) -> None:
    for number in range(70):
        picture(tmp_path / "images" / f"s{number:02}" / f"{number}.png", 8, 8)
        picture(tmp_path / "masks" / f"s{number:02}" / f"{number}.png", 8, 8)
    assert READERS.get("masks").accepts(tmp_path)
