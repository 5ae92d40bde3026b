"""The stages before training, each of which finds its result in the Run or makes it: data, audit, split, plan."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import torch

from striate.core.cache import cache_folder
from striate.core.events import Reporter
from striate.core.machine import cores, free_bytes, memory_bytes, processors
from striate.core.plan import AUTO, Decision
from striate.core.records import Dataset
from striate.core.run import RunFolder
from striate.data.audit import DAMAGE_LIMIT, Audit
from striate.data.checks import check_audit
from striate.data.split import SplitTable
from striate.infer import computes_bfloat16, found_device
from striate.nets import Weights, resolve
from striate.plan import Budget, Machine, make_plan
from striate.plan.rules.size import asks_for_speed
from striate.train.checkpoints import list_checkpoints
from striate.train.speed import training_rate, tuning_seconds
from striate.workflows.asked_weights import asked_again, asked_at_once, named_as
from striate.workflows.checks import check_learnable, check_plan, check_sizes
from striate.workflows.choosing import Candidate, choose_weights
from striate.workflows.fitting import check_at_once, check_fit
from striate.workflows.planned import Prepared, preprocessing_of, spec_of, task_of, training_samples, whole_plan
from striate.workflows.quiet import Quiet
from striate.workflows.reading import audited, divided, read_dataset, small_cache
from striate.workflows.request import Request, check_function

SPEED_SECONDS = 5.0
"""After which the machine's speed is not measured again where something disturbed it."""


def prepare(request: Request, run: RunFolder | None, device: str, reporter: Reporter) -> Prepared:
    """Everything before the measurements: data, audit, split, weights, and the plan (the Run's, where it has one)."""
    check_function(request)
    started = run is not None and bool(list_checkpoints(run.checkpoints))  # then the weights are in there
    chosen = request.overrides
    # before the audit: a wrong file should be said at once
    if started:
        weights, candidates = asked_again(request, run, reporter)
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
        return Prepared(dataset, audit, split, plan, named_as(plan, weights, reporter))
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
    weights, candidates = asked_at_once(request, None)  # before the audit: a wrong file should be said at once
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
    prepared = Prepared(dataset, audit, split, plan, named_as(plan, weights, reporter))
    task = task_of(prepared)
    check_plan(plan, task, training_samples(prepared))
    spec = spec_of(prepared, task)
    check_sizes(spec, audit, preprocessing_of(plan))
    check_fit(prepared.weights, spec, plan["network.name"], task)
    return prepared


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
