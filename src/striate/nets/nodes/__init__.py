"""The words of the node language, a small file a group; `striate.nets` has them all by name."""

from __future__ import annotations

from striate.core.registry import Registry
from striate.nets.node import Node

NODES: Registry[type[Node]] = Registry("node", "striate.nets.nodes")

__all__ = ["NODES"]
