"""Followers of a training, a file each: what other tools draw its curves from. None of them can touch its weights."""

from __future__ import annotations

import importlib.util
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from typing import ClassVar

from striate.core.errors import UsageError
from striate.core.plan import Plan
from striate.core.registry import Registry
from striate.core.run import RunFolder


class Follower(ABC):
    """Writes the figures of one Run somewhere. Whatever it raises, the training goes on without it.

    A training that goes on from a checkpoint comes by some steps again; they must stand once in what is written.

    Args:
        run: the Run's folder, where state of its own may be kept.
        plan: the Run's, resolved.
    """

    package: ClassVar[str]
    """What must be installed for it."""

    def __init__(self, run: RunFolder, plan: Plan) -> None:
        self.run, self.plan = run, plan

    @abstractmethod
    def figures(self, step: int, values: Mapping[str, float]) -> None:
        """Figures at a step, by name: `train/loss`, `train/rate`, `val/accuracy`, …; all are finite."""

    def finished(self) -> None:  # noqa: B027  # not every tool keeps files
        """The Run is whole: its metrics, Model and report are there. It may be told so more than once."""

    def close(self) -> None:  # noqa: B027
        """Training is over for now."""


FOLLOWERS: Registry[type[Follower]] = Registry("follower", "striate.train.followers")


def absent(names: Iterable[str]) -> list[str]:
    """Which of these followers lack their package. Raises `UnknownName`."""
    return [name for name in names if importlib.util.find_spec(FOLLOWERS.get(name).package) is None]


def require(names: Iterable[str]) -> None:
    """Raise `UsageError` where a follower's package is not installed."""
    for name in absent(names):
        package = FOLLOWERS.get(name).package
        raise UsageError(f"--{name} needs {package}, which is not installed", fix=f'pip install "striate[{name}]"')
