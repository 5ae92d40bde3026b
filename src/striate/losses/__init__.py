"""Losses, one a file: from outputs and targets to one number a sample, so that weighting stays in one place."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any, Literal

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from striate.core.errors import UsageError
from striate.core.options import options_of, with_options
from striate.core.records import TargetKind
from striate.core.registry import Registry
from striate.losses._maps import Maps, as_maps, over_present
from striate.losses._weighting import (
    WEIGHTINGS,
    balanced_weights,
    class_weights,
    given_class_weights,
    given_weights,
    inverse_frequency,
    positive_ratios,
)

LossFunction = Callable[..., Tensor]


@dataclass(frozen=True)
class Loss:
    """A registered loss.

    Args:
        name: its name, which is its file's.
        function: from outputs (N, K) and targets (N, K), of masks from outputs (N, K, H, W) and classes (N, H, W), to
            losses (N,); its options are keyword-only, with defaults that leave them off.
        kinds: the kinds of target that it is for.
        link: what the outputs are of values: "identity" for the values, standardised; "log" for the logarithms of
            what is counted, so that values are not standardised and may not be negative.
    """

    name: str
    function: LossFunction
    kinds: tuple[TargetKind, ...]
    link: Literal["identity", "log"] = "identity"

    @property
    def priors(self) -> bool:
        """Whether it corrects for how often classes are, by its option `shares`, which the task learns."""
        return "shares" in self.options

    @property
    def weighs_pixels(self) -> bool:
        """Whether weights of classes are its own option, since a picture has pixels of many classes."""
        return "class_weights" in self.options

    @property
    def options(self) -> dict[str, Any]:
        """Its options with their defaults.

        >>> LOSSES.get("huber").options
        {'delta': 1.0}
        """
        return options_of(self.function)

    def bind(self, options: Mapping[str, Any]) -> partial[Tensor]:
        """The loss with its options set. Raises `UnknownName` where it has no such option."""
        return with_options(self.function, options, f"the loss {self.name}")

    def __call__(self, outputs: Tensor, targets: Tensor, **options: Any) -> Tensor:
        """Losses (N,) of outputs (N, K) against targets (N, K)."""
        return self.bind(options)(outputs, targets)


LOSSES: Registry[Loss] = Registry("loss", "striate.losses")


def loss(
    name: str, *kinds: TargetKind, link: Literal["identity", "log"] = "identity"
) -> Callable[[LossFunction], LossFunction]:
    """A decorator that registers a function as the loss `name` for these kinds of target; see `Loss`."""

    def file(function: LossFunction) -> LossFunction:
        LOSSES.register(name)(Loss(name, function, kinds, link))
        return function

    return file


def as_real(outputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Outputs and targets in one precision, at least single: a loss in half precision loses its small differences.

    Args:
        outputs: (N, K).
        targets: (N, K), or the numbers of classes, (N,), of an integer type, which become one-hot.

    Raises:
        ValueError: the shapes differ; broadcasting would make a wrong loss of them without a word.
    """
    if targets.dim() == 1 and outputs.dim() == 2 and not targets.is_floating_point() and len(targets) == len(outputs):
        targets = one_hot(targets.long(), outputs.shape[1])
    if outputs.dim() != 2 or outputs.shape != targets.shape:
        raise ValueError(f"outputs {tuple(outputs.shape)} and targets {tuple(targets.shape)} must both be (N, K)")
    outputs = outputs.to(torch.promote_types(outputs.dtype, torch.float32))
    return outputs, targets.to(outputs.dtype)


def check_share(option: str, value: float) -> None:
    """Raise `UsageError` unless a share lies in [0, 1)."""
    if not 0 <= value < 1:
        raise UsageError(f"{option} takes a number from 0 to below 1, not {value!r}")


def check_least(option: str, value: float, least: float = 0.0) -> None:
    """Raise `UsageError` unless a number is finite and at least `least`."""
    if not (math.isfinite(value) and value >= least):
        raise UsageError(f"{option} takes a number of at least {least:g}, not {value!r}")


def check_parts(**weights: float) -> None:
    """Raise `UsageError` unless the weights of a sum of losses are at least 0, and not all 0."""
    for option, weight in weights.items():
        check_least(option, weight)
    if not any(weights.values()):
        raise UsageError(f"{' and '.join(weights)} are all 0, so nothing would be learnt", fix="raise one above 0")


def check_per_class(option: str, values: Sequence[float], outputs: Tensor) -> Tensor:
    """The values as a tensor (K,) beside outputs (N, K) or (N, K, P).

    Raises:
        UsageError: there is not one a class, one is below 0 or not finite, or all are 0.
    """
    if len(values) != outputs.shape[1]:
        raise UsageError(f"{option} names {len(values)} numbers for {outputs.shape[1]} classes")
    wrong = [value for value in values if not (math.isfinite(value) and value >= 0)]
    if wrong or not any(values):
        found = f"{wrong[0]!r} is among them" if wrong else "all are 0"
        raise UsageError(f"{option} takes numbers of at least 0, one a class, and not all 0; {found}")
    return _beside(tuple(values), outputs.dtype, outputs.device)


@lru_cache(maxsize=64)
def _beside(values: tuple[float, ...], dtype: torch.dtype, device: torch.device) -> Tensor:
    """A tensor that each step finds where it computes: to bring it there is to wait for a GPU."""
    with torch.inference_mode(False):
        return torch.tensor(values, dtype=dtype, device=device)


__all__ = [
    "LOSSES",
    "WEIGHTINGS",
    "Loss",
    "Maps",
    "as_maps",
    "as_real",
    "balanced_weights",
    "check_least",
    "check_parts",
    "check_per_class",
    "check_share",
    "class_weights",
    "given_class_weights",
    "given_weights",
    "inverse_frequency",
    "loss",
    "over_present",
    "positive_ratios",
]
