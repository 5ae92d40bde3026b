"""What timm's and torchvision's scripts of `accuracy` share: the rehearsal that says how many epochs fit, the epochs,
the predictions, and pictures kept in memory for the tuned setting."""

import contextlib
import time
from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy
from pathlib import Path

import torch
from _contest import answer, epochs_within, seconds_left
from PIL import Image
from torchvision.transforms import v2 as transforms


class Recipe:
    """How a network is trained; the scripts fill it in.

    Args:
        batches: a call that returns one epoch's (images, labels), and has a length.
        optimizer_of: makes the optimizer of a network's.
        schedule_of: from (optimizer, steps, steps an epoch) to a call that is told each step's number when it is done.
        criterion: the loss.
        judge: a call that returns the validation pictures, where the recipe validates after each epoch.
        low: whether bfloat16 may be used, where it is faster.
    """

    def __init__(self, batches, optimizer_of, schedule_of, criterion, judge=None, layout=None, low=False):
        self.batches, self.optimizer_of, self.schedule_of, self.criterion = (
            batches,
            optimizer_of,
            schedule_of,
            criterion,
        )
        self.judge, self.layout, self.low = judge, layout or torch.contiguous_format, low


def step(network, recipe, optimizer, images, labels, low):
    with torch.autocast("cpu", torch.bfloat16, enabled=low):
        outputs = network(images.contiguous(memory_format=recipe.layout))
    loss = recipe.criterion(outputs.float(), labels)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()


def rehearse(job, network, recipe):
    """Seconds of a step with its loading, and whether in bfloat16: the faster way, on a throw-away copy."""
    taken, most = {}, 0.03 * seconds_left(job)
    for low in (False, True) if recipe.low else (False,):
        copy = deepcopy(network).train()
        optimizer, times = recipe.optimizer_of(copy), []
        begun = time.time()
        with contextlib.closing(endless(recipe.batches())) as stream:
            for number, (images, labels) in enumerate(stream):
                step(copy, recipe, optimizer, images, labels, low)
                times.append(time.time())
                if number >= 3 and time.time() - begun > most:
                    break
        taken[low] = (times[-1] - times[1]) / (len(times) - 2)
    low = min(taken, key=taken.get)
    return taken[low], low


def endless(batches):
    while True:
        yield from batches


def fit(job, network, recipe, test_steps):
    """Train as many epochs as fit; returns them and whether they were in bfloat16."""
    seconds, low = rehearse(job, network, recipe)
    batches = recipe.batches()
    steps, judged = len(batches), len(recipe.judge()) if recipe.judge else 0
    epochs = epochs_within(job, seconds * (steps + judged / 2), seconds * test_steps / 2)
    print(f"{seconds:.3f} s a step, bfloat16 {low}: {epochs} epochs of {steps} steps", flush=True)
    optimizer = recipe.optimizer_of(network)
    schedule = recipe.schedule_of(optimizer, epochs * steps, steps)
    done = 0
    for _ in range(epochs):
        network.train()
        for images, labels in batches:
            step(network, recipe, optimizer, images, labels, low)
            done += 1
            schedule(done)
        if recipe.judge:
            right = sum(
                int((found == labels).sum()) for found, labels in outputs_of(network, recipe.judge(), recipe, low)
            )
            print(f"epoch {done // steps}: {right} right, {seconds_left(job):.0f} s left", flush=True)
    return epochs, low


def outputs_of(network, batches, recipe, low, mirrored=False):
    """The class of each picture with what came beside it, batch by batch."""
    network.eval()
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=low):
        for images, beside in batches:
            images = images.contiguous(memory_format=recipe.layout)
            outputs = network(images).float().softmax(1)
            if mirrored:
                outputs += network(images.flip(3)).float().softmax(1)
            yield outputs.argmax(1), beside


def finish(job, network, recipe, name, classes, paths, test, mirrored=False):
    """Train, name the test pictures, which `test` gives in the order of the paths, and answer."""
    epochs, low = fit(job, network, recipe, len(test) * (2 if mirrored else 1))
    found = [int(one) for batch, _ in outputs_of(network, test, recipe, low, mirrored) for one in batch]
    answer(job, name, epochs, paths, [classes[number] for number in found])


def paths_of(job, part):
    """The files of a part, in the order of torchvision's ImageFolder."""
    return [str(path) for path in sorted(Path(job["data"], part).glob("*/*"))]


class InMemory:
    """The pictures of a part, decoded once to squares of bytes (N, 3, side, side), in batches of floats.

    Args:
        side: of the squares; a larger one than `size` leaves room for crops.
        augment: from one batch (B, 3, side, side) of bytes to one of bytes (B, 3, size, size); centre crops without.
    """

    def __init__(self, job, part, side, size, batch, mean, std, augment=None):
        self.paths = paths_of(job, part)
        names = [Path(path).parent.name for path in self.paths]
        self.classes = sorted(set(names))
        self.labels = torch.tensor([self.classes.index(name) for name in names])
        self.batch, self.augment, self.centre = batch, augment, transforms.CenterCrop(size)
        self.normalize = transforms.Compose(
            [transforms.ToDtype(torch.float32, scale=True), transforms.Normalize(mean, std)]
        )
        resize = transforms.Compose([transforms.Resize(side), transforms.CenterCrop(side), transforms.PILToTensor()])

        def decoded(path):
            with Image.open(path) as image:
                image.draft("RGB", (side, side))  # JPEG decodes at a smaller scale at once
                return resize(image.convert("RGB"))

        with ThreadPoolExecutor(job["workers"] + 1) as pool:
            self.pixels = torch.stack(list(pool.map(decoded, self.paths)))

    def __len__(self):
        whole, rest = divmod(len(self.paths), self.batch)
        return whole + (1 if rest and not self.augment else 0)

    def __iter__(self):
        order = torch.randperm(len(self.paths)) if self.augment else torch.arange(len(self.paths))
        for chosen in order.split(self.batch)[: len(self)]:
            images = self.pixels[chosen]
            images = self.augment(images) if self.augment else self.centre(images)
            yield self.normalize(images), self.labels[chosen]


def shifted(images, most=4):
    """Each mirrored by chance and moved by up to so many pixels, the border reflected."""
    size = images.shape[-1]
    padded = torch.nn.functional.pad(images.float(), (most,) * 4, mode="reflect").to(torch.uint8)
    across, down = (torch.randint(2 * most + 1, (len(images), 1)) + torch.arange(size) for _ in range(2))
    across = torch.where(torch.rand(len(images), 1) < 0.5, across, across.flip(1))
    return padded[torch.arange(len(images))[:, None, None], :, down[:, :, None], across[:, None, :]].permute(0, 3, 1, 2)


def cropped(size, smallest=0.35):
    """Random resized crops, mirrored by chance."""
    alter = transforms.Compose(
        [transforms.RandomResizedCrop(size, scale=(smallest, 1.0), antialias=True), transforms.RandomHorizontalFlip()]
    )
    return lambda images: torch.stack([alter(image) for image in images])
