"""Families: architectures by name, a file each, every one a page of data."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from striate.core.registry import Registry
from striate.nets.network import Network

Family = Callable[..., Network]

FAMILIES: Registry[Family] = Registry("family", "striate.nets.families")


@dataclass(frozen=True)
class Reference:
    """The same network in a library, against which a family is proved and whose weights it takes.

    Args:
        network: "torchvision/NAME" or "timm/NAME".
        arguments: of the family, with which it is that network.
        network_arguments: of the library's network.
        size: side of the pictures that both take, in pixels.
    """

    network: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    network_arguments: Mapping[str, Any] = field(default_factory=dict)
    size: int = 224


REFERENCES: dict[str, list[Reference]] = {}
"""By family; each family's file adds its own with `same_as`, the plain one first."""

RENAMES: dict[str, Callable[[str], str]] = {}
"""By family: from the names of tensors in weights files that circulate to ours; each family's file adds its own."""


_GRIDS: set[str] = set()


def gives_grid(family: str) -> None:
    """Declare that a family ends in a grid: no task with one target a sample can use it."""
    _GRIDS.add(family)


def in_grid(family: str) -> bool:
    """Whether a name is of a family that gives outputs for each position, or of such a library."""
    return family.startswith("smp/") or (family in FAMILIES and family in _GRIDS)  # the middle one loads them


def same_as(family: str, network: str, **about: Any) -> None:
    """Declare that a family is a library's network.

    Args:
        about: `arguments`, `network_arguments`, `size` of `Reference`.
    """
    REFERENCES.setdefault(family, []).append(Reference(network, **about))


def reference_of(family: str, network: str, network_arguments: Mapping[str, Any]) -> Reference | None:
    """The declaration that a family is this network of a library, with these arguments; None where there is none."""
    if family not in FAMILIES:
        return None
    found = REFERENCES.get(family, ())
    fits = (one for one in found if one.network == network and dict(one.network_arguments) == dict(network_arguments))
    return next(fits, None)


__all__ = [
    "FAMILIES",
    "REFERENCES",
    "RENAMES",
    "Family",
    "Reference",
    "gives_grid",
    "in_grid",
    "reference_of",
    "same_as",
]
