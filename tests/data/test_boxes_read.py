"""Readers of boxes: Pascal VOC, COCO, YOLO and tables; their layouts, what is said, and each way of bad input."""

from __future__ import annotations

import io
import json
import os
import shutil
from pathlib import Path
from typing import Any

import made_boxes
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_boxes import SCENES, coco, coco_content, picture, table, voc, xml, yolo
from PIL import Image

from striate.core.errors import DataError, UnknownName, UsageError
from striate.core.records import Box, Boxes, Dataset, Source
from striate.data.dataset import open_dataset
from striate.data.header import upright_size
from striate.data.readers import ReadOptions, _coco_files, _json_stream, _xml, box_table
from striate.data.readers._coco import read_coco
from striate.data.readers._json_stream import stream_lists
from striate.data.readers._xml import parse_xml
from striate.data.store import Store

CSV = "path,x1,y1,x2,y2,label\na.png,2,3,10,12,cat\na.png,0,0,40,30,dog\nb.png,5.5,1.25,20,29,dog\nc.png,,,,,\n"


def scenes(dataset: Dataset) -> dict[str, list[tuple[Any, ...]] | None]:
    """Class and edges of each picture's boxes, by its name without folders and suffix."""
    found: dict[str, list[tuple[Any, ...]] | None] = {}
    for sample in dataset.samples:
        target = sample.target
        boxes = [(box.label, *box.corners) for box in target.boxes] if isinstance(target, Boxes) else None
        found[Path(sample.key).stem] = boxes
    return found


def splits(dataset: Dataset) -> dict[str, str | None]:
    return {Path(sample.key).stem: sample.split for sample in dataset.samples}


def said(dataset: Dataset, words: str) -> bool:
    return any(words in note for note in dataset.notes)


def near(found: dict[str, Any], wanted: dict[str, Any] = SCENES) -> bool:
    return found.keys() == wanted.keys() and all(
        len(found[stem]) == len(wanted[stem])
        and all(
            one[0] == other[0] and one[1:] == pytest.approx(other[1:], abs=1e-9)
            for one, other in zip(found[stem], wanted[stem], strict=True)
        )
        for stem in wanted
    )


# All formats


@pytest.mark.parametrize("reader", ["voc_boxes", "coco_boxes", "yolo", "box_table"])
def test_each_format_is_recognised_and_gives_the_same_boxes(reader: str, tmp_path: Path) -> None:
    folder = tmp_path / "data"
    names = "names: [cat, dog]\ntrain: images\n"
    {
        "voc_boxes": lambda: voc(folder),
        "coco_boxes": lambda: coco(folder),
        "yolo": lambda: yolo(folder, data=names),
        "box_table": lambda: table(folder, CSV),
    }[reader]()
    found = open_dataset(folder)
    assert (found.reader, found.task, found.target_names) == (reader, "detect", ("cat", "dog"))
    assert near(scenes(found))
    assert [sample.key for sample in found.samples] == sorted(sample.key for sample in found.samples)
    assert all(os.path.isfile(source.path) for sample in found.samples for source in sample.sources)
    assert said(found, "3 pictures with 3 boxes of 2 classes (cat, dog)")
    assert said(found, "1 picture is annotated with no box")
    with pytest.raises(UsageError, match="holds boxes"):
        open_dataset(folder, ReadOptions(task="classify"), reader=reader)
    archive = shutil.make_archive(str(tmp_path / "packed"), "zip", folder)
    packed = open_dataset(archive)
    assert (packed.reader, packed.task) == ("archive", "detect")
    assert near(scenes(packed))


def test_class_folders_and_tables_of_labels_have_no_boxes(tmp_path: Path) -> None:
    picture(tmp_path / "a" / "1.png")
    picture(tmp_path / "b" / "1.png")
    with pytest.raises(DataError, match="no boxes"):
        open_dataset(tmp_path, ReadOptions(task="detect"))


def test_groups_by_pattern(tmp_path: Path) -> None:
    found = open_dataset(voc(tmp_path / "d"), ReadOptions(group="{group}"))
    assert [sample.group for sample in found.samples] == ["a", "b", "c"]


@pytest.mark.parametrize("edges", [(4, 3, 4, 12), (4, 3, 2, 12), (2, 9, 10, 3), (float("nan"), 3, 10, 12)])
def test_a_box_that_is_none_is_dropped_with_its_reason(edges: tuple[float, ...], tmp_path: Path) -> None:
    bad = {"a": [*SCENES["a"], ("cat", *edges)], "b": SCENES["b"]}
    for folder, made in (
        (tmp_path / "voc", voc(tmp_path / "voc", bad)),  # type: ignore[arg-type]
        (tmp_path / "coco", coco(tmp_path / "coco", scenes=bad)),  # type: ignore[arg-type]
        (
            tmp_path / "csv",
            table(
                tmp_path / "csv", CSV.replace("c.png,,,,,", f"a.png,{','.join(map(str, edges))},cat"), stems=("a", "b")
            ),
        ),
    ):
        found = open_dataset(made)
        assert near(scenes(found), {stem: SCENES[stem] for stem in ("a", "b")}), folder
        (reason,) = found.samples[0].target.dropped  # type: ignore[union-attr]
        assert "cat" in reason
        assert ("finite" in reason) == (edges[0] != edges[0])
        assert said(found, "1 box is none and is dropped")


def test_width_and_height_taken_for_edges_is_refused(tmp_path: Path) -> None:
    rows = "".join(f"a.png,{30 + n},{20 + n},8,9,cat\n" for n in range(9))
    with pytest.raises(DataError, match="not width and height"):
        open_dataset(table(tmp_path, "path,x1,y1,x2,y2,label\n" + rows + "b.png,1,2,3,4,cat\n"))


@pytest.mark.parametrize("reader", ["voc_boxes", "coco_boxes", "yolo", "box_table"])
def test_no_boxes_at_all_is_an_error(reader: str, tmp_path: Path) -> None:
    nothing: dict[str, list[made_boxes.Edges]] = {"a": [], "b": []}
    content = {**coco_content(nothing), "categories": [{"id": 1, "name": "cat"}]}
    folder = {
        "voc_boxes": lambda: voc(tmp_path / "d", nothing),
        "coco_boxes": lambda: coco(tmp_path / "d", content, nothing),
        "yolo": lambda: yolo(tmp_path / "d", nothing, "names: [cat]\ntrain: images\n"),
        "box_table": lambda: table(tmp_path / "d", "path,x1,y1,x2,y2,label\na.png,,,,,\n"),
    }[reader]()
    with pytest.raises(DataError, match="there are no boxes"):
        open_dataset(folder)


def test_a_named_picture_that_is_absent_is_left_to_the_audit_and_all_absent_is_an_error(tmp_path: Path) -> None:
    for name, folder in (("v", voc(tmp_path / "v")), ("c", coco(tmp_path / "c")), ("t", table(tmp_path / "t", CSV))):
        (gone,) = folder.rglob("b.png")
        gone.unlink()
        found = open_dataset(folder)
        (missing,) = [one for one in found.samples if not os.path.isfile(one.sources[0].path)]
        assert Path(missing.key).name == "b.png"
        assert len(missing.target.boxes) == 1, name  # type: ignore[union-attr]
    for one in (tmp_path / "v").rglob("*.png"):
        one.unlink()
    with pytest.raises(DataError, match="none of the 3 pictures"):
        open_dataset(tmp_path / "v")


# Pascal VOC


def test_lists_give_the_splits(tmp_path: Path) -> None:
    more = {**SCENES, "d": [("cat", 1, 1, 5, 5)], "e": [("cat", 1, 1, 5, 5)]}
    folder = voc(tmp_path / "d", more)  # type: ignore[arg-type]
    lists = folder / "ImageSets" / "Main"
    lists.mkdir(parents=True)
    (lists / "train.txt").write_text("a\nb\n")
    (lists / "val.txt").write_text("c\n")
    (lists / "trainval.txt").write_text("a\nb\nc\n")
    (lists / "test.txt").write_text("d\nmissing\n")
    (lists / "cat_train.txt").write_text("a 1\nb -1\n")
    found = open_dataset(folder)
    assert splits(found) == {"a": "train", "b": "train", "c": "val", "d": "test", "missing": "test"}
    assert said(found, "1 picture is in none of these lists")
    assert said(found, "1 picture that they name is not there: missing")
    (lists / "val.txt").write_text("a\n")
    with pytest.raises(DataError, match="lists of both train and val"):
        open_dataset(folder)
    (lists / "train.txt").unlink()
    (lists / "val.txt").unlink()
    assert splits(open_dataset(folder))["c"] == "train"


def test_annotations_beside_pictures_in_folders_of_splits(tmp_path: Path) -> None:
    for part, stem in (("train", "a"), ("train", "b"), ("valid", "a"), ("test", "c")):
        picture(tmp_path / part / f"{stem}.jpg")
        (tmp_path / part / f"{stem}.xml").write_text(xml([("cat", 1, 2, 3, 4)], "of another name.jpg"))
    found = open_dataset(tmp_path)
    assert {sample.key: sample.split for sample in found.samples} == {
        "train/a.jpg": "train",
        "train/b.jpg": "train",
        "valid/a.jpg": "val",
        "test/c.jpg": "test",
    }


def test_a_picture_is_found_by_what_the_annotation_says(tmp_path: Path) -> None:
    picture(tmp_path / "photos" / "x1.png")
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "0007.xml").write_text(xml([("cat", 1, 2, 3, 4)], "x1"))
    picture(tmp_path / "photos" / "x2.png")
    (tmp_path / "notes" / "0008.xml").write_text(xml([("cat", 1, 2, 3, 4)], "C:\\photos\\x2.png"))
    picture(tmp_path / "photos" / "x3.png")
    found = open_dataset(tmp_path)
    assert scenes(found) == {"x1": [("cat", 1, 2, 3, 4)], "x2": [("cat", 1, 2, 3, 4)], "x3": None}
    assert said(found, "1 picture has no annotation")


def test_difficult_and_the_stated_size_are_kept(tmp_path: Path) -> None:
    found = open_dataset(voc(tmp_path / "d", extra="<difficult>1</difficult>"))
    target = found.samples[0].target
    assert isinstance(target, Boxes)
    assert target.boxes[0] == Box("cat", 2, 3, 10, 12, difficult=True)
    assert target.size == (30, 40)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("<annotation><object><name>cat</na", "is cut off|is no XML"),
        ("<annotation><object><name>cat</name>", "is cut off"),
        ("<annotation><object><bndbox/></object></annotation>", "has no name"),
        ("<annotation><object><name>cat</name></object></annotation>", "has no <bndbox>"),
        (xml([("cat", "wide", 1, 2, 3)], "a.png"), "'wide'; a number of pixels"),  # type: ignore[list-item]
        ('<!DOCTYPE a [<!ENTITY b "c">]><annotation>&b;</annotation>', "document type"),
        ('<?xml version="1.0" encoding="nonsense"?><annotation/>', "no XML that can be read"),
        ("<annotation>&b;</annotation>", "is no XML"),
    ],
)
def test_annotations_that_cannot_be_read(content: str, words: str, tmp_path: Path) -> None:
    folder = voc(tmp_path / "d")
    (folder / "Annotations" / "b.xml").write_text(content)
    with pytest.raises(DataError, match=words) as caught:
        open_dataset(folder)
    assert "b.xml" in caught.value.message
    assert caught.value.fix


def test_two_annotations_of_one_picture(tmp_path: Path) -> None:
    folder = voc(tmp_path / "d")
    (folder / "More").mkdir()
    shutil.copy(folder / "Annotations" / "a.xml", folder / "More" / "a.xml")
    with pytest.raises(DataError, match="about the same picture"):
        open_dataset(folder)


def test_entities_are_never_expanded_nor_files_fetched(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("7")
    for content in (
        f'<!DOCTYPE a [<!ENTITY b SYSTEM "file://{secret}">]><a>&b;</a>',
        '<!DOCTYPE a [<!ENTITY b "bbbbbbbb"><!ENTITY c "&b;&b;&b;&b;">]><a>&c;</a>',
        f'<!DOCTYPE a SYSTEM "file://{secret}"><a/>',
    ):
        with pytest.raises(DataError, match="document type"):
            parse_xml(content.encode(), "a.xml")


def test_a_huge_annotation_is_refused_before_it_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = voc(tmp_path / "d")
    monkeypatch.setattr(_xml, "MAX_BYTES", 10)
    with pytest.raises(DataError, match="at most 10 are read"):
        open_dataset(folder)


def test_real_blood_cells() -> None:
    root = os.environ.get("STRIATE_DATA")
    if root is None:
        pytest.skip("STRIATE_DATA is not set")
    found = open_dataset(Path(root) / "bccd")
    targets = [sample.target for sample in found.samples if isinstance(sample.target, Boxes)]
    assert (len(found), len(targets), found.target_names) == (364, 364, ("Platelets", "RBC", "WBC"))
    assert sum(len(target.boxes) for target in targets) == 4886
    assert sum(len(target.dropped) for target in targets) == 2
    assert sorted(splits(found).values()) == ["test"] * 72 + ["train"] * 205 + ["val"] * 87  # type: ignore[type-var]


# COCO


def test_a_file_a_split_and_a_file_named_itself(tmp_path: Path) -> None:
    for part, stem in (("train", "a"), ("val", "b")):
        content = coco_content({stem: SCENES[stem]})
        picture(tmp_path / f"{part}2017" / f"{stem}.png")
        (tmp_path / "annotations").mkdir(exist_ok=True)
        (tmp_path / "annotations" / f"instances_{part}2017.json").write_text(json.dumps(content))
        (tmp_path / "annotations" / f"captions_{part}2017.json").write_text(json.dumps(content))
    found = open_dataset(tmp_path)
    assert {sample.key: sample.split for sample in found.samples} == {
        "train2017/a.png": "train",
        "val2017/b.png": "test",  # the only part held out
    }
    one = open_dataset(tmp_path / "annotations" / "instances_val2017.json")
    assert scenes(one) == {"b": [("dog", 5.5, 1.25, 20.0, 29.0)]}
    assert said(one, "1 picture that no file names is left out")
    shutil.copy(tmp_path / "annotations" / "instances_val2017.json", tmp_path / "instances.json")
    with pytest.raises(DataError, match="both describe the picture"):
        open_dataset(tmp_path)


def test_the_root_of_a_file_that_lies_elsewhere(tmp_path: Path) -> None:
    folder = coco(tmp_path / "d")
    shutil.move(folder / "annotations" / "instances.json", tmp_path / "far.json")
    found = open_dataset(tmp_path / "far.json", ReadOptions(root=str(folder)))
    assert near(scenes(found))
    assert not said(found, "--root")
    with pytest.raises(DataError, match="root"):
        open_dataset(tmp_path / "far.json", ReadOptions(root=str(tmp_path / "nowhere")))


def test_other_json_beside_class_folders_is_no_annotation(tmp_path: Path) -> None:
    for name in "ab":
        picture(tmp_path / name / "1.png")
    (tmp_path / "about.json").write_text('{"images": 2, "author": "me"}')
    assert open_dataset(tmp_path).reader == "folders"


def test_a_json_for_each_picture_is_not_opened_one_by_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_coco_files, "MANY", 2)
    folder = coco(tmp_path / "d")
    for number in range(3):
        (folder / "annotations" / f"{number}.json").write_text(json.dumps(coco_content()))
    assert near(scenes(open_dataset(folder, reader="coco_boxes")))


def test_crowds_and_areas(tmp_path: Path) -> None:
    content = coco_content()
    content["annotations"][0] |= {"iscrowd": 1, "area": 12.5}
    first, second = open_dataset(coco(tmp_path / "d", content)).samples[0].target.boxes  # type: ignore[union-attr]
    assert (first.crowd, first.area, second.crowd, second.area) == (True, 12.5, False, None)


def _changed(**changes: Any) -> dict[str, Any]:
    content = coco_content()
    for key, value in changes.items():
        part, _, field = key.partition("__")
        if field:
            content[part][0][field] = value
        else:
            content[part] = value
    return content


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (_changed(annotations__category_id=77), "category 77, which is not known; known are 0, 10"),
        (_changed(annotations__image_id=99), "the picture 99, which is not among"),
        (_changed(annotations__bbox=[1, 2, 3]), "4 numbers were expected"),
        (_changed(annotations__bbox=[1, 2, 3, "4"]), "4 numbers were expected"),
        (_changed(annotations__bbox={"x": 1}), "4 numbers were expected"),
        (_changed(annotations__image_id=None), "'image_id' None"),
        (_changed(annotations__id=1), "two annotations have the id 1"),
        (_changed(images__id=1), "two pictures have the id 1"),
        (_changed(images__file_name=""), "no 'file_name'"),
        (_changed(images=[]), "names no pictures"),
        (_changed(images={"a": 1}), "a list was expected under 'images'"),
        (_changed(images=[3]), "an object was expected"),
        (_changed(categories__id=10), "stands twice"),
        (_changed(categories__name="dog"), "stands twice"),
        (_changed(categories__name=None), "has no name"),
        (_changed(categories__id=True), "'id' True"),
    ],
)
def test_a_file_that_contradicts_itself(content: dict[str, Any], words: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=words) as caught:
        open_dataset(coco(tmp_path / "d", content))
    assert caught.value.fix


def test_outlines_are_kept_where_they_are_wanted(tmp_path: Path) -> None:
    content = coco_content()
    content["annotations"][0]["segmentation"] = [[1, 2, 5, 2, 5, 6]]
    content["annotations"][1]["segmentation"] = {"counts": [3, 4, 1193], "size": [30, 40]}
    content["annotations"][2]["segmentation"] = {"counts": "PPYo0", "size": [30, 40]}
    coco(tmp_path / "d", content)
    source = Source("file", str(next(tmp_path.rglob("*.json"))))
    plain, outlined = read_coco(source), read_coco(source, outlines=True)
    assert plain.things[0][0].polygons == ()
    first, second = outlined.things[0]
    assert first.polygons == ((1.0, 2.0, 5.0, 2.0, 5.0, 6.0),)
    assert (second.counts, second.counts_size) == ((3, 4, 1193), (30, 40))
    assert outlined.things[1][0].counts == "PPYo0"
    for wrong in ([[1, 2, 3, 4]], [[1, 2, 3, 4, 5, 6, 7]], [["a"] * 6], {"counts": 3, "size": [1, 2]}, "x"):
        content["annotations"][0]["segmentation"] = wrong
        Path(source.path).write_text(json.dumps(content))
        with pytest.raises(DataError, match="segmentation"):
            read_coco(source, outlines=True)
        assert read_coco(source).things


@given(st.integers(1, 60), st.data())
def test_a_file_cut_off_anywhere_is_said(chunk: int, data: st.DataObject) -> None:
    whole = json.dumps(coco_content()).encode()
    cut = data.draw(st.integers(0, len(whole) - 1))
    before = _json_stream.CHUNK
    _json_stream.CHUNK = chunk
    try:
        found = list(stream_lists(io.BytesIO(whole), "a.json", ["images", "annotations"]))
        with pytest.raises(DataError, match="is cut off"):
            list(stream_lists(io.BytesIO(whole[:cut]), "a.json", ["images", "annotations"]))
    finally:
        _json_stream.CHUNK = before
    content = coco_content()
    assert found == [(key, one) for key in ("images", "annotations") for one in content[key]]


def test_every_place_to_cut_off_is_said() -> None:
    whole = b'{"a": [1.5, -2e+7, true, null, "x\\u00e9", {"b": [false, 12]}], "c": 3}'
    assert len(list(stream_lists(io.BytesIO(whole), "a.json", ["a"]))) == 6
    for cut in range(len(whole)):
        with pytest.raises(DataError, match="is cut off"):
            list(stream_lists(io.BytesIO(whole[:cut]), "a.json", ["a"]))


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text(max_size=4), st.lists(VALUES, max_size=4) | VALUES, max_size=5), st.integers(1, 30))
def test_streaming_equals_parsing(content: dict[str, Any], chunk: int) -> None:
    wanted = {key for key, value in content.items() if isinstance(value, list)}
    before = _json_stream.CHUNK
    _json_stream.CHUNK = chunk
    try:
        text = json.dumps(content, ensure_ascii=False).encode("utf-8", "surrogatepass")
        text.decode("utf-8")
        found = list(stream_lists(io.BytesIO(text), "a.json", wanted))
    except UnicodeDecodeError:
        return  # a lone surrogate, which is no UTF-8
    finally:
        _json_stream.CHUNK = before
    assert found == [(key, one) for key, value in content.items() if key in wanted for one in value]


@pytest.mark.parametrize(
    "text",
    ["[1]", "", "{,}", '{"a" 1}', '{"a": 1 "b": 2}', '{"a": [1 2]}', '{"a": 1, "a": 2}', "{3: 4}", '{"a": nope}'],
)
def test_what_is_no_such_json(text: str) -> None:
    with pytest.raises(DataError):
        list(stream_lists(io.BytesIO(text.encode()), "a.json", ["b"]))


def test_memory_of_a_long_file_is_that_of_one_element(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_json_stream, "CHUNK", 1000)
    held = []
    real = _json_stream._Text._more

    def watched(self: Any, size: int) -> None:
        real(self, size)
        held.append(len(self.window))

    monkeypatch.setattr(_json_stream._Text, "_more", watched)
    content = json.dumps({"info": {}, "annotations": [{"id": n, "bbox": [n] * 4} for n in range(3000)]})
    assert len(list(stream_lists(io.BytesIO(content.encode()), "a.json", ["annotations"]))) == 3000
    assert max(held) < 3000 < len(content) / 30
    monkeypatch.setattr(_json_stream, "MAX_ELEMENT", 5000)
    with pytest.raises(DataError, match="Unterminated"):
        list(stream_lists(io.BytesIO(b'{"a": ["' + b"x" * 10**5 + b'"]}'), "a.json", ["a"]))


# YOLO


def test_splits_and_names_of_a_recipe(tmp_path: Path) -> None:
    folder = yolo(tmp_path / "d")
    for part, stem in (("train", "a"), ("val", "b"), ("test", "c")):
        for kind, suffix in (("images", "png"), ("labels", "txt")):
            (folder / kind / part).mkdir()
            shutil.move(folder / kind / f"{stem}.{suffix}", folder / kind / part / f"{stem}.{suffix}")
    wanted = {"a": "train", "b": "val", "c": "test"}
    for text in (
        "path: .\ntrain: images/train\nval: images/val\ntest: images/test\nnc: 2\nnames: [cat, dog]\n",
        "train: ../train\nvalid: /content/d/images/val\ntest: [images/test/]\nnames: {0: cat, 1: dog}\n".replace(
            "../train", "../images/train"
        ),
        "train: list.txt\nval: images/val\ntest: images/test\nnames:\n- cat\n- dog\n",
    ):
        (folder / "data.yaml").write_text(text)
        (folder / "list.txt").write_text("./images/train/a.png\n")
        for data in (folder, folder / "data.yaml"):
            found = open_dataset(data)
            assert splits(found) == wanted, text
            assert near(scenes(found))
    (folder / "list.txt").unlink()
    (folder / "data.yaml").unlink()
    found = open_dataset(folder)
    assert splits(found) == wanted
    assert (found.target_names, said(found, "called by their numbers")) == (("0", "1"), True)
    (folder / "classes.txt").write_text("cat\ndog\n")
    assert open_dataset(folder).target_names == ("cat", "dog")


def test_labels_beside_pictures_and_pictures_without(tmp_path: Path) -> None:
    picture(tmp_path / "a.png")
    picture(tmp_path / "b.png")
    (tmp_path / "a.txt").write_text("0 0.5 0.5 0.25 0.5\n")
    found = open_dataset(tmp_path)
    assert (found.reader, scenes(found)) == ("yolo", {"a": [("0", 15.0, 7.5, 25.0, 22.5)], "b": None})


def test_a_label_file_without_its_picture_is_said(tmp_path: Path) -> None:
    folder = yolo(tmp_path / "d", data="names: [cat, dog]\ntrain: images\n")
    (folder / "images" / "b.png").unlink()
    assert said(open_dataset(folder), "1 label file has no picture: labels/b.txt")


def test_an_outline_counts_as_the_box_around_it(tmp_path: Path) -> None:
    folder = yolo(tmp_path / "d", data="names: [cat, dog]\ntrain: images\n")
    (folder / "labels" / "b.txt").write_text("1 0.25 0.5 0.5 0.2 0.75 0.9\n0 0.5 0.5 0.5 0.5\n")
    found = open_dataset(folder)
    assert scenes(found)["b"] == [("dog", 10.0, pytest.approx(6), 30.0, 27.0), ("cat", 10, 7.5, 30, 22.5)]
    assert said(found, "1 line is an outline")


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("2 0.5 0.5 0.1 0.1", "class '2'; known are 0 to 1"),
        ("-1 0.5 0.5 0.1 0.1", "class '-1'"),
        ("cat 0.5 0.5 0.1 0.1", "class 'cat'"),
        ("0 0.5 0.5 0.1", "has 3 numbers"),
        ("0 0.5 0.5 0.1 0.1 0.9", "has 5 numbers"),
        ("0 0.5 0.5 x 0.1", "something else than numbers"),
        ("0 50 50 10 10", "percent or pixels"),
        ("0 500 300 100 120", "seem to be pixels"),
    ],
)
def test_lines_that_are_no_boxes(line: str, words: str, tmp_path: Path) -> None:
    folder = yolo(tmp_path / "d", data="names: [cat, dog]\ntrain: images\n")
    (folder / "labels" / "b.txt").write_text(f"0 0.5 0.5 0.1 0.1\n{line}\n")
    with pytest.raises(DataError, match=words) as caught:
        open_dataset(folder)
    assert "b.txt, line 2" in caught.value.message


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("names: [cat, dog]\nnc: 3\ntrain: images\n", "nc: 3 and names 2 classes"),
        ("names: {1: cat, 2: dog}\ntrain: images\n", "not from 0 up"),
        ("names: [cat, cat]\ntrain: images\n", "twice"),
        ("names: 7\ntrain: images\n", "a list of class names"),
        ("names: [cat, dog]\ntrain: images\nval: nowhere\n", "val: nowhere, and no pictures are there"),
        ("names: [cat, dog]\ntrain: images\nval: images/a.png\n", "no pictures are there"),
        ("names: [cat, dog]\ntrain: images\nval: images\n", "both train and val"),
        ("names: [cat, dog\ntrain: images\n", "is no YAML"),
        ("names: [cat, dog]\ntrain: 3\n", "a folder, a list"),
    ],
)
def test_recipes_that_cannot_be_followed(text: str, words: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=words):
        open_dataset(yolo(tmp_path / "d", data=text))


def test_two_recipes_are_one_too_many(tmp_path: Path) -> None:
    folder = yolo(tmp_path / "d", data="names: [cat, dog]\ntrain: images\n")
    shutil.copy(folder / "data.yaml", folder / "other.yaml")
    with pytest.raises(DataError, match="2 files that say what is in it"):
        open_dataset(folder)


def test_fractions_are_of_the_upright_picture(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    for suffix, format in (("jpg", "JPEG"), ("tif", "TIFF"), ("webp", "WEBP")):
        path = picture(tmp_path / suffix / f"a.{suffix}", format=format, exif=exif)
        (path.parent / "a.txt").write_text("0 0.5 0.5 1 1\n")
        found = open_dataset(path.parent, reader="yolo")
        assert upright_size(Store(), found.samples[0].sources[0]) == (40, 30)
        assert scenes(found) == {"a": [("0", 0, 0, 30, 40)]}


# Tables


TENSORFLOW = "filename,width,height,class,xmin,ymin,xmax,ymax\na.png,40,30,cat,2,3,10,12\n"
OPEN_IMAGES = (
    "ImageID,Source,LabelName,Confidence,XMin,XMax,YMin,YMax,IsOccluded,IsTruncated,IsGroupOf,IsDepiction,IsInside\n"
    "a,xclick,/m/01yrx,1,0.05,0.25,0.1,0.4,0,0,1,0,0\nb,xclick,/m/0bt9lr,1,0,0.5,0,1,0,0,-1,0,0\n"
)


def test_tables_as_other_tools_write_them(tmp_path: Path) -> None:
    found = open_dataset(table(tmp_path / "tf", TENSORFLOW))
    assert scenes(found) == {"a": [("cat", 2, 3, 10, 12)]}
    assert found.samples[0].target.size == (30, 40)  # type: ignore[union-attr]
    assert said(found, "2 pictures that no row names are left out")
    folder = table(tmp_path / "oid", OPEN_IMAGES)
    (folder / "class-descriptions-boxable.csv").write_text("/m/01yrx,Cat\n/m/0bt9lr,Dog\n")
    found = open_dataset(folder)
    assert near(scenes(found), {"a": [("Cat", 2, 3, 10, 12)], "b": [("Dog", 0, 0, 20, 30)]})
    assert found.samples[0].target.boxes[0].crowd  # type: ignore[union-attr]
    assert not found.samples[1].target.boxes[0].crowd  # type: ignore[union-attr]
    assert said(found, "fractions of the pictures")
    headless = open_dataset(table(tmp_path / "retina", "a.png,2,3,10,12,cat\nb.png,,,,,\n"))
    assert scenes(headless) == {"a": [("cat", 2, 3, 10, 12)], "b": []}


def test_fractions_are_told_by_their_share(tmp_path: Path) -> None:
    rows = "".join("a.png,0.25,0.5,0.5,1,cat\n" for _ in range(60))
    found = open_dataset(table(tmp_path / "d", f"path,x1,y1,x2,y2,label\n{rows}b.png,-0.3,0,1.2,1,dog\n"))
    assert scenes(found)["a"] == [("cat", 10, 15, 20, 30)] * 60
    assert scenes(found)["b"] == [("dog", -12, 0, 48, 30)]
    assert said(found, "fractions of the pictures, as all but 2 of 244 (such as 1.2) lie between 0 and 1")
    (tmp_path / "d" / "boxes.csv").write_text("path,x1,y1,x2,y2,label\na.png,0.25,0.5,0.5,1.2,cat\n")
    found = open_dataset(tmp_path / "d")
    assert scenes(found) == {"a": [("cat", 0.25, 0.5, 0.5, 1.2)]}
    assert said(found, "taken as pixels, though all but 1 of 4")
    (tmp_path / "d" / "boxes.csv").write_text("path,x1,y1,x2,y2,label\na.png,0,0,1,1,cat\n")
    found = open_dataset(tmp_path / "d")
    assert scenes(found) == {"a": [("cat", 0, 0, 1, 1)]}
    assert not said(found, "edges")


def test_a_table_a_split_and_a_column_of_splits(tmp_path: Path) -> None:
    head, *rows = CSV.splitlines()
    folder = table(tmp_path / "d", "\n".join([head, *rows[:2]]))
    os.rename(folder / "boxes.csv", folder / "train_labels.csv")
    (folder / "test_labels.csv").write_text("\n".join([head, rows[2]]))
    assert splits(open_dataset(folder)) == {"a": "train", "b": "test"}
    os.rename(folder / "test_labels.csv", folder / "more.csv")
    with pytest.raises(DataError, match="2 tables of boxes"):
        open_dataset(folder)
    one = open_dataset(folder / "more.csv")
    assert scenes(one) == {"b": [("dog", 5.5, 1.25, 20, 29)]}
    column = "path,x1,y1,x2,y2,label,split\na.png,1,2,3,4,cat,train\nb.png,1,2,3,4,cat,valid\nc.png,1,2,3,4,cat,test\n"
    assert splits(open_dataset(table(tmp_path / "e", column))) == {"a": "train", "b": "val", "c": "test"}


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ("a.png,1,2,3,x,cat", "'x' for y2"),
        ("a.png,1,2,,4,cat", "'' for x2"),
        ("a.png,1,2,3,4,", "no label"),
        (",1,2,3,4,cat", "no path"),
        ("a.png,1,2,3,4", "5 cells"),
    ],
)
def test_rows_that_are_no_boxes(row: str, words: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=words) as caught:
        open_dataset(table(tmp_path / "d", f"path,x1,y1,x2,y2,label\nb.png,1,2,3,4,cat\n{row}\n"))
    assert "line 3" in caught.value.message


def test_flags_and_splits_of_a_table(tmp_path: Path) -> None:
    head = "path,x1,y1,x2,y2,label,difficult,split\n"
    found = open_dataset(table(tmp_path / "d", head + "a.png,1,2,3,4,cat,True,\nb.png,1,2,3,4,cat,0,\n"))
    assert [sample.target.boxes[0].difficult for sample in found.samples] == [True, False]  # type: ignore[union-attr]
    for rows, words in (
        ("a.png,1,2,3,4,cat,maybe,\n", "0 or 1"),
        ("a.png,1,2,3,4,cat,0,elsewhere\n", "the split 'elsewhere'"),
        ("a.png,1,2,3,4,cat,0,train\na.png,1,2,3,5,cat,0,test\n", "an earlier line"),
    ):
        (tmp_path / "d" / "boxes.csv").write_text(head + rows)
        with pytest.raises(DataError, match=words):
            open_dataset(tmp_path / "d")


TIMED = (
    "path,x1,y1,x2,y2,label,patient,taken,device\n"
    "a.png,1,2,3,4,cat,p1,2026-03-01,x\na.png,2,2,3,4,cat,p1,2026-03-01,y\nb.png,,,,,,p2,2026-03-02,x\n"
)


def test_groups_and_times_are_columns_of_a_table(tmp_path: Path) -> None:
    folder = table(tmp_path / "d", TIMED, stems=("a", "b"))
    archive = shutil.make_archive(str(tmp_path / "packed"), "zip", folder)
    for data in (folder, folder / "boxes.csv", Path(archive)):
        found = open_dataset(data, ReadOptions(group="patient", time="taken"))
        assert [one.group for one in found.samples] == ["p1", "p2"]
        first, second = [one.time for one in found.samples]
        assert first is not None
        assert second == first + 86400
        assert said(found, "nothing is taken from: device.")
    pattern = open_dataset(folder, ReadOptions(group="{group}"))
    assert [(one.group, one.time) for one in pattern.samples] == [("a", None), ("b", None)]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("4,cat,p1,2026-03-01,y", "4,cat,p2,2026-03-01,y"), "line 3 of boxes.csv has the group 'p2', and an earlier"),
        (("4,cat,p1,2026-03-01,y", "4,cat,p1,2026-03-02,y"), "line 3 of boxes.csv has the time .*, and an earlier"),
        (("p2,2026-03-02", ",2026-03-02"), "line 4 of boxes.csv has no group"),
        (("2026-03-02", "soon"), "line 4 of boxes.csv has the time 'soon'"),
    ],
)
def test_lines_of_a_picture_agree_on_group_and_time(change: tuple[str, str], words: str, tmp_path: Path) -> None:
    folder = table(tmp_path / "d", TIMED.replace(*change), stems=("a", "b"))
    with pytest.raises(DataError, match=words):
        open_dataset(folder, ReadOptions(group="patient", time="taken"))


@pytest.mark.parametrize("options", [ReadOptions(group="pateint"), ReadOptions(time="takn")])
def test_a_column_that_is_not_there_is_named(options: ReadOptions, tmp_path: Path) -> None:
    folder = table(tmp_path / "d", TIMED, stems=("a", "b"))
    with pytest.raises(UnknownName, match=r"did you mean '(patient|taken)'"):
        open_dataset(folder, options)


def test_other_annotations_have_no_column_of_groups_or_times(tmp_path: Path) -> None:
    for folder in (voc(tmp_path / "v"), coco(tmp_path / "c"), yolo(tmp_path / "y", data="names: [cat, dog]\n")):
        with pytest.raises(UsageError, match="neither a column of a table nor a pattern"):
            open_dataset(folder, ReadOptions(group="patient"))
        with pytest.raises(DataError, match="there is no table to have it"):
            open_dataset(folder, ReadOptions(time="taken"))


@pytest.mark.parametrize("reader", ["box_table", "coco_boxes"])
def test_the_root_of_a_folder_of_annotations(reader: str, tmp_path: Path) -> None:
    folder = table(tmp_path / "d", CSV) if reader == "box_table" else coco(tmp_path / "d")
    (tmp_path / "notes").mkdir()
    for one in [*folder.rglob("*.csv"), *folder.rglob("*.json")]:
        shutil.move(one, tmp_path / "notes" / one.name)
    found = open_dataset(tmp_path / "notes", ReadOptions(root=str(folder)))
    assert (found.reader, near(scenes(found)), said(found, "--root")) == (reader, True, False)
    with pytest.raises(DataError, match=r"the root .* is not a folder"):
        open_dataset(tmp_path / "notes", ReadOptions(root=str(tmp_path / "nowhere")))


def test_a_root_without_use_is_said(tmp_path: Path) -> None:
    recipe = "names: [cat, dog]\ntrain: images\n"
    folders = [voc(tmp_path / "v"), yolo(tmp_path / "y", data=recipe)]
    packed = [
        shutil.make_archive(str(tmp_path / one.name), "zip", one)
        for one in (*folders, coco(tmp_path / "c"), table(tmp_path / "t", CSV))
    ]
    for data in (*folders, *packed):
        assert said(open_dataset(data, ReadOptions(root=str(tmp_path))), "--root has no use here"), data
    assert not said(open_dataset(tmp_path / "y/data.yaml", ReadOptions(root=str(tmp_path / "y"))), "--root")
    with pytest.raises(DataError, match=r"the root .* is not a folder"):
        open_dataset(tmp_path / "y/data.yaml", ReadOptions(root=str(tmp_path / "nowhere")))


def test_a_table_without_the_columns_is_refused_by_name(tmp_path: Path) -> None:
    folder = table(tmp_path / "d", "path,cx,cy,w,h,label\na.png,1,2,3,4,cat\n")
    with pytest.raises(DataError, match="a path, x1, y1, x2, y2 and a label were expected"):
        open_dataset(folder / "boxes.csv", reader="box_table")


def test_a_table_larger_than_memory_says_what_it_takes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(box_table, "memory_bytes", lambda: 1000)
    with pytest.raises(DataError, match="GB of memory to read"):
        open_dataset(table(tmp_path / "d", CSV))


def test_a_table_of_labels_is_still_one(tmp_path: Path) -> None:
    folder = table(tmp_path / "d", "path,label\na.png,x\nb.png,y\nc.png,x\n")
    assert open_dataset(folder).reader == "table"
    assert open_dataset(folder / "boxes.csv").task == "classify"
