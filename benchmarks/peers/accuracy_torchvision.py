"""torchvision after its reference recipe for classification (references/classification/train.py).

Default: its random resized crops and flips, SGD at the documented rate for the batch (0.1 for 256; MobileNetV2 0.045
and a weight decay of 4e-5), a tenth of the rate after each third, float32, validation after each epoch, ResNet-18 as
it is from scratch. Its 16 loader workers are 2 here: so many more than cores are slower. Tuned: pictures decoded once
into memory, channels-last, bfloat16 where faster, one-cycle SGD with Nesterov's momentum, label smoothing,
predictions of the picture and its mirror image; 160 px from weights; from scratch a ResNet-18 with a stem for 32 px
and pooling, or a ResNet-10 where there are less than 5 minutes.
"""

import torch
from _fit import InMemory, Recipe, cropped, finish, paths_of, shifted
from _job import question
from _mobilenet import mobilenet
from torch import nn
from torch.utils.data import DataLoader
from torchvision import models
from torchvision.datasets import ImageFolder
from torchvision.models.resnet import BasicBlock, ResNet
from torchvision.transforms import v2 as transforms

job = question()
torch.manual_seed(job["seed"])
MEAN, STD = ([0.5] * 3, [0.5] * 3) if job["weights"] else ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])


def default():
    size, batch = job["size"], 32
    tail = [transforms.PILToTensor(), transforms.ToDtype(torch.float32, scale=True), transforms.Normalize(MEAN, STD)]
    augmented = transforms.Compose([transforms.RandomResizedCrop(size), transforms.RandomHorizontalFlip(), *tail])
    shown = transforms.Compose([transforms.Resize(round(size / 0.875)), transforms.CenterCrop(size), *tail])

    def loader(part, transform, training=False):
        data = ImageFolder(f"{job['data']}/{part}", transform)
        return DataLoader(data, batch, shuffle=training, num_workers=2)

    trained, judge, test = loader("train", augmented, True), loader("val", shown), loader("test", shown)
    classes = trained.dataset.classes
    rate, decay = (
        (0.045 / 8, 4e-5) if job["weights"] else (0.1 / 8, 1e-4)
    )  # documented for 8 processors of such batches

    def schedule_of(optimizer, steps, _):
        falling = torch.optim.lr_scheduler.MultiStepLR(optimizer, [steps // 3, 2 * steps // 3], 0.1)
        return lambda done: falling.step()

    recipe = Recipe(
        lambda: trained,
        lambda network: torch.optim.SGD(network.parameters(), rate, momentum=0.9, weight_decay=decay),
        schedule_of,
        nn.CrossEntropyLoss(),
        judge=lambda: judge,
    )
    network = mobilenet(job["weights"], len(classes)) if job["weights"] else models.resnet18(num_classes=len(classes))
    name = "mobilenet_v2" if job["weights"] else "resnet18"
    finish(job, network, recipe, name, classes, paths_of(job, "test"), test)


def tuned():
    size, side, batch, rate = (160, 184, 32, 0.02) if job["weights"] else (32, 32, 128, 0.1)
    augment = cropped(size) if job["weights"] else shifted
    trained = InMemory(job, "train", side, size, batch, MEAN, STD, augment)
    test = InMemory(job, "test", side, size, batch, MEAN, STD)

    def schedule_of(optimizer, steps, _):
        cycle = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, steps + 1, pct_start=0.25)
        return lambda done: cycle.step()

    recipe = Recipe(
        lambda: trained,
        lambda network: torch.optim.SGD(network.parameters(), rate, momentum=0.9, nesterov=True, weight_decay=5e-4),
        schedule_of,
        nn.CrossEntropyLoss(label_smoothing=0.1),
        layout=torch.channels_last,
        low=job["low"],
    )
    if job["weights"]:
        name, network = "mobilenet_v2", mobilenet(job["weights"], len(trained.classes))
    else:
        blocks = 2 if job["minutes"] >= 5 else 1
        name = f"resnet{2 + 8 * blocks} for 32 px"
        network = ResNet(BasicBlock, [blocks] * 4, num_classes=len(trained.classes))
        network.conv1 = nn.Conv2d(3, 64, 3, padding=1, bias=False)
    network = network.to(memory_format=torch.channels_last)
    finish(job, network, recipe, name, trained.classes, test.paths, test, mirrored=True)


if __name__ == "__main__":
    tuned() if job["setting"] == "tuned" else default()
