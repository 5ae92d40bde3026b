"""Augmentation: altered views of training pictures that keep their target.

Every draw is a function of (seed, epoch, sample), or of (seed, epoch, batch) for what mixes samples: not of history,
of the batch's other samples, or of who computes it. So a resumed run sees the same pixels as one never stopped.
An augmentation is a pure function in a file of its own, which the decorators below register.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from striate.core.errors import UsageError, nearest
from striate.core.registry import Registry
from striate.core.seeds import generator, uniforms
from striate.data.augment._own import Own

Draws: TypeAlias = NDArray[np.float64]
F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True)
class ImageAugmentation:
    """Alters each picture by itself.

    Args:
        apply: (images (N, C, H, W) on 0 to 255, draws (N, k), **settings) → images. Row i depends on row i alone.
        settings: the plan's leaves under `augment` that it takes, each with the value that switches it off.
        draws: k, the uniform numbers in [0, 1) that each picture needs.
        order: lower ones are applied first.
        bytes: whether it works on uint8 as it is; else it is given float32.
        moves: whether it moves what is seen, by its draws alone, so that a mask is moved by the same; False where
            everything stays in its place. None where it may do either: it is not for pictures with masks.
        check: given the settings, raises `StriateError` where it cannot work with them.
    """

    apply: Callable[..., Tensor]
    settings: Mapping[str, Any]
    draws: int
    order: int
    bytes: bool = False
    moves: bool | None = None
    check: Callable[..., None] | None = None


@dataclass(frozen=True)
class BatchAugmentation:
    """Mixes the samples of a batch.

    Args:
        apply: (images float32, targets (N, K), weights (N,), generator, **settings) → the three, mixed.
        settings: as for `ImageAugmentation`.
    """

    apply: Callable[..., tuple[Tensor, Tensor, Tensor]]
    settings: Mapping[str, Any]


AUGMENTATIONS: Registry[ImageAugmentation | BatchAugmentation] = Registry("augmentation", "striate.data.augment")


def per_image(
    name: str,
    settings: Mapping[str, Any],
    *,
    draws: int,
    order: int,
    bytes: bool = False,
    moves: bool | None = None,
    check: Callable[..., None] | None = None,
) -> Callable[[F], F]:
    """Registers a function as an `ImageAugmentation` and leaves it as it is."""

    def file(function: F) -> F:
        AUGMENTATIONS.register(name)(ImageAugmentation(function, settings, draws, order, bytes, moves, check))
        return function

    return file


def per_batch(name: str, settings: Mapping[str, Any]) -> Callable[[F], F]:
    """Registers a function as a `BatchAugmentation` and leaves it as it is."""

    def file(function: F) -> F:
        AUGMENTATIONS.register(name)(BatchAugmentation(function, settings))
        return function

    return file


def switched_on(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Those of a plan's settings that alter anything.

    >>> switched_on({"flip": "horizontal", "crop": 1.0, "function": None})
    {'flip': 'horizontal'}
    """
    off = {setting: value for _, one in AUGMENTATIONS.items() for setting, value in one.settings.items()}
    off["function"] = None
    return {setting: value for setting, value in settings.items() if setting in off and value != off[setting]}


def switched_off(setting: str) -> Any:
    """The value that switches a setting of a registered augmentation off.

    >>> switched_off("crop"), switched_off("flip")
    (1.0, 'none')
    """
    return next(one.settings[setting] for _, one in AUGMENTATIONS.items() if setting in one.settings)


ASIDE = ("function", "check", "minority")
"""Leaves under `augment` that no registered augmentation takes."""


class Augmenter:
    """Applies the augmentations that a plan asks for.

    Args:
        settings: the plan's section `augment`; what is left out is off.
        seed: the training's seed.
        size: (H, W) that the network takes; pictures may come with a margin around it. None: each batch keeps its own.
        keys: of the samples, to name one that a function of the user's fails on.
        minority: which samples, by position, are altered by other settings, and these; None where none are.

    Raises:
        UsageError: a setting that no augmentation has, or a function that there is not.
    """

    def __init__(
        self,
        settings: Mapping[str, Any],
        seed: int,
        size: tuple[int, int] | None,
        keys: Sequence[str] = (),
        minority: tuple[NDArray[np.bool_], Mapping[str, Any]] | None = None,
    ) -> None:
        self.seed = seed
        self.size = size
        self._minority = None if minority is None else (minority[0], Augmenter(minority[1], seed, size, keys))
        name = settings.get("function")
        self._own = Own(name, seed, keys) if name else None
        settings = {setting: value for setting, value in settings.items() if setting not in ASIDE}
        known = {setting for _, one in AUGMENTATIONS.items() for setting in one.settings}
        for name in settings:
            if name not in known:
                near = nearest(name, known)
                raise UsageError(f"no augmentation has the setting {name!r}" + (f"; {near!r}?" if near else ""))
        self._images: list[tuple[str, ImageAugmentation, dict[str, Any]]] = []
        self._batches: list[tuple[str, BatchAugmentation, dict[str, Any]]] = []
        for name, one in AUGMENTATIONS.items():
            chosen = {setting: settings.get(setting, off) for setting, off in one.settings.items()}
            if chosen == dict(one.settings):
                continue
            if isinstance(one, ImageAugmentation):
                if one.check is not None:
                    one.check(**chosen)
                self._images.append((name, one, chosen))
            else:
                self._batches.append((name, one, chosen))
        self._images.sort(key=lambda entry: (entry[1].order, entry[0]))

    @property
    def idle(self) -> bool:
        """Whether pictures are only cut to size, and samples not mixed: every epoch then shows the same."""
        plain = not self._images and not self._batches and self._own is None
        return plain and self._minority is None

    def images(
        self,
        pixels: Tensor,
        samples: NDArray[np.int64],
        epoch: int,
        size: tuple[int, int] | None = None,
        turns: NDArray[np.int64] | None = None,
    ) -> Tensor:
        """Altered pictures of the network's size, or of another.

        Args:
            pixels: (N, C, H, W), uint8 or float32 on 0 to 255, with or without a margin.
            samples: the samples' positions, (N,), which name the draws.
            size: (H, W) in place of the network's own: they are first brought to that scale, margin and all. Not where
                batches keep their own sizes.
            turns: which time in the epoch each is shown, (N,), so that one shown again looks different.

        Returns:
            float32, or uint8 where nothing was done that needs fractions.
        """
        shown = named(samples, turns)
        if self._minority is not None:
            members, others = self._minority
            chosen = members[samples]
            if chosen.all():
                return others._altered(pixels, samples, shown, epoch, size)[0]
            if chosen.any():
                return self._apart(others, chosen, pixels, samples, shown, epoch, size)
        return self._altered(pixels, samples, shown, epoch, size)[0]

    def with_masks(
        self,
        pixels: Tensor,
        masks: Tensor,
        samples: NDArray[np.int64],
        epoch: int,
        turns: NDArray[np.int64] | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Altered pictures, as `images` gives them, with their masks moved as they are.

        What copies pixels moves a mask's exactly; where pixels are mixed, the class that most of a pixel comes from is
        taken, `VOID` among them.

        Args:
            masks: (N, H, W), uint8.

        Raises:
            UsageError: an augmentation is on that masks cannot follow.
        """
        self.refuse_masks()
        shown = named(samples, turns)
        images, planes = self._altered(pixels, samples, shown, epoch, None, masks[:, None])
        assert planes is not None
        return images, planes[:, 0]

    def refuse_masks(self) -> None:
        """Raise `UsageError` where an augmentation is on that masks cannot follow."""
        unable = [name for name, one, _ in self._images if one.moves is None] + [name for name, *_ in self._batches]
        unable += ["function"] if self._own is not None else []
        unable += ["minority"] if self._minority is not None else []
        if unable:
            raise UsageError(
                f"augment.{unable[0]} is not for pictures with masks, which could not follow it",
                fix=f"leave augment.{unable[0]} out",
            )

    def _apart(
        self,
        others: Augmenter,
        chosen: NDArray[np.bool_],
        pixels: Tensor,
        samples: NDArray[np.int64],
        shown: NDArray[np.int64],
        epoch: int,
        size: tuple[int, int] | None,
    ) -> Tensor:
        """The chosen pictures by the other augmenter, the rest by this one's own settings."""
        rows = np.flatnonzero(~chosen), np.flatnonzero(chosen)
        places = [torch.from_numpy(part).to(pixels.device) for part in rows]
        usual, found = (
            one._altered(pixels[place], samples[part], shown[part], epoch, size)[0]
            for one, place, part in zip((self, others), places, rows, strict=True)
        )
        result = usual.new_empty((len(samples), *usual.shape[1:]), dtype=torch.promote_types(usual.dtype, found.dtype))
        for part, altered in zip(places, (usual, found), strict=True):
            result[part] = altered.to(result.dtype)
        return result

    def _altered(
        self,
        pixels: Tensor,
        samples: NDArray[np.int64],
        shown: NDArray[np.int64],
        epoch: int,
        size: tuple[int, int] | None,
        masks: Tensor | None = None,
    ) -> tuple[Tensor, Tensor | None]:
        """All of the pictures by this one's own settings, and their masks (N, 1, H, W) where there are any; what is
        drawn for them is named by `shown`."""
        if self.size is None:
            if size is not None:
                raise ValueError("pictures that keep their own sizes are brought to no other")
            size = pixels.shape[2], pixels.shape[3]
        elif size is None or size == self.size:
            size = self.size
        else:
            pixels = _scaled(pixels, size, self.size)
        cut = tuple(pixels.shape[2:]) == size
        for name, one, chosen in self._images:
            if not cut and one.order > CUT:
                pixels, cut = centre(pixels, size), True
            draws = uniforms(shown, one.draws, self.seed, name, epoch)
            told = {"size": size} if one.order <= CUT else {}  # what cuts out of the margin must know what to cut to
            pixels = one.apply(pixels if one.bytes else pixels.float(), draws, **chosen, **told)
            if masks is not None and one.moves:
                masks = _moved(masks, one, draws, **chosen, **told)
            cut = cut or tuple(pixels.shape[2:]) == size
        pixels = pixels if cut else centre(pixels, size)
        return pixels if self._own is None else self._own(pixels, samples, epoch, shown), masks

    def mix(
        self, images: Tensor, targets: Tensor, weights: Tensor, epoch: int, batch: int
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Pictures, targets and weights with the samples of a batch mixed; the sum of the weights stays.

        Where several ways to mix are on, each batch is mixed in one of them.

        Args:
            batch: the batch's number in its epoch, which names the draws.
        """
        if not self._batches:
            return images, targets, weights
        turn = int(generator(self.seed, "which mixes", epoch, batch).integers(len(self._batches)))
        name, one, chosen = self._batches[turn]
        return one.apply(images.float(), targets, weights, generator(self.seed, name, epoch, batch), **chosen)


def named(samples: NDArray[np.int64], turns: NDArray[np.int64] | None) -> NDArray[np.int64]:
    """What names the draws of each sample, (N,): its position, and which time in the epoch it is shown."""
    return samples if turns is None else samples + AGAIN * turns


def _moved(masks: Tensor, one: ImageAugmentation, draws: Draws, **settings: Any) -> Tensor:
    """Masks (N, 1, H, W) moved as pictures are by the same draws."""
    if one.bytes:
        return one.apply(masks, draws, **settings)
    present = torch.unique(masks)
    shares = one.apply((masks == present.view(1, -1, 1, 1)).float(), draws, **settings)
    moved: Tensor = present[shares.argmax(dim=1, keepdim=True)]
    return moved


AGAIN = 2**32
"""Added to what names a sample's draws each time that it is shown again in an epoch."""

CUT = 0
"""Augmentations of this order or lower see the margin, are told `size`, and cut to it."""


def _scaled(images: Tensor, size: tuple[int, int], whole: tuple[int, int]) -> Tensor:
    """Images (N, C, H, W) with their margin, scaled by what `size` is of `whole`; bytes stay bytes."""
    target = [round(side * new / old) for side, new, old in zip(images.shape[2:], size, whole, strict=True)]
    if images.device.type == "cpu":
        return functional.interpolate(images, target, mode="bilinear", antialias=True)
    scaled = functional.interpolate(images.float(), target, mode="bilinear", antialias=True)  # no bytes on a GPU
    return scaled if images.is_floating_point() else scaled.round_().to(images.dtype)


def centre(images: Tensor, size: tuple[int, int]) -> Tensor:
    """The central part of images (N, C, H, W), as `Preprocessing.prepare` cuts it."""
    top, left = (images.shape[2] - size[0]) // 2, (images.shape[3] - size[1]) // 2
    return images[:, :, top : top + size[0], left : left + size[1]].contiguous()
