"""Followers of a training: what TensorBoard and MLflow are told, and that the weights do not hear of it."""

import json
import os
import shutil
import signal
import tomllib
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

import pytest

import striate as st
from striate.core.errors import Interrupted, UnknownName, UsageError
from striate.core.events import Silent
from striate.core.registry import file_names
from striate.train.followers import FOLLOWERS, Follower
from tests.e2e.made_photos import QUICK, folder

SETTINGS = {**QUICK, "train.checkpoint_seconds": 0}


class Said(Silent):
    """Keeps what is said and measured; stops at a step."""

    def __init__(self, stop: int | None = None) -> None:
        self.stop = stop
        self.said: list[str] = []
        self.told: list[tuple[int, dict[str, float]]] = []

    def line(self, text: str) -> None:
        self.said.append(text)

    warn = line

    def figures(self, step: int, values: Mapping[str, float]) -> None:
        self.told.append((step, dict(values)))

    def progress(self, done: int, total: int, text: str = "") -> None:
        if text.startswith("epoch") and done == self.stop:
            os.kill(os.getpid(), signal.SIGINT)


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return folder(tmp_path_factory.mktemp("follow") / "photos", {"dark": 20, "light": 20})


@pytest.fixture(scope="module")
def alone(photos: Path) -> st.Run:
    """A Run that nothing follows."""
    return st.train(photos, out=photos.parent / "alone", epochs=3, set=SETTINGS)


def same(run: st.Run, alone: st.Run) -> None:
    for name in ("model/model.safetensors", "history.jsonl", "predictions.csv"):
        assert (run.path / name).read_bytes() == (alone.path / name).read_bytes(), name


def scalars(run: st.Run) -> dict[str, list[tuple[int, float]]]:
    """What TensorBoard itself reads."""
    reader = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator", reason="no tensorboard here")
    found = reader.EventAccumulator(str(run.path / "tensorboard")).Reload()
    return {tag: [(one.step, one.value) for one in found.Scalars(tag)] for tag in found.Tags()["scalars"]}


def check_scalars(run: st.Run) -> None:
    """Every epoch's figures stand once, as the history has them, and every step's loss and rate."""
    found = scalars(run)
    rows = [json.loads(line) for line in (run.path / "history.jsonl").read_text().splitlines()]
    assert found["train/loss"] == [(row["step"], pytest.approx(row["train_loss"])) for row in rows]
    for name, figures in found.items():
        if name.startswith("val/"):
            expected = [(row["step"], pytest.approx(row["val"][name[4:]])) for row in rows]
            assert figures == expected
    assert {"val/accuracy", "val/loss"} & set(found)
    for name in ("train/step_loss", "train/rate"):
        assert [step for step, _ in found[name]] == list(range(1, rows[-1]["step"] + 1))
    assert [value for _, value in found["train/rate"]][2::3] == [pytest.approx(row["rate"]) for row in rows]
    assert all(0 <= stall <= 1 for _, stall in found["train/loader_stall"])


def test_tensorboard_reads_every_figure_once_and_the_weights_are_the_same(
    photos: Path, alone: st.Run, tmp_path: Path
) -> None:
    pytest.importorskip("tensorboard", reason="tensorboard is not installed")
    run = st.train(photos, out=tmp_path / "run", epochs=3, set=SETTINGS, follow=["tensorboard"])
    same(run, alone)
    check_scalars(run)


def test_a_series_goes_on_after_a_stop_and_an_extension(photos: Path, tmp_path: Path) -> None:
    pytest.importorskip("tensorboard", reason="tensorboard is not installed")
    with pytest.raises(Interrupted):
        st.train(photos, out=tmp_path / "run", epochs=2, set=SETTINGS, follow=["tensorboard"], reporter=Said(stop=5))
    for path in sorted((tmp_path / "run" / "checkpoints").glob("step-*"))[-1:]:
        shutil.rmtree(path)  # so that steps come again which were written
    run = st.resume(tmp_path / "run")
    check_scalars(run)
    check_scalars(st.resume(run, more=1))
    assert len(list((run.path / "tensorboard").iterdir())) == 3


def test_a_resume_may_be_followed_from_there_on(photos: Path, tmp_path: Path) -> None:
    pytest.importorskip("tensorboard", reason="tensorboard is not installed")
    with pytest.raises(Interrupted):
        st.train(photos, out=tmp_path / "run", epochs=2, set=SETTINGS, reporter=Said(stop=3))
    with pytest.raises(Interrupted):
        st.resume(tmp_path / "run", follow=["tensorboard"], reporter=Said(stop=4))
    run = st.resume(tmp_path / "run")
    assert [step for step, _ in scalars(run)["train/step_loss"]] == [4, 5, 6]


class Noting(Follower):
    """Keeps what it is told."""

    package = "json"
    told: ClassVar[list[tuple[int, dict[str, float]]]] = []
    whole = 0

    def figures(self, step: int, values: Mapping[str, float]) -> None:
        self.told.append((step, dict(values)))

    def finished(self) -> None:
        type(self).whole += 1


def test_a_follower_that_a_finished_run_gets_is_told_of_its_epochs_once(
    photos: Path, alone: st.Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    FOLLOWERS.names()
    monkeypatch.setitem(FOLLOWERS._entries, "noting", Noting)
    run, said = st.Run(Path(shutil.copytree(alone.path, tmp_path / "run"))), Said()
    run = st.resume(run, follow=["noting"], reporter=said)
    same(run, alone)
    rows = [json.loads(line) for line in (run.path / "history.jsonl").read_text().splitlines()]
    expected = [
        (row["step"], {"train/loss": row["train_loss"], **{f"val/{name}": one for name, one in row["val"].items()}})
        for row in rows
    ]
    assert Noting.told == expected
    assert Noting.whole == 1
    assert any("--noting: told of the epochs" in text for text in said.said)
    st.resume(run, follow=["noting"])
    assert Noting.told == expected
    st.resume(run, more=1)  # its name is kept
    assert Noting.told[-1][0] == rows[-1]["step"] + 3


class Full(Follower):
    """A disk that is full after a few figures."""

    package = "json"
    left = 3
    closed = 0

    def figures(self, step: int, values: Mapping[str, float]) -> None:
        type(self).left -= 1
        if self.left < 0:
            raise OSError("No space left on device\nin detail")

    def finished(self) -> None:
        raise RuntimeError("no server")


def test_a_follower_that_fails_is_said_once_and_changes_nothing(
    photos: Path, alone: st.Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    FOLLOWERS.names()
    monkeypatch.setitem(FOLLOWERS._entries, "full", Full)
    said = Said()
    run = st.train(photos, out=tmp_path / "run", epochs=3, set=SETTINGS, follow=["full"], reporter=said)
    same(run, alone)
    assert run.finished
    assert sum("No space left on device" in text for text in said.said) == 1
    assert sum("no server" in text for text in said.said) == 1
    assert not any("in detail" in text for text in said.said)
    assert Full.left == -1


def test_a_tensorboard_that_cannot_write_changes_nothing(photos: Path, alone: st.Run, tmp_path: Path) -> None:
    pytest.importorskip("tensorboard", reason="tensorboard is not installed")

    class Blocking(Said):
        def stage(self, title: str) -> None:
            if title == "training":
                (tmp_path / "run" / "tensorboard").write_text("a file where the folder should be")

    said = Blocking()
    run = st.train(photos, out=tmp_path / "run", epochs=3, set=SETTINGS, follow=["tensorboard"], reporter=said)
    same(run, alone)
    assert sum(text.startswith("--tensorboard: ") for text in said.said) == 1


def test_figures_are_told_to_any_reporter(photos: Path, tmp_path: Path) -> None:
    said = Said()
    st.train(photos, out=tmp_path / "run", epochs=1, set=SETTINGS, reporter=said)
    assert Counter(step for step, _ in said.told) == {1: 1, 2: 1, 3: 2}


def test_each_follower_has_a_file_a_flag_and_an_extra() -> None:
    root = Path(__file__).parents[2]
    extras = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))["project"]["optional-dependencies"]
    page = (root / "docs" / "train.md").read_text("utf-8")
    assert FOLLOWERS.names() == file_names("striate.train.followers")
    for name in FOLLOWERS.names():
        assert f"| `--{name}` |" in page
        assert f"--{name}" in (Path(st.__file__).parent / "cli" / "train.py").read_text("utf-8")
        assert name in extras


@pytest.mark.parametrize("name", FOLLOWERS.names())
def test_a_package_that_is_missing_is_said_before_anything(
    name: str, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(FOLLOWERS.get(name), "package", "not_to_be_found")
    with pytest.raises(UsageError, match=rf'--{name} needs not_to_be_found[\s\S]*pip install "striate\[{name}\]"'):
        st.train(photos, out=tmp_path / "run", epochs=1, set=SETTINGS, follow=[name])
    assert not (tmp_path / "run").exists()


def test_a_package_that_went_does_not_stop_a_resume(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    FOLLOWERS.names()
    monkeypatch.setitem(FOLLOWERS._entries, "full", Full)
    monkeypatch.setattr(Full, "left", 100)
    with pytest.raises(Interrupted):
        st.train(photos, out=tmp_path / "run", epochs=1, set=SETTINGS, follow=["full"], reporter=Said(stop=2))
    monkeypatch.setattr(Full, "package", "not_to_be_found")
    said = Said()
    assert st.resume(tmp_path / "run", reporter=said).finished
    assert any("not_to_be_found is not installed" in text for text in said.said)


def test_a_misspelt_follower_is_said(photos: Path, tmp_path: Path) -> None:
    with pytest.raises(UnknownName, match="tensorboard"):
        st.train(photos, out=tmp_path / "run", follow=["tensorbord"])


def test_mlflow_has_plan_figures_and_files_of_one_run_however_often_it_was_stopped(
    photos: Path, alone: st.Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
    mlflow = pytest.importorskip("mlflow", reason="mlflow is not installed")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'mlflow.db'}")
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "photos")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(Interrupted):
        st.train(photos, out=tmp_path / "run", epochs=3, set=SETTINGS, follow=["mlflow"], reporter=Said(stop=5))
    for path in sorted((tmp_path / "run" / "checkpoints").glob("step-*"))[-1:]:
        shutil.rmtree(path)
    run = st.resume(tmp_path / "run")
    same(run, alone)
    client = mlflow.MlflowClient()
    experiment = client.get_experiment_by_name("photos")
    (found,) = client.search_runs([experiment.experiment_id])
    assert found.info.status == "FINISHED"
    assert found.data.params == {key: str(value) for key, value in run.plan.items()}
    rows = [json.loads(line) for line in (run.path / "history.jsonl").read_text().splitlines()]
    accuracies = [(one.step, one.value) for one in client.get_metric_history(found.info.run_id, "val/accuracy")]
    assert accuracies == [(row["step"], row["val"]["accuracy"]) for row in rows]
    losses = client.get_metric_history(found.info.run_id, "train/step_loss")
    assert sorted(one.step for one in losses) == list(range(1, rows[-1]["step"] + 1))
    assert found.data.metrics["test/accuracy"] == run.metrics["test"]["accuracy"]
    files = {one.path for one in client.list_artifacts(found.info.run_id)}
    assert {"report.html", "metrics.json", "plan.yaml", "model"} <= files
    st.resume(run, more=1)
    (found,) = client.search_runs([experiment.experiment_id])
    assert found.info.status == "FINISHED"
    assert len(client.get_metric_history(found.info.run_id, "val/accuracy")) == 4
