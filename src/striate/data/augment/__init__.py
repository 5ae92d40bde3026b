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

from striate.core.boxes import LABEL, NONE
from striate.core.errors import UsageError, nearest
from striate.core.registry import Registry
from striate.core.seeds import generator, uniforms
from striate.data.augment._follow import Boxes, FollowingBoxes, FollowingMasks, Plane, Size, room
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
        plane: (draws, size before, size after, **settings) → (N, 3, 3): where it takes the places of its result from,
            as `striate.data.augment._follow` has it, by which boxes follow. None where it is along no plane: what
            moves is then not for pictures with boxes.
        fills: whether something of beyond the border may show. With boxes it is then told `fill`, a colour to show in
            place of a reflection: a mirrored thing without a box would be learnt as background.
    """

    apply: Callable[..., Tensor]
    settings: Mapping[str, Any]
    draws: int
    order: int
    bytes: bool = False
    moves: bool | None = None
    check: Callable[..., None] | None = None
    plane: Callable[..., Plane] | None = None
    fills: bool = False


@dataclass(frozen=True)
class BatchAugmentation:
    """Mixes the samples of a batch.

    Args:
        apply: (images float32, targets (N, K), weights (N,), generator, **settings) → the three, mixed.
        settings: as for `ImageAugmentation`.
    """

    apply: Callable[..., tuple[Tensor, Tensor, Tensor]]
    settings: Mapping[str, Any]


@dataclass(frozen=True)
class BoxAugmentation:
    """Lays pictures of a batch together, with their boxes; not for other targets.

    Args:
        apply: (images float32, boxes `_follow.Boxes`, generator, **settings) → the two, of as many pictures.
        settings: as for `ImageAugmentation`.
    """

    apply: Callable[..., tuple[Tensor, Boxes]]
    settings: Mapping[str, Any]


Augmentation: TypeAlias = ImageAugmentation | BatchAugmentation | BoxAugmentation

AUGMENTATIONS: Registry[Augmentation] = Registry("augmentation", "striate.data.augment")


def per_image(
    name: str,
    settings: Mapping[str, Any],
    *,
    draws: int,
    order: int,
    bytes: bool = False,
    moves: bool | None = None,
    check: Callable[..., None] | None = None,
    plane: Callable[..., Plane] | None = None,
    fills: bool = False,
) -> Callable[[F], F]:
    """Registers a function as an `ImageAugmentation` and leaves it as it is."""

    def file(function: F) -> F:
        one = ImageAugmentation(function, settings, draws, order, bytes, moves, check, plane, fills)
        AUGMENTATIONS.register(name)(one)
        return function

    return file


def per_batch(name: str, settings: Mapping[str, Any]) -> Callable[[F], F]:
    """Registers a function as a `BatchAugmentation` and leaves it as it is."""

    def file(function: F) -> F:
        AUGMENTATIONS.register(name)(BatchAugmentation(function, settings))
        return function

    return file


def per_boxes(name: str, settings: Mapping[str, Any]) -> Callable[[F], F]:
    """Registers a function as a `BoxAugmentation` and leaves it as it is."""

    def file(function: F) -> F:
        AUGMENTATIONS.register(name)(BoxAugmentation(function, settings))
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


GREY = 127.5
"""What is shown beyond the border of pictures with boxes, unless another colour is given."""


class Augmenter:
    """Applies the augmentations that a plan asks for.

    Args:
        settings: the plan's section `augment`; what is left out is off.
        seed: the training's seed.
        size: (H, W) that the network takes; pictures may come with a margin around it. None: each batch keeps its own.
        keys: of the samples, to name one that a function of the user's fails on.
        minority: which samples, by position, are altered by other settings, and these; None where none are.
        fill: what is shown beyond the border of pictures with boxes: of each channel, from 0 to 255, such as their
            preprocessing pads with; or one number for all.

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
        fill: Sequence[float] = (GREY,),
    ) -> None:
        self.seed = seed
        self.size = size
        self.fill = tuple(fill)
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
        self._scenes: list[tuple[str, BoxAugmentation, dict[str, Any]]] = []
        for name, one in AUGMENTATIONS.items():
            chosen = {setting: settings.get(setting, off) for setting, off in one.settings.items()}
            if chosen == dict(one.settings):
                continue
            if isinstance(one, ImageAugmentation):
                if one.check is not None:
                    one.check(**chosen)
                self._images.append((name, one, chosen))
            elif isinstance(one, BatchAugmentation):
                self._batches.append((name, one, chosen))
            else:
                self._scenes.append((name, one, chosen))
        self._images.sort(key=lambda entry: (entry[1].order, entry[0]))

    @property
    def idle(self) -> bool:
        """Whether pictures are only cut to size, and samples not mixed: every epoch then shows the same."""
        plain = not self._images and not self._batches and not self._scenes and self._own is None
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
                return others._altered(pixels, samples, shown, epoch, size)
            if chosen.any():
                return self._apart(others, chosen, pixels, samples, shown, epoch, size)
        return self._altered(pixels, samples, shown, epoch, size)

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
        following = FollowingMasks(masks[:, None])
        return self._altered(pixels, samples, shown, epoch, None, following), following.masks[:, 0]

    def with_boxes(
        self,
        pixels: Tensor,
        targets: Tensor,
        samples: NDArray[np.int64],
        epoch: int,
        number: int,
        turns: NDArray[np.int64] | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Altered pictures with their boxes moved as they are, and pictures laid together where that is on.

        The pictures are those that `images` gives, but for what lies beyond their border, which has a colour in place
        of a reflection. Of a box there stays what is still in the picture; where that is little, see
        `striate.data.augment._follow.LEAST`, it is difficult. What the data says of a thing's own area stays as it is.

        Args:
            pixels: as for `images`.
            targets: (N, 1 + M, 7), float32: the frame of each picture, which is left as it is, then its boxes, rows of
                `striate.core.boxes.TRUTH` in pixels of the network's input, not of a margin around that.
            number: the batch's number in its epoch, which names the draws of what lays pictures together.

        Returns:
            the pictures, and targets of which rows that hold something come first. Where pictures are laid together
            there are up to four times as many rows, and no more than a power of two that has room for all; else M.

        Raises:
            UsageError: an augmentation is on that boxes cannot follow.
        """
        self.refuse_boxes()
        shown = named(samples, turns)
        whole = pixels.shape[2], pixels.shape[3]
        top, left = central(whole, self.size or whole)
        fill = torch.tensor(self.fill, dtype=torch.float32, device=pixels.device)[:, None, None]
        following = FollowingBoxes(Boxes.of(targets[:, 1:], whole, top, left), fill)
        images = self._altered(pixels, samples, shown, epoch, None, following)
        boxes = following.boxes
        for name, scene, chosen in self._scenes:
            images, boxes = scene.apply(images.float(), boxes, generator(self.seed, name, epoch, number), **chosen)
        kept = boxes.kept()
        if self._scenes and kept.shape[1]:
            most = int((kept[..., LABEL] != NONE).sum(1).max())
            kept = kept[:, : room(most, kept.shape[1])]
        return images, torch.cat([targets[:, :1], kept], dim=1)

    def refuse_masks(self) -> None:
        """Raise `UsageError` where an augmentation is on that masks cannot follow."""
        unable = [name for name, one, _ in self._images if one.moves is None]
        self._refuse([*unable, *(name for name, *_ in self._scenes)], "masks")

    def refuse_boxes(self) -> None:
        """Raise `UsageError` where an augmentation is on that boxes cannot follow."""
        self._refuse([name for name, one, _ in self._images if one.moves is not False and one.plane is None], "boxes")

    def _refuse(self, unable: Sequence[str], targets: str) -> None:
        unable = [*unable, *(name for name, *_ in self._batches)]
        unable += ["function"] if self._own is not None else []
        unable += ["minority"] if self._minority is not None else []
        if unable:
            raise UsageError(
                f"augment.{unable[0]} is not for pictures with {targets}, which could not follow it",
                fix=f"leave augment.{unable[0]} out",
            )

    def refuse_scenes(self) -> None:
        """Raise `UsageError` where an augmentation is on that is for pictures with boxes alone."""
        if self._scenes:
            name = self._scenes[0][0]
            raise UsageError(
                f"augment.{name} is for pictures with boxes alone: it lays several together, of which a class or a "
                "value for the whole would be true of none",
                fix=f"leave augment.{name} out; augment.cutmix mixes pictures that have a class",
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
            one._altered(pixels[place], samples[part], shown[part], epoch, size)
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
        following: FollowingMasks | FollowingBoxes | None = None,
    ) -> Tensor:
        """All of the pictures by this one's own settings, and what follows them; what is drawn for them is named by
        `shown`."""
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
                pixels, cut = self._cut(pixels, size, following), True
            draws = uniforms(shown, one.draws, self.seed, name, epoch)
            told = {"size": size} if one.order <= CUT else {}  # what cuts out of the margin must know what to cut to
            filled = {"fill": following.fill} if isinstance(following, FollowingBoxes) and one.fills else {}
            before = pixels.shape[2], pixels.shape[3]
            pixels = one.apply(pixels if one.bytes else pixels.float(), draws, **chosen, **told, **filled)
            if following is not None and one.moves:
                following.follow(one, draws, before, (pixels.shape[2], pixels.shape[3]), chosen, told)
            cut = cut or tuple(pixels.shape[2:]) == size
        pixels = pixels if cut else self._cut(pixels, size, following)
        return pixels if self._own is None else self._own(pixels, samples, epoch, shown)

    @staticmethod
    def _cut(pixels: Tensor, size: Size, following: FollowingMasks | FollowingBoxes | None) -> Tensor:
        if following is not None:
            whole = pixels.shape[2], pixels.shape[3]
            following.cut(*central(whole, size), whole, size)
        return centre(pixels, size)

    def mix(
        self, images: Tensor, targets: Tensor, weights: Tensor, epoch: int, batch: int
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Pictures, targets and weights with the samples of a batch mixed; the sum of the weights stays.

        Where several ways to mix are on, each batch is mixed in one of them.

        Args:
            batch: the batch's number in its epoch, which names the draws.

        Raises:
            UsageError: an augmentation is on that is for boxes alone.
        """
        self.refuse_scenes()
        if not self._batches:
            return images, targets, weights
        turn = int(generator(self.seed, "which mixes", epoch, batch).integers(len(self._batches)))
        name, one, chosen = self._batches[turn]
        return one.apply(images.float(), targets, weights, generator(self.seed, name, epoch, batch), **chosen)


def named(samples: NDArray[np.int64], turns: NDArray[np.int64] | None) -> NDArray[np.int64]:
    """What names the draws of each sample, (N,): its position, and which time in the epoch it is shown."""
    return samples if turns is None else samples + AGAIN * turns


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


def central(whole: Size, size: Size) -> tuple[int, int]:
    """Where the central part of a size begins, down and to the right."""
    return (whole[0] - size[0]) // 2, (whole[1] - size[1]) // 2


def centre(images: Tensor, size: tuple[int, int]) -> Tensor:
    """The central part of images (N, C, H, W), as `Preprocessing.prepare` cuts it."""
    top, left = central((images.shape[2], images.shape[3]), size)
    return images[:, :, top : top + size[0], left : left + size[1]].contiguous()
