"""Stopped at awkward places: the Run goes on as if it never had been, or says why it cannot."""

import errno
import json
import os
import shutil
import signal
from collections.abc import Iterable
from pathlib import Path

import pytest
import yaml

import striate as st
from striate.core import artifacts
from striate.core.errors import DataError, DiskFull, Interrupted, PlanError, RunError, UnknownName, UsageError
from striate.core.events import Silent
from striate.train import checkpoints, speed
from striate.workflows.train import Clock
from tests.e2e.made_photos import QUICK, folder, table


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    return folder(tmp_path / "photos", {"dark": 20, "light": 20})


def weights_of(run: st.Run) -> bytes:
    return (run.path / "model" / "model.safetensors").read_bytes()


def test_a_full_disk_at_the_first_save_does_not_lose_the_pretrained_weights(
    tmp_path: Path, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = st.train(photos, out=tmp_path / "source", epochs=1, set=QUICK)
    options = {"weights": source.path, "epochs": 2, "set": {key: QUICK[key] for key in QUICK if "network" not in key}}
    others = folder(tmp_path / "others", {"a": 20, "b": 20, "c": 20})
    whole = st.train(others, out=tmp_path / "whole", **options)
    real = artifacts.write_parts

    def full(path: Path, parts: Iterable[bytes], size: int) -> None:
        if path.parent.parent.name == "checkpoints":
            raise DiskFull("the disk is full")
        real(path, parts, size)

    with monkeypatch.context() as patch:
        patch.setattr("striate.core.tensors.write_parts", full)
        with pytest.raises(DiskFull):
            st.train(others, out=tmp_path / "cut", **options)
    assert not checkpoints.list_checkpoints(tmp_path / "cut" / "checkpoints")
    assert weights_of(st.resume(tmp_path / "cut")) == weights_of(whole)


def test_a_disk_that_is_full_for_everything_is_said(
    tmp_path: Path, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(artifacts.os, "fsync", full)
    with pytest.raises(DiskFull, match="full"):
        st.train(photos, out=tmp_path / "run", epochs=1, set=QUICK)


def test_a_plan_with_minutes_keeps_them(tmp_path: Path, photos: Path) -> None:
    settings = {key: QUICK[key] for key in QUICK if key != "optimizer.rate"}
    plan = st.plan(photos, minutes=0.1, set=settings)
    assert (plan["train.minutes"], plan["train.epochs"]) == (0.1, "auto")
    run = st.train(photos, plan, out=tmp_path / "run")
    assert run.plan["train.epochs"] > 1
    assert run.plan.resolved


def test_epochs_left_to_measuring_need_minutes(tmp_path: Path, photos: Path) -> None:
    with pytest.raises(PlanError, match="time budget"):
        st.train(photos, out=tmp_path / "run", set={**QUICK, "train.epochs": "auto"})


def test_a_misspelt_metric_is_said_before_training(tmp_path: Path, photos: Path) -> None:
    with pytest.raises(UnknownName, match="accuracy"):
        st.train(photos, out=tmp_path / "run", epochs=1, set={**QUICK, "train.metric": "acuracy"})
    assert not (tmp_path / "run" / "checkpoints").exists()


def test_data_that_was_refused_is_refused_again(tmp_path: Path, photos: Path) -> None:
    for path in sorted(photos.rglob("*.png"))[:10]:
        path.write_bytes(b"no picture")
    for _ in range(2):
        with pytest.raises(DataError, match="damaged"):
            st.train(photos, out=tmp_path / "run", epochs=1, set=QUICK)
        assert not (tmp_path / "run").exists()


def test_one_fixed_half_of_the_execution_is_kept(tmp_path: Path, photos: Path) -> None:
    settings = {key: QUICK[key] for key in QUICK if key != "execution.channels_last"}
    run = st.train(photos, out=tmp_path / "run", epochs=1, set={**settings, "execution.precision": "bfloat16"})
    assert run.plan["execution.precision"] == "bfloat16"


def test_a_network_without_maps_is_scored_and_says_what_is_not_drawn(tmp_path: Path, photos: Path) -> None:
    file = tmp_path / "net.yaml"
    file.write_text(yaml.safe_dump({"name": "flat", "nodes": [{"node": "Flatten"}, {"node": "Dense", "units": 2}]}))
    settings = {key: QUICK[key] for key in QUICK if "network" not in key}
    run = st.train(photos, out=tmp_path / "run", model=str(file), epochs=1, set=settings)
    assert run.finished
    assert any("not drawn" in sentence for sentence in run.metrics["not_checked"])


def test_a_network_file_that_went_does_not_stop_a_resume(tmp_path: Path, photos: Path) -> None:
    file = tmp_path / "net.yaml"
    nodes = [{"node": "Conv", "filters": 8}, {"node": "GlobalPool"}, {"node": "Dense", "units": 2}]
    file.write_text(yaml.safe_dump({"name": "mine", "nodes": nodes}))
    settings = {key: QUICK[key] for key in QUICK if "network" not in key}
    run = st.train(photos, out=tmp_path / "run", model=str(file), epochs=1, set=settings)
    before = weights_of(run)
    for name in ("metrics.json", "report.html"):
        (run.path / name).unlink()
    shutil.rmtree(run.path / "model")
    file.unlink()
    assert weights_of(st.resume(run)) == before


def test_targets_that_changed_are_refused(tmp_path: Path) -> None:
    path = table(tmp_path, "file,kind", lambda number, brightness: "bright" if brightness > 80 else "dim")
    run = st.train(path, out=tmp_path / "run", epochs=1, set=QUICK)
    (run.path / "metrics.json").unlink()
    path.write_text(path.read_text().replace("000.png,dim", "000.png,bright").replace("001.png,bright", "001.png,dim"))
    with pytest.raises(RunError, match="other targets"):
        st.resume(run)


def test_a_damaged_best_checkpoint_leaves_the_newest(tmp_path: Path, photos: Path) -> None:
    run = st.train(photos, out=tmp_path / "run", epochs=3, set=QUICK)
    for name in ("metrics.json", "report.html"):
        (run.path / name).unlink()
    newest, *older = checkpoints.list_checkpoints(run.path / "checkpoints")
    for path in older:
        (path / "model.safetensors").write_bytes(b"")
    assert st.resume(run).finished
    assert newest.exists()


def test_a_plan_with_fewer_leaves_is_of_another_version(tmp_path: Path, photos: Path) -> None:
    run = st.train(photos, out=tmp_path / "run", epochs=1, set=QUICK)
    for name in ("metrics.json", "report.html"):
        (run.path / name).unlink()
    plan = yaml.safe_load((run.path / "plan.yaml").read_text())
    del plan["predict"]
    (run.path / "plan.yaml").write_text(yaml.safe_dump(plan))
    audit = json.loads((run.path / "audit.json").read_text())
    del audit["orientation"]
    (run.path / "audit.json").write_text(json.dumps(audit))
    with pytest.raises(RunError, match=r"lacks predict.batch, .*predict.views: another version"):
        st.resume(run)


def test_two_weights_and_two_tasks_are_refused(tmp_path: Path, photos: Path) -> None:
    with pytest.raises(UsageError, match="two weights"):
        st.train(photos, out=tmp_path / "run", weights="a.safetensors", set={"network.weights": "b.safetensors"})
    with pytest.raises(UsageError, match="the task is"):
        st.train(photos, out=tmp_path / "run", task="classify", set={"task.kind": "regress"})


def test_numbers_written_by_hand_are_numbers(tmp_path: Path, photos: Path) -> None:
    (tmp_path / "plan.yaml").write_text("striate_plan: 1\noptimizer:\n  weight_decay: 5e-4\n")
    assert st.plan(photos, plan=tmp_path / "plan.yaml")["optimizer.weight_decay"] == 5e-4


def test_minutes_with_given_epochs_leave_time_for_scoring(
    tmp_path: Path, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[float] = []
    real = Clock.deadline

    def deadline(clock: Clock, scoring: float) -> float | None:
        asked.append(scoring)
        return real(clock, scoring)

    monkeypatch.setattr(Clock, "deadline", deadline)
    st.train(photos, out=tmp_path / "run", minutes=1, set={**QUICK, "train.epochs": 1})
    st.train(photos, out=tmp_path / "again", epochs=1, set=QUICK)
    assert asked[0] > 0 == asked[1]


def test_memory_that_runs_out_while_measuring_halves_the_batch(
    tmp_path: Path, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = speed.train_step

    def small_machine(state, recipe, batch):
        if state.counters.accumulate < 2:
            raise MemoryError
        return real(state, recipe, batch)

    monkeypatch.setattr(speed, "train_step", small_machine)
    settings = {**QUICK, "execution.precision": "auto"}  # also where a rule would leave nothing to measure
    run = st.train(photos, out=tmp_path / "run", epochs=1, set=settings)
    assert run.plan["batch.accumulate"] == 2
    assert "memory ran out" in run.plan.decisions["batch.accumulate"].because


class Stopping(Silent):
    """Keeps what is said, and stops at the first step."""

    def __init__(self, stop: bool) -> None:
        self.stop, self.said = stop, ""

    def line(self, text: str) -> None:
        self.said += text + "\n"

    def progress(self, done: int, total: int, text: str = "") -> None:
        if self.stop and text.startswith("epoch"):
            os.kill(os.getpid(), signal.SIGINT)


def test_a_resumed_run_finds_its_pictures_unless_a_file_has_changed(
    tmp_path: Path, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STRIATE_CACHE", str(tmp_path / "cache"))
    for name in ("kept", "changed"):
        with pytest.raises(Interrupted):
            st.train(photos, out=tmp_path / name, epochs=2, set=QUICK, reporter=Stopping(True))
    said = Stopping(False)
    st.resume(tmp_path / "kept", reporter=said)
    assert "found on disk, prepared before" in said.said
    first = next(path for path in sorted(photos.rglob("*.png")))
    first.write_bytes(first.read_bytes())  # the same bytes, as far as they have been read
    said = Stopping(False)
    st.resume(tmp_path / "changed", reporter=said)
    assert "found on disk" not in said.said
    assert weights_of(st.Run(tmp_path / "kept")) == weights_of(st.Run(tmp_path / "changed"))
