"""What two Runs answered for the same samples: read, put in one order, and made ready for metrics."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from striate.core.artifacts import read_json
from striate.core.boxes import LABEL, parted
from striate.core.errors import DataError, RunError
from striate.core.options import with_options
from striate.core.plan import Plan
from striate.core.records import TargetKind
from striate.core.run import RunFolder
from striate.core.wording import plural, some
from striate.metrics import METRICS, ExpectedCost, Floats, Metric, metric_names, split_rows
from striate.metrics.pinball import Pinball
from striate.plan import read_plan
from striate.tasks import TASKS, cost_matrix
from striate.workflows.scores import Kept, read_rows, read_scores

NEAR = 0.1
"""Pixels that edges of boxes may differ by: each Run has brought them to its own input's size and back."""

_AGAIN = "score both on one labelled set with `striate evaluate RUN DATA`, or train both by one `split.file`"


@dataclass(frozen=True)
class Answers:
    """What a Run predicted for one split.

    Args:
        rows: of `predictions.csv`, by key.
        groups: by key, what a sample belongs with, where it does.
    """

    path: Path
    task: str
    headline: str
    plan: Plan
    rows: Mapping[str, Mapping[str, str]]
    groups: Mapping[str, str]


@dataclass(frozen=True)
class Prepared:
    """What metrics see of two Runs.

    Args:
        metrics: those that can be known of both.
        seen: by metric, what it sees of each Run, (N, K).
        targets: (N, K).
        notes: which metrics cannot be known, and why.
    """

    metrics: dict[str, Metric]
    seen: tuple[dict[str, Floats], dict[str, Floats]]
    targets: Floats
    notes: tuple[str, ...]


def answers(run: RunFolder, part: str) -> Answers:
    for path in (run.metrics, run.predictions, run.split, run.plan):
        if not path.exists():
            raise RunError(
                f"{run.path} has no {path.name}: it is not finished",
                fix=f"go on with `striate train --resume {run.path}`",
            )
    metrics = read_json(run.metrics)
    rows = {row["key"]: row for row in _table(run.predictions) if row["split"] == part}
    if not rows:
        other = "val" if part == "test" else "test"
        raise DataError(
            f"{run.path} has no predictions for a split {part!r}",
            fix=f"compare another: `--split {other}`, or score both with `striate evaluate RUN DATA`",
        )
    split = _table(run.split)  # of folds, the unit is what a sample is drawn with; of others its group
    homes = {row["key"]: row.get("unit", row["group"]) for row in split if row["key"] in rows}
    groups = {key: home for key, home in homes.items() if home}
    return Answers(run.path, metrics["task"], metrics["headline"], Plan(read_plan(run.plan)), rows, groups)


def joined_groups(first: Answers, second: Answers, keys: Sequence[str]) -> list[str | None]:
    """What each sample belongs with by either Run, joined: an answer that depends on their order would be none."""
    home: dict[tuple[int, str], tuple[int, str]] = {}

    def root(one: tuple[int, str]) -> tuple[int, str]:
        while home.setdefault(one, one) != one:
            one = home[one]
        return one

    mine = {key: [(at, run.groups[key]) for at, run in enumerate((first, second)) if key in run.groups] for key in keys}
    for names in mine.values():
        for other in names[1:]:
            home[root(other)] = root(names[0])
    return [" ".join(map(str, root(names[0]))) if names else None for names in mine.values()]


def _table(path: Path) -> list[dict[str, str]]:
    with open(path, newline="", encoding="utf-8", errors="surrogateescape") as file:
        return list(csv.DictReader(file))


def same_samples(first: Answers, second: Answers, *, part: str) -> list[str]:
    """The keys that both were judged by. Raises where these are not all, or not with the same targets."""
    if first.task != second.task:
        raise RunError(
            f"{first.path} is of the task {first.task} and {second.path} of {second.task}; one was expected",
            fix="compare Runs of one task",
        )
    shared = sorted(first.rows.keys() & second.rows.keys())
    if len(shared) != len(first.rows) or len(shared) != len(second.rows):
        counts = f"{len(first.rows):,} and {len(second.rows):,} {part} samples"
        raise DataError(
            f"the Runs were judged by different samples: of {counts} they share {len(shared):,}, and a paired test "
            "needs the same ones",
            fix=_AGAIN,
        )
    columns = [name for name in next(iter(first.rows.values())) if name.startswith("target")]
    if any(name not in next(iter(second.rows.values())) for name in columns):
        raise DataError(f"the Runs do not predict the same values ({', '.join(columns)})", fix="compare others")
    odd = [key for key in shared if any(first.rows[key][name] != second.rows[key][name] for name in columns)]
    _refuse_others(odd)
    if len(shared) < 2:
        raise DataError("both Runs were judged by one sample; a paired test needs at least two", fix=_AGAIN)
    return shared


def _refuse_others(keys: Sequence[str]) -> None:
    """Raises where there are samples with other targets."""
    if keys:
        raise DataError(
            f"{plural(len(keys), 'sample has', 'samples have')} another target in one Run than in the other: "
            f"{some(keys)}",
            fix=_AGAIN,
        )


def prepared(runs: tuple[Answers, Answers], keys: Sequence[str], part: str) -> Prepared:
    """What metrics see of both Runs, the samples in the order of the keys.

    Args:
        part: the split that they are of.
    """
    kind = TASKS.get(runs[0].task).kind
    if kind in ("mask", "boxes"):
        return _of_rows(runs, keys, kind, part)
    return _of_values(runs, keys) if kind == "value" else _of_classes(runs, keys, kind, part)


def _of_values(runs: tuple[Answers, Answers], keys: Sequence[str]) -> Prepared:
    columns = [name for name in next(iter(runs[0].rows.values())) if name.startswith("target_")]
    values = [_numbers(run, keys, [f"prediction_{name[7:]}" for name in columns]) for run in runs]
    metrics = {name: METRICS.get(name)("value", len(columns)) for name in metric_names("value", len(columns))}
    aims = [(run.plan.get("loss.name"), run.plan.get("loss.options") or {}) for run in runs]
    left_out = ["pinball"] if "quantile" in (aims[0][0], aims[1][0]) else []
    if left_out and aims[0] == aims[1]:  # else they aim at other shares, and neither is right for both
        metrics["pinball"] = with_options(Pinball, aims[0][1], "the metric pinball")("value", len(columns))
        left_out = []
    seen = dict.fromkeys(metrics, values[0]), dict.fromkeys(metrics, values[1])
    return Prepared(metrics, seen, _numbers(runs[0], keys, columns), _unlike(left_out))


def _of_rows(runs: tuple[Answers, Answers], keys: Sequence[str], kind: TargetKind, part: str) -> Prepared:
    """Of masks and boxes, where a row holds prediction and truth."""
    rows = [read_rows(RunFolder(run.path), part, len(run.rows)) for run in runs]
    classes = [_classes(run) for run in runs]
    if set(classes[0]) != set(classes[1]):
        odd = some(sorted({*classes[0]} ^ {*classes[1]}))
        raise DataError(
            f"the Runs do not know the same classes: {odd} is of one of them alone",
            fix="compare Runs of one set of classes",
        )
    if classes[0] != classes[1]:
        raise DataError(
            f"the Runs have their classes in other orders: {some(classes[0])}, and {some(classes[1])}",
            fix="train both on data of the same list of classes",
        )
    count = len(classes[0])
    metrics = {name: METRICS.get(name)(kind, count) for name in metric_names(kind, count)}
    ordered = []
    for run, found in zip(runs, rows, strict=True):
        places = {key: place for place, key in enumerate(run.rows)}
        ordered.append(found[[places[key] for key in keys]])
    first, second = (_true_of(found, kind, count) for found in ordered)
    apart = np.abs(first - second).max(axis=1, initial=0.0)
    _refuse_others([key for key, one in zip(keys, apart.tolist(), strict=True) if one > NEAR])
    seen = dict.fromkeys(metrics, ordered[0]), dict.fromkeys(metrics, ordered[1])
    return Prepared(metrics, seen, np.zeros((len(keys), 0)), ())


def _true_of(rows: NDArray[np.float64], kind: TargetKind, classes: int) -> NDArray[np.float64]:
    """What is true of each picture, (N, …): how many pixels are of each class, or how many boxes, and the mean of their
    edges."""
    if kind == "mask":
        return np.asarray(split_rows(rows).confusion.sum(2), np.float64)
    _, truths = parted(rows)
    of_class = (truths[..., LABEL, None] == np.arange(classes)).astype(np.float64)  # (N, M, K)
    counts = of_class.sum(1)
    edges = np.einsum("nme,nmk->nke", truths[..., :LABEL], of_class) / np.maximum(counts, 1)[..., None]
    return np.concatenate([counts, edges.reshape(len(rows), -1)], axis=1)


def _of_classes(runs: tuple[Answers, Answers], keys: Sequence[str], kind: TargetKind, part: str) -> Prepared:
    kept = [_kept(run, kind, part) for run in runs]
    whole = [one for one in kept if isinstance(one, Kept)]
    said = [[_classes_in(run.rows[key]["prediction"], kind) for key in keys] for run in runs]
    true = [_classes_in(runs[0].rows[key]["target"], kind) for key in keys]
    known_to = [_classes(run) for run in runs]
    met = {name for rows in (true, *said) for row in rows for name in row}
    first_known = list(whole[0].classes) if whole else []  # in their order, by which the first of equals is taken
    others = met.union(*known_to, *(one.classes for one in whole))
    classes = [*first_known, *sorted(others - {*first_known})]
    targets, decided = _indicators(true, classes), [_indicators(rows, classes) for rows in said]
    names = metric_names(kind, len(classes))
    if len(whole) == len(runs):
        sure = [_spread(run, one, keys, classes) for run, one in zip(runs, whole, strict=True)]
        lacking: list[str] = []
    else:
        sure = [_sureness(run, keys, targets, kind) for run in runs]
        lacking = [name for name in names if not _is_known(name)]
    metrics = {name: METRICS.get(name)(kind, len(classes)) for name in names if name not in lacking}
    costs, left_out = [run.plan.get("evaluate.costs") for run in runs], []
    if costs[0] is not None and costs[0] == costs[1] and {*known_to[0]} == {*known_to[1]}:
        metrics["expected_cost"] = ExpectedCost(kind, len(classes), cost_matrix(costs[0], tuple(classes)))
    elif costs != [None, None]:
        left_out.append("expected_cost")
    first, second = (
        {name: decisions if metric.of_decisions else chances for name, metric in metrics.items()}
        for decisions, chances in zip(decided, sure, strict=True)
    )
    return Prepared(metrics, (first, second), targets, (*_lacking(lacking, runs, kept), *_unlike(left_out)))


def _lacking(metrics: Sequence[str], runs: tuple[Answers, Answers], kept: Sequence[Kept | str]) -> tuple[str, ...]:
    """That metrics are not compared as not all scores are known, and of which Run why."""
    if not metrics:
        return ()
    names = named(runs[0].path, runs[1].path)
    why = "; ".join(f"{name}: {one}" for name, one in zip(names, kept, strict=True) if isinstance(one, str))
    return (f"Not compared, as they ask for the probability of every class: {', '.join(metrics)} ({why}).",)


def _unlike(metrics: Sequence[str]) -> tuple[str, ...]:
    """That metrics are not compared as they would mean different things."""
    return (f"Not compared, as the Runs mean different things by it: {', '.join(metrics)}.",) if metrics else ()


def _kept(run: Answers, kind: TargetKind, part: str) -> Kept | str:
    """Every score of a Run's split, or why they are not known."""
    losses = [float(row["loss"]) for row in run.rows.values()]
    truths = [_classes_in(row["target"], kind) for row in run.rows.values()]
    return read_scores(RunFolder(run.path), part, kind, losses, truths)


def _spread(run: Answers, kept: Kept, keys: Sequence[str], classes: Sequence[str]) -> Floats:
    """The scores of a Run in the order of keys and classes, (N, K); of a class that it does not know, 0."""
    places = {key: place for place, key in enumerate(run.rows)}
    columns = {name: place for place, name in enumerate(classes)}
    found = np.zeros((len(keys), len(classes)))
    found[:, [columns[name] for name in kept.classes]] = kept.scores[[places[key] for key in keys]]
    return found


def _is_known(name: str) -> bool:
    """Whether a metric follows from what `predictions.csv` holds: the decision, and how likely the truth was held."""
    return METRICS.get(name).of_decisions or name == "log_loss"


def _classes(run: Answers) -> list[str]:
    """The classes of a Run in their order, also those that no sample of the split has."""
    tables = read_json(RunFolder(run.path).metrics).get("per_class", {})
    return list(dict.fromkeys(str(row["class"]) for table in tables.values() for row in table if "class" in row))


def _classes_in(text: str, kind: str) -> list[str]:
    """What a cell of `predictions.csv` names."""
    return [text] if kind == "label" else [name for name in text.split(";") if name]


def _indicators(rows: Sequence[Sequence[str]], classes: Sequence[str]) -> Floats:
    places = {name: place for place, name in enumerate(classes)}
    table = np.zeros((len(rows), len(classes)))
    for row, names in enumerate(rows):
        table[row, [places[name] for name in names]] = 1.0
    return table


def _sureness(run: Answers, keys: Sequence[str], targets: Floats, kind: str) -> Floats:
    """Probabilities that have the log loss of those that the Run gave, (N, K)."""
    losses = np.array([float(run.rows[key]["loss"]) for key in keys])
    likelihood = np.exp(-losses / (targets.shape[1] if kind == "labels" else 1))[:, None]
    return np.asarray(np.where(targets > 0, likelihood, 1 - likelihood))


def _numbers(run: Answers, keys: Sequence[str], columns: Sequence[str]) -> NDArray[np.float64]:
    return np.array([[float(run.rows[key][name]) for name in columns] for key in keys])


def named(first: Path, second: Path) -> tuple[str, str]:
    """What the two are called: by their folder's name where these differ."""
    return (first.name, second.name) if first.name != second.name else (str(first), str(second))
