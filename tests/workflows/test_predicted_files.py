"""Names of files below one folder: each picture has its own, and one that is named twice is written once."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from striate.core.errors import UsageError
from striate.core.records import Sample
from striate.infer import Prediction
from striate.workflows.predicted_files import OVERLAY, named_once, stems_of, written


class Noted:
    """Notes what is written."""

    def __init__(self, samples: Mapping[str, Sample]) -> None:
        self.samples = samples
        self.calls: list[str] = []

    def write(self, prediction: Prediction) -> None:
        self.calls.append(prediction.key)

    def close(self) -> None:
        self.calls.append("closed")


PARTS = st.sampled_from(["a", "A", "b", "..", "é", "e\u0301", "x.zip", "a.png", "a-2"])
NAMES = st.sampled_from(["a", "A", "a-2", ".a", "a.overlay", "é", "e\u0301", "..."])
SUFFIXES = st.sampled_from(["", ".png", ".PNG", ".jpg", ".png.png", "."])
KEYS = st.builds(
    lambda start, parts, between, name, suffix: start + between.join([*parts, name + suffix]),
    st.sampled_from(["", "/", "../", "/d/"]),
    st.lists(PARTS, max_size=3),
    st.sampled_from(["/", "::"]),
    NAMES,
    SUFFIXES,
)


@settings(max_examples=300, deadline=None)
@given(st.lists(KEYS, min_size=1, max_size=8, unique=True))
def test_no_two_names_are_alike_and_all_lie_below_the_folder(keys: list[str]) -> None:
    names = stems_of(keys)
    assert set(names) == set(keys)
    files = [name + end for name in names.values() for end in ("", OVERLAY)]
    assert len({unicodedata.normalize("NFC", one.casefold()) for one in files}) == len(files)
    for name in names.values():
        assert name
        assert not name.startswith("/")
        assert ".." not in name.split("/")


@pytest.mark.parametrize(
    ("keys", "names"),
    [
        (["/d/a.png", "/d/a.jpg", "/d/a.png.png"], ["a.png", "a.jpg", "a.png.png"]),
        (["/d/p/a/x.png", "/d/p/q/../../a/x.png"], ["p/a/x", "a/x"]),
        (["/d/a.png", "/d/b/a.png"], ["a", "b/a"]),
        (["/d/a.png", "/d/a.overlay.png", "/d/b.png"], ["a.png", "a.overlay.png", "b"]),
        (["/d/a.png", "/d/A.png"], ["a.png", "A-2"]),
        (["/d/x.zip::b.png", "/d/x.zip/b.png"], ["b.png", "b-2"]),
        (["x.png"], ["x"]),
    ],
)
def test_names_are_short_where_they_may_be(keys: list[str], names: list[str]) -> None:
    assert list(stems_of(keys).values()) == names


def test_names_of_folders_above_tell_pictures_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    assert list(stems_of(["../a/x.png", "a/x.png"]).values()) == ["a/x", "here/a/x"]


def test_a_picture_that_is_named_twice_stands_for_both(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a.png", "b.png"):
        Image.fromarray(np.zeros((4, 4, 3), np.uint8)).save(tmp_path / name)
    (tmp_path / "c.png").symlink_to("a.png")
    monkeypatch.chdir(tmp_path)
    found = named_once(["a.png", "a.png", ".", tmp_path / "b.png"])
    stands = {key: sample.key for key, sample in found.items()}
    assert stands == {
        "a.png": "a.png",
        "./a.png": "a.png",
        "./b.png": "./b.png",
        "./c.png": "./c.png",  # by a name of its own
        str(tmp_path / "b.png"): "./b.png",
    }


def test_pictures_of_one_name_are_refused_at_once(tmp_path: Path) -> None:
    for name in (b"caf\xe9.png", b"caf\\xe9.png"):
        path = bytes(tmp_path) + b"/" + name
        with open(path, "wb") as file:
            Image.fromarray(np.zeros((4, 4, 3), np.uint8)).save(file, "PNG")
    with pytest.raises(UsageError, match="two pictures are called"):
        named_once([tmp_path])


def test_what_is_drawn_meanwhile_is_not_predicted(tmp_path: Path) -> None:
    files = Noted({"a.png": Sample("a.png", ())})
    drawn = [Prediction("a.png", label="cat"), Prediction("out/a.overlay.png", label="cat")]
    assert list(written(files, drawn)) == drawn[:1]
    assert files.calls == ["a.png", "closed"]
