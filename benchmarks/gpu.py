"""A GPU: training beside the rate of compute alone, predicting, and CIFAR-10 beside airbench's recipe.

Compute alone is a plain loop of torch on one batch that lies on the device already: bfloat16 where autocast says so,
channels-last, SGD fused; as it is, as CUDA graphs, and compiled. striate trains from JPEGs, packed in its first epoch,
through its API; its rate is that of the last epoch, all of its augmentation and transfers in it.
"""

from __future__ import annotations

import contextlib
import io
import json
import statistics
import time
import zipfile
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import nn

import striate as st
from benchmarks.goals import data_folder
from benchmarks.tables import ORIGIN, add_rows, origin
from striate.core.artifacts import make_folder
from striate.core.errors import UsageError
from striate.core.events import Silent

HEADER = ("measure", "network", "way", "size", "batch", "images", "figure", "value", "device", *ORIGIN)
WAYS = ("eager", "graphed", "compiled")
PICTURE = 500, 375
WARM, TIMED = 10, 30


class Steps(Silent):
    """When each step of a training was done, and each epoch."""

    def __init__(self) -> None:
        self.training, self.started, self.steps, self.epochs = False, time.perf_counter(), [], []

    def stage(self, title: str) -> None:
        self.training = title == "training"
        print(f"  {time.perf_counter() - self.started:.1f} s: {title}", flush=True)

    def progress(self, done: int, total: int, text: str = "") -> None:
        if self.training:
            self.steps.append((done, time.perf_counter()))

    def line(self, text: str) -> None:
        print(f"  {text}", flush=True)
        if text.startswith("epoch "):
            self.epochs.append(time.perf_counter())

    def warn(self, text: str) -> None:
        print(f"  {text}", flush=True)

    def figures(self, step: int, values: Mapping[str, float]) -> None: ...


def pictures(folder: Path, count: int) -> Path:
    """JPEGs of the size of small photographs, no two alike, in class folders of `train/`, `val/` and `test/`."""

    def write(number: int) -> None:
        draws = np.random.default_rng(number)
        part = "test" if number % 16 == 0 else "val" if number % 16 == 1 else "train"
        width, height = PICTURE
        coarse = draws.integers(0, 256, (height // 25, width // 25, 3), np.uint8)
        image = Image.fromarray(coarse).resize(PICTURE, Image.Resampling.BICUBIC)
        image.save(make_folder(folder / part / f"kind{number % 8}") / f"{number:06d}.jpg", quality=90)

    if not folder.exists():
        with ThreadPoolExecutor() as pool:
            list(pool.map(write, range(count)))
    return folder


def alone(name: str, size: int, batch: int, way: str) -> dict[str, float]:
    """Pictures a second of the plain step in one way, and the most memory that torch held."""
    from torchvision import models

    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    network = models.get_model(name, num_classes=8).cuda().to(memory_format=torch.channels_last).train()
    optimizer = torch.optim.SGD(network.parameters(), lr=1e-3, momentum=0.9, nesterov=True, fused=True)
    images = torch.randn(batch, 3, size, size, device="cuda").to(memory_format=torch.channels_last)
    labels = torch.randint(0, 8, (batch,), device="cuda")
    low = torch.autocast("cuda", torch.bfloat16, cache_enabled=False)
    compute: Callable[[torch.Tensor], torch.Tensor] = network
    if way == "compiled":
        network.compile()
    elif way == "graphed":
        with low:
            compute = torch.cuda.make_graphed_callables(network, (images.clone(),))

    def step() -> None:
        with low:
            loss = nn.functional.cross_entropy(compute(images).float(), labels)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()

    begun = time.perf_counter()
    step()
    torch.cuda.synchronize()
    first = time.perf_counter() - begun
    for _ in range(WARM):
        step()
    spent = []
    for _ in range(3):
        torch.cuda.synchronize()
        begun = time.perf_counter()
        for _ in range(TIMED):
            step()
        torch.cuda.synchronize()
        spent.append((time.perf_counter() - begun) / TIMED)
    return {
        "rate": batch / statistics.median(spent),
        "memory": float(torch.cuda.max_memory_allocated()),
        "first_step": first,
    }


def trained(
    name: str, size: int, batch: int, data: Path, work: Path, epochs: int, chosen: dict[str, Any]
) -> tuple[dict[str, float], Path]:
    """The same figures of striate's training, and its Run."""
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    steps = Steps()
    run = st.train(
        data,
        out=work / f"run-{name}-{time.time_ns()}",
        model=f"torchvision/{name}",
        weights="none",
        size=size,
        epochs=epochs,
        device="cuda",
        set={"batch.size": batch, **chosen},
        cache_size=0,
        reporter=steps,
    )
    per_epoch = len(steps.steps) // epochs
    (_, begun), *_, (_, ended) = steps.steps[-per_epoch:]
    print(f"  { ({leaf: run.plan[f'execution.{leaf}'] for leaf in ('precision', 'channels_last', 'graphed')}) }")
    rate = (per_epoch - 1) * batch / (ended - begun)
    first = steps.steps[0][1] - steps.started
    return {"rate": rate, "memory": float(torch.cuda.max_memory_allocated()), "first_step": first}, run.path


def predicted(run: Path, folder: Path) -> dict[str, float]:
    """Pictures a second of a folder, decoding and all, once the network is warm; milliseconds of one picture."""
    model = st.load(run, device="cuda")
    model.views = "single"
    picture = Image.open(next(folder.rglob("*.jpg"))).convert("RGB")
    for _ in range(10):
        model.predict(picture)
    spent = []
    for _ in range(60):
        begun = time.perf_counter()
        model.predict(picture)
        spent.append(time.perf_counter() - begun)
    sum(1 for _ in model.predict_paths([folder / "val"]))
    begun = time.perf_counter()
    count = sum(1 for _ in model.predict_paths([folder / "train"]))
    return {"rate": count / (time.perf_counter() - begun), "latency": statistics.median(spent)}


def cifar(archive: Path, work: Path, arguments: dict[str, Any]) -> dict[str, float]:
    """striate on CIFAR-10 as JPEGs: accuracy on the test, seconds of the training alone and of the whole command."""
    begun, steps = time.perf_counter(), Steps()
    run = st.train(
        archive, out=work / f"cifar-{time.time_ns()}", weights="none", device="cuda", reporter=steps, **arguments
    )
    whole = time.perf_counter() - begun
    return {
        "accuracy": float(run.metrics["test"]["accuracy"]),
        "training": steps.epochs[-1] - steps.steps[0][1],
        "whole": whole,
        "epochs": float(len(steps.epochs)),
    }


@contextlib.contextmanager
def _cifar_in_memory(archive: Path) -> Iterator[None]:
    """airbench's loader finds these JPEGs, decoded, where it looks for files of its own."""
    from airbench import utils

    found: dict[str, dict[str, Any]] = {}
    with zipfile.ZipFile(archive) as file:
        names = sorted(file.namelist())
        classes = sorted({name.split("/")[1] for name in names})
        for part in ("train", "test"):
            own = [name for name in names if name.startswith(f"{part}/") and name.endswith(".jpg")]
            images = [np.asarray(Image.open(io.BytesIO(file.read(name))).convert("RGB")) for name in own]
            labels = [classes.index(name.split("/")[1]) for name in own]
            found[f"{part}.pt"] = {
                "images": torch.from_numpy(np.stack(images)).cuda(),
                "labels": torch.tensor(labels).cuda(),
                "classes": classes,
            }
    load, exists = torch.load, utils.os.path.exists
    torch.load = lambda path, **_: found[Path(path).name]
    utils.os.path.exists = lambda path: True
    try:
        yield
    finally:
        torch.load, utils.os.path.exists = load, exists


def airbench(archive: Path) -> dict[str, float]:
    """The same figures of airbench94: its own network, recipe and views, after a run that warms it up."""
    import airbench as peer

    with _cifar_in_memory(archive), contextlib.redirect_stdout(io.StringIO()):
        test = peer.CifarLoader("cifar10", train=False, batch_size=2000)
        peer.train94(verbose=False)
        torch.cuda.synchronize()
        begun = time.perf_counter()
        network = peer.train94(verbose=False)
        torch.cuda.synchronize()
        spent = time.perf_counter() - begun
        return {"accuracy": peer.evaluate(network, test, tta_level=2), "training": spent}


def run(call: Any) -> list[str]:
    """Measure what the call names; the lines that sum it up."""
    if not torch.cuda.is_available():
        raise UsageError("there is no CUDA device", fix="run it where torch.cuda.is_available()")
    device = torch.cuda.get_device_name()
    table = call.results / f"gpu-{'-'.join(device.lower().split())}.csv"
    work, lines = make_folder(call.work.resolve()), []

    def add(measure: str, network: str, way: str, size: int, batch: int, images: int, found: dict[str, float]) -> None:
        shared = [measure, network, way, size, batch, images]
        add_rows(table, HEADER, [[*shared, name, f"{value:.6g}", device, *origin()] for name, value in found.items()])
        figures = ", ".join(f"{name} {value:.4g}" for name, value in found.items())
        lines.append(f"{measure} {network} {way} at {size} px, {batch} at once: {figures}")
        print(lines[-1], flush=True)

    if call.networks:
        data = pictures(work / f"pictures-{call.count}", call.count)
    for name in call.networks:
        for way in call.ways:
            add("train", name, f"plain, {way}", call.size, call.batch, 0, alone(name, call.size, call.batch, way))
        for text in call.set:
            ours, path = trained(name, call.size, call.batch, data, work, call.epochs, json.loads(text))
            way = "striate" if text == "{}" else f"striate {text}"
            add("train", name, way, call.size, call.batch, call.count, ours)
        add("predict", name, "striate", call.size, 0, call.count, predicted(path, data))
    if call.cifar:
        archive = data_folder() / "cifar10.zip"
        if call.airbench:
            for _ in range(call.repeats):
                add("cifar10", "airbench94", "airbench", 32, 1024, 50_000, airbench(archive))
        for text in call.cifar:
            arguments = json.loads(text)
            add("cifar10", "cifarnet", f"striate {text}", 32, 0, 50_000, cifar(archive, work, arguments))
    return lines
