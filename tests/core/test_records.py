"""Records: how sources are written, and how Datasets are cut."""

from __future__ import annotations

import dataclasses

import pytest

from striate.core.records import Dataset, Label, Sample, Source

SAMPLES = tuple(
    Sample(key, (Source("file", f"/d/{key}"),), Label(key[0]), split)
    for key, split in [("a/1.png", "train"), ("a/2.png", None), ("b/1.png", "test")]
)
DATASET = Dataset("/d", "folders", "classify", SAMPLES, ("a", "b"))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("source", "words"),
    [
        (Source("file", "/d/a.png"), "/d/a.png"),
        (Source("zip", "/d/a.zip", member="x/b.png"), "/d/a.zip::x/b.png"),
        (Source("tar", "/d/a.tar", member="b.png"), "/d/a.tar::b.png"),
        (Source("array", "x", row=7), "x[7]"),
    ],
)
def test_sources_in_words(source: Source, words: str) -> None:
    assert str(source) == words


def test_select_keeps_order_and_everything_else() -> None:
    chosen = DATASET.select({"b/1.png", "a/1.png", "unknown"})
    assert [sample.key for sample in chosen.samples] == ["a/1.png", "b/1.png"]
    assert chosen.target_names == ("a", "b")
    assert len(DATASET) == 3


def test_given_splits_are_those_the_data_names() -> None:
    assert DATASET.given_splits == {"train", "test"}
    assert DATASET.select({"a/2.png"}).given_splits == set()


def test_records_cannot_be_altered() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        DATASET.samples[0].key = "other"  # type: ignore[misc]
