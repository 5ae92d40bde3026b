"""How a stage tells of its progress without knowing who listens: a terminal, a log, a notebook, nobody."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Protocol


class Reporter(Protocol):
    """What long work calls as it goes. Each method must return at once."""

    def stage(self, title: str) -> None:
        """A new stage begins."""

    def progress(self, done: int, total: int, text: str = "") -> None:
        """`done` of `total` units of the stage are finished; `text` holds its figures."""

    def line(self, text: str) -> None:
        """A sentence that the user should see."""

    def warn(self, text: str) -> None:
        """Something is wrong and the work goes on; the text names the remedy."""

    def figures(self, step: int, values: Mapping[str, float]) -> None:
        """What a training measured at a step, by name, for whoever draws its curves."""


class Silent:
    """Listens to nothing."""

    def stage(self, title: str) -> None: ...

    def progress(self, done: int, total: int, text: str = "") -> None: ...

    def line(self, text: str) -> None: ...

    def warn(self, text: str) -> None: ...

    def figures(self, step: int, values: Mapping[str, float]) -> None: ...


def time_left(done: int, total: int, started: float) -> str:
    """The time left at the pace so far, in words.

    Args:
        started: `time.monotonic()` when the work began.
    """
    if not done:
        return "?"
    return duration((time.monotonic() - started) / done * (total - done))


def duration(seconds: float) -> str:
    """Seconds in words.

    >>> duration(4.2), duration(75), duration(7260)
    ('4 s', '1 min 15 s', '2 h 1 min')
    """
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
