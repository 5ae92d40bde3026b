"""Weights from a file, a Run or a hub: with what they were trained for, and never by guess.

A weights file has a sidecar of the same name ending in .json:

    {"network": "timm/mobilenetv2_100", "arguments": {"pad_type": "same"},
     "preprocessing": {"mean": […], "std": […], "size": 224, "crop_pct": 0.875, "interpolation": "bilinear"},
     "classes": 1000, "license": "Apache-2.0", "source": "ImageNet …", "bias": "…"}

A file can fit the wrong network to the last tensor and then be worthless: that one loads into timm's default padding
too, and its outputs are then off by 99 %. So what the sidecar says is taken, and what it does not say is asked for.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from striate.core.artifacts import read_json, sha256
from striate.core.errors import StriateError, WeightsError, nearest
from striate.core.tensors import read_tensors
from striate.core.wording import some
from striate.nets.families import FAMILIES
from striate.nets.sources import Source, check_sources, sources_of

Sidecar = dict[str, Any]

_SIDECAR = {"network": str, "arguments": dict, "preprocessing": dict, "classes": int | list}
_OPTIONAL = {"license": str, "source": str, "bias": str, "sources": list}
_PREPROCESSING = {"mean": list, "std": list, "size": int, "crop_pct": int | float, "interpolation": str}
_INTERPOLATIONS = ("bilinear", "bicubic", "nearest")
_NESTS = ("state_dict", "model", "model_state_dict")
_PREFIXES = ("module.", "_orig_mod.")  # of DistributedDataParallel and torch.compile
_SHOWN = 5


@dataclass(frozen=True)
class Weights:
    """Tensors, and what they were trained for.

    Args:
        tensors: by parameter name.
        sidecar: `network`, `arguments`, `preprocessing` (`mean`, `std`, `size`, `crop_pct`, `interpolation`),
            `classes`, `license`, `source`, and perhaps `bias` (what they are known to do badly, or on whom) and
            `sources` (what they were trained from in their turn); None where the file has none.
        source: what they were read from: the path as given, or "hub".
        task: what they were trained for, where a Model says so; the classes of a sidecar are those of "classify".
        part: what the names of the network's part begin with that they are of; the rest stays new. "" for the whole.
    """

    tensors: dict[str, Tensor]
    sidecar: Sidecar | None
    source: str
    task: str = "classify"
    part: str = ""

    @property
    def outputs(self) -> tuple[str, ...]:
        """The names of the classes in the order of the head's rows; empty where only their number is known."""
        classes = self.sidecar["classes"] if self.sidecar is not None else 0
        return tuple(map(str, classes)) if isinstance(classes, list) else ()

    @property
    def sources(self) -> list[Source]:
        """What a network comes from that begins with them: what they were trained on, and so on back."""
        if self.sidecar is None:
            return [{"source": self.source, "license": "not stated"}]
        return sources_of(self.sidecar)

    def described(
        self,
        network: str | None = None,
        arguments: Mapping[str, Any] | None = None,
        preprocessing: Mapping[str, Any] | None = None,
    ) -> Weights:
        """These weights with a sidecar: their own, or one made of what is given.

        Raises:
            WeightsError: they have none, and network or preprocessing is not given; or one of their own that says
                otherwise than what is given.
        """
        if self.sidecar is not None:
            given = {"network": network, "arguments": arguments, "preprocessing": preprocessing}
            for key, value in given.items():
                if value is not None and value != self.sidecar[key]:
                    raise WeightsError(
                        f"{self.source} was trained with {key} {self.sidecar[key]!r}, as its sidecar says, "
                        f"not {value!r}",
                        fix="leave that out, or correct the sidecar if it is wrong",
                    )
            return self
        if network is None or preprocessing is None:
            raise WeightsError(
                f"{self.source} has no sidecar, so its network and preprocessing are unknown; they are never guessed",
                fix=f"write {Path(self.source).with_suffix('.json').name} beside it (network, arguments, "
                "preprocessing, classes, license, source), or give network and preprocessing",
            )
        made = {
            "network": network,
            "arguments": dict(arguments or {}),
            "preprocessing": dict(preprocessing),
            "classes": 0,
            "source": f"{self.source}, described by the user",
        }
        return replace(self, sidecar=check_sidecar(made, f"the description of {self.source}"))


def read_weights(path: str | Path) -> Weights:
    """Weights from a file, a Model's folder or a Run.

    Args:
        path: .safetensors, or .pth, .pt, .th read with `weights_only=True` (nested under `state_dict` or `model`,
            prefixed by `module.`: unwrapped); or a Run, or a Model's folder.

    Returns:
        the weights; their `sidecar` is None where there is none beside the file, see `Weights.described`.

    Raises:
        WeightsError: it is missing, truncated, not weights, a pickle with code, or its sidecar is wrong.
    """
    file = Path(path)
    if file.is_dir():
        return _from_model(file)
    if not file.exists():
        raise WeightsError(f"the weights file {path} does not exist")
    if file.suffix == ".safetensors":
        tensors = read_tensors(file)
    elif file.suffix in (".pth", ".pt", ".th"):
        tensors = _unwrapped(_read_torch(file), file)
    else:
        raise WeightsError(
            f"{path} is not a weights file by its name",
            fix="give .safetensors, .pth, .pt or .th, or the folder of a Run",
        )
    beside = file.with_suffix(".json")
    sidecar = check_sidecar(_json(beside), str(beside)) if beside.exists() else None
    return Weights(_finite(tensors, file), sidecar, str(path))


def check_sidecar(content: Any, place: str) -> Sidecar:
    """A sidecar with all its keys, none unknown, and values of the right kind. Raises `WeightsError`."""
    sidecar = _keys(content, _SIDECAR, _OPTIONAL, place)
    sidecar["preprocessing"] = _keys(sidecar["preprocessing"], _PREPROCESSING, {}, f"preprocessing in {place}")
    mean, std = sidecar["preprocessing"]["mean"], sidecar["preprocessing"]["std"]
    if len(mean) != len(std) or not all(_number(value) for value in (*mean, *std)) or not all(v > 0 for v in std):
        raise WeightsError(
            f"{place}: mean and std must be numbers, as many of the one as of the other, and std above 0"
        )
    if sidecar["preprocessing"]["size"] < 1 or not 0 < sidecar["preprocessing"]["crop_pct"] <= 1:
        raise WeightsError(f"{place}: size must be at least 1, and crop_pct lie in (0, 1]")
    if sidecar["preprocessing"]["interpolation"] not in _INTERPOLATIONS:
        raise WeightsError(f"{place}: interpolation must be one of {', '.join(_INTERPOLATIONS)}")
    if "sources" in sidecar:
        check_sources(sidecar["sources"], place)
    return {"license": "not stated", "source": place, **sidecar}


def _keys(content: Any, required: Mapping[str, Any], optional: Mapping[str, Any], place: str) -> dict[str, Any]:
    if not isinstance(content, dict):
        raise WeightsError(f"{place} is not a JSON object")
    known = {**required, **optional}
    for key, value in content.items():
        if key not in known:
            near = nearest(str(key), known)
            hint = f"; did you mean {near!r}?" if near else ""
            raise WeightsError(f"{place} has an unknown key {key!r}{hint}", fix=f"its keys are {', '.join(known)}")
        if not isinstance(value, known[key]) or isinstance(value, bool):
            raise WeightsError(f"{place}: {key} has a value of the wrong kind: {value!r}")
    missing = [key for key in required if key not in content]
    if missing:
        raise WeightsError(f"{place} lacks {', '.join(missing)}", fix="add what the weights were trained with")
    return dict(content)


def _from_model(folder: Path) -> Weights:
    """The Model of a Run, or a Model's folder; its description says all that a sidecar says."""
    inner = next((one for one in (folder, folder / "model") if (one / "model.json").is_file()), None)
    if inner is None and (folder / "folds").is_dir():
        raise WeightsError(
            f"{folder} holds a Model for each of its folds, and none that is one network",
            fix=f"name one of them, such as {folder / 'folds' / '1'}",
        )
    if inner is None:
        raise WeightsError(
            f"there is no Model in {folder}: neither model.json nor model/model.json",
            fix="name a Run that has finished (see `striate runs`)",
        )
    description, file = inner / "model.json", inner / "model.safetensors"
    content = _json(description)
    try:
        spec, preprocessing, classes = content["network"], content["preprocessing"], content["classes"]
        named = _named(spec)
        sidecar = {
            # A network from a file is read from the description again, whatever became of the file.
            "network": spec["name"] if named else str(description),
            "arguments": dict(spec["arguments"]) if named else {},
            "preprocessing": {
                "mean": list(preprocessing["mean"]),
                "std": list(preprocessing["std"]),
                "size": round(math.sqrt(preprocessing["height"] * preprocessing["width"])),
                "crop_pct": 1 / preprocessing["margin"],
                "interpolation": preprocessing["interpolation"],
            },
            "classes": list(classes),
            "source": f"the Run {folder}",
            "sources": content.get("summary", {}).get("sources", []),
        }
        checksum, task = content["sha256"], content["task"]["name"]
    except (KeyError, TypeError, ZeroDivisionError) as error:
        raise WeightsError(f"{description} does not describe a Model: {type(error).__name__} {error}") from error
    tensors = read_tensors(file)
    if sha256(file) != checksum:
        raise WeightsError(f"{file} is not the file that {description.name} describes: its SHA-256 differs")
    return Weights(_finite(tensors, file), check_sidecar(sidecar, str(description)), str(folder), task)


def _named(spec: Mapping[str, Any]) -> bool:
    """Whether name and arguments of a network say all of it; those of a detector do where its backbone's do."""
    if spec["kind"] == "detector":
        return _named(spec["body"])
    from_family = spec["kind"] == "nodes" and "arguments" in spec and spec["name"] in FAMILIES
    return (from_family or spec["kind"] == "library") and "edits" not in spec


def _json(path: Path) -> Any:
    try:
        return read_json(path)
    except StriateError as error:
        raise WeightsError(error.message, error.fix) from None


def _read_torch(file: Path) -> Any:
    try:
        return torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises a different one for each way in which a file can be bad
        text = str(error).lower()
        if "weights_only" in text or "unsupported" in text or "unpickl" in text:
            raise WeightsError(
                f"{file} is refused: it is damaged, or a pickle that holds code besides tensors, which would run "
                "when it is read",
                fix="get it as .safetensors, or save its state_dict alone where you trust it",
            ) from error
        raise WeightsError(f"{file} is damaged or not a file of torch: {str(error)[:200]}") from error


def _unwrapped(content: Any, file: Path) -> dict[str, Tensor]:
    while isinstance(content, Mapping):
        inner = next((content[key] for key in _NESTS if isinstance(content.get(key), Mapping)), None)
        if inner is None:
            break
        content = inner
    if not isinstance(content, Mapping) or not content or not all(isinstance(one, Tensor) for one in content.values()):
        raise WeightsError(f"{file} does not hold tensors by name, nor under {', '.join(_NESTS)}")
    tensors = {str(name): tensor for name, tensor in content.items()}
    for prefix in _PREFIXES:
        if all(name.startswith(prefix) for name in tensors):
            tensors = {name.removeprefix(prefix): tensor for name, tensor in tensors.items()}
    return tensors


def _finite(tensors: dict[str, Tensor], file: Path) -> dict[str, Tensor]:
    bad = [name for name, tensor in tensors.items() if tensor.is_floating_point() and not tensor.isfinite().all()]
    if bad:
        raise WeightsError(f"{file} holds numbers that are not finite, in {some(bad, _SHOWN)}")
    return tensors


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
