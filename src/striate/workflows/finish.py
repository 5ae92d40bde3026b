"""The end of a training: score once, write the Model, the predictions, the figures and the metrics."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from striate.core.artifacts import read_json, write_bytes, write_csv, write_json
from striate.core.errors import DataError, NetworkError
from striate.core.events import Reporter
from striate.core.plan import Plan
from striate.core.records import Dataset, Sample
from striate.core.run import RunFolder
from striate.core.wording import plural
from striate.data.audit import Audit
from striate.data.store import Store
from striate.data.twins import Near
from striate.evaluate import curves, reliability, residuals, score
from striate.infer import Model
from striate.metrics.log_loss import CLIP
from striate.nets import profile
from striate.tasks import Task
from striate.tasks._task import defined
from striate.tasks.detect import COUNTED, Detect
from striate.train.recipe import Recipe
from striate.train.state import Counters, State
from striate.workflows.alike import draw_near
from striate.workflows.box_figures import boxes_told, draw_boxes
from striate.workflows.deciding import Decided, decided_figures, not_held_out
from striate.workflows.diagnose import known, write_diagnosis
from striate.workflows.extend import earlier_scores, scored_before
from striate.workflows.figures import LONGEST, augmentation_sheet, draw_equal, draw_explanations
from striate.workflows.lineage import met_before
from striate.workflows.mask_figures import draw_masks
from striate.workflows.materials import Learnt, Materials, rows_of
from striate.workflows.odd import draw_findings
from striate.workflows.origin import sources_in
from striate.workflows.planned import Prepared
from striate.workflows.request import array_bytes
from striate.workflows.scores import write_scores
from striate.workflows.shortcuts import look_for_shortcuts
from striate.workflows.slicing import sliced

SHOWN = 8


def finish(
    run: RunFolder,
    materials: Materials,
    recipe: Recipe,
    state: State,
    outputs: Mapping[str, Tensor],
    decided: Decided,
    learnt: Learnt,
    refitted: int | None,
    forgotten: dict[str, Any] | str | None,
    reporter: Reporter,
) -> None:
    """Leave a complete Run but for the report, which reads what is written here. `metrics.json` comes last.

    Args:
        outputs: what the judged network gave for the held-out splits, as `Materials.outputs` finds it.
        decided: what validation decided of its predictions; the task of the materials has it.
        learnt: what it gave for some training samples, as `Materials.learnt` finds it.
        refitted: samples that its head was fitted to once more between the two; None where it was not.
        forgotten: how much of the source it has, or why that is not known; None where it was not asked.
    """
    task, spec, seed = materials.task, materials.spec, recipe.plan["train.seed"]
    scores = {part: rows_of(task, one) for part, one in outputs.items()}
    summary = _summary(spec, state.counters)
    if refitted is not None:
        summary["refitted"] = refitted
    if state.counters.averaged:
        summary["averaged"] = state.counters.averaged
    sources = sources_in(run)
    extra = {**_execution(recipe.plan), "summary": {**summary, "sources": sources} if sources else summary}
    Model.save(run.model, state.judged()["network"], spec, materials.preprocessing, task, extra=extra)
    model = Model.load(run.model, device=recipe.device)
    rows = [
        [part, *row]
        for part, found in scores.items()
        for row in prediction_rows(task, found, materials.targets[part].numpy(), materials.samples[part])
    ]
    write_csv(run.predictions, ["split", *prediction_header(task)], rows)
    write_scores(run, task, scores)
    if recipe.plan["split.fold"] is not None:  # what all folds are scored by together
        write_bytes(run.held_out, array_bytes(dict(scores)))
    undrawn = _figures(run, model, materials, recipe, scores, reporter)
    fates = list(materials.prepared.split.fates.values())
    metrics = {
        "task": task.name,
        "headline": recipe.plan["train.metric"],
        "train": known(task, learnt, seed=seed),
        **_scored(materials, scores, seed=seed),
        **decided_figures(decided, outputs, materials, seed),
        **_drawn(decided, outputs, materials),
        "slices": sliced(materials, scores, seed=seed),
        "shortcuts": look_for_shortcuts(
            model, materials, scores, asked=recipe.plan["evaluate.shortcuts"], seed=seed, reporter=reporter
        ),
        **({"leak": read_json(run.leak)} if run.leak.exists() else {}),
        "training": summary,
        **({"forgetting": forgotten} if isinstance(forgotten, dict) else {}),
        "split": {fate: fates.count(fate) for fate in ("train", "val", "test", "quarantined", "excluded")},
        **corrected(materials.prepared.dataset),
        "scored": len(earlier_scores(run)) + 1,
        "not_checked": [
            *scored_before(run),
            *met_before(materials.prepared.split),
            *not_checked(materials.prepared.dataset, materials.prepared.audit.near, validated="val" in scores),
            *not_held_out(decided, refitted is not None),
            *twins_scored(materials.prepared.audit, materials.prepared.split.keys("test")),
            *([forgotten] if isinstance(forgotten, str) else []),
            *undrawn,
        ],
    }
    # As the network was trained: sharpened, many samples are as sure as can be, and their order is lost.
    plain = {part: rows_of(task.uncalibrated(), one) for part, one in outputs.items()}
    write_diagnosis(run, materials, recipe.plan, state.counters, metrics, plain, learnt, reporter)
    write_json(run.metrics, metrics)


def corrected(dataset: Dataset) -> dict[str, Any]:
    """How many labels the user has corrected; nothing where no list was given."""
    if not dataset.relabelled and not dataset.left_out:
        return {}
    return {"relabelled": {"changed": len(dataset.relabelled), "left_out": len(dataset.left_out)}}


def _execution(plan: Plan) -> dict[str, Any]:
    """How the Model computes a prediction."""
    return {
        "precision": plan["predict.precision"],
        "channels_last": plan["predict.channels_last"],
        "views": plan["predict.views"],
        "batch_size": plan["predict.batch"],
    }


def _summary(spec: dict[str, Any], counters: Counters) -> dict[str, Any]:
    """A training in a few figures."""
    figures = profile(spec)
    return {
        "seconds": round(counters.seconds, 3),
        "epochs": counters.epoch,
        "steps": counters.step,
        "samples_per_second": round(counters.samples / max(counters.seconds, 1e-9), 2),
        "loader_stall": round(counters.waited / max(counters.seconds, 1e-9), 4),
        "parameters": figures.parameters,
        "macs": figures.macs,
        "best_epoch": counters.best_epoch,
        "ended_by": counters.done,
    }


def _scored(materials: Materials, scores: Mapping[str, NDArray[Any]], seed: int) -> dict[str, Any]:
    """The metrics of each held-out split by its name, the tables of classes, and what is not defined and why."""
    task = materials.task
    found: dict[str, Any] = {}
    tables: dict[str, dict[str, Any]] = {"per_class": {}, "confusion": {}}
    undefined: list[str] = []
    for part, rows in scores.items():
        groups = [sample.group for sample in materials.samples[part]]
        result = score(task, rows, materials.targets[part].numpy(), groups, seed=seed)
        tables["per_class"][part] = result.pop("per_class")
        if "confusion" in result:
            tables["confusion"][part] = {"classes": list(task.confusion_names), "matrix": result.pop("confusion")}
        undefined += [f"{part}, {name}: {why}" for name, why in result.pop("undefined").items()]
        found[part] = result
    return {**found, **tables, "undefined": undefined}


def _drawn(decided: Decided, outputs: Mapping[str, Tensor], materials: Materials) -> dict[str, Any]:
    """The points that the report draws, and mistakes by kind, of test, or of validation where there is no test."""
    part = next((one for one in ("test", "val") if one in outputs), None)
    if part is None:
        return {}
    task, targets = decided.task, materials.targets[part].numpy()
    if isinstance(task, Detect):
        return {"boxes": {part: boxes_told(task, task.scores(outputs[part]).numpy())}}
    if not task.one_answer:
        return {}
    if task.kind == "value":
        return {"residuals": {part: residuals(task, task.scores(outputs[part]).numpy(), targets)}}
    found = curves(task, task.scores(outputs[part]).numpy(), targets)
    if task.settings.temperature is not None:
        before = task.uncalibrated().scores(outputs[part]).double().numpy()
        found["reliability_before"] = reliability(before, targets.astype(np.float64), task.kind)
    return {"curves": {part: found}}


def prediction_header(task: Task) -> list[str]:
    """The columns of `predictions.csv` after the split."""
    if not task.one_answer:
        return ["key", *task.each_names]
    if task.name == "regress":
        names = task.target_names
        return ["key", *[f"target_{name}" for name in names], *[f"prediction_{name}" for name in names], "error"]
    return ["key", "target", "prediction", "confidence", "loss"]


def prediction_rows(
    task: Task, scores: NDArray[Any], targets: NDArray[Any], samples: Sequence[Sample]
) -> list[list[Any]]:
    """One row a sample: what was true, what was predicted, and how wrong it is; of masks and boxes, how well they
    agree."""
    if not task.one_answer:
        each = task.each(scores)
        return [
            [sample.key, *(_figure(name, values[place]) for name, values in each.items())]
            for place, sample in enumerate(samples)
        ]
    wrong = wrongness(task, scores, targets)
    rows: list[list[Any]] = []
    for sample, row, target, loss in zip(samples, scores, targets, wrong, strict=True):
        decoded = task.decode(row)
        if task.name == "regress":
            rows.append([sample.key, *map(float, target), *map(float, row), float(loss)])
        elif task.name == "multilabel":
            true = ";".join(name for name, on in zip(task.target_names, target, strict=True) if on)
            sure = float(np.maximum(row, 1 - row).min())
            rows.append([sample.key, true, ";".join(decoded["labels"]), sure, float(loss)])
        else:
            true = task.target_names[int(target.argmax())]
            rows.append([sample.key, true, decoded["label"], decoded["probability"], float(loss)])
    return rows


def _figure(name: str, value: float) -> float | int | None:
    """What is told of a picture: a count as one, and None where it is not defined."""
    return int(value) if name in COUNTED else defined(value)


def wrongness(task: Task, scores: NDArray[Any], targets: NDArray[Any]) -> NDArray[np.float64]:
    """How wrong each prediction is: mean absolute error for values, of masks and boxes what their agreement lacks to 1,
    else minus
    the log of the likelihood."""
    if not task.one_answer:
        return 1 - task.agreement(scores)
    found, true = scores.astype(np.float64), targets.astype(np.float64)
    if task.name == "regress":
        return np.asarray(np.abs(found - true).mean(1))
    likelihood = np.where(true > 0, found, 1 - found) if task.name == "multilabel" else (found * true).sum(1)[:, None]
    return np.asarray(-np.log(np.clip(likelihood, CLIP, 1)).sum(1))


def _figures(
    run: RunFolder,
    model: Model,
    materials: Materials,
    recipe: Recipe,
    scores: Mapping[str, NDArray[Any]],
    reporter: Reporter,
) -> list[str]:
    """Draw what can be drawn; what cannot is said, and the score stands all the same."""
    audit = materials.prepared.audit
    entries, missing = [augmentation_sheet(run.figures, recipe)], []
    store = Store(materials.prepared.dataset.arrays)
    try:
        entries += draw_equal(run.figures, model, store, _equal(materials.prepared))
    except (DataError, OSError) as error:
        missing.append(f"Equal pictures are not drawn: {str(error).splitlines()[0]}")
        reporter.warn(missing[-1])
    part = "test" if "test" in scores else "val" if "val" in scores else None
    if part is not None and materials.task.per_pixel:
        wrong = wrongness(model.task, scores[part], materials.targets[part].numpy())
        try:
            entries += draw_masks(run.figures, model, store, materials.samples[part], wrong)
        except (NetworkError, DataError, OSError) as error:
            missing.append(f"The masks are not drawn: {str(error).splitlines()[0]}")
            reporter.warn(missing[-1])
    elif part is not None and isinstance(model.task, Detect):
        wrong = wrongness(model.task, scores[part], materials.targets[part].numpy())
        scale, shown = model.preprocessing.full_scale, materials.samples[part]
        try:
            entries += draw_boxes(run.figures, model.task, store, shown, scores[part], wrong, scale)
        except (DataError, OSError) as error:
            missing.append(f"The boxes are not drawn: {str(error).splitlines()[0]}")
            reporter.warn(missing[-1])
    elif part is not None:
        samples, targets = materials.samples[part], materials.targets[part]
        wrong = wrongness(model.task, scores[part], targets.numpy())
        order = np.argsort(-wrong, kind="stable")
        mistaken = [number for number in order if _is_mistake(model.task, scores[part][number], targets[number])]
        surest = _surest(model.task, order[::-1], set(mistaken), targets)[: SHOWN // 2]
        for section, numbers in (("mistakes", mistaken[:SHOWN]), ("explanations", surest)):
            chosen = [samples[int(number)] for number in numbers]
            try:
                drawn = draw_explanations(run.figures, model, store, chosen, section, scores[part][numbers], LONGEST)
                entries += drawn
            except (NetworkError, DataError, OSError) as error:
                missing.append(f"The {section} are not drawn: {str(error).splitlines()[0]}")
                reporter.warn(missing[-1])
    try:
        entries += draw_near(run.figures, materials.prepared.dataset, audit.near, audit.full_scale)
    except (DataError, OSError) as error:
        missing.append(f"The near-duplicates are not drawn: {str(error).splitlines()[0]}")
        reporter.warn(missing[-1])
    try:
        entries += draw_findings(run.figures, materials.prepared.dataset, audit.findings, audit.full_scale)
    except (DataError, OSError) as error:
        missing.append(f"The audit's findings are not drawn: {str(error).splitlines()[0]}")
        reporter.warn(missing[-1])
    write_json(run.figures / "index.json", entries)
    return missing


def _equal(prepared: Prepared) -> list[list[Sample]]:
    """The groups of equal pictures that the audit found, those with different targets first."""
    audit = prepared.audit
    groups = sorted(audit.duplicates, key=lambda group: group not in audit.conflicts)[:SHOWN]
    wanted = {key for group in groups for key in group}
    samples = {sample.key: sample for sample in prepared.dataset.samples if sample.key in wanted}
    return [[samples[key] for key in group if key in samples] for group in groups]


def _surest(task: Task, order: NDArray[np.intp], mistaken: set[np.intp], targets: Tensor) -> list[np.intp]:
    """The samples that were right, surest first; of classes, one of each before a second of any.

    Args:
        order: all samples, least wrong first.
    """
    if task.name == "regress":
        return list(order)
    right = [number for number in order if number not in mistaken]
    if task.name == "multilabel":
        return right
    met: dict[int, int] = {}
    turns = []
    for number in right:
        kind = int(targets[number].argmax())
        met[kind] = met.get(kind, -1) + 1
        turns.append(met[kind])
    return [number for _, number in sorted(zip(turns, right, strict=True), key=lambda pair: pair[0])]


def _is_mistake(task: Task, row: NDArray[Any], target: Tensor) -> bool:
    """Whether a prediction is wrong; a value always is, by more or less."""
    if task.name == "regress":
        return True
    if task.name == "multilabel":
        return bool(((task.judged(row[None])[0] >= 0.5) != (target.numpy() > 0.5)).any())
    return int(task.judged(row[None])[0].argmax()) != int(target.argmax())


TWINS = "intervals count each on its own, and are a little too narrow."
"""How the sentence ends that tells of equal test samples."""


def twins_scored(audit: Audit, tested: Sequence[str]) -> list[str]:
    """What is to be said where test samples are equal, or nearly, to others there, which tell nothing new.

    >>> audit = Audit(samples=4, duplicates=(("a", "b"), ("c", "x")))
    >>> twins_scored(audit, ["a", "b", "c"])[0][:44]
    '1 test sample is equal or nearly to another '
    >>> twins_scored(audit, ["a", "c"])
    []
    """
    inside = set(tested)
    again = sum(max(0, len(inside & {*group}) - 1) for group in (*audit.duplicates, *audit.near.duplicates))
    if not again:
        return []
    return [f"{plural(again, 'test sample is', 'test samples are')} equal or nearly to another one there: {TWINS}"]


def not_checked(dataset: Dataset, near: Near, validated: bool) -> list[str]:
    """What the score rests on without having been checked."""
    sentences = near.unchecked()
    if near.pairs_parted:
        sentences.append(
            f"{plural(near.pairs_parted, 'pair', 'pairs')} of near-duplicates may stand on both sides of the split, "
            "since their group would have grown too large."
        )
    if not any(sample.group for sample in dataset.samples):
        sentences.append(
            "No groups were given (`--group`): several pictures of one object or person may stand on both sides of the "
            "split, and the score would then be too high for new ones."
        )
    if not validated:
        sentences.append("There was no validation split: the last weights were taken, not the best.")
    return sentences
