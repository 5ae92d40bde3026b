"""Families: architectures by name, a file each, every one a page of data."""

from __future__ import annotations

from collections.abc import Callable

from striate.core.registry import Registry
from striate.nets.network import Network

Family = Callable[..., Network]

FAMILIES: Registry[Family] = Registry("family", "striate.nets.families")

__all__ = ["FAMILIES", "Family"]
