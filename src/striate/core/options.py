"""Options of a registered function: its keyword-only parameters, each with a default."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, TypeVar

from striate.core.errors import UnknownName

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
        options: by name; one that is off (0 or None) asks nothing of a function that does not have it, and passes.
        what: what the function is called in a message, such as "the loss huber".

    Raises:
        UnknownName: it has no such option.

    >>> def huber(x, *, delta=1.0): ...
    >>> with_options(huber, {"dleta": 2.0}, "the loss huber")
    Traceback (most recent call last):
    ...
    striate.core.errors.UnknownName: there is no option of the loss huber 'dleta'; did you mean 'delta'?
      fix: choose one of: delta
    """
    known = options_of(function)
    for option, value in options.items():
        if option not in known and value:
            raise UnknownName(f"option of {what}", option, known)
    return partial(function, **{option: options[option] for option in known if option in options})
