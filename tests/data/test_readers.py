"""Readers: every layout that is read, what is inferred and said, and every way in which data is no use."""

from __future__ import annotations

import io
import os
import shutil
import tarfile
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from striate.core.errors import DataError, UnknownName, UsageError
from striate.core.records import Dataset, Label, Labels, Source, Value
from striate.data.dataset import open_dataset
from striate.data.decode import decode_sample
from striate.data.readers import READERS, ReadOptions, _listing
from striate.data.readers._groups import groups_of
from striate.data.store import Store

PIXEL = b"P5 1 1 255\n\x07"  # the smallest picture: one grey pixel in a .pgm


def put(folder: Path, *names: str, content: bytes = PIXEL) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def packed(folder: Path, path: Path) -> Path:
    """A folder as an archive of the kind that the path's suffix says, without directory entries."""
    files = sorted(file for file in folder.rglob("*") if file.is_file())
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w") as archive:
            for file in files:
                archive.write(file, file.relative_to(folder))
    else:
        with tarfile.open(path, "w") as tar:
            for file in files:
                tar.add(file, file.relative_to(folder))
    return path


def labels(dataset: Dataset) -> dict[str, Any]:
    return {sample.key: getattr(sample.target, "name", sample.target) for sample in dataset.samples}


def splits(dataset: Dataset) -> dict[str, str | None]:
    return {sample.key: sample.split for sample in dataset.samples}


def said(dataset: Dataset, words: str) -> bool:
    return any(words in note for note in dataset.notes)


def table(folder: Path, name: str, text: str, *, encoding: str = "utf-8") -> Path:
    (folder / name).write_bytes(text.encode(encoding, "surrogateescape"))
    return folder / name


# Class folders


def test_labels_are_paths_of_any_depth(tmp_path: Path) -> None:
    put(tmp_path, "animal/cat/1.pgm", "animal/dog/2.pgm", "plant/3.pgm", "plant/rose/red/4.pgm")
    found = open_dataset(tmp_path)
    assert labels(found) == {
        "animal/cat/1.pgm": "animal/cat",
        "animal/dog/2.pgm": "animal/dog",
        "plant/3.pgm": "plant",
        "plant/rose/red/4.pgm": "plant/rose/red",
    }
    assert found.target_names == ("animal/cat", "animal/dog", "plant", "plant/rose/red")
    assert (found.reader, found.task, found.path) == ("folders", "classify", str(tmp_path))
    assert found.given_splits == set()
    assert said(found, "4 pictures, 4 classes")


@pytest.mark.parametrize(
    ("depth", "names"),
    [(1, ("animal", "plant")), (2, ("animal/cat", "plant/rose")), (9, ("animal/cat", "plant/rose/red"))],
)
def test_label_depth_cuts(tmp_path: Path, depth: int, names: tuple[str, ...]) -> None:
    put(tmp_path, "animal/cat/1.pgm", "plant/rose/red/4.pgm")
    assert open_dataset(tmp_path, ReadOptions(label_depth=depth)).target_names == names
    assert open_dataset(packed(tmp_path, tmp_path / "x.zip"), ReadOptions(label_depth=depth)).target_names == names


def test_a_label_depth_of_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="depth of 0"):
        open_dataset(put(tmp_path, "a/1.pgm", "b/1.pgm"), ReadOptions(label_depth=0))


@pytest.mark.parametrize("train", ["train", "training", "Train"])
@pytest.mark.parametrize("val", ["val", "valid", "validation"])
@pytest.mark.parametrize("test", ["test", "testing"])
def test_given_splits_under_all_their_names(tmp_path: Path, train: str, val: str, test: str) -> None:
    put(tmp_path, *(f"{split}/{label}/1.pgm" for split in (train, val, test) for label in "ab"))
    found = open_dataset(tmp_path)
    assert found.target_names == ("a", "b")
    expected = {train: "train", val: "val", test: "test"}
    assert splits(found) == {f"{folder}/{label}/1.pgm": expected[folder] for folder in expected for label in "ab"}
    assert said(found, "give the splits")


@pytest.mark.parametrize("held_out", ["val", "valid", "validation", "test"])
def test_a_single_held_out_folder_is_the_test(tmp_path: Path, held_out: str) -> None:
    put(tmp_path, "train/a/1.pgm", "train/b/1.pgm", f"{held_out}/a/1.pgm")
    found = open_dataset(tmp_path)
    assert found.given_splits == {"train", "test"}
    assert splits(found)[f"{held_out}/a/1.pgm"] == "test"
    assert said(found, "it is the test") == (held_out != "test")


def test_a_train_folder_alone_gives_no_split(tmp_path: Path) -> None:
    found = open_dataset(put(tmp_path, "train/a/1.pgm", "train/b/1.pgm"))
    assert found.given_splits == set()
    assert found.target_names == ("a", "b")
    assert said(found, "gives no split")
    only_held_out = open_dataset(put(tmp_path / "other", "val/a/1.pgm", "test/b/1.pgm"))
    assert only_held_out.given_splits == set()
    assert only_held_out.target_names == ("a", "b")


def test_train_may_be_a_class(tmp_path: Path) -> None:
    found = open_dataset(put(tmp_path, "train/1.pgm", "bus/1.pgm", "car/1.pgm"))
    assert found.target_names == ("bus", "car", "train")
    assert found.given_splits == set()


def test_folders_beside_splits_are_left_out_and_said(tmp_path: Path) -> None:
    put(tmp_path, "train/a/1.pgm", "train/b/1.pgm", "test/a/1.pgm", "unlabelled/x/1.pgm")
    found = open_dataset(tmp_path)
    assert found.target_names == ("a", "b")
    assert len(found) == 3
    assert said(found, "unlabelled/")


def test_a_folder_around_everything_is_no_label(tmp_path: Path) -> None:
    put(tmp_path, "photos/a/1.pgm", "photos/b/1.pgm")
    found = open_dataset(tmp_path)
    assert labels(found) == {"photos/a/1.pgm": "a", "photos/b/1.pgm": "b"}
    assert said(found, "photos/")
    put(tmp_path / "deep", "set/train/images/a/1.pgm", "set/train/images/b/1.pgm", "set/test/images/b/2.pgm")
    deep = open_dataset(tmp_path / "deep")
    assert deep.target_names == ("a", "b")
    assert deep.given_splits == {"train", "test"}


def test_one_class_stays_a_class(tmp_path: Path) -> None:
    assert open_dataset(put(tmp_path, "cat/1.pgm", "cat/2.pgm")).target_names == ("cat",)


def test_a_class_with_a_folder_in_it_is_looked_through_only_where_almost_nothing_lies_in_it(tmp_path: Path) -> None:
    found = open_dataset(put(tmp_path / "d", "cat/1.pgm", "cat/2.pgm", "cat/old/3.pgm"))
    assert found.target_names == ("cat", "cat/old")
    put(tmp_path / "e", "photos/cover.pgm", *(f"photos/{label}/{n}.pgm" for label in "ab" for n in range(20)))
    found = open_dataset(tmp_path / "e")
    assert found.target_names == ("a", "b")
    assert said(found, "no class folder holds them: photos/cover.pgm")


def test_what_is_no_picture_is_left_out_and_said(tmp_path: Path) -> None:
    put(tmp_path, "a/1.pgm", "b/1.pgm")
    put(tmp_path, "notes.txt", "a/Thumbs.db", "a/.DS_Store", "__MACOSX/a/1.pgm", "b/README", content=b"words and words")
    found = open_dataset(tmp_path)
    assert set(labels(found)) == {"a/1.pgm", "b/1.pgm"}
    (note,) = [note for note in found.notes if "no pictures" in note]
    assert "4 files" in note  # what lies in a folder of litter is not even looked at
    assert all(word in note for word in ("1 .txt", "1 .db", "1 README", "1 hidden"))


def test_a_picture_of_another_or_damaged_kind_is_a_sample(tmp_path: Path) -> None:
    put(tmp_path, "a/1.pgm", "b/1.pgm")
    put(tmp_path, "a/odd.gif", "a/empty.jpg", "b/phone.heic", content=b"")
    assert {"a/odd.gif", "a/empty.jpg", "b/phone.heic"} <= set(labels(open_dataset(tmp_path)))


def test_pictures_without_a_suffix_are_known_by_their_first_bytes(tmp_path: Path) -> None:
    put(tmp_path, "b/1.pgm")
    for name, file_format in {
        "IMG1": "PNG",
        "2.jpg_large": "JPEG",
        "3": "GIF",
        "4": "TIFF",
        "5": "WEBP",
        "6": "BMP",
    }.items():
        (tmp_path / "a").mkdir(exist_ok=True)
        Image.new("RGB", (4, 4)).save(tmp_path / "a" / name, file_format)
    put(tmp_path, "a/BMW", content=b"BMW is a make of cars")
    expected = {"b/1.pgm", *(f"a/{name}" for name in ("IMG1", "2.jpg_large", "3", "4", "5", "6"))}
    assert set(labels(open_dataset(tmp_path))) == expected
    for suffix in (".zip", ".tar"):
        path = packed(tmp_path, tmp_path.parent / f"{tmp_path.name}{suffix}")
        assert set(labels(open_dataset(path))) == expected


def test_pictures_outside_of_class_folders_are_left_out_and_said(tmp_path: Path) -> None:
    found = open_dataset(put(tmp_path, "a/1.pgm", "b/1.pgm", "cover.pgm"))
    assert len(found) == 2
    assert said(found, "no class folder holds them: cover.pgm")


@pytest.mark.parametrize("names", [["1.pgm", "2.pgm"], ["train/1.pgm", "test/2.pgm"]])
def test_pictures_without_class_folders_have_no_labels(tmp_path: Path, names: list[str]) -> None:
    with pytest.raises(DataError, match="labels are missing") as error:
        open_dataset(put(tmp_path, *names))
    assert "folder named after it" in str(error.value.fix)


@pytest.mark.parametrize("names", [[], ["a/notes.txt"]])
def test_an_empty_folder_is_an_error(tmp_path: Path, names: list[str]) -> None:
    with pytest.raises(DataError, match="there are no pictures" + (".*1 .txt" if names else ".*empty")):
        open_dataset(put(tmp_path, *names))


def test_names_that_are_no_utf8_are_read(tmp_path: Path) -> None:
    folder = os.fsencode(tmp_path)
    for label in (b"caf\xe9", b"tea"):
        os.mkdir(os.path.join(folder, label))
        with open(os.path.join(folder, label, b"\xff1.pgm"), "wb") as file:
            file.write(PIXEL)
    found = open_dataset(tmp_path)
    assert labels(found) == {"caf\\xe9/\\xff1.pgm": "caf\\xe9", "tea/\\xff1.pgm": "tea"}
    "".join([*found.notes, *found.target_names]).encode("utf-8")  # printable anywhere
    assert decode_sample(Store(), found.samples[0]).pixels.tolist() == [[[7]]]


def test_a_tar_of_names_that_are_no_utf8_is_read(tmp_path: Path) -> None:
    path = tmp_path / "x.tar"
    with tarfile.open(path, "w", format=tarfile.GNU_FORMAT, encoding="latin-1") as archive:
        for name in ("caf\u00e9/1.pgm", "tea/1.pgm"):
            header = tarfile.TarInfo(name)
            header.size = len(PIXEL)
            archive.addfile(header, io.BytesIO(PIXEL))
    found = open_dataset(path)
    assert found.target_names == ("caf\\xe9", "tea")
    assert all(decode_sample(Store(), sample).pixels.tolist() == [[[7]]] for sample in found.samples)


def test_links_are_followed_but_not_in_circles(tmp_path: Path) -> None:
    put(tmp_path / "elsewhere", "1.pgm")
    put(tmp_path / "data", "a/1.pgm")
    (tmp_path / "data" / "b").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "data" / "a" / "up").symlink_to(tmp_path / "data")
    (tmp_path / "data" / "a" / "gone.pgm").symlink_to(tmp_path / "nothing")
    os.mkfifo(tmp_path / "data" / "a" / "pipe.pgm")
    assert labels(open_dataset(tmp_path / "data")) == {"a/1.pgm": "a", "b/1.pgm": "b"}


def test_a_read_only_folder_works(open_folder: Path, unprivileged: None) -> None:
    found = open_dataset(open_folder / "photos")
    assert labels(found) == {"a/1.png": "a", "b/1.png": "b"}
    assert decode_sample(Store(), found.samples[0]).pixels.shape == (4, 4, 1)


@pytest.mark.parametrize("name", ["locked", ".", "locked/1.png", "locked.jpg"])
def test_no_permission_is_a_clear_error(open_folder: Path, unprivileged: None, name: str) -> None:
    with pytest.raises(DataError, match="no permission") as error:
        open_dataset(open_folder / name)
    assert error.value.fix


def test_numeric_folders_are_classes_unless_told(tmp_path: Path) -> None:
    put(tmp_path, *(f"{age}/1.pgm" for age in range(18, 60)))
    assert open_dataset(tmp_path).task == "classify"
    found = open_dataset(tmp_path, ReadOptions(task="regress"))
    assert labels(found)["18/1.pgm"] == Value((18.0,))
    put(tmp_path, "old/1.pgm")
    with pytest.raises(DataError, match="no number"):
        open_dataset(tmp_path, ReadOptions(task="regress"))


# Groups


def test_groups_come_from_a_pattern(tmp_path: Path) -> None:
    put(tmp_path, "zero/0_george_0.pgm", "zero/0_lucas_1.pgm", "one/1_george_0.pgm")
    for pattern in ("{label}_{group}_{index}", r"_(?P<group>\w+)_\d"):
        found = open_dataset(tmp_path, ReadOptions(group=pattern))
        assert [sample.group for sample in found.samples] == ["george", "george", "lucas"]
        archived = open_dataset(packed(tmp_path, tmp_path.parent / f"{tmp_path.name}.zip"), ReadOptions(group=pattern))
        assert [sample.group for sample in archived.samples] == ["george", "george", "lucas"]


def test_a_pattern_must_fit_every_sample(tmp_path: Path) -> None:
    put(tmp_path, "a/x_1.pgm", "b/y.pgm")
    with pytest.raises(DataError, match=r"does not fit 1 of 2 samples: b/y\.pgm"):
        open_dataset(tmp_path, ReadOptions(group="{group}_{index}"))
    with pytest.raises(UsageError, match="neither a column"):
        open_dataset(tmp_path, ReadOptions(group="patient"))
    with pytest.raises(UsageError, match="cannot be understood"):
        open_dataset(tmp_path, ReadOptions(group="(?P<group>["))


def test_patterns_take_folders_and_literal_signs() -> None:
    assert groups_of(["x/y/p1/a.b.png"], "{group}/{name}") == ["p1"]
    assert groups_of(["p.1+s_2.png"], "p.{group}+s_{n}") == ["1"]
    with pytest.raises(DataError):
        groups_of(["px1+s_2.png"], "p.{group}+s_{n}")


# Tables


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """images/0.pgm to images/5.pgm."""
    return put(tmp_path, *(f"images/{n}.pgm" for n in range(6)))


KINDS = ["cat", "dog", "cat", "dog", "eel", "cat"]


@pytest.mark.parametrize(
    ("name", "sign"), [("x.csv", ","), ("x.tsv", "\t"), ("x.txt", " "), ("x.txt", "\t"), ("x.txt", ",")]
)
@pytest.mark.parametrize("header", [True, False])
@pytest.mark.parametrize("swapped", [True, False])
def test_tables_of_all_separators_with_and_without_header(
    pictures: Path, name: str, sign: str, header: bool, swapped: bool
) -> None:
    rows = [["path", "label"]] * header + [[f"images/{n}.pgm", kind] for n, kind in enumerate(KINDS)]
    lines = [sign.join(reversed(row) if swapped else row) for row in rows]
    found = open_dataset(table(pictures, name, "\n".join(lines) + "\n"))
    assert labels(found) == {f"images/{n}.pgm": kind for n, kind in enumerate(KINDS)}
    assert (found.reader, found.task, found.target_names) == ("table", "classify", ("cat", "dog", "eel"))
    assert said(found, "with a header" if header else "without a header")
    assert found.samples[0].sources == (Source("file", str(pictures / "images/0.pgm")),)


def test_marks_blank_lines_quotes_and_windows_ends(pictures: Path) -> None:
    put(pictures, "images/a, b.pgm")
    text = '\ufeffpath,label\r\n\r\n"images/a, b.pgm",cat\r\nimages\\1.pgm,dog\r\n./images/2.pgm, dog\r\n'
    found = open_dataset(table(pictures, "x.csv", text))
    assert labels(found) == {"images/a, b.pgm": "cat", "images/1.pgm": "dog", "images/2.pgm": "dog"}
    wide = open_dataset(table(pictures, "wide.tsv", "path\tlabel\nimages/1.pgm\tdög\n", encoding="utf-16"))
    assert labels(wide) == {"images/1.pgm": "dög"}


def test_paths_are_relative_to_root(pictures: Path, tmp_path: Path) -> None:
    text = "path,label\n0.pgm,cat\n1.pgm,dog\n"
    (tmp_path / "tables").mkdir()
    path = table(tmp_path / "tables", "x.csv", text)
    with pytest.raises(DataError, match=r"none of the 2 pictures .* is there") as error:
        open_dataset(path)
    assert "--root" in str(error.value.fix)
    found = open_dataset(path, ReadOptions(root=str(pictures / "images")))
    assert labels(found) == {"0.pgm": "cat", "1.pgm": "dog"}
    with pytest.raises(DataError, match=r"root .* is not a folder"):
        open_dataset(path, ReadOptions(root=str(tmp_path / "nothing")))


def test_absolute_paths_and_paths_above_the_table(pictures: Path) -> None:
    (pictures / "tables").mkdir()
    text = f"path,label\n../images/0.pgm,cat\n{pictures}/images/1.pgm,dog\n"
    found = open_dataset(table(pictures / "tables", "x.csv", text))
    assert labels(found) == {str(pictures / "images/0.pgm"): "cat", str(pictures / "images/1.pgm"): "dog"}


def test_files_without_suffix_are_found_by_being_there(tmp_path: Path) -> None:
    put(tmp_path, "one", "two", "three")
    assert labels(open_dataset(table(tmp_path, "x.csv", "id,kind\none,a\ntwo,b\nthree,a\n"))) == {
        "one": "a",
        "two": "b",
        "three": "a",
    }


def test_some_missing_pictures_are_left_to_the_audit(pictures: Path) -> None:
    found = open_dataset(table(pictures, "x.csv", "path,label\nimages/0.pgm,a\nimages/gone.pgm,b\nimages/1.pgm,b\n"))
    assert "images/gone.pgm" in labels(found)


def test_several_picture_columns_are_stacked(pictures: Path) -> None:
    rows = "".join(f"images/{n}.pgm,images/{n + 1}.pgm,{kind}\n" for n, kind in enumerate("abab"))
    found = open_dataset(table(pictures, "x.csv", "red,infrared,label\n" + rows))
    assert [len(sample.sources) for sample in found.samples] == [2] * 4
    assert found.samples[0].key == "images/0.pgm+images/1.pgm"
    assert found.samples[0].sources[1].path.endswith("1.pgm")
    assert decode_sample(Store(), found.samples[0]).pixels.shape == (1, 1, 2)
    assert said(found, "stacked as channels")


def test_a_column_of_names_that_are_not_there_is_no_channel(pictures: Path) -> None:
    rows = "".join(f"images/{n}.pgm,http://x/{n}.jpg,{kind}\n" for n, kind in enumerate("abab"))
    found = open_dataset(table(pictures, "x.csv", "path,url,label\n" + rows))
    assert [len(sample.sources) for sample in found.samples] == [1] * 4
    assert said(found, "not learnt from: 'url'")


def test_numbers_with_many_values_are_a_regression(tmp_path: Path) -> None:
    put(tmp_path, *(f"{n}.pgm" for n in range(30)))
    rows = "".join(f"{n}.pgm,{n * 1.5}\n" for n in range(30))
    found = open_dataset(table(tmp_path, "x.csv", "path,age\n" + rows))
    assert (found.task, found.target_names) == ("regress", ("age",))
    assert labels(found)["3.pgm"] == Value((4.5,))
    assert said(found, "a regression: 'age' with 30 distinct values")
    told = open_dataset(tmp_path / "x.csv", ReadOptions(task="classify"))
    assert (told.task, len(told.target_names)) == ("classify", 30)


def test_numbers_with_few_values_are_classes(tmp_path: Path) -> None:
    put(tmp_path, *(f"{n}.pgm" for n in range(30)))
    found = open_dataset(table(tmp_path, "x.csv", "".join(f"{n}.pgm,{n % 3}\n" for n in range(30))))
    assert (found.task, found.target_names) == ("classify", ("0", "1", "2"))
    told = open_dataset(tmp_path / "x.csv", ReadOptions(task="regress"))
    assert (told.task, told.target_names) == ("regress", ("target",))
    assert labels(told)["4.pgm"] == Value((1.0,))


def columns_of(cells: Iterable[Any]) -> str:
    """The task inferred for a column."""
    y = np.array([str(cell) for cell in cells])
    return str(open_dataset({"x": np.zeros((len(y), 2, 2), np.uint8), "y": y}).task)


def test_the_line_between_classes_and_quantities() -> None:
    assert columns_of(range(20)) == "classify"
    assert columns_of(range(21)) == "regress"
    assert columns_of(n % 100 for n in range(2000)) == "classify"  # 100 gapless, even classes, as in CIFAR-100
    assert columns_of(n % 100 * 2 for n in range(2000)) == "regress"  # gaps
    assert columns_of([*range(100)] * 10 + [50] * 100) == "regress"  # uneven
    assert columns_of(f"{n % 50:03d}" for n in range(100)) == "classify"  # padded with zeros: names
    assert columns_of(n / 2 for n in range(11)) == "regress"
    assert columns_of(n % 3 / 2 for n in range(30)) == "classify"
    assert columns_of(["a", "b", "1"] * 10) == "classify"


def test_several_numeric_columns_are_a_regression_of_several(pictures: Path) -> None:
    rows = "".join(f"images/{n}.pgm,{n},{n / 2}\n" for n in range(6))
    found = open_dataset(table(pictures, "x.csv", "path,x,y\n" + rows))
    assert (found.task, found.target_names) == ("regress", ("x", "y"))
    assert labels(found)["images/3.pgm"] == Value((3.0, 1.5))
    bare = open_dataset(table(pictures, "bare.csv", rows))
    assert bare.target_names == ("target_1", "target_2")
    with pytest.raises(DataError, match="not 0 and 1 throughout"):
        open_dataset(pictures / "x.csv", ReadOptions(task="multilabel"))


def test_cells_with_semicolons_are_several_classes(pictures: Path) -> None:
    found = open_dataset(table(pictures, "x.csv", "path,tags\nimages/0.pgm,b;a\nimages/1.pgm,a\nimages/2.pgm,c; b ;\n"))
    assert (found.task, found.target_names) == ("multilabel", ("a", "b", "c"))
    assert [sample.target for sample in found.samples] == [Labels(("a", "b")), Labels(("a",)), Labels(("b", "c"))]
    assert said(found, "';'")
    single = table(pictures, "y.csv", "path,tags\nimages/0.pgm,a\nimages/1.pgm,b\n")
    assert open_dataset(single).task == "classify"
    assert open_dataset(single, ReadOptions(task="multilabel")).samples[0].target == Labels(("a",))


def test_columns_of_0_and_1_are_classes(pictures: Path) -> None:
    several = "path,cat,dog\nimages/0.pgm,1,1\nimages/1.pgm,0,1\nimages/2.pgm,0,0\n"
    found = open_dataset(table(pictures, "x.csv", several))
    assert (found.task, found.target_names) == ("multilabel", ("cat", "dog"))
    assert [sample.target for sample in found.samples] == [Labels(("cat", "dog")), Labels(("dog",)), Labels(())]
    with pytest.raises(DataError, match="2 rows have no class or several, the first in line 2"):
        open_dataset(pictures / "x.csv", ReadOptions(task="classify"))
    assert open_dataset(pictures / "x.csv", ReadOptions(task="regress")).samples[0].target == Value((1.0, 1.0))
    one = open_dataset(table(pictures, "y.csv", "path,cat,dog\nimages/0.pgm,1,0\nimages/1.pgm,0,1\n"))
    assert (one.task, labels(one)) == ("classify", {"images/0.pgm": "cat", "images/1.pgm": "dog"})


def test_split_group_and_weight_columns(pictures: Path) -> None:
    text = "Weight,path,label,split,Group\n" + "".join(
        f"{n / 2},images/{n}.pgm,{kind},{split},p{n // 2}\n"
        for n, (kind, split) in enumerate(
            zip(KINDS, ["train", "Training", "valid", "val", "test", "testing"], strict=True)
        )
    )
    found = open_dataset(table(pictures, "x.csv", text))
    assert [sample.split for sample in found.samples] == ["train", "train", "val", "val", "test", "test"]
    assert [sample.group for sample in found.samples] == ["p0", "p0", "p1", "p1", "p2", "p2"]
    assert [sample.weight for sample in found.samples] == [0, 0.5, 1, 1.5, 2, 2.5]
    assert found.target_names == ("cat", "dog", "eel")


def test_a_group_column_of_another_name(pictures: Path) -> None:
    path = table(pictures, "x.csv", "path,label,patient\nimages/0.pgm,a,7\nimages/1.pgm,b,8\n")
    found = open_dataset(path, ReadOptions(group="patient"))
    assert [sample.group for sample in found.samples] == ["7", "8"]
    assert found.target_names == ("a", "b")
    with pytest.raises(UnknownName, match="did you mean 'patient'"):
        open_dataset(path, ReadOptions(group="pateint"))
    patterned = open_dataset(path, ReadOptions(group="images/{group}"))
    assert [sample.group for sample in patterned.samples] == ["0", "1"]


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ("images/1.pgm,b,dev,p,1", "line 3 names the split 'dev'"),
        ("images/1.pgm,b,,p,1", "line 3 names the split ''"),
        ("images/1.pgm,b,train,,1", "line 3 has no group"),
        ("images/1.pgm,b,train,p,-1", "line 3 has the weight '-1'"),
        ("images/1.pgm,b,train,p,nan", "line 3 has the weight 'nan'"),
        ("images/1.pgm,b,train,p,much", "line 3 has the weight 'much'"),
        (",b,train,p,1", "line 3 has no path"),
        ("images/1.pgm,,train,p,1", "one row has no target in column 'label': line 3"),
        ("images/1.pgm,NaN,train,p,1", "no target in column 'label': line 3"),
        ("images/1.pgm,b,train,p", "line 3 .* has 4 cells and line 1 has 5"),
        ('images/1.pgm,"b"x,train,p,1', "line 3 .* cannot be read"),
    ],
)
def test_wrong_cells_are_named_by_line(pictures: Path, row: str, words: str) -> None:
    text = f"path,label,split,group,weight\nimages/0.pgm,a,train,p,1\n{row}\nimages/2.pgm,a,test,p,1\n"
    with pytest.raises(DataError, match=words) as error:
        open_dataset(table(pictures, "x.csv", text))
    assert error.value.fix


def test_weights_of_nothing_but_0_are_refused(pictures: Path) -> None:
    with pytest.raises(DataError, match="all weights are 0"):
        open_dataset(table(pictures, "x.csv", "path,label,weight\nimages/0.pgm,a,0\nimages/1.pgm,b,0\n"))


@pytest.mark.parametrize("cell", ["", "nan", "NaN", "inf", "-inf", "n/a", "much"])
def test_numeric_targets_must_be_finite_numbers(tmp_path: Path, cell: str) -> None:
    put(tmp_path, *(f"{n}.pgm" for n in range(40)))
    rows = "".join(f"{n}.pgm,{cell if n == 5 else n * 1.5}\n" for n in range(40))
    with pytest.raises(DataError, match=r"one row has .* in column 'age': line 7"):
        open_dataset(table(tmp_path, "x.csv", "path,age\n" + rows))


def test_missing_labels_are_counted(pictures: Path) -> None:
    text = "path,label\nimages/0.pgm,a\nimages/1.pgm,\nimages/2.pgm,b\nimages/3.pgm,\n"
    with pytest.raises(DataError, match="2 of 4 rows have no target in column 'label': line 3, line 5"):
        open_dataset(table(pictures, "x.csv", text))


def test_a_table_without_a_target_column(pictures: Path) -> None:
    with pytest.raises(DataError, match=r"labels are missing: x\.csv has no column beside 'path'"):
        open_dataset(table(pictures, "x.csv", "path\nimages/0.pgm\nimages/1.pgm\n"))


@pytest.mark.parametrize(("sign", "word"), [(";", "semicolons"), ("\t", "tabs"), ("|", "bars"), (" ", "spaces")])
@pytest.mark.parametrize("columns", [("path", "label"), ("label", "path"), ("path", "label", "weight")])
def test_a_csv_with_the_wrong_separator(pictures: Path, sign: str, word: str, columns: tuple[str, ...]) -> None:
    values = [{"path": f"images/{n}.pgm", "label": kind, "weight": "1"} for n, kind in enumerate(KINDS)]
    lines = [sign.join(columns)] + [sign.join(row[column] for column in columns) for row in values]
    with pytest.raises(DataError, match=f"not separated by commas but, it seems, by {word}") as error:
        open_dataset(table(pictures, "x.csv", "\n".join(lines)))
    assert ".tsv" in str(error.value.fix)


def test_a_csv_with_semicolons_and_decimal_commas(pictures: Path) -> None:
    with pytest.raises(DataError, match="by semicolons"):
        open_dataset(table(pictures, "x.csv", "path;size\nimages/0.pgm;1,5\nimages/1.pgm;2,5\n"))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "is empty"),
        ("path,label\n", "no column of x.csv names pictures|no rows"),
        ("name,age\nann,3\nbob,4\n", "no column of x.csv names pictures; its first line has the cells 'name', 'age'"),
        ("path,label,label\nimages/0.pgm,a,b\n", "several columns named 'label'"),
        ("path,kind,colour\nimages/0.pgm,a,red\nimages/1.pgm,b,blue\n", "2 columns that could be the target"),
        ("\0\0\1", "not a text file"),
    ],
)
def test_tables_that_are_none(pictures: Path, text: str, words: str) -> None:
    with pytest.raises(DataError, match=words) as error:
        open_dataset(table(pictures, "x.csv", text))
    assert error.value.fix


def test_a_column_named_label_is_the_target_and_numberings_are_not(pictures: Path) -> None:
    text = ",path,width,label\n0,images/0.pgm,30,a\n1,images/1.pgm,40,b\n"
    found = open_dataset(table(pictures, "x.csv", text))
    assert found.target_names == ("a", "b")
    assert said(found, "not learnt from: '', 'width'")
    assert [sample.columns for sample in found.samples] == [(("width", "30"),), (("width", "40"),)]
    numbered = open_dataset(table(pictures, "y.csv", "id,path,kind\n7,images/0.pgm,a\n8,images/1.pgm,b\n"))
    assert numbered.target_names == ("a", "b")


def test_a_picture_named_twice(pictures: Path) -> None:
    path = table(pictures, "x.csv", "path,label\nimages/0.pgm,a\n./images/0.pgm,a\nimages/1.pgm,b\n")
    found = open_dataset(path)
    assert len(found) == 2
    assert said(found, "1 lines repeat")
    table(pictures, "x.csv", "path,label\nimages/0.pgm,a\nimages/1.pgm,b\nimages/0.pgm,b\n")
    with pytest.raises(DataError, match=r"line 2 and line 4 name the same picture, 'images/0\.pgm'"):
        open_dataset(path)


def test_names_and_labels_in_a_table_that_are_no_utf8(tmp_path: Path) -> None:
    name = os.fsdecode(b"caf\xe9.pgm")
    put(tmp_path, name, "b.pgm")
    found = open_dataset(table(tmp_path, "x.csv", f"path,label\n{name},th\udce9\nb.pgm,tea\n"))
    assert labels(found) == {"caf\\xe9.pgm": "th\\xe9", "b.pgm": "tea"}
    assert decode_sample(Store(), found.samples[1]).pixels.tolist() == [[[7]]]


def test_a_folder_with_one_table_of_its_pictures(pictures: Path) -> None:
    put(pictures, "readme.txt", content=b"These are pictures.\nEnjoy.\n")
    table(pictures, "labels.csv", "path,label\nimages/0.pgm,a\nimages/1.pgm,b\n")
    found = open_dataset(pictures)
    assert (found.reader, found.path) == ("table", str(pictures))
    assert labels(found) == {"images/0.pgm": "a", "images/1.pgm": "b"}
    assert said(found, "labels.csv")
    assert open_dataset(pictures, reader="folders").target_names == ("images",)


def test_a_list_of_files_or_a_foreign_table_leaves_class_folders_alone(tmp_path: Path) -> None:
    put(tmp_path, "a/1.pgm", "b/1.pgm")
    table(tmp_path, "files.txt", "a/1.pgm\nb/1.pgm\n")
    table(tmp_path, "prices.csv", "name,price\napple,3\npear,4\n")
    found = open_dataset(tmp_path)
    assert (found.reader, found.target_names) == ("folders", ("a", "b"))
    with pytest.raises(DataError, match="holds not one table"):
        open_dataset(tmp_path, reader="table")


# Archives


@pytest.mark.parametrize("suffix", [".zip", ".tar"])
def test_archives_of_class_folders(tmp_path: Path, suffix: str) -> None:
    put(tmp_path / "d", "train/a/1.pgm", "train/b/1.pgm", "test/a/1.pgm", "note.txt", "__MACOSX/train/a/._1.pgm")
    path = packed(tmp_path / "d", tmp_path / f"x{suffix}")
    found = open_dataset(path)
    assert labels(found) == {"train/a/1.pgm": "a", "train/b/1.pgm": "b", "test/a/1.pgm": "a"}
    assert found.given_splits == {"train", "test"}
    assert (found.reader, found.path) == ("archive", str(path))
    assert said(found, "1 .txt, 1 hidden")
    assert all(decode_sample(Store(), sample).pixels.tolist() == [[[7]]] for sample in found.samples)


@pytest.mark.parametrize("suffix", [".zip", ".tar"])
@pytest.mark.parametrize("wrapper", ["", "all/"])
def test_archives_with_a_table(tmp_path: Path, suffix: str, wrapper: str) -> None:
    put(tmp_path / "d", *(f"{wrapper}images/{n}.pgm" for n in range(4)))
    rows = "".join(f"images/{n}.pgm,images/{(n + 1) % 4}.pgm,{n * 0.5},{'train' if n else 'test'}\n" for n in range(4))
    table(tmp_path / "d" / wrapper, "labels.csv", "first,second,size,split\n" + rows)
    found = open_dataset(packed(tmp_path / "d", tmp_path / f"x{suffix}"), ReadOptions(task="regress"))
    assert labels(found)[f"{wrapper}images/1.pgm+{wrapper}images/2.pgm"] == Value((0.5,))
    assert found.given_splits == {"train", "test"}
    assert said(found, "labels.csv in the archive")
    assert decode_sample(Store(), found.samples[0]).pixels.shape == (1, 1, 2)


def test_a_table_in_an_archive_relative_to_root(tmp_path: Path) -> None:
    put(tmp_path / "d", "images/0.pgm", "images/1.pgm", "labels/x")
    table(tmp_path / "d" / "labels", "x.csv", "path,label\nimages/0.pgm,a\nimages/1.pgm,b\n")
    path = packed(tmp_path / "d", tmp_path / "x.zip")
    assert labels(open_dataset(path)) == {"images/0.pgm": "a", "images/1.pgm": "b"}


def zip_of(path: Path, name: str, *, mode: int = 0o100644) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a/1.pgm", PIXEL)
        member = zipfile.ZipInfo(name)
        member.external_attr = mode << 16
        archive.writestr(member, PIXEL)
    return path


def tar_of(path: Path, name: str, kind: bytes = tarfile.REGTYPE) -> Path:
    with tarfile.open(path, "w") as archive:
        for member_name, member_kind in (("a/1.pgm", tarfile.REGTYPE), (name, kind)):
            member = tarfile.TarInfo(member_name)
            member.type, member.linkname = member_kind, "/etc/passwd"
            member.size = len(PIXEL) if member_kind == tarfile.REGTYPE else 0
            archive.addfile(member, io.BytesIO(PIXEL))
    return path


@pytest.mark.parametrize("name", ["../x/1.pgm", "/etc/1.pgm", "a/../../1.pgm", "C:/x/1.pgm", "..\\x\\1.pgm"])
def test_members_that_point_outside_are_refused(tmp_path: Path, name: str) -> None:
    for path in (zip_of(tmp_path / "x.zip", name), tar_of(tmp_path / "x.tar", name)):
        with pytest.raises(DataError, match="points outside of the archive"):
            open_dataset(path)


def test_links_and_devices_in_archives_are_refused(tmp_path: Path) -> None:
    paths = [zip_of(tmp_path / "x.zip", "b/1.pgm", mode=0o120777)]
    for number, kind in enumerate((tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE)):
        paths.append(tar_of(tmp_path / f"{number}.tar", "b/1.pgm", kind))
    for path in paths:
        with pytest.raises(DataError, match=r"no plain file: 'b/1\.pgm'"):
            open_dataset(path)


def test_bombs_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = packed(put(tmp_path / "d", "a/1.pgm", "b/1.pgm"), tmp_path / "x.zip")
    assert len(open_dataset(path)) == 2
    monkeypatch.setattr(_listing, "MAX_TOTAL_BYTES", 2 * len(PIXEL) - 1)
    with pytest.raises(DataError, match=f"unpack from .* to {2 * len(PIXEL)} bytes"):
        open_dataset(path)
    with pytest.raises(DataError, match="which no pictures do"):
        open_dataset(packed(tmp_path / "d", tmp_path / "x.tar"))


def test_a_small_zip_of_gigabytes_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        archive.writestr("a/1.pgm", b"\0" * 2**20)
    content = bytearray(path.read_bytes())
    start = content.index(b"PK\x01\x02") + 24
    content[start : start + 4] = (2**31).to_bytes(4, "little")  # the size that the directory declares
    path.write_bytes(content)
    with pytest.raises(DataError, match="to 2,147,483,648 bytes"):
        open_dataset(path)


def test_a_password_is_said(tmp_path: Path) -> None:
    path = packed(put(tmp_path / "d", "a/1.pgm", "b/1.pgm"), tmp_path / "x.zip")
    content = bytearray(path.read_bytes())
    content[content.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(content)
    with pytest.raises(DataError, match="password"):
        open_dataset(path)


@pytest.mark.parametrize("suffix", [".zip", ".tar"])
def test_archives_cut_short_are_an_error(tmp_path: Path, suffix: str) -> None:
    put(tmp_path / "d", *(f"{label}/{n}.pgm" for label in "ab" for n in range(20)))
    path = packed(tmp_path / "d", tmp_path / f"x{suffix}")
    path.write_bytes(path.read_bytes()[:1200])
    with pytest.raises(DataError, match=f"not a whole {suffix[1:]}"):
        open_dataset(path)


@pytest.mark.parametrize("name", ["x.tar.gz", "x.tgz", "x.7z"])
def test_archives_compressed_as_a_whole_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(DataError, match="compressed as a whole") as error:
        open_dataset(put(tmp_path, name) / name)
    assert "pack it again as .zip or .tar" in str(error.value.fix)


@pytest.mark.parametrize("suffix", [".zip", ".tar"])
def test_empty_archives_are_an_error(tmp_path: Path, suffix: str) -> None:
    (tmp_path / "d").mkdir()
    with pytest.raises(DataError, match="there are no pictures in"):
        open_dataset(packed(tmp_path / "d", tmp_path / f"x{suffix}"))


def test_a_zip_from_windows(tmp_path: Path) -> None:
    path = tmp_path / "x.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name in ("a\\1.pgm", "b\\1.pgm"):
            archive.writestr(name, PIXEL)
    found = open_dataset(path)
    assert labels(found) == {"a/1.pgm": "a", "b/1.pgm": "b"}
    assert decode_sample(Store(), found.samples[0]).pixels.tolist() == [[[7]]]


# Arrays and digits


X = np.arange(6 * 4 * 5, dtype=np.uint8).reshape(6, 4, 5)


def test_arrays_with_all_their_columns(tmp_path: Path) -> None:
    arrays = {
        "x": X,
        "y": np.array([0, 1, 0, 1, 2, 2]),
        "split": np.array(["train"] * 4 + ["test"] * 2),
        "group": np.array([1, 1, 2, 2, 3, 3]),
        "weight": np.array([1, 1, 1, 1, 2, 0.5]),
    }
    np.savez(tmp_path / "x.npz", **arrays)  # type: ignore[arg-type]
    for found, path in (
        (open_dataset(arrays), "arrays"),
        (open_dataset(tmp_path / "x.npz"), str(tmp_path / "x.npz")),
    ):
        assert (found.reader, found.task, found.path) == ("arrays", "classify", path)
        assert found.target_names == ("0", "1", "2")
        assert [sample.key for sample in found.samples] == [f"x/{n}" for n in range(6)]
        assert [sample.split for sample in found.samples] == ["train"] * 4 + ["test"] * 2
        assert [sample.group for sample in found.samples] == ["1", "1", "2", "2", "3", "3"]
        assert found.samples[5].weight == 0.5
        assert found.samples[4].target == Label("2")
        picture = decode_sample(Store(found.arrays), found.samples[3])
        assert np.array_equal(picture.pixels[:, :, 0], X[3])


def test_keys_of_arrays_sort_as_their_rows() -> None:
    found = open_dataset({"x": np.zeros((12, 2, 2), np.uint8), "y": np.arange(12) % 2})
    assert [sample.sources[0].row for sample in found.samples] == sorted(range(12))
    assert found.samples[11].key == "x/11"
    assert found.samples[1].key == "x/01"


@pytest.mark.parametrize(
    ("y", "task", "target"),
    [
        (np.array(["cat", "dog"] * 3), "classify", Label("cat")),
        (np.array([True, False] * 3), "classify", Label("1")),
        (np.array([1.0, 2.0] * 3), "classify", Label("1")),
        (np.array(["a;b", "b"] * 3), "multilabel", Labels(("a", "b"))),
        (np.array([[1, 1, 0], [0, 0, 0]] * 3), "multilabel", Labels(("0", "1"))),
        (np.array([[1, 0, 0], [0, 0, 1]] * 3), "classify", Label("0")),
        (np.array([[0.5, 2], [3, 4]] * 3), "regress", Value((0.5, 2.0))),
        (np.array([[3], [4]] * 3), "classify", Label("3")),
    ],
)
def test_targets_of_arrays(y: Any, task: str, target: object) -> None:
    found = open_dataset({"x": X, "y": y})
    assert found.task == task
    assert found.samples[0].target == target


def test_real_numbers_of_arrays_keep_every_digit() -> None:
    y = np.random.default_rng(0).normal(size=30)
    found = open_dataset({"x": np.zeros((30, 2, 2)), "y": y})
    assert [sample.target for sample in found.samples] == [Value((float(value),)) for value in y]


@pytest.mark.parametrize(
    ("x", "kind"),
    [
        (X.astype(np.int64), np.uint8),
        (X.astype(np.int64) * 300, np.uint16),
        (X.astype(np.int64) - 5, np.float32),
        (X.astype(np.float64), np.float32),
        (X.astype(np.uint16), np.uint16),
        (X > 3, np.bool_),
    ],
)
def test_pixels_of_arrays_keep_their_values(x: Any, kind: Any) -> None:
    found = open_dataset({"x": x, "y": np.arange(6) % 2})
    assert found.arrays["x"].dtype == kind
    assert np.array_equal(found.arrays["x"], x)


def test_arrays_of_many_channels() -> None:
    found = open_dataset({"x": np.zeros((6, 4, 5, 11), np.uint16), "y": np.arange(6) % 2})
    assert decode_sample(Store(found.arrays), found.samples[0]).pixels.shape == (4, 5, 11)


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({"x": X}, "labels are missing: there is no array 'y'"),
        ({"y": np.arange(6)}, "no array 'x'"),
        ({"x": X, "y": np.arange(5)}, "x has 6 rows and y"),
        ({"x": X, "y": np.arange(6), "weight": np.ones(4)}, "x has 6 rows and weight"),
        ({"x": X, "y": np.array(["a", "b", "", "a", "b", "a"])}, "one row has no target in column 'y': row 2"),
        (
            {"x": X, "y": np.array([1.5, np.nan, 2, 3, np.nan, 4])},
            "2 of 6 rows have no target in column 'y': row 1, row 4",
        ),
        ({"x": X, "y": np.array([1.5, np.inf, 2, 3, 4, 5])}, "not finite"),
        ({"x": X, "y": np.zeros((6, 2, 2))}, "y has the shape"),
        ({"x": X[0], "y": np.arange(4)}, "x has the shape"),
        ({"x": X[:0], "y": np.arange(0)}, "x has the shape"),
        ({"x": np.zeros((6, 3, 32, 32)), "y": np.arange(6)}, "looks like .N, C, H, W."),
        ({"x": X.astype(str), "y": np.arange(6)}, "expected numbers"),
        ({"x": X, "y": np.arange(6), "split": np.array(["dev"] * 6)}, "row 0 names the split 'dev'"),
        ({"x": X, "y": np.arange(6), "weight": -np.ones(6)}, "weight must hold"),
    ],
)
def test_arrays_that_are_no_use(arrays: dict[str, Any], words: str) -> None:
    with pytest.raises(DataError, match=words) as error:
        open_dataset(arrays)
    assert error.value.fix


def test_a_misspelt_array_is_refused() -> None:
    with pytest.raises(UnknownName, match="did you mean 'weight'"):
        open_dataset({"x": X, "y": np.arange(6), "weigth": np.ones(6)})


def test_an_npz_of_objects_is_not_unpickled(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", x=X, y=np.array([{"a": 1}] * 6, dtype=object))
    with pytest.raises(DataError, match=r"cannot be read as \.npz"):
        open_dataset(tmp_path / "x.npz")
    (tmp_path / "y.npz").write_bytes(b"PK nothing")
    with pytest.raises(DataError, match=r"cannot be read as \.npz"):
        open_dataset(tmp_path / "y.npz")


def test_the_digits_are_those_of_scikit_learn() -> None:
    from sklearn.datasets import load_digits

    found, theirs = open_dataset(), load_digits()
    assert (len(found), found.task, found.reader) == (1797, "classify", "digits")
    assert found.arrays["digits"].shape == (1797, 8, 8)
    assert found.arrays["digits"].dtype == np.uint8
    assert np.abs(found.arrays["digits"] / 255 * 16 - theirs.images).max() < 0.04
    assert [sample.target for sample in found.samples] == [Label(str(digit)) for digit in theirs.target]
    assert found.samples[7].key == "digits/0007"
    with pytest.raises(UsageError):
        open_dataset(None, ReadOptions(task="regress"))
    with pytest.raises(UsageError):
        open_dataset(".", reader="digits")


# Choosing


def test_each_reader_refuses_what_is_not_its_own(tmp_path: Path) -> None:
    put(tmp_path, "a/1.pgm", "b/1.pgm", "x.jpg")
    boxes = ["box_table", "coco_boxes", "voc_boxes", "yolo"]
    masks = ["coco", "mask_lists", "masks", "voc"]
    assert READERS.names() == sorted(["archive", "arrays", "digits", "folders", "shards", "table", *boxes, *masks])
    for name in ("archive", "arrays", "folders", "table", *boxes):
        with pytest.raises(DataError):
            open_dataset(tmp_path / "x.jpg", reader=name)
    with pytest.raises(DataError, match="table"):
        open_dataset({"x": X, "y": np.arange(6)}, reader="table")


def test_nothing_on_the_disk_is_altered(tmp_path: Path) -> None:
    put(tmp_path / "d", "train/a/1.pgm", "test/b/1.pgm", "notes.txt")
    table(tmp_path / "d", "labels.csv", "path,label\ntrain/a/1.pgm,a\ntest/b/1.pgm,b\n")
    packed(tmp_path / "d", tmp_path / "d" / "x.zip")
    shutil.copytree(tmp_path / "d", tmp_path / "before")
    for data in (tmp_path / "d", tmp_path / "d" / "labels.csv", tmp_path / "d" / "x.zip"):
        open_dataset(data)
    left = {
        path.relative_to(tmp_path / "d"): path.read_bytes() for path in (tmp_path / "d").rglob("*") if path.is_file()
    }
    was = {
        path.relative_to(tmp_path / "before"): path.read_bytes()
        for path in (tmp_path / "before").rglob("*")
        if path.is_file()
    }
    assert left == was
