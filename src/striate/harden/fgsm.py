"""The fast gradient sign method: one step of equal size for every pixel, up the slope of the loss.

Goodfellow, Shlens and Szegedy, "Explaining and harnessing adversarial examples", ICLR 2015:

    x' = x + ε sign(∇x J(θ, x, y))

It is a lower bound on what an attacker can do, not a proof of robustness: iterated attacks find more.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from striate.data.loader import Batch
from striate.harden import ATTACKS
from striate.infer.forward import evaluating, over_views
from striate.infer.model import Model


@ATTACKS.register("fgsm")
def fgsm(model: Model, images: Tensor, targets: Tensor, epsilon: float) -> Tensor:
    """Pictures one signed gradient step further up the task's own loss, in float32 and in evaluation mode.

    A pixel whose gradient is exactly 0 stays. Every sample is attacked alike, whatever its weight in training.

    Args:
        model: neither its gradients nor its mode are touched.
        images: (N, C, H, W), uint8 or float32 on the 0..255 scale.
        targets: (N, K) float32, the true ones as the task encodes them.
        epsilon: the change of every pixel, on the 0..255 scale.

    Returns:
        (N, C, H, W) float32 on the 0..255 scale, clipped to it, on the device of `images`.
    """
    pixels = images.float()
    gradient = pixel_gradient(model, pixels, targets)
    changed = pixels + epsilon * gradient.sign()
    # Resampling may leave pixels a little outside of the range: the range as they have it, or epsilon would not hold.
    return changed.clamp(pixels.clamp(max=0), pixels.clamp(min=255))


class _Viewed(nn.Module):
    """A Model's network as predictions see it: the mean over its views."""

    def __init__(self, model: Model) -> None:
        super().__init__()
        self.network, self.views = model.network, model.views

    def forward(self, images: Tensor) -> Tensor:
        return over_views(self.network, images, self.views)


def pixel_gradient(model: Model, images: Tensor, targets: Tensor) -> Tensor:
    """The gradient of the task's loss, averaged over the batch, by the pixels.

    Args:
        images: (N, C, H, W) on the 0..255 scale.
        targets: (N, K) float32.

    Returns:
        (N, C, H, W) float32, per unit of the 0..255 scale, on the device of `images`.
    """
    pixels = images.detach().float().requires_grad_()
    count = len(pixels)
    with evaluating(model.network), torch.enable_grad():
        shown = model.standardised(pixels)
        batch = Batch(shown, targets, torch.ones(count), float(count), np.arange(count)).to(model.device)
        loss = model.task.step({"network": _Viewed(model)}, batch)["network"]
        (gradient,) = torch.autograd.grad(loss, pixels)
    return gradient
