"""What is where in any network: the head, and the parameters by depth."""

from __future__ import annotations

from torch import nn

from striate.core.errors import NetworkError
from striate.nets.detectors._detector import Detector

_LAYERS = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)


def head_name(module: nn.Module) -> str:
    """The dotted name of the layer that makes the outputs: the last `nn.Linear` or convolution.

    timm says which it is; families call it `head`, whatever it is; elsewhere it is the last one registered. Of a
    detector it is no layer: all that takes the body's maps, which is as new to pretrained weights as a layer elsewhere.

    Raises:
        NetworkError: there is none.
    """
    if isinstance(module, Detector):
        return "head"
    said = (getattr(module, "pretrained_cfg", None) or {}).get("classifier")
    said = said[0] if isinstance(said, list | tuple) and said else said
    if isinstance(said, str):
        inside = [name for name in _layers(module) if name == said or name.startswith(said + ".")]
        if inside:
            return inside[-1]
    named = dict(module.named_children()).get("head")
    if named is not None and next(named.parameters(recurse=False), None) is not None:
        return "head"
    found = _layers(module)
    if not found or not found[-1]:
        raise NetworkError("the network has no dense or convolutional layer that could be its head")
    return found[-1]


def head_parameters(module: nn.Module) -> list[str]:
    """The names of the head's parameters."""
    head = head_name(module)
    return [name for name, _ in module.named_parameters() if name.startswith(head + ".")]


def unsafe_channels_last(module: nn.Module) -> str | None:
    """The dotted name of a layer that must not be trained channels-last on a processor; None where there is none.

    torch 2.14 writes beyond its memory in the backward pass of a strided 1×1 convolution of fewer than 16 channels laid
    out so (measured with AVX-512 on an AMD EPYC, from 64 px on: the process dies, or does not).
    """
    for name, layer in module.named_modules():
        if isinstance(layer, nn.Conv2d):
            narrow = layer.in_channels // layer.groups < 16
            if narrow and max(layer.kernel_size) == 1 and max(layer.stride) > 1:
                return str(name)
    return None


def stem_name(module: nn.Module) -> str | None:
    """The dotted name of the first convolution, which sees the pixels; None where there is none."""
    return next((name for name in _layers(module) if not isinstance(module.get_submodule(name), nn.Linear)), None)


def depth_groups(module: nn.Module) -> list[list[str]]:
    """Every parameter's name once, in groups from the stem to the head.

    Lists of modules are opened, blocks are not; a norm goes with the layer before it; the last group is the head. The
    body of a detector is opened too.

    >>> from collections import OrderedDict
    >>> layers = OrderedDict(conv=nn.Conv2d(1, 2, 3), norm=nn.BatchNorm2d(2), head=nn.Linear(2, 3))
    >>> depth_groups(nn.Sequential(layers))
    [['conv.weight', 'conv.bias', 'norm.weight', 'norm.bias'], ['head.weight', 'head.bias']]
    """
    parameters = dict(module.named_parameters())
    head = head_parameters(module)
    groups: list[list[str]] = []
    inside = _units(module.body, "body.") if isinstance(module, Detector) else _units(module, "")
    for names in inside:
        names = [name for name in names if name in parameters and name not in head]
        if not names:
            continue
        if groups and all(parameters[name].dim() < 2 for name in names):
            groups[-1] += names
        else:
            groups.append(names)
    return [*groups, head]


def _units(module: nn.Module, prefix: str) -> list[list[str]]:
    """The parameters of each part, opening the module itself and lists of modules below it."""
    units: list[list[str]] = []
    for name, child in module.named_children():
        if type(child) in (nn.Sequential, nn.ModuleList):
            units += _units(child, f"{prefix}{name}.")
        else:
            units.append([f"{prefix}{name}.{inner}" for inner, _ in child.named_parameters()])
    # What a network holds itself (tokens, positions) goes in with its stem.
    own = [prefix + name for name, _ in module.named_parameters(recurse=False)]
    return [own + units[0], *units[1:]] if units else [own]


def _layers(module: nn.Module) -> list[str]:
    return [name for name, layer in module.named_modules() if isinstance(layer, _LAYERS)]
