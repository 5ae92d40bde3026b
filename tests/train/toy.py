"""A training small enough to be run hundreds of times, with everything on that could break a resume."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from striate.core.events import Silent
from striate.core.plan import Decision, Plan
from striate.core.records import Dataset, Label, Sample, Source
from striate.core.run import RunFolder
from striate.core.seeds import derive
from striate.data.augment import Augmenter
from striate.data.loader import TrainBatches
from striate.data.pack import pack
from striate.data.prepare import Preprocessing
from striate.nets import Normalize, build, resolve
from striate.tasks import make_task
from striate.train.recipe import Recipe, fresh_state
from striate.train.state import State

PLAN: dict[str, Any] = {
    "execution.device": "cpu",
    "input.sizing": "one",
    "input.step": 1,
    "input.least": 1,
    "input.tile": 0,
    "input.overlap": 0,
    "execution.precision": "float32",
    "execution.channels_last": False,
    "execution.fold_norms": False,
    "execution.graphed": False,
    "execution.compile": False,
    "execution.pack_bytes": 10**9,
    "train.epochs": 3,
    "train.extensions": {},
    "train.seed": 5,
    "train.metric": "accuracy",
    "train.ema": 0.2,
    "train.swa": 0.0,
    "train.start_size": 1.0,
    "train.patience": 100,
    "train.min_gain": 0.0,
    "train.checkpoint_seconds": 0.0,
    "transfer.frozen_epochs": 0,
    "transfer.unfreeze_epochs": 0,
    "transfer.cached_features": False,
    "transfer.head_rate": 0.003,
    "transfer.probe": False,
    "transfer.smote": 0,
    "transfer.probe_views": False,
    "transfer.probe_folds": False,
    "transfer.refit": False,
    "transfer.margin": 0.0,
    "transfer.frozen_norms": False,
    "transfer.kept_share": 0.0,
    "transfer.stem_rate": 0.5,
    "transfer.l2_sp": 0.0,
    "optimizer.name": "sgd",
    "optimizer.rate": 0.05,
    "optimizer.momentum": 0.9,
    "optimizer.weight_decay": 5e-4,
    "optimizer.clip": 1.0,
    "optimizer.options": {},
    "optimizer.clip_value": 0.0,
    "optimizer.adaptive_clip": 0.0,
    "optimizer.l1": 0.0,
    "optimizer.sam": 0.0,
    "optimizer.lookahead": 0,
    "optimizer.lookahead_share": 0.5,
    "schedule.name": "one_cycle",
    "schedule.warmup": 0.25,
    "schedule.options": {},
    "schedule.extension_peak": 0.5,
    "batch.size": 16,
    "batch.accumulate": 2,
    "evaluate.shortcuts": False,
    "evaluate.tidying": "none",
    "predict.views": "single",
    "predict.precision": "float32",
    "predict.channels_last": False,
    "predict.batch": 8,
    "augment.flip": "horizontal",
    "augment.shift": 0.125,
    "augment.crop": 1.0,
    "augment.rotate": 10.0,
    "augment.scale": 0.1,
    "augment.color": 0.1,
    "augment.mixup": 0.2,
}
SIDE, CLASSES = 12, ("dark", "light", "lined")


def toy_dataset(count: int = 72) -> Dataset:
    """Noise of three kinds that a small network can tell apart."""
    random = np.random.default_rng(0)
    labels = np.arange(count) % 3
    images = random.integers(0, 120, (count, SIDE, SIDE, 3), np.uint8)
    images[labels == 1] += 100
    images[labels == 2, ::2] += 130
    samples = tuple(
        Sample(f"toy/{row:03d}", (Source("array", "toy", row=row),), Label(CLASSES[label]))
        for row, label in enumerate(labels)
    )
    return Dataset("toy", "arrays", "classify", samples, CLASSES, {"toy": images})


def toy_recipe(workers: int = 0, memory_bytes: int = 10**9, **changes: Any) -> Recipe:
    """The recipe with some leaves changed; a group and leaf are joined by two underscores."""
    values = {**PLAN, **{key.replace("__", "."): value for key, value in changes.items()}}
    plan = Plan({key: Decision(value, "for the test") for key, value in values.items()})
    dataset = toy_dataset()
    preprocessing = Preprocessing(
        height=SIDE, width=SIDE, channels=3, policy="squash", mean=(0.4,) * 3, std=(0.3,) * 3, fill=(0.0,) * 3
    )
    task = make_task("classify", CLASSES, dataset.samples, loss="cross_entropy", loss_options={"label_smoothing": 0.1})
    keys = [sample.key for sample in dataset.samples]
    pictures = pack(
        dataset,
        keys,
        preprocessing,
        keep_margin=True,
        workers=workers,
        memory_bytes=memory_bytes,
        reporter=Silent(),
    )
    batches = TrainBatches(
        pictures,
        task.encode(dataset.samples),
        task.weights(dataset.samples),
        batch_size=plan["batch.size"],
        seed=plan["train.seed"],
        augmenter=Augmenter(plan.section("augment"), plan["train.seed"], (SIDE, SIDE)),
        device=plan["execution.device"],
    )
    normalize = Normalize(preprocessing.mean, preprocessing.std).to(plan["execution.device"])

    def validate(networks: Any) -> dict[str, float]:
        with torch.no_grad():
            images = torch.from_numpy(dataset.arrays["toy"]).permute(0, 3, 1, 2).to(plan["execution.device"])
            scores = task.scores(networks["network"].eval()(normalize(images))).cpu().numpy()
        return task.metrics(scores, task.encode(dataset.samples).numpy())

    return Recipe(plan, task, batches, keys, normalize, validate)


def toy_networks(recipe: Recipe) -> dict[str, nn.Module]:
    """A compact residual network with dropout, its weights named by the seed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive(recipe.plan["train.seed"], "initial weights"))
        spec = resolve(
            "compact",
            outputs=len(CLASSES),
            channels=3,
            height=SIDE,
            width=SIDE,
            arguments={"width": 8, "blocks": [1], "dropout": 0.2},
        )
        return {"network": build(spec)}


def undropped(recipe: Recipe) -> dict[str, nn.Module]:
    """The same without dropout."""
    networks = toy_networks(recipe)
    for one in networks["network"].modules():
        if isinstance(one, nn.Dropout):
            one.p = 0.0
    return networks


def toy_state(recipe: Recipe) -> State:
    """The state before the first step."""
    return fresh_state(recipe, toy_networks(recipe))


def toy_run(path: Path) -> RunFolder:
    """A Run's folder with nothing in it but its environment."""
    run = RunFolder.create(path, {})
    run.unlock()
    return run


def bits(state: State) -> dict[str, bytes]:
    """Every tensor of the networks and averages as bytes."""
    return {name: tensor.contiguous().cpu().numpy().tobytes() for name, tensor in state.model_tensors().items()}
