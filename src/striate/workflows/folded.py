"""The folds of a Run scored together: what each held out by its own network, or a given test by the mean of all."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from striate.core.artifacts import make_folder, read_json, write_csv, write_json
from striate.core.plan import Decision, Plan
from striate.core.records import SPLITS, Dataset, Sample
from striate.core.run import RunFolder
from striate.core.wording import some
from striate.data.audit import Audit
from striate.data.classes import target_classes
from striate.data.dividing import UNTESTED
from striate.data.split import SplitTable, units_together
from striate.evaluate import curves, residuals, score
from striate.infer import Model
from striate.infer.ensemble import Ensemble, common_task, mean_scores
from striate.plan.planner import read_plan
from striate.tasks import Task
from striate.tasks.detect import Detect
from striate.workflows.box_figures import boxes_told
from striate.workflows.deciding import Decided, not_held_out
from striate.workflows.finish import corrected, not_checked, prediction_header, prediction_rows
from striate.workflows.labelled import scored
from striate.workflows.lineage import met_before
from striate.workflows.scores import write_scores
from striate.workflows.slicing import attributes_of, rightness, slices_of

_DECIDED = (
    "Each fold's own validation decided its thresholds, by which its samples are judged; predictions take the mean of "
    "the networks and of their thresholds, which no sample has judged."
)

_PLANNED = (
    "A whole plan was given: where it was made on these data, its choices have seen samples that folds hold out, and "
    "the score may be a little too high."
)
_POSSIBLE = (
    "What is held possible is of each fold's own Model, by its own validation: the mean of the networks, by which the "
    "Run predicts, says nothing of it, since no sample is left that none of them has learnt from or was chosen by."
)
_TIDIED = (
    "Each fold's own validation chose how its masks are tidied, by which they are judged; not all chose alike, "
    "so that the masks of the mean, by which the Run predicts, are not tidied: the score is not of those."
)
_LOOKED = (
    "Diagnosis, shortcuts, pictures, and slices by brightness and sharpness are in the report of each fold, of its own "
    "network."
)


@dataclass(frozen=True)
class Folded:
    """The data, and how each fold divides it.

    Args:
        part: what a fold is held out as, "test" or "val".
        splits: of each fold.
    """

    dataset: Dataset
    audit: Audit
    part: str
    splits: Sequence[SplitTable]

    @cached_property
    def holder(self) -> dict[str, int]:
        """By key, the fold that holds it out, from 1 on."""
        return {key: number for number, split in enumerate(self.splits, start=1) for key in split.keys(self.part)}

    @cached_property
    def samples(self) -> dict[str, Sample]:
        """The samples by key."""
        return {sample.key: sample for sample in self.dataset.samples}

    def whole(self) -> SplitTable:
        """Every sample as it is scored: what any fold holds out is in that split."""
        fates = {**self.splits[0].fates, **dict.fromkeys(self.holder, self.part)}
        return SplitTable(fates, self.splits[0].reasons)

    def units(self) -> dict[str, str]:
        """By key, the name of what a scored sample is drawn with, where it is with others: intervals are over these."""
        fates = self.whole().fates
        scored = [sample for key, sample in sorted(self.samples.items()) if fates[key] in ("val", "test")]
        found = units_together(scored, self.audit)
        return {sample.key: unit[0].key for unit in found if len(unit) > 1 for sample in unit}


def remarks(folded: Folded) -> list[str]:
    """What was noted of the divisions, each once; with the numbers of the folds where it is not of all."""
    found: dict[str, list[int]] = {}
    for number, split in enumerate(folded.splits, start=1):
        for note in split.notes[1:]:
            found.setdefault(note, []).append(number)
    turns = folded.part == "test"  # then a class that one fold does not test another one does
    sentences = []
    for note, numbers in found.items():
        if turns and note.startswith(UNTESTED):
            continue
        of = f"{'Fold' if len(numbers) == 1 else 'Folds'} {', '.join(map(str, numbers))}: "
        sentences.append(note if len(numbers) == len(folded.splits) else of + note)
    if turns:
        learnt = {key for split in folded.splits for key in split.keys("train")}
        missing = sorted(_classes(folded, learnt) - _classes(folded, folded.holder))
        if missing:
            sentences.append(f"No fold tests {some(missing)}: the score says nothing of them; add samples of them.")
    return sentences


def _classes(folded: Folded, keys: Iterable[str]) -> set[str]:
    return {name for key in keys for name in target_classes(folded.samples[key].target)}


def finish_folds(run: RunFolder, folded: Folded, minutes: float | None, planned: bool = False) -> None:
    """Score all folds together and write what a Run is read by; `metrics.json` comes last.

    Args:
        minutes: the budget of all folds.
        planned: whether a whole plan was given, whose choices were made on some division of samples before.
    """
    runs = [run.fold(number) for number in range(1, len(folded.splits) + 1)]
    found = [read_json(one.metrics) for one in runs]
    plans = [read_plan(one.plan) for one in runs]
    tasks = [Model.load(one.model).task for one in runs]
    task, seed = common_task(tasks), int(plans[0]["train.seed"].value)
    units = folded.units()
    results: dict[str, Any] = {}
    tables: dict[str, dict[str, Any]] = {"per_class": {}, "confusion": {}}
    undefined: list[str] = []
    rows, drawn, slices = [], {}, {}
    together = scored_together(runs, folded, task)
    for part, (keys, scores) in together.items():
        samples = [folded.samples[key] for key in keys]
        targets = task.encode(samples).numpy()
        judges = _judges(tasks, folded) if part == folded.part else [(task, slice(None))]
        decided = np.concatenate([one.judged(scores[own]) for one, own in judges])
        result = score(task, scores, targets, [units.get(key) for key in keys], decided=decided, seed=seed)
        tables["per_class"][part] = result.pop("per_class")
        if "confusion" in result:
            tables["confusion"][part] = {"classes": list(task.confusion_names), "matrix": result.pop("confusion")}
        undefined += [f"{part}, {name}: {why}" for name, why in result.pop("undefined").items()]
        results[part] = result
        if part == "test":  # where folds validate, the given test; else what each held out, by its own network
            right = np.concatenate([rightness(one, scores[own], targets[own]) for one, own in judges])
            attributes = attributes_of(samples, folded.audit.sides, pictures=None)
            slices = slices_of(task.kind, part, right, attributes, [units.get(key) for key in keys], seed)
        for one, own in judges:
            told = prediction_rows(one, scores[own], targets[own], samples[own])
            rows += [[part, folded.holder.get(row[0], ""), *row] for row in told]
        if part == "test":
            drawn = _drawn(task, scores, targets)
    write_csv(run.predictions, ["split", "fold", *prediction_header(task)], rows)
    write_scores(run, task, {part: scores for part, (_, scores) in together.items()})
    make_folder(run.figures)
    write_json(run.figures / "index.json", [])
    common_plan(plans, minutes).write(run.plan)
    fates = list(folded.whole().fates.values())
    metrics = {
        "task": task.name,
        "headline": found[0]["headline"],
        **results,
        **tables,
        "undefined": undefined,
        **drawn,
        "slices": slices,
        **{name: found[0][name] for name in ("leak",) if name in found[0]},
        "folds": spread(task, found, folded.part),
        "training": _training(found),
        "split": {fate: fates.count(fate) for fate in (*SPLITS, "quarantined", "excluded")},
        **corrected(folded.dataset),
        "scored": 1,
        "not_checked": [*_not_checked(folded, tasks, found), *([_PLANNED] if planned else [])],
    }
    write_json(run.metrics, metrics)


def scored_together(
    runs: Sequence[RunFolder], folded: Folded, task: Task
) -> dict[str, tuple[list[str], NDArray[np.float32]]]:
    """Keys and scores of what the folds held out, each by its own network; and of a given test the mean of all.

    Args:
        task: of the folds. What masks and boxes are judged by has no mean, so that those of the mean are.
    """
    held = [dict(np.load(one.held_out, allow_pickle=False)) for one in runs]
    keys = [key for split in folded.splits for key in split.keys(folded.part)]
    found = {folded.part: (keys, task.together([one[folded.part] for one in held]))}
    if folded.part == "val":
        tested = folded.splits[0].keys("test")
        if not task.one_answer:
            whole = folded.dataset.select(set(tested))
            rows, samples, _ = scored(whole, whole.samples, Ensemble.load([one.model for one in runs]))
            found["test"] = ([sample.key for sample in samples], rows)
        else:
            found["test"] = (tested, mean_scores([one["test"] for one in held]))
    return found


def _judges(tasks: Sequence[Task], folded: Folded) -> list[tuple[Task, slice]]:
    """The task of each fold with the rows of what it held out, in their order: its own thresholds decide there."""
    ends = np.cumsum([0, *(len(split.keys(folded.part)) for split in folded.splits)]).tolist()
    return [(task, slice(first, end)) for task, first, end in zip(tasks, ends[:-1], ends[1:], strict=True)]


def common_plan(plans: Sequence[Mapping[str, Decision]], minutes: float | None) -> Plan:
    """The plan of all folds: the first one's, where the others' values differ with these in the because.

    Args:
        plans: of each fold, resolved.
        minutes: the budget of all folds.
    """
    found = {}
    for key, decision in plans[0].items():
        values = [plan[key].value if key in plan else None for plan in plans]
        if any(value != values[0] for value in values):
            because = f"{decision.because}; in the folds it is {', '.join(map(str, values))}"
            decision = replace(decision, because=because)
        found[key] = decision
    if "evaluate.leak" in found:  # it is of all samples, and told once
        found["evaluate.leak"] = plans[0]["evaluate.leak"]
    coverage = found.get("evaluate.coverage")
    if coverage is not None and coverage.value is not None:
        because = f"each fold's Model holds possible what its own validation found, at {coverage.value:g}; the mean of "
        because += "their networks has no samples to find that by"
        found["evaluate.coverage"] = Decision(None, because, "rule")
    tidying = found.get("evaluate.tidying")
    if tidying is not None and tidying.value != "none":
        because = (
            f"{tidying.because}; each fold chooses by its own validation, and the mean of their networks tidies its "
        )
        because += "masks where all chose alike"
        found["evaluate.tidying"] = replace(tidying, because=because)
    if "split.file" in found and plans[0]["split.file"].value is None:
        contiguous = "split.order" in found and found["split.order"].value == "contiguous"
        how = "in contiguous stretches of the names' order" if contiguous else "stratified by target"
        because = f"{how} over {len(plans)} folds; duplicates and groups kept together"
        found["split.file"] = replace(plans[0]["split.file"], because=because)
    found["split.fold"] = Decision(None, f"each of {len(plans)} folds is held out in turn", "rule")
    if minutes is not None:
        because = f"of all {len(plans)} folds; each had an equal share of what was left"
        found["train.minutes"] = replace(found["train.minutes"], value=minutes, because=because)
    return Plan(found)


def spread(task: Task, found: Sequence[Mapping[str, Any]], part: str) -> dict[str, Any]:
    """Each fold's figures on what it held out, and how far they are apart.

    Returns:
        `count`, `held_out`, `each` (by fold: its samples, metrics and intervals, epochs), and `spread`, by metric its
        `mean`, `deviation` (of a sample, n − 1), `least` and `most` over the folds where it is defined.
    """
    each = []
    for number, one in enumerate(found, start=1):
        known = ("samples", "groups", *task.metric_names, *(f"{name}_interval" for name in task.metric_names))
        figures = {name: value for name, value in one[part].items() if name in known}
        each.append({"fold": number, **figures, "epochs": one["training"]["epochs"]})
    apart = {}
    for name in task.metric_names:
        values = [one[name] for one in each if isinstance(one.get(name), int | float)]
        if len(values) > 1:
            deviation = float(np.std(values, ddof=1))
            apart[name] = {
                "mean": float(np.mean(values)),
                "deviation": deviation,
                "least": min(values),
                "most": max(values),
            }
    return {"count": len(found), "held_out": part, "each": each, "spread": apart}


def _drawn(task: Task, scores: NDArray[np.float32], targets: NDArray[np.float32]) -> dict[str, Any]:
    """The points that the report draws of the test, and mistakes by kind."""
    if isinstance(task, Detect):
        return {"boxes": {"test": boxes_told(task, np.asarray(scores, np.float64))}}
    if not task.one_answer:
        return {}
    if task.kind == "value":
        return {"residuals": {"test": residuals(task, scores, targets)}}
    return {"curves": {"test": curves(task, scores, targets)}}


def _training(found: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The trainings of all folds in a few figures: sums, and samples over time."""
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


def _not_checked(folded: Folded, tasks: Sequence[Task], found: Sequence[Mapping[str, Any]]) -> list[str]:
    """What the score of all folds rests on; twins are drawn together there, so that they narrow no interval."""
    settings = [task.settings for task in tasks]
    moved = any(one.factors is not None or one.thresholds is not None for one in settings)
    sentences = [*met_before(folded.splits[0]), *not_checked(folded.dataset, folded.audit.near, validated=True)]
    if folded.part == "val":
        for task, one in zip(tasks, found, strict=True):
            sentences += not_held_out(Decided(task), bool(one["training"].get("refitted")))
    held_possible = any(one.sets is not None for one in settings)
    return [
        *dict.fromkeys(sentences),
        *([_DECIDED] if moved and folded.part == "test" else []),
        *([_POSSIBLE] if held_possible else []),
        *([_TIDIED] if folded.part == "test" and any(one.tidying != settings[0].tidying for one in settings) else []),
        _LOOKED,
    ]
