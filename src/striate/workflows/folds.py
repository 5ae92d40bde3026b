"""`train --folds`: as many trainings as folds, each of which holds other samples out, scored together.

Without a given test every sample is tested once, by the network of the fold that held it out; with one, every sample
validates once, and the test is scored by the mean of all networks. Each fold is a Run of its own; what is asked of the
whole is asked of the mean of their Models. Stopped at any moment, it goes on with the fold that was running.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from striate.core.artifacts import make_folder, read_json, write_bytes, write_csv, write_json
from striate.core.errors import Interrupted, RunError, StriateError, UsageError
from striate.core.events import Reporter
from striate.core.machine import processors
from striate.core.plan import Decision
from striate.core.records import Dataset, Sample
from striate.core.run import RunFolder
from striate.data.audit import DAMAGE_LIMIT, Audit
from striate.data.split import SplitTable, make_split, rotates, units_together
from striate.evaluate import score
from striate.infer import Model
from striate.infer.ensemble import mean_scores, plain
from striate.plan.planner import read_plan
from striate.tasks import Task
from striate.train.followers import require
from striate.workflows import train as single
from striate.workflows.finish import prediction_header, prediction_rows
from striate.workflows.lineage import keep_lineage, known_fates
from striate.workflows.request import Request, array_bytes, check_function, environment
from striate.workflows.stages import audited, read_dataset, small_cache

_THRESHOLDS = (
    "Thresholds were moved in each fold by its own validation samples; the score of all folds decides for the likeliest "
    "class instead."
)


def folds_of(request: Request) -> int | None:
    """How many folds are to be trained; None where one training is asked for, be it of one fold."""
    count, number = (request.overrides.get(key) for key in ("split.folds", "split.fold"))
    return None if count is None or (number is not None and number.value is not None) else count.value


def train(request: Request, path: Path, device: str, reporter: Reporter, started: float) -> RunFolder:
    """Train into a new Run, once or for each fold; see `striate.workflows.train.train`."""
    count = folds_of(request)
    if count is None:
        return single.train(request, path, device, reporter, started)
    require(request.follow)
    existed = path.exists()
    run = RunFolder.create(path, {**environment(request), "device": device})
    try:
        if request.read.arrays is not None:
            write_bytes(run.arrays, array_bytes(request.read.arrays))
        budget = None if request.minutes is None else 60 * request.minutes - (time.monotonic() - started)
        _train(run, request, count, device, reporter, budget)
    except StriateError:
        if not run.folds.is_dir() or not any(run.folds.iterdir()):  # there is nothing to go on with
            shutil.rmtree(path, ignore_errors=True)
            if existed:
                make_folder(path)
        raise
    finally:
        run.unlock()
    return run


def resume(
    path: Path, reporter: Reporter, epochs: int | None = None, more: int | None = None, follow: Sequence[str] = ()
) -> RunFolder:
    """Go on with a Run; with one of folds, by the fold that was running. See `striate.workflows.train.resume`.

    Raises:
        UsageError: a Run of folds cannot be extended, nor followed by what it was not begun with.
    """
    run = RunFolder.open(path)
    content = run.read_environment()
    if not run.folds.is_dir() and _asked_folds(content) is None:
        return single.resume(path, reporter, epochs, more, follow)
    if epochs is not None or more is not None or set(follow) - set(content["request"].get("follow", [])):
        raise UsageError(
            f"{path} is a Run of folds, which goes on as it was begun: it is not extended, and not followed anew",
            fix=f"train anew with more epochs, or extend one fold alone: --resume {run.fold(1).path}",
        )
    run.lock()
    try:
        if run.metrics.exists():
            reporter.line(f"{path} is trained and scored already")
            return run
        arrays = dict(np.load(run.arrays, allow_pickle=False)) if run.arrays.exists() else None
        request = Request.from_dict(content["request"], arrays)
        count = folds_of(request)
        if count is None:
            raise RunError(f"{path} has folds, and its request asks for none: environment.json was changed")
        budget = None if request.minutes is None else 60 * request.minutes
        _train(run, request, count, content.get("device", "auto"), reporter, budget)
    finally:
        run.unlock()
    return run


def _asked_folds(content: Mapping[str, Any]) -> int | None:
    overrides = content.get("request", {}).get("overrides", {})
    count, number = overrides.get("split.folds"), overrides.get("split.fold")
    return None if count is None or (number is not None and number[0] is not None) else count[0]


@dataclass(frozen=True)
class _Divided:
    """The data, and how each fold divides it.

    Args:
        part: what a fold is held out as, "test" or "val".
        splits: of each fold.
        holder: by key, the fold that holds it out, from 1 on.
    """

    dataset: Dataset
    audit: Audit
    part: str
    splits: Sequence[SplitTable]
    holder: Mapping[str, int]

    def whole(self) -> SplitTable:
        """Every sample as it is scored: what a fold holds out is in that split."""
        fates = {**self.splits[0].fates, **dict.fromkeys(self.holder, self.part)}
        return SplitTable(fates, self.splits[0].reasons)


def _train(run: RunFolder, request: Request, count: int, device: str, reporter: Reporter, budget: float | None) -> None:
    """Train the folds that are not finished, and score all.

    Args:
        budget: seconds for all folds, None without one.
    """
    try:
        began, fresh = time.monotonic(), not run.folds.is_dir()
        divided = _divide(run, request, count, reporter)
        for number in range(1, count + 1):
            share = None if budget is None else budget / count
            if budget is not None and fresh:  # of a Run that goes on, what is gone is not known
                share = max(1.0, budget - (time.monotonic() - began)) / (count - number + 1)
            _train_fold(run, request, number, count, device, reporter, share, divided)
        reporter.stage("scoring the folds together")
        _finish(run, divided, count)
    except KeyboardInterrupt:
        raise _stopped(run) from None
    except Interrupted as error:
        raise Interrupted(error.message, fix=_stopped(run).fix) from None


def _stopped(run: RunFolder) -> Interrupted:
    return Interrupted("stopped between two folds", fix=f"go on with `striate train --resume {run.path}`")


def _divide(run: RunFolder, request: Request, count: int, reporter: Reporter) -> _Divided:
    """Read, audit and divide; the same again for a Run that goes on."""
    check_function(request)
    chosen = request.overrides
    dataset = read_dataset(request.read, reporter)
    limit, near = chosen.get("split.damage_limit"), chosen.get("split.near_duplicates")
    audit = audited(
        dataset,
        run,
        processors(),
        limit.value if limit else DAMAGE_LIMIT,
        small_cache("audits", chosen),
        reporter,
        near.value if near else True,
    )
    seed, file = chosen.get("split.seed"), chosen.get("split.file")
    known = None if run.split.exists() else known_fates(request.weights, audit)
    splits = [
        make_split(
            dataset,
            audit,
            seed=seed.value if seed else 0,
            file=file.value if file else None,
            known=known,
            fold=(number, count),
        )
        for number in range(1, count + 1)
    ]
    given = set(dataset.given_splits) if file is None or file.value is None else _splits_in(file.value, dataset)
    part = rotates(given)
    holder = {key: number for number, split in enumerate(splits, start=1) for key in split.keys(part)}
    divided = _Divided(dataset, audit, part, splits, holder)
    if run.split.exists():
        if SplitTable.read(run.split, dataset).fates != divided.whole().fates:
            raise RunError(
                f"{dataset.path} has other targets or groups than when {run.path} was started",
                fix="train again on the data as it is now",
            )
        return divided
    for note in splits[0].notes[1:]:
        reporter.line(note)
    sizes = [sum(one == number for one in holder.values()) for number in range(1, count + 1)]
    words = "test" if part == "test" else "validation, and the given test scores all"
    reporter.line(
        f"{len(holder):,} samples in {count} folds of {min(sizes)} to {max(sizes)}, each in turn held out as {words}"
    )
    divided.whole().write(run.split, dataset, holder)
    return divided


def _splits_in(file: str, dataset: Dataset) -> set[str]:
    return set(SplitTable.read(file, dataset).fates.values())


def _train_fold(
    run: RunFolder,
    request: Request,
    number: int,
    count: int,
    device: str,
    reporter: Reporter,
    share: float | None,
    divided: _Divided,
) -> None:
    """Train one fold from wherever it is.

    Args:
        share: seconds for it, None without a budget.
    """
    fold = run.fold(number)
    if fold.metrics.exists():
        reporter.line(f"fold {number} of {count} is trained and scored already")
        return
    reporter.line(f"fold {number} of {count}")
    if fold.environment.exists():
        single.resume(fold.path, reporter)
        return
    if fold.path.exists():  # it was stopped before it was a Run
        shutil.rmtree(fold.path)
    asked = _request_of(request, number, count, None if share is None else share / 60)

    def begin(folder: RunFolder) -> None:
        write_json(folder.audit, divided.audit.to_dict())
        if divided.audit.hashes:
            keep_lineage(folder, divided.splits[number - 1], divided.audit, request.weights)
        divided.splits[number - 1].write(folder.split, divided.dataset)

    single.train(asked, fold.path, device, reporter, time.monotonic(), begin)


def _request_of(request: Request, number: int, count: int, minutes: float | None) -> Request:
    overrides = {**request.overrides, "split.fold": Decision(number, f"the Run is one of {count} folds", "user")}
    if minutes is not None:
        said = f"its share of {request.minutes:g} minutes for {count} folds"
        overrides["train.minutes"] = Decision(round(minutes, 4), said, "user")
    return replace(request, overrides=overrides, minutes=minutes)


def _finish(run: RunFolder, divided: _Divided, count: int) -> None:
    """Score all folds together and write what a Run is read by; `metrics.json` comes last."""
    runs = [run.fold(number) for number in range(1, count + 1)]
    found = [read_json(one.metrics) for one in runs]
    plan = read_plan(runs[0].plan)
    own = Model.load(runs[0].model).task
    moved = any(read_plan(one.plan)["evaluate.thresholds"].value == "moved" for one in runs)
    task, seed = plain(own), int(plan["train.seed"].value)
    samples = {sample.key: sample for sample in divided.dataset.samples}
    scored = _scored(runs, divided)
    units = _units(divided, samples)
    results: dict[str, Any] = {}
    tables: dict[str, dict[str, Any]] = {"per_class": {}, "confusion": {}}
    undefined: list[str] = []
    rows = []
    for part, (keys, scores) in scored.items():
        those = [samples[key] for key in keys]
        targets = task.encode(those).numpy()
        result = score(task, scores, targets, [units.get(key) for key in keys], seed=seed)
        tables["per_class"][part] = result.pop("per_class")
        if "confusion" in result:
            tables["confusion"][part] = {"classes": list(task.target_names), "matrix": result.pop("confusion")}
        undefined += [f"{part}, {name}: {why}" for name, why in result.pop("undefined").items()]
        results[part] = result
        rows += [[part, divided.holder.get(row[0], ""), *row] for row in prediction_rows(task, scores, targets, those)]
    write_csv(run.predictions, ["split", "fold", *prediction_header(task)], rows)
    make_folder(run.figures)
    write_json(run.figures / "index.json", [])
    fates = list(divided.whole().fates.values())
    said = [sentence for one in found for sentence in one["not_checked"] if not _of_figures(sentence)]
    metrics = {
        "task": task.name,
        "headline": found[0]["headline"],
        **results,
        **tables,
        "undefined": undefined,
        "folds": _spread(task, found, divided.part),
        "training": _training(found),
        "split": {fate: fates.count(fate) for fate in ("train", "val", "test", "quarantined", "excluded")},
        "scored": 1,
        "not_checked": [*dict.fromkeys(said), *([_THRESHOLDS] if moved else [])],
    }
    write_json(run.metrics, metrics)


def _of_figures(sentence: str) -> bool:
    return "not drawn" in sentence


def _scored(runs: Sequence[RunFolder], divided: _Divided) -> dict[str, tuple[list[str], NDArray[np.float32]]]:
    """Keys and scores of what the folds held out; and of a given test the mean of all."""
    held = [dict(np.load(one.held_out, allow_pickle=False)) for one in runs]
    keys: list[str] = []
    rows: list[NDArray[np.float32]] = []
    for split, one in zip(divided.splits, held, strict=True):
        keys += split.keys(divided.part)
        rows.append(one[divided.part])
    found = {divided.part: (keys, np.concatenate(rows))}
    if divided.part == "val":
        found["test"] = (divided.splits[0].keys("test"), mean_scores([one["test"] for one in held]))
    return found


def _units(divided: _Divided, samples: Mapping[str, Sample]) -> dict[str, str]:
    """By key, the name of the unit that it is drawn with, of those that have several samples."""
    scored = [sample for key, sample in sorted(samples.items()) if divided.whole().fates[key] in ("val", "test")]
    found = units_together(scored, divided.audit)
    return {sample.key: unit[0].key for unit in found if len(unit) > 1 for sample in unit}


def _spread(task: Task, found: Sequence[Mapping[str, Any]], part: str) -> dict[str, Any]:
    """Each fold's figures on what it held out, and how far they are apart."""
    each = []
    for number, one in enumerate(found, start=1):
        figures = {
            name: value for name, value in one[part].items() if name in ("samples", "groups", *task.metric_names)
        }
        intervals = {f"{name}_interval": one[part].get(f"{name}_interval") for name in task.metric_names}
        each.append({"fold": number, **figures, **intervals, "epochs": one["training"]["epochs"]})
    spread = {}
    for name in task.metric_names:
        values = [one[name] for one in each if isinstance(one.get(name), int | float)]
        if len(values) > 1:
            spread[name] = {
                "mean": float(np.mean(values)),
                "deviation": float(np.std(values, ddof=1)),
                "least": min(values),
                "most": max(values),
            }
    return {"count": len(found), "held_out": part, "each": each, "spread": spread}


def _training(found: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The trainings of all folds in a few figures."""
    each = [one["training"] for one in found]
    seconds = sum(one["seconds"] for one in each)
    shown = sum(one["seconds"] * one["samples_per_second"] for one in each)
    return {
        "seconds": round(seconds, 3),
        "epochs": sum(one["epochs"] for one in each),
        "steps": sum(one["steps"] for one in each),
        "samples_per_second": round(shown / max(seconds, 1e-9), 2),
        "parameters": each[0]["parameters"],
        "macs": each[0]["macs"],
    }
