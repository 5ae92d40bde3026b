"""Near-duplicates that chain groups: said where a class, or all, becomes one unit by them, with the way out."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from striate.core.errors import DataError
from striate.core.records import Dataset, Label, Sample
from striate.data.audit import Audit
from striate.data.chained import REMEDY
from striate.data.split import make_split, near_chains, units_of_samples
from striate.data.twins import Near
from striate.workflows.labels import _not_judged
from tests.made_data import plain


def grouped(data: Dataset, size: int) -> Dataset:
    """The same in groups of so many."""
    samples = [replace(one, group=f"g{place // size}") for place, one in enumerate(data.samples)]
    return replace(data, samples=tuple(samples))


def data_of(**sizes: int) -> Dataset:
    return plain({f"{name}/{number:03}": name for name, size in sizes.items() for number in range(size)})


def chain(keys: list[str]) -> Near:
    """Each like the next."""
    return Near(duplicates=tuple(pairwise(keys)), asked=True, compared=len(keys))


def test_all_in_one_unit_is_an_error_that_names_the_chain_and_the_setting() -> None:
    data = grouped(data_of(a=12, b=12), 4)
    keys = [one.key for one in data.samples]
    audit = Audit(len(data), near=chain(keys[::4]))
    with pytest.raises(DataError, match="near-duplicates join all 6 groups into one unit") as error:
        make_split(data, audit, seed=0)
    assert "--set split.near_duplicates=false" in str(error.value.fix)
    make_split(data, Audit(len(data)), seed=0)  # as the setting has it


def test_without_near_duplicates_the_error_is_of_groups() -> None:
    data = grouped(data_of(a=12, b=12), 24)
    with pytest.raises(DataError, match="none is left to test with") as error:
        make_split(data, Audit(len(data)), seed=0)
    assert "near" not in str(error.value)
    assert "check the groups" in str(error.value.fix)


def test_a_class_in_one_unit_is_noted() -> None:
    data = grouped(data_of(a=40, b=12), 4)
    near = chain([f"b/{number:03}" for number in range(12)])
    notes = make_split(data, Audit(len(data), near=near), seed=0).notes
    (note,) = [note for note in notes if "join" in note]
    assert note.startswith("Near-duplicates join all 3 groups of 'b' into one unit")
    assert "--set split.near_duplicates=false" in note
    assert any("no sample of b" in note for note in notes)


@pytest.mark.parametrize("near", [Near(), chain(["a/000", "a/001"]), chain(["b/000", "a/001"])])
def test_what_is_not_chained_is_not_said(near: Near) -> None:
    data = data_of(a=20, b=20)
    assert not any("join" in note for note in make_split(data, Audit(40, near=near), seed=0).notes)
    assert not near_chains(data.samples, Audit(40, near=near))


def test_a_class_that_was_one_group_before_is_not_the_near_duplicates_doing() -> None:
    data = grouped(data_of(a=20, b=20), 20)
    assert not near_chains(data.samples, Audit(40, near=chain([f"b/{number:03}" for number in range(20)])))
    both = near_chains(data.samples, Audit(40, near=chain(["a/000", "b/000"])))
    assert both.joined == 2
    assert str(both) == "near-duplicates join all 2 groups into one unit"


def test_single_pictures_and_several_classes_are_named() -> None:
    samples = [Sample(f"{name}{number}", (), Label(name)) for name in "abc" for number in range(3)]
    pairs = [("a0", "a1"), ("a1", "a2"), ("b0", "b1"), ("b1", "b2")]
    found = near_chains(samples, Audit(9, near=Near(duplicates=tuple(pairs))))
    assert str(found) == "near-duplicates join all pictures of a class into one unit, of a, b"
    found = near_chains(samples, Audit(9, near=Near(duplicates=tuple(pairs[:2]))))
    assert str(found) == "near-duplicates join all 3 pictures of 'a' into one unit"


def test_given_splits_say_how_many_are_left_out_as_near_duplicates() -> None:
    names = {f"{split}/{name}{number}": name for split in ("train", "test") for name in "ab" for number in range(4)}
    data = plain(names, {key: key.split("/")[0] for key in names})
    near = Near(duplicates=tuple((f"test/b{number}", f"train/b{number}") for number in range(4)))
    with pytest.raises(DataError, match=r"know: b \(4 of their samples were excluded, 4 of them as near-dup") as error:
        make_split(data, Audit(16, near=near), seed=0)
    assert "--set split.near_duplicates=false" in str(error.value.fix)
    both = Near(duplicates=tuple((f"test/{key}", f"train/{key}") for key in ("a0", "a1", "a2", "a3")) + near.duplicates)
    with pytest.raises(DataError, match=r"none is left to train on.* 8 are near-duplicates of held-out ones"):
        make_split(data, Audit(16, near=both), seed=0)


def test_labels_that_no_other_unit_has_are_not_judged_and_why_is_said() -> None:
    samples = [Sample(f"{name}{number}", (), Label(name)) for name in "ab" for number in range(3)]
    audit = Audit(6, near=Near(duplicates=(("a0", "a1", "a2"),)))
    labels = np.array([0, 0, 0, 1, 1, 1])
    (note,) = _not_judged(labels, units_of_samples(samples, audit), "ab", near_chains(samples, audit))
    assert "Of a there is one sample or group alone" in note
    assert "Near-duplicates join all 3 pictures of 'a' into one unit" in note
    assert "--set split.near_duplicates=false" in note


def test_folds_of_a_class_or_of_all_that_near_duplicates_joined_are_told_the_remedy() -> None:
    data = data_of(a=30, b=10)
    near = chain([f"b/{number:03}" for number in range(10)])
    with pytest.raises(
        DataError, match=r"10 samples in 1 unit .*; near-duplicates join all 10 pictures of 'b'"
    ) as caught:
        make_split(data, Audit(40, near=near), seed=0, fold=(1, 3))
    assert caught.value.fix == REMEDY
    everything = chain([one.key for one in data.samples])
    with pytest.raises(DataError, match=r"3 folds are more than the 1 unit .*; near-duplicates join all 40") as caught:
        make_split(data, Audit(40, near=everything), seed=0, fold=(1, 3))
    assert caught.value.fix == REMEDY
    with pytest.raises(DataError) as caught:
        make_split(data_of(a=30, b=2), Audit(32, near=chain(["a/000", "a/001"])), seed=0, fold=(1, 3))
    assert caught.value.fix == "give --folds 2, or add samples of that class", "what they did not join is no fault"
