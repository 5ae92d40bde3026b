"""The diagnosis of a training: its evidence gathered, its findings written into the Run and told."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from striate.core.artifacts import write_json
from striate.core.events import Reporter
from striate.core.plan import Plan
from striate.core.run import RunFolder
from striate.evaluate import score
from striate.evaluate.findings import FINDINGS, Evidence, Judged, diagnose, doubt_of
from striate.plan.rules.optimizer import default_rate
from striate.tasks import Task
from striate.train.state import Counters
from striate.workflows.materials import Learnt, Materials

FORMAT = 1
ROUGH = 200
"""Resamples for intervals of which no more than their width matters."""


def known(task: Task, learnt: Learnt, seed: int) -> dict[str, Any]:
    """The metrics on training samples as they are, which say no more than what was learnt."""
    return _rough(task, learnt.scores, learnt.targets, learnt.groups, seed)


def _rough(
    task: Task, rows: NDArray[np.float32], targets: NDArray[np.float32], groups: Sequence[str | None], seed: int
) -> dict[str, Any]:
    result = score(task, rows, targets, groups, seed=seed, resamples=ROUGH)
    return {name: value for name, value in result.items() if name not in ("per_class", "confusion", "undefined")}


def write_diagnosis(
    run: RunFolder,
    materials: Materials,
    plan: Plan,
    counters: Counters,
    metrics: Mapping[str, Any],
    scores: Mapping[str, NDArray[np.float32]],
    learnt: Learnt,
    reporter: Reporter,
) -> None:
    """Write `diagnosis.json`: the findings, and the alarms that were told while training.

    Args:
        metrics: as `metrics.json` holds them.
        scores: what the network gave for the held-out splits, before calibration.
        learnt: what it gave for some training samples.
    """
    found = diagnose(_evidence(run, materials, plan, counters, metrics, scores, learnt))
    content = {
        "striate_diagnosis": FORMAT,
        "looked_for": [name.replace("_", " ") for name in FINDINGS.names()],
        "findings": [asdict(one) for one in found],
        "alarms": counters.alarms,
    }
    write_json(run.diagnosis, content)
    for one in found:
        flag = f" (`{one.flag}`)" if one.flag else ""
        reporter.warn(f"{one.name}: {one.figures}. Try: {one.advice}{flag}")


def _evidence(
    run: RunFolder,
    materials: Materials,
    plan: Plan,
    counters: Counters,
    metrics: Mapping[str, Any],
    scores: Mapping[str, NDArray[np.float32]],
    learnt: Learnt,
) -> Evidence:
    task, audit, tuned = materials.task, materials.prepared.audit, plan["network.weights"] is not None
    name = judged_by(task, str(plan["train.metric"]))
    lines = run.history.read_text("utf-8").splitlines() if run.history.exists() else []
    single = task.kind == "label" and "val" in scores
    train, val = _judged(materials, metrics, scores, learnt, name)
    targets = materials.targets["val"].numpy() if "val" in scores else np.zeros((0, 1))
    return Evidence(
        kind=task.kind,
        metric=name,
        train=train,
        val=val,
        history=[json.loads(line) for line in lines],
        best_epoch=counters.best_epoch,
        loss_error=_half(metrics.get("val", {}), "rmse" if task.kind == "value" else "log_loss"),
        chance=float(targets.mean(0).max()) if single else 0.0,
        doubt=doubt_of(scores["val"], targets) if single else None,
        samples=materials.count("train"),
        duplicates=len(audit.duplicates),
        conflicts=len(audit.conflicts),
        rate=float(plan["optimizer.rate"]),
        usual_rate=default_rate(plan["optimizer.name"], min(plan["batch.size"], materials.count("train")), tuned=tuned),
        optimizer=str(plan["optimizer.name"]),
        epochs=int(plan["train.epochs"]),
        minutes=plan["train.minutes"],
        tuned=tuned,
        kept_share=float(plan["transfer.kept_share"]),
        network=str(plan["network.name"]),
        arguments=plan["network.arguments"],
        parameters=int(metrics["training"]["parameters"]),
        ended_by=counters.done,
    )


def _judged(
    materials: Materials,
    metrics: Mapping[str, Any],
    scores: Mapping[str, NDArray[np.float32]],
    learnt: Learnt,
    name: str,
) -> tuple[Judged | None, Judged | None]:
    """The scores on training samples and on validation; None where they say nothing of what was learnt.

    Decisions by costs are wrong on purpose, so that there the likeliest class is judged. A quantile other than the
    median is no guess at the value, so that R² does not judge it.
    """
    task = materials.task
    if task.settings.loss == "quantile" and float(task.settings.loss_options.get("share", 0.5)) != 0.5:
        return None, None
    found = {part: metrics.get(part, {}) for part in ("train", "val")}
    if task.settings.costs is not None:
        plain, seed = type(task)(task.target_names, replace(task.settings, costs=None)), materials.plan["train.seed"]
        found["train"] = known(plain, learnt, seed)
        if "val" in scores:
            groups = [sample.group for sample in materials.samples["val"]]
            found["val"] = _rough(plain, scores["val"], materials.targets["val"].numpy(), groups, seed)
    return Judged.of(found["train"], name), Judged.of(found["val"], name)


def _half(metrics: Mapping[str, Any], name: str) -> float | None:
    """The standard error of a metric, from its 95 % interval."""
    interval = metrics.get(f"{name}_interval")
    return None if interval is None else float(interval[1] - interval[0]) / (2 * 1.96)


def judged_by(task: Task, headline: str) -> str:
    """The metric that findings read, at most 1: R² of values; of classes the headline, or accuracy where it is a loss.

    >>> from striate.tasks import make_task
    >>> from striate.core.records import Sample, Value
    >>> samples = [Sample("a", (), Value((1.0,))), Sample("b", (), Value((2.0,)))]
    >>> options = {"loss": "huber", "loss_options": {}, "class_weights": "none"}
    >>> judged_by(make_task("regress", ("n",), samples, **options), "mae")
    'r2'
    """
    if task.kind == "value":
        return "r2"
    return headline if task.higher_is_better(headline) else task.headline
