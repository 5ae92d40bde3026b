"""`striate report`: write a Run's report again from its files, or several Runs side by side."""

from __future__ import annotations

from typing import Annotated

import typer

from striate.cli import _options
from striate.cli._console import print_json, say
from striate.core.errors import UsageError


def report(
    runs: Annotated[list[str], typer.Argument(help="Folders of Runs.", metavar="RUN")],
    out: Annotated[
        str | None,
        typer.Option(
            help="With several: the page; side-by-side.html in the folder that holds them without.", metavar="FILE"
        ),
    ] = None,
    as_json: _options.Json = False,
) -> None:
    """Write a Run's report again from its files, or several side by side.

    One offline page: report.html in the Run; of several, their scores on one axis, their curves in one chart, what each
    cost, and what was decided otherwise.

    \b
    [bold]Examples[/]
    striate report runs/photos
    striate report runs/first runs/second --out both.html
    """
    if out is not None and len(runs) == 1:
        raise UsageError(
            "--out is for several Runs: the report of one is in the Run, and holds all that it shows",
            fix=f"leave --out away, and copy {runs[0]}/report.html",
        )
    from striate import api

    page = api.report(runs[0]) if len(runs) == 1 else api.side_by_side(runs, out=out)
    if as_json:
        print_json({"reports": [str(page)]})
    else:
        say(str(page))
