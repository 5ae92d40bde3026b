"""What the head of any network receives, as one vector a picture, whatever kind of layer the head is."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

import torch
from torch import Tensor, nn

from striate.infer import evaluating, in_parts
from striate.nets import head_name


@torch.no_grad()
def head_inputs(network: nn.Module, normalize: nn.Module, batches: Iterable[Tensor]) -> Tensor:
    """The features of pictures, (N, D) float64 on the CPU.

    Maps before a head that is a convolution, and tokens before one that is applied to each, are averaged over places.

    Args:
        network: on its device; it is left as it was.
        normalize: from pixels on the 0..255 scale to what it takes.
        batches: the pictures, (N, C, H, W) on that scale.
    """
    taken: list[Tensor] = []
    head, device = network.get_submodule(head_name(network)), next(network.parameters()).device
    convolves = not isinstance(head, nn.Linear)
    hook = head.register_forward_pre_hook(lambda _, inputs: taken.append(_pooled(inputs[0], convolves)))
    try:
        with evaluating(network):
            rows = [in_parts(partial(_seen, network, normalize, taken), images.to(device)) for images in batches]
    finally:
        hook.remove()
    return torch.cat(rows)


def _seen(network: nn.Module, normalize: nn.Module, taken: list[Tensor], images: Tensor) -> Tensor:
    taken.clear()
    network(normalize(images))
    return taken.pop().cpu().double()


def _pooled(features: Tensor, channels_first: bool) -> Tensor:
    features = features.float()
    if features.dim() == 2:
        return features
    return features.flatten(2).mean(2) if channels_first else features.flatten(1, -2).mean(1)
