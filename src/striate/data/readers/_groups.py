"""Groups from file names: what a pattern says, for every sample or not at all."""

from __future__ import annotations

import re
from collections.abc import Sequence

from striate.core.errors import DataError, UsageError


def is_pattern(group: str) -> bool:
    """Whether `group` is a pattern rather than the name of a column."""
    return "{group}" in group or "(?P<group>" in group


def groups_of(keys: Sequence[str], pattern: str) -> list[str]:
    """The group of each key.

    Args:
        keys: paths with forward slashes.
        pattern: a template with {group}, compared with the file's name without suffix, or, where it has slashes, with
            as many folders before it; or a regular expression with (?P<group>…), searched in the key.

    Raises:
        UsageError: no pattern, or one that cannot be understood.
        DataError: keys that the pattern does not fit.

    >>> groups_of(["zero/0_george_0.wav"], "{label}_{group}_{index}")
    ['george']
    >>> groups_of(["a/patient7/1.png"], "{group}/{index}")
    ['patient7']
    >>> groups_of(["a/p07-1.png"], r"(?P<group>p\\d+)")
    ['p07']
    """
    if not is_pattern(pattern):
        raise UsageError(
            f"the group {pattern!r} is neither a column of a table nor a pattern",
            fix='give a pattern such as "{label}_{group}_{index}", or a regular expression with (?P<group>…)',
        )
    template = "(?P<group>" not in pattern
    try:
        expression = re.compile(_expression(pattern) if template else pattern)
    except re.error as error:
        raise UsageError(f"the group pattern {pattern!r} cannot be understood: {error}", fix="correct it") from error
    found = []
    for key in keys:
        match = expression.fullmatch(_tail(key, pattern.count("/"))) if template else expression.search(key)
        found.append(match["group"] if match else None)
    unknown = [key for key, group in zip(keys, found, strict=True) if not group]
    if unknown:
        shown = ", ".join(unknown[:3]) + (", …" if len(unknown) > 3 else "")
        raise DataError(
            f"the group pattern {pattern!r} does not fit {len(unknown):,} of {len(keys):,} samples: {shown}",
            fix="correct the pattern, or give the groups as a column of a table",
        )
    return [group for group in found if group]


def _expression(template: str) -> str:
    """A template as a regular expression: each field takes as little as it can, and no slash."""
    pieces = re.split(r"\{(\w+)\}", template)
    expression = ""
    for number, piece in enumerate(pieces):
        if number % 2 == 0:
            expression += re.escape(piece)
        else:
            expression += "(?P<group>[^/]+?)" if piece == "group" else "[^/]+?"
    return expression


def _tail(key: str, folders: int) -> str:
    parts = key.split("/")[-folders - 1 :]
    stem, dot, _ = parts[-1].rpartition(".")
    return "/".join([*parts[:-1], stem if dot and stem else parts[-1]])
