"""The referee's choice beside every fixed remedy, with a head fitted to frozen features, on long-tailed cuts.

Features are computed once; each seed cuts other pictures, and of CIFAR-10 other classes are the rare ones. For each cut
every remedy's head is fitted to all training samples and scored on a test in which classes are alike; the referee sees
the training samples alone. Whole trainings are for `ablate trashnet-long-tail`.
"""

from __future__ import annotations

import io
import statistics
import time
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import nn

from benchmarks.goals import data_folder, results_path
from benchmarks.long_tail import tail
from benchmarks.tables import ORIGIN, add_rows, origin
from striate.core.records import Label, Sample
from striate.core.seeds import permutation
from striate.evaluate import move_thresholds
from striate.metrics import METRICS, moved
from striate.nets import Normalize, build, head_name, load_weights, read_weights, resolve
from striate.plan.remedies import REMEDIES, chosen_remedy
from striate.tasks import make_task
from striate.train.pilots import HeadPilot, head_pilots
from striate.train.probe import Features, HeadFit
from striate.workflows.referee import IN_A_HEAD, judged

HEADER = ("data", "seed", "remedy", "macro_f1", "chosen", "regret", "gain", *ORIGIN)
WEIGHTS = "weights/mobilenetv2_100_padsame_mean0.5.safetensors"
SEEDS = range(5)
CASES = {"trashnet": (30.0, 80, 320, 160), "cifar10": (100.0, 200, 500, 64)}
"""Ratio, test pictures of a class, training pictures of the largest class, and side in pixels."""


def pictures(data: Path, name: str, most: int) -> Iterator[tuple[str, Image.Image]]:
    """(class, picture), at most so many of a class."""
    if name == "trashnet":
        for folder in sorted(one for one in (data / name).iterdir() if one.is_dir()):
            for file in sorted(folder.iterdir())[:most]:
                yield folder.name, Image.open(file)
        return
    with zipfile.ZipFile(data / "cifar10.zip") as archive:
        counts: dict[str, int] = {}
        for member in sorted(archive.namelist()):
            if member.startswith("train/") and member.endswith(".jpg"):
                label = member.split("/")[1]
                counts[label] = counts.get(label, 0) + 1
                if counts[label] <= most:
                    yield label, Image.open(io.BytesIO(archive.read(member)))


@torch.no_grad()
def frozen_features(data: Path, name: str, side: int, most: int) -> tuple[torch.Tensor, list[str], nn.Linear]:
    """What the head receives of each picture, (N, D), their classes, and a head."""
    weights = read_weights(str(data / WEIGHTS))
    truth = weights.sidecar
    assert truth is not None
    found, labels = [], []
    shown: list[torch.Tensor] = []
    spec = resolve(truth["network"], outputs=10, channels=3, height=side, width=side, arguments=truth["arguments"])
    network = build(spec).eval()
    load_weights(network, weights, head=head_name(network))
    head = network.get_submodule(head_name(network))
    assert isinstance(head, nn.Linear)
    head.register_forward_pre_hook(lambda _, inputs: found.append(inputs[0].double()))
    normalize = Normalize(truth["preprocessing"]["mean"], truth["preprocessing"]["std"])

    def look() -> None:
        network(normalize(torch.stack(shown)))
        shown.clear()

    for label, picture in pictures(data, name, most):
        sized = picture.convert("RGB").resize((side, side), Image.Resampling.BICUBIC)
        shown.append(torch.from_numpy(np.asarray(sized).transpose(2, 0, 1).copy()).float())
        labels.append(label)
        if len(shown) == 64:
            look()
    if shown:
        look()
    return torch.cat(found), labels, head


def cut(labels: Sequence[str], ratio: float, tested: int, most: int, seed: int) -> tuple[list[int], list[int]]:
    """Places for training, a long tail, and for the test, `tested` of each class."""
    names = sorted(set(labels))
    places = {name: [place for place, label in enumerate(labels) if label == name] for name in names}
    # The class of fewest pictures stays the rarest where it cannot be another.
    free = [names[one] for one in permutation(len(names), seed, "which are rare")]
    order = sorted(free, key=lambda name: len(places[name]) < tested + most)
    learnt, judges = [], []
    for place, (name, size) in enumerate(zip(order, tail(most, ratio, len(order)), strict=True)):
        shuffled = [places[name][one] for one in permutation(len(places[name]), seed, "cut", place)]
        judges += shuffled[:tested]
        learnt += shuffled[tested : tested + size]
    return sorted(learnt), sorted(judges)


def judge(rows: torch.Tensor, labels: Sequence[str], head: nn.Linear, case: str, seed: int) -> dict[str, Any]:
    """Macro F1 on the test by remedy, and what the referee chose."""
    ratio, tested, most, _ = CASES[case]
    names = sorted(set(labels))
    learnt, judges = cut(labels, ratio, tested, most, seed)
    samples = [Sample(str(place), (), Label(labels[place])) for place in learnt]
    shape = nn.Linear(head.in_features, len(names))
    targets = torch.eye(len(names))[[names.index(labels[place]) for place in learnt]]
    truth = np.eye(len(names), dtype=np.float32)[[names.index(labels[place]) for place in judges]]
    pilots = {}
    for name in ("none", *IN_A_HEAD):
        leaves = REMEDIES.get(name, {})
        task = make_task(
            "classify",
            names,
            samples,
            loss=leaves.get("loss.name", "cross_entropy"),
            class_weights=leaves.get("loss.class_weights", "none"),
        )
        pilots[name] = HeadPilot(task, task.weights(samples), leaves.get("transfer.smote", 0))
    known = Features(
        rows[learnt], targets.double(), torch.ones(len(learnt)).double(), torch.arange(len(learnt)), len(learnt)
    )
    counts: list[float] = targets.sum(0).tolist()
    units = np.arange(len(learnt))
    scores = head_pilots(shape, known, units, pilots, seed=seed, seconds=1e9)
    verdict = judged(scores, targets.numpy(), counts, seed)
    chosen, _ = chosen_remedy(*verdict)
    macro = METRICS.get("macro_f1")("label", len(names))
    figures: dict[str, float] = {}
    unseen = rows[judges]
    start: HeadFit | None = None
    for name, pilot in pilots.items():
        weighed = replace(known, weights=pilot.weights.double())
        fitted = HeadFit.zeros(shape) if start is None else start.copy()
        fitted.minimise(pilot.task, weighed.with_made_up(weighed.most_neighbours(pilot.neighbours), seed), 1.0)
        start = start or fitted
        with torch.no_grad():
            found: NDArray[Any] = pilot.task.scores(unseen @ fitted.matrix.T + fitted.bias).numpy()
        figures[name] = macro.measure(found.astype(np.float64), truth.astype(np.float64))
        if name == "none":
            factors = move_thresholds(scores["none"], targets.numpy(), counts).factors
            figures["moved_thresholds"] = macro.measure(
                moved(found.astype(np.float64), factors), truth.astype(np.float64)
            )
    return {"figures": figures, "chosen": chosen}


def run(call: Any) -> list[str]:
    """A row for each data set, seed and remedy; returns regret and gain as lines.

    Args:
        call: names (of `CASES`, all without), results.
    """
    table, about, data, lines = results_path("referee", call.results), origin(), data_folder(), []
    for case in call.names or CASES:
        _, tested, most, side = CASES[case]
        started = time.perf_counter()
        rows, labels, head = frozen_features(data, case, side, tested + most)
        print(f"{case}: features of {len(labels)} pictures in {time.perf_counter() - started:.0f} s", flush=True)
        found = []
        for seed in SEEDS:
            result = judge(rows, labels, head, case, seed)
            figures, chosen = result["figures"], result["chosen"]
            found.append(result)
            for name, figure in figures.items():
                regret = max(figures.values()) - figure
                gain = figure - figures["none"]
                add_rows(
                    table,
                    HEADER,
                    [[case, seed, name, f"{figure:.4f}", name == chosen, f"{regret:.4f}", f"{gain:.4f}", *about]],
                )
            print(
                case,
                seed,
                f"chosen {chosen} {figures[chosen]:.4f}",
                {k: round(v, 4) for k, v in figures.items()},
                flush=True,
            )
        lines += summary(case, found)
    return lines


def summary(case: str, found: Sequence[dict[str, Any]]) -> list[str]:
    """The referee against the best of the fixed remedies over all seeds, and against none.

    >>> rows = [{"figures": {"none": 0.5, "focal": 0.6}, "chosen": "focal"}] * 2
    >>> summary("made", rows)
    ['made: referee 0.6000; best fixed remedy focal 0.6000, regret 0.0000; none 0.5000, gain 0.1000']
    """
    means = {name: statistics.fmean(one["figures"][name] for one in found) for name in found[0]["figures"]}
    own = statistics.fmean(one["figures"][one["chosen"]] for one in found)
    best = max(means, key=lambda name: means[name])
    return [
        f"{case}: referee {own:.4f}; best fixed remedy {best} {means[best]:.4f}, regret {means[best] - own:.4f}; "
        f"none {means['none']:.4f}, gain {own - means['none']:.4f}"
    ]
