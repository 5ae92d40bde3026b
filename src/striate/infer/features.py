"""What the head of any network receives, as one vector a picture, whatever kind of layer the head is."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from striate.infer.forward import evaluating, in_parts
from striate.nets import head_name


class HeadInputs:
    """The features of pictures that a network's head receives. Maps before a head that is a convolution, and tokens
    before one that is applied to each, are averaged over places.

    Args:
        network: that has the head, on its device.
        normalize: from pixels on the 0..255 scale to what it takes.
        compute: how the network is computed; by calling it, unless given.
    """

    def __init__(self, network: nn.Module, normalize: nn.Module, compute: nn.Module | None = None) -> None:
        self.normalize, self.compute = normalize, network if compute is None else compute
        self.head = network.get_submodule(head_name(network))
        self.device = next(network.parameters()).device

    @torch.no_grad()
    def __call__(self, images: Tensor) -> Tensor:
        """Of pictures (N, C, H, W) on the 0..255 scale, (N, D) float32 on the CPU."""
        taken: list[Tensor] = []
        hook = self.head.register_forward_pre_hook(lambda _, inputs: taken.append(inputs[0]))

        def seen(part: Tensor) -> Tensor:
            taken.clear()
            self.compute(self.normalize(part))
            return self._pooled(taken.pop().float()).cpu()

        try:
            return in_parts(seen, images.to(self.device))
        finally:
            hook.remove()

    def _pooled(self, features: Tensor) -> Tensor:
        if features.dim() == 2:
            return features
        convolves = not isinstance(self.head, nn.Linear)
        return features.flatten(2).mean(2) if convolves else features.flatten(1, -2).mean(1)


def head_inputs(network: nn.Module, normalize: nn.Module, batches: Iterable[Tensor]) -> Tensor:
    """The features of all pictures, (N, D) float64, see `HeadInputs`; the network is left as it was."""
    look = HeadInputs(network, normalize)
    with evaluating(network):
        return torch.cat([look(images) for images in batches]).double()
