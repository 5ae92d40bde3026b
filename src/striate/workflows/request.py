"""What the user asked for, as it is kept in the Run so that `--resume` needs nothing else."""

from __future__ import annotations

import io
import os
import platform
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from striate.core.artifacts import make_folder, write_bytes
from striate.core.errors import RunError, UsageError
from striate.core.machine import cores, memory_bytes, processor, versions
from striate.core.plan import Decision
from striate.core.run import RunFolder
from striate.data.augment._own import Origin, origin
from striate.data.relabel import read_list


@dataclass(frozen=True)
class ReadRequest:
    """How the data is to be read; the meanings are those of `striate.data.dataset.open_dataset`.

    Args:
        data: a path; None for the built-in digits; arrays are kept beside it.
        reader, task, label_depth, root, group, val, test, relabel, time: see the `train` command.
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
    relabel: str | None = None
    time: str | None = None
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
        function: where the user's own function to augment by comes from, if there is one.
        follow: names of the followers that are told of the training, see `striate.train.followers`.
    """

    read: ReadRequest
    minutes: float | None = None
    epochs: int | None = None
    weights: str | tuple[str, ...] | None = None
    overrides: dict[str, Decision] = field(default_factory=dict)
    function: Origin | None = None
    follow: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Plain values; arrays are left out, as the Run keeps them in a file of their own."""
        read = {**asdict(replace(self.read, arrays=None)), "arrays": self.read.arrays is not None}
        return {
            "read": read,
            "minutes": self.minutes,
            "epochs": self.epochs,
            "weights": list(self.weights) if isinstance(self.weights, tuple) else self.weights,
            "overrides": {key: [one.value, one.because, one.by] for key, one in self.overrides.items()},
            "function": None if self.function is None else asdict(self.function),
            "follow": list(self.follow),
        }

    @classmethod
    def from_dict(cls, content: dict[str, Any], arrays: dict[str, NDArray[Any]] | None) -> Request:
        """The request that `to_dict` came from. Raises `RunError` where it is not one."""
        if content.get("read", {}).get("arrays") and arrays is None:
            raise RunError("the Run has no arrays.npz: it was stopped before its data was kept", fix="train again")
        try:
            read = ReadRequest(**{**content["read"], "arrays": arrays})
            overrides = {key: Decision(*one) for key, one in content["overrides"].items()}
            function = content.get("function")  # a Run that was begun before it was kept has none
            origin = None if function is None else Origin(**function)
            follow = tuple(content.get("follow", ()))
            weights = content["weights"]
            weights = tuple(weights) if isinstance(weights, list) else weights
            return cls(read, content["minutes"], content["epochs"], weights, overrides, origin, follow)
        except (KeyError, TypeError) as error:
            raise RunError(f"environment.json does not hold the request of this Run: {error}") from error


def refuse_inside(read: ReadRequest, place: Path, flag: str) -> None:
    """Raise `UsageError` where a place to write to, given by a flag, is inside of the data."""
    folders = [Path(path).resolve() for path in (read.data, read.val, read.test, read.root) if path is not None]
    within = next((one for one in folders if one.is_dir() and place.resolve().is_relative_to(one)), None)
    if within is not None:
        raise UsageError(f"{place} is inside of {within}, and data are not altered", fix=f"name another {flag}")


def refuse_unwritable(file: Path, flag: str) -> None:
    """Raise `UsageError` where a file, given by a flag, cannot be written: said before the work, not after it."""
    folder = file.absolute().parent
    if not folder.is_dir():
        raise UsageError(f"{file} cannot be written: {folder} is no folder", fix=f"make it, or name another {flag}")
    if file.is_dir():
        raise UsageError(f"{file} is a folder, and a file is to be written there", fix=f"name a file by {flag}")
    if not os.access(file if file.exists() else folder, os.W_OK):
        raise UsageError(f"{file} cannot be written: it is not yours to write there", fix=f"name another {flag}")


def keep_given(run: RunFolder, request: Request) -> Request:
    """Copy what was given with a request into a new Run: arrays, the list of corrected labels, and the split file under
    its name; one that is missing is said when it is read.

    Returns:
        the request by what the Run keeps.

    Raises:
        DataError: the list of corrected labels cannot be read.
    """
    if request.read.arrays is not None:
        write_bytes(run.arrays, array_bytes(request.read.arrays))
    if request.read.relabel is not None:
        write_bytes(run.relabel, read_list(request.read.relabel).encode("utf-8", "surrogateescape"))
    file = _split_file(request.overrides)
    if file is not None and file.is_file():
        make_folder(run.given)
        write_bytes(run.given / file.name, file.read_bytes())
    return kept_list(run, request)


def kept_list(run: RunFolder, request: Request) -> Request:
    """The request by the list of corrected labels that the Run keeps: the user's may have changed since."""
    if request.read.relabel is None or not run.relabel.exists():
        return request
    return replace(request, read=replace(request.read, relabel=str(run.relabel)))


def given_split(run: RunFolder | None, overrides: Mapping[str, Decision]) -> str | None:
    """The split file that was given, or the copy that the Run keeps where the user's has gone or changed since."""
    file = _split_file(overrides)
    if file is None:
        return None
    copy = None if run is None else run.given / file.name
    if copy is None or not copy.exists() or (file.is_file() and file.read_bytes() == copy.read_bytes()):
        return str(file)
    return str(copy)


def _split_file(overrides: Mapping[str, Decision]) -> Path | None:
    found = overrides.get("split.file")
    return None if found is None or found.value is None else Path(found.value)


def own_function(overrides: Mapping[str, Decision]) -> Origin | None:
    """Where the function that is to augment comes from; None where none is named. Raises `UsageError`."""
    named = overrides.get("augment.function")
    return None if named is None or named.value is None else origin(named.value, os.getcwd())


def check_function(request: Request) -> None:
    """Load the request's function from where it was. Raises `RunError` where it is another by now."""
    if request.function is None:
        return
    name = request.overrides["augment.function"].value
    found = origin(name, request.function.folder)
    if (found.file, found.digest) != (request.function.file, request.function.digest):
        raise RunError(
            f"{request.function.file}, which holds {name}, is not what it was when training began"
            + (f"; {found.file} was found in its place" if found.file != request.function.file else ""),
            fix="bring the file back as it was, or train anew",
        )


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
