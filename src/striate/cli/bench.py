"""`striate bench`: what this machine can do, and what would be chosen on it."""

from __future__ import annotations

from typing import Annotated

import typer

from striate.cli import _options
from striate.cli._console import print_json, print_table, reporting, say


def bench(
    model: Annotated[
        str, typer.Option("--model", help="A family, timm/NAME, torchvision/NAME, smp/NAME or a file.")
    ] = "resnet18",
    size: Annotated[int, typer.Option("--size", min=8, max=4096, help="Side of its pictures, in pixels.")] = 224,
    batch: Annotated[int, typer.Option("--batch", min=1, max=4096, help="Pictures a step.")] = 32,
    device: _options.Device = None,
    as_json: _options.Json = False,
) -> None:
    """Measure this machine: its limits, how fast a network trains and predicts on it, and what a plan would choose.

    It takes about half a minute, on pictures that it makes; nothing of them is kept.

    \b
    [bold]Examples[/]
    striate bench
    striate bench --model timm/efficientnet_b0 --batch 16
    """
    from striate import api

    with reporting() as reporter:
        found = api.bench(model, size=size, batch=batch, device=device or "auto", reporter=reporter)
    if as_json:
        print_json(found.to_dict())
        return
    say(f"{found.processor}, {found.cores} cores, {found.memory_bytes / 1e9:.0f} GB of memory free")
    products = ", ".join(f"{name} {rate / 1e9:,.0f} GFLOP/s" for name, rate in found.products.items())
    say(f"matrix products: {products}; memory copied at {found.copied / 1e9:.1f} GB/s, read and written")
    say(f"decoding: {found.decoded:,.0f} JPEGs of 500×375 pixels a second, to {size} px")
    say(f"{model} at {size} px, {batch} at once: {found.macs / 1e9:.2f} billion multiply-accumulates a picture")
    rows = []
    for work, rates in (("training", found.training), ("prediction", found.prediction)):
        for way, rate in rates.items():
            limit = found.limits[work][way.split(",")[0]]
            chosen = "chosen" if way == found.chosen[work] else ""
            rows.append([work, way, f"{rate:,.1f}", f"{limit:,.1f}", f"{rate / limit:.0%}", chosen])
    print_table(["work", "way", "pictures/s", "limit", "reached", ""], rows, right=["pictures/s", "limit", "reached"])
    say("limit: if nothing but the network's products had to be computed, all at the rate of the matrix products.")
