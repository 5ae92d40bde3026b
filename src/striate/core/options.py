"""Options of a registered function: its keyword-only parameters, each with a default."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from functools import cache, partial
from types import NoneType
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from striate.core.errors import UnknownName, UsageError

T = TypeVar("T")


def options_of(function: Callable[..., Any]) -> dict[str, Any]:
    """Its options with their defaults.

    >>> def shrink(step, *, gamma=0.1): ...
    >>> options_of(shrink)
    {'gamma': 0.1}
    """
    parameters = inspect.signature(function).parameters.values()
    return {one.name: one.default for one in parameters if one.kind is inspect.Parameter.KEYWORD_ONLY}


def with_options(function: Callable[..., T], options: Mapping[str, Any], what: str) -> partial[T]:
    """The function with its options set.

    Args:
        options: by name; numbers may be texts, as YAML 1.1 reads 1e-3.
        what: what the function is called in a message, such as "the loss huber".

    Raises:
        UnknownName: it has no such option, whatever its value.
        UsageError: an option takes another kind of value.

    >>> def huber(x, *, delta=1.0): ...
    >>> with_options(huber, {"dleta": 2.0}, "the loss huber")
    Traceback (most recent call last):
    ...
    striate.core.errors.UnknownName: there is no option of the loss huber 'dleta'; did you mean 'delta'?
      fix: choose one of: delta
    >>> with_options(huber, {"delta": "1e-1"}, "the loss huber").keywords
    {'delta': 0.1}
    """
    known, kinds = options_of(function), _kinds(function)
    for option in options:
        if option not in known:
            raise UnknownName(f"option of {what}", str(option), known)
    given = {option: options[option] for option in known if option in options}
    return partial(function, **{option: _fitted(option, one, kinds[option], what) for option, one in given.items()})


@cache
def _kinds(function: Callable[..., Any]) -> dict[str, tuple[type, ...]]:
    """The types that each option may have: those that are declared, or else that of its default."""
    try:
        hints = get_type_hints(function)
    except NameError:  # declared by a name that only type checkers see
        hints = {}
    found = {}
    for option, default in options_of(function).items():
        hint = hints.get(option, object if default is None else type(default))
        parts = get_args(hint) if NoneType in get_args(hint) else (hint,)
        kinds = tuple(get_origin(part) or part for part in parts)
        found[option] = tuple(Sequence if kind in (list, tuple) else kind for kind in kinds)
    return found


_WORDS: dict[Any, str] = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    Sequence: "a list of numbers",
}


def _fitted(option: str, value: Any, kinds: tuple[Any, ...], what: str) -> Any:
    """The value as one of these types; those that are no plain values are the function's own business."""
    if value is None and NoneType in kinds:
        return None
    if not set(kinds) <= {NoneType, *_WORDS}:
        return value
    for kind in kinds:
        fits, found = _read(value, kind)
        if fits:
            return found
    words = " or ".join("none" if kind is NoneType else _WORDS[kind] for kind in kinds)
    raise UsageError(f"the option {option} of {what} takes {words}, not {value!r}", fix="set another value")


def _read(value: Any, kind: Any) -> tuple[bool, Any]:
    """Whether a value is of a kind, and what it is then."""
    if kind is Sequence:
        if isinstance(value, str | bytes | Mapping) or not isinstance(value, Sequence):
            return False, None
        read = [_read(one, float) for one in value]
        return all(fits for fits, _ in read), [found for _, found in read]
    if kind is bool or isinstance(value, bool):
        return kind is bool and isinstance(value, bool), value
    if isinstance(value, str) and kind in (int, float):
        try:
            value = float(value)
        except ValueError:
            return False, None
    if kind is int:
        whole = isinstance(value, int) or (isinstance(value, float) and value.is_integer())
        return whole, int(value) if whole else None
    return (True, float(value)) if kind is float and isinstance(value, int | float) else (False, None)
