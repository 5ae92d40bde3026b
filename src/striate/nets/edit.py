"""Networks changed: of nodes as values, of any kind as copies; and weights that still fit are carried over.

An edit that finds nothing to change is refused: a network that is not what its user believes is worse than an error.
"""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import overload

import torch
from torch import nn

from striate.core.errors import NetworkError, UsageError
from striate.core.wording import some
from striate.nets.edits import Edit
from striate.nets.network import Network
from striate.nets.node import Shape

_SHOWN = 5


@overload
def edit(network: Network, *edits: Edit) -> Network: ...
@overload
def edit(network: nn.Module, *edits: Edit, shape: Shape) -> nn.Module: ...
def edit(network: Network | nn.Module, *edits: Edit, shape: Shape | None = None) -> Network | nn.Module:
    """A network after some changes, one after another; the given one stays as it is.

    Args:
        network: of nodes (a family's, a file's, your own); or any module, of which a copy is changed and what stays
            keeps its names and weights.
        edits: what to change.
        shape: of one sample of a module's input, (C, *grid).

    Raises:
        NetworkError: an edit finds nothing to change, or cannot change this module.
        UsageError: a module without a shape, or a network with one.

    >>> from striate.nets import FAMILIES, ChangeStem, InsertAfterStages, SqueezeExcite, SwapActivation
    >>> before = FAMILIES.get("resnet18")(10)
    >>> after = edit(before, ChangeStem(1, pool=False), InsertAfterStages(SqueezeExcite()), SwapActivation("silu"))
    >>> carry(before.build((3, 32, 32)), after.build((3, 32, 32))).describe()[:17]
    '122 tensors kept;'
    >>> from torchvision.models import resnet18
    >>> net = edit(resnet18(), InsertAfterStages(SqueezeExcite()), shape=(3, 64, 64))
    >>> [name for name, _ in net.layer1.named_children()]
    ['0', '1', '1_excite']
    """
    if isinstance(network, nn.Module):
        if shape is None:
            raise UsageError("the shape of a module's input is not known", fix="give shape=(C, H, W)")
        return edited(copy.deepcopy(network), edits, shape)
    if shape is not None:
        raise UsageError("a network of nodes is edited whatever its input", fix="leave shape out")
    for number, one in enumerate(edits, 1):
        with _told(number, one):
            network = one.apply(network)
    return network


def edited(module: nn.Module, edits: Sequence[Edit], shape: Shape) -> nn.Module:
    """A module after some changes, which may be made in place; see `edit`."""
    for number, one in enumerate(edits, 1):
        with _told(number, one):
            module = one.apply_to_module(module, shape)
    return module


@contextlib.contextmanager
def _told(number: int, one: Edit) -> Iterator[None]:
    """Which edit it was, ahead of what it says."""
    try:
        yield
    except NetworkError as error:
        raise NetworkError(f"edit {number} `{type(one).__name__}`: {error.message}", error.fix) from (
            error.__cause__ or error
        )


@dataclass(frozen=True)
class Carried:
    """What became of each tensor.

    Args:
        kept: names of those that were taken over.
        new: names that only the new network has.
        dropped: names that only the old one had.
        reshaped: names of both, in other shapes: these are new, too.
    """

    kept: tuple[str, ...]
    new: tuple[str, ...]
    dropped: tuple[str, ...]
    reshaped: tuple[str, ...]

    def describe(self) -> str:
        """One sentence for the user."""
        parts = [f"{len(self.kept)} tensors kept"]
        for what, names in (("new", self.new), ("dropped", self.dropped), ("of another shape", self.reshaped)):
            if names:
                parts.append(f"{what}: {some(names, _SHOWN)}")
        return "; ".join(parts)


@torch.no_grad()
def carry(before: nn.Module, after: nn.Module) -> Carried:
    """Give a changed network the weights of the old one that still fit, by name and shape.

    Args:
        before: the network as it was.
        after: as it is now; changed in place.

    Returns:
        what was kept and what was not.
    """
    old, new = before.state_dict(), after.state_dict()
    both = [name for name in new if name in old]
    kept = tuple(name for name in both if old[name].shape == new[name].shape)
    for name in kept:
        new[name].copy_(old[name])
    return Carried(
        kept,
        tuple(name for name in new if name not in old),
        tuple(name for name in old if name not in new),
        tuple(name for name in both if old[name].shape != new[name].shape),
    )
