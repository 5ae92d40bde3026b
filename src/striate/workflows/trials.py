"""What a trial measured, found again: on the same machine, with the same versions, for the same question.

So that a second training of one plan measures nothing, and takes the same decisions as the first.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import torch

from striate.core.artifacts import read_json, write_json
from striate.core.cache import Cache
from striate.core.errors import CacheError, StriateError
from striate.core.events import Reporter
from striate.core.machine import cores, processor, versions
from striate.core.plan import Plan
from striate.infer import ready
from striate.train import noise, pilots, speed

T = TypeVar("T")

_FILE = "trial.json"
_BYTES = 2**14
_CODE = (ready, speed, pilots, noise)
_ASIDE = ("train.seed", "train.checkpoint_seconds", "execution.pack_bytes", "execution.cache_bytes")
"""Leaves of the plan that no trial hangs on, or that say what the machine has free at the moment."""


class Trials:
    """Figures of trials by what was asked.

    Args:
        cache: where they are; one of limit 0 keeps and finds nothing.
        about: what every question of a training shares, plain values.
    """

    def __init__(self, cache: Cache, about: Mapping[str, Any], reporter: Reporter) -> None:
        self.cache = cache
        self.about = {**about, "machine": _machine(), "versions": versions()}
        self.reporter = reporter

    @classmethod
    def of(cls, cache: Cache, plan: Plan, about: Mapping[str, Any], reporter: Reporter) -> Trials:
        """Of a training: all of its plan, as the rules left it, and the code that measures."""
        leaves = {key: value for key, value in plan.items() if key not in _ASIDE}
        code = [hashlib.sha256(Path(str(module.__file__)).read_bytes()).hexdigest() for module in _CODE]
        return cls(cache, {**about, "plan": leaves, "code": code}, reporter)

    def recall(self, question: Mapping[str, Any]) -> Any | None:
        """What was found for a question; None where it was never asked."""
        asked, key = self._asked(question)
        folder = self.cache.find(key)
        if folder is None:
            return None
        try:
            content = read_json(folder / _FILE)
            return content["found"] if content["asked"] == asked else None
        except (StriateError, OSError, KeyError, TypeError):
            self.cache.drop(key)
            return None

    def keep(self, question: Mapping[str, Any], found: Any) -> None:
        """Keep what was found; where that cannot be, say why."""
        asked, key = self._asked(question)
        content = {"asked": asked, "found": found}
        try:
            self.cache.keep(key, _BYTES, lambda folder: write_json(folder / _FILE, content))
        except CacheError as error:
            self.reporter.line(f"what was measured is not kept for another run: {error.message}")

    def known(self, question: Mapping[str, Any], measure: Callable[[], T], *, worth: Callable[[T], bool] = bool) -> T:
        """What was found for a question before, or is found now.

        Args:
            measure: finds it, as plain values.
            worth: whether it is kept; where the time was too short for anything it may not be another time.
        """
        found: T | None = self.recall(question)
        if found is None:
            found = measure()
            if worth(found):
                self.keep(question, found)
        return found

    def _asked(self, question: Mapping[str, Any]) -> tuple[Any, str]:
        content = json.dumps({**self.about, **question}, sort_keys=True, default=str)
        return json.loads(content), hashlib.sha256(content.encode()).hexdigest()[:40]


def time_for(most: float, share: float, left: float | None) -> float:
    """The seconds that a trial may take: at most so many, and of the time that is left a share.

    Args:
        left: seconds; None without a time budget.

    >>> time_for(15.0, 0.03, 100.0), time_for(15.0, 0.03, None)
    (3.0, 15.0)
    """
    return most if left is None else min(most, share * left)


def _machine() -> dict[str, Any]:
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else None
    return {"processor": processor(), "cores": cores(), "gpu": gpu, "cpu": torch.backends.cpu.get_cpu_capability()}
