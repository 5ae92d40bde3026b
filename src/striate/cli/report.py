"""`striate report`: write a Run's report again from its files."""

from __future__ import annotations

from typing import Annotated

import typer

from striate.cli import _options
from striate.cli._console import print_json, say


def report(
    runs: Annotated[list[str], typer.Argument(help="Folders of Runs.", metavar="RUN")],
    as_json: _options.Json = False,
) -> None:
    """Write a Run's report again from its files.

    One offline page, report.html.

    \b
    [bold]Example[/]
    striate report runs/photos
    """
    from striate import api

    pages = [api.report(run) for run in runs]
    if as_json:
        print_json({"reports": [str(page) for page in pages]})
    else:
        for page in pages:
            say(str(page))
