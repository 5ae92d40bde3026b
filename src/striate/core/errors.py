"""Every error a user can meet, and the nearest-name helper that makes them useful.

StriateError
├── UsageError          the call cannot be understood (exit status 2)
│   ├── UnknownName     a misspelt name, with the nearest right one
│   └── PlanError       a plan file or an override cannot be used
├── DataError           the data cannot be used as it is
├── NetworkError        a network cannot be built, or does not fit its input
├── WeightsError        a weights file cannot be used
├── RunError            a Run folder cannot be used
│   ├── RunLocked       another process is writing into it
│   └── CheckpointError no whole checkpoint
├── DiskFull            nothing was lost; make room and go on
├── CacheError          the cache cannot take something, on which nothing depends
├── NonFinite           a loss or gradient is not a number
├── ParityError         an exported file disagrees with its model
└── Interrupted         stopped on request, after saving
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from typing import Any


class StriateError(Exception):
    """A mistake or mishap that the user can act on: what happened, what was expected, and the fix.

    Args:
        message: what happened and what was expected, in one or two sentences.
        fix: what to do about it, in the imperative; printed on a line of its own.
        details: what is too long for a sentence, by name; `--json` prints it.
    """

    exit_status = 1

    def __init__(self, message: str, fix: str | None = None, details: Mapping[str, Any] | None = None) -> None:
        self.message = message
        self.fix = fix
        self.details = dict(details or {})
        super().__init__(message if fix is None else f"{message}\n  fix: {fix}")


class UsageError(StriateError):
    """The call cannot be understood: a flag, a value or a name."""

    exit_status = 2


class UnknownName(UsageError):
    """A name that nothing answers to.

    >>> print(UnknownName("loss", "cross_entrpy", ["cross_entropy", "huber"]))
    there is no loss 'cross_entrpy'; did you mean 'cross_entropy'?
      fix: choose one of: cross_entropy, huber
    """

    def __init__(self, kind: str, name: str, known: Iterable[str]) -> None:
        known = sorted(known)
        near = nearest(name, known)
        shown = ", ".join(known[:40]) + (", …" if len(known) > 40 else "")
        super().__init__(
            f"there is no {kind} {name!r}" + (f"; did you mean {near!r}?" if near else ""),
            fix=f"choose one of: {shown}" if known else None,
        )


class DataError(StriateError):
    """The data cannot be used as it is."""


class PlanError(UsageError):
    """A plan file or an override cannot be used."""


class NetworkError(StriateError):
    """A network cannot be built, or does not fit its input."""


class WeightsError(StriateError):
    """A weights file cannot be used."""


class RunError(StriateError):
    """A Run folder cannot be used."""


class RunLocked(RunError):
    """Another process is writing into the Run."""


class CheckpointError(RunError):
    """No whole checkpoint could be read."""


class DiskFull(StriateError):
    """The disk is full; what had been written whole before is still there."""


class CacheError(StriateError):
    """The cache cannot take something. Nothing depends on it: what it would have kept can be made again."""


class NonFinite(StriateError):
    """A loss, gradient or output is not a finite number."""


class ParityError(StriateError):
    """An exported file disagrees with the model it came from."""


class Interrupted(StriateError):
    """Stopped on request, after saving."""


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name most like `name`, or None when nothing is.

    >>> nearest("trian", ["train", "plan"])
    'train'
    """
    found = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
    return found[0] if found else None
