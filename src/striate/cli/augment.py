"""`striate augment`: what the network will see of the training pictures."""

from __future__ import annotations

from typing import Annotated

import typer

from striate.cli import _options
from striate.cli._console import print_json, reporting, say


def augment(
    data: _options.Data = None,
    sheet: Annotated[str, typer.Option(help="The picture to draw the sheet in.", metavar="FILE")] = "augmentation.png",
    rows: Annotated[int, typer.Option(help="Samples on the sheet.", min=1, max=64)] = 6,
    views: Annotated[int, typer.Option(help="Altered pictures of each.", min=1, max=32)] = 7,
    out: Annotated[
        str | None, typer.Option(help="Write altered pictures of every training sample here.", metavar="DIR")
    ] = None,
    copies: Annotated[int, typer.Option(help="Of each sample, with --out.", min=1, max=1000)] = 1,
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
    epochs: _options.Epochs = None,
    size: _options.Size = None,
    seed: _options.Seed = None,
    plan: _options.PlanFile = None,
    settings: _options.Settings = None,
    function: Annotated[
        str | None,
        typer.Option("--augment", help="A function of your own that alters a picture.", metavar="MODULE:FUNCTION"),
    ] = None,
    device: _options.Device = None,
    as_json: _options.Json = False,
) -> None:
    """Show what the network will see.

    A sheet of training pictures, each as it is and as the first epochs alter it.

    \b
    [bold]Examples[/]
    striate augment photos/
    striate augment photos/ --set augment.rotate=30 --set augment.erase=0.2
    striate augment photos/ --out altered/ --copies 4
    """
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
        epochs=epochs,
        size=size,
        seed=seed,
        plan=plan,
        set=_options.with_function(_options.parse_settings(settings), function),
        device=_options.check_device(device),
    )
    _options.check_budget(minutes, epochs)
    from striate import api

    with reporting() as reporter:
        found = api.augment(**options, sheet=sheet, rows=rows, views=views, copies=copies, reporter=reporter)
    if as_json:
        print_json(found)
        return
    on = ", ".join(f"{name} {value}" for name, value in found["settings"].items()) or "nothing"
    say(f"on: {on}")
    say(found["sheet"])
    if found["out"] is not None:
        say(f"{found['written']:,} pictures in {found['out']}")
