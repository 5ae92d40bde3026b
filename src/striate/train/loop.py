"""The loop: epochs of steps, a validation after each, checkpoints in between, and an end that restores the best.

It reads from top to bottom as a training goes. All randomness is a function of (seed, epoch, batch), so going on from
a checkpoint needs only the counters.
"""

from __future__ import annotations

import contextlib
import json
import math
import time
from collections.abc import Generator
from dataclasses import replace
from pathlib import Path
from typing import cast

import torch

from striate.core.artifacts import append_line, finite, write_text
from striate.core.errors import CheckpointError, Interrupted, NonFinite
from striate.core.events import Reporter, time_left
from striate.core.memory import ran_out_of_memory
from striate.core.run import RunFolder
from striate.core.wording import plural
from striate.data.loader import Batch
from striate.nets import depth_groups
from striate.train.alarms import is_looked_at, look
from striate.train.checkpoints import best_path, load_checkpoint, load_newest, save_checkpoint
from striate.train.course import cycles
from striate.train.frozen import remember_features
from striate.train.recipe import Recipe
from striate.train.signals import StopRequest
from striate.train.state import Counters, State
from striate.train.statistics import estimate_statistics
from striate.train.step import clear_gradients, train_step

SHOWN = ("accuracy", "macro_f1", "dice", "pixel_accuracy", "log_loss", "mae", "rmse", "r2")
"""The metrics that the line of an epoch has, beside the one that selects; `history.jsonl` has all."""
TOLD = 50
"""Steps between two figures of one step's loss, where that is fewer than a tenth of an epoch."""


def fit(state: State, recipe: Recipe, run: RunFolder, reporter: Reporter, deadline: float | None = None) -> None:
    """Train from wherever the Run's newest whole checkpoint stands to the end, leaving the best weights in `state`.

    Args:
        state: the networks before their first step; becomes the best state.
        deadline: `time.monotonic()` at which training stops, whatever it has reached.

    Raises:
        Interrupted: on the first Ctrl-C or SIGTERM, after saving.
        NonFinite: a loss or gradient is not finite; the last good weights are in the newest checkpoint.
    """
    with torch.random.fork_rng(devices=[]), StopRequest() as stop:
        if load_newest(run.checkpoints, state, reporter) is None:
            _cut_history(run.history, 0, reporter)
            _say_what_never_learns(state, recipe, reporter)
            _say_fewer_frozen(recipe, reporter)
            if recipe.plan["transfer.probe"]:
                _judge_start(state, recipe, run, reporter)
            save_checkpoint(run.checkpoints, state)
        _cut_history(run.history, state.counters.rows, reporter)
        _reopen(state, recipe)
        while not state.counters.done:
            fits = True
            try:
                _epoch(state, recipe, run, reporter, stop, deadline)
            except (RuntimeError, MemoryError) as error:
                fits = not ran_out_of_memory(error)
                if fits or state.counters.accumulate >= recipe.plan["batch.size"]:
                    raise
            if not fits:  # outside the handler, whose traceback would keep the activations alive
                _halve(state, run, reporter)
            if stop.asked and not state.counters.done:
                raise _interrupted(state, recipe, run)
        _take_best(state, run, reporter)
        if recipe.plan["transfer.probe"] and state.counters.best_epoch == 0:
            reporter.line(
                f"no epoch beat the head on frozen features (val {recipe.plan['train.metric']} "
                f"{state.counters.best:.4f}) by transfer.margin: that head is taken"
            )


def _reopen(state: State, recipe: Recipe) -> None:
    """Go on where a training had ended that was extended since; an epoch that the time cut short is finished first."""
    counters = state.counters
    if counters.done and recipe.extended(counters.epoch):
        counters.done, counters.since_best = "", 0
        counters.epoch, counters.batch = divmod(counters.step, len(recipe.batches))


def _take_best(state: State, run: RunFolder, reporter: Reporter) -> None:
    """The weights of the best validation; the newest, and that is said, where those are damaged."""
    counters = state.counters
    try:
        load_checkpoint(best_path(run.checkpoints, state), state)
    except CheckpointError as error:
        reporter.warn(f"{error.message}; the newest weights are taken instead of the best")
        counters.best_step, counters.best_epoch = counters.step, counters.epoch
    state.counters = counters


def _epoch(
    state: State, recipe: Recipe, run: RunFolder, reporter: Reporter, stop: StopRequest, deadline: float | None
) -> None:
    counters, batches = state.counters, recipe.batches
    for network in state.networks.values():
        recipe.set_learning(network, counters.epoch)
    for replay in state.replays.values():
        replay.refresh()
    started, saved, first = time.monotonic(), time.monotonic(), counters.step
    late, mark = False, time.monotonic()
    remember_features(state, recipe, reporter)
    spent_before, waited_before = counters.seconds, counters.waited
    size, told = recipe.size(counters.epoch), max(1, min(TOLD, len(batches) // 10))
    known, asked = state.features, time.monotonic()
    for fetched in (batches.fetched if known is None else batches.bare)(counters.epoch, counters.batch):
        counters.waited += time.monotonic() - asked
        if known is None:
            batch = batches.altered(fetched, counters.epoch, counters.batch, size)
        else:
            batch = replace(fetched, images=known.rows[torch.from_numpy(fetched.ids).to(known.rows.device)])
        if counters.batch == 0 and is_looked_at(counters.epoch):
            look(state, recipe, batch if known is None else _first(recipe, counters.epoch), reporter)
        try:
            loss = train_step(state, recipe, batch)
        except NonFinite:
            _keep_good(state, run)
            raise
        counters.loss_sum += loss
        counters.loss_count += 1
        counters.batch += 1
        counters.samples += len(batch.ids)
        if counters.batch % told == 0:
            rate = recipe.rate(counters.step - 1, counters.drops)
            reporter.figures(counters.step, {"train/step_loss": loss, "train/rate": rate})
        now = time.monotonic()
        counters.seconds, mark = counters.seconds + now - mark, now
        left = time_left(counters.step - first, recipe.steps - first, started)
        pace = (counters.step - first) * len(batch.ids) / max(now - started, 1e-9)
        mean = counters.loss_sum / counters.loss_count
        reporter.progress(
            counters.step,
            recipe.steps,
            f"epoch {counters.epoch + 1}/{recipe.plan['train.epochs']}  loss {mean:.4f}"
            f"  best {recipe.plan['train.metric']} {'-' if counters.best is None else f'{counters.best:.4f}'}"
            f"  rate {recipe.rate(counters.step - 1, counters.drops):.2g}  {pace:.0f} samples/s  {left} left",
        )
        if stop.asked:
            save_checkpoint(run.checkpoints, state)
            raise _interrupted(state, recipe, run)
        late = deadline is not None and now > deadline and counters.step < recipe.steps
        if late:
            break
        if now - saved > recipe.plan["train.checkpoint_seconds"] and counters.batch < len(batches):
            save_checkpoint(run.checkpoints, state)
            saved = mark = time.monotonic()
        asked = time.monotonic()  # what was shown and saved since the step is no waiting
    stall = (counters.waited - waited_before) / max(counters.seconds - spent_before, 1e-9)
    _finish_epoch(state, recipe, run, reporter, late, stall)


def _say_what_never_learns(state: State, recipe: Recipe, reporter: Reporter) -> None:
    """Warn where the training is over before gradual unfreezing comes to the stem."""
    opened = recipe.opened(int(recipe.plan["train.epochs"]) - 1)
    for network in state.networks.values() if opened is not None else ():
        depths = len(depth_groups(network))
        if opened is not None and opened + 1 < depths:
            reporter.warn(
                f"transfer.unfreeze_epochs: by the last epoch {opened + 1} of {depths} groups of depth learn, the "
                "others never; train longer, or unfreeze after fewer epochs"
            )


def _say_fewer_frozen(recipe: Recipe, reporter: Reporter) -> None:
    """Say where the training has no more epochs than were to be frozen; what a user asked for is refused before."""
    asked, epochs = int(recipe.plan["transfer.frozen_epochs"]), cycles(recipe.plan)[0].end
    if asked and asked >= epochs:
        reporter.line(
            f"transfer.frozen_epochs: of {plural(epochs, 'epoch', 'epochs')} {epochs - 1} are frozen, not {asked}, as "
            "the last never is"
        )


def _first(recipe: Recipe, epoch: int) -> Batch:
    """The first batch of an epoch, with its pictures; what would prepare more is ended."""
    with contextlib.closing(cast(Generator[Batch], recipe.batches.epoch(epoch, 0, recipe.size(epoch)))) as running:
        return next(running)


def _judge_start(state: State, recipe: Recipe, run: RunFolder, reporter: Reporter) -> None:
    """Weights that know something already are the best so far: training may only better them."""
    metric = recipe.plan["train.metric"]
    found = recipe.validate(state.judged())
    figure = found.get(metric)
    if figure is not None and math.isfinite(figure):
        state.counters.best = figure
        append_line(
            run.history, json.dumps(finite({"epoch": 0, "step": 0, "train_loss": None, "rate": 0, "val": found}))
        )
        state.counters.rows += 1
        reporter.figures(0, {f"val/{name}": value for name, value in found.items()})
        reporter.line(f"before training: val {metric} {figure:.4f}")


def _better(figure: float, counters: Counters, recipe: Recipe) -> bool:
    """Whether a validation beats the best: the head alone by a margin, an epoch outright."""
    assert counters.best is not None
    if not recipe.task.higher_is_better(recipe.plan["train.metric"]):
        return figure < counters.best
    return figure > counters.best + (recipe.margin(counters.best) if counters.best_epoch == 0 else 0.0)


def _finish_epoch(state: State, recipe: Recipe, run: RunFolder, reporter: Reporter, late: bool, stall: float) -> None:
    """Validate, write the epoch's line, see whether it was the last, and save.

    Args:
        late: whether the time is over.
        stall: the share of the epoch's time, in this process, that was spent waiting for batches.
    """
    counters, metric = state.counters, recipe.plan["train.metric"]
    for name in [name for name, replay in state.replays.items() if replay.refused is not None]:
        reporter.warn(
            f"execution.graphed: the passes are not recorded, but computed as ever: {state.replays[name].refused}"
        )
        del state.replays[name]
    averaging, whole = recipe.averaged(counters.epoch) > 0, counters.batch >= len(recipe.batches)
    averaged = recipe.averaged(counters.epoch) - (averaging and not whole)
    for own in state.means.values() if averaging and whole else ():  # one cut short is finished when a Run is extended
        own.update(averaged - 1)
    for network in state.networks.values():
        network.eval()
    found = recipe.validate(state.judged())
    mean = counters.loss_sum / max(1, counters.loss_count)
    row = {
        "epoch": counters.epoch + 1,
        "step": counters.step,
        "train_loss": mean,
        "rate": recipe.rate(max(0, counters.step - 1), counters.drops),
        "val": found,
    }
    append_line(run.history, json.dumps(finite(row)))
    counters.rows += 1
    judged = {f"val/{name}": value for name, value in found.items()}
    reporter.figures(counters.step, {"train/loss": mean, "train/loader_stall": stall, **judged})
    figure = found.get(metric)
    defined = figure is not None and math.isfinite(figure)
    if found and not defined:
        reporter.warn(f"the validation {metric} is not defined in epoch {counters.epoch + 1}")
    if counters.best is None or (figure is not None and defined and _better(figure, counters, recipe)):
        # Without a figure to choose by, the last weights are the best known.
        counters.best = figure if defined else None
        counters.best_step, counters.best_epoch, counters.averaged = counters.step, counters.epoch + 1, 0
        gained = figure is None or counters.mark is None or abs(figure - counters.mark) >= recipe.plan["train.min_gain"]
        counters.since_best = 0 if gained else counters.since_best + 1
        counters.mark = figure if gained and defined else counters.mark
    else:
        if figure == counters.best and counters.best_epoch:  # of equal epochs the later, at a lower rate
            counters.best_step, counters.best_epoch, counters.averaged = counters.step, counters.epoch + 1, 0
        # Against the fitted head patience does not run: gains within the margin are gains, and the rate is still high.
        counters.since_best += counters.best_epoch > 0 or not recipe.plan["transfer.probe"]
    shown = "  ".join(f"{name} {value:.4f}" for name, value in found.items() if name in (metric, *SHOWN))
    reporter.line(
        f"epoch {counters.epoch + 1}/{recipe.plan['train.epochs']}  train loss {mean:.4f}"
        f"{f'  val {shown}' if shown else ''}  loader stall {stall:.1%}"
    )
    if (
        recipe.plateau is not None
        and not averaging
        and counters.since_best
        and counters.since_best % recipe.plateau[1] == 0
    ):
        counters.drops += 1
        reporter.line(f"no better {metric} in {counters.since_best} epochs: the rate falls by {recipe.plateau[0]:g}")
    counters.epoch, counters.batch, counters.loss_sum, counters.loss_count = counters.epoch + 1, 0, 0.0, 0
    if late:
        counters.done = "time"
        reporter.warn("the time was over before the last step; the best weights so far are taken")
    elif counters.epoch >= recipe.plan["train.epochs"]:
        counters.done = "all epochs"
    elif recipe.extended(counters.epoch):
        counters.since_best = 0  # patience begins anew, as it does where the Run had ended here
    elif counters.since_best >= recipe.plan["train.patience"] and not averaging:
        counters.done = "patience"
        reporter.line(f"no better {metric} in {counters.since_best} epochs: stopped early")
    if state.means and (counters.done or recipe.extended(counters.epoch)):
        _judge_mean(state, recipe, run, reporter, averaged)
    save_checkpoint(run.checkpoints, state)


def _judge_mean(state: State, recipe: Recipe, run: RunFolder, reporter: Reporter, averaged: int) -> None:
    """The mean of the last epochs' weights is one more candidate, which validation judges like an epoch.

    Args:
        averaged: epochs that are in it.
    """
    counters, metric = state.counters, recipe.plan["train.metric"]
    if averaged < 2:
        first, cycle = (
            recipe.averaged_from(counters.epoch - 1),
            recipe.cycle((counters.epoch - 1) * len(recipe.batches)),
        )
        reporter.warn(
            f"train.swa: training ended before two of the epochs from {first + 1} on, whose weights "
            "would be averaged; the best epoch stands"
            if first < cycle.end
            else f"train.swa: the epochs from {cycle.first + 1} to {cycle.end} have no two after their warm-up, whose "
            "weights would be averaged; the best epoch stands"
        )
        return
    for mean in state.means.values():
        estimate_statistics(mean.network, recipe, counters.epoch - 1, counters.accumulate)
    found = recipe.validate({name: mean.network for name, mean in state.means.items()})
    rate = recipe.rate(max(0, counters.step - 1), counters.drops)
    row = {"epoch": counters.epoch, "step": counters.step, "train_loss": None, "rate": rate, "val": found}
    append_line(run.history, json.dumps(finite({**row, "averaged": averaged})))
    counters.rows += 1
    figure = found.get(metric)
    defined = figure is not None and math.isfinite(figure)
    shown = f": val {metric} {figure:.4f}, {counters.best:.4f} before" if defined and counters.best is not None else ""
    reporter.line(f"the mean of the last {averaged} epochs' weights{shown}")
    if counters.best is None or (figure is not None and defined and _as_good(figure, counters, recipe)):
        counters.best = figure if defined else None
        counters.best_step, counters.best_epoch, counters.averaged = counters.step, counters.epoch, averaged


def _as_good(figure: float, counters: Counters, recipe: Recipe) -> bool:
    """Whether the mean is taken: like of equal epochs the later, but against the fitted head by the margin."""
    return _better(figure, counters, recipe) or (figure == counters.best and counters.best_epoch > 0)


def _interrupted(state: State, recipe: Recipe, run: RunFolder) -> Interrupted:
    return Interrupted(
        f"stopped at step {state.counters.step} of {recipe.steps}; everything is saved",
        fix=f"go on with `striate train --resume {run.path}`",
    )


def _halve(state: State, run: RunFolder, reporter: Reporter) -> None:
    """Go back to the newest checkpoint with twice as many parts a batch: what memory ran out on is half as large."""
    parts = state.counters.accumulate * 2
    clear_gradients(state)
    state.features = None  # they are a function of the parts, too
    state.replays.clear()  # parts are not replayed, and each graph holds the activations of a whole batch
    torch.cuda.empty_cache()
    load_newest(run.checkpoints, state, reporter)
    state.counters.accumulate = parts
    save_checkpoint(run.checkpoints, state)
    _cut_history(run.history, state.counters.rows, reporter)
    reporter.warn(
        f"memory ran out: each batch is now computed in {parts} parts, from step {state.counters.step} on "
        f"(`--set batch.accumulate={parts}` does so from the start)"
    )


def _keep_good(state: State, run: RunFolder) -> None:
    """Save the state from before a step that failed, unless the failure is in it already."""
    if all(bool(tensor.isfinite().all()) for tensor in state.model_tensors().values() if tensor.is_floating_point()):
        save_checkpoint(run.checkpoints, state)


def _cut_history(path: Path, rows: int, reporter: Reporter) -> None:
    """Drop the lines that were written after the checkpoint."""
    lines = path.read_text("utf-8").splitlines(keepends=True) if path.exists() else []
    if len(lines) < rows:
        reporter.warn(f"{path.name} has {len(lines)} lines where the checkpoint counts {rows}: some were lost")
    if len(lines) != rows or any(not line.endswith("\n") for line in lines):
        write_text(path, "".join(lines[:rows]))
