"""Measuring again what was measured while other processes had the processors."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from striate.core.events import Reporter
from striate.core.load import Load
from striate.core.machine import processors

T = TypeVar("T")
TIMES, PAUSE = 3, 0.5
"""Tries at most, and seconds between them."""


class Quiet:
    """Measures until nothing disturbs it, within reason, and says once where something always did.

    Two threads that compute a step together wait for one another at each layer. Beside one busy process a step may take
    35 times as long as alone, and a plan made from that would train a thin network for one epoch.
    """

    def __init__(self, reporter: Reporter, device: str = "cpu") -> None:
        self.reporter = reporter
        self.device = device  # a GPU computes its steps whatever the processors are busy with
        self.undisturbed = True  # whether the last measurement was
        self._said = False

    def measure(self, figure: Callable[[], T], *, seconds: float) -> T:
        """What a measurement gives in the least disturbed of up to three tries.

        Args:
            figure: measures; it is called again where others took the processors meanwhile.
            seconds: after which no further try is begun.
        """
        started = time.perf_counter()
        tries: list[tuple[float, T]] = []
        while True:
            load = Load()
            found = figure()
            tries.append((load.others(), found))
            self.undisturbed = self.device != "cpu" or not load.disturbs()
            if self.undisturbed:
                return found
            if len(tries) == TIMES or time.perf_counter() - started + PAUSE > seconds:
                break
            time.sleep(PAUSE)
        least, found = min(tries, key=lambda one: one[0])
        if not self._said:
            self._said = True
            self.reporter.warn(
                f"other processes take {least:.1f} of the {processors()} processors while this machine's speed is "
                "measured, so that the plan holds for a machine as busy as it is now: it may be smaller and shorter "
                "than need be, and is not kept for another run; end them, and train anew"
            )
        return found
