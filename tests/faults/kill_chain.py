"""Trains one Run to its end however often it is killed: each life is a forked child that ends by SIGKILL.

    python tests/faults/kill_chain.py DATA OUT WORKERS KILLS SEED EPOCHS NETWORK

A life ends at a random moment after its first steps, by a random step, or inside a write (before or after the rename),
in turn. Prints one line a life. The last life is left alone. With KILLS 0 there is one life: the run never killed.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import threading
import time
from pathlib import Path

from striate import api
from striate.core import artifacts
from striate.core.events import Silent

SETTINGS = {
    "batch.size": 16,
    "batch.accumulate": 2,
    "train.ema": 0.1,
    "train.start_size": 0.5,
    "train.checkpoint_seconds": 0,
    "augment.mixup": 0.2,
    "augment.rotate": 10,
    "optimizer.rate": 0.02,
    "execution.precision": "float32",
    "execution.channels_last": True,
    "predict.precision": "float32",
    "predict.channels_last": True,
    "predict.batch": 8,
    "execution.threads": 1,
    "execution.pack_bytes": 0,
    "execution.cache_bytes": 0,
}
NETWORKS = {
    "compact": {"width": 8, "blocks": [1, 1], "dropout": 0.2},
    "cifarnet": {"widths": [8, 16], "stem": 8, "dropout": 0.2},
    "unet": {"width": 4, "depth": 2, "norm": True},
    "retinanet": {
        "backbone": "compact",
        "backbone_arguments": {"width": 4, "blocks": [1, 1], "stem_stride": 2},
        "strides": [4],
        "width": 8,
        "depth": 1,
        "norm": "group",
        "sizes": [[12, 20]],
        "aspects": [1.0],
    },
}
NOT_OF_EACH = dict.fromkeys(("unet", "retinanet"), ("train.start_size", "augment.mixup"))
"""What a training on masks, or on boxes, refuses."""
ALSO = {"retinanet": {"augment.mosaic": 0.5, "input.height": 48, "input.width": 48, "split.near_duplicates": False}}
"""What is set for it beside."""


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


class DieAtStep(Silent):
    def __init__(self, steps: int) -> None:
        self.left = steps

    def progress(self, done: int, total: int, text: str = "") -> None:
        if text.startswith("epoch"):
            self.left -= 1
            if self.left <= 0:
                die()


def die_in_write(number: int) -> None:
    real, seen = artifacts.os.replace, 0

    def replace(*arguments: str) -> None:
        nonlocal seen
        seen += 1
        if seen == number and number % 2:
            die()
        real(*arguments)
        if seen == number:
            die()

    artifacts.os.replace = replace  # type: ignore[assignment]


def live(data: str, out: Path, workers: int, epochs: int, network: str, end: tuple[str, float]) -> None:
    kind, when = end
    reporter = DieAtStep(int(when)) if kind == "step" else Silent()
    if kind == "write":
        die_in_write(int(when))
    if kind == "time":
        threading.Thread(target=lambda: (time.sleep(when), die()), daemon=True).start()
    if (out / "environment.json").exists():
        api.resume(out, reporter=reporter)
    else:
        chosen = {"execution.workers": workers, "network.arguments": NETWORKS[network], **ALSO.get(network, {})}
        left_out = NOT_OF_EACH.get(network, ())
        settings = {key: value for key, value in {**SETTINGS, **chosen}.items() if key not in left_out}
        api.train(data, out=out, model=network, epochs=epochs, seed=3, set=settings, reporter=reporter)


def main() -> None:
    data, out, workers, kills, seed, epochs = sys.argv[1], Path(sys.argv[2]), *map(int, sys.argv[3:7])
    network = sys.argv[7]
    draw = random.Random(seed)
    died = 0
    while True:
        kind = ("time", "step", "write")[died % 3]
        when = {"time": draw.uniform(0.05, 0.9), "step": draw.randint(1, 6), "write": draw.randint(1, 25)}[kind]
        end = (kind, when) if died < kills else ("never", 0.0)
        child = os.fork()
        if child == 0:
            try:
                live(data, out, workers, epochs, network, end)
            except BaseException as error:
                print(f"{type(error).__name__}: {error}", flush=True)
                os._exit(1)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        if os.WIFSIGNALED(status):
            died += 1
            print(f"killed {died}: {kind} {when:.2f}", flush=True)
            continue
        code = os.WEXITSTATUS(status)
        if code or end[0] == "never" or (out / "report.html").exists():
            print(f"ended with {code} after {died} kills", flush=True)
            sys.exit(code)


if __name__ == "__main__":
    main()
