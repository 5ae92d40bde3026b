"""What the scripts of torch's recipes share: the plain loop of training, and that of inference."""

import time

import torch
from _job import Clock, answer


def train(job, network, batches, optimizer, layout, low):
    """Epochs of steps, each timed; answers."""
    clock, criterion = Clock(job), torch.nn.CrossEntropyLoss()
    network.train()
    for epoch in range(job["epochs"]):
        if epoch:
            clock.epoch()
        for images, labels in batches:
            with torch.autocast("cpu", torch.bfloat16, enabled=low):
                loss = criterion(network(images.contiguous(memory_format=layout)), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            clock.step(len(images))
    answer(**clock.found())


def predict(job, network, batches, layout, low):
    """One pass over all pictures, timed from here on; answers."""
    begun, count = time.time(), 0
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=low):
        for images in batches():
            network(images.contiguous(memory_format=layout)).softmax(1)
            count += len(images)
    answer(images=count, seconds=time.time() - begun, whole=time.time() - job["started"])
