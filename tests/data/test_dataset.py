"""Opening data: choice of reader, further data, pictures to predict, and the real sets."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from striate.core.errors import DataError, UnknownName
from striate.core.records import Dataset
from striate.data.dataset import list_pictures, open_dataset
from striate.data.decode import DecodeError, decode_sample
from striate.data.readers import READERS, ReadOptions
from striate.data.store import Store


def picture() -> bytes:
    buffer = io.BytesIO()
    Image.new("L", (3, 2), 9).save(buffer, "PNG")
    return buffer.getvalue()


PNG = picture()


def put(folder: Path, *names: str, content: bytes = PNG) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def splits(dataset: Dataset) -> dict[str, str | None]:
    return {sample.key: sample.split for sample in dataset.samples}


@pytest.mark.parametrize("name", ["nothing", "nothing/x.csv", "nothing.zip", "a\0b"])
def test_a_path_that_does_not_exist(tmp_path: Path, name: str) -> None:
    with pytest.raises(DataError, match="does not exist") as error:
        open_dataset(tmp_path / name)
    assert error.value.fix


def test_a_path_in_other_case_is_offered(tmp_path: Path) -> None:
    put(tmp_path, "Photos/a/1.png")
    with pytest.raises(DataError, match="did you mean Photos"):
        open_dataset(tmp_path / "photos")


def test_strings_paths_and_the_home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path / "d", "a/1.png", "b/1.png")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    for data in ("d", "d/", "./d", "~/d", tmp_path / "d"):
        assert open_dataset(data).path == str(tmp_path / "d")


def test_an_unknown_kind_of_data(tmp_path: Path) -> None:
    put(tmp_path, "x.jpg")
    with pytest.raises(DataError, match="no kind that there is a reader for"):
        open_dataset(tmp_path / "x.jpg")


def test_misspelt_readers_and_tasks(tmp_path: Path) -> None:
    put(tmp_path, "a/1.png", "b/1.png")
    with pytest.raises(UnknownName, match="did you mean 'folders'"):
        open_dataset(tmp_path, reader="folder")
    with pytest.raises(UnknownName, match="did you mean 'classify'"):
        open_dataset(tmp_path, ReadOptions(task="clasify"))


def test_two_readers_that_claim_the_same_data_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Greedy:
        def accepts(self, data: object) -> bool:
            return True

        def read(self, data: object, options: ReadOptions) -> Dataset:
            return Dataset("greedy", "greedy", None, ())

    READERS.names()
    monkeypatch.setitem(READERS._entries, "greedy", Greedy())
    assert open_dataset(put(tmp_path, "a/1.png", "b/1.png")).path == "greedy"  # folders steps back
    (tmp_path / "x.csv").write_text("path,label\na/1.png,a\nb/1.png,b\n")
    with pytest.raises(DataError, match="several ways: greedy, table"):
        open_dataset(tmp_path / "x.csv")
    assert open_dataset(tmp_path / "x.csv", reader="table").reader == "table"


def test_samples_are_sorted_and_the_same_each_time(tmp_path: Path) -> None:
    put(tmp_path, *(f"{label}/{n}.png" for label in ("b", "a") for n in (10, 9, 1)))
    found = open_dataset(tmp_path)
    keys = [sample.key for sample in found.samples]
    assert keys == sorted(keys)
    assert open_dataset(tmp_path) == found


def test_further_data_is_validation_or_test(tmp_path: Path) -> None:
    put(tmp_path, "main/a/1.png", "main/b/1.png", "v/a/1.png", "t/b/1.png", "t/c/2.png")
    found = open_dataset(tmp_path / "main", val=str(tmp_path / "v"), test=str(tmp_path / "t"))
    assert splits(found) == {
        "a/1.png": "train",
        "b/1.png": "train",
        "test:b/1.png": "test",
        "test:c/2.png": "test",
        "val:a/1.png": "val",
    }
    assert found.target_names == ("a", "b", "c")
    assert any(note.startswith("--test: Read as class folders: 2 pictures") for note in found.notes)
    only = open_dataset(tmp_path / "main", val=str(tmp_path / "v"))
    assert only.given_splits == {"train", "val"}  # asked for by name, it stays validation
    assert open_dataset(tmp_path / "main", test=str(tmp_path / "t")).given_splits == {"train", "test"}


def test_further_data_replaces_what_it_repeats(tmp_path: Path) -> None:
    put(tmp_path, "a/1.png", "b/1.png", "held/a/2.png", "held/b/2.png")
    found = open_dataset(tmp_path, ReadOptions(), test=str(tmp_path / "held"))
    assert splits(found) == {"a/1.png": "train", "b/1.png": "train", "test:a/2.png": "test", "test:b/2.png": "test"}
    assert any("2 pictures of the data are those of --test" in note for note in found.notes)
    with pytest.raises(DataError, match="nothing is left to train on"):
        open_dataset(tmp_path / "held", test=str(tmp_path / "held"))


def test_a_split_given_twice_is_an_error(tmp_path: Path) -> None:
    put(tmp_path, "d/train/a/1.png", "d/train/b/1.png", "d/val/a/1.png", "d/test/a/1.png", "t/a/1.png", "t/b/1.png")
    with pytest.raises(DataError, match="split 'test' of its own"):
        open_dataset(tmp_path / "d", test=str(tmp_path / "t"))


def test_val_stays_val_beside_further_test_data(tmp_path: Path) -> None:
    put(tmp_path, "d/train/a/1.png", "d/train/b/1.png", "d/val/a/2.png", "t/train/a/3.png", "t/test/b/3.png")
    found = open_dataset(tmp_path / "d", test=str(tmp_path / "t"))
    assert splits(found)["val/a/2.png"] == "val"
    assert splits(found)["test:train/a/3.png"] == "test"
    assert any("passed over" in note for note in found.notes)


def test_further_data_is_of_the_same_task_and_columns(tmp_path: Path) -> None:
    put(tmp_path, *(f"{n}.png" for n in range(30)))
    (tmp_path / "main.csv").write_text("path,age\n" + "".join(f"{n}.png,{n * 1.5}\n" for n in range(25)))
    (tmp_path / "t.csv").write_text("path,age\n25.png,3\n26.png,4\n")  # on its own it would be classes
    (tmp_path / "w.csv").write_text("path,weight_kg\n25.png,3\n26.png,4\n")
    found = open_dataset(tmp_path / "main.csv", test=str(tmp_path / "t.csv"))
    assert (found.task, len(found), found.target_names) == ("regress", 27, ("age",))
    with pytest.raises(DataError, match="targets age and --test weight_kg"):
        open_dataset(tmp_path / "main.csv", test=str(tmp_path / "w.csv"))


def test_further_arrays_keep_their_own_pixels(tmp_path: Path) -> None:
    np.savez(tmp_path / "t.npz", x=np.full((2, 2, 2), 7, np.uint8), y=np.array([0, 1]))
    found = open_dataset(
        {"x": np.zeros((4, 2, 2), np.uint8), "y": np.array([0, 1, 0, 1])}, test=str(tmp_path / "t.npz")
    )
    assert set(found.arrays) == {"x", "test:x"}
    by_key = {sample.key: sample for sample in found.samples}
    assert decode_sample(Store(found.arrays), by_key["test:x/1"]).pixels.max() == 7
    assert decode_sample(Store(found.arrays), by_key["x/1"]).pixels.max() == 0


def test_a_table_with_a_single_held_out_split(tmp_path: Path) -> None:
    put(tmp_path, *(f"{n}.png" for n in range(4)))
    rows = "".join(f"{n}.png,{'ab'[n % 2]},{'val' if n > 1 else 'train'}\n" for n in range(4))
    (tmp_path / "x.csv").write_text("path,label,split\n" + rows)
    found = open_dataset(tmp_path / "x.csv")
    assert found.given_splits == {"train", "test"}
    assert any("it is the test" in note for note in found.notes)
    (tmp_path / "x.csv").write_text("path,label,split\n" + rows.replace("val", "train"))
    assert open_dataset(tmp_path / "x.csv").given_splits == set()


def test_options_without_use_are_said(tmp_path: Path) -> None:
    put(tmp_path, "a/1.png", "b/1.png")
    (tmp_path / "x.csv").write_text("path,label\na/1.png,a\nb/1.png,b\n")
    assert any("--label-depth" in note for note in open_dataset(tmp_path / "x.csv", ReadOptions(label_depth=1)).notes)
    (tmp_path / "x.csv").unlink()
    assert any("--root" in note for note in open_dataset(tmp_path, ReadOptions(root="/")).notes)


def test_names_that_are_shown_alike_are_refused(tmp_path: Path) -> None:
    put(tmp_path, "b/1.png", "a/caf\\xe9.png", "a/caf\udce9.png")
    with pytest.raises(DataError, match="1 names stand for several pictures each"):
        open_dataset(tmp_path)


# Pictures to predict


def test_pictures_are_listed_in_the_order_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    put(tmp_path, "d/b/2.png", "d/b.png", "d/a/10.png", "d/a/9.png", "z.png", "y.unknown")
    put(tmp_path, "d/notes.txt", "d/.hidden.png", content=b"words")
    with zipfile.ZipFile("x.zip", "w") as archive:
        for name in ("q/2.png", "1.png", "readme.txt"):
            archive.writestr(name, PNG)
    found = list(list_pictures(["z.png", "d", "x.zip", Path("y.unknown"), "z.png"]))
    assert [sample.key for sample in found] == [
        "z.png",
        "d/a/10.png",
        "d/a/9.png",
        "d/b.png",
        "d/b/2.png",
        "x.zip::1.png",
        "x.zip::q/2.png",
        "y.unknown",
        "z.png",
    ]
    assert all(sample.target is None for sample in found)
    assert all(decode_sample(Store(), sample).pixels.shape == (2, 3, 1) for sample in found)


def test_a_folder_is_listed_as_sorted_paths_are(tmp_path: Path) -> None:
    names = ["a.png", "a/1.png", "a-b/1.png", "a0.png", "B/1.png"]
    keys = [sample.key for sample in list_pictures([put(tmp_path, *names)])]
    assert keys == sorted(str(tmp_path / name) for name in names)


def test_pictures_are_listed_lazily(tmp_path: Path) -> None:
    put(tmp_path, "a/1.png", "b/1.png")
    listed = list_pictures([tmp_path])
    assert next(listed).key.endswith("a/1.png")
    (tmp_path / "b" / "1.png").rename(tmp_path / "b" / "2.png")
    assert next(listed).key.endswith("b/2.png")


def test_what_is_not_there_is_said_before_anything_is_predicted(tmp_path: Path) -> None:
    put(tmp_path, "a.png")
    with pytest.raises(DataError, match="does not exist"):
        list_pictures([tmp_path / "a.png", tmp_path / "b.png"])


def test_a_folder_without_pictures_is_said(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="there are no pictures"):
        list(list_pictures([put(tmp_path, "notes.txt", content=b"words")]))


def test_no_permission_to_list(open_folder: Path, unprivileged: None) -> None:
    with pytest.raises(DataError, match="no permission"):
        list(list_pictures([open_folder / "locked"]))


# The real sets


@pytest.mark.parametrize(
    ("name", "count", "classes"),
    [
        ("trashnet", 2527, ("cardboard", "glass", "metal", "paper", "plastic", "trash")),
        ("flowers", 4317, ("daisy", "dandelion", "rose", "sunflower", "tulip")),
    ],
)
def test_real_class_folders(real_data: Path, name: str, count: int, classes: tuple[str, ...]) -> None:
    found = open_dataset(real_data / name)
    assert (len(found), found.task, found.target_names) == (count, "classify", classes)
    assert found.given_splits == set()
    assert decode_sample(Store(), found.samples[0]).pixels.shape[2] == 3


def test_hymenoptera_has_a_test_and_a_stray_gif(real_data: Path) -> None:
    found = open_dataset(real_data / "hymenoptera")
    assert found.target_names == ("ants", "bees")
    assert [sum(sample.split == split for sample in found.samples) for split in ("train", "test")] == [245, 153]
    stray = next(sample for sample in found.samples if sample.key.endswith(".gif"))
    assert decode_sample(Store(), stray).mode == "P"
    damaged = 0
    for sample in found.samples:
        try:
            decode_sample(Store(), sample)
        except DecodeError:
            damaged += 1
    assert damaged == 0


def test_sixty_thousand_members_of_a_zip(real_data: Path) -> None:
    found = open_dataset(real_data / "cifar10.zip")
    assert (len(found), len(found.target_names)) == (60000, 10)
    assert sum(sample.split == "test" for sample in found.samples) == 10000
    store = Store()
    assert all(decode_sample(store, sample).pixels.shape == (32, 32, 3) for sample in found.samples[::3000])
