"""fastai through its vision API.

Default: its data loaders and learner as in its tutorial. Tuned: channels-last, as many loader workers as leave a core
to compute, and bfloat16 by autocast where the processor has it and it is faster for the network (its own mixed
precision is for GPUs).
"""

import time
from pathlib import Path

from _fastai import Low
from _job import Clock, answer, latency, question
from fastai.vision.all import (
    Callback,
    ImageDataLoaders,
    PILImage,
    Resize,
    aug_transforms,
    get_image_files,
    vision_learner,
)
from torchvision import models

job = question()
tuned, size, batch = job["setting"] == "tuned", job["size"], job["batch"]
low = tuned and job["low"] and ("resnet" in job["network"] or job["measure"] != "train")


class Steps(Callback):
    def __init__(self, clock):
        self.clock = clock

    def before_epoch(self):
        if self.epoch:
            self.clock.epoch()

    def after_batch(self):
        if self.training:
            self.clock.step(len(self.xb[0]))


def make():
    options = {"num_workers": job["workers"]} if tuned else {}
    loaders = ImageDataLoaders.from_folder(
        Path(job["data"]), "train", "val", item_tfms=Resize(size), batch_tfms=aug_transforms(), bs=batch, **options
    )
    learner = vision_learner(loaders, getattr(models, job["network"]), pretrained=False)
    if tuned:
        learner.to_channelslast(use_amp=False)
    if low:
        learner.add_cb(Low())
    return learner


if __name__ == "__main__":
    if job["measure"] == "train":
        clock = Clock(job)
        learner = make()
        with learner.no_bar(), learner.no_logging():
            learner.fit_one_cycle(job["epochs"], cbs=[Steps(clock)])
        answer(**clock.found())
    elif job["measure"] == "predict":
        learner, begun = make(), time.time()
        files = get_image_files(job["pictures"])
        with learner.no_bar():
            learner.get_preds(dl=learner.dls.test_dl(files))
        answer(images=len(files), seconds=time.time() - begun, whole=time.time() - job["started"])
    else:
        learner, picture = make(), PILImage.create(job["picture"])
        with learner.no_bar():
            answer(**latency(lambda: learner.predict(picture)))
