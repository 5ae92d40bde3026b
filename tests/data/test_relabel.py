"""Corrected labels: what a list changes and leaves out, in split and audit; what is wrong with a list is said."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from striate.core.artifacts import write_csv
from striate.core.errors import DataError
from striate.core.events import Silent
from striate.core.records import Dataset, Label
from striate.data.audit import run_audit
from striate.data.dataset import open_dataset
from striate.data.relabel import relabelled
from striate.data.split import make_split


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for number in range(24):
        place = tmp_path / "data" / ("cat", "dog")[number % 2]
        place.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8), (10 * number, 100, 255 - 10 * number)).save(place / f"{number:02}.png")
    for name in ("cat", "dog"):
        Image.new("RGB", (8, 8), (1, 2, 3)).save(tmp_path / "data" / name / "same.png")
    return tmp_path / "data"


def listed(folder: Path, rows: list[tuple[str, ...]], header: tuple[str, ...] = ("path", "label")) -> Path:
    path = folder.parent / "list.csv"
    write_csv(path, header, rows)
    return path


def targets(dataset: Dataset) -> dict[str, str]:
    return {sample.key: sample.target.name for sample in dataset.samples if isinstance(sample.target, Label)}


def test_labels_are_changed_and_samples_left_out_while_the_data_stays(folder: Path) -> None:
    dataset = open_dataset(str(folder))
    before = {path: path.read_bytes() for path in sorted(folder.rglob("*.png"))}
    rows = [("cat/00.png", "dog"), (str(folder / "dog/01.png"), "exclude"), ("cat/02.png", ""), ("dog/03.png", "dog")]
    found = relabelled(dataset, listed(folder, rows))
    assert targets(found)["cat/00.png"] == "dog"
    assert found.relabelled == {"cat/00.png": "cat"}
    assert set(found.left_out) == {"dog/01.png", "cat/02.png"}
    assert found.notes[-1].startswith("list.csv changes 1 label and leaves out 2 samples")
    changed = {key for key, name in targets(dataset).items() if targets(found)[key] != name}
    assert changed == {"cat/00.png"}
    assert {path: path.read_bytes() for path in sorted(folder.rglob("*.png"))} == before


def test_the_split_leaves_out_and_says_what_was_changed(folder: Path) -> None:
    rows = [("cat/00.png", "dog"), ("dog/01.png", "exclude")]
    dataset = relabelled(open_dataset(str(folder)), listed(folder, rows))
    audit = run_audit(dataset, workers=0, reporter=Silent())
    split = make_split(dataset, audit, seed=0)
    assert split.fates["dog/01.png"] == "excluded"
    assert split.reasons["dog/01.png"] == "list.csv leaves it out"
    assert split.fates["cat/00.png"] in ("train", "val", "test")
    assert split.reasons["cat/00.png"] == "its label was 'cat' in the data"
    assert audit.classes == {"cat": 12, "dog": 13}


@pytest.mark.parametrize(("key", "label"), [("cat/same.png", "dog"), ("cat/same.png", ""), ("dog/same.png", "exclude")])
def test_a_duplicate_with_two_labels_is_settled(folder: Path, key: str, label: str) -> None:
    dataset = open_dataset(str(folder))
    assert len(run_audit(dataset, workers=0, reporter=Silent()).conflicts) == 1
    settled = relabelled(dataset, listed(folder, [(key, label)]))
    audit = run_audit(settled, workers=0, reporter=Silent())
    assert not audit.conflicts
    fates = make_split(settled, audit, seed=0).fates
    kept = {one for one in ("cat/same.png", "dog/same.png") if fates[one] != "excluded"}
    assert kept == {"cat/same.png", "dog/same.png"} - ({key} if label in ("", "exclude") else set())


def test_a_split_file_does_not_bring_back_what_is_left_out(folder: Path) -> None:
    dataset = relabelled(open_dataset(str(folder)), listed(folder, [("dog/01.png", "")]))
    audit = run_audit(dataset, workers=0, reporter=Silent())
    keys = sorted(targets(dataset))
    file = folder.parent / "split.csv"
    write_csv(file, ["key", "split"], [(key, "test" if place % 3 == 0 else "train") for place, key in enumerate(keys)])
    split = make_split(dataset, audit, seed=0, file=str(file))
    assert split.fates["dog/01.png"] == "excluded"
    assert not any("damaged" in note for note in split.notes)


def test_exclude_is_a_class_where_the_data_has_one_so_called(tmp_path: Path) -> None:
    for name in ("exclude", "keep"):
        (tmp_path / "data" / name).mkdir(parents=True)
        for number in range(3):
            Image.new("RGB", (8, 8), (number, len(name), 9)).save(tmp_path / "data" / name / f"{number}.png")
    dataset = open_dataset(str(tmp_path / "data"))
    found = relabelled(dataset, listed(tmp_path / "data", [("keep/0.png", "exclude"), ("keep/1.png", "")]))
    assert targets(found)["keep/0.png"] == "exclude"
    assert set(found.left_out) == {"keep/1.png"}


@pytest.mark.parametrize(
    ("rows", "said", "fix"),
    [
        (
            [("cat/0.png", "dog")],
            r"line 2: the data has no sample 'cat/0\.png'; did you mean 'cat/..\.png'",
            "relative",
        ),
        ([("cat/00.png", "dgo")], "line 2: 'dgo' is no class of the data; did you mean 'dog'", "cat, dog"),
        (
            [("cat/00.png", "dog"), ("cat/00.png", "cat")],
            "line 3: cat/00.png is there twice, first in line 2",
            "one row",
        ),
    ],
)
def test_what_is_wrong_with_a_list_is_said(folder: Path, rows: list[tuple[str, ...]], said: str, fix: str) -> None:
    with pytest.raises(DataError, match=said) as error:
        relabelled(open_dataset(str(folder)), listed(folder, rows))
    assert fix in str(error.value.fix)


def test_a_list_that_is_none_is_said(folder: Path) -> None:
    dataset = open_dataset(str(folder))
    with pytest.raises(DataError, match="does not exist"):
        relabelled(dataset, folder / "no.csv")
    with pytest.raises(DataError, match="has the columns key, class; a list of labels has at least path,label"):
        relabelled(dataset, listed(folder, [("a", "b")], ("key", "class")))
    with pytest.raises(DataError, match="leaves all samples out"):
        relabelled(dataset, listed(folder, [(key, "") for key in targets(dataset)]))
