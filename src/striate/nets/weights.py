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
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from striate.core.artifacts import read_json, sha256
from striate.core.errors import StriateError, WeightsError, nearest
from striate.core.tensors import read_tensors
from striate.core.wording import some
from striate.nets.anatomy import stem_name
from striate.nets.families import FAMILIES
from striate.nets.nodes.auxiliary import AuxiliaryHead
from striate.nets.sources import Source, check_sources, sources_of
from striate.nets.surgery import BEFORE

Sidecar = dict[str, Any]

_SIDECAR = {"network": str, "arguments": dict, "preprocessing": dict, "classes": int | list}
_OPTIONAL = {"license": str, "source": str, "bias": str, "sources": list}
_PREPROCESSING = {"mean": list, "std": list, "size": int, "crop_pct": int | float, "interpolation": str}
_INTERPOLATIONS = ("bilinear", "bicubic", "nearest")
_NESTS = ("state_dict", "model", "model_state_dict")
_PREFIXES = ("module.", "_orig_mod.")  # of DistributedDataParallel and torch.compile
_POSITIONS = ("pos_embed", "pos_embedding", "positions")  # timm's, torchvision's and ours
_SET_APART = re.compile(rf"\.{BEFORE}\.")  # a part that an edit put something behind
_SHOWN = 5
ENOUGH = 0.25
"""Share of an edited network's numbers, its head aside, that weights must bring."""


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
    """

    tensors: dict[str, Tensor]
    sidecar: Sidecar | None
    source: str
    task: str = "classify"

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


@dataclass(frozen=True)
class LoadReport:
    """What became of each tensor.

    Args:
        loaded: how many were taken over.
        missing: names of the head's, auxiliary heads included, that the file lacks.
        unexpected: names of the file's heads that the network lacks.
        reinitialised: names of the heads' that stay as they were drawn, for they are of another size or missing.
        adapted: what was done to fit, in sentences.
        kept: classes whose rows of the head were taken over by name, where the weights' classes are others.
    """

    loaded: int
    missing: tuple[str, ...] = ()
    unexpected: tuple[str, ...] = ()
    reinitialised: tuple[str, ...] = ()
    adapted: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()

    def describe(self) -> str:
        """One sentence for the user."""
        parts = [f"{self.loaded} tensors loaded"]
        if self.reinitialised:
            parts.append(f"new: {', '.join(self.reinitialised)}")
        if self.unexpected:
            parts.append(f"left out: {', '.join(self.unexpected)}")
        return "weights: " + "; ".join([*parts, *self.adapted])


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


def load_weights(
    module: nn.Module, weights: Weights, *, head: str, edited: bool = False, outputs: Sequence[str] | None = None
) -> LoadReport:
    """Give a network these weights; a head of another size stays new, but for the classes that both know by name.

    Everything but the head and auxiliary heads must fit by name and shape. Three things are adapted: a stem for another
    number of channels than the file's (one channel gets the sum of the colour filters, so that a grey picture gives
    what its colour version would; more repeat them, scaled alike); learnt positions of tokens for pictures of another
    size; and batch counters, which old files lack and nothing learns.

    Args:
        module: the network; changed in place, and only if all fits.
        weights: as `read_weights` gives them.
        head: the dotted name of its head, see `head_name`.
        edited: whether the network is the file's after edits: then what fits by name and shape is taken, the rest stays
            new or is left out, and is named.
        outputs: the names of the network's classes. Where the weights name theirs, and these are others, the rows of
            the head go by name: those of classes that both know are taken over, new classes start at zero, which says
            nothing of them, and a head of which no class is known stays new. None takes a head of the same size as it
            is.

    Raises:
        WeightsError: tensors are missing, unexpected or of another shape; names the first of each, and all in its
            `details`. Or too few fit an edited network.
    """
    loaded, report = match_weights(module, weights, head=head, edited=edited, outputs=outputs)
    module.load_state_dict({**module.state_dict(), **loaded})
    return report


def match_weights(
    module: nn.Module,
    weights: Weights,
    *,
    head: str,
    edited: bool = False,
    outputs: Sequence[str] | None = None,
    sized: Collection[str] = (),
) -> tuple[dict[str, Tensor], LoadReport]:
    """What `load_weights` would give a network, and say; the network, which may be on the meta device, stays as it is.

    Args:
        module, weights, head, edited, outputs: as `load_weights` takes them.
        sized: names of tensors whose shapes are not known yet, as they hang on the size of the input.

    Raises:
        WeightsError: as `load_weights`.
    """
    own = module.state_dict()
    heads = (f"{head}.", *(f"{name}." for name, one in module.named_modules() if isinstance(one, AuxiliaryHead)))
    stem = f"{stem_name(module)}.weight"
    rows = _Rows.between(weights.outputs, outputs)
    answers = (heads[0], *(f"{name}head." for name in heads[1:]))
    loaded: dict[str, Tensor] = {}
    used: set[str] = set()
    new, missing, wrong, adapted = [], [], [], []
    for name, place in own.items():
        given = name if name in weights.tensors else _SET_APART.sub(".", name) if edited else name
        tensor = weights.tensors.get(given)
        used.add(given)
        in_head = name.startswith(heads)
        if tensor is None:
            if in_head or edited:
                new.append(name)
            if in_head or not name.endswith("num_batches_tracked"):
                missing.append(name)
        elif rows is not None and name.startswith(answers) and rows.fit(tensor, place):
            if rows.kept:
                loaded[name] = rows.moved(tensor, place)
            else:
                new.append(name)
        elif tensor.shape == place.shape:
            loaded[name] = tensor
        elif in_head and tensor.shape[1:] == place.shape[1:]:
            new.append(name)
        elif name == stem and _only_channels_differ(tensor, place):
            loaded[name] = adapt_channels(tensor, place.shape[1])
            adapted.append(f"{name} adapted from {tensor.shape[1]} to {place.shape[1]} channels")
        elif (positions := _positions(name, tensor, place)) is not None:
            loaded[name] = positions
            adapted.append(f"{name} interpolated from {tensor.shape[1]} to {place.shape[1]} positions")
        elif edited:
            new.append(name)
        elif name not in sized:
            wrong.append(f"{name} is {_size(tensor)} in the file and {_size(place)} in the network")
    unexpected = [name for name in weights.tensors if name not in used]
    if edited and not sized:
        _enough(weights, own, loaded, head)
    _refuse(
        weights,
        missing=[] if edited else [name for name in missing if not name.startswith(heads)],
        unexpected=[]
        if edited
        else [name for name in unexpected if not name.startswith(heads) and not _auxiliary(name)],
        wrong=wrong,
    )
    inside = tuple(name for name in missing if name.startswith(heads))
    kept = rows.kept if rows is not None and any(name.startswith(heads[0]) for name in loaded) else ()
    if rows is not None and kept:
        adapted.append(rows.describe())
    return loaded, LoadReport(len(loaded), inside, tuple(unexpected), tuple(new), tuple(adapted), kept)


@dataclass(frozen=True)
class _Rows:
    """How the rows of a head go from the weights' classes to others."""

    before: tuple[str, ...]
    after: tuple[str, ...]

    @classmethod
    def between(cls, before: Sequence[str], after: Sequence[str] | None) -> _Rows | None:
        """None where the classes of one are not known by name, or are the same."""
        if not before or after is None or tuple(before) == tuple(after):
            return None
        return cls(tuple(before), tuple(after))

    @property
    def kept(self) -> tuple[str, ...]:
        """The classes that both know."""
        return tuple(name for name in self.after if name in self.before)

    def fit(self, tensor: Tensor, place: Tensor) -> bool:
        """Whether the first axis of both is that of the classes."""
        counts = bool(tensor.dim() and place.dim()) and (len(tensor), len(place)) == (len(self.before), len(self.after))
        return counts and tensor.shape[1:] == place.shape[1:]

    def moved(self, tensor: Tensor, place: Tensor) -> Tensor:
        """The tensor with its rows where the classes are now."""
        moved = torch.zeros_like(place)
        for name in self.kept:
            moved[self.after.index(name)] = tensor[self.before.index(name)].to(place)
        return moved

    def describe(self) -> str:
        """What becomes of the classes, by name."""
        fresh = [name for name in self.after if name not in self.before]
        gone = [name for name in self.before if name not in self.after]
        parts = [f"the head keeps its rows of {some(self.kept, _SHOWN)}"]
        parts += [f"new: {some(fresh, _SHOWN)}"] if fresh else []
        parts += [f"given up: {some(gone, _SHOWN)}"] if gone else []
        return ", ".join(parts)


def adapt_channels(stem: Tensor, channels: int) -> Tensor:
    """Filters of a first convolution for another number of input channels.

    Args:
        stem: (filters, C, *kernel).
        channels: how many there shall be.

    Returns:
        (filters, channels, *kernel); a picture whose channels are all equal gives the same response as before.
    """
    before = stem.shape[1]
    if channels == 1:
        return stem.sum(1, keepdim=True)
    indices = torch.arange(channels, device=stem.device) % before
    repeated = stem.index_select(1, indices)
    # The sum over channels is what a picture without colour sees; it must stay.
    counts = torch.bincount(indices, minlength=before).to(stem.dtype)
    if channels >= before:
        return repeated / counts[indices].view(1, -1, *(1,) * (stem.dim() - 2))
    return repeated + (stem.sum(1, keepdim=True) - repeated.sum(1, keepdim=True)) / channels


def adapt_positions(positions: Tensor, count: int) -> Tensor | None:
    """Learnt positions of patches for another number of them, by bicubic interpolation of their square.

    Dosovitskiy et al. 2021, section 3.2; as timm's `resample_abs_pos_embed` does. A token ahead of the patches keeps
    its own.

    Args:
        positions: (1, L, D).
        count: how many there shall be.

    Returns:
        (1, count, D); None where the patches make no square, so that their places are unknown.
    """
    for ahead in (1, 0):
        before, after = math.isqrt(max(0, positions.shape[1] - ahead)), math.isqrt(max(0, count - ahead))
        if before**2 + ahead != positions.shape[1] or after**2 + ahead != count or not (before and after):
            continue
        square = positions[:, ahead:].float().reshape(1, before, before, -1).permute(0, 3, 1, 2)
        resized = nn.functional.interpolate(square, (after, after), mode="bicubic", antialias=True)
        return torch.cat([positions[:, :ahead], resized.flatten(2).transpose(1, 2).to(positions.dtype)], 1)
    return None


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
    if inner is None:
        raise WeightsError(
            f"there is no Model in {folder}: neither model.json nor model/model.json",
            fix="name a Run that has finished (see `striate runs`)",
        )
    description, file = inner / "model.json", inner / "model.safetensors"
    content = _json(description)
    try:
        spec, preprocessing, classes = content["network"], content["preprocessing"], content["classes"]
        from_family = spec["kind"] == "nodes" and "arguments" in spec and spec["name"] in FAMILIES
        named = (from_family or spec["kind"] == "library") and "edits" not in spec
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


def _refuse(weights: Weights, *, missing: Sequence[str], unexpected: Sequence[str], wrong: Sequence[str]) -> None:
    found = {"missing": missing, "unexpected": unexpected, "reshaped": wrong}
    said = {"missing": "missing in the file", "unexpected": "unknown to the network", "reshaped": "of another shape"}
    details = {what: list(names) for what, names in found.items() if names}
    if not details:
        return
    parts = [f"{said[what]}: {some(names, _SHOWN)}" for what, names in details.items()]
    more = " (--json names all)" if max(map(len, details.values())) > _SHOWN else ""
    truth = weights.sidecar
    raise WeightsError(
        f"the weights of {weights.source} do not fit this network: {'; '.join(parts)}{more}",
        fix=f"they are of {truth['network']} with arguments {truth['arguments']}"
        if truth
        else "name the network that they are of",
        details=details,
    )


def _positions(name: str, tensor: Tensor, place: Tensor) -> Tensor | None:
    """What the network takes in place of a file's learnt positions; None where these are none, or have no square."""
    learnt = name.rpartition(".")[2] in _POSITIONS and tensor.dim() == place.dim() == 3
    if not learnt or tensor.shape[::2] != place.shape[::2]:
        return None
    return adapt_positions(tensor, place.shape[1])


def _enough(weights: Weights, own: Mapping[str, Tensor], loaded: Mapping[str, Tensor], head: str) -> None:
    """Refuse weights of which an edited network takes next to nothing: it would be fine-tuned as if it were trained."""
    inside = [name for name, one in own.items() if one.is_floating_point() and not name.startswith(f"{head}.")]
    whole = sum(own[name].numel() for name in inside)
    taken = sum(own[name].numel() for name in inside if name in loaded)
    if taken < ENOUGH * whole:
        raise WeightsError(
            f"{taken:,} of the {whole:,} numbers of this network, its head aside, fit {weights.source}: too few",
            fix="give weights of the network that the edits change, edit less, or train from scratch (--weights none)",
        )


def _auxiliary(name: str) -> bool:
    """Whether a name is of an auxiliary head: ours, and torchvision's `aux1`, `aux2`, `AuxLogits`, `aux_classifier`.

    Predictions do without them, so a network that has none may leave them out.
    """
    return any(part.lower().startswith("aux") for part in name.split("."))


def _only_channels_differ(tensor: Tensor, place: Tensor) -> bool:
    same = tensor.dim() == place.dim() > 2 and tensor.shape[0] == place.shape[0] and tensor.shape[2:] == place.shape[2:]
    return same and tensor.shape[1] != place.shape[1]


def _size(tensor: Tensor) -> str:
    return "×".join(map(str, tensor.shape)) or "a number"


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
