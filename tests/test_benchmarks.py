"""The goals: every figure of the promise is there, rows are kept, verdicts are right."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from striate.core.errors import RunError, StriateError, UsageError

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
}


def test_every_promised_figure_is_a_goal(goals: ModuleType) -> None:
    found = goals.read_goals()
    assert {name: (goal.metric, goal.gate, goal.minutes) for name, goal in found.items()} == PROMISED
    assert found["digits"].floor == 0.975
    assert len(found["digits"].seeds) == 5
    for name, goal in found.items():
        assert goal.stretch > goal.gate
        if name != "digits":
            assert goal.seeds == (0, 1, 2)
            assert goal.plain is not None
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
        assert set(peer.settings) == set(compare.MEASURES)
        for settings in peer.settings.values():
            assert settings[0] == "default"
            assert len(settings) == 2


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
