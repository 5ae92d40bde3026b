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


def train(
    data: _options.Data = None,
    out: Annotated[str | None, typer.Option(help="The Run's folder; runs/NAME-TIME without.", metavar="DIR")] = None,
    resume: Annotated[str | None, typer.Option(help="Go on with this Run; needs nothing else.", metavar="RUN")] = None,
    task: _options.Task = None,
    reader: _options.Reader = None,
    label_depth: _options.LabelDepth = None,
    root: _options.Root = None,
    group: _options.Group = None,
    val: _options.Val = None,
    test: _options.Test = None,
    model: _options.Model = None,
    weights: _options.Weights = None,
    minutes: _options.Minutes = None,
    epochs: _options.Epochs = None,
    size: _options.Size = None,
    seed: _options.Seed = None,
    cache_size: _options.CacheSize = None,
    plan: _options.PlanFile = None,
    settings: _options.Settings = None,
    augment: _options.Augment = None,
    device: _options.Device = None,
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
    """
    options = _options.given(
        data=data,
        out=out,
        task=task,
        reader=reader,
        label_depth=label_depth,
        root=root,
        group=group,
        val=val,
        test=test,
        model=model,
        weights=_options.one_or_several(weights),
        minutes=minutes,
        epochs=epochs,
        size=size,
        seed=seed,
        cache_size=_options.parse_bytes(cache_size),
        plan=plan,
        set=_options.with_function(_options.parse_settings(settings), augment),
        device=_options.check_device(device),
    )
    _check_alone(resume, options)
    _options.check_budget(minutes, epochs)
    from striate import api

    with reporting() as reporter:
        if resume is not None:
            run = api.resume(resume, reporter=reporter)
        else:
            run = api.train(**options, started=STARTED, reporter=reporter)
    if as_json:
        print_json(run.summary())
    else:
        _show(run)


def _check_alone(resume: str | None, options: dict[str, Any]) -> None:
    if resume is not None and options:
        names = ", ".join("DATA" if name == "data" else "--" + name.replace("_", "-") for name in options)
        raise UsageError(
            f"--resume stands alone: the Run knows its own data and plan, so {names} cannot be given with it",
            fix=f"striate train --resume {resume}",
        )


def _show(run: api.Run) -> None:
    summary, headline = run.summary(), run.metrics.get("headline")
    rows = []
    for part, words in (("test", "test"), ("val", "validation")):
        scores = summary["metrics"].get(part) or {}
        names = [name for name in scores if f"{name}_interval" in scores or name == headline]
        names.sort(key=lambda name: name != headline)
        names = names if part == "test" else names[:1]  # validation chose the best epoch: its other figures say little
        rows += [[words, name, figure(scores[name]), interval(scores.get(f"{name}_interval"))] for name in names]
    say()
    print_table(["split", "metric", "value", "95 % interval"], rows, right=["value"])
    left_out = f", {summary['quarantined']:,} damaged and left out" if summary["quarantined"] else ""
    pace = f"{duration(summary['seconds'])} of training at {summary['samples_per_second']:,.0f} samples/s{left_out}"
    path = run.path
    say(f"\nRun      {path}  ({pace})")
    say(f"report   {path / 'report.html'}")
    say(f"predict  striate predict {path} PATH…")
    say(f"explain  striate explain {path} PATH…")
