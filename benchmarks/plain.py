"""The plain loop: what a practised hand writes with torchvision in an afternoon, as the measure for striate's own.

ResNet-18 from scratch or the given weights fine-tuned, random crops and flips, label smoothing, SGD with one cycle
over the minutes allowed, channels-last, bfloat16 where that is faster, two loader workers. It shares no code with
striate but the split.csv of the Run it is compared with, and runs in a process of its own. Where boxes are looked for,
plain_boxes.py has the loop.
"""

from __future__ import annotations

import csv
import io
import json
import math
import statistics
import subprocess
import sys
import time
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import timm
import torch
from PIL import Image
from safetensors.torch import load_file
from sklearn.metrics import r2_score
from torch import nn
from torch.utils.data import DataLoader, Dataset
from torchvision import models
from torchvision.transforms import v2 as transforms

from benchmarks.goals import Goal, add_row, data_folder, read_goals, row, run_folder
from striate.core.errors import RunError, StriateError, UsageError

LOOPS = {"detect": "benchmarks.plain_boxes"}
"""Modules that have the loop of a task, called as this one; of others it is here."""
IMAGENET = ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])


class Pictures(Dataset[tuple[torch.Tensor, torch.Tensor]]):
    """The pictures of one split, decoded and transformed anew each time.

    Args:
        rows: (key, target) of each.
        place: the folder or the zip that the keys are relative to.
    """

    def __init__(self, rows: Sequence[tuple[str, torch.Tensor]], place: Path, transform: transforms.Transform) -> None:
        self.rows, self.place, self.transform = rows, place, transform
        self.archive: zipfile.ZipFile | None = None  # opened by each worker for itself

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, torch.Tensor]:
        key, target = self.rows[index]
        if self.place.suffix == ".zip":
            self.archive = self.archive or zipfile.ZipFile(self.place)
            source: Any = io.BytesIO(self.archive.read(key))
        else:
            source = self.place / key
        with Image.open(source) as image:
            return self.transform(image.convert("RGB")), target


def make_transforms(size: int, mean: list[float], std: list[float], counting: bool) -> tuple[Any, Any]:
    """The usual transforms for training and for testing; what is counted must stay in the picture."""
    tail = [transforms.ToImage(), transforms.ToDtype(torch.float32, scale=True), transforms.Normalize(mean, std)]
    if counting:
        train: list[Any] = [transforms.Resize((size, size)), transforms.RandomVerticalFlip()]
        test: list[Any] = [transforms.Resize((size, size))]
    elif size <= 32:
        train = [transforms.Resize((size, size)), transforms.RandomCrop(size, padding=4)]
        test = [transforms.Resize((size, size))]
    else:
        train = [transforms.RandomResizedCrop(size, scale=(0.35, 1.0))]
        test = [transforms.Resize(round(size / 0.875)), transforms.CenterCrop(size)]
    return transforms.Compose([*train, transforms.RandomHorizontalFlip(), *tail]), transforms.Compose([*test, *tail])


def make_network(settings: dict[str, Any], outputs: int, data: Path) -> tuple[nn.Module, list[float], list[float]]:
    """The network, with the mean and deviation that it expects."""
    if "weights" in settings:
        base = data / "weights" / settings["weights"]
        truth = json.loads(Path(f"{base}.json").read_text("utf-8"))
        network = timm.create_model(truth["network"].removeprefix("timm/"), **truth["arguments"])
        network.load_state_dict(load_file(f"{base}.safetensors"))
        network.reset_classifier(outputs)
        return network, truth["preprocessing"]["mean"], truth["preprocessing"]["std"]
    network = models.get_model(settings["network"], num_classes=outputs)
    if settings["size"] <= 64:  # the customary stem for small pictures
        network.conv1 = nn.Conv2d(3, 64, 3, padding=1, bias=False)
        network.maxpool = nn.Identity()
    return network, *IMAGENET


def faster_in_bfloat16(network: nn.Module, size: int) -> bool:
    """Whether this processor trains the network faster in bfloat16: without instructions for it, it is far slower."""
    images = torch.randn(8, 3, size, size).contiguous(memory_format=torch.channels_last)

    def seconds(low: bool) -> float:
        times = []
        for _ in range(3):
            started = time.perf_counter()
            with torch.autocast("cpu", torch.bfloat16, enabled=low):
                outputs = network(images)
            outputs.float().square().mean().backward()
            times.append(time.perf_counter() - started)
        network.zero_grad()
        return min(times)

    network.eval()  # the statistics of its norms must not learn from noise
    faster = seconds(True) < seconds(False)
    network.train()
    return faster


def one_cycle(done: float, highest: float) -> float:
    """The rate after a fraction `done` of the time: up a cosine for 30 %, down a cosine to nothing."""
    if done < 0.3:
        return highest * (0.04 + 0.96 * (1 - math.cos(math.pi * done / 0.3)) / 2)
    return highest * (1 + math.cos(math.pi * (done - 0.3) / 0.7)) / 2


def read_parts(path: Path) -> dict[str, list[tuple[str, str]]]:
    """(key, target) by split from a split.csv."""
    parts: dict[str, list[tuple[str, str]]] = {"train": [], "val": [], "test": []}
    with open(path, encoding="utf-8", newline="") as file:
        for line in csv.DictReader(file):
            if line["split"] in parts:
                parts[line["split"]].append((line["key"], line["target"]))
    return parts


def task_of(folder: Path) -> str:
    """The task of a finished Run."""
    return str(json.loads((folder / "metrics.json").read_text("utf-8"))["task"])


def train(goal: Goal, place: Path, folder: Path, seed: int) -> dict[str, Any]:
    """Train on the Run's train split until 95 % of the minutes are gone, then score its test split once.

    Returns:
        an object like that of `striate train --json`, as far as the results need it.
    """
    started = time.monotonic()
    assert goal.plain is not None
    assert goal.minutes is not None
    seconds = goal.minutes * 60 * 0.95
    torch.manual_seed(seed)
    parts, regress = read_parts(folder / "split.csv"), task_of(folder) == "regress"
    names = sorted({target for _, target in parts["train"]})
    numbers = torch.tensor([float(target) for _, target in parts["train"]]) if regress else torch.zeros(2)
    shift, scale = (float(numbers.mean()), float(numbers.std())) if regress else (0.0, 1.0)
    network, mean, std = make_network(goal.plain, 1 if regress else len(names), data_folder())
    augment, centre = make_transforms(goal.plain["size"], mean, std, counting=regress)

    def encode(target: str) -> torch.Tensor:
        return torch.tensor((float(target) - shift) / scale) if regress else torch.tensor(names.index(target))

    def loader(split: str, transform: Any, batch: int, training: bool) -> DataLoader[Any]:
        pictures = Pictures([(key, encode(target)) for key, target in parts[split]], place, transform)
        return DataLoader(pictures, batch, shuffle=training, drop_last=training, num_workers=2, persistent_workers=True)

    network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimizer = torch.optim.SGD(network.parameters(), lr=0.0, momentum=0.9, nesterov=True, weight_decay=5e-4)
    low = faster_in_bfloat16(network, goal.plain["size"])
    criterion: nn.Module = nn.MSELoss() if regress else nn.CrossEntropyLoss(label_smoothing=0.1)
    batches = loader("train", augment, goal.plain["batch"], training=True)
    seen, begun = 0, time.monotonic()
    network.train()
    while time.monotonic() - started < seconds:
        for images, targets in batches:
            done = (time.monotonic() - started) / seconds
            if done >= 1:
                break
            for group in optimizer.param_groups:
                group["lr"] = one_cycle(done, goal.plain["rate"])
            with torch.autocast("cpu", torch.bfloat16, enabled=low):
                outputs = network(images.contiguous(memory_format=torch.channels_last))
            loss = criterion(outputs.float().squeeze(1) if regress else outputs.float(), targets)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            seen += len(images)
    rate = seen / (time.monotonic() - begun)
    network.eval()
    found, true = [], []
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=low):
        for images, targets in loader("test", centre, 64, training=False):
            outputs = network(images.contiguous(memory_format=torch.channels_last)).float()
            found.append(outputs.squeeze(1) if regress else outputs.argmax(1))
            true.append(targets)
    predicted, expected = torch.cat(found).numpy(), torch.cat(true).numpy()
    value = float(r2_score(expected, predicted)) if regress else float(np.mean(predicted == expected))
    return {
        "metrics": {"test": {goal.metric: value}},
        "samples_per_second": rate,
        "quarantined": 0,
        "seconds": time.monotonic() - started,
        "epochs": seen / len(parts["train"]),
    }


def place_of(goal: Goal, data: Path, work: Path) -> Path:
    """The folder or zip that the keys of a goal's split.csv are relative to: its --root, or its data."""
    arguments = goal.arguments(data, work, 0, Path("run"))
    place = arguments[arguments.index("--root") + 1] if "--root" in arguments else arguments[1]
    return Path(place)


def run(goal: Goal, seeds: Sequence[int], runs: Path, results: Path) -> list[float]:
    """The plain loop beside each seed's Run of a goal; the values reached, each in the table when it is done."""
    if goal.plain is None:
        raise UsageError(f"the goal {goal.name!r} names no plain loop", fix="add `plain = {…}` to it in goals.toml")
    values = []
    for seed in seeds:
        folder = run_folder(runs, goal, seed)
        if not (folder / "split.csv").exists():
            raise RunError(
                f"there is no Run of {goal.name} with seed {seed} in {runs} to share its split with",
                fix=f"run `python -m benchmarks goals {goal.name}` first",
            )
        module = LOOPS.get(task_of(folder), "benchmarks.plain")
        call = [sys.executable, "-m", module, goal.name, str(seed), str(runs)]
        child = subprocess.run(call, stdout=subprocess.PIPE, text=True, check=False)
        if child.returncode:
            raise StriateError(f"the plain loop of {goal.name} ended with exit status {child.returncode}")
        summary = json.loads(child.stdout)
        figures = dict(summary["metrics"]["test"])
        values.append(float(figures.pop(goal.metric)))
        for figure in (goal.metric, *figures):
            add_row(results, row(goal.name, seed, figure, summary, summary["seconds"]))
        more = "".join(f", {figure} {value:.4g}" for figure, value in figures.items())
        print(
            f"plain {goal.name} seed {seed}: {goal.metric} {values[-1]:.4f} in {summary['seconds']:.0f} s, "
            f"{summary['epochs']:.1f} epochs{more}",
            flush=True,
        )
    return values


def beside(goal: Goal, values: Sequence[float], ours: Sequence[Sequence[str]]) -> tuple[str, bool]:
    """The sentence that compares the plain loop with striate, and whether striate's mean is not below.

    Args:
        values: what the plain loop reached.
        ours: rows of striate's own table of results; the newest of each seed of this goal counts.

    >>> goal = Goal("x", "", ("train",), (0, 1), "accuracy", gate=0.7, stretch=0.8)
    >>> beside(goal, [0.7, 0.72], [["x", "0", "accuracy", "0.70"], ["x", "0", "accuracy", "0.80"]])
    ('x: accuracy 0.8000 of striate (n = 1), 0.7100 of the plain loop (n = 2): not below', True)
    """
    newest = {line[1]: float(line[3]) for line in ours if (line[0], line[2]) == (goal.name, goal.metric)}
    if not newest:
        return f"{goal.name}: striate has no result on this kind of machine to compare with", False
    mean, plain = statistics.mean(newest.values()), statistics.mean(values)
    figures = f"{mean:.4f} of striate (n = {len(newest)}), {plain:.4f} of the plain loop (n = {len(values)})"
    return f"{goal.name}: {goal.metric} {figures}: {'not below' if mean >= plain else 'BELOW'}", mean >= plain


if __name__ == "__main__":
    name, number, kept = sys.argv[1:]
    chosen = read_goals()[name]
    where = place_of(chosen, data_folder(), Path(kept) / "work")
    print(json.dumps(train(chosen, where, run_folder(Path(kept), chosen, int(number)), int(number))))
