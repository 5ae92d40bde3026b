"""`striate evaluate`: score a Run on other labelled data."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from striate.cli import _options
from striate.cli._console import figure, interval, note, print_json, print_table, reporting, say


def evaluate(
    run: _options.Run,
    data: Annotated[str, typer.Argument(help="Labelled data, read as the Run's own was.", metavar="DATA")],
    tile: _options.Tile = None,
    overlap: _options.Overlap = None,
    device: _options.Device = None,
    as_json: _options.Json = False,
) -> None:
    """Score a Run on labelled data that it has not seen.

    \b
    [bold]Example[/]
    striate evaluate runs/photos more-photos/
    """
    cut = _options.given(tile=_options.parse_tile(tile), overlap=overlap)
    from striate import api

    with reporting() as reporter:
        result = api.evaluate(run, data, device=_options.check_device(device) or "auto", reporter=reporter, **cut)
    for one in result["damaged"]:
        note(f"damaged: {one['path']}: {one['reason']}")
    if as_json:
        print_json(result)
        return
    metrics: dict[str, Any] = result["metrics"]
    rows = [
        [name, figure(value), interval(metrics.get(f"{name}_interval"))]
        for name, value in metrics.items()
        if name not in ("samples", "groups")
        and not name.endswith("_interval")
        and (value is None or isinstance(value, int | float))
    ]
    print_table(["metric", "value", "95 % interval"], rows, right=["value"])
    left_out = f", {len(result['damaged']):,} damaged and left out" if result["damaged"] else ""
    say(f"\n{result['samples']:,} samples{left_out}")
    for name, why in (metrics.get("undefined") or {}).items():
        say(f"{name}: {why}")
