"""How time and memory grow with the pictures: an epoch, packed and streamed, and predicting a folder.

The pictures are made, small and all different, so that what is measured is the way of the data and not the network.
Each figure is of a fresh process that finds nothing from before.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from benchmarks.compare import Watch
from benchmarks.goals import HERE, results_path
from benchmarks.tables import ORIGIN, add_rows, origin
from striate.core import machine
from striate.core.artifacts import make_folder
from striate.core.errors import StriateError

HEADER = ("count", "way", "figure", "value", *ORIGIN)
WAYS = ("packed", "streamed", "predicted")
CLASSES = ("amber", "blue", "coral", "dusk")
WIDTH, HEIGHT = 96, 80
_PART = 500


def make(folder: Path, count: int) -> Path:
    """Class folders of so many JPEGs, the same each time, by all cores; kept for the next call."""
    if (folder / "ready").exists():
        return folder / "pictures"
    shutil.rmtree(folder, ignore_errors=True)
    for name in CLASSES:
        make_folder(folder / "pictures" / name)
    parts = [range(first, min(count, first + _PART)) for first in range(0, count, _PART)]
    with ProcessPoolExecutor(machine.cores()) as pool:
        for _ in pool.map(partial(_draw, folder / "pictures"), parts):
            pass
    (folder / "ready").touch()
    return folder / "pictures"


def _draw(folder: Path, numbers: range) -> None:
    """Smooth noise, each picture's its own, with a tint that tells its class."""
    for number in numbers:
        random, place = np.random.default_rng(number), number % len(CLASSES)
        coarse = random.integers(0, 200, (10, 12, 3))
        coarse[:, :, place % 3] += 14 * (1 + place)
        picture = Image.fromarray(coarse.clip(0, 255).astype(np.uint8)).resize(
            (WIDTH, HEIGHT), Image.Resampling.BICUBIC
        )
        picture.save(folder / CLASSES[place] / f"{number:06d}.jpg", quality=85)


def ask(job: dict[str, Any]) -> dict[str, float]:
    """One job in a process of its own: its seconds by stage, and the peak memory of it and all below it in bytes."""
    environment = {**os.environ, "STRIATE_CACHE": f"{job['out']}-cache"}
    call = [sys.executable, str(HERE / "growth_job.py"), json.dumps({**job, "started": time.time()})]
    with subprocess.Popen(call, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment) as child:
        watch = Watch(child.pid)
        try:
            said, _ = child.communicate()
        finally:
            memory = watch.stop()
            shutil.rmtree(environment["STRIATE_CACHE"], ignore_errors=True)
    lines = said.strip().splitlines()
    if child.returncode or not lines:
        raise StriateError(f"{job['way']} failed:\n" + "\n".join(lines[-12:]))
    return {**json.loads(lines[-1]), "memory": memory}


def run(call: Any) -> list[str]:
    """Every way at every count, a row a figure; returns how they grow as lines.

    Args:
        call: counts, work, results.
    """
    work, table = make_folder(call.work.resolve()), results_path("growth", call.results)
    about = origin()
    fresh: list[tuple[int, str, str, float]] = []
    for count in sorted(call.counts):
        data = make(work / f"made-{count}", count)
        shutil.rmtree(work / "out", ignore_errors=True)
        for way in WAYS:
            job = {"way": way, "data": str(data), "out": str(make_folder(work / "out") / way)}
            found = ask({**job, "trained": str(work / "out" / WAYS[0])})
            rows = [(count, way, figure, value) for figure, value in found.items()]
            fresh += rows
            add_rows(table, HEADER, [[*row[:3], f"{row[3]:.6g}", *about] for row in rows])
            print(f"{count:,} {way}: " + ", ".join(f"{name} {value:.4g}" for name, value in found.items()), flush=True)
    return summary(fresh)


def summary(rows: Sequence[tuple[int, str, str, float]]) -> list[str]:
    """Seconds as milliseconds a picture, memory in megabytes, at each count; and as multiples of the smallest's.

    >>> made = [(count, "packed", name, value) for count, name, value in
    ...         ((1000, "audit", 1.0), (1000, "memory", 4e8), (10000, "audit", 12.0), (10000, "memory", 4e8))]
    >>> print("\\n".join(summary(made)))
    packed audit, ms a picture: 1,000 1, 10,000 1.2 (1.20×)
    packed memory, MB: 1,000 400, 10,000 400 (1.00×)
    """
    figures: dict[tuple[str, str], dict[int, float]] = {}
    for count, way, figure, value in rows:
        scaled = value / 1e6 if figure == "memory" else 1e3 * value / count
        figures.setdefault((way, figure), {})[count] = scaled
    lines = []
    for (way, figure), found in figures.items():
        first = next(iter(found.values()))
        shown = [
            f"{count:,} {value:.4g}" + (f" ({value / first:.2f}×)" if value is not first else "")
            for count, value in found.items()
        ]
        unit = "MB" if figure == "memory" else "ms a picture"
        lines.append(f"{way} {figure}, {unit}: {', '.join(shown)}")
    return lines
