"""`striate export`: a Run's model for other machines, proved equal before it is written."""

from __future__ import annotations

from typing import Annotated

import typer

from striate.cli import _options
from striate.cli._console import print_json, reporting, say
from striate.core.registry import file_names


def export(
    run: _options.Run,
    out: Annotated[
        str | None, typer.Option(help="The file to write; model/model.onnx in the Run without.", metavar="FILE")
    ] = None,
    format: Annotated[
        str, typer.Option(help=f"One of: {', '.join(file_names('striate.ship'))}.", metavar="FORMAT")
    ] = "onnx",
    as_json: _options.Json = False,
) -> None:
    """Write the model as ONNX, proved equal.

    Preprocessing is inside. Checked on real samples, and not written when it disagrees.

    \b
    [bold]Example[/]
    striate export runs/photos --out photos.onnx
    """
    from striate import api

    with reporting() as reporter:
        result = api.export(run, out, format=format, reporter=reporter)
    if as_json:
        print_json(result)
        return
    say(f"{result['path']}  ({result['bytes']:,} bytes)")
    batches = ", ".join(str(batch) for batch in result["batches"])
    say(
        f"checked on {result['samples']:,} samples in batches of {batches}: "
        f"largest difference {result['largest_difference']:.2g}, allowed {result['tolerance']:.2g}"
    )
    if result.get("note"):
        say(str(result["note"]))
