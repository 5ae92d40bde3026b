"""One measurement of the memory benchmark, in a process of its own: bytes at the peak, less those after the imports.

The question is one JSON object, the only argument: spec, a network; batch; work, "training" (three steps of SGD with
momentum) or "inference".
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import timm  # noqa: F401 - so that its import does not count as the network's
import torch
import torchvision  # noqa: F401
from torch import nn

from striate.core.memory import release_freed_memory
from striate.nets import build, resolve

STEPS = 3
TINY = resolve("compact", outputs=2, channels=3, height=32, width=32)


def work(job: dict[str, Any]) -> None:
    """Train, or run, on random pictures."""
    torch.manual_seed(0)
    network = build(job["spec"])
    images = torch.randn(job["batch"], *job["spec"]["input"])
    targets = torch.arange(job["batch"]) % job["spec"]["outputs"]
    if job["work"] == "inference":
        network.eval()
        for _ in range(STEPS):
            with torch.no_grad():
                network(images)
        return
    optimizer = torch.optim.SGD(network.train().parameters(), lr=1e-3, momentum=0.9)
    for _ in range(STEPS):
        optimizer.zero_grad()
        nn.functional.cross_entropy(network(images), targets).backward()
        optimizer.step()


def resident(key: str) -> int:
    """VmRSS, what the process holds now, or VmHWM, the most it held since the mark was reset; in bytes."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{key}:"):
            return int(line.split()[1]) * 1024
    raise KeyError(key)


def main() -> None:
    """Answer the question."""
    job = json.loads(sys.argv[1])
    work({**job, "batch": 4, "spec": TINY})  # loads what is loaded at the first use
    release_freed_memory()
    Path("/proc/self/clear_refs").write_text("5")  # the mark falls to what is held now
    before = resident("VmRSS")
    work(job)
    print(resident("VmHWM") - before)


if __name__ == "__main__":
    main()
