"""The diagnosis of a training: its evidence gathered, its findings written into the Run and told."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from striate.core.artifacts import write_json
from striate.core.events import Reporter
from striate.core.plan import Plan
from striate.core.run import RunFolder
from striate.evaluate.findings import FINDINGS, Evidence, Judged, diagnose, doubt_of
from striate.plan.rules.optimizer import default_rate
from striate.tasks import Task
from striate.train.state import Counters
from striate.workflows.materials import Materials

FORMAT = 1


def write_diagnosis(
    run: RunFolder,
    materials: Materials,
    plan: Plan,
    counters: Counters,
    metrics: Mapping[str, Any],
    scores: Mapping[str, NDArray[np.float32]],
    reporter: Reporter,
) -> None:
    """Write `diagnosis.json`: the findings, and the alarms that were told while training.

    Args:
        metrics: as `metrics.json` holds them.
        scores: what the network gave for the held-out splits.
    """
    found = diagnose(_evidence(run, materials, plan, counters, metrics, scores))
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
) -> Evidence:
    task, audit, tuned = materials.task, materials.prepared.audit, plan["network.weights"] is not None
    name = judged_by(task, str(plan["train.metric"]))
    lines = run.history.read_text("utf-8").splitlines() if run.history.exists() else []
    single = task.kind == "label" and "val" in scores
    targets = materials.targets["val"].numpy() if "val" in scores else np.zeros((0, 1))
    return Evidence(
        kind=task.kind,
        metric=name,
        train=Judged.of(metrics.get("train", {}), name),
        val=Judged.of(metrics.get("val", {}), name),
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
        network=str(plan["network.name"]),
        arguments=plan["network.arguments"],
        ended_by=counters.done,
    )


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
