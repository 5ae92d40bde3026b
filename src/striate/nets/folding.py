"""Norms that keep their statistics, folded into the convolutions before them: fewer passes over memory, equal numbers.

A batch norm with fixed statistics is a line for each channel, and a line after a convolution is another convolution
(Jacob et al. 2018, "Quantization and training of neural networks", section 3.2, equations 9 and 10):

    γ·(w∗x + b − μ)/σ + β = (γ/σ·w)∗x + γ/σ·(b − μ) + β

The right side is computed anew in each step from the parameters as they are, so gradients reach w, b, γ and β as they
would through the left side, and names, states and optimizers know nothing of it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn

from striate.nets.anatomy import head_name
from striate.nets.detectors._detector import Detector

Folds: TypeAlias = Sequence[tuple[str, str]]
"""The dotted names of convolutions, each with that of the norm after it."""

TOLERANCE = 1e-3  # of the largest output; what rounding leaves of float32 after a hundred layers lies far below

_CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)


def find_folds(network: nn.Module, images: Tensor) -> Folds:
    """The convolutions whose only reader is a norm that can be folded into them.

    Found by passing images through in evaluation mode, which is also how it is seen that folding them all leaves the
    outputs as they are; where it does not (a network may read a layer's output in a way that no module shows), none is
    named.

    Args:
        images: (N, C, H, W) as the network takes them, on its device.
    """
    made: dict[int, tuple[str, Tensor]] = {}  # keeps the tensors, so that no identity is used twice
    readers: dict[int, list[str]] = {}
    handles = []
    for name, module in network.named_modules():
        if next(module.children(), None) is not None and not isinstance(module, _NORMS):
            continue  # timm's norms have their activation as a part; other parents only hand things on

        def read(_: nn.Module, inputs: tuple[Any, ...], name: str = name) -> None:
            for tensor in inputs:
                if id(tensor) in made:
                    readers.setdefault(id(tensor), []).append(name)

        def make(_: nn.Module, __: Any, output: Any, name: str = name) -> None:
            made[id(output)] = name, output

        handles.append(module.register_forward_pre_hook(read))
        if isinstance(module, _CONVOLUTIONS):
            handles.append(module.register_forward_hook(make))
    modes = [(module, module.training) for module in network.modules()]
    network.eval()
    try:
        with torch.no_grad():
            before = seen(network, images)
            for handle in handles:
                handle.remove()
            modules = dict(network.named_modules())
            # A head that several levels share is called several times, each time the one norm behind it.
            behind: dict[str, set[tuple[str, ...]]] = {}
            for key, (name, _) in made.items():
                behind.setdefault(name, set()).add(tuple(readers.get(key, ())))
            alone = {name: next(iter(by)) for name, by in behind.items() if len(by) == 1}
            found = tuple((name, by[0]) for name, by in alone.items() if len(by) == 1 and _foldable(modules[by[0]]))
            names = [name for pair in found for name in pair]
            if len(set(names)) < len(names):  # a norm behind several convolutions
                return ()
            with folded(network, found):
                after = seen(network, images)
    finally:
        for handle in handles:
            handle.remove()
        for module, training in modes:
            module.training = training
    equal = all(
        bool((new - old).abs().max() <= TOLERANCE * old.abs().max().clamp(min=1.0))
        for new, old in zip(after, before, strict=True)
    )
    return found if equal else ()


def seen(
    network: nn.Module, images: Tensor, compute: Callable[[Tensor], Tensor] | None = None, *, head: str | None = None
) -> list[Tensor]:
    """The outputs, and what the head receives: a head that is cleared gives nothing away.

    Of a detector they are what its head says of each position: boxes, which are sorted, leap where that moves a little.

    Args:
        compute: runs the network in place of its own call.
        head: the head's dotted name, where the network does not tell it.
    """
    received: list[Tensor] = []
    said: list[Tensor] = []
    layer = network.get_submodule(head or head_name(network))
    handles = [layer.register_forward_pre_hook(lambda _, inputs: received.extend(one.clone() for one in inputs))]
    if isinstance(network, Detector):
        handles.append(layer.register_forward_hook(lambda _, __, found: said.extend(found.outputs.values())))
    try:
        outputs = (compute or network)(images)
        return [*(said or [outputs]), *received]
    finally:
        for handle in handles:
            handle.remove()


def _foldable(module: nn.Module) -> bool:
    if not isinstance(module, _NORMS) or module.running_mean is None:
        return False
    return type(module) in _NORMS or _has_tail(module)


def _has_tail(norm: nn.Module) -> bool:
    """Whether it is one of timm's norms, which drop and activate what they have normalised."""
    return isinstance(getattr(norm, "drop", None), nn.Module) and isinstance(getattr(norm, "act", None), nn.Module)


@contextlib.contextmanager
def folded(network: nn.Module, folds: Folds) -> Iterator[nn.Module]:
    """The network with these norms folded, while entered.

    Inside, each convolution's `weight` and `bias` are the folded ones: attributes of the instance, which Python finds
    before the parameters of those names that the module keeps.

    Raises:
        RuntimeError: a norm is in training mode, where its statistics are the batch's own.
    """
    changed: list[nn.Module] = []
    try:
        for first, second in folds:
            convolution, norm = network.get_submodule(first), network.get_submodule(second)
            if norm.training:
                raise RuntimeError(f"the norm {second} is in training mode and cannot be folded")
            weight, bias = _line(convolution, norm)
            convolution.__dict__.update(weight=weight, bias=bias)
            norm.__dict__["forward"] = _Tail(norm)
            changed += [convolution, norm]
        yield network
    finally:
        for module in changed:
            for name in ("weight", "bias", "forward"):
                module.__dict__.pop(name, None)


def fold_for_good(network: nn.Module, folds: Folds) -> None:
    """Fold these norms in place: the convolutions' parameters become the folded ones, and the norms go.

    For a network that will only predict; its names are no longer those of its weights file.
    """
    for first, second in folds:
        convolution, norm = network.get_submodule(first), network.get_submodule(second)
        if norm.training:
            raise RuntimeError(f"the norm {second} is in training mode and cannot be folded")
        with torch.no_grad():
            weight, bias = _line(convolution, norm)
        convolution.weight = nn.Parameter(weight, requires_grad=False)
        convolution.bias = nn.Parameter(bias, requires_grad=False)
        network.set_submodule(second, nn.Sequential(*_Tail(norm).parts))


class _Tail:
    """What is left of a norm: the dropout and activation of timm's, or nothing."""

    def __init__(self, norm: nn.Module) -> None:
        self.parts: tuple[nn.Module, ...] = ()
        if _has_tail(norm):
            self.parts = norm.drop, norm.act  # type: ignore[assignment]

    def __call__(self, x: Tensor) -> Tensor:
        for part in self.parts:
            x = part(x)
        return x


def _line(convolution: Any, norm: Any) -> tuple[Tensor, Tensor]:
    scale = torch.rsqrt(norm.running_var + norm.eps)
    if norm.weight is not None:
        scale = norm.weight * scale
    shift = -norm.running_mean if convolution.bias is None else convolution.bias - norm.running_mean
    bias = scale * shift if norm.bias is None else scale * shift + norm.bias
    return convolution.weight * scale.view(-1, *[1] * (convolution.weight.dim() - 1)), bias
