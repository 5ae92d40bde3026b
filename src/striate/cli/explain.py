"""`striate explain`: where in a picture the evidence for a prediction lies."""

from __future__ import annotations

from typing import Annotated

import typer

from striate.cli import _options
from striate.cli._console import print_json, reporting, say


def explain(
    run: _options.Run,
    paths: _options.Paths,
    out: Annotated[str | None, typer.Option(help="The folder to write; explain-TIME without.", metavar="DIR")] = None,
    as_json: _options.Json = False,
) -> None:
    """Draw where the evidence for a prediction lies.

    Grad-CAM heat maps in one offline page, explain.html.

    \b
    [bold]Example[/]
    striate explain runs/photos x.jpg new/ --out why/
    """
    from striate import api

    with reporting() as reporter:
        page = api.explain(run, paths, out=out, reporter=reporter)
    if as_json:
        print_json({"page": str(page)})
    else:
        say(str(page))
