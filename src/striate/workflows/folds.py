"""`train --folds`: as many trainings as folds, each of which holds other samples out, scored together.

Without a given test every sample is tested once, by the network of the fold that held it out; with one, every sample
validates once, and the test is scored by the mean of all networks. Each fold is a Run of its own; what is asked of the
whole is asked of the mean of their Models. Stopped at any moment, it goes on with the fold that was running.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from striate.core.artifacts import read_json, write_bytes
from striate.core.errors import Interrupted, RunError, StriateError, UsageError
from striate.core.events import Reporter
from striate.core.machine import processors
from striate.core.plan import Decision
from striate.core.run import RunFolder
from striate.data.audit import DAMAGE_LIMIT
from striate.data.contiguous import ORDERS
from striate.data.dividing import check_direction
from striate.data.folds import rotates
from striate.data.split import SplitTable, make_split
from striate.train.followers import require
from striate.workflows import train as single
from striate.workflows.asked_weights import asked_at_once
from striate.workflows.checks import check_learnable
from striate.workflows.folded import Folded, finish_folds, remarks
from striate.workflows.lineage import keep_lineage, known_fates, met_before
from striate.workflows.reading import audited, check_unchanged, read_dataset, small_cache
from striate.workflows.request import (
    Request,
    check_function,
    environment,
    given_split,
    keep_given,
    kept_list,
)


def folds_of(overrides: Mapping[str, Decision]) -> int | None:
    """How many folds are to be trained; None where one training is asked for, be it of one fold.

    >>> folds_of({"split.folds": Decision(3, "yours", "user")})
    3
    """
    count, number = (overrides[key].value if key in overrides else None for key in ("split.folds", "split.fold"))
    return count if number is None else None


def train(request: Request, path: Path, device: str, reporter: Reporter, started: float) -> RunFolder:
    """Train into a new Run, once or for each fold; see `striate.workflows.train.train`."""
    count = folds_of(request.overrides)
    if count is None:
        return single.train(request, path, device, reporter, started)
    require(request.follow)
    existed = path.exists()
    run = RunFolder.create(path, {**environment(request), "device": device})
    try:
        request = keep_given(run, request)
        budget = None if request.minutes is None else 60 * request.minutes - (time.monotonic() - started)
        _train(run, request, count, device, reporter, budget)
    except Interrupted:
        raise
    except StriateError:
        if not run.folds.is_dir() or not any(run.folds.iterdir()):  # there is nothing to go on with
            run.discard(stays=existed)
        raise
    finally:
        run.unlock()
    return run


def resume(
    path: Path, reporter: Reporter, epochs: int | None = None, more: int | None = None, follow: Sequence[str] = ()
) -> RunFolder:
    """Go on with a Run; with one of folds, by the fold that was running. See `striate.workflows.train.resume`.

    Raises:
        UsageError: a Run of folds cannot be extended, nor followed by what it was not begun with; nor a fold of one.
    """
    run = RunFolder.open(path)
    content = run.read_environment()
    extended = epochs is not None or more is not None
    if _asked_folds(content) is None:
        if extended and (whole := _whole_of(run)) is not None:
            raise UsageError(
                f"{path} is a fold of {whole.path}, whose score is that of all folds as they were trained",
                fix=f"train anew with more epochs, or extend a copy of {path}",
            )
        return single.resume(path, reporter, epochs, more, follow)
    if extended or set(follow) - set(content["request"].get("follow", [])):
        raise UsageError(
            f"{path} is a Run of folds, which goes on as it was begun: it is neither extended nor followed anew",
            fix=f"go on with `striate train --resume {path}` alone, or train anew with more epochs",
        )
    run.lock()
    try:
        if run.metrics.exists():
            reporter.line(f"{path} is trained and scored already")
            return run
        arrays = dict(np.load(run.arrays, allow_pickle=False)) if run.arrays.exists() else None
        request = kept_list(run, Request.from_dict(content["request"], arrays))
        count = folds_of(request.overrides)
        if count is None:
            raise RunError(f"{run.environment} asks for no folds, and did: it was changed", fix="train anew")
        budget = None if request.minutes is None else 60 * request.minutes
        _train(run, request, count, content.get("device", "auto"), reporter, budget)
    finally:
        run.unlock()
    return run


def _asked_folds(content: Mapping[str, Any]) -> int | None:
    """How many folds a Run was begun with, by its environment."""
    found = content.get("request", {}).get("overrides", {})
    return folds_of({key: Decision(*found[key]) for key in ("split.folds", "split.fold") if key in found})


def _whole_of(run: RunFolder) -> RunFolder | None:
    """The Run of folds that a Run is one of."""
    above = RunFolder(run.path.resolve().parent.parent)
    inside = run.path.resolve().parent == above.folds.resolve()
    return above if inside and above.environment.exists() else None


def _train(run: RunFolder, request: Request, count: int, device: str, reporter: Reporter, budget: float | None) -> None:
    """Train the folds that are not finished, and score all.

    Args:
        budget: seconds for all folds, None without one.
    """
    try:
        began, fresh = time.monotonic(), not run.folds.is_dir()
        folded = _divide(run, request, count, reporter)
        for number in range(1, count + 1):
            share = None if budget is None else budget / count
            if budget is not None and fresh:  # of a Run that goes on, what is gone is not known
                share = max(1.0, budget - (time.monotonic() - began)) / (count - number + 1)
            _train_fold(run, request, number, device, reporter, share, folded)
        reporter.stage("scoring the folds together")
        planned = any(one.by != "user" for key, one in request.overrides.items() if key != "split.fold")
        finish_folds(run, folded, request.minutes, planned)
    except KeyboardInterrupt:
        raise Interrupted("stopped between two folds", fix=_go_on(run)) from None
    except Interrupted as error:
        raise Interrupted(error.message, fix=_go_on(run)) from None


def _go_on(run: RunFolder) -> str:
    return f"go on with `striate train --resume {run.path}`"


def _divide(run: RunFolder, request: Request, count: int, reporter: Reporter) -> Folded:
    """Read, audit and divide; the same again for a Run that goes on."""
    check_function(request)
    fresh = not run.split.exists()
    if fresh:  # before the audit: a wrong file or name should be said at once
        check_direction(request.read.time is not None)
        asked_at_once(request, None)
    chosen = {key: decision.value for key, decision in request.overrides.items()}
    dataset = read_dataset(request.read, reporter)
    check_learnable(dataset)
    limit, near = chosen.get("split.damage_limit", DAMAGE_LIMIT), chosen.get("split.near_duplicates", True)
    cache = small_cache("audits", chosen)
    audit = audited(dataset, run, processors(), limit, cache, reporter, near, request.minutes)
    file, known = given_split(run, request.overrides), known_fates(request.weights, audit) if fresh else None
    seed, order = chosen.get("split.seed") or 0, chosen.get("split.order") or ORDERS[0]
    splits = [
        make_split(dataset, audit, seed=seed, file=file, known=known, fold=(number, count), order=order)
        for number in range(1, count + 1)
    ]
    if not fresh:  # what the weights had met was found when it began: their Run may have changed since
        kept = SplitTable.read(run.split, dataset).reasons
        splits = [replace(split, reasons=kept) for split in splits]
    given = set(dataset.given_splits) if file is None else set(SplitTable.read(file, dataset).fates.values())
    folded = Folded(dataset, audit, rotates(given), splits)
    if not fresh:
        check_unchanged(folded.whole(), run, dataset, folded.holder, folded.units())
        return folded
    reporter.line(f"the Run is {run.path}")
    sizes = [len(split.keys(folded.part)) for split in splits]
    words = "test" if folded.part == "test" else "validation, and the given test scores the mean of all"
    reporter.line(
        f"Folds: {sum(sizes):,} samples in {count} folds of {min(sizes):,} to {max(sizes):,}, each in turn held out "
        f"as {words}."
    )
    for remark in remarks(folded):
        reporter.line(remark)
    for sentence in met_before(splits[0]):
        reporter.warn(sentence)
    folded.whole().write(run.split, dataset, folded.holder, folded.units())
    return folded


def _train_fold(
    run: RunFolder,
    request: Request,
    number: int,
    device: str,
    reporter: Reporter,
    share: float | None,
    folded: Folded,
) -> None:
    """Train one fold from wherever it is.

    Args:
        share: seconds for it, None without a budget.
    """
    fold, count = run.fold(number), len(folded.splits)
    if fold.metrics.exists():
        reporter.line(f"fold {number} of {count} is trained and scored already")
        return
    reporter.line(f"fold {number} of {count}")
    if fold.environment.exists():
        single.resume(fold.path, reporter)
        return
    if fold.path.exists():  # it was stopped before it was a Run
        shutil.rmtree(fold.path)
    split = folded.splits[number - 1]

    def begin(folder: RunFolder) -> None:
        write_bytes(folder.audit, run.audit.read_bytes())
        if folded.audit.hashes:
            keep_lineage(folder, split, folded.audit, request.weights)
        split.write(folder.split, folded.dataset)

    asked = _request_of(request, number, count, None if share is None else share / 60)
    single.train(asked, fold.path, device, reporter, time.monotonic(), begin)
    found = read_json(fold.metrics)
    name = found["headline"]
    if (value := found[folded.part].get(name)) is not None:
        reporter.line(f"fold {number} of {count}: {name} {value:.4f} on what it held out")


def _request_of(request: Request, number: int, count: int, minutes: float | None) -> Request:
    """What is asked of one fold: the whole's, its number, and its share of the minutes."""
    overrides = {**request.overrides, "split.fold": Decision(number, f"the Run is one of {count} folds", "user")}
    asked = request.overrides.get("evaluate.leak")
    if number > 1 and (asked is None or asked.by != "user"):
        overrides["evaluate.leak"] = Decision(False, "the first fold tells it of all samples", "user")
    if minutes is not None:
        because = f"its share of {request.minutes:g} minutes for {count} folds"
        overrides["train.minutes"] = Decision(round(minutes, 4), because, "user")
    return replace(request, overrides=overrides, minutes=minutes)
