"""Nodes as plain values, as JSON and YAML hold them, and back: `{"node": "Conv", "filters": 64, "kernel_size": 7}`.

Strict in both directions: every field is written, so that a default that changes some day changes no saved network;
an unknown node or argument is refused with the nearest right one.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, TypeVar

from striate.core.errors import NetworkError, UnknownName, nearest
from striate.core.registry import Registry
from striate.nets.node import Node
from striate.nets.nodes import NODES

Made = TypeVar("Made")

MOST_ENTRIES = 500_000
MOST_DEPTH = 100


def check_plain(content: Any) -> None:
    """Refuse plain values that are more, or nested deeper, than any network: a short file can ask for a billion.

    Aliases of YAML are counted wherever they stand, so that those which double each other, or hold themselves, end
    here.

    Raises:
        NetworkError: they are.
    """
    waiting, entries = [(content, 1)], 0
    while waiting:
        value, depth = waiting.pop()
        entries += 1
        if entries > MOST_ENTRIES:
            raise NetworkError(f"it holds more than {MOST_ENTRIES:,} values", fix="repeat less, or use `Repeat`")
        if depth > MOST_DEPTH:
            raise NetworkError(f"it is nested more than {MOST_DEPTH} deep", fix="nest less")
        if isinstance(value, Mapping | list):
            inner = value.values() if isinstance(value, Mapping) else value
            waiting += [(one, depth + 1) for one in inner]


def to_plain(value: Any) -> Any:
    """A node, or the value of one of its fields, as plain values."""
    if isinstance(value, Node):
        fields = {one.name: to_plain(getattr(value, one.name)) for one in dataclasses.fields(value)}
        name = fields.pop("name")
        kept = {"node": type(value).__name__} if name is None else {"node": type(value).__name__, "name": name}
        return {**kept, **fields}
    return [to_plain(entry) for entry in value] if isinstance(value, tuple) else value


def from_plain(content: Any, place: str) -> Node:
    """A node from plain values.

    Args:
        content: a mapping with `node`, its registered name, and its fields.
        place: where it stands, for messages: "layer 3".

    Raises:
        NetworkError: it is no node, its name or an argument is unknown, or a value is of the wrong kind.
    """
    return made_of(content, place, "node", NODES, example="{node: Conv, filters: 64}")


def made_of(content: Any, place: str, key: str, kinds: Registry[type[Made]], *, example: str) -> Made:
    """One of several kinds of frozen values from plain ones, strictly; its fields may hold nodes.

    Args:
        content: a mapping with `key`, the registered name, and the fields.
        place: where it stands, for messages.
        key: what such a value is called: "node".
        kinds: where they are registered.
        example: of such a mapping, for messages.

    Raises:
        NetworkError: as `from_plain`.
    """
    if not isinstance(content, Mapping) or key not in content:
        raise NetworkError(
            f"{place} is not a{'n' * (key[0] in 'aeio')} {key}: {_short(content)}",
            fix=f"write a mapping such as {example}",
        )
    try:
        kind = kinds.get(str(content[key]))
    except UnknownName as error:
        raise NetworkError(f"{place}: {error.message}", error.fix) from None
    known = {one.name: one for one in dataclasses.fields(kind)}  # type: ignore[arg-type]
    for name in content:
        if name != key and name not in known:
            near = nearest(str(name), known)
            hint = f"; did you mean {near!r}?" if near else ""
            raise NetworkError(
                f"{place} `{kind.__name__}`: there is no argument {name!r}{hint}",
                fix=f"choose from: {', '.join(known)}" if known else "it takes none",
            )
    values = {name: _value(entry, f"{place}, {name}") for name, entry in content.items() if name != key}
    missing = [
        one.name
        for one in known.values()
        if one.name not in values and one.default is dataclasses.MISSING and one.default_factory is dataclasses.MISSING
    ]
    if missing:
        raise NetworkError(f"{place} `{kind.__name__}`: {' and '.join(missing)} must be given")
    try:
        return kind(**values)
    except NetworkError as error:
        raise NetworkError(f"{place} {error.message}", error.fix) from None


def _value(entry: Any, place: str) -> Any:
    if isinstance(entry, Mapping):
        return from_plain(entry, place)
    if isinstance(entry, list):
        return tuple(_value(one, f"{place} {number}") for number, one in enumerate(entry, 1))
    return entry


def _short(content: Any) -> str:
    text = repr(content)
    return text if len(text) <= 60 else text[:59] + "…"
