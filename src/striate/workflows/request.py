"""What the user asked for, as it is kept in the Run so that `--resume` needs nothing else."""

from __future__ import annotations

import io
import platform
import time
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from striate.core.errors import RunError
from striate.core.machine import cores, memory_bytes, processor, versions
from striate.core.plan import Decision


@dataclass(frozen=True)
class ReadRequest:
    """How the data is to be read; the meanings are those of `striate.data.dataset.open_dataset`.

    Args:
        data: a path; None for the built-in digits; arrays are kept beside it.
        reader, task, label_depth, root, group, val, test: see the `train` command.
        arrays: arrays by name, in place of a path.
    """

    data: str | None = None
    reader: str | None = None
    task: str | None = None
    label_depth: int | None = None
    root: str | None = None
    group: str | None = None
    val: str | None = None
    test: str | None = None
    arrays: dict[str, NDArray[Any]] | None = field(default=None, compare=False)

    @property
    def name(self) -> str:
        """What a Run of this data is called."""
        if self.arrays is not None:
            return "arrays"
        return "digits" if self.data is None else self.data.rstrip("/").rsplit("/", 1)[-1].split(".")[0] or "data"


@dataclass(frozen=True)
class Request:
    """One training as it was asked for.

    Args:
        read: how the data is read.
        minutes, epochs: the budget.
        weights: a weights file, a Run, "hub", or None; or several files and Runs to choose from.
        overrides: the user's decisions by dotted key, checked.
    """

    read: ReadRequest
    minutes: float | None = None
    epochs: int | None = None
    weights: str | tuple[str, ...] | None = None
    overrides: dict[str, Decision] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Plain values; arrays are left out, as the Run keeps them in a file of their own."""
        read = {**asdict(replace(self.read, arrays=None)), "arrays": self.read.arrays is not None}
        return {
            "read": read,
            "minutes": self.minutes,
            "epochs": self.epochs,
            "weights": list(self.weights) if isinstance(self.weights, tuple) else self.weights,
            "overrides": {key: [one.value, one.because, one.by] for key, one in self.overrides.items()},
        }

    @classmethod
    def from_dict(cls, content: dict[str, Any], arrays: dict[str, NDArray[Any]] | None) -> Request:
        """The request that `to_dict` came from. Raises `RunError` where it is not one."""
        if content.get("read", {}).get("arrays") and arrays is None:
            raise RunError("the Run has no arrays.npz: it was stopped before its data was kept", fix="train again")
        try:
            read = ReadRequest(**{**content["read"], "arrays": arrays})
            overrides = {key: Decision(*one) for key, one in content["overrides"].items()}
            weights = content["weights"]
            weights = tuple(weights) if isinstance(weights, list) else weights
            return cls(read, content["minutes"], content["epochs"], weights, overrides)
        except (KeyError, TypeError) as error:
            raise RunError(f"environment.json does not hold the request of this Run: {error}") from error


def environment(request: Request) -> dict[str, Any]:
    """What decides a result beside the plan: the request, the machine, the versions."""
    return {
        "created": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "request": request.to_dict(),
        "machine": {
            "processor": processor(),
            "cores": cores(),
            "memory_bytes": memory_bytes(),
            "system": platform.platform(),
        },
        "versions": versions(),
    }


def array_bytes(arrays: dict[str, NDArray[Any]]) -> bytes:
    """Arrays as the bytes of an `.npz` that holds no objects."""
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **arrays)
    return buffer.getvalue()
