"""The user's own augmentation: a function of one picture, loaded by its name."""

from __future__ import annotations

import importlib
import os
import sys
import traceback
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from striate.core.errors import DataError, StriateError, UsageError, nearest
from striate.core.seeds import generator

Function = Callable[[Tensor, np.random.Generator], Tensor]


class Own:
    """Applies a function of the user's to each picture.

    It is called as `function(image, generator)` with a float32 image (C, H, W) on 0 to 255 and a NumPy generator named
    by seed, epoch and sample, and gives an image of the same shape. What it draws should come from there, so that a
    resumed run sees the same.

    Args:
        name: "module:function"; the module is looked for in the working folder first.
        seed: the training's seed.
        keys: of the samples, to name one that the function fails on.

    Raises:
        UsageError: there is no such module or function.
    """

    def __init__(self, name: str, seed: int, keys: Sequence[str] = ()) -> None:
        self.name = name
        self.seed = seed
        self.keys = keys
        self._function = load(name)

    def __call__(
        self, images: Tensor, samples: NDArray[np.int64], epoch: int, shown: NDArray[np.int64] | None = None
    ) -> Tensor:
        """Altered images (N, C, H, W), float32.

        Args:
            samples: the samples' positions, (N,).
            shown: what names the draws of each; the positions unless given.

        Raises:
            DataError: the function raised, or gave something else; names the sample, and the line.
        """
        images = images.float()
        named = zip(images, samples, samples if shown is None else shown, strict=True)
        return torch.stack([self._one(image, int(place), int(draw), epoch) for image, place, draw in named])

    def _one(self, image: Tensor, sample: int, draw: int, epoch: int) -> Tensor:
        try:
            found: Any = self._function(image.clone(), generator(self.seed, "own", epoch, draw))
        except StriateError:
            raise
        except Exception as error:
            *_, last = traceback.extract_tb(error.__traceback__)
            where = f"line {last.lineno} of {os.path.relpath(last.filename)}"
            raise DataError(
                f"{self.name} failed on {self._key(sample)} in {where}: {type(error).__name__}: {error}",
                fix="correct the function, or leave it out",
            ) from error
        if not isinstance(found, Tensor) or found.shape != image.shape:
            shape = tuple(found.shape) if isinstance(found, Tensor) else type(found).__name__
            raise DataError(
                f"{self.name} gave {shape} for {self._key(sample)}; a tensor of {tuple(image.shape)} was expected",
                fix="let the function give a picture of the shape that it was given",
            )
        altered: Tensor = found.to(image.dtype)
        if not bool(altered.isfinite().all()):
            raise DataError(
                f"{self.name} gave numbers that are not finite for {self._key(sample)}",
                fix="look at what it divides by, and at logarithms and roots",
            )
        return altered

    def _key(self, sample: int) -> str:
        return repr(self.keys[sample]) if sample < len(self.keys) else f"sample {sample}"


def load(name: str) -> Function:
    """The function "module:function". Raises `UsageError` where there is none."""
    module, colon, attribute = name.partition(":")
    if not (module and colon and attribute):
        raise UsageError(f"an augmentation of your own is named module:function, not {name!r}")
    sys.path.insert(0, os.getcwd())
    try:
        found = importlib.import_module(module)
    except ImportError as error:
        raise UsageError(f"the module {module!r} of {name!r} cannot be imported: {error}") from error
    finally:
        sys.path.remove(os.getcwd())
    function = getattr(found, attribute, None)
    if not callable(function):
        near = nearest(attribute, [one for one, value in vars(found).items() if callable(value)])
        raise UsageError(f"{module} has no function {attribute!r}" + (f"; did you mean {near!r}?" if near else ""))
    return function  # type: ignore[no-any-return]
