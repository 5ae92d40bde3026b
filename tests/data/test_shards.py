"""Shards: class folders and labelled pairs in many archives, their splits and faults, and what reading them costs."""

from __future__ import annotations

import io
import os
import random
import tarfile
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import striate as st
from striate.core.errors import DataError
from striate.core.events import Silent
from striate.core.records import Dataset, Labels
from striate.data import store as store_module
from striate.data.audit import run_audit
from striate.data.dataset import list_pictures, open_dataset
from striate.data.pack import StreamingPictures, pack
from striate.data.prepare import Preprocessing
from striate.data.readers import ReadOptions
from striate.data.store import Store
from tests.e2e.made_photos import QUICK, folder

PIXEL = b"P5 1 1 255\n\x07"


def shard(path: Path, members: Mapping[str, bytes]) -> Path:
    """An archive of the kind that the path's suffix says."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
            for name, content in members.items():
                packed.writestr(name, content)
        return path
    with tarfile.open(path, "w") as tar:
        for name, content in members.items():
            header = tarfile.TarInfo(name)
            header.size = len(content)
            tar.addfile(header, io.BytesIO(content))
    return path


def labelled(**labels: str) -> dict[str, bytes]:
    """Members of a shard: a picture a key, and its label beside it."""
    pictures = {f"{key}.pgm": PIXEL for key in labels}
    return pictures | {f"{key}.cls": label.encode() for key, label in labels.items()}


def labels(dataset: Dataset) -> dict[str, Any]:
    return {sample.key: getattr(sample.target, "name", sample.target) for sample in dataset.samples}


def splits(dataset: Dataset) -> dict[str, str | None]:
    return {sample.key.split("/")[0]: sample.split for sample in dataset.samples}


def said(dataset: Dataset, words: str) -> bool:
    return any(words in note for note in dataset.notes)


# Class folders


def test_class_folders_in_shards_are_one_data_set(tmp_path: Path) -> None:
    shard(tmp_path / "0.tar", {"cats/1.pgm": PIXEL, "dogs/1.pgm": PIXEL, "note.txt": b"words"})
    shard(tmp_path / "1.zip", {"cats/2.pgm": PIXEL, "eels/1.pgm": PIXEL})
    (tmp_path / "about.json").write_text("{}")
    found = open_dataset(tmp_path)
    assert labels(found) == {
        "0.tar/cats/1.pgm": "cats",
        "0.tar/dogs/1.pgm": "dogs",
        "1.zip/cats/2.pgm": "cats",
        "1.zip/eels/1.pgm": "eels",
    }
    assert (found.reader, found.task, found.target_names) == ("shards", "classify", ("cats", "dogs", "eels"))
    assert said(found, "2 shards")
    assert said(found, "2 files (1 .txt, 1 .json)")
    assert [Store().read(sample.sources[0]) for sample in found.samples] == [PIXEL] * 4


def test_one_name_in_two_shards_is_two_samples(tmp_path: Path) -> None:
    for name in ("0.tar", "1.tar"):
        shard(tmp_path / name, {"a/1.pgm": PIXEL, "b/1.pgm": PIXEL})
    assert set(labels(open_dataset(tmp_path))) == {f"{n}.tar/{label}/1.pgm" for n in (0, 1) for label in "ab"}


def test_label_depth_and_groups_go_by_the_names_inside(tmp_path: Path) -> None:
    shard(tmp_path / "0.tar", {"animal/cat/p1_1.pgm": PIXEL, "plant/rose/p2_1.pgm": PIXEL})
    shard(tmp_path / "1.tar", {"animal/dog/p1_2.pgm": PIXEL})
    found = open_dataset(tmp_path, ReadOptions(label_depth=1, group="{group}_{index}"))
    assert found.target_names == ("animal", "plant")
    assert [sample.group for sample in found.samples] == ["p1", "p2", "p1"]


def test_a_folder_with_pictures_is_no_folder_of_shards(tmp_path: Path) -> None:
    shard(tmp_path / "0.tar", {"a/1.pgm": PIXEL})
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "1.pgm").write_bytes(PIXEL)
    found = open_dataset(tmp_path)
    assert (found.reader, set(labels(found))) == ("folders", {"a/1.pgm", "b/1.pgm"})
    with pytest.raises(DataError, match="is no folder of archives"):
        open_dataset(tmp_path, reader="shards")


# Labels beside the pictures


@pytest.mark.parametrize("suffix", ["tar", "zip"])
def test_labels_beside_pictures(tmp_path: Path, suffix: str) -> None:
    path = shard(tmp_path / f"0.{suffix}", labelled(k1="0", k2="1\n"))
    alone = open_dataset(path)
    assert labels(alone) == {"k1.pgm": "0", "k2.pgm": "1"}
    assert alone.reader == "archive"
    shard(tmp_path / f"1.{suffix}", labelled(k1="1", k3="dög") | {"__key__.txt": b"words"})
    found = open_dataset(tmp_path)
    assert labels(found) == {
        f"0.{suffix}/k1.pgm": "0",
        f"0.{suffix}/k2.pgm": "1",
        f"1.{suffix}/k1.pgm": "1",
        f"1.{suffix}/k3.pgm": "dög",
    }
    assert said(found, "with a .cls beside each: 4 pictures, 3 classes")
    assert said(found, "1 .txt")
    assert run_audit(found, workers=0, reporter=Silent()).classes == {"0": 1, "1": 2, "dög": 1}


def test_many_numbers_beside_pictures_are_classes(tmp_path: Path) -> None:
    names = {f"k{number:02d}": str(number) for number in range(30)}
    found = open_dataset(shard(tmp_path / "0.tar", labelled(**names)))
    assert (found.task, len(found.target_names)) == ("classify", 30)


def test_labels_in_json(tmp_path: Path) -> None:
    contents = {"k1": '{"label": 3, "width": 9}', "k2": '{"cls": "cat"}', "sub/k3": '{"label": "cat"}'}
    members = {f"{key}.pgm": PIXEL for key in contents} | {f"{key}.json": c.encode() for key, c in contents.items()}
    shard(tmp_path / "0.tar", members)
    assert labels(open_dataset(tmp_path)) == {"0.tar/k1.pgm": "3", "0.tar/k2.pgm": "cat", "0.tar/sub/k3.pgm": "cat"}
    shard(tmp_path / "0.tar", {**members, "k2.json": b'{"label": '})
    with pytest.raises(DataError, match=r"k2\.json is no JSON"):
        open_dataset(tmp_path)
    shard(tmp_path / "0.tar", {**members, "k2.json": b'{"label": ["cat"]}'})
    with pytest.raises(DataError, match=r"no target in column '\.json': k2\.pgm"):
        open_dataset(tmp_path)


def test_json_that_holds_no_label_leaves_class_folders_alone(tmp_path: Path) -> None:
    shard(
        tmp_path / "0.tar",
        {f"{c}/1.{kind}": PIXEL if kind == "pgm" else b"{}" for c in "ab" for kind in ("pgm", "json")},
    )
    assert open_dataset(tmp_path).target_names == ("a", "b")


def test_several_labels_beside_a_picture_by_the_users_word(tmp_path: Path) -> None:
    path = shard(tmp_path / "0.tar", labelled(k1="a;b", k2="b"))
    found = open_dataset(path, ReadOptions(task="multilabel", label_depth=1))
    assert [sample.target for sample in found.samples] == [Labels(("a", "b")), Labels(("b",))]
    assert said(found, "--label-depth has no use")


def test_a_picture_without_its_label_and_two_of_one_key(tmp_path: Path) -> None:
    shard(tmp_path / "0.tar", labelled(k1="0", k2="1") | {"k3.pgm": PIXEL})
    with pytest.raises(DataError, match=r"no target in column '\.cls': k3\.pgm"):
        open_dataset(tmp_path)
    shard(tmp_path / "0.tar", labelled(k1="0", k2="1") | {"k1.mask.png": PIXEL})
    with pytest.raises(DataError, match=r"two pictures of one key, 'k1\..*' and 'k1\."):
        open_dataset(tmp_path)


# Splits


@pytest.mark.parametrize(
    ("train", "val", "test"),
    [
        ("train-000.tar", "val-000.tar", "test-000.tar"),
        ("photos-train-0.tar", "photos_valid_0.tar", "Testing.tar"),
        ("train/0.tar", "validation/0.tar", "test/0.tar"),
    ],
)
def test_splits_by_the_names_of_shards(tmp_path: Path, train: str, val: str, test: str) -> None:
    for name in (train, val, test):
        shard(tmp_path / "folders" / name, {"a/1.pgm": PIXEL, "b/1.pgm": PIXEL})
        shard(tmp_path / "pairs" / name, labelled(k1="a", k2="b"))
    for data in ("folders", "pairs"):
        found = open_dataset(tmp_path / data)
        assert splits(found) == {train.split("/")[0]: "train", val.split("/")[0]: "val", test.split("/")[0]: "test"}
        assert said(found, "The names of the shards give the splits: test 2, train 2, val 2.")


def test_splits_inside_of_shards_and_shards_beside_splits(tmp_path: Path) -> None:
    shard(tmp_path / "in" / "0.tar", {f"{split}/{label}/1.pgm": PIXEL for split in ("train", "test") for label in "ab"})
    assert open_dataset(tmp_path / "in").given_splits == {"train", "test"}
    for name in ("train", "val", "extra"):
        shard(tmp_path / "by" / f"{name}-0.tar", labelled(k1=name, k2="b"))
    found = open_dataset(tmp_path / "by")
    assert splits(found) == {"train-0.tar": "train", "val-0.tar": "test"}, "a single held-out part is the test"
    assert found.target_names == ("b", "train", "val")
    assert said(found, "Left out, as they stand beside the splits: extra-0.tar")
    (tmp_path / "by" / "val-0.tar").unlink()
    assert splits(open_dataset(tmp_path / "by")) == {"train-0.tar": None, "extra-0.tar": None}


# Faults


@pytest.mark.parametrize("suffix", ["tar", "zip"])
def test_a_damaged_shard_is_named(tmp_path: Path, suffix: str) -> None:
    paths = [shard(tmp_path / f"{n}.{suffix}", labelled(k1="0", k2="1", k3="0")) for n in range(3)]
    whole = paths[1].read_bytes()
    paths[1].write_bytes(whole[: len(whole) // 8])
    with pytest.raises(DataError, match=rf"^1\.{suffix} is not a whole {suffix} archive"):
        open_dataset(tmp_path)
    with pytest.raises(DataError, match=rf"^1\.{suffix} is not a whole"):
        list(list_pictures([tmp_path]))


@pytest.mark.parametrize("place", [1024 + 150, 2048 + 150])
def test_a_damaged_header_is_not_the_end_of_a_tar(tmp_path: Path, place: int) -> None:
    path = shard(tmp_path / "0.tar", labelled(k1="0", k2="1"))
    content = bytearray(path.read_bytes())
    content[place] ^= 0x55
    path.write_bytes(content)
    with pytest.raises(DataError, match=rf"there is no header at byte {place - 150:,}"):
        open_dataset(tmp_path)


@pytest.mark.parametrize("name", ["../1.pgm", "/etc/1.pgm", "a/../../1.pgm"])
def test_a_shard_whose_members_point_outside_is_refused(tmp_path: Path, name: str) -> None:
    shard(tmp_path / "0.tar", labelled(k1="0"))
    shard(tmp_path / "1.tar", {name: PIXEL})
    with pytest.raises(DataError, match=r"1\.tar is not safe: its member .* points outside"):
        open_dataset(tmp_path)


def test_a_shard_compressed_as_a_whole_is_refused(tmp_path: Path) -> None:
    shard(tmp_path / "0.tar", labelled(k1="0", k2="1"))
    (tmp_path / "1.tar.gz").write_bytes(b"\x1f\x8b")
    with pytest.raises(DataError, match=r"1\.tar\.gz is compressed as a whole"):
        open_dataset(tmp_path)


def test_damaged_pictures_are_left_to_the_audit(tmp_path: Path) -> None:
    shard(tmp_path / "0.tar", {"a/1.pgm": PIXEL, "a/2.pgm": b"P5 9", "b/1.pgm": b""})
    found = run_audit(open_dataset(tmp_path), workers=2, reporter=Silent())
    assert [one.key for one in found.quarantined] == ["0.tar/a/2.pgm", "0.tar/b/1.pgm"]


@pytest.mark.parametrize("suffix", ["tar", "zip"])
def test_a_shard_that_changes_after_it_was_listed(tmp_path: Path, suffix: str) -> None:
    content = os.urandom(4000)
    path = shard(tmp_path / f"0.{suffix}", {"a/1.pgm": content, "b/1.pgm": content})
    last = open_dataset(tmp_path).samples[-1].sources[0]
    whole = path.read_bytes()
    assert Store().read(last) == content
    if suffix == "zip":
        for place in (whole.rindex(content) - 40, whole.rindex(content) + 9):
            path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
            with pytest.raises(DataError, match="damaged in its archive"):
                Store().read(last)
    path.write_bytes(whole[:4500])
    with pytest.raises(DataError, match="cut short"):
        Store().read(last)
    path.unlink()
    with pytest.raises(DataError, match="does not exist"):
        Store().read(last)


def test_a_zip_made_from_a_stream_is_read_by_its_index(tmp_path: Path) -> None:
    class Stream(io.BytesIO):
        def seekable(self) -> bool:
            return False

        def tell(self) -> int:
            raise OSError("a stream")

    stream = Stream()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as packed:
        for name in ("a/1.pgm", "b/1.pgm"):
            packed.writestr(name, PIXEL)
    (tmp_path / "0.zip").write_bytes(stream.getvalue())
    sources = [sample.sources[0] for sample in open_dataset(tmp_path).samples]
    assert [source.span for source in sources] == [None, None]
    assert [Store().read(source) for source in sources] == [PIXEL] * 2


# Reading


def photos(seed: int, names: list[str]) -> dict[str, bytes]:
    drawn = np.random.default_rng(seed)
    found = {}
    for name in names:
        file = io.BytesIO()
        Image.fromarray(drawn.integers(0, 256, (12, 10, 3), dtype=np.uint8)).save(file, "PNG")
        found[name] = file.getvalue()
    return found


@pytest.mark.parametrize("suffix", ["tar", "zip"])
def test_reading_in_any_order_opens_one_file_a_picture_and_no_index(
    tmp_path: Path, suffix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    contents = {}
    for number in range(3 * store_module.OPEN_ARCHIVES):
        members = photos(number, [f"{label}/{n}.png" for label in "ab" for n in range(3)])
        shard(tmp_path / f"{number:02d}.{suffix}", members)
        contents |= {f"{number:02d}.{suffix}/{name}": content for name, content in members.items()}
    samples = list(open_dataset(tmp_path).samples)
    for name in ("open_tar", "open_zip", "_opened"):
        monkeypatch.setattr(store_module, name, lambda *_: pytest.fail("an index is read"))
    opened = []

    def counted(path: str, *rest: Any, **more: Any) -> Any:
        opened.append(path)
        return open(path, *rest, **more)

    monkeypatch.setattr(store_module, "open", counted, raising=False)
    random.Random(0).shuffle(samples)
    assert {sample.key: Store().read(sample.sources[0]) for sample in samples} == contents
    assert len(opened) == len(samples)


@pytest.mark.parametrize("workers", [0, 2])
def test_shards_stream_as_their_pictures_would(tmp_path: Path, workers: int) -> None:
    for number in range(12):
        shard(tmp_path / f"{number:02d}.tar", photos(number, ["a/1.png", "b/1.png"]))
    data = open_dataset(tmp_path)
    keys = [sample.key for sample in data.samples]
    how = Preprocessing(8, 8, 3, mean=(0.5,) * 3, std=(0.25,) * 3, fill=(0.0,) * 3)
    whole, streamed = (
        pack(data, keys, how, keep_margin=False, workers=workers, memory_bytes=memory, reporter=Silent())
        for memory in (10**9, 0)
    )
    assert isinstance(streamed, StreamingPictures)
    order = np.random.default_rng(0).permutation(24).reshape(4, 6)
    for indices, images in zip(order, streamed.stream(order), strict=True):
        assert torch.equal(images, whole.batch(indices))
    streamed.close()


def test_shards_train_as_their_pictures_would_and_are_predicted(tmp_path: Path) -> None:
    """To the bit, as the keys come in the same order and the splits are given; those drawn go by the keys."""
    made = folder(tmp_path / "made", {"dark": 20, "light": 20})
    for label in ("dark", "light"):
        pictures = sorted((made / label).iterdir())
        for number, split in enumerate(("train", "train", "val", "test")):
            part = pictures[5 * number : 5 * number + 5]
            members = {f"{label}/{path.name}": path.read_bytes() for path in part}
            shard(tmp_path / "shards" / split / f"{label}-{number}.tar", members)
            for path in part:
                place = tmp_path / "loose" / split / label / path.name
                place.parent.mkdir(parents=True, exist_ok=True)
                path.rename(place)
    settings = {**QUICK, "execution.pack_bytes": 0, "execution.workers": 1}
    runs = [
        st.train(tmp_path / name, out=tmp_path / "runs" / name, epochs=2, cache_size=0, set=settings)
        for name in ("loose", "shards")
    ]
    assert runs[0].metrics["test"] == runs[1].metrics["test"]
    assert len({(run.path / "model" / "model.safetensors").read_bytes() for run in runs}) == 1
    predicted = [list(st.predict(run, [tmp_path / name])) for run, name in zip(runs, ("loose", "shards"), strict=True)]
    assert [one.scores for one in predicted[0]] == [one.scores for one in predicted[1]]
    assert predicted[1][0].key == str(tmp_path / "shards" / "test" / "dark-3.tar::dark/015.png")


def test_a_zip_with_room_for_64_bits_is_read_by_its_index(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "roomy.zip", "w") as archive:
        for name in ("cats/1.pgm", "dogs/1.pgm"):
            with archive.open(name, "w", force_zip64=True) as file:
                file.write(PIXEL)
    samples = open_dataset(str(tmp_path / "roomy.zip")).samples
    assert [Store().read(sample.sources[0]) for sample in samples] == [PIXEL, PIXEL]
