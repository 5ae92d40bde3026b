"""Why a network says what it says: heat maps over the picture, one method a file."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from striate.core.registry import Registry
from striate.explain._boxes import BOX_ERRORS, box_colours, box_errors_over, box_overlay, box_sorts, box_truths_over
from striate.explain._masks import (
    ERRORS,
    class_colours,
    colour_mask,
    colour_png,
    error_map,
    mask_overlay,
    mask_png,
)
from striate.explain._overlay import colours, overlay
from striate.infer.model import Model


class Explanation(Protocol):
    """Where in each picture the evidence for an output lies."""

    def __call__(self, model: Model, images: Tensor, target: int | Tensor | None = None) -> NDArray[np.float32]:
        """Heat maps.

        Args:
            images: (N, C, H, W) on the 0..255 scale.
            target: the output to explain: one for all, one for each picture (N,), or each picture's likeliest.

        Returns:
            (N, H, W), from 0 (no evidence) towards 1, on a scale that is the same for every picture.
        """


EXPLANATIONS: Registry[Explanation] = Registry("explanation", "striate.explain")

__all__ = [
    "BOX_ERRORS",
    "ERRORS",
    "EXPLANATIONS",
    "Explanation",
    "box_colours",
    "box_errors_over",
    "box_overlay",
    "box_sorts",
    "box_truths_over",
    "class_colours",
    "colour_mask",
    "colour_png",
    "colours",
    "error_map",
    "mask_overlay",
    "mask_png",
    "overlay",
]
