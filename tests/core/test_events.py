"""Telling of progress: words for times, and a listener to nothing."""

from __future__ import annotations

import time

import pytest

from striate.core.events import Reporter, Silent, duration, time_left


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0 s"),
        (59.4, "59 s"),
        (59.6, "1 min 0 s"),
        (3599.4, "59 min 59 s"),
        (3600, "1 h 0 min"),
        (90061, "25 h 1 min"),
    ],
)
def test_durations_in_words(seconds: float, words: str) -> None:
    assert duration(seconds) == words


def test_time_left_is_at_the_pace_so_far() -> None:
    assert time_left(0, 10, time.monotonic()) == "?"
    assert time_left(25, 100, time.monotonic() - 10) == "30 s"
    assert time_left(100, 100, time.monotonic() - 10) == "0 s"


def test_silent_is_a_reporter_that_prints_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    listener: Reporter = Silent()
    listener.stage("a")
    listener.progress(1, 2, "b")
    listener.line("c")
    listener.warn("d")
    assert capsys.readouterr() == ("", "")
