"""The stages before training, each of which finds its result in the Run or makes it: data, audit, split, plan."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from striate.core.artifacts import read_json, write_json
from striate.core.cache import SMALL, Cache, cache_folder
from striate.core.errors import NetworkError, PlanError, RunError, UsageError, WeightsError
from striate.core.events import Reporter
from striate.core.machine import cores, free_bytes, memory_bytes, processors
from striate.core.plan import AUTO, Decision, Plan
from striate.core.records import Dataset, Sample
from striate.core.run import RunFolder
from striate.data.audit import DAMAGE_LIMIT, Audit, run_audit
from striate.data.audit_cache import audit_key, find_audit, keep_audit
from striate.data.audit_figures import keys_by_size, sides_of_keys
from striate.data.checks import check_audit
from striate.data.contiguous import ORDERS
from striate.data.dataset import open_dataset
from striate.data.near import SECONDS
from striate.data.oddities import SEVERITIES
from striate.data.prepare import Preprocessing
from striate.data.readers import ReadOptions
from striate.data.relabel import relabelled
from striate.data.split import SplitTable, make_split
from striate.infer import computes_bfloat16, found_device
from striate.nets import (
    Weights,
    hub_network,
    pretrained_weights,
    read_weights,
    resolve,
    translated,
)
from striate.nets.families import in_grid
from striate.plan import Budget, Machine, leaves, make_plan, read_plan
from striate.plan.context import as_planned
from striate.plan.rules.size import asks_for_speed
from striate.tasks import Task, make_task
from striate.train.checkpoints import list_checkpoints
from striate.train.speed import training_rate, tuning_seconds
from striate.workflows.checks import check_learnable, check_plan, check_sizes
from striate.workflows.choosing import Candidate, choose_weights
from striate.workflows.fitting import check_at_once, check_fit
from striate.workflows.lineage import keep_lineage, known_fates, met_before
from striate.workflows.quiet import Quiet
from striate.workflows.request import ReadRequest, Request, check_function, given_split

SPEED_SECONDS = 5.0
"""After which the machine's speed is not measured again where something disturbed it."""

NEAR_SHARE = 0.1
"""Of the minutes of a training, what the search for near-duplicates may take."""


@dataclass(frozen=True)
class Prepared:
    """What stands before a training starts."""

    dataset: Dataset
    audit: Audit
    split: SplitTable
    plan: Plan
    weights: Weights | None


def read_dataset(request: ReadRequest, reporter: Reporter) -> Dataset:
    """Open the data, correct its labels where a list is given, and say what was inferred."""
    reporter.stage("reading")
    options = ReadOptions(request.task, request.label_depth, request.root, request.group, request.time)
    data = request.arrays if request.arrays is not None else request.data
    dataset = open_dataset(data, options, reader=request.reader, val=request.val, test=request.test)
    if request.relabel is not None:
        dataset = relabelled(dataset, request.relabel)
    for note in dataset.notes:
        reporter.line(note)
    return dataset


def audited(
    dataset: Dataset,
    run: RunFolder | None,
    workers: int,
    limit: float | None,
    cache: Cache,
    reporter: Reporter,
    near: bool = True,
    minutes: float | None = None,
) -> Audit:
    """The Run's audit, or one that was made of the same files before, or a new one.

    The Run's has no hashes of pixels, by which decoded pictures are found; where no file has changed since, those of
    the one that was kept stand.

    Args:
        limit: the share of damaged samples above which it is refused; None refuses none.
        near: whether near-duplicates are searched for.
        minutes: of the whole training, of which that search takes a share at most.
    """
    key = audit_key(dataset, search=near) if cache.limit_bytes else None
    found = find_audit(key, cache) if key is not None else None
    stands = run is not None and run.split.exists()  # else it is still made of the hashes
    if run is not None and run.audit.exists() and (stands or found is not None):
        content = read_json(run.audit)
        sides = sides_of_keys(content.pop("samples_by_size", {}))
        audit = replace(Audit.from_dict(content), sides=sides)
        if audit.samples != len(dataset):
            raise RunError(
                f"{dataset.path} has {len(dataset)} samples; when {run.path} was started it had {audit.samples}",
                fix="train again on the data as it is now",
            )
        if limit is not None:
            check_audit(audit, dataset, limit)
        if found is not None and found.fingerprint == audit.fingerprint:
            return replace(audit, hashes=found.hashes)
        return audit
    reporter.stage("audit")
    if found is not None:
        reporter.line(f"audit: none of the files has changed since {found.samples:,} samples were read before")
    seconds = SECONDS if minutes is None else min(SECONDS, 60 * minutes * NEAR_SHARE)
    audit = found or run_audit(dataset, workers=workers, reporter=reporter, near=near, seconds=seconds)
    if key is not None and found is None and (why := keep_audit(key, audit, cache)):
        reporter.line(f"the audit is not kept for another run: {why}")
    if limit is not None:
        check_audit(audit, dataset, limit)
    if run is not None:
        write_json(run.audit, {**audit.to_dict(), "samples_by_size": keys_by_size(audit.sides)})
    for damaged in audit.quarantined:
        reporter.warn(f"quarantined: {damaged.key}: {damaged.reason}")
    for odd in audit.findings:
        if odd.severity == SEVERITIES[0]:
            remedy = f" (`{odd.flag}`)" if odd.flag else ""
            reporter.warn(f"{odd.name}: {odd.text}. To do: {odd.advice}{remedy}")
        else:
            reporter.line(f"{odd.name} ({odd.severity}): {odd.text}.")
    for remark in audit.remarks:
        reporter.line(remark)
    return audit


def divided(
    dataset: Dataset,
    audit: Audit,
    run: RunFolder | None,
    overrides: dict[str, Decision],
    asked: str | Sequence[str] | None,
    reporter: Reporter,
) -> SplitTable:
    """The Run's split, or a new one.

    Args:
        asked: the weights that were asked for, whose Run's samples stay in their splits.
    """
    if run is not None and run.split.exists():
        split = SplitTable.read(run.split, dataset)
        check_unchanged(split, run, dataset)
        return split
    seed, order = overrides.get("split.seed"), overrides.get("split.order")
    known = known_fates(asked, audit)
    split = make_split(
        dataset,
        audit,
        seed=seed.value if seed else 0,
        file=given_split(run, overrides),
        known=known,
        fold=fold_of(overrides),
        order=order.value if order else ORDERS[0],
    )
    for note in split.notes:
        reporter.line(note)
    for sentence in met_before(split):
        reporter.warn(sentence)
    if run is not None:
        keep_lineage(run, split, audit, asked)
        split.write(run.split, dataset)
    return split


def fold_of(overrides: Mapping[str, Decision]) -> tuple[int, int] | None:
    """Which fold is held out of how many; the first where none is named, and None without folds.

    Raises:
        UsageError: there is no such fold.
    """
    count, number = (overrides[key].value if key in overrides else None for key in ("split.folds", "split.fold"))
    if count is None and number is None:
        return None
    if count is None or (number is not None and number > count):
        raise UsageError(
            f"split.fold={number} is one of {count or 'no'} folds", fix="give split.folds too, and a fold from 1 to it"
        )
    return number or 1, count


def check_unchanged(
    split: SplitTable,
    run: RunFolder,
    dataset: Dataset,
    folds: Mapping[str, int] | None = None,
    units: Mapping[str, str] | None = None,
) -> None:
    """Refuse to go on with data whose targets or groups are not those that the Run was started with.

    Args:
        folds, units: of a Run of folds, as `SplitTable.write` takes them.
    """
    again = run.path / ".split-again.csv"
    split.write(again, dataset, folds, units)
    same = again.read_bytes() == run.split.read_bytes()
    again.unlink()
    if not same:
        what = "targets or groups" if folds is None else "samples, targets or groups"
        raise RunError(
            f"{dataset.path} has other {what} than when {run.path} was started",
            fix="train again on the data as it is now",
        )


def find_weights(asked: str | None, chosen: Mapping[str, Decision]) -> Weights | None:
    """The weights that were asked for.

    Args:
        asked: a file, a Run, "hub", "none" or None.
        chosen: the user's own values by key.
    """
    if asked is None or asked == "none":
        return None
    if asked == "hub":
        name = chosen.get("network.name")
        if name is None:
            raise UsageError("`--weights hub` needs a network", fix="add `--model timm/NAME`, say")
        arguments = chosen.get("network.arguments")
        return pretrained_weights(*hub_network(name.value, arguments.value if arguments else {}))
    weights = read_weights(asked)
    if weights.sidecar is None and "network.name" not in chosen:
        raise UsageError(
            f"{asked} has no sidecar, so its network and preprocessing are unknown; they are never guessed",
            fix=f"write {Path(asked).with_suffix('.json').name} beside it (network, arguments, "
            "preprocessing, classes, license, source), or give --model, --size, --set normalize.mean=[…] and "
            "--set normalize.std=[…]",
        )
    if weights.sidecar is None and not {"normalize.mean", "normalize.std", "input.height"} <= set(chosen):
        raise UsageError(
            f"{asked} has no sidecar: its preprocessing must be given, as it is never guessed",
            fix="add --size S --set normalize.mean=[…] --set normalize.std=[…]",
        )
    return weights


def find_candidates(paths: Sequence[str], chosen: Mapping[str, Decision]) -> list[Weights]:
    """Several weights to choose from. Raises `UsageError` where they are not to be compared."""
    if own := sorted({"network.name", "network.arguments"} & set(chosen)):
        raise UsageError(
            f"{' and '.join(own)} cannot be given with several weights, each of which is of a network of its own",
            fix="leave the network out, or give the weights that are of it alone",
        )
    found = [read_weights(path) for path in paths]
    for weights in found:
        if weights.sidecar is None:
            raise UsageError(
                f"{weights.source} has no sidecar, so its network and preprocessing are unknown, and it cannot be "
                "compared with other weights",
                fix=f"write {Path(weights.source).with_suffix('.json').name} beside it (network, arguments, "
                "preprocessing, classes, license, source), or leave it out",
            )
    return found


def machine(device: str) -> Machine:
    """This machine as the rules see it, before anything is measured on it.

    Args:
        device: "auto", or where to compute.
    """
    found = found_device(device)
    host = memory_bytes()
    free = torch.cuda.mem_get_info()[0] if found == "cuda" else host
    return Machine(
        cores(), free, found, computes_bfloat16(found), host, free_bytes(cache_folder("packs")), processors()
    )


def timed(here: Machine, weights: Weights | None, count: int, chosen: Mapping[str, Decision], quiet: Quiet) -> Machine:
    """The machine with the speed that the rules of network and size ask for, which takes about a second to measure.

    Args:
        here: the machine.
        weights: at hand, or None.
        count: training samples.
        chosen: the user's own values by key; what they leave no choice of is not measured.
        quiet: measures.
    """
    if {"network.name", "network.arguments"} & set(chosen):
        return here
    threads = chosen["execution.threads"].value if "execution.threads" in chosen else cores()
    if weights is None:
        rate = quiet.measure(lambda: training_rate(here.device, threads), seconds=SPEED_SECONDS)
        return replace(here, macs_per_second=rate)
    if weights.sidecar is None or {"input.height", "input.width"} & set(chosen):
        return here
    truth, side = weights.sidecar, weights.sidecar["preprocessing"]["size"]
    if not asks_for_speed(here.device, count, side):
        return here
    channels, precision = len(truth["preprocessing"]["mean"]), chosen.get("execution.precision")
    spec = resolve(
        truth["network"], outputs=2, channels=channels, height=side, width=side, arguments=truth["arguments"]
    )
    usual = ("float32", "bfloat16") if here.bfloat16 else ("float32",)
    precisions = usual if precision is None or precision.value == AUTO else (precision.value,)
    each = quiet.measure(lambda: tuning_seconds(threads, spec, precisions), seconds=SPEED_SECONDS)
    return replace(here, tuning_seconds=each)


def small_cache(kind: str, chosen: Mapping[str, Any]) -> Cache:
    """What is kept of one kind between runs, unless the plan or the user keeps nothing.

    Args:
        chosen: decisions, or values, by key.
    """
    limit = chosen.get("execution.cache_bytes")
    limit = limit.value if isinstance(limit, Decision) else limit
    return Cache(cache_folder(kind), 0 if limit == 0 else SMALL[kind])


def prepare(request: Request, run: RunFolder | None, device: str, reporter: Reporter) -> Prepared:
    """Everything before the measurements: data, audit, split, weights, and the plan (the Run's, where it has one)."""
    check_function(request)
    started = run is not None and bool(list_checkpoints(run.checkpoints))  # then the weights are in there
    chosen = request.overrides
    # before the audit: a wrong file should be said at once
    if started:
        weights, candidates = _asked_again(request, run, reporter)
        check_at_once(weights, chosen)
    else:
        weights, candidates = asked_at_once(request, run)
    dataset = read_dataset(request.read, reporter)
    check_learnable(dataset)
    limit, near = chosen.get("split.damage_limit"), chosen.get("split.near_duplicates")
    audit = audited(
        dataset,
        run,
        processors(),
        limit.value if limit else DAMAGE_LIMIT,
        small_cache("audits", chosen),
        reporter,
        near.value if near else True,
        request.minutes,
    )
    split = divided(dataset, audit, run, chosen, request.weights, reporter)
    if run is not None and run.plan.exists():
        plan = whole_plan(run)
        return Prepared(dataset, audit, split, plan, _named_as(plan, weights, reporter))
    return _planned(request, dataset, audit, split, weights, candidates, device, reporter)


def prepare_whole(
    request: Request,
    device: str,
    reporter: Reporter,
    shown: Callable[[Dataset, Audit], None],
) -> Prepared:
    """Data, audit, weights and plan for what looks at every whole sample and trains no network.

    Nothing is divided: all that is neither damaged nor left out by the user is "train". So data is taken that could
    not be trained on: much of it damaged, a class in the given test alone, samples that the weights were tested on.

    Args:
        shown: told the data and its audit before anything else may be refused.
    """
    chosen = request.overrides
    weights, candidates = _asked(request, None)  # before the audit: a wrong file should be said at once
    check_at_once(weights, chosen)
    dataset = read_dataset(request.read, reporter)
    check_learnable(dataset)
    near = chosen.get("split.near_duplicates")
    cache = small_cache("audits", chosen)
    audit = audited(dataset, None, processors(), None, cache, reporter, near.value if near else True)
    shown(dataset, audit)
    check_audit(audit, dataset, limit=1.0)
    fates = {sample.key: "train" for sample in dataset.samples} | dict.fromkeys(dataset.left_out, "excluded")
    fates |= {one.key: "quarantined" for one in audit.quarantined}
    reasons = dict(dataset.left_out) | {one.key: one.reason for one in audit.quarantined}
    return _planned(request, dataset, audit, SplitTable(fates, reasons), weights, candidates, device, reporter)


def _planned(
    request: Request,
    dataset: Dataset,
    audit: Audit,
    split: SplitTable,
    weights: Weights | None,
    candidates: list[Weights],
    device: str,
    reporter: Reporter,
) -> Prepared:
    """The plan of what was read and divided, checked."""
    chosen = request.overrides
    here = machine(device)
    if request.read.relabel is not None:
        because = f"yours: {len(dataset.relabelled)} labels changed, {len(dataset.left_out)} samples left out"
        chosen = {**chosen, "split.relabel": Decision(request.read.relabel, because, "user")}
    if candidates:
        weights, because = _chosen(candidates, dataset, audit, split, here, request, reporter)
        chosen = {**chosen, "network.weights": Decision(weights.source, because, "measured")}
    if request.minutes is not None:
        here = timed(here, weights, len(split.keys("train")), chosen, Quiet(reporter, here.device))
    plan = make_plan(
        dataset,
        audit,
        split,
        here,
        budget=Budget(request.minutes, request.epochs),
        weights=weights,
        overrides=chosen,
    )
    prepared = Prepared(dataset, audit, split, plan, _named_as(plan, weights, reporter))
    task = task_of(prepared)
    check_plan(plan, task, _training_samples(prepared))
    spec = spec_of(prepared, task)
    check_sizes(spec, audit, preprocessing_of(plan))
    check_fit(prepared.weights, spec, plan["network.name"], task)
    return prepared


def asked_at_once(request: Request, run: RunFolder | None) -> tuple[Weights | None, list[Weights]]:
    """The weights that were asked for, checked with the network's name before anything is read of the data."""
    weights, candidates = _asked(request, run)
    name = request.overrides.get("network.name")
    if name is not None:
        _check_name(name.value)
    check_at_once(weights, request.overrides)
    return weights, candidates


def _asked(request: Request, run: RunFolder | None) -> tuple[Weights | None, list[Weights]]:
    """The weights that were asked for, or several that are still to choose from."""
    asked, chosen = request.weights, request.overrides
    if isinstance(asked, tuple):
        if run is None or not run.plan.exists():
            return None, find_candidates(asked, chosen)
        asked = str(read_plan(run.plan)["network.weights"].value)
    return find_weights(asked, chosen), []


def _asked_again(request: Request, run: RunFolder | None, reporter: Reporter) -> tuple[Weights | None, list[Weights]]:
    """The weights of a training that goes on, where they are to be compared with what became of them."""
    compared = read_plan(run.plan).get("transfer.forgetting") if run is not None and run.plan.exists() else None
    if compared is None or not compared.value:
        return None, []
    try:
        return _asked(request, run)
    except WeightsError as error:
        reporter.warn(f"how much is forgotten cannot be measured: {error.message}")
        return None, []


def _chosen(
    candidates: Sequence[Weights],
    dataset: Dataset,
    audit: Audit,
    split: SplitTable,
    here: Machine,
    request: Request,
    reporter: Reporter,
) -> tuple[Weights, str]:
    """The weights of several that know most of the data, and the because."""
    budget, found = Budget(request.minutes, request.epochs), []
    for weights in candidates:
        plan = make_plan(dataset, audit, split, here, budget=budget, weights=weights, overrides=request.overrides)
        prepared = Prepared(dataset, audit, split, plan, weights)
        task = task_of(prepared)
        found.append(Candidate(weights, plan, task, preprocessing_of(plan), spec_of(prepared, task)))
    keys = set(split.keys("train"))
    place, because = choose_weights(
        found,
        dataset,
        [sample for sample in dataset.samples if sample.key in keys and sample.weight],
        audit,
        minutes=request.minutes,
        cache=small_cache("trials", request.overrides),
        reporter=reporter,
    )
    return candidates[place], because


def _named_as(plan: Plan, weights: Weights | None, reporter: Reporter) -> Weights | None:
    """The weights under the names of the plan's network, where they are of the same network by other names."""
    if weights is None:
        return None
    found = translated(weights, plan["network.name"], plan["network.arguments"])
    if found is not weights:
        source = weights.sidecar["network"] if weights.sidecar else weights.source
        reporter.line(f"weights: the tensors of {source} by the names of {plan['network.name']}")
    return found


def whole_plan(run: RunFolder) -> Plan:
    """The Run's plan. Raises `RunError` where another version wrote it, with fewer leaves."""
    decisions = read_plan(run.plan)
    missing = sorted(set(leaves()) - set(decisions))
    if missing:
        raise RunError(
            f"{run.plan} lacks {', '.join(missing)}: another version of striate began this Run",
            fix="go on with that version (environment.json names it), or train again with `--plan` and this file",
        )
    return Plan(decisions)


def _check_name(name: str) -> None:
    """Say at once that no network has that name, before the audit reads everything."""
    with contextlib.suppress(NetworkError):  # this is not the data's size; the plan asks again with it
        resolve(name, outputs=2, channels=3, height=224, width=224, grid=in_grid(name))


def preprocessing_of(plan: Plan) -> Preprocessing:
    """The part of a plan that becomes the Model's preprocessing."""
    return Preprocessing(
        height=plan["input.height"],
        width=plan["input.width"],
        channels=plan["input.channels"],
        policy=plan["input.policy"],
        margin=plan["input.margin"],
        interpolation=plan["input.interpolation"],
        full_scale=plan["input.full_scale"],
        mean=tuple(plan["normalize.mean"]),
        std=tuple(plan["normalize.std"]),
        fill=tuple(255 * value for value in plan["normalize.mean"]),
        sizing=plan["input.sizing"],
        step=plan["input.step"],
        least=plan["input.least"],
        tile=plan["input.tile"],
        overlap=plan["input.overlap"],
    )


def task_of(prepared: Prepared) -> Task:
    """The task, with its loss, weights of classes and scale of values from the training samples."""
    plan = prepared.plan
    return make_task(
        plan["task.kind"],
        prepared.dataset.target_names,
        _training_samples(prepared),
        loss=plan["loss.name"],
        loss_options=_loss_options(plan),
        class_weights=plan["loss.class_weights"],
        costs=plan["evaluate.costs"],
    )


def _training_samples(prepared: Prepared) -> list[Sample]:
    keys = set(prepared.split.keys("train"))
    return [sample for sample in prepared.dataset.samples if sample.key in keys]


def _loss_options(plan: Plan) -> dict[str, Any]:
    """What the loss is told. Raises `PlanError` where the smoothing of labels is set beside its own leaf."""
    if "label_smoothing" in plan["loss.options"]:
        raise PlanError(
            "loss.options: label_smoothing has a leaf of its own, which would say something else",
            fix="set loss.label_smoothing in its place",
        )
    smoothing = plan["loss.label_smoothing"]  # of 0 it is not told: not every loss has that option
    return {**({"label_smoothing": smoothing} if smoothing else {}), **plan["loss.options"]}


def spec_of(prepared: Prepared, task: Task) -> dict[str, Any]:
    """The network of a plan, as data."""
    plan = prepared.plan
    spec = resolve(
        plan["network.name"],
        outputs=task.outputs,
        channels=plan["input.channels"],
        height=plan["input.height"],
        width=plan["input.width"],
        arguments=plan["network.arguments"],
        grid=task.per_pixel,
    )
    return as_planned(spec, plan.__getitem__)
