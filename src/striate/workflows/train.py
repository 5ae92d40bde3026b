"""`train`: from data to a finished Run. Each stage finds its result or makes it, so resuming is the same walk."""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import nn

from striate.core.artifacts import make_folder, read_json, write_bytes, write_json
from striate.core.cache import Cache, packs_folder
from striate.core.errors import DataError, Interrupted, StriateError
from striate.core.events import Reporter
from striate.core.memory import keep_freed_memory
from striate.core.plan import Plan
from striate.core.run import RunFolder
from striate.core.seeds import derive
from striate.data.augment import Augmenter
from striate.data.loader import EvalBatches, TrainBatches
from striate.data.pack import pack
from striate.evaluate import units_of
from striate.infer import predict_outputs
from striate.nets import Normalize, build, head_name, head_parameters, load_weights
from striate.train.checkpoints import list_checkpoints
from striate.train.loop import fit
from striate.train.probe import PENALTIES, fit_head
from striate.train.recipe import Recipe, fresh_state
from striate.train.state import Counters
from striate.workflows.finish import finish, scores_of
from striate.workflows.measure import first_of, forward_seconds, passes_after, resolve_plan
from striate.workflows.request import Request, array_bytes, environment
from striate.workflows.stages import Prepared, prepare, preprocessing_of, spec_of, task_of


@dataclass(frozen=True)
class Clock:
    """The time budget: counted from the command's start; the fit aims at 95 % of it and stops so as to end by 110 %."""

    started: float
    minutes: float | None

    def left(self) -> float | None:
        """Seconds left for fit and scoring; None without a budget."""
        if self.minutes is None:
            return None
        return 0.95 * 60 * self.minutes - (time.monotonic() - self.started)

    def deadline(self, scoring: float) -> float | None:
        """When the fit must stop so that the scoring and drawing after it still end by 110 %.

        They get the time that scoring takes and a twentieth of the budget, or the 8 seconds that the rest takes at
        least; never more than a quarter, or a budget of seconds would leave nothing to learn in: it may then end later.

        Args:
            scoring: seconds, as measured.

        >>> Clock(100.0, minutes=10).deadline(scoring=12.0), Clock(100.0, minutes=0.1).deadline(scoring=0.0)
        (718.0, 105.1)
        """
        if self.minutes is None:
            return None
        budget = 60 * self.minutes
        return self.started + 1.1 * budget - min(0.25 * budget, scoring + max(8.0, 0.05 * budget))


def train(request: Request, path: Path, device: str, reporter: Reporter, started: float) -> RunFolder:
    """Train into a new Run.

    Args:
        request: what was asked for.
        path: the Run's folder, new or empty.
        device: "auto", or where to compute.
        started: `time.monotonic()` at the command's start.
    """
    keep_freed_memory()
    existed = path.exists()
    run = RunFolder.create(path, {**environment(request), "device": device})
    try:
        if request.read.arrays is not None:
            write_bytes(run.arrays, array_bytes(request.read.arrays))
        _walk(run, request, device, reporter, Clock(started, request.minutes))
    except KeyboardInterrupt:
        raise _stopped(run) from None
    except StriateError:
        if not run.audit.exists():  # nothing was found out that could be gone on with
            shutil.rmtree(path, ignore_errors=True)
            if existed:
                make_folder(path)
        raise
    finally:
        run.unlock()
    return run


def resume(path: Path, reporter: Reporter) -> RunFolder:
    """Go on with a Run from wherever it was stopped; one that is scored is left as it is."""
    keep_freed_memory()
    run = RunFolder.open(path)
    run.lock()
    try:
        if run.metrics.exists():
            reporter.line(f"{path} is trained and scored already")
            return run
        content = run.read_environment()
        arrays = dict(np.load(run.arrays, allow_pickle=False)) if run.arrays.exists() else None
        request = Request.from_dict(content["request"], arrays)
        # No deadline: a clock would cut the run at another step than the one that was never stopped.
        budget = None if run.plan.exists() else request.minutes
        _walk(run, request, content.get("device", "auto"), reporter, Clock(time.monotonic(), budget))
    except KeyboardInterrupt:
        raise _stopped(run) from None
    finally:
        run.unlock()
    return run


def _stopped(run: RunFolder) -> Interrupted:
    return Interrupted("stopped between two saves", fix=f"go on with `striate train --resume {run.path}`")


def _walk(run: RunFolder, request: Request, device: str, reporter: Reporter, clock: Clock) -> None:
    prepared = prepare(request, run, device, reporter)
    reporter.line(f"the Run is {run.path}")  # said now: a call that could not be understood has left none
    threads = torch.get_num_threads()
    torch.set_num_threads(prepared.plan["execution.threads"])
    try:
        _train(run, prepared, reporter, clock)
    finally:
        torch.set_num_threads(threads)


def _train(run: RunFolder, prepared: Prepared, reporter: Reporter, clock: Clock) -> None:
    plan = prepared.plan
    task, preprocessing = task_of(prepared), preprocessing_of(plan)
    task.higher_is_better(plan["train.metric"])  # a misspelt metric should be said at once
    spec = read_json(run.network) if run.network.exists() else spec_of(prepared, task)
    samples = {sample.key: sample for sample in prepared.dataset.samples}
    keys = {part: prepared.split.keys(part) for part in ("train", "val", "test")}
    if not keys["train"]:
        raise DataError("no sample is left to train on", fix="look at split.csv for what became of each")
    cache = Cache(packs_folder(), plan["execution.cache_bytes"])
    pictures = {
        part: pack(
            prepared.dataset,
            keys[part],
            preprocessing,
            keep_margin=part == "train",
            workers=plan["execution.workers"],
            memory_bytes=plan["execution.pack_bytes"] // 3,
            reporter=reporter,
            cache=cache,
            digests=prepared.audit.hashes,
        )
        for part in keys
        if keys[part]
    }
    targets = {part: task.encode([samples[key] for key in keys[part]]) for part in pictures}
    normalize = Normalize(preprocessing.mean, preprocessing.std).to(plan["execution.device"])
    batches = TrainBatches(
        pictures["train"],
        targets["train"],
        task.weights([samples[key] for key in keys["train"]]),
        batch_size=min(plan["batch.size"], len(keys["train"])),
        seed=plan["train.seed"],
        augmenter=Augmenter(plan.section("augment"), plan["train.seed"], (preprocessing.height, preprocessing.width)),
    )
    scored: dict[str, EvalBatches] = {
        part: EvalBatches(pictures[part], batch_size=_eval_batch(plan["batch.size"]), targets=targets[part])
        for part in ("val", "test")
        if part in pictures
    }

    def unaltered(part: str) -> EvalBatches:
        """The samples of a split as they are, with their weights: what a head is fitted to."""
        return EvalBatches(
            pictures[part],
            targets[part],
            task.weights([samples[key] for key in keys[part]]),
            batch_size=_eval_batch(plan["batch.size"]),
            size=(preprocessing.height, preprocessing.width),
        )

    def networks() -> dict[str, nn.Module]:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(derive(plan["train.seed"], "initial weights"))
            network = build(spec)
        if prepared.weights is not None:
            report = load_weights(network, prepared.weights, head=head_name(network))
            if report.reinitialised:
                clear_head(network)
        return {"network": network}

    def validate(found: Mapping[str, nn.Module]) -> dict[str, float]:
        if "val" not in scored:
            return {}
        outputs, _ = predict_outputs(
            found["network"],
            normalize,
            scored["val"],
            precision=recipe.plan["execution.precision"],
            channels_last=recipe.plan["execution.channels_last"],
            device=recipe.device,
            name=lambda number: keys["val"][number],
        )
        return task.metrics(task.scores(outputs).numpy(), targets["val"].numpy())

    units = {part: units_of([samples[key].group for key in keys[part]]) for part in ("train", "val")}
    recipe = Recipe(plan, task, batches, keys["train"], normalize, validate, len(set(units["val"].tolist())))
    if not run.plan.exists():
        resolved = resolve_plan(
            recipe,
            networks,
            scored.get("val"),
            seconds=clock.left,
            scored=sum(len(keys[part]) for part in scored),
            folder=run.checkpoints,
            reporter=reporter,
        )
        write_json(run.network, spec)  # a network file may change or go; the Run keeps what it says
        resolved.write(run.plan)
        plan = resolved
    recipe = replace(recipe, plan=plan)
    first = networks()
    if prepared.weights is not None:
        reporter.line(load_weights(first["network"], prepared.weights, head=head_name(first["network"])).describe())
    teaches = any(samples[key].weight for key in keys["val"])
    judges = unaltered("val") if teaches else None
    if plan["transfer.probe"] and not list_checkpoints(run.checkpoints):
        reporter.stage("fitting the head on frozen features")
        penalty = fit_head(first["network"], recipe, unaltered("train"), judges, reporter, units=units["train"])
        folded = plan["transfer.probe_folds"]
        where = "parts of the training samples" if folded else "validation samples"
        usual = judges is None and not folded
        why = "the usual one" if usual else f"of {len(PENALTIES)} tried that which {where} like best"
        reporter.line(f"head: penalty {penalty:g}, {why}")
    scoring = 0.0
    if clock.minutes is not None:  # what the plan measured, or a plan with given epochs has not
        held_out = sum(len(keys[part]) for part in scored)
        passes = passes_after(plan, len(keys["train"]), len(keys["val"]), held_out)
        scoring = passes * forward_seconds(recipe, networks(), first_of(next(iter(scored.values()), batches.epoch(0))))
    reporter.stage("training")
    state = fresh_state(recipe, first)
    fit(state, recipe, run, reporter, deadline=clock.deadline(scoring))
    reporter.stage("evaluating")
    network = state.judged()["network"]
    scores, refitted = {}, None  # validation first: what it found out about the head that it chose stands
    for part, unseen in scored.items():
        scores[part] = scores_of(network, recipe, unseen, keys[part])
        if part == "val" and judges is not None and _refits(plan, state.counters):
            fit_head(network, recipe, unaltered("train"), judges, reporter, units=units["train"], refit=True)
            refitted = len(keys["train"]) + len(keys["val"])
            reporter.line(f"that head is fitted once more, to all {refitted} samples of training and validation")
    finish(run, prepared, recipe, state, spec, preprocessing, scores, refitted, targets, keys, reporter)


def _refits(plan: Plan, counters: Counters) -> bool:
    """Whether the head is fitted once more, to the validation samples too: where no epoch was better than it."""
    return bool(plan["transfer.refit"] and plan["transfer.probe"] and counters.best_epoch == 0)


@torch.no_grad()
def clear_head(network: nn.Module) -> None:
    """Start a new head at zero: the first outputs then say nothing, instead of something wrong and loud."""
    for name in head_parameters(network):
        network.get_parameter(name).zero_()


def _eval_batch(batch_size: int) -> int:
    """Evaluation keeps no activations, so it takes more at once."""
    return max(32, min(256, 2 * batch_size))
