"""`bench`: what this machine can do, and what would be chosen on it for a network."""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import nn

from striate.core.errors import UsageError
from striate.core.events import Reporter, Silent
from striate.core.machine import cores, memory_bytes, processor, processors, versions
from striate.core.memory import keep_freed_memory
from striate.data.decode import decode
from striate.data.prepare import Preprocessing
from striate.infer import computes_bfloat16, forward_rates, wait_for
from striate.nets import profile
from striate.plan.planner import user_decisions
from striate.plan.rules.execution import fastest
from striate.plan.rules.prediction import batches_of, forward_ways
from striate.train.speed import awake, safe_ways, try_ways
from striate.workflows.materials import gather
from striate.workflows.planned import preprocessing_of
from striate.workflows.request import ReadRequest, Request
from striate.workflows.stages import prepare

PICTURE = 500, 375
SIDE = 2048
SECONDS, DECODING_SECONDS = 15.0, 1.0


@dataclass(frozen=True)
class Bench:
    """What was measured.

    Args:
        processor, cores, memory_bytes, device: the machine.
        products: operations a second of matrix products of 2,048 × 2,048, by precision; by the faster library.
        copied: bytes a second of copying memory.
        decoded: JPEGs a second, decoded and brought to the size by a thread a core.
        network, size, batch: what was tried.
        macs: multiply-accumulates of a forward pass of one picture.
        training, prediction: pictures a second by way of execution, of the ways that agree with float32.
        limits: pictures a second if nothing but the network's products had to be computed, and all at the rate of
            `products`: {"training": {precision: …}, "prediction": {…}}. A backward pass takes two forward passes.
        chosen: the ways that a plan would take.
        versions: of what decides a result.
    """

    processor: str
    cores: int
    memory_bytes: int
    device: str
    products: dict[str, float]
    copied: float
    decoded: float
    network: str
    size: int
    batch: int
    macs: int
    training: dict[str, float]
    prediction: dict[str, float]
    limits: dict[str, dict[str, float]]
    chosen: dict[str, str]
    versions: dict[str, str]

    def to_dict(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)


def bench(network: str, size: int, batch: int, device: str, reporter: Reporter) -> Bench:
    """Measure this machine, and the ways to train and to run a network on it.

    Args:
        network: a family, `timm/NAME`, `torchvision/NAME`, `smp/NAME` or a network file, with random weights.
        size: side of its pictures, in pixels.
        batch: pictures a step.
        device: "auto", or where to compute.
    """
    keep_freed_memory()
    count = max(16, 2 * batch)
    need = count * 3 * (PICTURE[0] * PICTURE[1] + size * size)
    if need > memory_bytes() // 4:
        raise UsageError(
            f"{count} pictures of {size} px take {need / 1e9:.1f} GB, more than a quarter of what is free",
            fix="a smaller size or batch",
        )
    reporter.stage("decoding")
    files = [_file(number) for number in range(count)]
    pictures = np.stack([decode(file).pixels for file in files])
    given = {"network.name": network, "input.height": size, "input.width": size, "batch.size": batch}
    split = np.where(np.arange(count) < max(8, batch), "train", "test")
    request = Request(
        ReadRequest(arrays={"x": pictures, "y": np.arange(count) % 2, "split": split}),
        epochs=1000,  # so that no trial is cut short for a training that does not follow
        weights="none",
        overrides=user_decisions({**given, "execution.cache_bytes": 0}),
    )
    prepared = prepare(request, None, device, Silent())
    threads = torch.get_num_threads()
    torch.set_num_threads(prepared.plan["execution.threads"])
    try:
        decoded = _decoded(files, preprocessing_of(prepared.plan))
        materials = gather(None, prepared, Silent())
        where, recipe = prepared.plan["execution.device"], materials.recipe(prepared.plan)
        reporter.stage("matrix products")
        kinds = {"float32": torch.float32}
        if computes_bfloat16(where):
            kinds["bfloat16"] = torch.bfloat16
        products = {name: _products(where, kind) for name, kind in kinds.items()}
        copied = _copied(where)
        reporter.stage(f"training {network}")
        safe, _ = safe_ways(prepared.plan, materials.networks())
        rates = try_ways(recipe, materials.networks, safe, seconds=SECONDS)
        reporter.stage(f"predicting with {network}")
        ready, tried = awake(materials.networks())["network"].to(recipe.device), forward_ways(prepared.plan)
        count = batches_of(where)[0 if where == "cpu" else 1]
        forward = forward_rates(ready, materials.shape, tried, count=count, seconds=SECONDS)
    finally:
        torch.set_num_threads(threads)
    macs = profile(materials.spec).macs
    return Bench(
        processor=processor() if where == "cpu" else _device_name(where),
        cores=cores(),
        memory_bytes=memory_bytes(),
        device=where,
        products=products,
        copied=copied,
        decoded=decoded,
        network=network,
        size=size,
        batch=batch,
        macs=macs,
        training={str(way): rate for way, rate in rates.items()},
        prediction={str(way): rate for way, rate in forward.items()},
        limits={
            "training": {name: rate / (6 * macs) for name, rate in products.items()},
            "prediction": {name: rate / (2 * macs) for name, rate in products.items()},
        },
        chosen={"training": str(fastest(rates)[0]), "prediction": str(fastest(forward)[0])},
        versions=versions(),
    )


def _device_name(device: str) -> str:
    return torch.cuda.get_device_name() if device == "cuda" else device


def _file(number: int) -> bytes:
    """A JPEG of the size of a small photograph; no two are alike."""
    width, height = PICTURE
    coarse = np.random.default_rng(number).integers(0, 256, (height // 25, width // 25, 3), np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(coarse).resize(PICTURE, Image.Resampling.BICUBIC).save(buffer, "JPEG", quality=90)
    return buffer.getvalue()


def _decoded(files: Sequence[bytes], preprocessing: Preprocessing) -> float:
    """Pictures a second, from bytes to pixels, in as many threads as there are cores."""
    with ThreadPoolExecutor(processors()) as pool:
        started, count = time.perf_counter(), 0
        while time.perf_counter() - started < DECODING_SECONDS:
            count += sum(1 for _ in pool.map(lambda file: preprocessing.prepare(decode(file)), files))
        return count / (time.perf_counter() - started)


def _products(device: str, kind: torch.dtype) -> float:
    """Operations a second of a matrix product: two for each multiply-accumulate.

    As a product and as a convolution of single pixels, which is one too: the libraries behind them differ, on some
    processors by a factor of two.
    """
    with torch.random.fork_rng(devices=[]):
        left, right = (torch.randn(SIDE, SIDE).to(device, kind) for _ in range(2))
    rows = left.view(1, SIDE // 32, 32, SIDE).permute(0, 3, 1, 2)  # channels last
    filters = right.view(SIDE, SIDE, 1, 1).contiguous(memory_format=torch.channels_last)
    with torch.no_grad():
        spent = _least(lambda: left @ right, device), _least(lambda: nn.functional.conv2d(rows, filters), device)
    return 2 * SIDE**3 / min(spent)


def _copied(device: str) -> float:
    """Bytes a second of a copy, which reads each byte once and writes it once."""
    source = torch.zeros(2**27, dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    return 2 * source.numel() / _least(lambda: target.copy_(source), device)


def _least(work: Callable[[], object], device: str) -> float:
    """The least seconds of eight times."""
    spent = []
    for _ in range(8):
        started = time.perf_counter()
        work()
        wait_for(device)
        spent.append(time.perf_counter() - started)
    return min(spent)
