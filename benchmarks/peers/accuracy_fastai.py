"""fastai through its vision API.

Default: its data loaders and `vision_learner` as in its tutorial, `fine_tune` from weights and `fit_one_cycle` with
ResNet-18 from scratch, at its default rates, float32. Tuned: random resized crops and flips alone, photographs
decoded once into memory, channels-last, bfloat16 by autocast where faster (its own mixed precision is for GPUs),
label smoothing, predictions by `tta`; from weights 160 px in batches of 32 at a rate of 5e-3; from scratch its
XResNet-18 in batches of 128 at a rate of 1e-2, with a first stride of 1, and half as wide where there are less than 5
minutes.
"""

import time
from functools import cache
from pathlib import Path

from _contest import answer, count, epochs_within, seconds_left
from _fastai import Low
from _job import question
from _mobilenet import mobilenet
from fastai.vision.all import (
    Callback,
    CancelFitException,
    CategoryBlock,
    DataBlock,
    FlipItem,
    GrandparentSplitter,
    ImageDataLoaders,
    LabelSmoothingCrossEntropyFlat,
    Learner,
    Normalize,
    PILImage,
    RandomResizedCrop,
    ResBlock,
    Resize,
    TransformBlock,
    XResNet,
    aug_transforms,
    get_image_files,
    imagenet_stats,
    parent_label,
    set_seed,
    vision_learner,
)
from torch import nn
from torchvision import models

job = question()
set_seed(job["seed"])
tuned, weights = job["setting"] == "tuned", job["weights"]
size = 160 if tuned and weights else job["size"]
normalize = Normalize.from_stats(*(([0.5] * 3, [0.5] * 3) if weights else imagenet_stats))
widen = 1.0 if job["minutes"] >= 5 else 0.5
name = "mobilenet_v2" if weights else f"xresnet18 for 32 px, width {widen:g}" if tuned else "resnet18"


@cache
def opened(path):
    picture = PILImage.create(path)
    picture.thumbnail((2 * size, 2 * size))
    return picture


def default_loaders():
    transforms = [*aug_transforms(), normalize]
    return ImageDataLoaders.from_folder(
        Path(job["data"]), "train", "val", item_tfms=Resize(size), batch_tfms=transforms, num_workers=2
    )


def tuned_loaders():
    block = DataBlock(
        blocks=(TransformBlock(opened if weights else PILImage.create), CategoryBlock),
        get_items=lambda folder: get_image_files(folder, folders=["train", "val"]),
        splitter=GrandparentSplitter("train", "val"),
        get_y=parent_label,
        item_tfms=[RandomResizedCrop(size, min_scale=0.35 if weights else 0.6), FlipItem(0.5)],
        batch_tfms=[normalize],
    )
    return block.dataloaders(Path(job["data"]), bs=32 if weights else 128, num_workers=0 if weights else job["workers"])


def given(pretrained):
    network = mobilenet(weights, 2)  # fastai cuts at the pooling and adds a head of its own
    return nn.Sequential(network.features, nn.AdaptiveAvgPool2d(1), network.classifier)


def make(loaders):
    if weights:
        learner = vision_learner(loaders, given, pretrained=False, normalize=False)
    elif tuned:
        network = XResNet(ResBlock, 1, [2, 2, 2, 2], n_out=loaders.c, stem_szs=(32, 32, 64), widen=widen)
        network[0][0].stride = (1, 1)
        learner = Learner(loaders, network)
    else:
        learner = vision_learner(loaders, models.resnet18, pretrained=False, normalize=False)
    if tuned:
        learner.loss_func = LabelSmoothingCrossEntropyFlat(eps=0.1)
        learner.to_channelslast(use_amp=False)
    return learner


class Rehearsal(Callback):
    """Stops after a few steps, and knows how long each took."""

    def __init__(self, most):
        self.begun, self.most, self.times = time.time(), most, []

    def after_batch(self):
        self.times.append(time.time())
        if len(self.times) > 3 and time.time() - self.begun > self.most:
            raise CancelFitException

    def seconds(self):
        return (self.times[-1] - self.times[1]) / (len(self.times) - 2)


def rehearse(loaders, low):
    rehearsal, copy = Rehearsal(0.03 * seconds_left(job)), make(loaders)
    with copy.no_bar(), copy.no_logging():
        copy.fit(100, cbs=[rehearsal, *([Low()] if low else [])])
    return rehearsal.seconds()


if __name__ == "__main__":
    loaders = tuned_loaders() if tuned else default_loaders()
    taken = {low: rehearse(loaders, low) for low in ((False, True) if tuned and job["low"] else (False,))}
    low = min(taken, key=taken.get)
    a_picture = taken[low] / loaders.bs
    epoch, last = (
        len(loaders.train) * taken[low] + count(job, "val") * a_picture / 2,
        count(job, "test") * a_picture / 2,
    )
    epochs = epochs_within(job, epoch, last * (3 if tuned else 1))
    print(f"{taken[low]:.3f} s a step, bfloat16 {low}: {epochs} epochs", flush=True)
    learner = make(loaders)
    if low:
        learner.add_cb(Low())
    with learner.no_bar(), learner.no_logging():
        if weights:  # the first with the head alone
            learner.fine_tune(max(1, epochs - 1), *([5e-3] if tuned else []))
        else:
            learner.fit_one_cycle(epochs, *([1e-2] if tuned else []))
        files = get_image_files(Path(job["data"], "test"))
        test = learner.dls.test_dl(files)
        found, _ = learner.tta(dl=test, n=2) if tuned else learner.get_preds(dl=test)
    classes = [learner.dls.vocab[int(number)] for number in found.argmax(1)]
    answer(job, name, max(2, epochs) if weights else epochs, files, classes)
