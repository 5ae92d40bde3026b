"""timm after its training script: its loader with RandAugment, its optimizer; its inference script for predictions.

Default: as in its ResNet recipes, 4 loader workers, float32. Tuned: channels-last, bfloat16 where the processor has it
and it is faster for the network, as many loader workers as leave a core to compute.
"""

import timm
import torch
from _job import answer, latency, question
from _torch import predict, train
from PIL import Image
from timm.data import create_dataset, create_loader, create_transform, resolve_data_config
from timm.optim import create_optimizer_v2

NAMES = {"mobilenet_v3_small": "mobilenetv3_small_100"}
job = question()
tuned, size, batch = job["setting"] == "tuned", job["size"], job["batch"]
layout = torch.channels_last if tuned else torch.contiguous_format
any_low = tuned and job["low"]
low = any_low and "resnet" in job["network"]


def make(classes):
    return timm.create_model(NAMES.get(job["network"], job["network"]), num_classes=classes).to(memory_format=layout)


def loader(folder, training, network):
    config = resolve_data_config({"input_size": (3, size, size)}, model=network)
    return create_loader(
        create_dataset("", folder),
        input_size=(3, size, size),
        batch_size=batch,
        is_training=training,
        use_prefetcher=False,
        auto_augment="rand-m9-mstd0.5-inc1" if training else None,
        interpolation=config["interpolation"],
        mean=config["mean"],
        std=config["std"],
        crop_pct=config["crop_pct"],
        num_workers=job["workers"] if tuned else 4,
        device=torch.device("cpu"),
    )


if __name__ == "__main__":
    if job["measure"] == "train":
        network = make(6)
        optimizer = create_optimizer_v2(network, "sgd", lr=0.1, weight_decay=1e-4, momentum=0.9)
        train(job, network, loader(f"{job['data']}/train", True, network), optimizer, layout, low)
    elif job["measure"] == "predict":
        network = make(6).eval()
        predict(
            job, network, lambda: (images for images, _ in loader(job["pictures"], False, network)), layout, any_low
        )
    else:
        picture, network = Image.open(job["picture"]).convert("RGB"), make(6).eval()
        transform = create_transform(**resolve_data_config({"input_size": (3, size, size)}, model=network))
        with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=any_low):
            answer(**latency(lambda: network(transform(picture)[None].contiguous(memory_format=layout)).softmax(1)))
