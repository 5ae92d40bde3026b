"""`striate plan`: every decision of a training before it, each with its because."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from striate.cli import _options
from striate.cli._console import note, print_json, print_table, reporting, say
from striate.core.plan import AUTO, Decision, Plan

_BY = {"rule": "", "user": "yours", "measured": "measured"}


def plan(
    data: _options.Data = None,
    out: Annotated[str | None, typer.Option(help="Write the plan to this file too.", metavar="FILE")] = None,
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
    cache_size: _options.CacheSize = None,
    plan: _options.PlanFile = None,
    settings: _options.Settings = None,
    augment: _options.Augment = None,
    device: _options.Device = None,
    as_json: _options.Json = False,
) -> None:
    """Decide everything about a training beforehand.

    Each decision carries its because; `auto` is what only measuring can tell.

    \b
    [bold]Examples[/]
    striate plan photos/ --minutes 10
    striate plan photos/ --out plan.yaml     then edit it, and:  striate train photos/ --plan plan.yaml
    """
    options = _options.given(
        data=data,
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
        cache_size=_options.parse_bytes(cache_size),
        plan=plan,
        set=_options.with_function(_options.parse_settings(settings), augment),
        device=_options.check_device(device),
    )
    _options.check_budget(minutes, epochs)
    from striate import api

    with reporting() as reporter:
        decided = api.plan(**options, reporter=reporter)
    if out is not None:
        decided.write(Path(out))
        note(f"written to {out}")
    if as_json:
        print_json(decided.to_dict())
    else:
        _show(decided)


def _show(plan: Plan) -> None:
    groups: dict[str, list[tuple[str, Decision]]] = {}
    for key, decision in plan.decisions.items():
        group, _, leaf = key.partition(".")
        groups.setdefault(group, []).append((leaf, decision))
    for group, leaves in groups.items():
        say(f"\n{group}")
        rows = [[f"  {leaf}", _value(one.value), _BY.get(one.by, one.by), one.because] for leaf, one in leaves]
        print_table(["", "", "", ""], rows)
    if not plan.resolved:
        say(f"\n{AUTO}: measured when the training starts")


def _value(value: object) -> str:
    return "none" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
