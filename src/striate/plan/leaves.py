"""What a leaf of the plan may hold: its type, range or names, and the strict reader of values for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from striate.core.errors import PlanError, nearest
from striate.core.plan import AUTO
from striate.core.registry import file_names


@dataclass(frozen=True)
class Leaf:
    """The type of one leaf.

    Args:
        type: bool, int, float, str, list (of numbers) or dict.
        about: what it decides, with its unit, in a few words.
        low, high: the range of a number, or of each number of a list, both included.
        names: the values a string may take.
        package: a registry's package, whose file names are values that a string may take, beside the names.
        none: whether it may be null.
        measured: whether it may be "auto", to be decided by a measurement.
        rows: whether rows of numbers will do as well.
        named: whether numbers by name will do as well, such as {cat: 2}.
    """

    type: type
    about: str
    low: float | None = None
    high: float | None = None
    names: Sequence[str] | None = None
    package: str | None = None
    none: bool = False
    measured: bool = False
    rows: bool = False
    named: bool = False

    def allowed(self) -> Sequence[str] | None:
        """The names that a string leaf accepts, or None where any string does."""
        return [*(self.names or ()), *file_names(self.package)] if self.package else self.names


def parse_value(key: str, leaf: Leaf, text: Any) -> Any:
    """The value that `--set KEY=TEXT` means, checked. A string is read as YAML; anything else is taken as it is."""
    value = text
    if isinstance(text, str) and (leaf.type is not str or _is_yaml(leaf, text)):
        try:
            value = yaml.safe_load(text)
        except yaml.YAMLError as error:
            raise PlanError(f"{key}: {text!r} cannot be read as a value: {error}") from error
    return check_value(key, leaf, value)


def check_value(key: str, leaf: Leaf, value: Any) -> Any:
    """The value, if the leaf may hold it. Raises `PlanError` saying what it takes."""
    if leaf.none and (value is None or (isinstance(value, str) and value in ("none", "None"))):
        return None
    if leaf.measured and value == AUTO:
        return value
    if (leaf.rows and _is_rows(value)) or (leaf.named and _is_named(value)):
        return value
    if leaf.type is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    if leaf.type is float and isinstance(value, str):
        value = _number(value)  # YAML 1.1 reads 1e-3 as a string
    fits: bool = isinstance(value, leaf.type) and not (leaf.type in (int, float) and isinstance(value, bool))
    if not fits:
        raise PlanError(f"{key} takes {_words(leaf)}, not {value!r}", fix=leaf.about)
    if leaf.type is list and not all(isinstance(x, int | float) and not isinstance(x, bool) for x in value):
        raise PlanError(f"{key} takes a list of numbers, not {value!r}", fix=leaf.about)
    numbers: list[Any] = value if leaf.type is list else [value] if leaf.type in (int, float) else []
    for number in numbers:
        below = leaf.low is not None and not number >= leaf.low
        above = leaf.high is not None and not number <= leaf.high
        if below or above:
            raise PlanError(f"{key} takes {_words(leaf)}, not {number!r}", fix=leaf.about)
    allowed = leaf.allowed()
    if allowed is not None and value not in allowed:
        near = nearest(value, allowed)
        raise PlanError(
            f"{key} ({leaf.about}) cannot be {value!r}" + (f"; did you mean {near!r}?" if near else ""),
            fix=f"choose one of: {', '.join(allowed)}" + (", or give numbers by name" if leaf.named else ""),
        )
    return value


def _is_yaml(leaf: Leaf, text: str) -> bool:
    """Whether the text for a leaf that holds a name is something else."""
    return text in ("null", "~") or (leaf.named and text.lstrip().startswith("{"))


def _is_named(value: Any) -> bool:
    return isinstance(value, dict) and all(
        isinstance(x, int | float) and not isinstance(x, bool) for x in value.values()
    )


def _is_rows(value: Any) -> bool:
    return isinstance(value, list) and all(
        isinstance(row, list) and all(isinstance(x, int | float) and not isinstance(x, bool) for x in row)
        for row in value
    )


def _number(text: str) -> Any:
    try:
        return float(text)
    except ValueError:
        return text


def _words(leaf: Leaf) -> str:
    kinds = {bool: "true or false", int: "a whole number", float: "a number", str: "a name", list: "numbers"}
    words = kinds.get(leaf.type, "a mapping")
    if leaf.low is not None and leaf.high is not None:
        words += f" from {leaf.low:g} to {leaf.high:g}"
    elif leaf.low is not None:
        words += f" of at least {leaf.low:g}"
    elif leaf.high is not None:
        words += f" of at most {leaf.high:g}"
    if leaf.measured:
        words += " (or auto)"
    words += " or rows of numbers" if leaf.rows else ""
    words += ", or numbers by name" if leaf.named else ""
    return words + (" or none" if leaf.none else "")
