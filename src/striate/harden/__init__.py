"""How little it takes to fool a network: attacks, one a file, and the accuracy that is left under them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from striate.core.errors import UsageError
from striate.core.registry import Registry
from striate.infer.intake import Images, in_sizes
from striate.infer.model import Model


class Attack(Protocol):
    """Pictures changed by so little that a person would not see it, so that the network errs."""

    def __call__(self, model: Model, images: Tensor, targets: Tensor, epsilon: float) -> Tensor:
        """The changed pictures.

        Args:
            images: (N, C, H, W), uint8 or float32 on the 0..255 scale.
            targets: (N, K) float32, the true ones as the task encodes them.
            epsilon: how much any pixel may change, on the 0..255 scale.

        Returns:
            (N, C, H, W) float32, within `epsilon` of the pictures and within 0..255.
        """


ATTACKS: Registry[Attack] = Registry("attack", "striate.harden")
STRENGTHS = (1.0, 2.0, 4.0)


def robust_accuracy(
    model: Model, images: Images, targets: Tensor, attack: str = "fgsm", strengths: Sequence[float] = STRENGTHS
) -> dict[str, Any]:
    """What is left of a Model's accuracy (its headline metric, where it has none) under an attack, clean one beside.

    Scored by the Model's own forward loop and precision, so that the clean figure is the one its evaluation gives.

    Args:
        images: (N, C, H, W), on the 0..255 scale, or of own sizes a list of (C, H, W); in memory, so choose how many.
        targets: (N, K) float32, as the task encodes them.
        attack: a name in `ATTACKS`.
        strengths: changes of a pixel on the 0..255 scale, each above 0.

    Returns:
        `attack`, `metric`, `higher_is_better`, `samples`, `clean`, and `strengths`: a list of `epsilon`, `fraction`
        (of the range, the way papers write it) and `value`.

    Raises:
        UsageError: no pictures, or a strength that is not above 0.
    """
    if not len(images):
        raise UsageError("an attack needs at least one picture")
    if not all(0 < epsilon <= 255 for epsilon in strengths):
        raise UsageError(
            f"strengths {list(strengths)} are not all above 0 and at most 255", fix="give them on the 0..255 scale"
        )
    change = ATTACKS.get(attack)
    metric = "accuracy" if "accuracy" in model.task.metric_names else model.task.headline

    def value(changed: Images) -> float:
        return float(model.task.metrics(model.scores(changed), np.asarray(targets))[metric])

    def attacked(epsilon: float) -> Images:
        found: dict[int, Tensor] = {}
        for places, some in in_sizes(images, model.batch_size):
            found |= zip(places.tolist(), change(model, some, targets[places], epsilon).cpu(), strict=True)
        each = [found[place] for place in range(len(images))]
        return torch.stack(each) if isinstance(images, Tensor) else each

    return {
        "attack": attack,
        "metric": metric,
        "higher_is_better": model.task.higher_is_better(metric),
        "samples": len(images),
        "clean": value(images),
        "strengths": [
            {"epsilon": epsilon, "fraction": f"{epsilon:g}/255", "value": value(attacked(epsilon))}
            for epsilon in strengths
        ],
    }
