"""The goals: every figure of the promise is there, rows are kept, verdicts are right."""

from __future__ import annotations

import argparse
import csv
import json
import sys
import time
import zipfile
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
import timm
import torch
from made_data import scene
from PIL import Image
from safetensors.torch import load_file, save_file

import striate as st
from striate.core.errors import DataError, RunError, StriateError, UsageError
from striate.core.events import Silent
from striate.core.records import Boxes
from striate.data.audit import Audit, run_audit
from striate.data.dataset import open_dataset
from striate.plan import leaves
from striate.plan.leaves import parse_value
from tests.shapes import write_boxes

REPOSITORY = Path(__file__).parent.parent
if not (REPOSITORY / "benchmarks" / "goals.toml").exists():
    pytest.skip("the benchmarks are not beside the tests", allow_module_level=True)


@pytest.fixture
def goals(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(REPOSITORY))
    from benchmarks import goals

    return goals


# name: (metric, gate, minutes), as promised
PROMISED = {
    "digits": ("accuracy", 0.985, None),
    "flowers-scratch": ("accuracy", 0.70, 5),
    "flowers-weights": ("accuracy", 0.76, 5),
    "trashnet-weights": ("accuracy", 0.88, 5),
    "trashnet-scratch": ("accuracy", 0.70, 10),
    "hymenoptera": ("accuracy", 0.96, 2),
    "cifar10": ("accuracy", 0.86, 10),
    "bccd-cells": ("r2", 0.70, 10),
    "bccd-boxes": ("map50", 0.80, 10),
    "membrane": ("pixel_accuracy", 0.92, 15),
}


def test_every_promised_figure_is_a_goal(goals: ModuleType) -> None:
    found = goals.read_goals()
    assert {name: (goal.metric, goal.gate, goal.minutes) for name, goal in found.items()} == PROMISED
    assert found["digits"].floor == 0.975
    assert len(found["digits"].seeds) == 5
    for name, goal in found.items():
        assert goal.stretch > goal.gate
        if name != "digits":
            assert goal.seeds == ((0,) if name == "membrane" else (0, 1, 2))  # its folds are trainings of their own
            assert (goal.plain is None) == (name == "membrane")
            position = goal.command.index("--minutes") + 1
            assert float(goal.command[position]) == goal.minutes


def test_unknown_keys_and_names_are_refused(goals: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "g.toml").write_text('[a]\ncommand = ["train"]\nseeds = [0]\ngoal = 1\n')
    with pytest.raises(UsageError, match="unknown keys: goal"):
        goals.read_goals(tmp_path / "g.toml")
    with pytest.raises(UsageError, match="did you mean 'digits'"):
        goals.choose(goals.read_goals(), ["digts"])


def test_arguments_are_filled_in(goals: ModuleType) -> None:
    goal = goals.read_goals()["bccd-cells"]
    found = goal.arguments(Path("/data"), Path("/made"), 7, Path("/runs/x"))
    assert found[:4] == ["train", "/made/bccd.csv", "--root", "/data/bccd/JPEGImages"]
    assert found[-5:] == ["--json", "--seed", "7", "--out", "/runs/x"]
    assert not any("{" in part for part in found)


def test_rows_are_added_one_by_one_and_never_lost(goals: ModuleType, tmp_path: Path) -> None:
    summary = {
        "metrics": {"test": {"accuracy": 0.912345, "accuracy_interval": [0.9, 0.925]}},
        "samples_per_second": 101.26,
        "quarantined": 3,
    }
    table = goals.results_path("goals", tmp_path / "results")
    assert table.name.startswith("goals-")
    assert table.name.endswith("cores.csv")
    for seed in (0, 1):
        goals.add_row(table, goals.row("x", seed, "accuracy", summary, 12.34))
    rows = [dict(zip(goals.HEADER, row, strict=True)) for row in goals.read_rows(table)]
    assert [row["seed"] for row in rows] == ["0", "1"]
    assert rows[0]["value"] == "0.91234"
    assert rows[0]["interval"] == "0.9000..0.9250"
    assert rows[0]["seconds"] == "12.3"
    assert rows[0]["quarantined"] == "3"
    assert "torch=" in rows[0]["versions"]
    table.write_text("other,columns\n1,2\n")
    with pytest.raises(StriateError, match="other columns"):
        goals.add_row(table, rows[0].values())


def test_a_metric_that_was_not_scored_is_said(goals: ModuleType) -> None:
    summary: dict[str, Any] = {"metrics": {"test": {"accuracy": 1.0}}, "samples_per_second": 1.0, "quarantined": 0}
    with pytest.raises(UsageError, match="no metric 'r2'"):
        goals.row("x", 0, "r2", summary, 1.0)


@pytest.mark.parametrize(
    ("values", "floor", "reached"),
    [
        ([0.7, 0.7, 0.7], None, True),
        ([0.9, 0.6, 0.6], None, True),
        ([0.69, 0.7, 0.7], None, False),
        ([0.9, 0.6], 0.65, False),
    ],
)
def test_verdicts_ask_the_mean_and_the_least(
    goals: ModuleType, values: list[float], floor: float | None, reached: bool
) -> None:
    goal = goals.Goal("x", "", ("train",), (0,), "accuracy", gate=0.7, stretch=0.8, floor=floor)
    words, done = goals.verdict(goal, values)
    assert done is reached
    assert ("MISSED" in words or "BROKEN" in words) is not reached


@pytest.mark.parametrize(("seconds", "late"), [(65.9, False), (66.1, True)])
def test_a_run_over_its_time_fails_with_its_row_kept(
    goals: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seconds: float, late: bool
) -> None:
    summary = {"metrics": {"test": {"accuracy": 0.9}}, "samples_per_second": 1.0, "quarantined": 0}
    monkeypatch.setattr(goals, "striate", lambda arguments: (summary, seconds))
    goal = goals.Goal("x", "", ("train",), (0,), "accuracy", gate=0.7, stretch=0.8, minutes=1)
    table = tmp_path / "table.csv"
    if late:
        with pytest.raises(StriateError, match="over 110%"):
            goals.run(goal, [0], tmp_path, table)
    else:
        assert goals.run(goal, [0], tmp_path, table) == [0.9]
    assert len(goals.read_rows(table)) == 1


def test_the_plain_loop_is_held_against_the_newest_of_each_seed(goals: ModuleType) -> None:
    from benchmarks.plain import beside

    goal = goals.Goal("x", "", ("train",), (0, 1), "accuracy", gate=0.7, stretch=0.8)
    rows = [["x", "0", "accuracy", "0.70"], ["x", "0", "accuracy", "0.80"], ["y", "0", "accuracy", "0.10"]]
    assert beside(goal, [0.79, 0.8], rows)[1]
    words, held = beside(goal, [0.82], rows)
    assert not held
    assert "0.8000 of striate" in words
    assert not beside(goal, [0.1], [])[1]


def test_only_runs_are_cleared_away(goals: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "environment.json").write_text("{}")
    goals.make_way(tmp_path / "run")
    assert not (tmp_path / "run").exists()
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("")
    with pytest.raises(RunError, match="is no Run"):
        goals.make_way(tmp_path / "mine")
    assert (tmp_path / "mine" / "thesis.txt").exists()
    goals.make_way(tmp_path / "none")


def test_cells_are_counted_and_the_given_list_is_the_test(goals: ModuleType, tmp_path: Path) -> None:
    from benchmarks import bccd_table

    bccd = tmp_path / "bccd"
    for folder in ("Annotations", "JPEGImages", "ImageSets/Main"):
        (bccd / folder).mkdir(parents=True)
    for name, cells in (("a", 2), ("b", 0), ("c", 3), ("without_picture", 9)):
        boxes = "<object><name>RBC</name></object>" * cells
        (bccd / "Annotations" / f"{name}.xml").write_text(f"<annotation>{boxes}</annotation>")
        if name != "without_picture":
            (bccd / "JPEGImages" / f"{name}.jpg").write_bytes(b"")
    (bccd / "ImageSets" / "Main" / "test.txt").write_text("c\n")
    table = bccd_table.make(tmp_path, tmp_path / "work")
    assert table.read_text().splitlines() == ["path,cells,split", "a.jpg,2,train", "b.jpg,0,train", "c.jpg,3,test"]


def test_the_plain_loops_cycle_rises_and_falls(goals: ModuleType) -> None:
    from benchmarks.plain import one_cycle

    rates = [one_cycle(step / 100, 0.1) for step in range(101)]
    assert max(rates) == pytest.approx(0.1)
    assert rates.index(max(rates)) == 30
    assert rates[0] == pytest.approx(0.004)
    assert rates[-1] == pytest.approx(0.0, abs=1e-9)


# -- the plain loop of boxes


@pytest.fixture
def plain_boxes(goals: ModuleType) -> ModuleType:
    from benchmarks import plain_boxes

    return plain_boxes


@pytest.fixture(scope="module")
def boxed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve pictures with boxes in data/, weights of a MobileNetV2 in weights/, and a Run of a small detector."""
    folder = tmp_path_factory.mktemp("boxed")
    data = write_boxes(folder / "data", 12)
    (folder / "weights").mkdir()
    torch.manual_seed(0)
    made = timm.create_model("mobilenetv2_100", pad_type="same").state_dict()
    for name, values in made.items():
        if "running" in name or ("bn" in name and values.is_floating_point()):
            values.uniform_(0.8, 1.2)  # so that each norm is another
    save_file(made, folder / "weights" / "made.safetensors")
    about = {"network": "timm/mobilenetv2_100", "arguments": {"pad_type": "same"}}
    about["preprocessing"] = {"mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5]}
    (folder / "weights" / "made.json").write_text(json.dumps(about))
    body = {"backbone": "compact", "backbone_arguments": {"width": 8, "blocks": [1, 1, 1], "stem_stride": 2}}
    plan = {
        "network.name": "retinanet",
        "network.arguments": {**body, "strides": [4, 8], "width": 16, "depth": 1, "norm": "group"},
        "input.height": 64,
        "input.width": 64,
        "batch.size": 4,
        "optimizer.rate": 0.01,
        "execution.precision": "float32",
        "execution.channels_last": False,
        "execution.workers": 0,
        "predict.precision": "float32",
        "predict.channels_last": True,
        "predict.batch": 4,
        "execution.threads": 1,
        "execution.cache_bytes": 0,
    }
    st.train(data, out=folder / "runs" / "x-seed0", epochs=1, set=plan)
    return folder


SETTINGS = {"weights": "made", "size": 64, "batch": 2, "rate": 0.0025}


def test_boxes_are_read_from_the_runs_own_split(plain_boxes: ModuleType, boxed: Path) -> None:
    samples = {sample.key: sample for sample in open_dataset(boxed / "data").samples}
    rows = [row for part in plain_boxes.split_of(boxed / "runs" / "x-seed0").values() for row in part]
    assert {key for key, _ in rows} == set(samples)
    for key, text in rows:
        boxes = samples[key].target
        assert isinstance(boxes, Boxes)
        assert plain_boxes.things_of(text) == [(box.label, box.corners) for box in boxes.boxes]
    assert plain_boxes.things_of("") == []
    with pytest.raises(DataError, match=r"'a' is no box of a split\.csv"):
        plain_boxes.things_of("a;b 1 2 3 4")


def test_boxes_are_mirrored_with_their_picture(plain_boxes: ModuleType, tmp_path: Path) -> None:
    pixels = torch.zeros(40, 60, 3, dtype=torch.uint8)
    pixels[10:20, 5:25] = 255
    Image.fromarray(pixels.numpy()).save(tmp_path / "a.png")
    rows = [("a.png", [("disc", (5.0, 10.0, 25.0, 20.0))])]
    torch.manual_seed(0)
    pictures, lefts = plain_boxes.Pictures(rows, tmp_path, ["other", "disc"], mirrored=True), set()
    for _ in range(12):
        image, target = pictures[0]
        assert (image.dtype, image.max()) == (torch.float32, 1.0)
        (left, top, right, bottom), label = target["boxes"][0].int().tolist(), target["labels"].tolist()
        assert label == [2]
        assert image[:, top:bottom, left:right].min() == 1.0
        assert image.sum() == 3 * 10 * 20
        lefts.add(left)
    assert lefts == {5, 35}


def test_the_body_is_that_of_the_weights_and_its_first_stages_do_not_learn(
    plain_boxes: ModuleType, boxed: Path
) -> None:
    network = plain_boxes.make_network(SETTINGS, 3, boxed).eval()
    pyramid = network.backbone.inner
    whole = timm.create_model("mobilenetv2_100", pad_type="same").eval()
    whole.load_state_dict(load_file(boxed / "weights" / "made.safetensors"))
    images = torch.randn(1, 3, 64, 64)
    with torch.inference_mode():
        maps, same = pyramid.body(images), whole.forward_intermediates(images, indices=[3, 4], intermediates_only=True)
        for one, other in zip(maps, same, strict=True):
            torch.testing.assert_close(one, other, atol=1e-3, rtol=1e-3)
        levels = network.backbone(images)
    assert [tuple(level.shape[1:]) for level in levels.values()] == [(256, 4, 4), (256, 2, 2), (256, 1, 1)]
    learning = {name for name, weight in pyramid.body.named_parameters() if weight.requires_grad}
    assert {name.split(".")[1] for name in learning} == {"3", "4", "5", "6"}
    assert not any("bn" in name for name in learning)  # norms are frozen throughout


def test_layers_compute_low_and_boxes_do_not(plain_boxes: ModuleType) -> None:
    part = plain_boxes.Autocast(torch.nn.Linear(3, 2))
    rows = torch.randn(4, 3)
    exact = part(rows)
    plain_boxes.compute_low(part, True)
    low = part(rows)
    assert low.dtype == torch.float32
    assert not torch.equal(low, exact)
    torch.testing.assert_close(low, exact, atol=0.05, rtol=0.05)
    torch.testing.assert_close(low, low.bfloat16().float())
    made = plain_boxes.Autocast(torch.nn.Identity())({"a": rows.bfloat16()})
    assert made["a"].dtype == torch.float32


def test_boxes_that_were_found_are_scored(plain_boxes: ModuleType) -> None:
    names = ["disc", "square"]
    rows = [("a", [("disc", (0.0, 0.0, 9.0, 9.0)), ("square", (10.0, 10.0, 20.0, 20.0))]), ("b", [])]
    truths = plain_boxes.truths_of(rows, names)
    found = [np.array([[0, 0, 9, 8.5, 0.9, 0], [30, 30, 40, 40, 0.8, 1]]), np.zeros((0, 6))]
    assert plain_boxes.scores_of(found, truths, 2)["map50"] == pytest.approx(0.5)
    assert plain_boxes.scores_of([np.zeros((0, 6))] * 2, truths, 2)["map50"] == 0


def test_scores_are_those_of_pycocotools(plain_boxes: ModuleType) -> None:
    pytest.importorskip("pycocotools", reason="pycocotools is not installed")
    random = np.random.default_rng(0)
    truths, found = [], []
    for _ in range(8):
        edges = random.random((6, 2)) * 80
        boxes = np.concatenate([edges, edges + 10 + random.random((6, 2)) * 20], axis=1)
        labels = random.integers(2, size=(6, 1)).astype(np.float64)
        truths.append(np.concatenate([boxes, labels, np.zeros((6, 2))], axis=1))
        found.append(np.concatenate([boxes + random.normal(0, 2, boxes.shape), random.random((6, 1)), labels], axis=1))
    scores = plain_boxes.scores_of(found, truths, 2)
    assert scores["map50_pycocotools"] == pytest.approx(scores["map50"], abs=1e-9)


@pytest.fixture
def goal_of_boxes(
    goals: ModuleType, plain_boxes: ModuleType, boxed: Path, monkeypatch: pytest.MonkeyPatch
) -> SimpleNamespace:
    """A goal whose Run is there, and whose plain loop has time for one step alone."""
    monkeypatch.setattr(plain_boxes, "data_folder", lambda: boxed)
    monkeypatch.setattr(plain_boxes, "faster_in_bfloat16", lambda *given: False)
    goal = goals.Goal("x", "", ("train", "{data}/data"), (0,), "map50", 0.8, 0.85, minutes=1e-6, plain=SETTINGS)
    monkeypatch.setattr(plain_boxes, "read_goals", lambda: {"x": goal})
    return SimpleNamespace(goal=goal, run=boxed / "runs" / "x-seed0", place=boxed / "data")


SPEEDS = {"striate_predict_per_second", "striate_predict_per_second_batch1"}


def test_the_plain_loop_of_boxes_trains_and_is_scored(plain_boxes: ModuleType, goal_of_boxes: SimpleNamespace) -> None:
    found = plain_boxes.train(goal_of_boxes.goal, goal_of_boxes.place, goal_of_boxes.run, 0)
    test = found["metrics"]["test"]
    assert set(test) - {"map50_pycocotools"} == {"map", "map50", "predict_per_second"}
    assert 0 <= test["map"] <= test["map50"] <= 1
    assert test["predict_per_second"] > 0
    trained = len(plain_boxes.split_of(goal_of_boxes.run)["train"])
    assert found["epochs"] == pytest.approx(2 / trained)
    assert found["samples_per_second"] > 0


def test_striates_model_predicts_the_same_files(plain_boxes: ModuleType, goal_of_boxes: SimpleNamespace) -> None:
    found = plain_boxes.predicted_by_striate(goal_of_boxes.run, goal_of_boxes.place)
    assert set(found) == SPEEDS
    assert min(found.values()) > 0


@pytest.mark.slow
def test_speed_and_memory_stand_beside_the_score(
    plain_boxes: ModuleType, goal_of_boxes: SimpleNamespace, boxed: Path
) -> None:
    test = plain_boxes.main("x", 0, boxed / "runs")["metrics"]["test"]
    assert set(test) - {"map50_pycocotools"} == {"map", "map50", "predict_per_second", "memory_bytes", *SPEEDS}
    assert test["memory_bytes"] > 2e8


def test_the_rate_is_that_of_the_references(plain_boxes: ModuleType) -> None:
    """By torch's own schedules: a rise in the first epoch, then falls after epochs 16 and 22 of 26."""
    steps, epochs = 11, 26
    optimizer = torch.optim.SGD([torch.zeros(1)], lr=0.0025)
    falls = torch.optim.lr_scheduler.MultiStepLR(optimizer, [16, 22])
    rise = torch.optim.lr_scheduler.LinearLR(optimizer, start_factor=1 / 1000, total_iters=steps - 1)
    for epoch in range(epochs):
        for step in range(steps):
            done = (epoch * steps + step) / (epochs * steps)
            own = plain_boxes.rate_at(epoch * steps + step, steps - 1, done, 0.0025)
            assert own == pytest.approx(optimizer.param_groups[0]["lr"])
            optimizer.step()
            if epoch == 0:
                rise.step()
        falls.step()


def test_a_loss_that_is_not_finite_ends_it(plain_boxes: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plain_boxes, "loss_of", lambda *given: torch.tensor(float("nan"), requires_grad=True))
    with pytest.raises(StriateError, match="is nan at step 0"):
        plain_boxes.fit(torch.nn.Linear(1, 1), [([], []), ([], [])], 0.1, time.monotonic(), 60.0)


def test_every_figure_of_a_plain_loop_is_a_row(
    goals: ModuleType, boxed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from benchmarks import plain

    asked: list[list[str]] = []

    def ended(call: list[str], **_: Any) -> SimpleNamespace:
        asked.append(call)
        metrics = {"predict_per_second": 9.5, "map50": 0.75, "memory_bytes": 10**9}
        found = {"metrics": {"test": metrics}, "samples_per_second": 3.0, "quarantined": 0, "seconds": 5, "epochs": 2}
        return SimpleNamespace(returncode=0, stdout=json.dumps(found))

    monkeypatch.setattr(plain, "subprocess", SimpleNamespace(run=ended, PIPE=-1))
    goal = goals.Goal("x", "", ("train",), (0,), "map50", gate=0.8, stretch=0.85, minutes=1, plain=SETTINGS)
    assert plain.run(goal, [0], boxed / "runs", tmp_path / "t.csv") == [0.75]
    assert asked[0][1:] == ["-m", "benchmarks.plain_boxes", "x", "0", str(boxed / "runs")]
    rows = [dict(zip(goals.HEADER, row, strict=True)) for row in goals.read_rows(tmp_path / "t.csv")]
    assert [row["metric"] for row in rows] == ["map50", "predict_per_second", "memory_bytes"]
    assert rows[0]["value"] == "0.75000"
    ours = [["x", "0", "map50", "0.8"], ["x", "0", "memory_bytes", "5"]]
    assert plain.beside(goal, [0.75], ours)[0].startswith("x: map50 0.8000 of striate (n = 1), 0.7500 of")


# -- beside the peers


@pytest.fixture
def compare(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(REPOSITORY))
    from benchmarks import compare

    return compare


def test_every_peer_has_its_script_and_settings(compare: ModuleType) -> None:
    peers = compare.read_peers()
    assert {"striate", "torchvision", "timm", "fastai", "keras-tensorflow", "keras-torch", "ultralytics"} == set(peers)
    for peer in peers.values():
        assert peer.path.exists()
        assert peer.install
        compile(peer.path.read_text("utf-8"), peer.path, "exec")
        assert set(peer.settings) - {"accuracy"} == set(compare.MEASURES)
        for measure, settings in peer.settings.items():
            assert settings[0] == "default"
            assert len(settings) == (1 if (peer.name, measure) == ("striate", "accuracy") else 2)
        if "accuracy" in peer.settings and peer.name != "striate":
            compile(peer.accuracy_path.read_text("utf-8"), peer.accuracy_path, "exec")


def test_the_files_are_the_same_for_every_peer(compare: ModuleType, tmp_path: Path) -> None:
    for number in range(80):
        path = tmp_path / "data" / "ab"[number % 2] / f"{number}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    laid = compare.lay_out(tmp_path / "data", tmp_path / "work", 40)
    parts = {name: sorted((laid / name).rglob("*.jpg")) for name in ("train", "val", "test", "flat")}
    assert {name: len(paths) for name, paths in parts.items()} == {"train": 40, "val": 32, "test": 32, "flat": 40}
    held_out = {path.resolve() for name in ("val", "test") for path in parts[name]}
    trained = {path.resolve() for path in parts["train"]}
    assert len(held_out) == 64
    assert len(trained) == 16  # all that is left, again and again
    assert not held_out & trained
    assert {path.resolve() for path in parts["flat"]} == trained
    assert compare.lay_out(tmp_path / "data", tmp_path / "work", 40) == laid


def test_a_job_is_asked_and_its_memory_watched(compare: ModuleType, tmp_path: Path) -> None:
    script = tmp_path / "with_made.py"
    script.write_text(
        "import json, sys, time\njob = json.loads(sys.argv[1])\nblock = bytearray(200_000_000)\ntime.sleep(0.5)\n"
        "print('noise')\nprint(json.dumps({'images': 10, 'seconds': 2.0, 'whole': 3.0}))\n"
    )

    class Made(compare.Peer):  # type: ignore[misc, name-defined]
        path = script

    job = {"measure": "predict", "out": str(tmp_path)}
    found = compare.ask(Made("made", (), {}), Path(sys.executable), job)
    assert found["rate"] == 5.0
    assert found["whole"] == 3.0
    assert 2e8 < found["memory"] < 4e8
    script.write_text("raise SystemExit('it went wrong')")
    with pytest.raises(StriateError, match="it went wrong"):
        compare.ask(Made("made", (), {}), Path(sys.executable), job)


def test_the_clock_of_a_training(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(REPOSITORY / "benchmarks" / "peers"))
    import _job

    times = iter([12.0, 13.0, 15.0, 16.0, 18.0])
    monkeypatch.setattr(_job.time, "time", lambda: next(times))
    clock = _job.Clock({"started": 10.0})
    clock.step(32)
    clock.step(32)
    clock.epoch()
    clock.step(32)
    clock.step(32)
    assert clock.found() == {"first_step": 2.0, "first_epoch": 3.0, "images": 64, "rate": 64 / 3.0}


def test_rows_are_kept_and_other_columns_refused(goals: ModuleType, tmp_path: Path) -> None:
    from benchmarks import tables

    header, row = ("goal", "value"), ["a", "1"]
    assert tables.read_rows(tmp_path / "t.csv", header) == []
    tables.add_rows(tmp_path / "t.csv", header, [row])
    tables.add_rows(tmp_path / "t.csv", header, [row])
    assert tables.read_rows(tmp_path / "t.csv", header) == [row, row]
    with pytest.raises(StriateError, match="other columns"):
        tables.add_rows(tmp_path / "t.csv", ("other", "value"), [row])


# -- accuracy in given minutes


@pytest.fixture
def accuracy(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(REPOSITORY))
    from benchmarks import accuracy

    return accuracy


PARTS = {
    "train": [("a/1.jpg", "a"), ("b/1.jpg", "b")],
    "val": [("a/2.jpg", "a"), ("b/2.jpg", "b")],
    "test": [("a/3.jpg", "a"), ("b/3.jpg", "b"), ("b/4.jpg", "b"), ("a/4.jpg", "a")],
}


def make_material(folder: Path, zipped: bool) -> Path:
    """Pictures in class folders or in a zip of them, as `trashnet`."""
    keys = [key for rows in PARTS.values() for key, _ in rows]
    if zipped:
        with zipfile.ZipFile(folder / "trashnet", "w") as archive:
            for key in keys:
                archive.writestr(key, key)
        return (folder / "trashnet").rename(folder / "trashnet.zip")
    for key in keys:
        path = folder / "trashnet" / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(key)
    return folder / "trashnet"


@pytest.mark.parametrize("zipped", [False, True])
def test_a_split_is_laid_out_as_folders(accuracy: ModuleType, tmp_path: Path, zipped: bool) -> None:
    laid = tmp_path / "laid"
    for _ in range(2):
        accuracy.lay_out(make_material(tmp_path, zipped) if not laid.exists() else tmp_path, PARTS, laid)
        for part, rows in PARTS.items():
            files = {path.name: path for path in (laid / part).glob("*/*")}
            assert sorted(files) == accuracy.names_of(rows)
            for name, (key, target) in zip(accuracy.names_of(rows), rows, strict=True):
                assert files[name].read_text() == key
                assert files[name].parent.name == target
                assert files[name].is_symlink() is not zipped


def test_only_whole_predictions_are_scored(accuracy: ModuleType) -> None:
    truth = {"1": "a", "2": "b", "3": "b"}
    assert accuracy.score({"1": "a", "2": "b", "3": "a"}, truth) == pytest.approx(2 / 3)
    with pytest.raises(StriateError, match="1 test pictures have no prediction, and 1 predictions no test picture"):
        accuracy.score({"1": "a", "2": "b", "4": "a"}, truth)


@pytest.fixture
def call(accuracy: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> argparse.Namespace:
    """A call of `accuracy` for made peers: one names all pictures a, one cannot take the weights, one breaks."""
    make_material(tmp_path, zipped=False)
    script = (
        "import json, sys\nfrom pathlib import Path\njob = json.loads(sys.argv[1])\n"
        "assert Path(job['weights']).name.startswith('mobilenetv2')\n"
        "names = sorted(path.name for path in Path(job['data'], 'test').glob('*/*'))\n"
        "Path(job['out'], 'predictions.csv').write_text(''.join(f'{name},a\\n' for name in names))\n"
        "print('noise')\nprint(json.dumps({'network': 'net', 'epochs': 3}))\n"
    )

    class Made(accuracy.Peer):  # type: ignore[misc, name-defined]
        @property
        def accuracy_path(self) -> Path:
            return tmp_path / f"{self.name}.py"

    (tmp_path / "all_a.py").write_text(script)
    (tmp_path / "broken.py").write_text("raise SystemExit('it went wrong')")
    settings = {"accuracy": ["default"]}
    peers = [
        Made("all_a", (), settings),
        Made("unable", (), settings, without=("mobilenetv2_100_padsame_mean0.5",)),
        Made("broken", (), settings),
    ]
    split = tmp_path / "split.csv"
    rows = [f"{key},{part},{target}" for part, rows in PARTS.items() for key, target in rows]
    split.write_text("\n".join(["key,split,target", *rows, "c/1.jpg,excluded,c"]))
    monkeypatch.setattr(accuracy, "read_peers", lambda: {peer.name: peer for peer in peers})
    monkeypatch.setattr(accuracy, "environment_of", lambda peer, work: Path(sys.executable))
    monkeypatch.setattr(accuracy, "versions_of", lambda python: "made=1")
    monkeypatch.setattr(accuracy, "split_of", lambda place, path: split)
    monkeypatch.setattr(accuracy.goals, "data_folder", lambda: tmp_path)
    return argparse.Namespace(
        data=["trashnet"],
        minutes=[2.0],
        seeds=[0, 1],
        peers=[],
        settings=["default", "tuned"],
        mark=0.6,
        work=tmp_path / "work",
        results=tmp_path / "results",
    )


def test_peers_train_in_turn_and_one_function_scores(
    accuracy: ModuleType, call: argparse.Namespace, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = accuracy.run(call)
    assert "all_a default, net: 0.5000 ± 0.0000 (n = 2)" in lines[1]
    assert lines[2:] == ["trashnet, time to 0.6", "  all_a default: not reached"]
    said = capsys.readouterr().out
    assert said.count("it went wrong") == 2
    assert "unable" not in said
    with open(accuracy.goals.results_path("accuracy", call.results), encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["figure"] for row in rows] == ["accuracy", "seconds", "epochs"] * 2
    assert [row["seed"] for row in rows[::3]] == ["0", "1"]
    assert rows[0]["value"] == "0.5"
    assert rows[0]["versions"] == "made=1"


def test_striate_trains_by_its_command_line_and_obeys_the_split(
    accuracy: ModuleType, call: argparse.Namespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def striate(arguments: list[str]) -> tuple[dict[str, Any], float]:
        asked.extend(arguments)
        out = Path(arguments[-1])
        out.mkdir(parents=True)
        rows = [f"{part},{key},a" for part in ("val", "test") for key, _ in PARTS[part]]
        (out / "predictions.csv").write_text("\n".join(["split,key,prediction", *rows]))
        (out / "history.jsonl").write_text('{"epoch": 0}\n{"epoch": 1}\n{"epoch": 2}\n')
        (out / "network.json").write_text('{"name": "cifarnet"}')
        return {}, 119.0

    monkeypatch.setattr(accuracy.goals, "striate", striate)
    peer = accuracy.Peer("striate", (), {"accuracy": ["default"]})
    course = accuracy.Course(call.work, accuracy.goals.data_folder(), [peer])
    found = course.train(accuracy.Entry(peer, "default", "trashnet", 2.0, 7))
    assert found.network == "cifarnet"
    assert found.figures == {"accuracy": 0.5, "seconds": 119.0, "epochs": 2}
    assert asked[asked.index("--minutes") + 1] == "2"
    assert asked[asked.index("--seed") + 1] == "7"
    assert asked[asked.index("--set") + 1].startswith("split.file=")


def test_every_seed_begins_with_another_peer(accuracy: ModuleType, call: argparse.Namespace) -> None:
    peers = list(accuracy.read_peers().values())
    call.settings = ["default"]
    found = [(entry.seed, entry.peer.name) for entry in accuracy.entries(call, peers)]
    assert found[:3] == [(0, "all_a"), (0, "unable"), (0, "broken")]
    assert found[3:] == [(1, "unable"), (1, "broken"), (1, "all_a")]


def test_epochs_are_chosen_to_fit_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(REPOSITORY / "benchmarks" / "peers"))
    import _contest

    monkeypatch.setattr(_contest.time, "time", lambda: 1020.0)
    job = {"started": 1000.0, "minutes": 2.0}
    assert _contest.seconds_left(job) == 100.0
    assert _contest.epochs_within(job, epoch_seconds=10.0, last_seconds=7.0) == 9
    assert _contest.epochs_within(job, epoch_seconds=500.0, last_seconds=7.0) == 1


def test_shifted_pictures_are_crops_or_their_mirror_images(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(REPOSITORY / "benchmarks" / "peers"))
    import _fit

    torch.manual_seed(0)
    images = torch.randint(256, (8, 3, 6, 6), dtype=torch.uint8)
    padded = torch.nn.functional.pad(images.float(), (2,) * 4, mode="reflect")
    kinds = set()
    for image, before in zip(_fit.shifted(images, 2), padded, strict=True):
        assert image.dtype == torch.uint8
        crops = [before[:, y : y + 6, x : x + 6] for y in range(5) for x in range(5)]
        plain, mirrored = (
            any(torch.equal(one, crop) for crop in crops) for one in (image.float(), image.flip(2).float())
        )
        assert plain or mirrored
        kinds.add(plain)
    assert kinds == {True, False}


def test_torchvisions_mobilenet_computes_what_timms_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(REPOSITORY / "benchmarks" / "peers"))
    import _mobilenet

    torch.manual_seed(0)
    timms = timm.create_model("mobilenetv2_100", pad_type="same")
    for name, values in timms.state_dict().items():
        if "running" in name or ("bn" in name and values.is_floating_point()):
            values.uniform_(0.5, 1.5)  # so that each norm is another
    save_file(timms.state_dict(), tmp_path / "w.safetensors")
    ours, pictures = _mobilenet.mobilenet(tmp_path / "w.safetensors", 5).eval(), torch.randn(1, 3, 64, 64)
    with torch.inference_mode():
        torch.testing.assert_close(ours.features(pictures), timms.eval().forward_features(pictures))
        assert ours(pictures).shape == (1, 5)


# -- what each trick is worth


@pytest.fixture
def ablate(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(REPOSITORY))
    from benchmarks import ablate

    return ablate


def test_every_switch_sets_leaves_that_there_are(ablate: ModuleType) -> None:
    known = leaves()
    for ablation in ablate.read_ablations().values():
        assert {"--minutes", "--epochs"} & {*ablation.command}
        assert len(ablation.seeds) >= 3
        assert ablate.BASE not in ablation.switches
        for settings in ablation.switches.values():
            for setting in settings:
                key, value = setting.split("=")
                parse_value(key, known[key], value)


def test_unknown_keys_of_ablations_are_refused(ablate: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text('[a]\ncommand = ["train"]\nseeds = [0]\nswitch = 1\n')
    with pytest.raises(UsageError, match="unknown keys: switch"):
        ablate.read_ablations(tmp_path / "a.toml")
    with pytest.raises(UsageError, match="did you mean 'cifar10'"):
        ablate.choose(ablate.read_ablations(), ["cifar"])


def test_switches_take_turns_within_a_seed(
    ablate: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    order: list[tuple[int, str]] = []

    def striate(arguments: list[str]) -> tuple[dict[str, Any], float]:
        seed = int(arguments[arguments.index("--seed") + 1])
        setting = arguments[arguments.index("--set") + 1] if "--set" in arguments else "base"
        order.append((seed, setting))
        if setting == "augment.flip=none":
            raise StriateError("it went wrong")
        out = Path(arguments[-1])
        out.mkdir(parents=True)
        (out / "history.jsonl").write_text('{"epoch": 1}\n{"epoch": 2}\n')
        value = 0.8 + 0.1 * seed - (0.02 * (1 + seed) if setting == "train.ema=0" else 0)
        return {"metrics": {"test": {"accuracy": value}}}, 60.0

    monkeypatch.setattr(ablate.goals, "striate", striate)
    monkeypatch.setattr(ablate.goals, "data_folder", lambda: tmp_path)
    call = argparse.Namespace(
        names=["cifar10"], switches=["ema", "flip"], seeds=[0, 1], runs=tmp_path / "runs", results=tmp_path
    )
    lines = ablate.run(call)
    settings = ("base", "train.ema=0", "augment.flip=none")
    assert order == [(seed, setting) for seed in (0, 1) for setting in settings]
    assert lines[1:] == [
        "  base: 0.8500 ± 0.0707 (n = 2)",
        "  ema: 0.8200 ± 0.0566 (n = 2), -0.0300 ± 0.0100",
        "  flip: none",
    ]
    assert capsys.readouterr().out.count("it went wrong") == 2
    with open(ablate.goals.results_path("ablations", tmp_path), encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["seed"], row["switch"], row["epochs"]) for row in rows] == [
        ("0", "base", "2"),
        ("0", "ema", "2"),
        ("1", "base", "2"),
        ("1", "ema", "2"),
    ]
    call.switches = ["emma"]
    with pytest.raises(UsageError, match="did you mean 'ema'"):
        ablate.run(call)


# -- growth


@pytest.fixture
def growth(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(REPOSITORY))
    from benchmarks import growth

    return growth


def test_made_pictures_are_all_different_and_the_same_each_time(growth: ModuleType, tmp_path: Path) -> None:
    made = growth.make(tmp_path / "first", 120)
    audit = run_audit(open_dataset(made), workers=0, reporter=Silent())
    assert audit.classes == dict.fromkeys(growth.CLASSES, 30)
    assert not audit.duplicates
    assert not audit.quarantined
    paths = sorted(made.rglob("*.jpg"))
    again = sorted(growth.make(tmp_path / "second", 120).rglob("*.jpg"))
    assert [path.read_bytes() for path in paths] == [path.read_bytes() for path in again]
    written = paths[0].stat().st_mtime_ns
    growth.make(tmp_path / "first", 120)
    assert paths[0].stat().st_mtime_ns == written


def test_each_job_is_of_its_own_process_and_finds_nothing_from_before(
    growth: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "growth_job.py").write_text(
        "import json, os, sys, time\njob = json.loads(sys.argv[1])\nos.mkdir(os.environ['STRIATE_CACHE'])\n"
        "block = bytearray(200_000_000)\ntime.sleep(0.7)\nassert job['way'] != 'broken', 'it went wrong'\n"
        "print('noise')\nprint(json.dumps({'audit': 1.5, 'whole': 2.0}))\n"
    )
    monkeypatch.setattr(growth, "HERE", tmp_path)
    job = {"way": "packed", "out": str(tmp_path / "out")}
    for _ in range(2):
        found = growth.ask(job)
        assert (found["audit"], found["whole"]) == (1.5, 2.0)
        assert 2e8 < found["memory"] < 4e8
    with pytest.raises(StriateError, match="it went wrong"):
        growth.ask({**job, "way": "broken"})


def test_rows_are_written_and_growth_is_told(
    growth: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[dict[str, Any]] = []

    def ask(job: dict[str, Any]) -> dict[str, float]:
        asked.append(job)
        return {"whole": 2.0 if "made-8" in job["data"] else 8.0, "memory": 3e8}

    monkeypatch.setattr(growth, "ask", ask)
    call = SimpleNamespace(counts=[16, 8], work=tmp_path / "work", results=tmp_path / "results")
    lines = growth.run(call)
    assert lines[:2] == [
        "packed whole, ms a picture: 8 250, 16 500 (2.00×)",
        "packed memory, MB: 8 300, 16 300 (1.00×)",
    ]
    assert [job["way"] for job in asked] == [*growth.WAYS, *growth.WAYS]
    assert all(job["trained"].endswith("/out/packed") for job in asked)
    (table,) = (tmp_path / "results").iterdir()
    assert table.name.startswith("growth-")
    assert len(table.read_text().splitlines()) == 1 + 2 * 3 * 2


def test_a_job_trains_and_predicts(growth: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from benchmarks import growth_job

    monkeypatch.setenv("STRIATE_CACHE", str(tmp_path / "cache"))
    data = str(growth.make(tmp_path / "made", 100))
    found = {}
    for way in growth.WAYS[:2]:
        job = {"way": way, "data": data, "out": str(tmp_path / way), "started": time.time()}
        found[way] = growth_job.trained(job)
    assert set(found["packed"]) == {"reading", "audit", "prepare", "epoch", "evaluating"}
    assert set(found["packed"]) - set(found["streamed"]) == {"prepare"}
    assert growth_job.predicted({"data": data, "trained": str(tmp_path / "packed")})["predict"] > 0


def test_the_sweep_tells_what_becomes_of_a_network(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.syspath_prepend(str(REPOSITORY))
    from benchmarks import sweep

    whole = sweep.look("torchvision/squeezenet1_1")
    assert whole[:4] == ("torchvision/squeezenet1_1", 224, "whole", 727_626)
    assert whole[5] == "classifier.1"

    def without_a_head(spec: Any) -> Any:
        network = sweep.build(spec)
        network.add_module("never", torch.nn.Linear(2, 2))
        return network

    monkeypatch.setattr(sweep, "_built", without_a_head)
    assert sweep.look("torchvision/squeezenet1_1")[2] == "weights that never learn"
    call = SimpleNamespace(networks=["torchvision/squeezenet9"], every=False, results=tmp_path)
    monkeypatch.setattr(sweep, "size_of", lambda name: 64)
    lines = sweep.run(call)
    assert lines[0] == "1 networks: 1 refused"
    assert "did you mean 'squeezenet1_" in lines[1]
    assert {name.split("/")[0] for name in sweep.names("torchvision", False)} == {"torchvision"}


def test_a_long_tail_falls_and_its_test_has_classes_alike() -> None:
    from benchmarks.long_tail import cut, tail

    assert tail(500, 100, 3) == [500, 50, 5]
    files = {name: [f"{name}/{number}.jpg" for number in range(count)] for name, count in {"a": 40, "b": 60}.items()}
    rows = cut(files, ratio=10, tested=10)
    counts = {(label, split): sum(row[1:] == [label, split] for row in rows) for _, label, split in rows}
    assert counts == {("a", "train"): 5, ("b", "train"): 50, ("a", "test"): 10, ("b", "test"): 10}
    assert len({row[0] for row in rows}) == len(rows)


def test_the_referees_cuts_share_no_picture_and_change_with_the_seed() -> None:
    from benchmarks.referee import cut

    labels = [name for name in ("a", "b", "c") for _ in range(50)]
    learnt, judges = cut(labels, 10, 10, 40, seed=0)
    assert not set(learnt) & set(judges)
    assert sorted(labels[place] for place in judges) == sorted([*"a" * 10, *"b" * 10, *"c" * 10])
    assert sorted(sum(labels[place] == name for place in learnt) for name in "abc") == [4, 13, 40]
    assert cut(labels, 10, 10, 40, seed=1) != (learnt, judges)


def test_planted_faults_are_counted_by_kind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from benchmarks import planted

    for number in range(6):
        path = tmp_path / "data" / "flowers" / "ab"[number % 2] / f"{number}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(scene(number, 90, 120)).save(path)
    copies = tmp_path / "copies"
    rows = planted.plant("flowers", tmp_path / "data", copies, 3, seed=0)
    assert {kind: len(one) for kind, one in rows.items()} == dict.fromkeys(rows, 3)
    audit = run_audit(open_dataset(str(copies)), workers=0, reporter=Silent())
    found = planted.found_of(rows, audit)
    assert {kind for kind, number in found.items() if number < 3} <= {"8 bits of a JPEG flipped"}
    total, odd = planted.false_groups(rows, audit)
    assert (total >= 3 * 6, odd) == (True, 0)
    # of an audit that found nothing, nothing is counted
    none = planted.found_of(rows, Audit(audit.samples))
    assert set(none.values()) == {0}


def test_judged_pairs_are_summed_up(tmp_path: Path) -> None:
    from benchmarks import planted

    path = tmp_path / "judged.csv"
    path.write_text("data,one,other,similarity,verdict\nx,a,b,0.9,same\nx,c,d,0.9,other\n")
    assert planted.judged(path) == ["x: 1 of 2 judged pairs are the same"]


def test_all_classes_that_a_finding_names_are_counted() -> None:
    from benchmarks.odd import classes_named

    text = "pictures of a (top left; 9 of 9 looked at), b c (top; 8 of 9 looked at) and 2 more have the same edges"
    assert classes_named(text, ["a", "b c", "c"]) == ({"a", "b c"}, 2)
    assert classes_named("5 pictures; 60% of the class a have them, 3% of the others", ["a", "b"]) == ({"a"}, 0)
