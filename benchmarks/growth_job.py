"""One training or one prediction of the growth benchmark, in a process of its own, and the seconds of its stages.

The question is one JSON object, the only argument: way, "packed", "streamed" or "predicted"; data, the class folders;
out, where the Run is put; trained, the Run that predicts; started, `time.time()` before the process began. The answer
is one JSON object in the last line of standard output.
"""

from __future__ import annotations

import json
import sys
import time
from collections import Counter
from collections.abc import Mapping
from typing import Any

import striate as st

SIZE = 64
SETTINGS = {
    "network.arguments": {"width": 16, "blocks": [1, 1], "stem_stride": 2},
    "batch.size": 64,
    "optimizer.rate": 0.02,
    "execution.precision": "float32",
    "execution.channels_last": True,
    "predict.precision": "float32",
    "predict.channels_last": True,
    "predict.batch": 64,
}
"""A network so small that the data's way into it is what takes the time; nothing is left to measure."""


class Stages:
    """Hears of each stage, and counts its seconds."""

    def __init__(self, started: float) -> None:
        self.title, self.since = "start", started
        self.seconds: Counter[str] = Counter()

    def stage(self, title: str) -> None:
        now = time.time()
        self.seconds[self.title] += now - self.since
        self.title, self.since = title, now

    def progress(self, done: int, total: int, text: str = "") -> None: ...

    def line(self, text: str) -> None:
        print(text)

    def warn(self, text: str) -> None:
        print(text)

    def figures(self, step: int, values: Mapping[str, float]) -> None: ...


def trained(job: dict[str, Any]) -> dict[str, float]:
    """One epoch; the seconds of its stages. An audit's are those of split and plan too."""
    stages = Stages(job["started"])
    streamed = job["way"] == "streamed"
    st.train(
        job["data"],
        out=job["out"],
        model="compact",
        weights="none",
        size=SIZE,
        epochs=1,
        cache_size=0 if streamed else None,
        set={**SETTINGS, **({"execution.pack_bytes": 0} if streamed else {})},
        reporter=stages,
    )
    stages.stage("end")
    names = {
        "reading": "reading",
        "audit": "audit",
        "prepare": "prepare",
        "check": "prepare",
        "training": "epoch",
        "evaluating": "evaluating",
    }
    found: Counter[str] = Counter()
    for title, seconds in stages.seconds.items():
        if title in names:
            found[names[title]] += seconds
    return dict(found)


def predicted(job: dict[str, Any]) -> dict[str, float]:
    """A folder, one picture after another; the seconds once the model is loaded."""
    model = st.load(job["trained"])
    begun = time.time()
    for _ in model.predict_paths([job["data"]]):
        pass
    return {"predict": time.time() - begun}


if __name__ == "__main__":
    asked = json.loads(sys.argv[1])
    found = predicted(asked) if asked["way"] == "predicted" else trained(asked)
    print("\n" + json.dumps({**found, "whole": time.time() - asked["started"]}), flush=True)
