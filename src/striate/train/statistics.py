"""The statistics of norms, found anew for weights that no step has seen."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn.modules.batchnorm import _NormBase

from striate.train.recipe import Recipe


@torch.no_grad()
def estimate_statistics(network: nn.Module, recipe: Recipe, epoch: int, parts: int) -> None:
    """Give the norms of a network the mean statistics over one epoch's batches, as those pass through it.

    Izmailov et al. 2018, section 3.2: the average of weights has activations that none of them had. Dropout is idle, as
    it is in predictions. Norms that keep theirs in that epoch keep them, and so do those that no picture reaches, as in
    heads that only training hears.

    Args:
        network: changed in place; left in evaluation mode, with nothing that learns.
        epoch: whose batches, which has the sizes and norms of that epoch.
        parts: that a batch is computed in.
    """
    recipe.set_learning(network, epoch)
    norms = [
        one for one in network.modules() if isinstance(one, _NormBase) and one.training and one.track_running_stats
    ]
    network.eval().requires_grad_(False)
    before = [{name: value.clone() for name, value in norm.named_buffers(recurse=False)} for norm in norms]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # the mean over all batches
        norm.train()
    low = recipe.plan["execution.precision"] == "bfloat16"
    if norms:
        for batch in recipe.batches.epoch(epoch, 0, recipe.size(epoch)):
            for portion in batch.split(recipe.parts(batch, parts)):
                images = recipe.normalize(portion.images.to(recipe.device)).contiguous(memory_format=recipe.layout)
                with torch.autocast(recipe.device.type, torch.bfloat16, enabled=low):
                    network(images)
    for norm, momentum, kept in zip(norms, momenta, before, strict=True):
        norm.momentum = momentum
        if not norm.num_batches_tracked:
            for name, value in kept.items():
                norm.get_buffer(name).copy_(value)
    network.eval()
