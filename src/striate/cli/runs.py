"""`striate runs`: the Runs of a folder, with their scores."""

from __future__ import annotations

import dataclasses
import time
from typing import Annotated

import typer

from striate.cli import _options
from striate.cli._console import figure, interval, note, print_json, print_table
from striate.core.events import duration


def runs(
    folder: Annotated[str, typer.Argument(help="The folder that holds them.", metavar="DIR")] = "runs",
    as_json: _options.Json = False,
) -> None:
    """List Runs and their scores, oldest first.

    \b
    [bold]Example[/]
    striate runs
    """
    from striate import api

    found = api.runs(folder)
    if as_json:
        print_json({"runs": [dataclasses.asdict(one) for one in found]})
        return
    if not found:
        note(f"there is no Run in {folder}")
        return
    rows = [
        [
            one.path,
            one.status,
            one.task or "",
            f"{one.metric} {figure(one.value)}" if one.metric else "",
            interval(one.interval),
            duration(one.seconds) if one.seconds is not None else "",
            time.strftime("%Y-%m-%d %H:%M", time.localtime(one.finished)) if one.finished is not None else "",
        ]
        for one in found
    ]
    print_table(["run", "status", "task", "score", "95 % interval", "training", "finished"], rows, right=["training"])
