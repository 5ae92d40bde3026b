"""Runs that are extended, killed meanwhile or not, and Runs whose weights go on with other classes."""

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

import striate as st
from striate.core.artifacts import make_folder, write_json
from striate.core.errors import CheckpointError, Interrupted, PlanError, RunError, UsageError
from striate.core.events import Silent
from striate.core.run import RunFolder
from striate.workflows.extend import scored_before
from tests.e2e.made_photos import QUICK, folder


class Said(Silent):
    """Keeps what is said; stops or dies at a step."""

    def __init__(self, stop: int | None = None, how: int = signal.SIGINT) -> None:
        self.stop, self.how, self.said = stop, how, ""

    def line(self, text: str) -> None:
        self.said += text + "\n"

    warn = line

    def progress(self, done: int, total: int, text: str = "") -> None:
        if text.startswith("epoch") and done == self.stop:
            os.kill(os.getpid(), self.how)


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return folder(tmp_path_factory.mktemp("extend") / "photos", {"dark": 20, "light": 20})


@pytest.fixture(scope="module")
def finished(photos: Path) -> st.Run:
    """Two epochs of four steps, and their average."""
    settings = {**QUICK, "train.ema": 0.3, "train.checkpoint_seconds": 0}
    return st.train(photos, out=photos.parent / "finished", epochs=2, set=settings)


@pytest.fixture
def run(finished: st.Run, tmp_path: Path) -> st.Run:
    """A copy of it to extend."""
    return copied(finished, tmp_path / "run")


def copied(run: st.Run, path: Path) -> st.Run:
    shutil.copytree(run.path, path)
    return st.Run(path)


def history(run: st.Run) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run.path / "history.jsonl").read_text().splitlines()]


def same(one: st.Run, other: st.Run) -> None:
    for name in ("model/model.safetensors", "history.jsonl", "plan.yaml", "predictions.csv"):
        assert (one.path / name).read_bytes() == (other.path / name).read_bytes(), name


def test_a_finished_run_goes_on_and_says_that_its_test_is_no_longer_untouched(finished: st.Run, run: st.Run) -> None:
    (run.path / "model" / "model.onnx").write_bytes(b"of before")
    said = Said()
    longer = st.resume(run, more=2, reporter=said)
    steps = history(finished)[-1]["step"] // 2
    assert [row["step"] for row in history(longer)] == [steps, 2 * steps, 3 * steps, 4 * steps]
    assert history(longer)[:2] == history(finished)
    assert longer.plan["train.epochs"] == 4
    assert longer.plan["train.extensions"] == {2: 2}
    assert longer.plan.decisions["train.epochs"].because == "you asked for 2 more than the 2 done"
    assert (longer.path / "model/model.safetensors").read_bytes() != (
        finished.path / "model/model.safetensors"
    ).read_bytes()
    assert longer.metrics["training"]["epochs"] == 4
    assert longer.metrics["scored"] == 2
    before = f"accuracy {finished.metrics['test']['accuracy']:.4f} after 2 epochs"
    assert any("scored 2 times" in text and before in text for text in longer.metrics["not_checked"])
    assert before in said.said
    assert "model.onnx" in said.said
    page = (longer.path / "report.html").read_text()
    assert "scored 2 times" in page
    assert "scored once" not in page
    assert "scored once" in (finished.path / "report.html").read_text()
    assert json.loads((longer.path / "earlier" / "metrics-1.json").read_text()) == finished.metrics
    again = st.resume(longer, epochs=5)
    assert again.plan["train.extensions"] == {2: 2, 4: 4}
    assert again.metrics["scored"] == 3
    assert len(history(again)) == 5


def test_the_plan_of_an_extended_run_repeats_it(run: st.Run, photos: Path, tmp_path: Path) -> None:
    longer = st.resume(run, more=2)
    again = st.train(photos, longer.path / "plan.yaml", out=tmp_path / "again")
    for name in ("model/model.safetensors", "history.jsonl", "predictions.csv"):
        assert (again.path / name).read_bytes() == (longer.path / name).read_bytes(), name


def test_an_extension_that_is_stopped_ends_as_one_that_was_not(finished: st.Run, run: st.Run, tmp_path: Path) -> None:
    whole = st.resume(copied(finished, tmp_path / "whole"), epochs=4)
    steps = history(finished)[-1]["step"]
    with pytest.raises(Interrupted):
        st.resume(run, more=2, reporter=Said(stop=steps + 3))
    assert not run.finished
    same(whole, st.resume(run))


KILLED = """
import signal, sys
import striate as st
from tests.e2e.test_extend import Said
st.resume(sys.argv[1], more=2, reporter=Said(int(sys.argv[2]), signal.SIGKILL))
"""


def test_an_extension_that_is_killed_ends_as_one_that_was_not(finished: st.Run, run: st.Run, tmp_path: Path) -> None:
    whole = st.resume(copied(finished, tmp_path / "whole"), more=2)
    step = history(finished)[-1]["step"] + 2
    done = subprocess.run([sys.executable, "-c", KILLED, str(run.path), str(step)], capture_output=True, text=True)
    assert done.returncode == -signal.SIGKILL, done.stderr
    same(whole, st.resume(run))


def test_a_run_under_way_ends_as_planned_and_then_goes_on(photos: Path, finished: st.Run, tmp_path: Path) -> None:
    settings = {**QUICK, "train.ema": 0.3, "train.checkpoint_seconds": 0}
    with pytest.raises(Interrupted):
        st.train(photos, out=tmp_path / "run", epochs=2, set=settings, reporter=Said(stop=3))
    run = st.Run(tmp_path / "run")
    with pytest.raises(UsageError, match="has 2 epochs planned; 1 in all is not more"):
        st.resume(run, epochs=1)
    longer = st.resume(run, more=1)
    assert history(longer)[:2] == history(finished)
    assert longer.plan["train.extensions"] == {2: 2}
    assert len(history(longer)) == 3
    assert longer.metrics["scored"] == 1


def test_patience_begins_anew_with_an_extension(photos: Path, tmp_path: Path) -> None:
    settings = {**QUICK, "train.patience": 1, "train.min_gain": 1.0}  # the second epoch is always the last
    run = st.train(photos, out=tmp_path / "run", epochs=9, set=settings)
    assert (run.metrics["training"]["ended_by"], run.metrics["training"]["epochs"]) == ("patience", 2)
    longer = st.resume(run, more=4)
    assert longer.plan["train.extensions"] == {2: 9}
    assert (longer.metrics["training"]["ended_by"], longer.metrics["training"]["epochs"]) == ("patience", 3)
    again = st.train(photos, longer.path / "plan.yaml", out=tmp_path / "again")
    assert (again.path / "history.jsonl").read_bytes() == (longer.path / "history.jsonl").read_bytes()


def test_an_epoch_that_the_time_cut_is_finished_first(photos: Path, tmp_path: Path) -> None:
    settings = {**QUICK, "train.epochs": 50, "train.checkpoint_seconds": 0}
    run = st.train(photos, out=tmp_path / "run", minutes=0.001, set=settings)
    assert run.metrics["training"]["ended_by"] == "time"
    assert [(row["epoch"], row["step"]) for row in history(run)] == [(1, 1)]
    longer = st.resume(run, more=1)
    assert longer.plan["train.minutes"] is None
    assert longer.plan["train.extensions"] == {1: 50}
    assert [(row["epoch"], row["step"]) for row in history(longer)] == [(1, 1), (1, 3), (2, 6)]


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"epochs": 1}, "has 2 epochs done; 1 in all is not more"),
        ({"epochs": 2}, "has 2 epochs done; 2 in all is not more"),
        ({"more": 0}, "0 more epochs are none"),
        ({"epochs": 3, "more": 1}, "two lengths"),
    ],
)
def test_an_extension_by_nothing_is_refused_and_changes_nothing(run: st.Run, asked: Any, words: str) -> None:
    before = {path: path.read_bytes() for path in run.path.rglob("*") if path.is_file()}
    with pytest.raises(UsageError, match=words):
        st.resume(run, **asked)
    assert before == {path: path.read_bytes() for path in run.path.rglob("*") if path.is_file()}


def test_a_run_without_checkpoints_or_plan_is_not_extended(run: st.Run, photos: Path) -> None:
    shutil.rmtree(run.path / "checkpoints")
    with pytest.raises(CheckpointError, match=r"no checkpoint left.*[\s\S]*--weights"):
        st.resume(run, more=1)
    assert run.finished
    (run.path / "metrics.json").unlink()
    (run.path / "plan.yaml").unlink()
    with pytest.raises(RunError, match="before its plan stood"):
        st.resume(run, more=1)


def test_a_run_whose_data_has_gone_is_left_as_it_is(tmp_path: Path) -> None:
    photos = folder(tmp_path / "photos", {"dark": 20, "light": 20})
    run = st.train(photos, out=tmp_path / "run", epochs=1, set=QUICK)
    photos.rename(tmp_path / "gone")
    with pytest.raises(st.StriateError):
        st.resume(run, more=1)
    assert run.finished
    assert run.plan["train.epochs"] == 1


def test_a_test_without_its_headline_was_scored_all_the_same(tmp_path: Path) -> None:
    run, training = RunFolder(tmp_path), {"epochs": 2}
    found = [
        {"headline": "macro_f1", "test": {"macro_f1": None, "accuracy": 0.5}, "training": training},
        {"headline": "macro_f1", "training": training},  # without a test split
        {"headline": "accuracy", "test": {"accuracy": 1}, "training": {"epochs": 4}},
    ]
    for number, metrics in enumerate(found, start=1):
        write_json(make_folder(run.earlier) / f"metrics-{number}.json", metrics)
    (sentence,) = scored_before(run)
    assert "was scored 3 times" in sentence
    assert "it gave no macro_f1, which was not defined, after 2 epochs, accuracy 1.0000 after 4 epochs" in sentence


def test_extensions_that_do_not_fit_are_refused(photos: Path, tmp_path: Path) -> None:
    with pytest.raises(PlanError, match=r"train\.extensions"):
        st.train(photos, out=tmp_path / "run", epochs=4, set={**QUICK, "train.extensions": "{5: 5}"})


def test_other_classes_keep_the_rows_of_those_that_both_know(finished: st.Run, tmp_path: Path) -> None:
    others = folder(tmp_path / "others", {"light": 20, "bright": 20})
    still = {"optimizer.rate": 1e-12, "transfer.head_rate": 0.0}
    settings = {**{key: QUICK[key] for key in QUICK if "network" not in key}, **still}
    said = Said()
    kept = {**settings, "transfer.probe": False}
    run = st.train(others, out=tmp_path / "kept", weights=finished.path, epochs=2, set=kept, reporter=said)
    assert "the head keeps its rows of light, new: bright, given up: dark" in said.said
    assert "fits the whole head anew" not in said.said
    assert (run.model.classes, finished.model.classes) == (("bright", "light"), ("dark", "light"))
    images = torch.randn(8, 3, 16, 16)
    with torch.no_grad():
        logits, before = run.model.network(images), finished.model.network(images)
    torch.testing.assert_close(logits[:, 1], before[:, 1], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(logits[:, 0], torch.zeros(8), rtol=0, atol=1e-5)

    said = Said()
    fitted = st.train(others, out=tmp_path / "probed", weights=finished.path, epochs=1, set=settings, reporter=said)
    assert "the head keeps its rows of light" in said.said
    assert "transfer.probe fits the whole head anew" in said.said
    with torch.no_grad():
        assert not torch.allclose(fitted.model.network(images)[:, 1], before[:, 1], atol=1e-2)
