"""Folds scored together: what is common of their plans, how far they are apart, and what is drawn together."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from made_data import plain

from striate.core.artifacts import make_folder, write_bytes
from striate.core.plan import Decision
from striate.core.records import Dataset
from striate.core.run import RunFolder
from striate.data.audit import Audit
from striate.data.split import make_split
from striate.infer.ensemble import common_task
from striate.tasks import Sets, Tidying, make_task
from striate.workflows.folded import (
    _LOOKED,
    _POSSIBLE,
    _TIDIED,
    Folded,
    _not_checked,
    common_plan,
    remarks,
    scored_together,
    spread,
)
from striate.workflows.request import array_bytes


def folded(data: Dataset, count: int = 3, **more: object) -> Folded:
    audit = Audit(len(data), **more)  # type: ignore[arg-type]
    splits = [make_split(data, audit, seed=0, fold=(number, count)) for number in range(1, count + 1)]
    return Folded(data, audit, "val" if "test" in data.given_splits else "test", splits)


def two_classes(count: int = 24) -> Dataset:
    return plain({f"{n:02}": "ab"[n % 2] for n in range(count)})


def test_the_whole_has_every_sample_where_it_is_scored() -> None:
    pairs = (("00", "01"), ("02", "04"))  # the first has two labels
    found = folded(two_classes(), duplicates=pairs, conflicts=pairs[:1])
    assert set(found.whole().fates.values()) == {"test", "excluded"}
    assert set(found.holder) == set(found.whole().keys("test"))
    for number, split in enumerate(found.splits, start=1):
        assert {key for key, holder in found.holder.items() if holder == number} == set(split.keys("test"))


def test_units_are_named_by_one_of_them_and_lonely_samples_by_none() -> None:
    data = two_classes()
    samples = [replace(one, group="g" if one.key in ("06", "07") else None) for one in data.samples]
    found = folded(replace(data, samples=tuple(samples)), duplicates=(("02", "04"), ("04", "06")))
    assert found.units() == dict.fromkeys(("02", "04", "06", "07"), "02")


CLASSES = make_task("classify", ("cat", "dog"), [], loss="cross_entropy")


def kept(folder: Path, **arrays: np.ndarray) -> RunFolder:
    run = RunFolder(make_folder(folder))
    write_bytes(run.held_out, array_bytes(dict(arrays)))
    return run


def test_each_sample_is_scored_by_its_own_fold_and_a_given_test_by_the_mean(tmp_path: Path) -> None:
    data = two_classes()
    random = np.random.default_rng(0)
    out = folded(data)
    rows = {key: random.random(2, np.float32) for key in out.samples}
    runs = [
        kept(tmp_path / f"out{n}", test=np.array([rows[key] for key in split.keys("test")]))
        for n, split in enumerate(out.splits)
    ]
    ((part, (keys, scores)),) = scored_together(runs, out, CLASSES).items()
    assert part == "test"
    assert sorted(keys) == sorted(rows)
    assert all((row == rows[key]).all() for key, row in zip(keys, scores, strict=True))

    given = replace(
        data, samples=tuple(replace(one, split="test" if one.key < "06" else "train") for one in data.samples)
    )
    turns = folded(given)
    tests = [random.random((6, 2), np.float32) for _ in turns.splits]
    runs = [
        kept(tmp_path / f"val{n}", val=np.array([rows[key] for key in split.keys("val")]), test=test)
        for n, (split, test) in enumerate(zip(turns.splits, tests, strict=True))
    ]
    found = scored_together(runs, turns, CLASSES)
    assert sorted(found["val"][0]) == sorted(key for key in rows if key >= "06")
    assert found["test"][0] == sorted(key for key in rows if key < "06")
    assert (found["test"][1] == np.mean(np.array(tests, np.float64), axis=0).astype(np.float32)).all()


def test_the_common_plan_is_the_first_with_all_values_where_they_differ() -> None:
    plans = [
        {
            "split.folds": Decision(3, "set by you", "user"),
            "split.fold": Decision(number, "the Run is one of 3 folds", "user"),
            "optimizer.rate": Decision(0.1 * number, "measured", "measured"),
            "train.minutes": Decision(0.3, "its share", "user"),
        }
        for number in (1, 2, 3)
    ]
    found = common_plan(plans, 1.0)
    assert found["split.fold"] is None
    assert found["optimizer.rate"] == 0.1
    assert found.decisions["optimizer.rate"].because == f"measured; in the folds it is 0.1, 0.2, {0.1 * 3}"
    assert found.decisions["optimizer.rate"].by == "measured"
    assert found["train.minutes"] == 1.0
    assert found.decisions["split.folds"] == plans[0]["split.folds"]
    assert common_plan(plans, None)["train.minutes"] == 0.3


def test_the_spread_is_that_of_numpy_over_the_folds_where_a_metric_is_defined() -> None:
    data = two_classes()
    task = make_task("classify", ("a", "b"), data.samples, loss="cross_entropy", loss_options={}, class_weights="none")
    values = [0.8, 0.9, 0.7]
    metrics = [
        {
            "test": {"samples": 8, "accuracy": value, "accuracy_interval": [0.5, 1.0], "roc_auc": None, "other": 1},
            "training": {"epochs": number},
        }
        for number, value in enumerate(values, start=4)
    ]
    metrics[1]["test"] = {**metrics[1]["test"], "matthews": 0.5}
    found = spread(task, metrics, "test")
    assert found["spread"] == {
        "accuracy": {"mean": pytest.approx(0.8), "deviation": pytest.approx(0.1), "least": 0.7, "most": 0.9}
    }
    assert [one["epochs"] for one in found["each"]] == [4, 5, 6]
    assert found["each"][0] == {
        "fold": 1, "samples": 8, "accuracy": 0.8, "accuracy_interval": [0.5, 1.0], "roc_auc": None, "epochs": 4
    }  # fmt: skip


def test_remarks_are_of_all_folds_or_name_theirs() -> None:
    data = plain({f"{n:02}": "c" if n > 20 else "ab"[n % 2] for n in range(24)})
    found = folded(data)
    assert sum("The test split has no sample" in note for split in found.splits for note in split.notes) == 0
    splits = [
        replace(split, notes=("Split: …", "All say this.", *(["Two say this."] if number != 1 else [])))
        for number, split in enumerate(found.splits)
    ]
    lacking = "The test split has no sample of c: its score says nothing of them; add samples of them."
    splits[2] = replace(splits[2], notes=(*splits[2].notes, lacking, "One says this."))
    noted = replace(found, splits=splits)
    assert remarks(noted) == ["All say this.", "Folds 1, 3: Two say this.", "Fold 3: One says this."]
    untested = [
        replace(split, fates={key: "train" if key > "20" else fate for key, fate in split.fates.items()})
        for split in found.splits
    ]
    assert remarks(replace(found, splits=untested))[-1] == (
        "No fold tests c: the score says nothing of them; add samples of them."
    )


def test_the_common_plan_holds_nothing_that_is_of_one_fold_alone() -> None:
    plans = [
        {
            "split.file": Decision(None, f"stratified by target into {n} train; 0 groups of duplicates kept together"),
            "split.order": Decision("shuffled", "why"),
            "evaluate.coverage": Decision(0.9, "why"),
            "evaluate.tidying": Decision("validated", "set by you", "user"),
        }
        for n in (14, 15)
    ]
    found = common_plan(plans, None)
    assert (
        found.decisions["split.file"].because
        == "stratified by target over 2 folds; duplicates and groups kept together"
    )
    assert found["evaluate.coverage"] is None
    tidying = found.decisions["evaluate.tidying"]
    assert tidying.value == "validated"
    assert tidying.because.endswith("tidies its masks where all chose alike")
    off = [{**plan, "evaluate.tidying": Decision("none", "off")} for plan in plans]
    assert common_plan(off, None).decisions["evaluate.tidying"].because == "off"
    assert "at 0.9; the mean of their networks has no samples" in found.decisions["evaluate.coverage"].because
    rows = [{**plan, "split.order": Decision("contiguous", "set by you", "user")} for plan in plans]
    assert common_plan(rows, None).decisions["split.file"].because.startswith("in contiguous stretches of the names'")
    own = [{**plan, "split.file": Decision("/a.csv", "set by you", "user")} for plan in plans]
    assert common_plan(own, None).decisions["split.file"].because == "set by you"


@pytest.mark.parametrize("sets", [None, Sets(0.9, (0.2, 0.2))])
def test_what_the_mean_does_not_hold_possible_is_said(sets: Sets | None) -> None:
    data = two_classes()
    task = make_task("classify", ("a", "b"), data.samples, loss="cross_entropy", loss_options={}, class_weights="none")
    tasks = [task, task, task if sets is None else task.with_decisions(sets=sets)]
    said = _not_checked(folded(data), tasks, [{"training": {}}] * 3)
    assert (_POSSIBLE in said) == (sets is not None)
    assert said[-1] == _LOOKED


@pytest.mark.parametrize(
    ("chosen", "told"),
    [((None, None), False), (("one", None), True), (("one", "one"), False), (("one", "other"), True)],
)
def test_that_the_mean_does_not_tidy_as_its_folds_do_is_said(chosen: tuple[str | None, str | None], told: bool) -> None:
    data, ways = two_classes(), {"one": Tidying(largest=(1,)), "other": Tidying(filled=(1,))}
    task = make_task("segment", ("a", "b"), [], loss="dice_cross_entropy")
    tasks = [task if name is None else task.with_decisions(tidying=ways[name]) for name in (*chosen, chosen[1])]
    assert (_TIDIED in _not_checked(folded(data), tasks, [{"training": {}}] * 3)) == told
    assert (common_task(tasks).settings.tidying is None) == (told or chosen[0] is None)
