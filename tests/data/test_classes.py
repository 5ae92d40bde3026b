"""Classes in targets of every kind, and how many samples have each."""

from __future__ import annotations

from pathlib import Path

from striate.core.records import Box, Boxes, Dataset, Label, Sample, Value
from striate.data.classes import count_classes, target_classes
from striate.data.split import SplitTable

SCENE = Boxes((Box("dog", 0, 0, 4, 4), Box("cat", 1, 1, 3, 9), Box("dog", 5, 5, 9, 9.5, difficult=True)))


def test_a_scene_has_each_of_its_classes_once() -> None:
    assert target_classes(SCENE) == ("cat", "dog")
    assert target_classes(Boxes(())) == target_classes(None) == target_classes(Value((1.0,))) == ()


def test_samples_are_counted_not_boxes() -> None:
    samples = (Sample("a", (), SCENE), Sample("b", (), Boxes((Box("dog", 0, 0, 1, 1),))), Sample("c", (), Boxes(())))
    dataset = Dataset("", "voc_boxes", "detect", samples, ("cat", "cow", "dog"))
    assert count_classes(dataset, samples) == {"cat": 1, "cow": 0, "dog": 2}
    regression = Dataset("", "table", "regress", samples, ("height",))
    assert count_classes(regression, samples) == {}
    one = Dataset("", "folders", "classify", (Sample("a", (), Label("x")),), ("x", "y"))
    assert count_classes(one, one.samples) == {"x": 1, "y": 0}


def test_a_split_file_tells_scenes_apart(tmp_path: Path) -> None:
    samples = (Sample("a", (), SCENE), Sample("b", (), Boxes(())))
    dataset = Dataset("", "voc_boxes", "detect", samples, ("cat", "dog"))
    SplitTable({"a": "train", "b": "test"}, {}).write(tmp_path / "split.csv", dataset)
    assert (tmp_path / "split.csv").read_text().splitlines()[1:] == [
        "a,train,dog 0 0 4 4;cat 1 1 3 9;dog 5 5 9 9.5,,",
        "b,test,,,",
    ]
