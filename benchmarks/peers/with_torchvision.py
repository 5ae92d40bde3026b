"""torchvision after its reference recipe for classification (references/classification/train.py, presets.py).

Default: random resized crops and flips, SGD, float32, 16 loader workers as there. Tuned: channels-last, bfloat16 where
the processor has it and it is faster for the network, as many loader workers as leave a core to compute.
"""

from pathlib import Path

import torch
from _job import answer, latency, question
from _torch import predict, train
from PIL import Image
from torch.utils.data import DataLoader, Dataset
from torchvision import models
from torchvision.datasets import ImageFolder
from torchvision.transforms import v2 as transforms

MEAN, STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
job = question()
tuned, size, batch = job["setting"] == "tuned", job["size"], job["batch"]
layout = torch.channels_last if tuned else torch.contiguous_format
any_low = tuned and job["low"]
low = any_low and "resnet" in job["network"]
tail = [transforms.PILToTensor(), transforms.ToDtype(torch.float32, scale=True), transforms.Normalize(MEAN, STD)]
shown = transforms.Compose([transforms.Resize(256), transforms.CenterCrop(size), *tail])


class Flat(Dataset):
    def __init__(self, folder):
        self.paths = sorted(Path(folder).iterdir())

    def __len__(self):
        return len(self.paths)

    def __getitem__(self, number):
        return shown(Image.open(self.paths[number]).convert("RGB"))


def make(classes):
    return getattr(models, job["network"])(weights=None, num_classes=classes).to(memory_format=layout)


if __name__ == "__main__":
    workers = job["workers"] if tuned else 16
    if job["measure"] == "train":
        augmented = transforms.Compose([transforms.RandomResizedCrop(size), transforms.RandomHorizontalFlip(), *tail])
        data = ImageFolder(f"{job['data']}/train", augmented)
        loader = DataLoader(data, batch, shuffle=True, drop_last=True, num_workers=workers)
        network = make(len(data.classes))
        optimizer = torch.optim.SGD(network.parameters(), 0.1, momentum=0.9, weight_decay=1e-4)
        train(job, network, loader, optimizer, layout, low)
    elif job["measure"] == "predict":
        network = make(6).eval()
        predict(job, network, lambda: DataLoader(Flat(job["pictures"]), batch, num_workers=workers), layout, any_low)
    else:
        picture, network = Image.open(job["picture"]).convert("RGB"), make(6).eval()
        if tuned:  # the bare network, compiled, on pixels that are ready
            network, ready = torch.compile(network), shown(picture)[None].contiguous(memory_format=layout)
            with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=any_low):
                answer(**latency(lambda: network(ready).softmax(1)))
        else:
            with torch.inference_mode():
                answer(**latency(lambda: network(shown(picture)[None]).softmax(1)))
