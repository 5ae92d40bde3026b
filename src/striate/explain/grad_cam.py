"""Grad-CAM: where in the picture the evidence for a class lies, at the resolution of the last feature maps.

Selvaraju et al., "Grad-CAM: visual explanations from deep networks via gradient-based localization", ICCV 2017,
equations 1 and 2:

    α_k = 1/Z Σ_ij ∂y/∂A_k,ij        L = ReLU(Σ_k α_k A_k)

where y is the raw output (before softmax), A the feature maps, and Z the number of their positions.

**Scale.** Most tools stretch each map to its own minimum and maximum, so that a picture without any evidence lights
up like one that is full of it. Here the scale is absolute. Z·L at a position is in the units of the output, logits:
in a network that ends in global average pooling and one dense layer, the mean of Z Σ_k α_k A_k over the positions is
exactly the class's logit less its bias, so a position with Z·L = 4 speaks as a logit of 4 would if all spoke so. It
is drawn as 1 - exp(-Z·L / 4): no evidence stays 0, a logit of 4 (which moves a probability from 0.5 to 0.98) gives
0.63, and nothing is clipped, so the order of any two positions in any two pictures is kept.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from striate.core.errors import NetworkError, UsageError
from striate.explain import EXPLANATIONS
from striate.infer.forward import evaluating
from striate.infer.model import Model
from striate.nets import head_name

FULL_LOGITS = 4.0


@dataclass(frozen=True)
class Layer:
    """A layer that gives feature maps.

    Args:
        name: its dotted name in the network.
        call: which of its calls within one forward pass (a re-used layer has several), from 0.
        shape: (K, h, w) of its output.
    """

    name: str
    call: int
    shape: tuple[int, int, int]


@EXPLANATIONS.register("grad_cam")
def grad_cam(model: Model, images: Tensor, target: int | Tensor | None = None) -> NDArray[np.float32]:
    """Grad-CAM heat maps at the size of the pictures, in float32 whatever the Model's precision.

    Args:
        model: its network, in evaluation mode for the time; neither its gradients nor its hooks are touched.
        images: (N, C, H, W), uint8 or float32 on the 0..255 scale.
        target: the output to explain: one for all, one for each picture (N,), or each picture's largest.

    Returns:
        (N, H, W) from 0 (no evidence) towards 1; the scale is absolute, see the module.

    Raises:
        NetworkError: the network has no feature maps (a transformer's tokens are none).
        UsageError: there is no such output.
    """
    targets = None if target is None else torch.as_tensor(target, dtype=torch.int64).expand(len(images))
    head = head_name(model.network)
    parts = []
    for first in range(0, len(images), model.batch_size):
        batch = slice(first, first + model.batch_size)
        wanted = targets[batch] if targets is not None else _largest(model, images[batch])
        maps = feature_evidence(model.network, head, model.standardised(images[batch]), wanted)
        positions = maps.shape[1] * maps.shape[2]
        size = (images.shape[2], images.shape[3])
        resized = functional.interpolate(positions * maps[:, None], size, mode="bilinear", align_corners=False)[:, 0]
        parts.append(strength(resized).cpu().numpy())
    return np.concatenate(parts) if parts else np.zeros((0, *images.shape[2:]), np.float32)


def _largest(model: Model, images: Tensor) -> Tensor:
    """The output that is predicted for each picture, over all views, (N,)."""
    with torch.no_grad():
        return model.outputs(images).argmax(1).cpu()


def strength(logits: Tensor) -> Tensor:
    """Evidence in logits, from 0 up, as a number from 0 towards 1; see the module for why this scale.

    >>> strength(torch.tensor([0.0, 4.0, 40.0])).round(decimals=3).tolist()
    [0.0, 0.6320000290870667, 1.0]
    """
    return 1 - torch.exp(-logits / FULL_LOGITS)


def feature_evidence(network: nn.Module, head: str, images: Tensor, target: Tensor | None = None) -> Tensor:
    """Equations 1 and 2 alone, in the units of the network: what `captum.attr.LayerGradCam` computes.

    Args:
        network: any module from images to raw outputs (N, K); its mode, hooks and gradients stay as they are.
        head: the dotted name of the module that makes the outputs.
        images: (N, C, H, W).
        target: the output to explain for each picture, (N,); each picture's largest unless given.

    Returns:
        (N, h, w), at the resolution of the feature maps, not below 0.
    """
    layer = find_layer(network, head, images[:1])
    with evaluating(network), torch.enable_grad(), _tapped(network, layer) as taken:
        outputs = network(images)
        if target is None:
            target = outputs.detach().argmax(1)
        if len(target) and not 0 <= int(target.min()) <= int(target.max()) < outputs.shape[1]:
            raise UsageError(f"the network has outputs 0 to {outputs.shape[1] - 1}, not {target.tolist()}")
        chosen = outputs.gather(1, target.to(outputs.device)[:, None]).sum()
        (features,) = taken
        (gradients,) = torch.autograd.grad(chosen, features)
    weights = gradients.mean((2, 3), keepdim=True)  # equation 1: (N, K, 1, 1)
    return functional.relu((weights * features.detach()).sum(1))  # equation 2


def find_layer(network: nn.Module, head: str, image: Tensor) -> Layer:
    """The last layer before the head whose output is a spatial map, found by running one picture through.

    A head that is itself a convolution (SqueezeNet) does not count, nor do maps of one position, nor layers that only
    hand on what they get (dropout in evaluation).

    Args:
        head: the dotted name of the module that makes the outputs.
        image: (1, C, H, W).

    Raises:
        NetworkError: there is none, or positions go on as tokens, whose meaning is not known.
    """
    seen: list[tuple[str, int, tuple[int, ...]]] = []
    calls: dict[str, int] = {}
    before_head: list[int] = []

    with contextlib.ExitStack() as hooks:
        for name, module in network.named_modules():
            if name == head:
                handle = module.register_forward_pre_hook(lambda *_: before_head.append(len(seen)))
                hooks.callback(handle.remove)
            if name and not isinstance(module, nn.Identity | nn.modules.dropout._DropoutNd):

                def record(_: nn.Module, __: object, output: object, name: str = name) -> None:
                    number = calls.get(name, -1) + 1
                    calls[name] = number
                    if isinstance(output, Tensor):
                        seen.append((name, number, tuple(output.shape)))

                hooks.callback(module.register_forward_hook(record).remove)
        with evaluating(network), torch.no_grad():
            network(image)

    if not before_head:
        raise NetworkError(f"the network's head {head!r} was not run by a picture, so no layer before it can be found")
    found: Layer | None = None
    tokens: str | None = None
    for name, number, shape in seen[: before_head[-1]]:
        if _is_map(shape, image.shape):
            found, tokens = Layer(name, number, (shape[1], shape[2], shape[3])), None
        elif len(shape) > 2 and int(np.prod(shape[1:-1])) > 1 and not (len(shape) == 4 and shape[2:] == (1, 1)):
            tokens = name
    if found is None or tokens is not None:
        raise NetworkError(
            "the network has no feature maps that Grad-CAM could read"
            + (f": layer {tokens!r} keeps positions in another form than (N, K, h, w)" if tokens else ""),
            fix="explain a convolutional network",
        )
    return found


def _is_map(shape: tuple[int, ...], image: torch.Size) -> bool:
    """(N, K, h, w) with more than one position, and with the picture's own proportions (not (N, h, w, K))."""
    if len(shape) != 4 or shape[2] * shape[3] <= 1:
        return False
    down, across = image[2] / shape[2], image[3] / shape[3]
    return max(down, across) <= 2 * min(down, across) + 1e-9 and min(down, across) >= 0.5


@contextlib.contextmanager
def _tapped(network: nn.Module, layer: Layer) -> Iterator[list[Tensor]]:
    """While it lasts, a forward pass leaves the layer's output in the list, as a leaf to differentiate by.

    The network goes on with a clone, so that a later in-place ReLU does not change what was taken.
    """
    taken: list[Tensor] = []
    calls = 0

    def take(_: nn.Module, __: object, output: Tensor) -> Tensor | None:
        nonlocal calls
        calls += 1
        if calls - 1 != layer.call:
            return None
        taken.append(output.detach().requires_grad_())
        return taken[0].clone()

    handle = network.get_submodule(layer.name).register_forward_hook(take)
    try:
        yield taken
    finally:
        handle.remove()
