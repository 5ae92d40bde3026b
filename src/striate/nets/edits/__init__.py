"""Edits of networks, a file each: one change, of a network of nodes as a value or of any module."""

from __future__ import annotations

from typing import Any

from striate.core.errors import NetworkError
from striate.core.registry import Registry
from striate.nets.edits._edit import Edit
from striate.nets.notation import made_of

EDITS: Registry[type[Edit]] = Registry("edit", "striate.nets.edits")


def edits_from_plain(content: Any) -> tuple[Edit, ...]:
    """Edits from plain values, as a file holds them: `[{"edit": "SwapActivation", "kind": "silu"}]`.

    Raises:
        NetworkError: it is no list of edits, or a name, an argument or a value is wrong.
    """
    if not isinstance(content, list) or not content:
        raise NetworkError("`edits` is not a list of edits", fix="write - {edit: SwapActivation, kind: silu}")
    example = "{edit: SwapActivation, kind: silu}"
    return tuple(
        made_of(one, f"edit {number}", "edit", EDITS, example=example) for number, one in enumerate(content, 1)
    )


__all__ = ["EDITS", "Edit", "edits_from_plain"]
