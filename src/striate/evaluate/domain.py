"""The domain gap: how far new pictures are from those that weights were trained on, by what batch norms remember.

A batch norm keeps the mean and variance that each channel had in training. What the new pictures give there, the
statistics of all norms before being those of the weights, differs the more the further they are (Li et al. 2017,
"Revisiting batch normalization for practical domain adaptation"). Two Gaussians are compared by their Fréchet distance
(Dowson and Landau 1982), in deviations of the remembered one, so that every channel counts alike.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from striate.infer import evaluating, in_parts

NEAR, FAR = 0.35, 0.6
"""Of the distance, in deviations. To MobileNetV2's ImageNet weights, from 64 pictures at 224 px: ants and bees 0.16,
waste on a plain ground 0.27; blood cells 0.48, flowers 0.52 (in negative 0.53), membranes under
an electron microscope 0.53; digits 0.64, noise 0.90. It tells of texture and sharpness more than of what is shown."""


@dataclass(frozen=True)
class Gap:
    """How far pictures are from the source's.

    Args:
        distance: mean over the norms of the weights, in deviations.
        layers: of each norm by dotted name, from the stem on: the mean over its channels.
        pictures: how many were looked at.
    """

    distance: float
    layers: dict[str, float]
    pictures: int

    @property
    def verdict(self) -> str:
        """ "near", "some way off" or "far"."""
        return "near" if self.distance < NEAR else "far" if self.distance > FAR else "some way off"

    def describe(self) -> str:
        """One sentence."""
        furthest = max(self.layers, key=lambda name: self.layers[name])
        advice = {
            "near": "",
            "some way off": "",
            "far": "; what they know may serve less here: compare with a training from scratch (`--weights none`)",
        }[self.verdict]
        words = {"near": "near to", "some way off": "some way off", "far": "far from"}[self.verdict]
        return (
            f"the pictures are {words} what the weights were trained on: in {self.pictures:,} of them channels lie "
            f"{self.distance:.2f} deviations from what {len(self.layers)} batch norms remember (near is below {NEAR}, "
            f"far above {FAR}), most at {furthest} with {self.layers[furthest]:.2f}{advice}"
        )


@torch.no_grad()
def domain_gap(network: nn.Module, normalize: nn.Module, batches: Iterable[Tensor], names: Iterable[str]) -> Gap | None:
    """The gap between pictures and what a network's batch norms remember.

    Args:
        network: with the weights as they came; it is left as it was.
        normalize: from pixels on the 0..255 scale to what it takes.
        batches: the pictures, (N, C, H, W) on that scale.
        names: dotted names of the tensors that the weights brought: norms that are new remember nothing.

    Returns:
        the gap; None where no batch norm came with the weights.
    """
    brought = set(names)
    moments = {
        name: _Moments(module)
        for name, module in network.named_modules()
        if isinstance(module, _BatchNorm) and module.running_mean is not None and f"{name}.running_mean" in brought
    }
    if not moments:
        return None
    modules = dict(network.named_modules())
    hooks = [modules[name].register_forward_pre_hook(found) for name, found in moments.items()]
    device, count = next(network.parameters()).device, 0
    try:
        with evaluating(network):
            for images in batches:
                in_parts(lambda part: network(normalize(part)), images.to(device))
                count += len(images)
    finally:
        for hook in hooks:
            hook.remove()
    layers = {name: found.distance() for name, found in moments.items() if found.count}
    return Gap(sum(layers.values()) / len(layers), layers, count) if layers else None


class _Moments:
    """Sums over what a norm receives, and their distance from what it remembers. Called as a hook of its module."""

    def __init__(self, norm: _BatchNorm) -> None:
        self.norm, self.count = norm, 0
        self.sums = self.squares = torch.zeros(norm.num_features, dtype=torch.float64)

    def __call__(self, module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        assert self.norm.running_mean is not None
        centre = self.norm.running_mean  # moments about it lose no digits where the mean is large
        away = (inputs[0].float() - centre.view(1, -1, *(1,) * (inputs[0].dim() - 2))).transpose(0, 1).flatten(1)
        self.sums = self.sums + away.sum(1).cpu().double()
        self.squares = self.squares + away.square().sum(1).cpu().double()
        self.count += away.shape[1]

    def distance(self) -> float:
        """Mean over the channels of √((μ − m)² + (σ − s)²) / σ, of the remembered μ and σ and the new m and s."""
        assert self.norm.running_var is not None
        away = self.sums / self.count
        deviation = (self.squares / self.count - away.square()).clamp(min=0).add(self.norm.eps).sqrt()
        remembered = (self.norm.running_var.cpu().double() + self.norm.eps).sqrt()
        return float(((away.square() + (remembered - deviation).square()).sqrt() / remembered).mean())
