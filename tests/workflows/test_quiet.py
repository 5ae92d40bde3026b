"""What others disturb is measured again; where they never leave, the user is told once."""

from __future__ import annotations

import pytest

from striate.workflows import quiet
from striate.workflows.quiet import TIMES, Quiet
from tests.made_data import Listener


@pytest.fixture
def others(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """What others take in each try, to be filled by the test."""
    found: list[float] = []

    class Told:
        def __init__(self) -> None:
            self.taken = found.pop(0)

        def others(self) -> float:
            return self.taken

        def disturbs(self) -> bool:
            return self.taken > 0.15

    monkeypatch.setattr(quiet, "Load", Told)
    monkeypatch.setattr(quiet.time, "sleep", lambda seconds: None)
    return found


def test_a_quiet_machine_is_measured_once(others: list[float]) -> None:
    others += [0.02]
    said, figures = Listener(), iter([1.0, 2.0])
    assert Quiet(said).measure(lambda: next(figures), seconds=60) == 1.0
    assert not said.warnings
    assert not others


def test_what_was_disturbed_is_measured_again(others: list[float]) -> None:
    others += [0.9, 0.5, 0.0]
    said, figures = Listener(), iter([35.0, 20.0, 1.0])
    assert Quiet(said).measure(lambda: next(figures), seconds=60) == 1.0
    assert not said.warnings


def test_where_it_stays_disturbed_the_least_disturbed_counts_and_it_is_said_once(others: list[float]) -> None:
    others += [0.9, 0.4, 0.8] * 2
    said, figures = Listener(), iter([35.0, 20.0, 30.0] * 2)
    quiet_one = Quiet(said)
    assert [quiet_one.measure(lambda: next(figures), seconds=60) for _ in range(2)] == [20.0, 20.0]
    (warning,) = said.warnings
    assert "take 0.4 of the" in warning
    assert "train anew" in warning
    assert TIMES == 3
    assert not others


def test_no_try_is_begun_after_its_time(others: list[float]) -> None:
    others += [0.9, 0.0]
    said, figures = Listener(), iter([35.0, 1.0])
    assert Quiet(said).measure(lambda: next(figures), seconds=0.1) == 35.0
    assert len(said.warnings) == 1
