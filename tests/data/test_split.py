"""The split: stratified, nothing straddles it, the same for the same data, and given ones obeyed."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_data import arrays, plain

from striate.core.errors import DataError
from striate.core.events import Silent
from striate.core.records import Damaged, Dataset, Label, Labels, Value
from striate.data.audit import Audit, run_audit
from striate.data.dealing import enough
from striate.data.met_before import MET
from striate.data.split import SplitTable, make_split


def judged(data: Dataset, **more: object) -> Audit:
    return Audit(len(data), **more)  # type: ignore[arg-type]


def counts(table: SplitTable, data: Dataset) -> dict[str, Counter[str]]:
    found: dict[str, Counter[str]] = {"train": Counter(), "val": Counter(), "test": Counter()}
    for sample in data.samples:
        if isinstance(sample.target, Label) and table.fates[sample.key] in found:
            found[table.fates[sample.key]][sample.target.name] += 1
    return found


def classes(**sizes: int) -> Dataset:
    return plain({f"{name}/{n:04}": name for name, size in sizes.items() for n in range(size)})


def test_large_data_validate_on_no_more_than_is_needed() -> None:
    assert enough((0.64, 0.16, 0.2), 31_250, 10) == (0.64, 0.16, 0.2)
    train, val, test = enough((0.64, 0.16, 0.2), 100_000, 10)
    assert (val, test) == (0.05, 0.2)
    assert train == pytest.approx(0.75)
    assert enough((0.8, 0.2, 0.0), 100_000, 1000)[1] == 0.1  # ten of each class
    assert enough((1.0, 0.0, 0.0), 100_000, 10) == (1.0, 0.0, 0.0)


@given(st.integers(0, 2**16), st.integers(0, 60))
@settings(max_examples=30, deadline=None)
def test_what_weights_have_seen_is_never_tested_and_new_samples_are_dealt_as_ever(seed: int, more: int) -> None:
    draws = random.Random(seed)
    before = classes(a=draws.randint(5, 40), b=draws.randint(5, 40))
    known = make_split(before, judged(before), seed=seed).fates
    names = {sample.key: sample.key[0] for sample in before.samples} | {
        f"{name}/new{n:03}": name for n in range(more) for name in "abc"
    }
    grown = plain(names)
    table = make_split(grown, judged(grown), seed=draws.randint(0, 9), known=known)
    assert {key: table.fates[key] for key in known} == known
    fresh = Counter(fate for key, fate in table.fates.items() if key not in known)
    assert abs(fresh["test"] - 0.2 * fresh.total()) <= 2
    assert any("stay in the split" in note for note in table.notes)


def test_equal_pictures_and_groups_of_what_weights_have_seen_are_not_tested() -> None:
    data = classes(a=40, b=40)
    samples = [replace(one, group="g" if one.key in ("a/0001", "a/0002") else None) for one in data.samples]
    data = replace(data, samples=tuple(samples))
    audit = judged(data, duplicates=(("b/0003", "b/0004"),))
    for known, fate in (({"a/0001": "train", "b/0003": "val"}, "train"), ({"a/0001": "val", "a/0002": "test"}, "val")):
        for seed in range(5):
            table = make_split(data, audit, seed=seed, known={**known, "a/0000": "train", "b/0000": "train"})
            assert table.fates["a/0001"] == table.fates["a/0002"] == fate
            assert table.fates["b/0004"] == table.fates["b/0003"]
            assert "b/0003" not in known or table.fates["b/0004"] == "val"


def test_a_class_that_was_only_tested_is_trained_on_first() -> None:
    data = classes(a=10, b=1)
    table = make_split(data, judged(data), seed=0, known={"b/0000": "test", "a/0000": "train"})
    assert table.fates["b/0000"] == "train"


def test_a_given_test_that_weights_have_seen_is_kept_and_said() -> None:
    data = classes(a=10, b=10)
    parts = {"a/0000": "test", "a/0001": "test", "b/0000": "test", "b/0001": "val"}
    samples = [
        replace(one, split=parts.get(one.key, "train"), group="g" if one.key in ("a/0001", "a/0009") else None)
        for one in data.samples
    ]
    data = replace(data, samples=tuple(samples))
    known = {"a/0000": "val", "a/0009": "train", "b/0000": "test", "b/0001": "val", "b/0002": "test"}
    table = make_split(data, judged(data), seed=0, known=known)
    assert {key for key, why in table.reasons.items() if why.endswith(MET)} == {"a/0000", "a/0001"}
    assert [table.fates[key] for key in parts] == list(parts.values())
    assert table.fates["b/0002"] == "train"


def test_data_of_which_weights_have_seen_all_cannot_test_them() -> None:
    data = classes(a=10, b=10)
    with pytest.raises(DataError, match=r"none of the 20 [\s\S]*--test DIR"):
        make_split(data, judged(data), seed=0, known={sample.key: "train" for sample in data.samples})


def test_shares_hold_in_every_class_and_in_all() -> None:
    data = classes(a=100, b=50, c=25, d=7)
    table = make_split(data, judged(data), seed=0)
    found = counts(table, data)
    for name, size in {"a": 100, "b": 50, "c": 25, "d": 7}.items():
        for split, share in (("train", 0.64), ("val", 0.16), ("test", 0.20)):
            assert abs(found[split][name] - share * size) <= 1.5, (split, name)
    assert abs(len(table.keys("test")) - 0.2 * 182) <= 1.5
    assert "64/16/20" in table.notes[0]
    assert table.keys("train") == sorted(table.keys("train"))


def test_many_small_classes_still_make_all_three() -> None:
    data = classes(**{f"c{n:03}": 3 for n in range(100)})
    table = make_split(data, judged(data), seed=1)
    found = counts(table, data)
    assert len(found["train"]) == 100, "every class is trained on"
    assert abs(len(table.keys("val")) - 48) <= 3
    assert abs(len(table.keys("test")) - 60) <= 3


def test_the_first_of_a_class_is_trained_on() -> None:
    data = classes(a=30, **{f"rare{n}": 1 for n in range(6)})
    table = make_split(data, judged(data), seed=0)
    assert {f"rare{n}/0000" for n in range(6)} <= set(table.keys("train"))
    assert len(table.keys("test")) == 7


def test_the_file_order_changes_nothing_and_the_seed_does() -> None:
    data = classes(a=60, b=40)
    shuffled = list(data.samples)
    random.Random(0).shuffle(shuffled)
    first = make_split(data, judged(data), seed=0)
    assert make_split(replace(data, samples=tuple(shuffled)), judged(data), seed=0) == first
    assert make_split(data, judged(data), seed=1).fates != first.fates
    assert Counter(make_split(data, judged(data), seed=1).fates.values()) == Counter(first.fates.values())


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_nothing_ever_straddles_a_split(draw: st.DataObject) -> None:
    count = draw.draw(st.integers(12, 60))
    keys = [f"{n:03}" for n in range(count)]
    label = {key: draw.draw(st.sampled_from("abc")) for key in keys}
    groups = {key: draw.draw(st.sampled_from("0123456789")) for key in keys if draw.draw(st.booleans())}
    splits = {}
    if draw.draw(st.booleans()):
        splits = {key: draw.draw(st.sampled_from(["train", "train", "val", "test"])) for key in keys}
    data = plain(label, splits, groups)
    pairs = draw.draw(st.lists(st.lists(st.sampled_from(keys), min_size=2, max_size=3, unique=True), max_size=6))
    taken: set[str] = set()
    duplicates = []
    for pair in pairs:
        if not taken & set(pair):
            taken |= set(pair)
            duplicates.append(tuple(sorted(pair)))
    conflicts = tuple(group for group in duplicates if len({label[key] for key in group}) > 1)
    audit = judged(data, duplicates=tuple(duplicates), conflicts=conflicts)
    try:
        table = make_split(data, audit, seed=draw.draw(st.integers(0, 5)))
    except DataError:
        return  # too little was left, and that is said; other tests see that it is not said too often
    used = {"train", "val", "test"}
    for group in duplicates:
        assert len({table.fates[key] for key in group} & used) <= 1
    for name in set(groups.values()):
        assert len({table.fates[key] for key in keys if groups.get(key) == name} & used) <= 1
    for group in conflicts:
        assert {table.fates[key] for key in group} <= {"excluded", "test"}
    assert set(table.fates) == set(keys)
    assert {key for key, fate in table.fates.items() if fate == "excluded"} <= set(table.reasons)
    if splits:
        for key in keys:
            if splits[key] == "test":
                assert table.fates[key] == "test", "what is given for testing stays"
            elif splits[key] == "val":
                assert (
                    table.fates[key] in ("val", "excluded")
                    or "val" not in splits.values()
                    or "test" not in splits.values()
                )


def test_speakers_stay_together_and_shares_come_near() -> None:
    data = plain(
        {f"{digit}_{speaker}_{n}": str(digit) for digit in range(10) for speaker in "abcdef" for n in range(5)},
        groups={f"{digit}_{speaker}_{n}": speaker for digit in range(10) for speaker in "abcdef" for n in range(5)},
    )
    table = make_split(data, judged(data), seed=0)
    where = {speaker: {table.fates[s.key] for s in data.samples if s.group == speaker} for speaker in "abcdef"}
    assert all(len(fates) == 1 for fates in where.values())
    assert Counter(next(iter(fates)) for fates in where.values()) == {"train": 4, "val": 1, "test": 1}


def test_a_group_and_a_duplicate_chain() -> None:
    data = plain({f"{n:02}": "ab"[n % 2] for n in range(40)}, groups={"00": "g", "02": "g", "04": "h", "06": "h"})
    table = make_split(data, judged(data, duplicates=(("02", "04"), ("06", "08"))), seed=0)
    assert len({table.fates[key] for key in ("00", "02", "04", "06", "08")}) == 1


def test_conflicts_and_damage_are_left_out_with_their_reason() -> None:
    data = classes(a=20, b=20)
    audit = judged(
        data,
        quarantined=(Damaged("a/0001", "it is truncated"),),
        duplicates=(("a/0002", "b/0002"),),
        conflicts=(("a/0002", "b/0002"),),
    )
    table = make_split(data, audit, seed=0)
    assert table.fates["a/0001"] == "quarantined"
    assert table.reasons["a/0001"] == "it is truncated"
    assert table.fates["a/0002"] == table.fates["b/0002"] == "excluded"
    assert table.reasons["a/0002"] == "the same picture has another target as b/0002"
    assert any("2 samples are left out because the same picture" in note for note in table.notes)
    assert len(table.keys("train")) + len(table.keys("val")) + len(table.keys("test")) == 37


def test_a_given_test_is_kept_and_its_duplicates_leave_training() -> None:
    data = classes(a=50, b=50)
    test = {f"{name}/{n:04}": "test" for name in "ab" for n in range(10)}
    data = plain({s.key: s.target for s in data.samples}, test)
    audit = judged(
        data,
        duplicates=(("a/0000", "a/0020"), ("a/0001", "b/0030")),
        conflicts=(("a/0001", "b/0030"),),
    )
    table = make_split(data, audit, seed=0)
    assert table.keys("test") == sorted(test)
    assert table.fates["a/0020"] == "excluded"
    assert table.reasons["a/0020"] == "a duplicate of a/0000, which is given for test"
    assert table.fates["b/0030"] == "excluded"
    assert "another target" in table.reasons["b/0030"]
    assert "another target" in table.reasons["a/0001"]
    assert abs(len(table.keys("val")) - 0.2 * 78) <= 1
    assert "20% of train was drawn for val" in table.notes[0]


def test_what_was_given_for_validation_is_not_left_out_of_training() -> None:
    given: dict[str, str] = {f"{name}/{n:04}": "val" if n < 5 else "test" for name in "ab" for n in range(10)}
    data = plain({s.key: s.target for s in classes(a=30, b=30).samples}, given)
    audit = judged(data, duplicates=(("a/0000", "a/0005", "a/0020"), ("b/0001", "b/0006"), ("b/0002", "b/0021")))
    table = make_split(data, audit, seed=0)
    assert [table.fates[key] for key in ("a/0000", "b/0001", "a/0020", "b/0021")] == ["excluded"] * 4
    assert table.left_out_for("test") == ["a/0020"]
    assert table.left_out_for("val") == ["b/0021"]
    assert table.reasons["b/0001"] == "a duplicate of b/0006, which is given for test; itself for val"


def test_a_group_in_a_given_test_leaves_training() -> None:
    data = plain(
        {f"{n:02}": "ab"[n % 2] for n in range(30)},
        {f"{n:02}": "test" for n in range(6)},
        {"00": "anna", "10": "anna", "11": "berta"},
    )
    table = make_split(data, judged(data), seed=0)
    assert table.fates["10"] == "excluded"
    assert "of the same group as 00" in table.reasons["10"]
    assert table.fates["11"] in ("train", "val")


def test_a_given_validation_is_obeyed_and_a_test_is_drawn() -> None:
    data = plain(
        {f"{n:02}": "ab"[n % 2] for n in range(60)}, {f"{n:02}": "val" if n < 10 else "train" for n in range(60)}
    )
    table = make_split(data, judged(data), seed=0)
    assert table.keys("val") == [f"{n:02}" for n in range(10)]
    assert len(table.keys("test")) == 10


def test_all_given_splits_are_obeyed() -> None:
    given_splits = {f"{n:02}": ["train", "train", "val", "test"][n // 2 % 4] for n in range(40)}
    data = plain({key: "ab"[int(key) % 2] for key in given_splits}, given_splits)
    assert make_split(data, judged(data), seed=0).fates == given_splits


def test_a_class_that_only_the_test_knows_is_refused() -> None:
    data = plain(
        {**{f"a/{n}": "ab"[n % 2] for n in range(20)}, "t/1": "zebra", "t/2": "a"}, {"t/1": "test", "t/2": "test"}
    )
    with pytest.raises(DataError, match="test split has classes that training does not know: zebra") as caught:
        make_split(data, judged(data), seed=0)
    assert caught.value.fix


def test_a_test_without_training_samples_is_refused() -> None:
    data = plain({"1": "a", "2": "b"}, {"1": "test", "2": "test"})
    with pytest.raises(DataError, match="none is left to train on"):
        make_split(data, judged(data), seed=0)


def test_one_group_for_all_is_refused() -> None:
    data = plain({f"{n}": "ab"[n % 2] for n in range(10)}, groups={f"{n}": "g" for n in range(10)})
    with pytest.raises(DataError, match="none is left to test with") as caught:
        make_split(data, judged(data), seed=0)
    assert "group" in str(caught.value.fix)


def test_what_the_test_lacks_is_said() -> None:
    data = plain({f"{n:02}": "a" if n < 30 else "b" for n in range(40)}, groups={f"{n:02}": "g" for n in range(30, 40)})
    table = make_split(data, judged(data), seed=0)
    assert any("no sample of b" in note for note in table.notes)


def test_values_are_spread_alike() -> None:
    rng = np.random.default_rng(0)
    values = {f"{n:04}": Value((float(rng.exponential(10)),)) for n in range(500)}
    data = plain(values)
    table = make_split(data, judged(data), seed=0)
    whole = np.array([one.values[0] for one in values.values()])
    for split, size in (("train", 320), ("val", 80), ("test", 100)):
        part = np.array([values[key].values[0] for key in table.keys(split)])
        assert abs(len(part) - size) <= 2
        for quantile in (0.1, 0.5, 0.9):
            rank = (part <= np.quantile(whole, quantile)).mean()
            assert abs(rank - quantile) < 0.02, "each tenth of the values has its share"


def test_several_values_and_few_samples_work() -> None:
    data = plain({f"{n}": Value((float(n), 1.0, float(-n), 2.0)) for n in range(9)})
    table = make_split(data, judged(data), seed=0)
    assert Counter(table.fates.values()) == {"train": 6, "val": 1, "test": 2}


def test_every_label_of_several_is_spread() -> None:
    rng = random.Random(1)
    targets = {
        f"{n:03}": Labels(tuple(name for name, share in (("a", 0.5), ("b", 0.2), ("c", 0.05)) if rng.random() < share))
        for n in range(400)
    }
    data = plain(targets)
    table = make_split(data, judged(data), seed=0)
    for name in "abc":
        whole = sum(name in one.names for one in targets.values())
        tested = sum(name in targets[key].names for key in table.keys("test"))
        assert abs(tested - 0.2 * whole) <= 2, name


def test_it_is_written_and_read_back(tmp_path: Path) -> None:
    data = plain({"caf\udce9": "a", "b,\n1": "b", **{f"{n}": "ab"[n % 2] for n in range(12)}}, groups={"1": "g"})
    audit = judged(data, quarantined=(Damaged("1", "it is truncated"),))
    table = make_split(data, audit, seed=0)
    table.write(tmp_path / "split.csv", data)
    read = SplitTable.read(tmp_path / "split.csv", data)
    assert read.fates == table.fates
    assert read.reasons == table.reasons
    header, *rows = (tmp_path / "split.csv").read_text("utf-8", "surrogateescape").splitlines()
    assert header == "key,split,target,group,reason"
    assert "1,quarantined,b,g,it is truncated" in rows
    again = make_split(data, audit, seed=99, file=str(tmp_path / "split.csv"))
    assert again.fates == table.fates, "a split given back is obeyed, whatever the seed"


def test_a_split_file_beats_the_data_and_is_checked_for_leaks(tmp_path: Path) -> None:
    data = plain({f"{n:02}": "ab"[n % 2] for n in range(40)}, {f"{n:02}": "test" for n in range(20)})
    rows = [f"{n:02},{'test' if n >= 32 else 'excluded' if n == 5 else 'val' if n < 4 else 'train'}" for n in range(40)]
    path = tmp_path / "mine.csv"
    path.write_text("key,split\n" + "\n".join(rows) + "\n")
    audit = judged(data, quarantined=(Damaged("06", "gone"),), duplicates=(("08", "34"),))
    table = make_split(data, audit, seed=0, file=str(path))
    assert table.keys("test") == [f"{n:02}" for n in range(32, 40)]
    assert table.keys("val") == ["00", "01", "02", "03"]
    assert table.fates["05"] == "excluded"
    assert table.fates["06"] == "quarantined"
    assert table.fates["08"] == "excluded"
    assert "duplicate of 34" in table.reasons["08"]
    assert any("1 samples that mine.csv puts into a split are damaged" in note for note in table.notes)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("key;split\n0;train\n", "has the columns key;split"),
        ("key,split\n0,trian\n1,test\n2,val\n", "line 2: 'trian' is no split; did you mean 'train'"),
        ("key,split\n0,train\n0,test\n1,test\n2,val\n", "line 3: 0 is there twice"),
        ("key,split\n0,train\n1,test\n2,val\n9,val\n", "names 1 samples that /data lacks: 9"),
        ("key,split\n0,train\n1,test\n", "says nothing of 1 of 3 samples: 2"),
        ("", "has the columns none"),
    ],
)
def test_a_split_file_that_does_not_fit_is_refused(tmp_path: Path, content: str, words: str) -> None:
    data = plain({"0": "a", "1": "a", "2": "b"})
    path = tmp_path / "split.csv"
    path.write_text(content)
    with pytest.raises(DataError, match=words) as caught:
        make_split(data, judged(data), seed=0, file=str(path))
    assert caught.value.fix


def test_a_split_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    data = plain({"0": "a"})
    with pytest.raises(DataError, match="does not exist"):
        make_split(data, judged(data), seed=0, file=str(tmp_path / "none.csv"))


def test_audit_and_split_together_on_arrays() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (50, 4, 4), dtype=np.uint8)
    pixels[10:20] = pixels[0:10]
    data = arrays(pixels, [Label("ab"[n % 2]) for n in range(50)])
    table = make_split(data, run_audit(data, workers=0, reporter=Silent()), seed=3)
    for row in range(10):
        assert table.fates[f"x/{row:04}"] == table.fates[f"x/{row + 10:04}"]


def test_unknown_fates_are_a_mistake() -> None:
    with pytest.raises(ValueError, match="validation"):
        SplitTable({}, {}).keys("validation")


def test_a_class_that_validation_lacks_is_named_with_what_to_do() -> None:
    data = classes(a=40, b=2)
    notes = make_split(data, judged(data), seed=0).notes
    assert (
        "The validation split has no sample of b: the best epoch is chosen without them; add samples of them." in notes
    )


def test_a_group_that_is_the_whole_class_is_named_with_what_to_do() -> None:
    data = classes(a=40, b=6)
    samples = [replace(one, group="p7" if one.key.startswith("b") else None) for one in data.samples]
    notes = make_split(replace(data, samples=tuple(samples)), judged(data), seed=0).notes
    assert notes[-1] == (
        "All samples of class b are in group p7, which no two splits can share: it is learnt and never tested. "
        "Add samples of that class that belong with no other."
    )
    twins = replace(data, samples=data.samples)
    notes = make_split(twins, judged(data, duplicates=(tuple(f"b/{n:04}" for n in range(6)),)), seed=0).notes
    assert notes[-1].startswith("All samples of class b are in one unit of samples that stay together, which no two")


def test_one_sample_cannot_be_both_learnt_and_tested() -> None:
    with pytest.raises(DataError) as caught:
        make_split(classes(a=1), judged(classes(a=1)), seed=0)
    assert caught.value.message == "of 1 sample none is left to test with: 0 are excluded, 0 quarantined"
    assert caught.value.fix is not None
    assert caught.value.fix.startswith("give two samples at least, better ten of each class")


def test_the_split_of_a_run_of_folds_is_known_as_such(tmp_path: Path) -> None:
    data = classes(a=10, b=10)
    tables = [make_split(data, judged(data), seed=0, fold=(number, 2)) for number in (1, 2)]
    holder = {key: number for number, table in enumerate(tables, start=1) for key in table.keys("test")}
    whole = tmp_path / "split.csv"
    SplitTable(dict.fromkeys(holder, "test"), {}).write(whole, data, holder)
    with pytest.raises(DataError, match="is the split of 2 folds: each sample was held out by one") as caught:
        make_split(data, judged(data), seed=0, file=str(whole))
    assert caught.value.fix == (
        f"give that of one fold, such as {tmp_path / 'folds' / '1' / 'split.csv'}; or --folds 2 for the same folds of "
        "the same data"
    )
    tables[0].write(whole, data, holder)  # a column of that name alone says nothing
    assert make_split(data, judged(data), seed=0, file=str(whole)).fates == tables[0].fates
