"""Converting: every pair of formats there and back, what is lost, what is left out, and what is refused."""

from __future__ import annotations

import hashlib
import itertools
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made_boxes import SCENES, coco, coco_content, picture, voc, yolo

from striate import api
from striate.core.errors import DataError, RunError, StriateError, UnknownName, UsageError
from striate.core.records import Box, Boxes, Dataset, Sample, Source
from striate.data.dataset import open_as_given
from striate.data.writers import WRITERS
from striate.workflows.convert import names_of

LABELS = ("Ä b", "<&\">'", "0", "cat", "yes", "a,b")
SPLITS = ("train", "val", "test")


def _drawn(seed: int, folder: Path) -> Dataset:
    """Pictures with random boxes, some of them outside, and every kind of flag."""
    random = np.random.default_rng(seed)
    samples = []
    for number in range(4):
        width, height = (int(side) for side in random.integers(30, 70, 2))
        path = picture(folder / f"p{number}.png", width, height, seed=number)
        boxes = []
        for _ in range(int(random.integers(0, 4))) if number else range(2):
            x1, y1 = random.uniform(-5, 60, 2)
            w, h = random.uniform(0.1, 40, 2)
            edges = (x1, y1, x1 + w, y1 + h)
            if random.random() < 0.3:
                edges = tuple(float(round(edge)) for edge in (x1, y1, x1 + w + 1, y1 + h + 1))
            flags = (bool(random.random() < 0.3), bool(random.random() < 0.3))
            area = float(random.integers(1, 90)) if random.random() < 0.3 else None
            boxes.append(Box(LABELS[int(random.integers(len(LABELS)))], *map(float, edges), *flags, area))
        split = SPLITS[number % 3] if seed % 2 else None
        samples.append(Sample(f"p{number}.png", (Source("file", str(path)),), Boxes(tuple(boxes)), split))  # type: ignore[arg-type]
    return Dataset(str(folder), "made", "detect", tuple(samples), tuple(sorted(LABELS)))


def _told(dataset: Dataset, kept: frozenset[str]) -> dict[str, Any]:
    """What a dataset says, of flags only those that are kept."""
    found = {}
    for sample in dataset.samples:
        assert isinstance(sample.target, Boxes)
        assert not sample.target.dropped
        rows = [
            (
                box.label,
                box.difficult and "difficult" in kept,
                box.crowd and "crowd" in kept,
                box.area if "area" in kept else None,
                box.corners,
            )
            for box in sample.target.boxes
        ]
        found[Path(sample.key).stem] = sample.split, rows
    return found


def _same(found: dict[str, Any], wanted: dict[str, Any]) -> None:
    assert found.keys() == wanted.keys()
    for stem, (split, rows) in wanted.items():
        assert found[stem][0] in (split, "train" if split is None else split)
        assert [row[:4] for row in found[stem][1]] == [row[:4] for row in rows]
        for one, other in zip(found[stem][1], rows, strict=True):
            assert one[4] == pytest.approx(other[4], abs=1.1e-3)


@pytest.mark.parametrize(("first", "second"), [*itertools.product(["coco", "csv", "voc", "yolo"], repeat=2)])
def test_there_and_back_between_all_formats(first: str, second: str, tmp_path: Path) -> None:
    from striate.core.events import Silent
    from striate.workflows.convert import convert

    for seed in range(2):
        dataset = _drawn(seed, tmp_path / f"made{seed}")
        kept = WRITERS.get(first).keeps & WRITERS.get(second).keeps
        wanted = _told(dataset, kept)
        one, other, back = (tmp_path / f"{name}{seed}" for name in ("one", "other", "back"))
        convert(dataset, first, one, "copy", Silent())
        api.convert(one, second, other)
        api.convert(other, first, back)
        _same(_told(open_as_given(one), kept), wanted)
        _same(_told(open_as_given(other), kept), wanted)
        again = open_as_given(back)
        _same(_told(again, kept), wanted)
        names = {*dataset.target_names} if "classes without a box" in kept else set()
        assert names <= set(again.target_names)
        for sample in again.samples:
            (original,) = [made for made in dataset.samples if Path(made.key).stem == Path(sample.key).stem]
            assert Path(sample.sources[0].path).read_bytes() == Path(original.sources[0].path).read_bytes()


def test_every_writer_is_tried() -> None:
    assert WRITERS.names() == ["coco", "csv", "voc", "yolo"]


def test_what_is_lost_is_said_and_the_data_stay(tmp_path: Path) -> None:
    folder = voc(tmp_path / "d", {**SCENES, "d": [("cat", 9, 9, 3, 20)]}, extra="<difficult>1</difficult>")
    before = {path: hashlib.sha256(path.read_bytes()).digest() for path in folder.rglob("*") if path.is_file()}
    picture(folder / "JPEGImages" / "bare.png")
    found = api.convert(folder, "coco", tmp_path / "out")
    assert found.lost == {"difficult": 3}
    assert found.left_out == (("JPEGImages/bare.png", "it has no annotation"),)
    assert len(found.dropped) == 1
    assert (found.pictures, found.boxes, found.copied, found.splits) == (4, 3, 4, {})
    said = " ".join(found.sentences())
    assert "lost, as coco has no room for it: difficult (3)" in said
    assert "bare.png" in said
    after = {path: hashlib.sha256(path.read_bytes()).digest() for path in before}
    assert after == before
    assert api.convert(folder, "voc", tmp_path / "voc").lost == {}


@pytest.mark.parametrize("to", WRITERS.names())
def test_boxes_that_a_format_cannot_hold_are_counted_and_its_own_reader_takes_the_rest(to: str, tmp_path: Path) -> None:
    rows = ["0.png,1,1,9,9,cat", "0.png,1,1,1.0004,9,cat", "0.png,100,1,110,9,dog", "0.png,-200,1,1,9,dog"]
    picture(tmp_path / "d/0.png")
    (tmp_path / "d/boxes.csv").write_text("\n".join(["path,x1,y1,x2,y2,label", *rows]))
    found = api.convert(tmp_path / "d", to, tmp_path / "out")
    wanted = {"boxes thinner than a thousandth of a pixel": 1}
    if to == "yolo":
        wanted["boxes further out or larger than twice the picture"] = 2
    assert {what: count for what, count in found.lost.items() if what.startswith("boxes")} == wanted
    (sample,) = open_as_given(tmp_path / "out").samples
    assert isinstance(sample.target, Boxes)
    assert (len(sample.target.boxes), sample.target.dropped) == (found.boxes, ())
    assert found.boxes == 4 - sum(wanted.values())


def test_a_held_out_part_keeps_its_name(tmp_path: Path) -> None:
    content = coco_content()
    for part in ("train", "val"):
        picture(tmp_path / "d" / part / f"{part}.png")
        one = {**content, "images": [{**content["images"][0], "file_name": f"{part}.png"}]}
        one["annotations"] = content["annotations"][:1]
        (tmp_path / "d" / f"{part}.json").write_text(json.dumps(one))
    found = api.convert(tmp_path / "d", "yolo", tmp_path / "out")
    assert found.splits == {"train": 1, "val": 1}
    assert (tmp_path / "out" / "labels" / "val" / "val.txt").is_file()


def test_annotations_alone_need_no_picture_whose_size_is_stated(tmp_path: Path) -> None:
    folder = coco(tmp_path / "d")
    (folder / "images" / "a.png").unlink()
    found = api.convert(folder, "yolo", tmp_path / "out", pictures="none")
    assert (found.pictures, found.copied) == (3, 0)
    assert not list((tmp_path / "out").rglob("*.png"))
    assert (tmp_path / "out" / "labels" / "a.txt").read_text().splitlines()[0].startswith("0 0.15")
    copied = api.convert(folder, "yolo", tmp_path / "more")
    assert [key for key, _ in copied.left_out] == ["annotations/a.png"]


def test_an_archive_is_converted_too(tmp_path: Path) -> None:
    archive = shutil.make_archive(str(tmp_path / "packed"), "zip", yolo(tmp_path / "d"))
    found = api.convert(archive, "voc", tmp_path / "out")
    assert (found.pictures, found.boxes) == (3, 3)
    assert open_as_given(tmp_path / "out").target_names == ("0", "1")


def test_what_cannot_be_converted(tmp_path: Path) -> None:
    folder = voc(tmp_path / "d")
    with pytest.raises(UnknownName, match="did you mean 'coco'"):
        api.convert(folder, "cocoo", tmp_path / "out")
    with pytest.raises(UnknownName, match="choice for the pictures"):
        api.convert(folder, "coco", tmp_path / "out", pictures="move")
    with pytest.raises(UsageError, match="inside of"):
        api.convert(folder, "coco", folder / "out")
    with pytest.raises(RunError, match="not empty"):
        api.convert(folder, "coco", folder.parent)
    picture(tmp_path / "p" / "a" / "1.png")
    picture(tmp_path / "p" / "b" / "1.png")
    with pytest.raises(DataError, match="and no boxes"):
        api.convert(tmp_path / "p", "coco", tmp_path / "out")
    (folder / "Annotations" / "a.xml").write_text(
        (folder / "Annotations" / "a.xml").read_text().replace("cat", "c\tt\n\nx")
    )
    with pytest.raises(DataError, match="no line breaks"):
        api.convert(folder, "coco", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_failure_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = voc(tmp_path / "d")
    monkeypatch.setattr("striate.workflows.convert.Store.read", lambda self, source: 1 / 0)
    with pytest.raises((ZeroDivisionError, StriateError)):
        api.convert(folder, "coco", tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["d"]


def test_names_are_told_apart_whatever_the_letters() -> None:
    assert names_of(["a/X.jpg", "b/x.jpg"]) == ["a_X", "b_x"]
    assert names_of(["a_x.jpg", "a/x.png", "b/x.png"]) == ["a_x", "a_x_2", "b_x"]
    assert names_of(["a/_.jpg", "val:a b.jpg"]) == ["picture", "val_a_b"]
