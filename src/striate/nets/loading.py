"""Weights given to a network: what fits by name and shape, what is adapted to fit, and what is refused."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from striate.core.errors import WeightsError
from striate.core.wording import some
from striate.nets.anatomy import stem_name
from striate.nets.detectors._detector import Detector
from striate.nets.nodes.auxiliary import AuxiliaryHead
from striate.nets.surgery import BEFORE
from striate.nets.weights import Weights

_POSITIONS = ("pos_embed", "pos_embedding", "positions")  # timm's, torchvision's and ours
_SET_APART = re.compile(rf"\.{BEFORE}\.")  # a part that an edit put something behind
_SHOWN = 5
_NAMED = 12  # of what is new: a head and auxiliary heads, but not all of a decoder
BODY = "body."
"""What the names of the tensors of a detector's body begin with."""
ENOUGH = 0.25
"""Share of an edited network's numbers, its head aside, that weights must bring."""


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
            parts.append(f"new: {some(self.reinitialised, _NAMED)}")
        if self.unexpected:
            parts.append(f"left out: {', '.join(self.unexpected)}")
        return "weights: " + "; ".join([*parts, *self.adapted])


def load_weights(
    module: nn.Module, weights: Weights, *, head: str, edited: bool = False, outputs: Sequence[str] | None = None
) -> LoadReport:
    """Give a network these weights; a head of another size stays new, but for the classes that both know by name.

    Everything but the head and auxiliary heads must fit by name and shape. Three things are adapted: a stem for another
    number of channels than the file's (one channel gets the sum of the colour filters, so that a grey picture gives
    what its colour version would; more repeat them, scaled alike); learnt positions of tokens for pictures of another
    size; and batch counters, which old files lack and nothing learns.

    A detector takes those of a detector whole, but for the layers of classes where these go by other names; those of a
    classifier are its body's, all of it, and what of the classifier it does without is left out.

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
    left_out: tuple[str, ...] = ()
    by_class: tuple[str, ...] = ()
    if isinstance(module, Detector):
        by_class = tuple(f"{name}." for name in module.class_layers)
        if not _of_detector(weights, own):
            weights = _of_body(weights)
            left_out = tuple(f"{BODY}{name}." for name in module.left_out)
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
            if in_head or edited or not name.startswith(weights.part):
                new.append(name)
            if in_head or not name.endswith("num_batches_tracked"):
                missing.append(name)
        elif rows is not None and by_class and name.startswith(by_class):
            new.append(name)
        elif rows is not None and not by_class and name.startswith(answers) and rows.fit(tensor, place):
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
        missing=[]
        if edited
        else [name for name in missing if name.startswith(weights.part) and not name.startswith(heads)],
        unexpected=[]
        if edited
        else [
            name.removeprefix(BODY) if left_out else name
            for name in unexpected
            if not name.startswith((*heads, *left_out)) and not _auxiliary(name)
        ],
        wrong=wrong,
    )
    inside = tuple(name for name in missing if name.startswith(heads))
    unexpected = [name.removeprefix(BODY) if left_out else name for name in unexpected]
    kept = rows.kept if rows is not None and not by_class and any(name.startswith(heads[0]) for name in loaded) else ()
    if rows is not None and kept:
        adapted.append(rows.describe())
    return loaded, LoadReport(len(loaded), inside, tuple(unexpected), tuple(new), tuple(adapted), kept)


def _of_detector(weights: Weights, own: Mapping[str, Tensor]) -> bool:
    """Whether weights are of a whole detector: whether more of its tensors are there by their own names than by those
    that its body has as a classifier."""
    inside = [name.removeprefix(BODY) for name in own if name.startswith(BODY)]
    return sum(name in weights.tensors for name in own) > sum(name in weights.tensors for name in inside)


def _of_body(weights: Weights) -> Weights:
    """A classifier's weights as those of a detector's body."""
    return replace(weights, tensors={f"{BODY}{name}": one for name, one in weights.tensors.items()}, part=BODY)


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
