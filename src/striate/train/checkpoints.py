"""Checkpoints: written aside, hashed, flushed, renamed, and only then are older ones removed.

`checkpoints/step-00001200/` holds `model.safetensors`, `optimizer.safetensors`, `state.json` and `MANIFEST.json` with
the SHA-256 of each. The manifest is written last, so a folder without one was never finished.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from pathlib import Path
from typing import Any

from striate.core.artifacts import make_folder, read_json, sha256, sync_folder, write_json
from striate.core.errors import CheckpointError, StriateError
from striate.core.events import Reporter
from striate.core.tensors import read_tensors, write_tensors
from striate.train.state import Counters, State

FORMAT = 1
KEPT = 2
_PARTS = ("model.safetensors", "optimizer.safetensors", "state.json")


def save_checkpoint(folder: Path, state: State) -> Path:
    """Write the state as the newest checkpoint and remove those that are no longer needed.

    Kept are the last two and the best. A process killed at any point leaves the older ones whole.

    Args:
        folder: the Run's `checkpoints`.

    Raises:
        DiskFull: no room; the older checkpoints stand.
    """
    make_folder(folder)
    path = folder / _name(state.counters.step)
    aside = folder / f".{path.name}.part"
    shutil.rmtree(aside, ignore_errors=True)
    make_folder(aside)
    try:
        manifest = {
            "model.safetensors": write_tensors(aside / "model.safetensors", state.model_tensors()),
            "optimizer.safetensors": write_tensors(aside / "optimizer.safetensors", state.optimizer_tensors()),
        }
        write_json(aside / "state.json", {"striate_checkpoint": FORMAT, **state.counters_dict()})
        write_json(aside / "MANIFEST.json", {**manifest, "state.json": sha256(aside / "state.json")})
    except StriateError:
        shutil.rmtree(aside, ignore_errors=True)
        raise
    if path.exists():  # a step is saved again when its epoch ends, or after a resume from an older one
        stale = folder / f".{path.name}.old"
        shutil.rmtree(stale, ignore_errors=True)
        os.rename(path, stale)
    os.rename(aside, path)
    sync_folder(folder)
    _prune(folder, best=state.counters.best_step if state.counters.best is not None else None)
    return path


def load_checkpoint(path: Path, state: State) -> None:
    """Bring the state to that of one checkpoint. Raises `CheckpointError` where it is not whole."""
    fault = find_fault(path)
    if fault:
        raise CheckpointError(f"{path} is damaged: {fault}")
    content = _read_counters(path)
    state.restore(read_tensors(path / "model.safetensors"), read_tensors(path / "optimizer.safetensors"), content)


def _read_counters(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = read_json(path / "state.json")
    found = content.pop("striate_checkpoint", None)
    if found != FORMAT:
        raise CheckpointError(
            f"{path} is a checkpoint of version {found}; this striate reads version {FORMAT}",
            fix="use the striate that wrote it; its version is in the Run's environment.json",
        )
    return content


def load_newest(folder: Path, state: State, reporter: Reporter) -> Path | None:
    """Bring the state to that of the newest whole checkpoint, saying which damaged ones were passed over.

    Returns:
        its path, or None where there is none yet.

    Raises:
        CheckpointError: there are checkpoints, but none is whole.
    """
    path = newest_whole(folder, reporter)
    if path is not None:
        load_checkpoint(path, state)
    return path


def newest_whole(folder: Path, reporter: Reporter) -> Path | None:
    """The newest whole checkpoint, as `load_newest` finds it; None where there is none yet."""
    damaged = []
    for path in list_checkpoints(folder):
        fault = find_fault(path)
        if fault is None:
            return path
        damaged.append(path.name)
        reporter.warn(f"{path.name} is damaged ({fault}); the one before it is used")
    if damaged:
        raise CheckpointError(
            f"none of the checkpoints in {folder} is whole: {', '.join(damaged)}",
            fix="train again with `--plan` and the Run's plan.yaml",
        )
    return None


def newest_counters(folder: Path, reporter: Reporter) -> Counters | None:
    """Where the training of the newest whole checkpoint stands; None where there is none yet."""
    path = newest_whole(folder, reporter)
    return None if path is None else Counters(**_read_counters(path))


def list_checkpoints(folder: Path) -> list[Path]:
    """The checkpoints, newest first: by their step as a number.

    A checkpoint that was being replaced when the process died stands as `.old`; it is put back first.
    """
    if not folder.is_dir():
        return []
    for stale in folder.glob(".step-*.old"):
        path = folder / stale.name[1 : -len(".old")]
        if path.exists():
            shutil.rmtree(stale, ignore_errors=True)
        else:
            os.rename(stale, path)
    return sorted(folder.glob("step-*"), key=_step, reverse=True)


def find_fault(path: Path) -> str | None:
    """Why a checkpoint is not whole, or None when it is."""
    try:
        manifest = read_json(path / "MANIFEST.json")
        if not isinstance(manifest, dict) or set(manifest) != set(_PARTS):
            return "its manifest is not one"
        for name in _PARTS:
            if sha256(path / name) != manifest[name]:
                return f"{name} has other bytes than its manifest says"
    except (StriateError, OSError) as error:
        return str(error).splitlines()[0]
    return None


def best_path(folder: Path, state: State) -> Path:
    """The checkpoint of the best validation."""
    return folder / _name(state.counters.best_step)


def _name(step: int) -> str:
    return f"step-{step:08d}"


def _step(path: Path) -> int:
    with contextlib.suppress(ValueError):
        return int(path.name.removeprefix("step-"))
    return -1


def _prune(folder: Path, best: int | None) -> None:
    found = list_checkpoints(folder)
    for path in found[KEPT:]:
        if best is None or _step(path) != best:
            shutil.rmtree(path, ignore_errors=True)
    for leftover in folder.glob(".step-*.part"):
        shutil.rmtree(leftover, ignore_errors=True)
