"""`striate attack`: what is left of a Run's accuracy when pictures are changed so as to mislead it."""

from __future__ import annotations

from typing import Annotated

import typer

from striate.cli import _options
from striate.cli._console import figure, print_json, print_table, reporting, say


def attack(
    run: _options.Run,
    data: Annotated[
        str | None, typer.Argument(help="Labelled data; the Run's own test split without.", metavar="DATA")
    ] = None,
    limit: Annotated[int, typer.Option(help="At most so many samples, evenly spread.", min=1, metavar="N")] = 1000,
    as_json: _options.Json = False,
) -> None:
    """Measure the accuracy that is left under attack.

    FGSM at three strengths: the largest change of a pixel, of 255.

    \b
    [bold]Example[/]
    striate attack runs/photos
    """
    from striate import api

    with reporting() as reporter:
        result = api.attack(run, data, limit=limit, reporter=reporter)
    if as_json:
        print_json(result)
        return
    metric = result["metric"]
    rows = [["none", figure(result["clean"])]]
    rows += [[one["fraction"], figure(one["value"])] for one in result["strengths"]]
    print_table(["change", metric], rows, right=[metric])
    left_out = f", {result['damaged']:,} damaged and left out" if result["damaged"] else ""
    say(f"\n{result['samples']:,} of {result['available']:,} samples, attack {result['attack']}{left_out}")
