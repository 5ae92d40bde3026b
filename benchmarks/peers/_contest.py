"""What the scripts of `accuracy` are asked, how they stay within their minutes, and how they answer.

The question is one JSON object, the script's only argument:
    setting: "default" or "tuned"; minutes: to the end of the command; seed; size: side of the pictures by default;
    weights: a safetensors file of timm's mobilenetv2_100 with `pad_type="same"`, mean and deviation 0.5, or null for
    from scratch; workers: loader workers that leave a core to compute; low: whether this processor has bfloat16;
    data: a folder with `train/`, `val/` and `test/`, of class folders; out: a folder of the peer's own;
    started: `time.time()` before the process began.
The answer is `predictions.csv` in `out`, (name of the file, class) a line and no header, and one JSON object in the
last line of standard output: the network's name, and the epochs trained.
"""

from __future__ import annotations

import csv
import json
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

ENDING = 3.0
"""Seconds kept back for what comes after the last picture, and for a clock that drifts."""


def seconds_left(job: dict[str, Any]) -> float:
    """Seconds until the minutes are over."""
    return float(job["started"]) + 60 * float(job["minutes"]) - time.time()


def epochs_within(job: dict[str, Any], epoch_seconds: float, last_seconds: float) -> int:
    """As many epochs as fit into what is left, at least one.

    Args:
        epoch_seconds: of one, with its validation.
        last_seconds: of predicting the test pictures.
    """
    return max(1, int((seconds_left(job) - last_seconds - ENDING) / epoch_seconds))


def count(job: dict[str, Any], part: str) -> int:
    """How many pictures a part has."""
    return sum(1 for _ in Path(job["data"], part).glob("*/*"))


def answer(job: dict[str, Any], network: str, epochs: float, names: Iterable[str], classes: Iterable[str]) -> None:
    """Write the predictions and say what was trained.

    Args:
        names: the paths of the test pictures.
        classes: what each was taken for.
    """
    with open(Path(job["out"], "predictions.csv"), "w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows((Path(name).name, found) for name, found in zip(names, classes, strict=True))
    print("\n" + json.dumps({"network": network, "epochs": epochs}), flush=True)
