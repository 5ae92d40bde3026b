"""`striate convert`: annotations in another format."""

from __future__ import annotations

from typing import Annotated

import typer

from striate.cli import _options
from striate.cli._console import print_json, reporting, say
from striate.core.registry import file_names


def convert(
    data: Annotated[str, typer.Argument(help="Pictures with boxes: a folder, a file that names them, an archive.")],
    to: Annotated[
        str,
        typer.Option("--to", help=f"The format: {', '.join(file_names('striate.data.writers'))}.", metavar="FORMAT"),
    ],
    out: Annotated[str, typer.Option(help="A new or empty folder to write to.", metavar="DIR")],
    pictures: Annotated[
        str, typer.Option(help="copy: beside the annotations; none: annotations alone.", metavar="copy|none")
    ] = "copy",
    reader: _options.Reader = None,
    root: _options.Root = None,
    as_json: _options.Json = False,
) -> None:
    """Write annotations of boxes in another format.

    Between Pascal VOC, COCO, YOLO and tables. Splits are kept; what a format has no room for is said. The data stays as
    it is.

    \b
    [bold]Examples[/]
    striate convert cells/ --to coco --out cells-coco/
    striate convert data.yaml --to voc --out annotations/ --pictures none
    """
    options = _options.given(reader=reader, root=root)
    from striate import api

    with reporting() as reporter:
        found = api.convert(data, to, out, pictures=pictures, reporter=reporter, **options)
    if as_json:
        print_json(found.to_dict())
        return
    for sentence in found.sentences():
        say(sentence)
