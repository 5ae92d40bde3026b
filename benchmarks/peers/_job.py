"""What every peer's script is asked, and how it answers; needs nothing but Python.

The question is one JSON object, the script's only argument:
    measure: "train", "predict" or "latency"; setting: "default" or "tuned"; network, size, batch, epochs;
    workers: loader workers of the tuned setting; low: whether this processor computes in bfloat16;
    data: a folder with `train/`, `val/` and `test/`, of class folders; pictures: for "predict", a flat folder of JPEGs;
    picture: for "latency", one JPEG; out: a folder of the peer's own;
    trained: that of its training by default; started: `time.time()` before the process began.
The answer is one JSON object in the last line of standard output.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

CALLS = 60


def question() -> dict[str, Any]:
    """The job."""
    job = json.loads(sys.argv[1])
    assert isinstance(job, dict)
    return job


def answer(**found: Any) -> None:
    """Print what was found."""
    print("\n" + json.dumps(found), flush=True)


class Clock:
    """Times the steps of a training, from the start of the process."""

    def __init__(self, job: dict[str, Any]) -> None:
        self.started = float(job["started"])
        self.first_step: float | None = None
        self.ends: list[float] = []
        self.counts = [0]

    def step(self, count: int) -> None:
        """A step with so many pictures is done."""
        now = time.time() - self.started
        self.first_step = self.first_step or now
        self.counts[-1] += count
        if len(self.ends) < len(self.counts):
            self.ends.append(now)
        self.ends[-1] = now

    def epoch(self) -> None:
        """The steps from here on are of another epoch."""
        self.counts.append(0)
        self.resumed = time.time() - self.started

    def found(self) -> dict[str, Any]:
        """Seconds to the first step and to the end of the first epoch, and the rate of the last epoch."""
        last = self.counts[-1] / (self.ends[-1] - self.resumed) if len(self.ends) > 1 else None
        return {"first_step": self.first_step, "first_epoch": self.ends[0], "images": self.counts[0], "rate": last}


def latency(call: Callable[[], Any]) -> dict[str, float]:
    """The median and the 99th percentile of the seconds of a call, after a few that warm up."""
    for _ in range(10):
        call()
    spent = []
    for _ in range(CALLS):
        begun = time.perf_counter()
        call()
        spent.append(time.perf_counter() - begun)
    return {"median": statistics.median(spent), "p99": statistics.quantiles(spent, n=100)[98]}
