"""Ultralytics' classification trainer, from scratch; `time` is its own way to train for so long.

Default: YOLO11n-cls at the pictures' size, its own optimizer, augmentation and workers, float32 (its mixed precision
is for GPUs). Tuned: with 5 minutes or more the pictures at twice that size, since the network halves them five times;
a cosine from a rate of 0.05 of SGD in batches of 128 without its warm-up of 3 epochs and without erasing and
RandAugment, one loader worker, pictures cached in memory.
"""

from pathlib import Path

from _contest import ENDING, answer, seconds_left
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
SCORING_SHARE = 0.12
"""Of the time, kept back for the last validation and the test pictures."""

job = question()
tuned = job["setting"] == "tuned"
size = 2 * job["size"] if tuned and job["minutes"] >= 5 else job["size"]


def hours_left():
    return (seconds_left(job) - SCORING_SHARE * 60 * job["minutes"] - ENDING) / 3600


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
    trainer = ClassificationTrainer(overrides=overrides)
    trainer.add_callback("on_train_start", lambda one: setattr(one.args, "time", hours_left()))  # it counts from here
    trainer.train()
    model = YOLO(trainer.best if Path(trainer.best).exists() else trainer.last)
    files = sorted(Path(job["data"], "test").glob("*/*"))
    found = model.predict(
        f"{job['data']}/test/*/*", stream=True, batch=128 if tuned else 16, imgsz=size, device="cpu", verbose=False
    )
    named = {one.path: one.names[one.probs.top1] for one in found}
    answer(job, NAME, trainer.epoch + 1, named.keys(), named.values())
