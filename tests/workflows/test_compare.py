"""`compare`: two Runs' files against each other; every way in which they are not of the same samples is said."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, f1_score, log_loss, mean_absolute_error

from striate import api
from striate.core.artifacts import read_json, write_csv, write_json
from striate.core.errors import DataError, RunError, UnknownName
from striate.core.plan import Decision, Plan
from striate.core.run import RunFolder
from striate.data.audit import Audit
from striate.evaluate import intervals
from striate.workflows.compare import compare
from striate.workflows.finish import twins_scored

CLASSES = ("cat", "dog", "owl")


def made(
    path: Path,
    right: list[bool],
    *,
    groups: list[str] | None = None,
    leaves: dict[str, Any] | None = None,
    keys: list[str] | None = None,
    task: str = "classify",
) -> RunFolder:
    """A finished Run of classes, whose answers are right where it is said."""
    run = RunFolder.create(path, {})
    random = np.random.default_rng(0)
    keys = keys or [f"{place:03}.png" for place in range(len(right))]
    rows = []
    for place, (key, good) in enumerate(zip(keys, right, strict=True)):
        true = CLASSES[place % 3]
        said = true if good else CLASSES[(place + 1) % 3]
        sure = float(random.uniform(0.5, 0.9))
        rows.append(["test", key, true, said, sure, float(-np.log(sure if good else (1 - sure) / 2))])
    write_csv(run.predictions, ["split", "key", "target", "prediction", "confidence", "loss"], rows)
    named = groups or [""] * len(keys)
    split = [[row[1], "test", row[2], group, ""] for row, group in zip(rows, named, strict=True)]
    write_csv(run.split, ["key", "split", "target", "group", "reason"], split)
    table = {"test": [{"class": name} for name in CLASSES]}
    write_json(run.metrics, {"task": task, "headline": "accuracy", "per_class": table})
    values = {"train.seed": 0, "optimizer.rate": 0.1, **(leaves or {})}
    Plan({key: Decision(value, "made") for key, value in values.items()}).write(run.plan)
    run.unlock()
    return run


@pytest.fixture
def pair(tmp_path: Path) -> tuple[RunFolder, RunFolder]:
    random = np.random.default_rng(7)
    first = (random.random(300) < 0.7).tolist()
    second = [good or bool(random.random() < 0.5) for good in first]
    return made(tmp_path / "a", first), made(tmp_path / "b", second, leaves={"train.seed": 1})


def test_values_are_scikit_learns_and_the_better_one_is_named(pair: tuple[RunFolder, RunFolder]) -> None:
    found = compare(*pair)
    for run, side in zip(pair, ("first", "second"), strict=True):
        rows = list(csv.DictReader(run.predictions.open()))
        true, said = [row["target"] for row in rows], [row["prediction"] for row in rows]
        assert found["metrics"]["accuracy"][side] == pytest.approx(accuracy_score(true, said))
        assert found["metrics"]["macro_f1"][side] == pytest.approx(f1_score(true, said, average="macro"))
        sure = np.exp(-np.array([float(row["loss"]) for row in rows]))
        chances = [[p if name == one else (1 - p) / 2 for name in CLASSES] for p, one in zip(sure, true, strict=True)]
        assert found["metrics"]["log_loss"][side] == pytest.approx(log_loss(true, chances, labels=CLASSES))
    assert found["better"] == str(pair[1].path)
    assert found["words"].startswith("b is better by ")
    assert "points of accuracy" in found["words"]
    assert found["decisions"]["only_first_right"] == 0
    assert found["plan"] == {"train.seed": {"first": 0, "second": 1}}
    back = compare(*reversed(pair))
    assert back["better"] == found["better"]
    assert back["metrics"]["accuracy"]["difference"] == pytest.approx(-found["metrics"]["accuracy"]["difference"])


def test_what_cannot_be_told_apart_is_said_with_the_samples_needed(tmp_path: Path) -> None:
    random = np.random.default_rng(9)
    rights = [(random.random(60) < 0.75).tolist() for _ in range(2)]
    found = compare(*(made(tmp_path / name, right) for name, right in zip("ab", rights, strict=True)))
    assert found["better"] is None
    assert "cannot be told apart on these 60 samples" in found["words"]
    assert "would be needed" in found["words"]
    assert found["plan"] == {}


@pytest.mark.parametrize("noise", [0.1, 2.0])
def test_without_a_test_the_words_are_the_interval_s_and_say_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, noise: float
) -> None:
    monkeypatch.setattr(intervals, "_COSTLY", 60 * 200)  # resamples of 200 values, and no swaps of them
    random = np.random.default_rng(0)
    targets = random.normal(size=200)
    runs = [made(tmp_path / name, [True] * 200, task="regress") for name in "ab"]
    for run, width in zip(runs, (2.0, noise), strict=True):
        said = targets + width * random.normal(size=200)
        rows = [["test", f"{n:03}.png", t, s, abs(s - t)] for n, (t, s) in enumerate(zip(targets, said, strict=True))]
        write_csv(run.predictions, ["split", "key", "target_age", "prediction_age", "error"], rows)
        write_json(run.metrics, {"task": "regress", "headline": "spearman", "per_class": {}})
    found = compare(*runs)
    assert found["metrics"]["spearman"]["p"] is None
    assert "no test was made, as swaps would take too long" in found["words"]
    assert "would be needed" not in found["words"]
    assert found["better"] == (str(runs[1].path) if noise < 1 else None)
    assert found["words"].startswith("b is better by " if noise < 1 else "the two cannot be told apart")


def test_groups_are_drawn_whole(tmp_path: Path) -> None:
    right = [place < 60 for place in range(120)]
    groups = ["one" if place < 60 else "two" for place in range(120)]
    runs = made(tmp_path / "a", [True] * 120, groups=groups), made(tmp_path / "b", right, groups=groups)
    found = compare(*runs)
    assert found["groups"] == 2
    assert found["better"] is None, "two groups tell nothing, however many samples they have"
    alone = compare(made(tmp_path / "c", [True] * 120), made(tmp_path / "d", right))
    assert alone["better"] == str(tmp_path / "c")


def test_groups_of_either_run_count_whatever_the_order(tmp_path: Path) -> None:
    groups = [f"g{place // 30}" for place in range(120)]
    alone, grouped = (
        made(tmp_path / "a", [place < 60 for place in range(120)]),
        made(tmp_path / "b", [True] * 120, groups=groups),
    )
    for pair in ((alone, grouped), (grouped, alone)):
        found = compare(*pair)
        assert (found["groups"], found["better"]) == (4, None)


def of_folds(run: RunFolder, units: list[str]) -> RunFolder:
    """The same as a Run of three folds, whose samples are drawn by these units."""
    with open(run.split, newline="") as file:
        rows = list(csv.reader(file))[1:]
    split = [[*row, "1", unit] for row, unit in zip(rows, units, strict=True)]
    write_csv(run.split, ["key", "split", "target", "group", "reason", "fold", "unit"], split)
    write_json(run.metrics, {**read_json(run.metrics), "folds": {"count": 3}})
    return run


def test_runs_of_folds_are_drawn_by_their_units_and_told_as_what_they_are(tmp_path: Path) -> None:
    groups = [f"g{place}" if place < 4 else "" for place in range(120)]
    units = [f"{place // 30 * 30:03}.png" for place in range(120)]
    right = [place < 60 for place in range(120)]
    runs = [
        of_folds(made(tmp_path / name, good, groups=groups), units)
        for name, good in (("a", right), ("b", [True] * 120))
    ]
    found = compare(*runs)
    assert (found["groups"], found["better"]) == (4, None)
    assert found["notes"][0].startswith("a is 3 trainings, one a fold; b is 3 trainings, one a fold: another seed")
    plain = compare(made(tmp_path / "c", right), made(tmp_path / "d", right))
    assert plain["notes"][0].startswith("Each Run is one training: another seed")


def test_equal_test_samples_are_told_where_no_unit_holds_them_together(tmp_path: Path) -> None:
    (twins,) = twins_scored(Audit(4, duplicates=(("a", "b"),)), ["a", "b"])
    runs = [made(tmp_path / name, [True] * 9) for name in "ab"]
    assert twins not in compare(*runs)["notes"]
    write_json(runs[1].metrics, {**read_json(runs[1].metrics), "not_checked": [twins, "Other."]})
    assert compare(*runs)["notes"][1] == twins
    assert twins not in compare(of_folds(runs[0], [""] * 9), runs[1])["notes"]


def test_a_headline_that_is_not_known_is_said(tmp_path: Path) -> None:
    runs = [made(tmp_path / name, [True] * 20 + [False] * 10) for name in "ab"]
    for run in runs:
        content = read_json(run.metrics)
        write_json(run.metrics, {**content, "headline": "roc_auc"})
    found = compare(*runs)
    assert found["headline"] == "accuracy"
    assert "The Runs were selected by roc_auc; judged is accuracy." in found["notes"]


def test_runs_of_other_samples_are_refused_with_how_many_are_shared(tmp_path: Path) -> None:
    first = made(tmp_path / "a", [True] * 30)
    other = made(tmp_path / "b", [True] * 30, keys=[f"{place:03}.png" for place in range(10, 40)])
    with pytest.raises(DataError, match="they share 20") as error:
        compare(first, other)
    assert "striate evaluate" in str(error.value.fix)
    targets = made(tmp_path / "c", [True] * 30)
    rows = list(csv.reader(targets.predictions.open()))
    rows[1][2] = "owl"
    write_csv(targets.predictions, rows[0], rows[1:])
    with pytest.raises(DataError, match=r"1 sample has another target.*000\.png"):
        compare(first, targets)


def test_what_cannot_be_compared_is_said(tmp_path: Path) -> None:
    first = made(tmp_path / "a", [True])
    with pytest.raises(DataError, match="by one sample"):
        compare(first, made(tmp_path / "b", [True]))
    with pytest.raises(RunError, match="of the task classify"):
        compare(first, made(tmp_path / "c", [True], task="multilabel"))
    with pytest.raises(DataError, match="no predictions for a split 'val'"):
        compare(first, first, part="val")
    unfinished = made(tmp_path / "d", [True])
    unfinished.predictions.unlink()
    with pytest.raises(RunError, match="not finished"):
        compare(first, unfinished)
    with pytest.raises(UnknownName):
        api.compare(first.path, unfinished.path, split="train")


def test_all_answers_of_one_class_are_told(tmp_path: Path) -> None:
    runs = made(tmp_path / "a", [True] * 30), made(tmp_path / "b", [True] * 30)
    rows = list(csv.reader(runs[1].predictions.open()))
    write_csv(runs[1].predictions, rows[0], [[*row[:3], "cat", *row[4:]] for row in rows[1:]])
    found = compare(*runs)
    assert "b answers every sample with 'cat'." in found["notes"]
    assert found["better"] == str(runs[0].path)


def test_values_are_compared_by_their_errors(tmp_path: Path) -> None:
    random, paths = np.random.default_rng(0), []
    targets = random.normal(size=80)
    for name, noise in (("a", 0.5), ("b", 0.1)):
        run = made(tmp_path / name, [True] * 80, task="regress")
        said = targets + noise * random.normal(size=80)
        rows = [["test", f"{n:03}.png", t, s, abs(s - t)] for n, (t, s) in enumerate(zip(targets, said, strict=True))]
        write_csv(run.predictions, ["split", "key", "target_age", "prediction_age", "error"], rows)
        write_json(run.metrics, {"task": "regress", "headline": "mae", "per_class": {}})
        paths.append((run, said))
    found = compare(paths[0][0], paths[1][0])
    for side, (_, said) in zip(("first", "second"), paths, strict=True):
        assert found["metrics"]["mae"][side] == pytest.approx(mean_absolute_error(targets, said))
    assert found["words"].startswith("b is better by ")
    assert "decisions" not in found


def test_several_labels_are_compared(tmp_path: Path) -> None:
    runs = []
    for name, said in (("a", "cat;dog"), ("b", "cat")):
        run = made(tmp_path / name, [True] * 40, task="multilabel")
        rows = [["test", f"{place:03}.png", "cat;dog" if place % 2 else "cat", said, 0.9, 0.3] for place in range(40)]
        write_csv(run.predictions, ["split", "key", "target", "prediction", "confidence", "loss"], rows)
        runs.append(run)
    found = compare(*runs)
    assert found["metrics"]["subset_accuracy"]["first"] == 0.5
    assert found["metrics"]["log_loss"]["first"] == pytest.approx(0.1)
