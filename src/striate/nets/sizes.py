"""Which sizes of pictures a network takes, once it is built for one: told on shapes alone where that is possible."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from striate.core.errors import NetworkError
from striate.nets.spec import build

FIX = (
    "give it global pooling, as `compact` and `resnet18` have it, or a spatial pyramid, as `sppnet` has it (nodes "
    "`GlobalPool` and `SpatialPyramidPool`), or leave input.sizing out"
)


STEPS = (1, 2, 4, 8, 16, 32, 64, 128)
"""Powers of two that sides may have to be a multiple of."""


class AnySize:
    """A network asked for sizes: trained in thought on two pictures of each.

    Args:
        spec: the network, as `striate.nets.resolve` gives it.
    """

    def __init__(self, spec: Mapping[str, Any]) -> None:
        self._spec = spec
        self._channels, *self.size = (int(side) for side in spec["input"])
        try:
            self._device, self._network = "meta", self._built("meta")
            self._forward(*self.size)
        except Exception as error:  # each library has its own way to fail
            if not isinstance(error, NotImplementedError) and "meta" not in str(error).lower():
                raise
            self._device, self._network = "cpu", self._built("cpu")

    def _built(self, device: str) -> nn.Module:
        with torch.random.fork_rng(devices=[]), torch.device(device):
            return build(self._spec).train()

    def _forward(self, height: int, width: int) -> Any:
        images = torch.zeros(2, self._channels, height, width, device=self._device)
        with torch.random.fork_rng(devices=[]), torch.no_grad():
            found = self._network(images)
        if isinstance(found, Tensor) and tuple(found.shape[:2]) != (2, int(self._spec["outputs"])):
            raise NetworkError(f"it gives {tuple(found.shape)} for two pictures")
        return found

    def why_not(self, height: int, width: int) -> str | None:
        """Why it does not take pictures of a size; None where it does."""
        try:
            self._forward(height, width)
        except Exception as error:  # each library has its own way to refuse a size
            return (str(error).strip().splitlines() or [type(error).__name__])[0]
        return None

    def refuse_one_grid(self) -> None:
        """Raise `NetworkError` where it is bound to pictures of one size: what takes any size takes larger ones too."""
        height, width = self.size
        why = self.why_not(2 * height, 2 * width) or self.why_not(height, 2 * width)
        if why is not None:
            raise NetworkError(
                f"{self._spec['name']} is bound to pictures of {height}×{width} px, and input.sizing=own keeps the "
                f"pictures' own sizes: {why}",
                fix=FIX,
            )

    def grid_step(self) -> int:
        """What sides must be a multiple of, a power of two, for outputs at each pixel.

        Raises:
            NetworkError: there is none: it gives no outputs for each pixel.

        >>> from striate.nets.spec import resolve
        >>> spec = resolve("unet", outputs=2, channels=1, height=32, width=32, arguments={"depth": 2}, form="grid")
        >>> AnySize(spec).grid_step()
        4
        """
        for step in STEPS:
            size = 3 * step, 5 * step
            if self.why_not(*size) is None and tuple(self._forward(*size).shape[2:]) == size:
                return step
        raise NetworkError(
            f"{self._spec['name']} gives no outputs for each pixel of a picture, whatever its sides are a multiple of",
            fix="choose a network that does, such as unet with padding: same",
        )

    def least(self, step: int = 1) -> int:
        """The shortest side of the pictures that it takes, of multiples of a step.

        Raises:
            NetworkError: it is bound to pictures of one size.
        """
        self.refuse_one_grid()
        low, high = 0, -(-min(self.size) // step)
        while high - low > 1:  # what is larger than a size that it takes, it takes too
            middle = (low + high) // 2
            takes = self.why_not(middle * step, middle * step) is None
            low, high = (low, middle) if takes else (middle, high)
        return high * step

    def refuse(self, sizes: Sequence[tuple[int, int]]) -> None:
        """Raise `NetworkError` where it does not take pictures of one of the sizes."""
        for height, width in sizes:
            why = self.why_not(height, width)
            if why is not None:
                raise NetworkError(
                    f"{self._spec['name']} takes no pictures of {height}×{width} px, which input.sizing=own would show "
                    f"it: {why}",
                    fix="set a larger input.least or input.step, or choose another network",
                )
