"""Weights of a library's network for the same network of ours: whose tensor is which.

No table of names: two networks that are the same do the same in the same order. So tensors pair by what they are
(weight, bias, mean, …), their shape, and the order in which the modules that hold them are first entered in a forward
pass, which both networks make on the meta device, without memory. Where the order is not the same, outputs differ, and
the tests that compare them say so for every family.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn

from striate.core.errors import WeightsError
from striate.core.wording import some
from striate.nets.detectors import DETECTORS
from striate.nets.families import FAMILIES, REFERENCES, RENAMES, Reference, reference_of
from striate.nets.libraries import HARMLESS
from striate.nets.spec import FILES, Base, checked, form_of, read_base, resolve
from striate.nets.weights import Weights

CLASSES = 1000
_ROLES = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
_SHOWN = 5
_Kind: TypeAlias = tuple[str, tuple[int, ...]]


def translated(weights: Weights, family: str, arguments: Mapping[str, Any]) -> Weights:
    """Weights under the names that a family's network gives them; the same where they have these, or others.

    Args:
        weights: of the family's network, or of one that the family's file declares to be the same.
        family: the network's name, or a file of edits of it; one that is no family's is not looked at. Of a detector
            the backbone is meant, unless the weights are a detector's.
        arguments: of the family.

    Raises:
        WeightsError: the two networks are not the same; or a file of edits changes another than the weights'.
    """
    if form_of(family) == "boxes":
        body = _backbone(family, arguments)
        return weights if body is None or weights.task == "detect" else translated(weights, *body)
    base = read_base(family)
    if base is not None:
        family, arguments = base.name, base.arguments
        _check_base(weights, base)
    if family not in FAMILIES:
        return weights
    sidecar = weights.sidecar
    if sidecar is not None and sidecar["network"] != family:
        reference = reference_of(family, sidecar["network"], sidecar["arguments"])
        if reference is None or _meaning(family, arguments) != _meaning(family, reference.arguments):
            return weights  # of another network (all tensors can fit, and the padding not), as loading them will say
        names = {theirs: ours for ours, theirs in library_names(family, reference).items()}
        return replace(weights, tensors={names.get(name, name): one for name, one in weights.tensors.items()})
    rename = RENAMES.get(family, str)
    tensors = {rename(name): tensor for name, tensor in weights.tensors.items()}
    return weights if list(tensors) == list(weights.tensors) else replace(weights, tensors=tensors)


def hub_network(family: str, arguments: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
    """The library's network, and its arguments, whose hub has weights for a family; itself for a library's.

    Args:
        family: a family, or a library's network; of a detector its backbone is meant.
        arguments: of it.

    Raises:
        WeightsError: no library has the family's network, or none with these arguments.

    >>> hub_network("resnet50", {})
    ('torchvision/resnet50', {})
    """
    body = _backbone(family, arguments)
    if body is not None:
        return hub_network(*body)
    base = read_base(family)
    if base is not None:
        family, arguments = base.name, base.arguments
    if family not in FAMILIES:
        return family, arguments
    found = [one for one in REFERENCES.get(family, ()) if not one.network_arguments]
    for reference in found:
        if _meaning(family, reference.arguments) == _meaning(family, arguments):
            return reference.network, {}
    raise WeightsError(
        f"no library's hub has weights for {family}" + (f" with {', '.join(arguments)}" if found else ""),
        fix="leave its arguments out" if found else "give --weights FILE, or train from scratch with --weights none",
    )


def library_names(family: str, reference: Reference) -> dict[str, str]:
    """Our names of a family's tensors, each with the library's.

    Raises:
        WeightsError: a tensor of either has no counterpart.
    """
    side = reference.size
    ours, theirs = (
        checked(resolve(name, outputs=CLASSES, channels=3, height=side, width=side, arguments=arguments))
        for name, arguments in ((family, reference.arguments), (reference.network, reference.network_arguments))
    )
    device = next(ours.parameters()).device
    images = torch.zeros(1, 3, side, side, device=device)
    return pair(ours, theirs.to(device), images)


def pair(ours: nn.Module, theirs: nn.Module, images: Tensor) -> dict[str, str]:
    """The names of one network's tensors, each with that of its counterpart in the other.

    Args:
        ours, theirs: on one device, which may be "meta"; in evaluation mode.
        images: that both take.

    Raises:
        WeightsError: a tensor has no counterpart.

    >>> first = nn.Sequential(nn.Conv2d(3, 4, 1), nn.Conv2d(4, 4, 1))
    >>> second = nn.Sequential(nn.Sequential(nn.Conv2d(3, 4, 1)), nn.Identity(), nn.Conv2d(4, 4, 1))
    >>> pair(first, second, torch.zeros(1, 3, 2, 2))
    {'0.weight': '0.0.weight', '0.bias': '0.0.bias', '1.weight': '2.weight', '1.bias': '2.bias'}
    """
    waiting: dict[_Kind, list[str]] = {}
    for name, kind in _in_order(theirs, images):
        waiting.setdefault(kind, []).append(name)
    names, alone = {}, []
    for name, kind in _in_order(ours, images):
        if waiting.get(kind):
            names[name] = waiting[kind].pop(0)
        else:
            alone.append(name)
    left = [name for rest in waiting.values() for name in rest]
    if alone or left:
        raise WeightsError(
            "the networks are not the same: "
            + " and ".join(
                f"{some(one, _SHOWN)} of the {which}" for one, which in ((alone, "one"), (left, "other")) if one
            )
            + " have no counterpart"
        )
    return {name: names[name] for name in ours.state_dict()}


def _backbone(name: str, arguments: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]] | None:
    """The name and the arguments of a detector's backbone; None where the name is of none, or of a file."""
    if name.endswith(FILES) or form_of(name) != "boxes":
        return None
    return arguments.get("backbone", DETECTORS.get(name).published), arguments.get("backbone_arguments", {})


def _check_base(weights: Weights, base: Base) -> None:
    """Refuse weights of another network than edits change: some tensors of any two fit by name and shape."""
    sidecar = weights.sidecar
    if sidecar is None:
        return
    network, arguments = sidecar["network"], sidecar["arguments"]
    if base.name in FAMILIES:
        reference = reference_of(base.name, network, arguments)
        meant = arguments if network == base.name else None if reference is None else reference.arguments
        same = meant is not None and _meaning(base.name, meant) == _meaning(base.name, base.arguments)
    else:
        kept = [
            {key: one for key, one in given.items() if not key.startswith(HARMLESS)}
            for given in (base.arguments, arguments)
        ]
        same = network == base.name and kept[0] == kept[1]
    if not same:
        raise WeightsError(
            f"{weights.source} is of {network} with arguments {sidecar['arguments']}, and the edits change {base.name} "
            f"with {base.arguments}",
            fix="make them agree",
        )


def _in_order(module: nn.Module, images: Tensor) -> Iterator[tuple[str, _Kind]]:
    """The tensors of a state_dict as they are first used, with what tells them apart."""
    entered: dict[str, None] = {}
    handles = [
        part.register_forward_pre_hook(lambda _, __, name=name: entered.setdefault(name))
        for name, part in module.named_modules()
    ]
    try:
        with torch.no_grad():
            module(images)
    finally:
        for handle in handles:
            handle.remove()
    state = module.state_dict()
    by_owner: dict[str, list[str]] = {}
    for name in state:
        by_owner.setdefault(name.rpartition(".")[0], []).append(name)
    for owner in [*entered, *(one for one in by_owner if one not in entered)]:
        for name in by_owner.get(owner, ()):
            role = name.rpartition(".")[2]
            yield name, (role if role in _ROLES else "", tuple(state[name].shape))


def _meaning(family: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """A family's arguments, those left out too, without such as change no weight's meaning."""
    defaults = {name: one.default for name, one in inspect.signature(FAMILIES.get(family)).parameters.items()}
    given = {**defaults, **arguments}
    return {
        name: tuple(value) if isinstance(value, list) else value  # a list, as a file holds it
        for name, value in given.items()
        if name != "outputs" and not name.startswith(HARMLESS)
    }
