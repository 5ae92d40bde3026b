"""How much of this machine other processes take, so that what is measured beside them is not believed."""

from __future__ import annotations

import os
import time
from pathlib import Path

from striate.core.machine import allowed_processors, cores, processors

_PROC = Path("/proc")
BUSY = 0.15
"""Processors that others take on the average while something is measured, from which on it is disturbed. A system's
own services take a hundredth; a busy process takes 0.5 to 1, and steps of two threads beside it up to 35 times as
long."""
SHORTEST = 0.2
"""Seconds below which others' time is not told, as the system counts it in hundredths of a second."""


class Load:
    """What others than this process and its workers take of the processors that it may use.

    It begins with its making. Where the system does not tell (it is not Linux, or a container's share of the processors
    does not say which), nothing is known, and `others` is 0.

    >>> load = Load()
    >>> load.others() >= 0
    True
    """

    def __init__(self) -> None:
        self._started = time.perf_counter()
        self._before = _others_ticks()

    def others(self) -> float:
        """Processors that others took on the average since then; what a virtual machine's host took counts too."""
        after, spent = _others_ticks(), time.perf_counter() - self._started
        if self._before is None or after is None or spent <= 0:
            return 0.0
        return max(0.0, (after - self._before) / os.sysconf("SC_CLK_TCK") / max(spent, SHORTEST))

    def disturbs(self) -> bool:
        """Whether what was measured since then cannot be believed: others took more than what computing leaves."""
        return self.others() > max(0, len(allowed_processors()) - cores()) + BUSY


def _others_ticks() -> float | None:
    """Ticks of the clock that others have computed so far; None where that is not told."""
    numbers = allowed_processors()
    if processors() < len(numbers):
        return None  # the others' work may be on processors that are not ours at the moment
    allowed = {f"cpu{number}" for number in numbers}
    try:
        busy = 0.0
        for line in (_PROC / "stat").read_text().splitlines():
            name, *figures = line.split()
            if name in allowed:  # user, nice, system, idle, waiting, interrupts, soft ones, stolen
                user, nice, system, _, _, hard, soft, stolen = map(int, figures[:8])
                busy += user + nice + system + hard + soft + stolen
        own = time.process_time() * os.sysconf("SC_CLK_TCK")
        return busy - own - _workers_ticks()
    except (OSError, ValueError, AttributeError):
        return None  # not Linux, or hidden by a sandbox


def _workers_ticks() -> int:
    """Ticks that this process's children have computed: those that live, and those that were waited for."""
    ended, mine, total = os.times(), str(os.getpid()), 0
    for path in _PROC.glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()  # a name may hold spaces
        except OSError:
            continue  # it has ended meanwhile
        if fields[1] == mine:
            total += int(fields[11]) + int(fields[12])
    return total + round((ended.children_user + ended.children_system) * os.sysconf("SC_CLK_TCK"))
