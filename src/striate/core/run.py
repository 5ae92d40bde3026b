"""A Run on disk: its files by name, its lock, its version. Knows where things are, not what they mean."""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import time
from pathlib import Path
from typing import Any

from striate.core.artifacts import make_folder, read_json, write_json
from striate.core.errors import RunError, RunLocked

FORMAT = 1


class RunFolder:
    """The folder of one Run.

    Args:
        path: the folder; it need not exist yet.
    """

    def __init__(self, path: Path) -> None:
        self.path = Path(path)
        self.plan = self.path / "plan.yaml"
        self.audit = self.path / "audit.json"
        self.split = self.path / "split.csv"
        self.learnt = self.path / "learnt.csv"
        self.relabel = self.path / "relabel.csv"
        self.network = self.path / "network.json"
        self.weights = self.path / "weights.json"
        self.history = self.path / "history.jsonl"
        self.metrics = self.path / "metrics.json"
        self.predictions = self.path / "predictions.csv"
        self.scores = self.path / "scores.npz"
        self.environment = self.path / "environment.json"
        self.report = self.path / "report.html"
        self.figures = self.path / "figures"
        self.checkpoints = self.path / "checkpoints"
        self.model = self.path / "model"
        self.arrays = self.path / "arrays.npz"
        self.range_test = self.path / "range_test.json"
        self.diagnosis = self.path / "diagnosis.json"
        self.leak = self.path / "leak.json"
        self.earlier = self.path / "earlier"
        self.folds = self.path / "folds"
        self.held_out = self.path / "held_out.npz"
        self.given = self.path / "given"
        self._lock: int | None = None

    def fold(self, number: int) -> RunFolder:
        """The Run of one fold, from 1 on; it need not exist yet."""
        return RunFolder(self.folds / str(number))

    @classmethod
    def create(cls, path: Path, environment: dict[str, Any]) -> RunFolder:
        """Make a new Run and lock it.

        Args:
            environment: the call, machine and versions; written first, so that a run killed at any moment after
                can be resumed.

        Raises:
            RunError: the folder holds something already.
        """
        run = cls(path)
        if run.path.exists() and (not run.path.is_dir() or any(run.path.iterdir())):
            known = run.environment.exists()
            raise RunError(
                f"{path} is not empty" + (": a Run is in it" if known else ""),
                fix=f"go on with `striate train --resume {path}`, or choose another --out"
                if known
                else "choose another --out",
            )
        make_folder(run.path)
        run.lock()
        write_json(run.environment, {"striate_run": FORMAT, **environment})
        return run

    @classmethod
    def open(cls, path: str | Path) -> RunFolder:
        """An existing Run. Raises `RunError` where there is none, or one of another version."""
        run = cls(Path(path))
        if not run.environment.exists():
            raise RunError(
                f"{path} is not a Run: it has no environment.json"
                if run.path.exists()
                else f"there is no Run at {path}",
                fix="list the Runs with `striate runs`",
            )
        found = run.read_environment().get("striate_run")
        if found != FORMAT:
            raise RunError(
                f"{path} is a Run of version {found}; this striate reads version {FORMAT}",
                fix="use the striate that wrote it (its version is in environment.json), or train again",
            )
        return run

    def read_environment(self) -> dict[str, Any]:
        """The call, machine and versions of this Run."""
        content = read_json(self.environment)
        if not isinstance(content, dict):
            raise RunError(f"{self.environment} does not hold a JSON object")
        return content

    def lock(self) -> None:
        """Claim the folder for this process until it ends.

        A POSIX record lock, not `flock`: an inherited `flock` outlives a killed parent while its workers live.

        Raises:
            RunLocked: another process is writing into it.
        """
        handle = os.open(self.path / ".lock", os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.lockf(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(handle)
            if error.errno not in (errno.EACCES, errno.EAGAIN):
                raise RunError(
                    f"{self.path} cannot be locked: {error.strerror}", fix="choose an --out on a disk that has locks"
                ) from error
            raise RunLocked(
                f"another process is training into {self.path}", fix="wait for it, stop it, or choose another --out"
            ) from None
        self._lock = handle

    def discard(self, *, stays: bool) -> None:
        """Remove all that is in it, where there is nothing to go on with.

        Args:
            stays: whether its folder does, empty as it was found.
        """
        shutil.rmtree(self.path, ignore_errors=True)
        if stays:
            make_folder(self.path)

    def unlock(self) -> None:
        """Release the claim."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


def new_path(parent: Path, name: str) -> Path:
    """A folder in `parent` that does not exist yet, named after the data and the time."""
    stamp = time.strftime("%Y%m%d-%H%M%S")
    path = parent / f"{name}-{stamp}"
    number = 1
    while path.exists():
        number += 1
        path = parent / f"{name}-{stamp}-{number}"
    return path


def list_runs(parent: Path) -> list[RunFolder]:
    """The Runs in a folder, oldest first. Those of another version are included; opening one says so."""
    if not parent.is_dir():
        return []
    found = [path.parent for path in parent.glob("*/environment.json")]
    if (parent / "environment.json").exists():
        found.append(parent)
    return [RunFolder(path) for path in sorted(found, key=lambda path: (path / "environment.json").stat().st_mtime)]
