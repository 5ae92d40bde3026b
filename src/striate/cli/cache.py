"""`striate cache`: what is kept on disk between trainings, and its removal."""

from __future__ import annotations

import time
from typing import Annotated

import typer

from striate.cli import _options
from striate.cli._console import print_json, print_table, say
from striate.core.cache import KINDS, cache_folder


def cache(
    clear: Annotated[bool, typer.Option("--clear", help="Remove all of it; it is made again when needed.")] = False,
    as_json: _options.Json = False,
) -> None:
    """Show what is kept on disk between trainings (prepared pictures, audits, measurements), or remove it.

    Runs and Models are never among them.

    \b
    [bold]Examples[/]
    striate cache
    striate cache --clear
    """
    from striate import api

    found = api.cache()
    freed = api.clear_cache() if clear else 0
    packs = cache_folder("packs")
    folder = str(packs.parent if packs else "no folder: there is no home, nor STRIATE_CACHE")
    if as_json:
        entries = [{"path": str(one.path), "bytes": one.bytes, "used": one.used} for one in found]
        print_json({"folder": folder, "entries": entries, "freed": freed})
    elif clear:
        say(f"{_size(freed)} removed from {folder}")
    else:
        rows = [
            [
                one.path.name,
                KINDS.get(one.path.parent.name, ""),
                _size(one.bytes),
                time.strftime("%Y-%m-%d %H:%M", time.localtime(one.used)),
            ]
            for one in found
        ]
        if rows:
            print_table(["entry", "what", "size", "last used"], rows, right=["size"])
        say(f"{_size(sum(one.bytes for one in found))} in {folder}")


def _size(count: int) -> str:
    """Bytes as people read them.

    >>> _size(0), _size(1_500_000), _size(20_000_000_000)
    ('0.0 kB', '1.5 MB', '20.0 GB')
    """
    for unit, size in (("GB", 1e9), ("MB", 1e6)):
        if count >= size:
            return f"{count / size:.1f} {unit}"
    return f"{count / 1e3:.1f} kB"
