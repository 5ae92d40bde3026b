"""Folds: each unit is held out once and whole, classes hold to within one, and what cannot be dealt is said."""

from __future__ import annotations

import hashlib
import itertools
import random
import warnings
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_data import plain
from sklearn.model_selection import StratifiedGroupKFold

from striate.core.errors import DataError
from striate.core.records import Dataset, Label, Labels, Value
from striate.data.audit import Audit
from striate.data.balance import unevenness
from striate.data.folds import deal_folds
from striate.data.split import SplitTable, make_split

Strata = list[dict[str, int]]


def orders(count: int) -> list[bytes]:
    return [hashlib.sha256(str(number).encode()).digest() for number in range(count)]


def dealt(strata: Strata, count: int) -> list[int]:
    return deal_folds(strata, [sum(one.values()) for one in strata], count, orders(len(strata)))


def uneven(found: Sequence[int], strata: Strata, count: int) -> float:
    sizes = [sum(one.values()) for one in strata]
    return unevenness(list(map(str, found)), {str(fold): 1 / count for fold in range(count)}, strata, sizes)


def mixed(random_: random.Random, count: int, sizes: Sequence[int]) -> Strata:
    """Units of several samples, most of one class."""
    found = []
    for _ in range(count):
        main = random_.choice("aaabbc")
        names = (main if random_.random() < 0.8 else random_.choice("abc") for _ in range(random_.choice(sizes)))
        found.append(dict(Counter(names)))
    return found


def audited(data: Dataset, **more: object) -> Audit:
    return Audit(len(data), **more)  # type: ignore[arg-type]


def classes(**sizes: int) -> Dataset:
    return plain({f"{name}/{n:04}": name for name, size in sizes.items() for n in range(size)})


def folds_of(data: Dataset, count: int, audit: Audit | None = None, seed: int = 0, **more: object) -> list[SplitTable]:
    audit = audit or audited(data)
    return [make_split(data, audit, seed=seed, fold=(n, count), **more) for n in range(1, count + 1)]  # type: ignore[arg-type]


@settings(max_examples=100, deadline=None)
@given(st.integers(2, 7), st.lists(st.sampled_from("abcde"), min_size=7, max_size=80))
def test_single_samples_hold_to_within_one_in_every_class_and_in_all(count: int, names: list[str]) -> None:
    strata = [{name: 1} for name in names]
    found = dealt(strata, count)
    for name in (None, *set(names)):
        sizes = Counter(fold for fold, one in zip(found, strata, strict=True) if name is None or name in one)
        each = [sizes[fold] for fold in range(count)]
        assert max(each) - min(each) <= 1


@pytest.mark.parametrize("seed", range(20))
def test_few_units_are_dealt_as_well_as_can_be(seed: int) -> None:
    draws = random.Random(seed)
    count = draws.choice([2, 3])
    strata = mixed(draws, draws.randint(count, 6 if count == 3 else 9), [1, 1, 2, 3, 5])
    best = min(uneven(one, strata, count) for one in itertools.product(range(count), repeat=len(strata)))
    assert uneven(dealt(strata, count), strata, count) == pytest.approx(best, abs=1e-9)


@pytest.mark.parametrize("seed", range(12))
def test_groups_are_dealt_at_least_as_evenly_as_scikit_learn_does(seed: int) -> None:
    draws = random.Random(seed)
    count = draws.choice([2, 3, 5])
    strata = mixed(draws, draws.randint(4 * count, 40), [1, 2, 3, 5, 9])
    rows = [(name, unit) for unit, one in enumerate(strata) for name, number in one.items() for _ in range(number)]
    names, groups = np.array([name for name, _ in rows]), np.array([unit for _, unit in rows])
    theirs = np.zeros(len(strata), int)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of classes with fewer samples than folds
        parts = StratifiedGroupKFold(count).split(np.zeros(len(rows)), names, groups)
        for fold, (_, held) in enumerate(parts):
            theirs[np.unique(groups[held])] = fold
    assert uneven(dealt(strata, count), strata, count) <= uneven(theirs.tolist(), strata, count) + 1e-9


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**16), st.integers(2, 4))
def test_a_class_of_several_units_is_in_several_folds(seed: int, count: int) -> None:
    draws = random.Random(seed)
    strata = mixed(draws, draws.randint(count, 12), [1, 2, 40])
    found = dealt(strata, count)
    for name in "abc":
        units = [unit for unit, one in enumerate(strata) if name in one]
        assert len(units) < 2 or len({found[unit] for unit in units}) > 1


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_every_sample_is_held_out_once_and_units_are_whole(draw: st.DataObject) -> None:
    count = draw.draw(st.integers(2, 5))
    keys = [f"{n:03}" for n in range(draw.draw(st.integers(6 * count, 60)))]
    label = {key: "ab"[n % 2] for n, key in enumerate(keys)}
    data = plain(label)
    grouped = {one: draw.draw(st.sampled_from("ghi")) for one in keys[: 2 * count] if draw.draw(st.booleans())}
    data = replace(data, samples=tuple(replace(one, group=grouped.get(one.key)) for one in data.samples))
    twins = tuple(tuple(sorted(pair)) for pair in zip(keys[-6::2], keys[-5::2], strict=True))
    audit = audited(data, duplicates=twins)
    tables = folds_of(data, count, audit, seed=draw.draw(st.integers(0, 99)))
    conflicts = {key for table in tables for key, fate in table.fates.items() if fate == "excluded"}
    held = [table.keys("test") for table in tables]
    assert sorted(itertools.chain(*held)) == sorted(set(keys) - conflicts)
    for table in tables:
        for unit in (*twins, *({key for key, group in grouped.items() if group == name} for name in "ghi")):
            assert len({table.fates[key] for key in unit} - {"excluded"}) <= 1
        assert table.keys("train")
        assert table.keys("val")


def test_the_seed_and_the_file_order_decide_as_for_one_division() -> None:
    data = classes(a=30, b=20)
    shuffled = list(data.samples)
    random.Random(0).shuffle(shuffled)
    first = folds_of(data, 3)
    assert folds_of(replace(data, samples=tuple(shuffled)), 3) == first
    assert [one.fates for one in folds_of(data, 3, seed=1)] != [one.fates for one in first]
    assert first[0].notes[0] == "Split: fold 1 of 3 is held out as test: 26 train, 7 val, 17 test."


def test_with_a_given_test_the_folds_validate() -> None:
    data = classes(a=30, b=30)
    given_test = {f"{name}/{n:04}" for name in "ab" for n in range(5)}
    samples = [replace(one, split="test" if one.key in given_test else "train") for one in data.samples]
    tables = folds_of(replace(data, samples=tuple(samples)), 5)
    assert all(set(table.keys("test")) == given_test for table in tables)
    held = [table.keys("val") for table in tables]
    assert sorted(itertools.chain(*held)) == sorted(one.key for one in data.samples if one.key not in given_test)
    assert {len(one) for one in held} == {10}


def test_values_and_labels_take_turns_too() -> None:
    valued = plain({f"{n:03}": Value((float(n),)) for n in range(40)})
    for table in folds_of(valued, 4):
        held = [int(key) for key in table.keys("test")]
        assert len(held) == 10
        assert all(any(low <= n < low + 10 for n in held) for low in (0, 10, 20, 30))
    labelled = plain({f"{n:03}": Labels(("a",) if n % 2 else ("a", "b")) for n in range(40)})
    assert [sum(int(key) % 2 for key in table.keys("test")) for table in folds_of(labelled, 4)] == [5] * 4


def test_what_validates_in_a_fold_is_a_fifth_of_the_rest() -> None:
    for table in folds_of(classes(a=50, b=50), 5):
        assert [len(table.keys(part)) for part in ("train", "val", "test")] == [64, 16, 20]


def refused(data: Dataset, count: int, audit: Audit | None = None, **more: object) -> DataError:
    with pytest.raises(DataError) as caught:
        folds_of(data, count, audit, **more)
    return caught.value


def test_more_folds_than_samples_are_refused() -> None:
    error = refused(classes(a=2, b=1), 5)
    assert error.message == "5 folds are more than the 3 samples of /data; each fold is to hold out one at least"
    assert error.fix == "give --folds 3 or fewer"


def test_more_folds_than_units_are_refused() -> None:
    data = classes(a=6)
    data = replace(
        data, samples=tuple(replace(one, group="g" if one.key[-1] in "012" else "h") for one in data.samples)
    )
    error = refused(data, 3)
    assert error.message.startswith("3 folds are more than the 2 units that the 6 samples of /data make, since what is")
    assert error.fix == "give --folds 2 or fewer"


def test_one_sample_makes_no_folds() -> None:
    error = refused(classes(a=1), 2)
    assert error.message.startswith("2 folds are more than the 1 sample of /data")
    assert error.fix == "add samples, or check the groups"


def test_a_class_with_fewer_samples_than_folds_is_named() -> None:
    error = refused(classes(a=30, b=3, c=2), 5)
    assert error.message == (
        "class 'c' has 2 samples, and each of 5 folds is to hold out some of it; 1 other class has too few as well"
    )
    assert error.fix == "give --folds 2, or add samples of that class"


def test_a_group_that_is_the_whole_class_is_named() -> None:
    data = classes(a=30, b=6)
    grouped = [replace(one, group="p7" if isinstance(one.target, Label) and one.target.name == "b" else None)
               for one in data.samples]  # fmt: skip
    error = refused(replace(data, samples=tuple(grouped)), 3)
    assert error.message == (
        "class 'b' has 6 samples in 1 unit that cannot be parted (group p7), and each of 3 folds is to hold out some "
        "of it"
    )
    assert error.fix == "add samples of that class that belong with no other, or leave the class out"


def test_given_validation_and_test_leave_nothing_to_rotate() -> None:
    data = classes(a=30)
    samples = [replace(one, split=("train", "val", "test")[n % 3]) for n, one in enumerate(data.samples)]
    error = refused(replace(data, samples=tuple(samples)), 3)
    assert "nothing for folds to rotate" in error.message
    assert error.fix is not None
    assert error.fix.startswith("leave --folds out; or give the test alone")


def test_times_have_one_direction() -> None:
    data = classes(a=30)
    samples = [replace(one, time=float(n)) for n, one in enumerate(data.samples)]
    error = refused(replace(data, samples=tuple(samples)), 3)
    assert "one direction" in error.message
    assert error.fix == "leave out --folds, or --time"


def test_what_weights_have_met_cannot_take_turns() -> None:
    error = refused(classes(a=30), 3, known={"a/0001": "train", "a/0002": "test"})
    assert "has met 2 of the 30 units of samples" in error.message
    assert error.fix == "begin with other weights, or leave out --folds, --time and split.order"
