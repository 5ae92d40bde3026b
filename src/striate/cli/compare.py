"""`striate compare`: which of two Runs is better on the same samples, and whether by more than chance."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from striate.cli import _options
from striate.cli._console import figure, interval, print_json, print_table, reporting, say

SHOWN = 60


def compare(
    first: Annotated[str, typer.Argument(help="A Run's folder.", metavar="RUN")],
    second: Annotated[str, typer.Argument(help="Another, judged by the same samples.", metavar="RUN")],
    split: Annotated[str, typer.Option(help="Which samples: test or val.", metavar="test|val")] = "test",
    as_json: _options.Json = False,
) -> None:
    """Say which of two Runs is better on the same samples, by how much, and whether that may be chance.

    \b
    [bold]Example[/]
    striate compare runs/photos runs/photos-larger
    """
    from striate import api

    with reporting():
        found = api.compare(first, second, split=split)
    if as_json:
        print_json(found)
        return
    _show(found)


def _show(found: dict[str, Any]) -> None:
    say(found["words"] + ".")
    for text in found["notes"]:
        say(text)
    groups = f" in {found['groups']:,} groups" if found["groups"] is not None else ""
    title = f"\n{found['samples']:,} {found['split']} samples{groups}; the difference is second − first"
    rows = [
        [
            name,
            figure(one["first"]),
            figure(one["second"]),
            figure(one["difference"]),
            interval([one["low"], one["high"]]),
            _p(one["p"]),
            one["test"] or one["why"],
        ]
        for name, one in found["metrics"].items()
    ]
    columns = ["metric", "first", "second", "difference", "95 % interval", "p", "test"]
    print_table(columns, rows, right=["first", "second", "difference", "p"], title=title)
    if "decisions" in found:
        only = found["decisions"]
        say(f"\nonly the first is right: {only['only_first_right']:,}; only the second: {only['only_second_right']:,}")
    if not found["plan"]:
        say("\nthe plans are equal")
        return
    say()
    pairs = [[key, _short(pair["first"]), _short(pair["second"])] for key, pair in found["plan"].items()]
    print_table(["leaf", "first", "second"], pairs, title="what the plans decide otherwise")


def _p(value: float | None) -> str:
    return "–" if value is None else "< 0.001" if value < 0.001 else f"{value:.3f}"


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= SHOWN else text[: SHOWN - 1] + "…"
