"""Losses, one a file: from outputs and targets to one number a sample, so that weighting stays in one place."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor

from striate.core.errors import UnknownName, UsageError
from striate.core.records import TargetKind
from striate.core.registry import Registry
from striate.losses._weighting import balanced_weights, inverse_frequency, positive_ratios

LossFunction = Callable[..., Tensor]


@dataclass(frozen=True)
class Loss:
    """A registered loss.

    Args:
        name: its name, which is its file's.
        function: from outputs (N, K) and targets (N, K) to losses (N,); its options are keyword-only, with defaults
            that leave them off.
        kinds: the kinds of target that it is for.
    """

    name: str
    function: LossFunction
    kinds: tuple[TargetKind, ...]

    @property
    def options(self) -> dict[str, Any]:
        """Its options with their defaults.

        >>> LOSSES.get("huber").options
        {'delta': 1.0}
        """
        parameters = inspect.signature(self.function).parameters.values()
        return {one.name: one.default for one in parameters if one.kind is inspect.Parameter.KEYWORD_ONLY}

    def bind(self, options: Mapping[str, Any]) -> partial[Tensor]:
        """The loss with its options set.

        Raises:
            UnknownName: it has no such option; one that is off (0 or None) asks nothing of it and passes.

        >>> LOSSES.get("huber").bind({"dleta": 2.0})
        Traceback (most recent call last):
        ...
        striate.core.errors.UnknownName: there is no option of the loss huber 'dleta'; did you mean 'delta'?
          fix: choose one of: delta
        """
        known = self.options
        for option, value in options.items():
            if option not in known and value:
                raise UnknownName(f"option of the loss {self.name}", option, known)
        return partial(self.function, **{option: options[option] for option in known if option in options})

    def __call__(self, outputs: Tensor, targets: Tensor, **options: Any) -> Tensor:
        """Losses (N,) of outputs (N, K) against targets (N, K)."""
        return self.bind(options)(outputs, targets)


LOSSES: Registry[Loss] = Registry("loss", "striate.losses")


def loss(name: str, *kinds: TargetKind) -> Callable[[LossFunction], LossFunction]:
    """A decorator that registers a function as the loss `name` for these kinds of target."""

    def file(function: LossFunction) -> LossFunction:
        LOSSES.register(name)(Loss(name, function, kinds))
        return function

    return file


def as_real(outputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Outputs and targets in one precision, at least single: a loss in half precision loses its small differences.

    Raises:
        ValueError: the shapes differ; broadcasting would make a wrong loss of them without a word.
    """
    if outputs.dim() != 2 or outputs.shape != targets.shape:
        raise ValueError(f"outputs {tuple(outputs.shape)} and targets {tuple(targets.shape)} must both be (N, K)")
    outputs = outputs.to(torch.promote_types(outputs.dtype, torch.float32))
    return outputs, targets.to(outputs.dtype)


def check_share(option: str, value: float) -> None:
    """Raise `UsageError` unless a share lies in [0, 1)."""
    if not 0 <= value < 1:
        raise UsageError(f"{option} takes a number from 0 to below 1, not {value!r}")


__all__ = [
    "LOSSES",
    "Loss",
    "as_real",
    "balanced_weights",
    "check_share",
    "inverse_frequency",
    "loss",
    "positive_ratios",
]
