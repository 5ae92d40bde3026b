"""Options are strict: a misspelt one is refused whatever its value, and a value is of the kind that is declared."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
import yaml

from striate.core.errors import UnknownName, UsageError
from striate.core.options import with_options


def made(
    value: float,
    *,
    rate: float = 0.1,
    count: int = 3,
    sure: bool = True,
    places: Sequence[float] = (0.5, 0.75),
    share: float | None = None,
    weights: Sequence[float] | None = None,
    untyped=None,
) -> dict[str, Any]:
    return {"rate": rate, "count": count, "sure": sure, "places": places, "share": share, "weights": weights}


@pytest.mark.parametrize("value", ["1", "0", "0.0", "false", "null", "''", "[]"])
def test_a_misspelt_option_is_refused_whatever_its_value(value: str) -> None:
    with pytest.raises(UnknownName, match="did you mean 'rate'"):
        with_options(made, yaml.safe_load(f"{{raet: {value}}}"), "the thing")


def test_a_name_that_is_no_text_is_a_misspelt_one() -> None:
    with pytest.raises(UnknownName, match="option of the thing '1'"):
        with_options(made, {1: 2}, "the thing")  # type: ignore[dict-item]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{rate: 1e-3}", {"rate": 0.001}),  # a text to YAML 1.1
        ("{rate: 2}", {"rate": 2.0}),
        ("{count: 5}", {"count": 5}),
        ("{count: 1e1}", {"count": 10}),
        ("{sure: false}", {"sure": False}),
        ("{places: [1e-1, 1]}", {"places": [0.1, 1.0]}),
        ("{share: null}", {"share": None}),
        ("{share: 0.25}", {"share": 0.25}),
        ("{weights: [1, 2]}", {"weights": [1.0, 2.0]}),
        ("{untyped: [a, 1]}", {"untyped": ["a", 1]}),
    ],
)
def test_values_are_read_by_what_is_declared(text: str, expected: dict[str, Any]) -> None:
    found = with_options(made, yaml.safe_load(text), "the thing").keywords
    assert found == expected
    assert [type(one) for one in found.values()] == [type(one) for one in expected.values()]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{rate: fast}", "rate of the thing takes a number, not 'fast'"),
        ("{rate: true}", "a number"),
        ("{rate: null}", "a number"),
        ("{rate: [1]}", "a number"),
        ("{count: 2.5}", "count of the thing takes a whole number, not 2.5"),
        ("{count: .inf}", "a whole number"),
        ("{count: yes}", "a whole number"),
        ("{sure: 1}", "true or false"),
        ("{sure: 'yes'}", "true or false"),
        ("{places: 0.5}", "a list of numbers, not 0.5"),
        ("{places: [a]}", "a list of numbers"),
        ("{places: {a: 1}}", "a list of numbers"),
        ("{weights: '12'}", "a list of numbers or none"),
        ("{share: half}", "a number or none"),
    ],
)
def test_values_of_another_kind_are_refused(text: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        with_options(made, yaml.safe_load(text), "the thing")
