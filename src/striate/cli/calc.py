"""`striate calc`: the size, parameters and operations of one layer, with the formula worked through."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from striate.cli import _options
from striate.cli._console import print_json, say
from striate.core.errors import UnknownName, UsageError

KINDS = ("conv", "transposed", "pool")


def calc(
    kind: Annotated[str, typer.Argument(help="|".join(KINDS), metavar="KIND")],
    input: Annotated[str, typer.Option("--input", help="Size of the input: 28, 28x28 or 16x28x28.", metavar="SIZE")],
    kernel: Annotated[str, typer.Option("--kernel", help="One number, or one for each axis: 3x5.", metavar="SIZE")],
    stride: Annotated[
        str | None, typer.Option("--stride", help="1 unless given; a pooling's is its kernel.", metavar="SIZE")
    ] = None,
    padding: Annotated[str, typer.Option("--padding", help="On each side; or same, or valid.", metavar="SIZE")] = "0",
    dilation: Annotated[str, typer.Option("--dilation", help="Gaps in the kernel, plus one.", metavar="SIZE")] = "1",
    output_padding: Annotated[
        str, typer.Option("--output-padding", help="Of a transposed convolution.", metavar="SIZE")
    ] = "0",
    groups: Annotated[int, typer.Option("--groups", help="Of channels.", min=1)] = 1,
    channels: Annotated[
        int | None, typer.Option("--channels", help="Of the input; with --filters gives parameters.", min=1)
    ] = None,
    filters: Annotated[int | None, typer.Option("--filters", help="Output channels of a convolution.", min=1)] = None,
    bias: Annotated[bool, typer.Option("--bias/--no-bias", help="Whether each filter has one.")] = True,
    as_json: _options.Json = False,
) -> None:
    """Work out what a layer makes of a size.

    Convolution, transposed convolution and pooling on one to three axes, with parameters and operations.

    \b
    [bold]Examples[/]
    striate calc conv --input 28 --kernel 3
    striate calc conv --input 224x224 --kernel 7 --stride 2 --padding 3 --channels 3 --filters 64
    striate calc transposed --input 14x14 --kernel 2 --stride 2
    """
    if kind not in KINDS:
        raise UnknownName("layer to calculate", kind, KINDS)
    options: dict[str, Any] = _options.given(
        stride=None if stride is None else _sizes("--stride", stride),
        channels=channels,
        filters=filters,
    )
    padded = padding if padding in ("same", "valid") else _sizes("--padding", padding)
    from striate import api

    found = api.calc(
        kind,
        _sizes("--input", input),
        _sizes("--kernel", kernel),
        padding=padded,
        dilation=_sizes("--dilation", dilation),
        output_padding=_sizes("--output-padding", output_padding),
        groups=groups,
        bias=bias,
        **options,
    )
    if as_json:
        print_json(found.to_dict())
        return
    for step in found.steps:
        say(step)
    say(f"output: {'×'.join(map(str, found.output))}")


def _sizes(option: str, text: str) -> tuple[int, ...]:
    """`28` or `28x28` as numbers. Raises `UsageError`."""
    try:
        return tuple(int(part) for part in text.lower().replace("×", "x").split("x"))
    except ValueError:
        raise UsageError(f"{option} takes 3, or 3x5 for two axes, not {text!r}") from None
