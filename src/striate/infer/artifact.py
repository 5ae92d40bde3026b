"""A Model on disk: where its two files are, and whether they are whole, of this version and of each other."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from striate.core.artifacts import read_json, sha256
from striate.core.errors import RunError, StriateError, WeightsError

FORMAT = 1
WEIGHTS = "model.safetensors"
DESCRIPTION = "model.json"
_AGAIN = "copy the Model again from where it was made"


def find(path: Path) -> Path:
    """The folder of a Model, from itself, its `model.json` or its Run. Raises `RunError` where there is none."""
    if path.name == DESCRIPTION and path.is_file():
        return path.parent
    for folder in (path, path / "model"):
        if (folder / DESCRIPTION).is_file() or (folder / WEIGHTS).is_file():
            return folder
    if not path.exists():
        raise RunError(f"{path} does not exist; a Model's folder or a Run was expected", fix="see `striate runs`")
    if (path / "folds").is_dir():
        raise RunError(
            f"{path} holds a Model for each of its folds, and none that is one network",
            fix=f"name one of them, such as {path / 'folds' / '1'}; `striate predict` takes the mean of all",
        )
    raise RunError(
        f"there is no Model in {path}: neither {DESCRIPTION} nor model/{DESCRIPTION}",
        fix="name a Run that has finished (see `striate runs`), or a copy of its model/ folder",
    )


def description(folder: Path, keys: set[str]) -> dict[str, Any]:
    """The content of `model.json`, verified.

    Args:
        keys: what it must hold, neither less nor more.

    Raises:
        RunError: it is missing, damaged, changed by hand, or of another version.
    """
    file = folder / DESCRIPTION
    if not file.is_file():
        raise RunError(f"{folder} has {WEIGHTS} but no {DESCRIPTION}", fix="copy the whole model/ folder")
    try:
        content = read_json(file)
    except StriateError as error:
        raise RunError(
            f"{file} is damaged: {error.message}", fix="copy the Model again from where it was made"
        ) from None
    if not isinstance(content, dict) or "striate_model" not in content:
        raise RunError(f"{file} is not the description of a Model: it has no `striate_model`")
    if content["striate_model"] != FORMAT:
        raise RunError(
            f"{folder} is a Model of version {content['striate_model']}; this striate reads version {FORMAT}",
            fix="use the striate that wrote it, or train again",
        )
    if content.pop("checksum", None) != checksum(content):
        raise RunError(f"{file} is not as it was written: its checksum differs", fix=_AGAIN)
    if set(content) != keys:
        differing = ", ".join(sorted(set(content) ^ keys))
        raise RunError(f"{file} does not hold what a Model's description holds: {differing}")
    return content


def checksum(content: Mapping[str, Any]) -> str:
    """SHA-256 of plain JSON values, whatever their order and spacing in the file."""
    plain = json.dumps(content, sort_keys=True, ensure_ascii=True, allow_nan=False)
    return hashlib.sha256(plain.encode()).hexdigest()


def verify(file: Path, content: Mapping[str, Any]) -> None:
    """Hold a weights file against its description, byte for byte.

    Raises:
        WeightsError: it is missing, truncated, damaged, or another Model's.
    """
    if not file.is_file():
        raise WeightsError(f"{file} is missing: the Model's weights belong beside its {DESCRIPTION}", fix=_AGAIN)
    size = file.stat().st_size
    if size < content["bytes"]:
        raise WeightsError(f"{file} is truncated: {size:,} of {content['bytes']:,} bytes", fix=_AGAIN)
    found = sha256(file)
    if found != content["sha256"]:
        raise WeightsError(
            f"{file} is damaged, or the weights of another Model: its SHA-256 is {found[:16]}…, "
            f"{DESCRIPTION} says {content['sha256'][:16]}…",
            fix=_AGAIN,
        )


def load_strictly(network: nn.Module, tensors: Mapping[str, Tensor], file: Path) -> None:
    """Give a network its weights, all of them and no other.

    Raises:
        WeightsError: a tensor is missing, unknown, or of another shape; the message names them.
    """
    own = network.state_dict()
    wrong = [f"{name} missing" for name in own if name not in tensors]
    wrong += [f"{name} unknown" for name in tensors if name not in own]
    wrong += [
        f"{name} is {tuple(tensors[name].shape)} instead of {tuple(tensor.shape)}"
        for name, tensor in own.items()
        if name in tensors and tensors[name].shape != tensor.shape
    ]
    if wrong:
        shown = "; ".join(wrong[:5]) + (f"; and {len(wrong) - 5} more" if len(wrong) > 5 else "")
        raise WeightsError(
            f"{file} holds the weights of another network than {DESCRIPTION} describes: {shown}",
            fix="copy both files from the same Model",
        )
    network.load_state_dict(dict(tensors))
