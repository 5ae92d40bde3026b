"""`train --folds`: one Run of several trainings, scored out of fold, that goes on after any stop."""

from __future__ import annotations

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import striate as st
from striate.core.errors import DataError, Interrupted, PlanError, RunError, UsageError, WeightsError
from striate.core.events import Silent
from tests.e2e.made_photos import QUICK, folder

COUNT = 3
ROOT = Path(__file__).parents[2]
FAST = {**QUICK, "evaluate.shortcuts": False}


KILLED = """
import signal, sys
import striate as st
from tests.e2e.test_folds import FAST, Stops
photos, tested, out = sys.argv[1:]
st.train(photos, test=tested, out=out, folds=2, epochs=2, set=FAST, reporter=Stops(2, signal.SIGKILL))
"""


class Stops(Silent):
    """Interrupts a fold, or kills the process, in its first epoch."""

    def __init__(self, fold: int, how: int = signal.SIGINT) -> None:
        self.fold, self.how, self.now = fold, how, 0

    def line(self, text: str) -> None:
        if text.startswith("fold "):
            self.now = int(text.split()[1])

    def progress(self, done: int, total: int, text: str = "") -> None:
        if self.now == self.fold and text.startswith("epoch"):
            os.kill(os.getpid(), self.how)


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two classes; of each, four pictures are of one person, and one is there twice."""
    path = folder(tmp_path_factory.mktemp("folds") / "photos", {"dark": 24, "light": 24})
    for name in ("dark", "light"):
        own = sorted((path / name).iterdir())
        for number, file in enumerate(own):
            file.rename(file.with_name(f"{'p' if number < 4 else f'q{number}'}{name}_{number:02}.png"))
        shutil.copyfile(path / name / f"q10{name}_10.png", path / name / f"again{name}_99.png")
    return path


@pytest.fixture(scope="module")
def run(photos: Path) -> st.Run:
    """A finished Run of three folds, each with thresholds of its own."""
    settings = {**FAST, "evaluate.thresholds": "moved"}
    return st.train(photos, out=photos.parent / "run", folds=COUNT, epochs=1, group="{group}_{index}", set=settings)


def rows(path: Path) -> list[dict[str, str]]:
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def weights_of(run: st.Run) -> list[bytes]:
    return [(fold.folder.model / "model.safetensors").read_bytes() for fold in run.folds]


def stopped_before_the_last(run: st.Run, path: Path) -> Path:
    """A copy as it would be had it been killed after its second fold was scored."""
    shutil.copytree(run.path, path)
    shutil.rmtree(path / "folds" / "3")
    for name in ("metrics.json", "predictions.csv", "plan.yaml", "report.html"):
        (path / name).unlink()
    return path


def test_every_picture_is_tested_once_by_a_network_that_never_saw_it(run: st.Run) -> None:
    told, split = rows(run.folder.predictions), rows(run.folder.split)
    assert sorted(row["key"] for row in told) == sorted(row["key"] for row in split)
    assert len(told) == run.metrics["split"]["test"] == run.metrics["test"]["samples"] == 50
    fold_of = {row["key"]: row["fold"] for row in split}
    for number, fold in enumerate(run.folds, start=1):
        own = {row["key"]: row["split"] for row in rows(fold.folder.split)}
        assert {key for key, part in own.items() if part == "test"} == {
            key for key, held in fold_of.items() if held == str(number)
        }
        scored = {row["key"]: row for row in rows(fold.folder.predictions) if row["split"] == "test"}
        for row in told:
            if row["fold"] == str(number):
                assert row == {**scored[row["key"]], "split": "test", "fold": str(number)}


def test_units_are_whole_and_classes_even(run: st.Run) -> None:
    split = rows(run.folder.split)
    for name in ("dark", "light"):
        own = [row for row in split if row["target"] == name]
        assert len({row["fold"] for row in own if row["group"] == f"p{name}"}) == 1
        twins = [row["fold"] for row in own if row["key"].endswith(("_10.png", "_99.png"))]
        assert len(twins) == 2
        assert len(set(twins)) == 1
        sizes = [sum(row["fold"] == str(fold) for row in own) for fold in (1, 2, 3)]
        assert max(sizes) - min(sizes) <= 1


def test_the_score_is_of_all_with_intervals_over_units(run: st.Run) -> None:
    told = rows(run.folder.predictions)
    assert run.metrics["test"]["accuracy"] == np.mean([row["target"] == row["prediction"] for row in told])
    assert run.metrics["test"]["groups"] == 50 - 2 * 3 - 2  # four of one person, and a pair of twins, in each class
    low, high = run.metrics["test"]["accuracy_interval"]
    assert low <= run.metrics["test"]["accuracy"] <= high
    folds = run.metrics["folds"]
    each = [fold.metrics["test"]["accuracy"] for fold in run.folds]
    assert [one["accuracy"] for one in folds["each"]] == each
    assert folds["spread"]["accuracy"]["deviation"] == pytest.approx(np.std(each, ddof=1))
    assert folds["spread"]["accuracy"]["mean"] == pytest.approx(np.mean(each))
    assert any("thresholds, by which its samples are judged" in sentence for sentence in run.metrics["not_checked"])
    assert not any("count each on its own" in sentence for sentence in run.metrics["not_checked"])


def test_the_summary_the_list_and_the_plan_are_of_all(run: st.Run) -> None:
    summary = json.loads(json.dumps(run.summary()))
    assert set(summary) == {
        "run", "task", "metrics", "seconds", "samples_per_second", "quarantined", "plan", "folds"
    }  # fmt: skip
    assert summary["folds"]["count"] == COUNT
    assert summary["seconds"] == pytest.approx(sum(fold.metrics["training"]["seconds"] for fold in run.folds), abs=0.01)
    (listed,) = [one for one in st.runs(run.path.parent) if one.path == run.path]
    assert listed.status == "finished"
    assert listed.value == run.metrics["test"]["accuracy"]
    assert (run.plan["split.folds"], run.plan["split.fold"]) == (COUNT, None)
    assert [fold.plan["split.fold"] for fold in run.folds] == [1, 2, 3]
    assert run.plan.resolved
    assert run.plan.decisions["split.file"].because.startswith("stratified by target over 3 folds")
    assert run.metrics["slices"]["split"] == "test"
    assert any("are in the report of each fold" in sentence for sentence in run.metrics["not_checked"])


def test_the_report_opens_and_links_to_those_of_the_folds(run: st.Run) -> None:
    page = run.folder.report.read_text()
    assert "Fold by fold" in page
    for number in (1, 2, 3):
        link = f"folds/{number}/report.html"
        assert f'href="{link}"' in page
        assert (run.path / link).exists()
    assert "could not read" not in page


def test_predictions_are_the_mean_of_what_the_folds_say(run: st.Run, photos: Path) -> None:
    some = [photos / "dark" / "againdark_99.png", photos / "light"]
    found = list(st.predict(run, some))
    each = [[list(one.scores.values()) for one in st.predict(fold, some)] for fold in run.folds]
    means = np.mean(np.asarray(each, np.float64), axis=0).astype(np.float32)
    assert [list(one.scores.values()) for one in found] == means.tolist()
    factors = np.exp(np.mean([np.log(fold.model.task.settings.factors or (1.0, 1.0)) for fold in run.folds], axis=0))
    assert [one.label for one in found] == [("dark", "light")[int((row * factors).argmax())] for row in means]
    alone = run.ensemble.predict(some[0])
    assert not isinstance(alone, list)
    np.testing.assert_allclose(list(alone.scores.values()), means[0], atol=1e-6)


def test_other_data_are_scored_by_the_mean(run: st.Run, photos: Path) -> None:
    found = st.evaluate(run, photos)
    told = list(st.predict(run, [photos]))
    right = np.mean([one.label == Path(one.key).parent.name for one in told])
    assert found["metrics"]["accuracy"] == right
    assert found["samples"] == 50


def test_a_run_of_folds_is_compared_like_any_other(run: st.Run) -> None:
    found = st.compare(run, run)
    assert found["samples"] == 50
    assert found["groups"] == run.metrics["test"]["groups"], "drawn by the units that its own intervals are over"
    assert found["notes"][0].count("is 3 trainings, one a fold") == 2
    assert found["metrics"]["accuracy"]["difference"] == 0


@pytest.mark.parametrize(
    "ask",
    [
        lambda run: run.model,
        lambda run: st.explain(run, ["x.png"]),
        lambda run: st.export(run),
        lambda run: st.attack(run),
        lambda run: st.inspect(run),
        lambda run: st.plan(weights=run.path),
    ],
    ids=["model", "explain", "export", "attack", "inspect", "weights"],
)
def test_what_needs_one_network_names_those_of_the_folds(run: st.Run, ask: object) -> None:
    assert callable(ask)
    with pytest.raises((RunError, WeightsError)) as caught:
        ask(run)
    assert "holds a Model for each of its folds" in caught.value.message
    assert caught.value.fix is not None
    assert str(run.path / "folds" / "1") in caught.value.fix


def test_neither_a_run_of_folds_nor_one_of_its_folds_is_extended(run: st.Run) -> None:
    with pytest.raises(UsageError, match="neither extended nor followed anew"):
        st.resume(run, more=1)
    with pytest.raises(UsageError, match="neither extended nor followed anew"):
        st.resume(run, follow=["tensorboard"])
    with pytest.raises(UsageError, match="is a fold of"):
        st.resume(run.folds[0], epochs=5)


def test_one_without_folds_has_no_ensemble(run: st.Run) -> None:
    assert run.folds[0].folds == []
    with pytest.raises(RunError, match="has no folds, but one model"):
        _ = run.folds[0].ensemble


def test_a_finished_one_is_left_as_it_is(run: st.Run) -> None:
    before = {path: path.stat().st_mtime_ns for path in run.path.rglob("*") if path.is_file() and path.name != ".lock"}
    assert st.resume(run).path == run.path
    assert before == {path: path.stat().st_mtime_ns for path in before}


def test_one_that_is_not_finished_says_how_to_go_on(run: st.Run, tmp_path: Path) -> None:
    path = stopped_before_the_last(run, tmp_path / "cut")
    with pytest.raises(RunError, match="is not finished"):
        st.predict(path, ["x.png"])
    assert [one.status for one in st.runs(tmp_path)] == ["unfinished"]


def test_changed_data_are_refused_on_going_on(run: st.Run, tmp_path: Path) -> None:
    path = stopped_before_the_last(run, tmp_path / "cut")
    lines = (path / "split.csv").read_text().splitlines()
    lines[1] = lines[1].replace(",test,", ",excluded,")
    (path / "split.csv").write_text("\n".join(lines) + "\n")
    with pytest.raises(RunError, match="has other samples, targets or groups than when"):
        st.resume(path)


@pytest.mark.slow
def test_it_goes_on_with_the_fold_that_is_missing_and_ends_to_the_bit(run: st.Run, tmp_path: Path) -> None:
    path = stopped_before_the_last(run, tmp_path / "cut")
    kept = {file: file.stat().st_mtime_ns for file in (path / "folds").rglob("*") if file.is_file()}
    again = st.resume(path)
    assert {file: file.stat().st_mtime_ns for file in kept if file.name != ".lock"} == {
        file: time for file, time in kept.items() if file.name != ".lock"
    }
    assert weights_of(again) == weights_of(run)
    assert again.folder.predictions.read_bytes() == run.folder.predictions.read_bytes()
    assert again.metrics["test"] == run.metrics["test"]


@pytest.mark.slow
def test_stopped_or_killed_within_a_fold_it_ends_to_the_bit_and_a_given_test_is_scored_by_the_mean(
    photos: Path, tmp_path: Path
) -> None:
    tested = folder(tmp_path / "tested", {"dark": 6, "light": 6})
    options = {"test": tested, "folds": 2, "epochs": 2, "set": FAST}
    whole = st.train(photos, out=tmp_path / "whole", **options)
    with pytest.raises(Interrupted) as caught:
        st.train(photos, out=tmp_path / "stopped", **options, reporter=Stops(2))
    assert caught.value.fix == f"go on with `striate train --resume {tmp_path / 'stopped'}`"
    child = subprocess.run([sys.executable, "-c", KILLED, photos, tested, tmp_path / "killed"], cwd=ROOT, check=False)
    assert child.returncode == -signal.SIGKILL
    assert (tmp_path / "killed" / "folds" / "2" / "environment.json").exists()
    for name in ("stopped", "killed"):
        again = st.resume(tmp_path / name)
        assert weights_of(again) == weights_of(whole)
        assert again.folder.predictions.read_bytes() == whole.folder.predictions.read_bytes()

    assert whole.metrics["folds"]["held_out"] == "val"
    told = rows(whole.folder.predictions)
    assert sorted(row["key"] for row in told if row["split"] == "val") == sorted(
        row["key"] for row in rows(whole.folder.split) if row["split"] == "val"
    )
    mean = {one.key: one for one in st.predict(whole, [tested])}
    for row in [row for row in told if row["split"] == "test"]:
        one = mean[str(tested / row["key"].removeprefix("test:"))]
        assert row["prediction"] == one.label
        assert float(row["confidence"]) == pytest.approx(one.probability, abs=1e-6)
    assert whole.metrics["test"]["samples"] == 12


def test_a_call_that_cannot_be_understood_leaves_nothing(photos: Path, tmp_path: Path) -> None:
    with pytest.raises(PlanError, match=r"split\.folds"):
        st.train(photos, out=tmp_path / "run", folds=1, set=FAST)
    with pytest.raises(DataError, match="each of 30 folds is to hold out some"):
        st.train(photos, out=tmp_path / "run", folds=30, set=FAST)
    with pytest.raises(UsageError, match=r"folds 2 and split\.folds 4"):
        st.train(photos, out=tmp_path / "run", folds=2, set={**FAST, "split.folds": "4"})
    with pytest.raises(UsageError, match=r"split\.fold=4 is one of 3 folds"):
        st.train(photos, out=tmp_path / "run", set={**FAST, "split.folds": 3, "split.fold": 4})
    assert not (tmp_path / "run").exists()
