"""A Model for other machines: exported files, each proved equal to the Model before it is written."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

from torch import Tensor

from striate.core.registry import Registry
from striate.infer.model import Model


class Exporter(Protocol):
    """Writes a Model in another format, or nothing where the file would disagree with it."""

    def __call__(self, model: Model, path: Path, samples: Tensor | Sequence[Tensor]) -> dict[str, Any]:
        """Export, check, write.

        Args:
            path: the file to write.
            samples: real pictures, prepared: (N, C, H, W) on the 0..255 scale.

        Returns:
            What was written and how far it was from the Model, in plain values.

        Raises:
            ParityError: the file disagrees with the Model; nothing was written.
        """


EXPORTERS: Registry[Exporter] = Registry("exporter", "striate.ship")
