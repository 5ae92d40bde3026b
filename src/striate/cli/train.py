"""`striate train`: from data to a finished Run, or on with one that was stopped."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from striate.cli import STARTED, _options
from striate.cli._console import figure, interval, print_json, print_table, reporting, say
from striate.core.errors import UsageError
from striate.core.events import duration

if TYPE_CHECKING:
    from striate import api

SHOWN = (
    "accuracy",
    "macro_f1",
    "dice",
    "pixel_accuracy",
    "log_loss",
    "calibration_error",
    "expected_cost",
    "mae",
    "rmse",
    "r2",
)
"""The metrics that are printed at the end, beside the headline."""


def train(
    data: _options.Data = None,
    out: Annotated[str | None, typer.Option(help="The Run's folder; runs/NAME-TIME without.", metavar="DIR")] = None,
    resume: Annotated[str | None, typer.Option(help="Go on with this Run; needs nothing else.", metavar="RUN")] = None,
    task: _options.Task = None,
    reader: _options.Reader = None,
    label_depth: _options.LabelDepth = None,
    root: _options.Root = None,
    group: _options.Group = None,
    time: _options.Time = None,
    val: _options.Val = None,
    test: _options.Test = None,
    relabel: _options.Relabel = None,
    model: _options.Model = None,
    weights: _options.Weights = None,
    minutes: _options.Minutes = None,
    epochs: Annotated[
        str | None,
        typer.Option(
            help="Passes over the training data, in place of --minutes. With --resume: extends the Run to N, or by +N.",
            metavar="N|+N",
            rich_help_panel="Deciding",
        ),
    ] = None,
    folds: Annotated[
        int | None,
        typer.Option(
            help="Train so many times, each time with other samples held out; all are tested once.",
            min=2,
            metavar="K",
            rich_help_panel="Deciding",
        ),
    ] = None,
    size: _options.Size = None,
    seed: _options.Seed = None,
    cache_size: _options.CacheSize = None,
    plan: _options.PlanFile = None,
    settings: _options.Settings = None,
    augment: _options.Augment = None,
    device: _options.Device = None,
    tensorboard: Annotated[
        bool, typer.Option("--tensorboard", help="Write event files into the Run, for `tensorboard --logdir RUN`.")
    ] = False,
    mlflow: Annotated[
        bool, typer.Option("--mlflow", help="Log plan, figures and files to where MLflow is configured to.")
    ] = False,
    as_json: _options.Json = False,
) -> None:
    """Train a network on a folder of pictures.

    Reads, audits, splits, plans, trains, evaluates and reports, into a Run's folder.

    Ctrl-C saves and says how to go on.

    \b
    [bold]Examples[/]
    striate train
    striate train photos/ --minutes 10
    striate train photos/ --model timm/resnet18 --weights hub --set optimizer.rate=0.01
    striate train --resume runs/photos-20260301-100412
    striate train --resume runs/photos-20260301-100412 --epochs +10
    """
    more = epochs is not None and epochs.strip().startswith("+")
    count = _options.parse_epochs(epochs)
    if more and resume is None:
        raise UsageError(f"--epochs {epochs} adds to a Run, and none is given", fix=f"give --resume RUN, or {count}")
    follow = [name for name, on in (("tensorboard", tensorboard), ("mlflow", mlflow)) if on]
    followed: dict[str, Any] = {"follow": follow} if follow else {}
    options = _options.given(
        data=data,
        out=out,
        task=task,
        reader=reader,
        label_depth=label_depth,
        root=root,
        group=group,
        time=time,
        val=val,
        test=test,
        relabel=relabel,
        model=model,
        weights=_options.one_or_several(weights),
        minutes=minutes,
        epochs=None if resume is not None else count,
        folds=folds,
        size=size,
        seed=seed,
        cache_size=_options.parse_bytes(cache_size),
        plan=plan,
        set=_options.with_function(_options.parse_settings(settings), augment),
        device=_options.check_device(device),
    )
    _check_alone(resume, options)
    _options.check_budget(minutes, count)
    from striate import api

    with reporting() as reporter:
        if resume is not None:
            extended: dict[str, Any] = {} if count is None else {"more": count} if more else {"epochs": count}
            run = api.resume(resume, **extended, **followed, reporter=reporter)
        else:
            run = api.train(**options, **followed, started=STARTED, reporter=reporter)
    if as_json:
        print_json(run.summary())
    else:
        _show(run)


def _check_alone(resume: str | None, options: dict[str, Any]) -> None:
    if resume is not None and options:
        names = ", ".join("DATA" if name == "data" else "--" + name.replace("_", "-") for name in options)
        raise UsageError(
            f"--resume stands alone, but for --epochs: the Run knows its own data and plan, so {names} cannot be given "
            "with it",
            fix=f"striate train --resume {resume}",
        )


def _show(run: api.Run) -> None:
    summary, headline = run.summary(), run.metrics.get("headline")
    rows, more = [], 0
    for part, words in (("test", "test"), ("val", "validation")):
        scores = summary["metrics"].get(part) or {}
        known = [name for name in scores if f"{name}_interval" in scores or name == headline]
        names = sorted((name for name in known if name in (headline, *SHOWN)), key=lambda name: name != headline)
        more = max(more, len(known) - len(names))
        names = names if part == "test" else names[:1]  # validation chose the best epoch: its other figures say little
        rows += [[words, name, figure(scores[name]), interval(scores.get(f"{name}_interval"))] for name in names]
    say()
    print_table(["split", "metric", "value", "95 % interval"], rows, right=["value"])
    if more:
        say(f"{more} metrics more stand in the report and in metrics.json")
    left_out = f", {summary['quarantined']:,} damaged and left out" if summary["quarantined"] else ""
    pace = f"{duration(summary['seconds'])} of training at {summary['samples_per_second']:,.0f} samples/s{left_out}"
    path = run.path
    if "folds" in summary:
        _show_folds(summary["folds"], str(headline))
    _show_diagnosis(run.diagnosis)
    say(f"\nRun      {path}  ({pace})")
    say(f"report   {path / 'report.html'}")
    drawn = summary["task"] in ("segment", "detect")
    say(f"predict  striate predict {path} PATH…{' --draw DIR' * drawn}")
    if "folds" not in summary and not drawn:
        say(f"explain  striate explain {path} PATH…")


def _show_folds(folds: dict[str, Any], headline: str) -> None:
    """How far the folds are apart."""
    spread = folds["spread"].get(headline)
    if spread is not None:
        least, most = figure(spread["least"]), figure(spread["most"])
        say(f"\n{folds['count']} folds  {headline} from {least} to {most}, deviation {figure(spread['deviation'])}")


def _show_diagnosis(diagnosis: dict[str, Any]) -> None:
    """The names alone: each was told in full while it was found, and stands in the report."""
    found = [one["name"] for one in diagnosis.get("findings", [])]
    found += dict.fromkeys(one["kind"] for one in diagnosis.get("alarms", []))
    if found:
        say(f"\nlook at  {', '.join(found)}: the report says why, and what to try")
