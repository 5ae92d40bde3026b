"""Divisions in a row: stretches of the natural order of names, whole units, and only neighbours at their ends."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_data import plain

from striate.core.errors import DataError
from striate.core.records import Dataset
from striate.data.audit import Audit
from striate.data.contiguous import stretches
from striate.data.split import SplitTable, make_split


def row(count: int, classes: str = "a", groups: dict[int, str] | None = None) -> Dataset:
    """Names that sort otherwise by letters than by numbers."""
    data = plain({f"s{n}.png": classes[n % len(classes)] for n in range(count)})
    groups = groups or {}
    return replace(data, samples=tuple(replace(one, group=groups.get(numbered(one.key))) for one in data.samples))


def numbered(key: str) -> int:
    return int(key[1:].partition(".")[0])


def split(data: Dataset, **more: object) -> SplitTable:
    return make_split(data, Audit(len(data)), seed=0, order="contiguous", **more)  # type: ignore[arg-type]


def numbers(table: SplitTable, part: str) -> list[int]:
    return sorted(map(numbered, table.keys(part)))


def test_the_last_stretch_is_the_test_and_the_one_before_it_validates() -> None:
    table = split(row(100, "ab"))
    assert numbers(table, "train") == [*range(64)]
    assert numbers(table, "val") == [*range(64, 80)]
    assert numbers(table, "test") == [*range(80, 100)]
    assert table.notes[0] == (
        "Split: the data gives no split; in stretches of the names' order as 64/16/20, the last is test: 64 train, "
        "16 val, 20 test."
    )
    assert make_split(row(100, "ab"), Audit(100), seed=9, order="contiguous").fates == table.fates


def test_of_a_given_test_the_last_stretch_of_the_rest_validates() -> None:
    data = row(50)
    samples = [replace(one, split="test" if numbered(one.key) < 10 else "train") for one in data.samples]
    table = split(replace(data, samples=tuple(samples)))
    assert numbers(table, "test") == [*range(10)]
    assert numbers(table, "val") == [*range(42, 50)]
    assert "the last 20% of train in a row is val" in table.notes[0]


def test_folds_are_stretches_and_what_validates_is_the_stretch_before() -> None:
    found = [split(row(50), fold=(number, 5)) for number in range(1, 6)]
    assert [numbers(table, "test") for table in found] == [[*range(low, low + 10)] for low in range(0, 50, 10)]
    assert [numbers(table, "val") for table in found] == [[*range(low, low + 8)] for low in (42, 2, 12, 22, 32)]
    assert found[1].notes[0].startswith("Split: fold 2 of 5, a stretch of the row, is held out as test")


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(1, 6), min_size=1, max_size=40), st.integers(1, 6))
def test_stretches_are_contiguous_and_none_is_empty(sizes: list[int], count: int) -> None:
    if len(sizes) < count:
        return
    found = stretches(sizes, [1 / count] * count)
    assert sorted(set(found)) == [*range(count)]
    assert all(later - before in (0, 1) for before, later in pairwise(found))


def test_stretches_of_single_samples_differ_by_one_at_most() -> None:
    for count in range(2, 9):
        found = stretches([1] * 30, [1 / count] * count)
        lengths = [found.count(part) for part in range(count)]
        assert max(lengths) - min(lengths) <= 1


def test_a_unit_is_whole_and_goes_where_its_first_is() -> None:
    table = split(row(50, groups={3: "g", 47: "g", 48: "g"}))
    assert {table.fates[f"s{n}.png"] for n in (3, 47, 48)} == {"train"}
    for number in (1, 2, 3):
        fates = split(row(50, groups={3: "g", 47: "g"}), fold=(number, 3)).fates
        assert fates["s3.png"] == fates["s47.png"]


def test_a_time_beside_is_refused() -> None:
    data = row(20)
    data = replace(data, samples=tuple(replace(one, time=float(numbered(one.key))) for one in data.samples))
    with pytest.raises(DataError, match="by time, and by the order of their names too") as caught:
        split(data)
    assert caught.value.fix == "leave out --time, or --set split.order=contiguous"


def test_more_folds_than_units_are_refused() -> None:
    with pytest.raises(DataError, match="5 folds are more than the 3 samples"):
        split(row(3), fold=(1, 5))


@pytest.mark.parametrize("count", [1, 2])
def test_so_few_do_without_validation_or_test(count: int) -> None:
    if count == 1:
        with pytest.raises(DataError, match="of 1 sample none is left to test with"):
            split(row(1))
        return
    table = split(row(2))
    assert (table.keys("train"), table.keys("val"), table.keys("test")) == (["s0.png"], [], ["s1.png"])


def test_folders_of_classes_are_told_what_parts_them() -> None:
    data = plain({f"{name}/{n}.png": name for name, count in (("a", 20), ("b", 6)) for n in range(count)})
    with pytest.raises(DataError, match="classes that training does not know: b") as caught:
        split(data)
    assert caught.value.fix == "the order of the names parts the classes: leave out `--set split.order=contiguous`"


def test_what_weights_have_met_cannot_stand_in_a_row() -> None:
    with pytest.raises(DataError, match="nor go by time or in a row"):
        split(row(20), known={"s3.png": "train"})
