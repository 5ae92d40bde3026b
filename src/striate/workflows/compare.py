"""`compare`: two Runs by their predictions for the same samples, and what their plans decide otherwise."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from striate.core.artifacts import read_json
from striate.core.errors import DataError, RunError
from striate.core.options import with_options
from striate.core.plan import Plan
from striate.core.run import RunFolder
from striate.core.wording import plural, some
from striate.evaluate import units_of
from striate.evaluate.paired import Difference, differences, mcnemar
from striate.metrics import METRICS, ExpectedCost, Floats, Metric, metric_names
from striate.metrics.pinball import Pinball
from striate.plan import read_plan
from striate.tasks import TASKS, cost_matrix

SHARES = ("accuracy", "f1", "precision", "recall")
"""How the names end of metrics that are shares, whose differences are told in points."""
ABSENT = "(no such leaf)"
_AGAIN = "score both on one labelled set with `striate evaluate RUN DATA`, or train both by one `split.file`"


@dataclass(frozen=True)
class _Answers:
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


def compare(first: RunFolder, second: RunFolder, part: str = "test", seed: int = 0) -> dict[str, Any]:
    """Judge two Runs by the same samples.

    Args:
        part: the split, "test" or "val".
        seed: of resamples and swaps; the same seed gives the same figures.

    Returns:
        plain values: `runs`, `split`, `samples`, `groups` (None without), `headline`, `metrics` by name as
        `striate.evaluate.paired.Difference` has them, `decisions` (samples that only one is right about, where each
        has one class), `better` (a path, or None), `words`, `notes`, and `plan`: both values of each leaf that differs.

    Raises:
        RunError: a Run is not finished, or they are of different tasks.
        DataError: they were not judged by the same samples, or by fewer than two.
    """
    runs = _answers(first, part), _answers(second, part)
    keys = _same_samples(*runs, part=part)
    metrics, seen, targets, left_out = _prepared(runs, keys)
    groups = _groups(*runs, keys)
    units = units_of(groups) if any(groups) else None
    found = differences(metrics, seen[0], seen[1], targets, units=units, seed=seed)
    headline = runs[0].headline if runs[0].headline in found else TASKS.get(runs[0].task).headline
    judged = found[headline]
    names = _named(runs[0].path, runs[1].path)
    content: dict[str, Any] = {
        "runs": [str(run.path) for run in runs],
        "split": part,
        "samples": len(keys),
        "groups": None if units is None else int(units.max()) + 1,
        "headline": headline,
        "metrics": {name: asdict(one) for name, one in found.items()},
        "better": _better(runs, judged, metrics[headline]),
        "words": _words(names, headline, judged, metrics[headline], len(keys)),
        "notes": _notes(runs, names, keys, headline, left_out, part),
        "plan": _apart(runs[0].plan, runs[1].plan),
    }
    if TASKS.get(runs[0].task).kind == "label":
        right = [rows["accuracy"].argmax(1) == targets.argmax(1) for rows in seen]
        only_first, only_second, _ = mcnemar(right[0], right[1])
        content["decisions"] = {"only_first_right": only_first, "only_second_right": only_second}
    return content


def _answers(run: RunFolder, part: str) -> _Answers:
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
    groups = {row["key"]: row["group"] for row in _table(run.split) if row["key"] in rows and row["group"]}
    return _Answers(run.path, metrics["task"], metrics["headline"], Plan(read_plan(run.plan)), rows, groups)


def _groups(first: _Answers, second: _Answers, keys: Sequence[str]) -> list[str | None]:
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


def _same_samples(first: _Answers, second: _Answers, *, part: str) -> list[str]:
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
    if odd:
        raise DataError(
            f"{plural(len(odd), 'sample has', 'samples have')} another target in one Run than in the other: "
            f"{some(odd)}",
            fix=_AGAIN,
        )
    if len(shared) < 2:
        raise DataError("both Runs were judged by one sample; a paired test needs at least two", fix=_AGAIN)
    return shared


def _prepared(
    runs: tuple[_Answers, _Answers], keys: Sequence[str]
) -> tuple[dict[str, Metric], list[dict[str, Floats]], Floats, list[str]]:
    """The metrics, what each of them sees of either Run, the targets, and the metrics that cannot be known."""
    kind = TASKS.get(runs[0].task).kind
    if kind == "value":
        columns = [name for name in next(iter(runs[0].rows.values())) if name.startswith("target_")]
        targets = _numbers(runs[0], keys, columns)
        values = [_numbers(run, keys, [f"prediction_{name[7:]}" for name in columns]) for run in runs]
        metrics = {name: METRICS.get(name)(kind, len(columns)) for name in metric_names(kind, len(columns))}
        aims = [(run.plan.get("loss.name"), run.plan.get("loss.options") or {}) for run in runs]
        left_out = ["pinball"] if "quantile" in (aims[0][0], aims[1][0]) else []
        if left_out and aims[0] == aims[1]:  # else they aim at other shares, and neither is right for both
            metrics["pinball"], left_out = (
                with_options(Pinball, aims[0][1], "the metric pinball")(kind, len(columns)),
                [],
            )
        return metrics, [dict.fromkeys(metrics, rows) for rows in values], targets, left_out
    said = [[_classes_in(run.rows[key]["prediction"], kind) for key in keys] for run in runs]
    true = [_classes_in(runs[0].rows[key]["target"], kind) for key in keys]
    known_to = [_classes(run) for run in runs]
    classes = sorted({name for rows in (true, *said) for row in rows for name in row}.union(*known_to))
    targets, decided = _indicators(true, classes), [_indicators(rows, classes) for rows in said]
    sure = [_sureness(run, keys, targets, kind) for run in runs]
    known = metric_names(kind, len(classes))
    metrics = {name: METRICS.get(name)(kind, len(classes)) for name in known if _is_known(name)}
    costs = [run.plan.get("evaluate.costs") for run in runs]
    left_out = [name for name in known if name not in metrics]
    if costs[0] is not None and costs[0] == costs[1] and known_to[0] == known_to[1]:
        metrics["expected_cost"] = ExpectedCost(kind, len(classes), cost_matrix(costs[0], tuple(classes)))
    elif costs != [None, None]:
        left_out.append("expected_cost")
    seen = [
        {name: decisions if metric.of_decisions else likelihoods for name, metric in metrics.items()}
        for decisions, likelihoods in zip(decided, sure, strict=True)
    ]
    return metrics, seen, targets, left_out


def _is_known(name: str) -> bool:
    """Whether a metric follows from what `predictions.csv` holds: the decision, and how likely the truth was held."""
    return METRICS.get(name).of_decisions or name == "log_loss"


def _classes(run: _Answers) -> set[str]:
    """The classes of a Run, also those that no sample of the split has."""
    tables = read_json(RunFolder(run.path).metrics).get("per_class", {})
    return {str(row["class"]) for table in tables.values() for row in table if "class" in row}


def _classes_in(text: str, kind: str) -> list[str]:
    """What a cell of `predictions.csv` names."""
    return [text] if kind == "label" else [name for name in text.split(";") if name]


def _indicators(rows: Sequence[Sequence[str]], classes: Sequence[str]) -> Floats:
    places = {name: place for place, name in enumerate(classes)}
    table = np.zeros((len(rows), len(classes)))
    for row, names in enumerate(rows):
        table[row, [places[name] for name in names]] = 1.0
    return table


def _sureness(run: _Answers, keys: Sequence[str], targets: Floats, kind: str) -> Floats:
    """Probabilities that have the log loss of those that the Run gave, (N, K)."""
    losses = np.array([float(run.rows[key]["loss"]) for key in keys])
    likelihood = np.exp(-losses / (targets.shape[1] if kind == "labels" else 1))[:, None]
    return np.asarray(np.where(targets > 0, likelihood, 1 - likelihood))


def _numbers(run: _Answers, keys: Sequence[str], columns: Sequence[str]) -> NDArray[np.float64]:
    return np.array([[float(run.rows[key][name]) for name in columns] for key in keys])


def _named(first: Path, second: Path) -> tuple[str, str]:
    """What the two are called: by their folder's name where these differ."""
    return (first.name, second.name) if first.name != second.name else (str(first), str(second))


def _better(runs: Sequence[_Answers], judged: Difference, metric: Metric) -> str | None:
    if not judged.told or judged.difference is None:
        return None
    return str(runs[int((judged.difference > 0) == metric.higher_is_better)].path)


def _words(names: tuple[str, str], headline: str, judged: Difference, metric: Metric, samples: int) -> str:
    """Which is better, by how much, or why that is not known."""
    word = headline.replace("_", " ")
    if judged.difference is None:
        return f"{word} is not defined on these samples, so the two cannot be compared by it"
    scale, unit = (100, " points of ") if headline.endswith(SHARES) else (1, " in ")
    second = (judged.difference > 0) == metric.higher_is_better
    turned = -1 if judged.difference < 0 else 1
    size = f"{abs(judged.difference) * scale:.3g}{unit}{word}"
    if judged.low is None or judged.high is None:
        return f"{names[1]} and {names[0]} differ by {size}, and {judged.why}: nothing is told by that"
    low, high = sorted(turned * scale * end for end in (judged.low, judged.high))
    spread = f"95 % interval {low:.3g} to {high:.3g}, {p_words(judged.p)}"
    if judged.told:
        return f"{names[int(second)]} is better by {size} ({spread})"
    if judged.difference == 0:
        return f"the two are equal in {word} on these {samples:,} samples ({spread})"
    needed = f"; about {judged.needed:,} such samples would be needed to tell them apart" if judged.needed else ""
    return f"the two cannot be told apart on these {samples:,} samples: they differ by {size} ({spread}){needed}"


def p_words(p: float | None) -> str:
    """A p value in words.

    >>> p_words(0.0312), p_words(0.00003), p_words(None)
    ('p = 0.031', 'p < 0.001', 'no p value')
    """
    return "no p value" if p is None else "p < 0.001" if p < 0.001 else f"p = {p:.2g}"


def _notes(
    runs: tuple[_Answers, _Answers],
    names: tuple[str, str],
    keys: Sequence[str],
    headline: str,
    left_out: Sequence[str],
    part: str,
) -> list[str]:
    """What the figures do not say by themselves."""
    found = ["Each Run is one training: another seed moves a score too, and the test knows of the samples alone."]
    if part == "val":
        found.append("Validation chose the weights of both, so that its figures are a little optimistic.")
    selected = dict.fromkeys(run.headline for run in runs)
    if [*selected] != [headline]:
        found.append(f"The Runs were selected by {' and '.join(selected)}; judged is {headline}.")
    audits = [RunFolder(run.path).audit for run in runs]
    prints = [read_json(path).get("fingerprint") if path.exists() else None for path in audits]
    if prints[0] != prints[1]:
        found.append(
            "The Runs were trained on data that differ somewhere: their samples are taken to be the same by name and "
            "target."
        )
    if left_out:
        found.append(
            f"Not compared, as the Runs hold too little for it or mean different things: {', '.join(left_out)}."
        )
    for run, name in zip(runs, names, strict=True):
        said = Counter(run.rows[key]["prediction"] for key in keys) if "prediction" in run.rows[keys[0]] else Counter()
        if len(said) == 1:
            found.append(f"{name} answers every sample with {next(iter(said))!r}.")
    return found


def _apart(first: Plan, second: Plan) -> dict[str, dict[str, Any]]:
    """Both values of each leaf that differs."""
    keys = sorted({*first, *second})
    pairs = {key: {"first": first.get(key, ABSENT), "second": second.get(key, ABSENT)} for key in keys}
    return {key: pair for key, pair in pairs.items() if pair["first"] != pair["second"]}
