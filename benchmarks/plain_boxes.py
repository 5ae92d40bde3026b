"""The plain loop of boxes: what a practised hand writes after torchvision's references/detection in an afternoon.

`fasterrcnn_mobilenet_v3_large_320_fpn` on the body of a MobileNetV2 whose weights are given, with the settings of
torchvision's model and of its references: a body with frozen norms whose first stages do not learn, pictures of 320 to
640 px mirrored at random, batches of 2, SGD with momentum 0.9 and weight decay 0.0001, a rate of 0.02 for 16 pictures
that rises in a line over the first epoch (1,000 steps at most) and falls tenfold after 16 and 22 of 26 parts of the
time, predictions one picture at a time. Two things are better than there: the pyramid begins at a map of stride 16,
where torchvision's begins at 32, since small things are to be found; and layers compute in bfloat16 where that is
faster, while boxes stay float32. It shares no code with striate but the split.csv of the Run it is compared with and
the metric, and runs in a process of its own.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import math
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import timm
import torch
from numpy.typing import NDArray
from PIL import Image
from safetensors.torch import load_file
from timm.layers import freeze_batch_norm_2d
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset
from torchvision import tv_tensors
from torchvision.models.detection import FasterRCNN
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.ops.feature_pyramid_network import FeaturePyramidNetwork, LastLevelMaxPool
from torchvision.transforms import v2 as transforms

import striate
from benchmarks.compare import Watch
from benchmarks.goals import Goal, data_folder, read_goals, run_folder
from benchmarks.plain import place_of, read_parts
from striate.core.boxes import FOUND, FOUND_LABEL, LABEL, SCORE, TRUTH, joined, stacked
from striate.core.errors import DataError, StriateError
from striate.metrics import METRICS

FROZEN = 3
"""Stages of the body that do not learn, as torchvision has it for pretrained MobileNets: down to stride 8."""
WIDTH = 256
WARM_STEPS = 1000
FALLS = (16 / 26, 22 / 26)
"""Shares of the training after which the rate is a tenth of what it was."""

Thing = tuple[str, tuple[float, float, float, float]]
Rows = NDArray[np.float64]
Loader = DataLoader[Any]


# -- pictures


def things_of(target: str) -> list[Thing]:
    """The boxes of a picture, (class, edges) each, from its target in a split.csv.

    >>> things_of("red cell 1 2 30 40.5;platelet 5 5 9 9")
    [('red cell', (1.0, 2.0, 30.0, 40.5)), ('platelet', (5.0, 5.0, 9.0, 9.0))]
    """
    found = []
    for part in filter(None, target.split(";")):
        try:
            name, *edges = part.rsplit(" ", 4)
            x1, y1, x2, y2 = (float(edge) for edge in edges)
            found.append((name, (x1, y1, x2, y2)))
        except ValueError:
            raise DataError(f"{part!r} is no box of a split.csv", fix="no class may have ; in its name") from None
    return found


class Pictures(Dataset[tuple[Tensor, dict[str, Tensor]]]):
    """The pictures of one split with their boxes, decoded and transformed anew each time.

    Args:
        rows: (key, boxes) of each.
        place: the folder that the keys are relative to.
        names: the classes.
    """

    def __init__(
        self, rows: Sequence[tuple[str, list[Thing]]], place: Path, names: Sequence[str], *, mirrored: bool
    ) -> None:
        self.rows, self.place, self.names = rows, place, names
        kinds = {tv_tensors.Image: torch.float32, "others": None}
        tail = [transforms.ToImage(), transforms.ToDtype(kinds, scale=True), transforms.ToPureTensor()]
        self.transform = transforms.Compose([*([transforms.RandomHorizontalFlip()] if mirrored else []), *tail])

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> tuple[Tensor, dict[str, Tensor]]:
        key, things = self.rows[index]
        with Image.open(self.place / key) as opened:
            image = opened.convert("RGB")
        edges = torch.tensor([edges for _, edges in things]).reshape(-1, 4)
        boxes = tv_tensors.BoundingBoxes(edges, format="XYXY", canvas_size=image.size[::-1])
        # 0 is the background in torchvision's detectors
        labels = torch.tensor([1 + self.names.index(name) for name, _ in things], dtype=torch.int64)
        found: tuple[Tensor, dict[str, Tensor]] = self.transform(image, {"boxes": boxes, "labels": labels})
        return found


def as_lists(batch: Sequence[tuple[Tensor, dict[str, Tensor]]]) -> tuple[list[Tensor], list[dict[str, Tensor]]]:
    """A batch as torchvision's detectors take it: pictures may differ in size."""
    images, targets = zip(*batch, strict=True)
    return list(images), list(targets)


# -- the network


class Pyramid(nn.Module):
    """The last two maps of a body, at strides 16 and 32, as a feature pyramid with a pooled level above."""

    def __init__(self, body: nn.Module, channels: Sequence[int]) -> None:
        super().__init__()
        self.body, self.out_channels = body, WIDTH
        self.levels = FeaturePyramidNetwork(list(channels), WIDTH, extra_blocks=LastLevelMaxPool())

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        maps = self.body(images.contiguous(memory_format=torch.channels_last))
        found: dict[str, Tensor] = self.levels({str(level): one for level, one in enumerate(maps)})
        return found


class Autocast(nn.Module):
    """A part of a network in bfloat16 where that is asked for; what it gives is float32.

    Under autocast for all of it torchvision's detectors would decode boxes in bfloat16, off by pixels.
    """

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner, self.low = inner, False

    def forward(self, given: Any) -> Any:
        with torch.autocast("cpu", torch.bfloat16, enabled=self.low):
            return _as_float(self.inner(given))


def _as_float(given: Any) -> Any:
    if isinstance(given, Tensor):
        return given.float()
    if isinstance(given, dict):
        return {name: one.float() for name, one in given.items()}
    return type(given)(_as_float(one) for one in given)


def make_network(settings: dict[str, Any], classes: int, data: Path) -> FasterRCNN:
    """Faster R-CNN on the body of the given weights, with what `fasterrcnn_mobilenet_v3_large_320_fpn` sets.

    Args:
        settings: weights, a name in the folder of weights; size, the shorter side of a picture, px.
        classes: without the background.
        data: the test material.
    """
    base = data / "weights" / settings["weights"]
    truth = json.loads(Path(f"{base}.json").read_text("utf-8"))
    name = truth["network"].removeprefix("timm/")
    body = timm.create_model(name, features_only=True, out_indices=(3, 4), **truth["arguments"])
    lacking = body.load_state_dict(load_file(f"{base}.safetensors"), strict=False).missing_keys
    if lacking:
        raise StriateError(f"{base}.safetensors lacks {', '.join(lacking[:3])} of {name}")
    body = freeze_batch_norm_2d(body)
    for part in (body.conv_stem, body.bn1, *body.blocks[:FROZEN]):
        part.requires_grad_(False)
    levels = 3
    network = FasterRCNN(
        Pyramid(body, body.feature_info.channels()),
        classes + 1,
        min_size=settings["size"],
        max_size=2 * settings["size"],
        image_mean=truth["preprocessing"]["mean"],
        image_std=truth["preprocessing"]["std"],
        rpn_anchor_generator=AnchorGenerator(((32, 64, 128, 256, 512),) * levels, ((0.5, 1.0, 2.0),) * levels),
        rpn_pre_nms_top_n_test=150,
        rpn_post_nms_top_n_test=150,
        rpn_score_thresh=0.05,
    )
    network.backbone, network.rpn.head = Autocast(network.backbone), Autocast(network.rpn.head)
    network.roi_heads.box_head = Autocast(network.roi_heads.box_head)
    network.roi_heads.box_predictor = Autocast(network.roi_heads.box_predictor)
    return network.to(memory_format=torch.channels_last)


def compute_low(network: nn.Module, low: bool) -> None:
    """Let the layers of a network compute in bfloat16, or not."""
    for part in network.modules():
        if isinstance(part, Autocast):
            part.low = low


def faster_in_bfloat16(network: nn.Module, images: list[Tensor], targets: list[dict[str, Tensor]]) -> bool:
    """Whether this processor trains the network faster in bfloat16: without instructions for it, it is far slower."""

    def seconds(low: bool) -> float:
        compute_low(network, low)
        started = time.perf_counter()
        loss_of(network, images, targets).backward()
        return time.perf_counter() - started

    times = [(seconds(low=True), seconds(low=False)) for _ in range(2)]
    network.zero_grad()
    return min(low for low, _ in times) < min(high for _, high in times)


# -- training and predicting


def rate_at(step: int, warm: int, done: float, highest: float) -> float:
    """The rate of a step: in a line from a thousandth over the first steps; a tenth after each of `FALLS`.

    The references count the falls in epochs; how many the minutes carry is known at their end, so it is the share of
    the time that counts.

    Args:
        step: from 0.
        warm: steps of the rise.
        done: share of the time that is over, 0 to 1.

    >>> [round(rate_at(step, 4, 0.0, 1.0), 5) for step in range(5)]
    [0.001, 0.25075, 0.5005, 0.75025, 1.0]
    >>> [round(rate_at(10, 4, done, 1.0), 5) for done in (0.6, 0.7, 0.9)]
    [1.0, 0.1, 0.01]
    """
    rise = 1.0 if step >= warm else 0.001 + 0.999 * step / warm
    return float(highest * rise * 0.1 ** sum(done >= fall for fall in FALLS))


def loss_of(network: nn.Module, images: list[Tensor], targets: list[dict[str, Tensor]]) -> Tensor:
    """The sum of the losses of a batch."""
    return torch.stack(list(network(images, targets).values())).sum()


def fit(network: nn.Module, batches: Loader, highest: float, started: float, seconds: float) -> tuple[int, float]:
    """Train until so many seconds after the start are gone, one step at least.

    Returns:
        the pictures that were trained on, with repeats, and how many a second.

    Raises:
        StriateError: a loss is not finite, where the references stop as well.
    """
    weights = [weight for weight in network.parameters() if weight.requires_grad]
    optimizer = torch.optim.SGD(weights, lr=0.0, momentum=0.9, weight_decay=1e-4)
    warm = min(WARM_STEPS, len(batches) - 1)
    step, seen, begun = 0, 0, time.monotonic()
    while True:
        for images, targets in batches:
            done = (time.monotonic() - started) / seconds
            if done >= 1 and step:
                return seen, seen / (time.monotonic() - begun)
            for group in optimizer.param_groups:
                group["lr"] = rate_at(step, warm, done, highest)
            loss = loss_of(network, images, targets)
            if not math.isfinite(loss.item()):
                raise StriateError(f"the loss of the plain loop is {loss.item()} at step {step}")
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            step, seen = step + 1, seen + len(images)


def predict(network: nn.Module, batches: Loader) -> tuple[list[Rows], float]:
    """What is found in each picture, (D, 6) as `striate.core.boxes` has it, and pictures a second, files included."""
    network.eval()
    found = []
    with torch.inference_mode():
        network([torch.zeros(3, 64, 64)])  # what is made at the first use is not counted
        begun = time.monotonic()
        for images, _ in batches:
            for one in network(images):
                columns = (one["boxes"], one["scores"][:, None], one["labels"][:, None].float() - 1)
                found.append(torch.cat(columns, dim=1).double().numpy())
    return found, len(found) / (time.monotonic() - begun)


def truths_of(rows: Sequence[tuple[str, list[Thing]]], names: Sequence[str]) -> list[Rows]:
    """The boxes of each picture, (M, 7) as `striate.core.boxes` has them."""
    found = []
    for _, things in rows:
        made = [[*edges, names.index(name), 0.0, 0.0] for name, edges in things]
        found.append(np.array(made, np.float64).reshape(-1, TRUTH))
    return found


def scores_of(found: Sequence[Rows], truths: Sequence[Rows], classes: int) -> dict[str, float]:
    """Mean average precision by striate's metrics, and by pycocotools at 0.5 where that is installed."""
    rows = joined(stacked(found, FOUND), stacked(truths, TRUTH))
    none = np.zeros((len(rows), 0))  # the truth is in the rows
    scores = {name: METRICS.get(name)("boxes", classes).measure(rows, none) for name in ("map50", "map")}
    if importlib.util.find_spec("pycocotools"):
        scores["map50_pycocotools"] = by_pycocotools(found, truths, classes)
    return scores


def by_pycocotools(found: Sequence[Rows], truths: Sequence[Rows], classes: int) -> float:
    """Mean average precision at an overlap of 0.5 as `COCOeval` has it. Needs pycocotools."""
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    def entries(rows: Sequence[Rows], label: int) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        for number, picture in enumerate(rows, 1):
            for row in picture.tolist():
                bbox = [row[0], row[1], row[2] - row[0], row[3] - row[1]]
                entry = {"id": len(found) + 1, "image_id": number, "category_id": int(row[label]) + 1, "bbox": bbox}
                more = {"score": row[SCORE]} if label == FOUND_LABEL else {"area": bbox[2] * bbox[3], "iscrowd": 0}
                found.append({**entry, **more})
        return found

    results = entries(found, FOUND_LABEL)
    if not results:
        return 0.0  # pycocotools takes no empty list
    truth = COCO()
    truth.dataset = {
        "info": {},
        "images": [{"id": number} for number in range(1, len(truths) + 1)],
        "categories": [{"id": label + 1, "name": str(label)} for label in range(classes)],
        "annotations": entries(truths, LABEL),
    }
    with contextlib.redirect_stdout(sys.stderr):  # it talks, and standard output is for the figures
        truth.createIndex()
        evaluation = COCOeval(truth, truth.loadRes(results), "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return float(evaluation.stats[1])


def train(goal: Goal, place: Path, folder: Path, seed: int) -> dict[str, Any]:
    """Train on the Run's train split until 95 % of the minutes are gone, then score its test split once.

    Returns:
        an object like that of `striate train --json`, as far as the results need it, with more figures among the
        metrics: predict_per_second, pictures a second from files to boxes, one at a time.
    """
    started = time.monotonic()
    assert goal.plain is not None
    assert goal.minutes is not None
    torch.manual_seed(seed)
    parts = {part: [(key, things_of(text)) for key, text in rows] for part, rows in split_of(folder).items()}
    names = sorted({name for rows in parts.values() for _, things in rows for name, _ in things})
    network = make_network(goal.plain, len(names), data_folder())
    trained = [row for row in parts["train"] if row[1]]  # as in the references: without a box nothing is learnt

    def loader(rows: Sequence[tuple[str, list[Thing]]], batch: int, training: bool) -> Loader:
        pictures = Pictures(rows, place, names, mirrored=training)
        return DataLoader(
            pictures,
            batch,
            shuffle=training,
            drop_last=training,
            num_workers=2,
            persistent_workers=training,
            collate_fn=as_lists,
        )

    batches = loader(trained, goal.plain["batch"], training=True)
    network.train()
    compute_low(network, faster_in_bfloat16(network, *next(iter(batches))))
    seen, rate = fit(network, batches, goal.plain["rate"], started, goal.minutes * 60 * 0.95)
    found, predicted = predict(network, loader(parts["test"], 1, training=False))
    scores = scores_of(found, truths_of(parts["test"], names), len(names))
    return {
        "metrics": {"test": {**scores, "predict_per_second": predicted}},
        "samples_per_second": rate,
        "quarantined": 0,
        "seconds": time.monotonic() - started,
        "epochs": seen / len(trained),
    }


def split_of(folder: Path) -> dict[str, list[tuple[str, str]]]:
    """(key, target) by split of a finished Run."""
    return read_parts(folder / "split.csv")


def predicted_by_striate(folder: Path, place: Path) -> dict[str, float]:
    """Pictures a second from files to boxes by the Run's own Model on the test split: as it is called, and one by one.

    Returns:
        striate_predict_per_second and striate_predict_per_second_batch1.
    """
    model = striate.load(folder, device="cpu")
    paths = [place / key for key, _ in split_of(folder)["test"]]
    rates = {}
    for name, batch in (("striate_predict_per_second", None), ("striate_predict_per_second_batch1", 1)):
        list(model.predict_paths(paths[:1], batch_size=batch))  # what is made at the first use is not counted
        begun = time.monotonic()
        found = list(model.predict_paths(paths, batch_size=batch))
        rates[name] = len(found) / (time.monotonic() - begun)
    return rates


def main(name: str, seed: int, runs: Path) -> dict[str, Any]:
    """The plain loop beside the Run of a goal and a seed, with its peak memory and striate's speed among the metrics.

    Raises:
        StriateError: the Run's Model does not predict.
    """
    goal = read_goals()[name]
    place, folder = place_of(goal, data_folder(), runs / "work"), run_folder(runs, goal, seed)
    watch = Watch(os.getpid())
    found = train(goal, place, folder, seed)
    found["metrics"]["test"]["memory_bytes"] = watch.stop()
    call = [sys.executable, "-m", "benchmarks.plain_boxes", str(folder), str(place)]
    child = subprocess.run(call, stdout=subprocess.PIPE, text=True, check=False)  # so that neither finds warm memory
    if child.returncode:
        raise StriateError(f"predicting with {folder} ended with exit status {child.returncode}")
    found["metrics"]["test"].update(json.loads(child.stdout))
    return found


if __name__ == "__main__":
    *asked, last = sys.argv[1:]
    if len(asked) == 1:
        print(json.dumps(predicted_by_striate(Path(asked[0]), Path(last))))
    else:
        print(json.dumps(main(asked[0], int(asked[1]), Path(last))))
