"""Ultralytics' classification trainer, on a network of torchvision's.

Default: its own workers, augmentation and float32 (its mixed precision is for GPUs). Tuned: one loader worker and
pictures cached in memory.
"""

import time
from pathlib import Path

from _job import Clock, answer, latency, question
from PIL import Image
from ultralytics import YOLO
from ultralytics.models.yolo.classify import ClassificationTrainer

CHANNELS = {"resnet18": 512, "resnet50": 2048, "mobilenet_v3_small": 576, "efficientnet_b0": 1280}
job = question()
tuned = job["setting"] == "tuned"


def described():
    """The network as its own files for torchvision's describe one, but with random weights."""
    path = Path(job["out"]) / f"{job['network']}-cls.yaml"
    layer = f"[-1, 1, TorchVision, [{CHANNELS[job['network']]}, {job['network']}, null, True, 2]]"
    path.write_text(f"nc: 6\nbackbone:\n  - {layer}\nhead:\n  - [-1, 1, Classify, [nc]]\n")
    return str(path)


def train(clock):
    overrides = {
        "model": described(),
        "data": job["data"],
        "imgsz": job["size"],
        "batch": job["batch"],
        "epochs": job["epochs"],
        "project": job["out"],
        "name": f"run-{time.time_ns()}",
        "pretrained": False,
        "device": "cpu",
        "plots": False,
        "val": False,
        "verbose": False,
        **({"workers": job["workers"], "cache": "ram"} if tuned else {}),
    }
    trainer = ClassificationTrainer(overrides=overrides)
    trainer.add_callback("on_train_epoch_start", lambda one: one.epoch and clock.epoch())
    trainer.add_callback("on_train_batch_end", lambda one: clock.step(job["batch"]))
    trainer.train()


if __name__ == "__main__":
    if job["measure"] == "train":
        clock = Clock(job)
        train(clock)
        answer(**clock.found())
    else:
        weights = max(Path(job["trained"]).glob("run-*/weights/last.pt"), key=lambda path: path.parent.parent.name)
        model, options = YOLO(weights), {"imgsz": job["size"], "device": "cpu", "verbose": False}
        if job["measure"] == "predict":
            begun = time.time()
            found = model.predict(job["pictures"], stream=True, batch=job["batch"] if tuned else 1, **options)
            count = sum(1 for _ in found)
            answer(images=count, seconds=time.time() - begun, whole=time.time() - job["started"])
        else:
            picture = Image.open(job["picture"]).convert("RGB")
            answer(**latency(lambda: model.predict(picture, **options)))
