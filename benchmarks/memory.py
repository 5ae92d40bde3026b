"""Predicted against measured peak memory of training and of inference, a fresh process for each figure.

Measured is the most that a process holds of the machine's memory, less what it held after its imports. Its C library is
told to give freed blocks back at once: what it would keep of them in case of need is no need of the network's.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

from benchmarks.goals import HERE, results_path
from benchmarks.tables import ORIGIN, add_rows, origin
from striate.core.errors import StriateError
from striate.nets import resolve
from striate.nets.memory import memory

HEADER = ("network", "size", "batch", "work", "predicted", "measured", *ORIGIN)
WORKS = ("training", "inference")
NETWORKS = ("resnet18", "torchvision/mobilenet_v2", "torchvision/vgg11", "torchvision/densenet121", "compact")
CLASSES = 100

Row = tuple[str, int, int, str, int, int]


def measure(job: dict[str, Any]) -> int:
    """Bytes at the peak of one piece of work, in a process of its own."""
    call = [sys.executable, str(HERE / "memory_job.py"), json.dumps(job)]
    environment = {**os.environ, "MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TRIM_THRESHOLD_": "65536"}
    child = subprocess.run(call, capture_output=True, text=True, check=False, env=environment)
    if child.returncode or not child.stdout.strip():
        raise StriateError(f"{job['work']} of {job['spec']['name']} failed:\n{child.stderr[-2000:]}")
    return int(child.stdout.strip().splitlines()[-1])


def run(call: Any) -> list[str]:
    """Every network at every batch, a row a figure; returns how far predictions are off as lines.

    Args:
        call: networks, size, batches, results.
    """
    table, about = results_path("memory", call.results), origin()
    rows: list[Row] = []
    for name in call.networks:
        spec = resolve(name, outputs=CLASSES, channels=3, height=call.size, width=call.size)
        for batch in call.batches:
            predicted = memory(spec, batch).to_dict()
            for work in WORKS:
                row = (
                    name,
                    call.size,
                    batch,
                    work,
                    predicted[work],
                    measure({"spec": spec, "batch": batch, "work": work}),
                )
                rows.append(row)
                add_rows(table, HEADER, [[*row, *about]])
                print(f"{name} {batch} {work}: {_share(row):+.1%} of {row[-1] / 1e6:,.0f} MB", flush=True)
    return summary(rows)


def _share(row: Row) -> float:
    return row[-2] / row[-1] - 1


def summary(rows: Sequence[Row]) -> list[str]:
    """How far predictions are off.

    >>> summary([("a", 224, 8, "training", 110, 100), ("b", 224, 8, "training", 95, 100)])
    ['training: 2 predictions, -5.0% to +10.0% of what was measured']
    """
    lines = []
    for work in WORKS:
        shares = [_share(row) for row in rows if row[3] == work]
        if shares:
            lines.append(
                f"{work}: {len(shares)} predictions, {min(shares):+.1%} to {max(shares):+.1%} of what was measured"
            )
    return lines
