"""What each trick of a training is worth: the plan as it is, beside plans in which one thing is switched.

All switches of one seed run one after another, the plan as it is among them, so that a machine whose speed drifts is as
fair to each; differences are taken seed by seed.
"""

from __future__ import annotations

import importlib
import math
import statistics
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import goals
from benchmarks.goals import HERE, Goal
from benchmarks.tables import ORIGIN, add_rows, origin
from striate.core.artifacts import make_folder
from striate.core.errors import StriateError, UnknownName, UsageError

HEADER = (
    "ablation",
    "switch",
    "seed",
    "metric",
    "value",
    "seconds",
    "epochs",
    *ORIGIN,
)
BASE = "base"


@dataclass(frozen=True)
class Ablation:
    """One table of ablations.toml; the file says what each field means."""

    name: str
    about: str
    command: tuple[str, ...]
    seeds: tuple[int, ...]
    metric: str
    switches: dict[str, tuple[str, ...]]
    prepare: str | None = None

    def goal(self, switch: str) -> Goal:
        """The training of one switch, in the form that goals are run in."""
        settings = () if switch == BASE else self.switches[switch]
        command = [*self.command, *(part for setting in settings for part in ("--set", setting))]
        return Goal(f"{self.name}-{switch}", self.about, tuple(command), self.seeds, self.metric, gate=0.0, stretch=0.0)


def read_ablations(path: Path = HERE / "ablations.toml") -> dict[str, Ablation]:
    """Every ablation by name, in the file's order. Raises `UsageError` for a key that an ablation does not have."""
    known = set(Ablation.__dataclass_fields__) - {"name"}
    found = {}
    for name, row in tomllib.loads(path.read_text("utf-8")).items():
        if unknown := set(row) - known:
            raise UsageError(f"ablation {name!r} has unknown keys: {', '.join(sorted(unknown))}")
        lists = {key: tuple(row[key]) for key in ("command", "seeds")}
        switches = {switch: tuple(settings) for switch, settings in row["switches"].items()}
        found[name] = Ablation(name=name, **{**row, **lists, "switches": switches})
    return found


def choose(ablations: dict[str, Ablation], names: Sequence[str]) -> list[Ablation]:
    """The ablations of these names, or all. Raises `UnknownName`."""
    for name in names:
        if name not in ablations:
            raise UnknownName("ablation", name, ablations)
    return [ablations[name] for name in names] or list(ablations.values())


def run(call: Any) -> list[str]:
    """Every chosen ablation, a row a training; returns the tables as lines.

    Args:
        call: names, switches (all without), seeds (the file's own without), runs, results.
    """
    lines = []
    table = goals.results_path("ablations", call.results)
    chosen = choose(read_ablations(), call.names)
    for ablation in chosen:
        for switch in call.switches:
            if switch not in ablation.switches:
                raise UnknownName("switch", switch, ablation.switches)
    for ablation in chosen:
        if ablation.prepare:
            importlib.import_module(f"benchmarks.{ablation.prepare}").make(goals.data_folder(), call.runs.resolve())
        switches = [BASE, *(call.switches or ablation.switches)]
        values: dict[str, dict[int, float]] = {switch: {} for switch in switches}
        for seed in call.seeds or ablation.seeds:
            for switch in switches:
                try:
                    row = train(ablation, switch, seed, call.runs.resolve())
                except StriateError as error:
                    print(f"{ablation.name} {switch} seed {seed}: {error}", flush=True)
                    continue
                add_rows(table, HEADER, [row])
                values[switch][seed] = float(row[4])
                print(f"{ablation.name} {switch} seed {seed}: {ablation.metric} {row[4]} in {row[5]} s", flush=True)
        lines += [f"{ablation.name}: {ablation.about}, {ablation.metric}", *summary(values)]
    return lines


def train(ablation: Ablation, switch: str, seed: int, runs: Path) -> list[Any]:
    """One training; its row."""
    goal, data = ablation.goal(switch), goals.data_folder()
    folder = goals.run_folder(make_folder(runs), goal, seed)
    goals.make_way(folder)
    found, seconds = goals.striate(goal.arguments(data, runs, seed, folder))
    test = found["metrics"]["test"]
    if ablation.metric not in test:
        raise UnknownName("metric", ablation.metric, test)
    figures = [f"{test[ablation.metric]:.5f}", f"{seconds:.1f}", goals.epochs_of(folder)]
    return [ablation.name, switch, seed, ablation.metric, *figures, *origin()]


def summary(values: dict[str, dict[int, float]]) -> list[str]:
    """Mean ± sample deviation, and the mean of the differences from the base, seed by seed, ± its standard error.

    Args:
        values: by switch, then by seed.

    >>> print("\\n".join(summary({"base": {0: 0.8, 1: 0.9}, "ema": {0: 0.7, 1: 0.9}, "flip": {0: 0.5}, "clip": {}})))
      base: 0.8500 ± 0.0707 (n = 2)
      ema: 0.8000 ± 0.1414 (n = 2), -0.0500 ± 0.0500
      flip: 0.5000 (n = 1), -0.3000
      clip: none
    """
    lines = []
    for switch, found in values.items():
        if not found:
            lines.append(f"  {switch}: none")
            continue
        line = f"  {switch}: {_with_spread(list(found.values()))} (n = {len(found)})"
        shared = [seed for seed in found if seed in values[BASE]]
        if switch != BASE and shared:
            gained = [found[seed] - values[BASE][seed] for seed in shared]
            line += f", {statistics.mean(gained):+.4f}"
            if len(gained) > 1:
                line += f" ± {statistics.stdev(gained) / math.sqrt(len(gained)):.4f}"
        lines.append(line)
    return lines


def _with_spread(values: list[float]) -> str:
    spread = f" ± {statistics.stdev(values):.4f}" if len(values) > 1 else ""
    return f"{statistics.mean(values):.4f}{spread}"
