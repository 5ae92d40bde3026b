"""Ultralytics' classification trainer, from scratch; `time` is its own way to train for so long.

Default: YOLO11n-cls at the pictures' size, its own optimizer, augmentation and workers, float32 (its mixed precision
is for GPUs). Tuned: with 5 minutes or more the pictures at twice that size, since the network halves them five times;
a cosine from a rate of 0.05 of SGD in batches of 128 without its warm-up of 3 epochs and without erasing and
RandAugment, one loader worker, pictures cached in memory.
"""

import time
from pathlib import Path

from _contest import ENDING, answer, count, seconds_left
from _job import question
from ultralytics import YOLO
from ultralytics.models.yolo.classify import ClassificationTrainer

NAME = "yolo11n-cls"
TUNED = {
    "batch": 128,
    "optimizer": "SGD",
    "lr0": 0.05,
    "lrf": 0.001,
    "cos_lr": True,
    "warmup_epochs": 0.5,
    "erasing": 0.0,
    "auto_augment": None,
    "scale": 0.4,
    "cache": "ram",
}
LOOKED = 256
"""Test pictures that are predicted by an untrained copy, to time it."""

job = question()
tuned = job["setting"] == "tuned"
size = 2 * job["size"] if tuned and job["minutes"] >= 5 else job["size"]


def named_by(model, files):
    found = model.predict(list(files), stream=True, batch=128 if tuned else 16, imgsz=size, device="cpu", verbose=False)
    return [one.names[one.probs.top1] for one in found]


def scoring_seconds(files):
    """What the test pictures will take, and the last validation like them."""
    model, shown = YOLO(f"{NAME}.yaml"), [str(path) for path in files[:LOOKED]]
    named_by(model, shown[:16])  # what is done once is done here
    begun = time.time()
    named_by(model, shown)
    return (time.time() - begun) / len(shown) * (len(files) + count(job, "val"))


def hours_left(scoring):
    return (seconds_left(job) - scoring - ENDING) / 3600


if __name__ == "__main__":
    overrides = {
        "model": f"{NAME}.yaml",
        "data": job["data"],
        "imgsz": size,
        "time": job["minutes"] / 60,
        "project": job["out"],
        "name": "run",
        "pretrained": False,
        "device": "cpu",
        "plots": False,
        "verbose": False,
        "seed": job["seed"],
        **({**TUNED, "workers": job["workers"]} if tuned else {}),
    }
    files = sorted(Path(job["data"], "test").glob("*/*"))
    scoring = scoring_seconds(files)
    trainer = ClassificationTrainer(overrides=overrides)
    trainer.add_callback("on_train_start", lambda one: setattr(one.args, "time", hours_left(scoring)))  # from here on
    trainer.train()
    model = YOLO(trainer.best if Path(trainer.best).exists() else trainer.last)
    answer(job, NAME, trainer.epoch + 1, map(str, files), named_by(model, map(str, files)))
