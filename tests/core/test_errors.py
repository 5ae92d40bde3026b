"""Errors: the tree that the docstring draws, exit statuses, and the fix on a line of its own."""

from __future__ import annotations

import inspect

import pytest

from striate.core import errors
from striate.core.errors import StriateError, UnknownName, UsageError, nearest


def every_error() -> list[type[StriateError]]:
    return [
        found
        for _, found in inspect.getmembers(errors, inspect.isclass)
        if issubclass(found, StriateError) and found.__module__ == errors.__name__
    ]


def test_the_docstring_draws_the_tree_as_it_is() -> None:
    drawn: dict[str, str] = {}
    stack: list[str] = []
    for line in (errors.__doc__ or "").splitlines():
        words = line.replace("│", " ").replace("├──", "   ").replace("└──", "   ")
        if not words.strip() or words.split()[0] not in dir(errors):
            continue
        depth = (len(words) - len(words.lstrip())) // 4
        stack[depth:] = [words.split()[0]]
        drawn[stack[depth]] = stack[depth - 1] if depth else "Exception"
    assert drawn == {found.__name__: found.__base__.__name__ for found in every_error() if found.__base__}


@pytest.mark.parametrize("found", every_error())
def test_status_2_is_for_calls_that_cannot_be_understood(found: type[StriateError]) -> None:
    assert found.exit_status == (2 if issubclass(found, UsageError) else 1)


def test_the_fix_has_a_line_of_its_own() -> None:
    assert str(StriateError("it broke", fix="mend it")) == "it broke\n  fix: mend it"
    assert str(StriateError("it broke")) == "it broke"


def test_long_lists_of_names_are_cut() -> None:
    error = UnknownName("loss", "zzz", [f"name{number:03}" for number in range(100)])
    assert "did you mean" not in error.message
    assert error.fix is not None
    assert error.fix.endswith("name039, …")


def test_nearest_is_silent_when_nothing_is_near() -> None:
    assert nearest("trian", ["train", "plan"]) == "train"
    assert nearest("qqqq", ["train", "plan"]) is None
