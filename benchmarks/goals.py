"""Goals: read from goals.toml, run a seed at a time as a user would, and written down a row at a time."""

from __future__ import annotations

import importlib
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import tables
from striate.core import machine
from striate.core.artifacts import make_folder
from striate.core.errors import DataError, RunError, StriateError, UnknownName, UsageError

HERE = Path(__file__).parent
HARD_STOP = 1.1  # of a run's minutes, from the command's start to its end
HEADER = (
    "goal",
    "seed",
    "metric",
    "value",
    "interval",
    "seconds",
    "samples_per_second",
    "quarantined",
    *tables.ORIGIN,
)


@dataclass(frozen=True)
class Goal:
    """One row of goals.toml; the file says what each field means."""

    name: str
    about: str
    command: tuple[str, ...]
    seeds: tuple[int, ...]
    metric: str
    gate: float
    stretch: float
    split: str = "own"
    floor: float | None = None
    minutes: float | None = None
    prepare: str | None = None
    plain: dict[str, Any] | None = None

    def arguments(self, data: Path, work: Path, seed: int, run: Path) -> list[str]:
        """The arguments of `striate` for one seed."""
        filled = [part.replace("{data}", str(data)).replace("{work}", str(work)) for part in self.command]
        if self.split != "own":
            filled += ["--set", f"split.file={HERE / self.split}"]
        filled += ["--cache-size", "0"]  # each seed decodes for itself
        return [*filled, "--json", "--seed", str(seed), "--out", str(run)]


def read_goals(path: Path = HERE / "goals.toml") -> dict[str, Goal]:
    """Every goal by name, in the file's order. Raises `UsageError` for a key that a goal does not have."""
    known = set(Goal.__dataclass_fields__) - {"name"}
    goals = {}
    for name, row in tomllib.loads(path.read_text("utf-8")).items():
        if unknown := set(row) - known:
            raise UsageError(f"goal {name!r} has unknown keys: {', '.join(sorted(unknown))}")
        lists = {key: tuple(row[key]) for key in ("command", "seeds")}
        goals[name] = Goal(name=name, **{**row, **lists})
    return goals


def choose(goals: dict[str, Goal], names: Sequence[str]) -> list[Goal]:
    """The goals of these names, or all. Raises `UnknownName`."""
    for name in names:
        if name not in goals:
            raise UnknownName("goal", name, goals)
    return [goals[name] for name in names] or list(goals.values())


def data_folder() -> Path:
    """The test material: STRIATE_DATA, or shared/data beside the repository. Raises `DataError` where it is absent."""
    folder = Path(os.environ.get("STRIATE_DATA") or HERE.parent.parent / "shared" / "data").resolve()
    if not folder.is_dir():
        raise DataError(f"there is no test material at {folder}", fix="name its folder in STRIATE_DATA")
    return folder


def results_path(kind: str, folder: Path = HERE / "results") -> Path:
    """The table of results of this kind of machine, such as `goals-intel-xeon-amx-bf16-2cores.csv`."""
    processor = re.sub(r"[^a-z0-9]+", "-", machine.processor().lower().replace("(r)", "")).strip("-")
    return folder / f"{kind}-{processor}-{machine.cores()}cores.csv"


def add_row(path: Path, row: Sequence[Any]) -> None:
    """Add a row to a table of results of goals."""
    tables.add_rows(path, HEADER, [row])


def read_rows(path: Path) -> list[list[str]]:
    """The rows of a table of results of goals; none where it does not exist."""
    return tables.read_rows(path, HEADER)


def row(goal: str, seed: int, metric: str, summary: dict[str, Any], seconds: float) -> list[Any]:
    """A row of results from what `striate train --json` printed (or an object of the same shape)."""
    test = summary["metrics"]["test"]
    if metric not in test:
        raise UnknownName("metric", metric, test)
    interval = test.get(f"{metric}_interval")
    return [
        goal,
        seed,
        metric,
        f"{test[metric]:.5f}",
        "" if interval is None else f"{interval[0]:.4f}..{interval[1]:.4f}",
        f"{seconds:.1f}",
        f"{summary['samples_per_second']:.1f}",
        summary["quarantined"],
        *tables.origin(),
    ]


def run_folder(runs: Path, goal: Goal, seed: int) -> Path:
    """Where the Run of a goal and seed is kept."""
    return runs / f"{goal.name}-seed{seed}"


def epochs_of(run: Path) -> int:
    """The epochs that a Run trained; the last may have been cut short where the time was over."""
    *_, last = (run / "history.jsonl").read_text("utf-8").splitlines()
    return int(json.loads(last)["epoch"])


def make_way(path: Path) -> None:
    """Remove an earlier Run of the same goal and seed. Raises `RunError` where something else is there."""
    if path.exists() and not (path / "environment.json").exists() and any(path.iterdir()):
        raise RunError(f"{path} is in the way and is no Run", fix="choose another --runs")
    shutil.rmtree(path, ignore_errors=True)


def striate(arguments: Iterable[str]) -> tuple[dict[str, Any], float]:
    """Run `striate` in a process of its own; its JSON object, and the seconds from start to end.

    Raises:
        StriateError: it failed; what it said is on standard error already.
    """
    started = time.monotonic()
    call = [sys.executable, "-m", "striate", *arguments]
    child = subprocess.run(call, stdout=subprocess.PIPE, text=True, check=False)
    seconds = time.monotonic() - started
    if child.returncode:
        raise StriateError(f"`striate {' '.join(arguments)}` ended with exit status {child.returncode}")
    found = json.loads(child.stdout)
    assert isinstance(found, dict)
    return found, seconds


def run(goal: Goal, seeds: Sequence[int], runs: Path, results: Path) -> list[float]:
    """Run one goal for each seed; the values reached. Every row is on the disk before the next seed begins."""
    data = data_folder() if any("{data}" in part for part in goal.command) or goal.prepare else Path()
    work = make_folder(runs / "work")
    if goal.prepare:
        importlib.import_module(f"benchmarks.{goal.prepare}").make(data, work)
    values = []
    for seed in seeds:
        folder = run_folder(runs, goal, seed)
        make_way(folder)
        summary, seconds = striate(goal.arguments(data, work, seed, folder))
        add_row(results, row(goal.name, seed, goal.metric, summary, seconds))
        values.append(float(summary["metrics"]["test"][goal.metric]))
        print(f"{goal.name} seed {seed}: {goal.metric} {values[-1]:.4f} in {seconds:.0f} s", flush=True)
        if goal.minutes and seconds > HARD_STOP * 60 * goal.minutes:
            raise StriateError(f"{goal.name} took {seconds:.0f} s, over {HARD_STOP:.0%} of {goal.minutes:g} minutes")
    return values


def verdict(goal: Goal, values: Sequence[float]) -> tuple[str, bool]:
    """The sentence that is printed for a goal, and whether its gate (and floor) was reached.

    >>> goal = Goal("x", "", ("train",), (0, 1, 2), "accuracy", gate=0.7, stretch=0.8, floor=0.6)
    >>> verdict(goal, [0.7, 0.74, 0.78])
    ('x: accuracy 0.7400 ± 0.0400 (n = 3, least 0.7000); gate 0.7 reached, floor 0.6 held, stretch 0.8 missed', True)
    """
    mean, spread = statistics.mean(values), statistics.stdev(values) if len(values) > 1 else 0.0
    words = [f"gate {goal.gate:g} {'reached' if mean >= goal.gate else 'MISSED'}"]
    if goal.floor is not None:
        words.append(f"floor {goal.floor:g} {'held' if min(values) >= goal.floor else 'BROKEN'}")
    words.append(f"stretch {goal.stretch:g} {'reached' if mean >= goal.stretch else 'missed'}")
    reached = mean >= goal.gate and (goal.floor is None or min(values) >= goal.floor)
    figures = f"{mean:.4f} ± {spread:.4f} (n = {len(values)}, least {min(values):.4f})"
    return f"{goal.name}: {goal.metric} {figures}; {', '.join(words)}", reached
