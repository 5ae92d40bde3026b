"""timm after its training script.

Default: train.py's own values: random resized crops, flips and colour jitter, batches of 128, SGD at 0.1 for a batch
of 256, a cosine after 5 epochs of warm-up (or a fifth of all), label smoothing, float32, 4 loader workers, validation
after each epoch; ResNet-18 as it is from scratch. Tuned: pictures decoded once into memory, channels-last, bfloat16
where faster, AdamW with a rate that grows from layer to layer up to the head from weights and SGD with Nesterov's
momentum from scratch, a cosine by steps, predictions of the picture and its mirror image; 160 px from weights; from
scratch a ResNet-18 half as wide with a stem for 32 px, and with pooling where there are less than 5 minutes.
"""

import timm
import torch
from _fit import InMemory, Recipe, cropped, finish, paths_of, shifted
from _job import question
from timm.data import create_dataset, create_loader
from timm.loss import LabelSmoothingCrossEntropy
from timm.optim import create_optimizer_v2
from timm.scheduler import create_scheduler_v2

job = question()
torch.manual_seed(job["seed"])
weights = job["weights"]
MEAN, STD = ([0.5] * 3, [0.5] * 3) if weights else (timm.data.IMAGENET_DEFAULT_MEAN, timm.data.IMAGENET_DEFAULT_STD)


def fine_tuned(classes):
    network = timm.create_model("mobilenetv2_100", pad_type="same", checkpoint_path=weights)
    network.reset_classifier(classes)
    return network


def cosine(warmup_share, warmup_most):
    def schedule_of(optimizer, steps, steps_an_epoch):
        schedule, _ = create_scheduler_v2(
            optimizer,
            num_epochs=steps,
            warmup_epochs=min(warmup_most * steps_an_epoch, round(warmup_share * steps)),
            warmup_lr=1e-5,
            warmup_prefix=True,
            step_on_epochs=True,  # where a step of the optimizer is an epoch of the schedule
        )
        schedule.step(0)
        return schedule.step

    return schedule_of


def default():
    batch = 128

    def loader(part, training=False):
        return create_loader(
            create_dataset("", f"{job['data']}/{part}"),
            input_size=(3, job["size"], job["size"]),
            batch_size=batch,
            is_training=training,
            use_prefetcher=False,
            color_jitter=0.4,
            interpolation="random" if training else "bilinear",
            mean=MEAN,
            std=STD,
            crop_pct=0.875,
            num_workers=4,
            device=torch.device("cpu"),
        )

    trained, judge, test = loader("train", True), loader("val"), loader("test")
    classes = sorted({path.split("/")[-2] for path in paths_of(job, "test")})
    recipe = Recipe(
        lambda: trained,
        lambda network: create_optimizer_v2(network, "sgd", lr=0.1 * batch / 256, weight_decay=2e-5, momentum=0.9),
        cosine(0.2, 5),
        LabelSmoothingCrossEntropy(0.1),
        judge=lambda: judge,
    )
    network = fine_tuned(len(classes)) if weights else timm.create_model("resnet18", num_classes=len(classes))
    finish(job, network, recipe, "mobilenetv2_100" if weights else "resnet18", classes, paths_of(job, "test"), test)


def tuned():
    size, side, batch = (160, 184, 32) if weights else (32, 32, 128)
    trained = InMemory(job, "train", side, size, batch, MEAN, STD, cropped(size) if weights else shifted)
    test = InMemory(job, "test", side, size, batch, MEAN, STD)
    if weights:
        name, network = "mobilenetv2_100", fine_tuned(len(trained.classes))
        options = {"opt": "adamw", "lr": 1e-3, "weight_decay": 0.05, "layer_decay": 0.8}
    else:
        name = "resnet18 for 32 px, half as wide"
        network = timm.create_model("resnet18", num_classes=len(trained.classes), channels=(32, 64, 128, 256))
        network.conv1 = torch.nn.Conv2d(3, 64, 3, padding=1, bias=False)
        if job["minutes"] >= 5:
            network.maxpool = torch.nn.Identity()
        else:
            name += ", pooled"
        options = {"opt": "sgd", "lr": 0.1, "weight_decay": 5e-4, "momentum": 0.9}
    recipe = Recipe(
        lambda: trained,
        lambda network: create_optimizer_v2(network, **options),
        cosine(0.1 if weights else 0.25, len(trained)),
        LabelSmoothingCrossEntropy(0.1),
        layout=torch.channels_last,
        low=job["low"],
    )
    network = network.to(memory_format=torch.channels_last)
    finish(job, network, recipe, name, trained.classes, test.paths, test, mirrored=True)


if __name__ == "__main__":
    tuned() if job["setting"] == "tuned" else default()
