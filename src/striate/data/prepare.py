"""From a decoded picture of any shape and depth to the pixels a network sees: the one place where that is done.

Training, evaluation and prediction all call `Preprocessing.prepare`, so they cannot differ. Imports no torch, so that
worker processes start quickly.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal, cast

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from striate.core.boxes import Frame
from striate.core.errors import DataError, nearest
from striate.core.records import Picture, Pixels
from striate.data.buckets import Bounds, Size, fitted

Sizing = Literal["one", "own", "patch"]
Policy = Literal["crop", "pad", "squash"]
Interpolation = Literal["bilinear", "bicubic", "nearest"]

SIZINGS = ("one", "own", "patch")
POLICIES = ("crop", "pad", "squash")
_OWN = ("sizing", "step", "least")
"""What is written only of pictures that keep their own sizes."""
_PATCH = ("tile", "overlap")
"""What is written only of pictures that are trained on in patches."""
_FILTERS = {
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "nearest": Image.Resampling.NEAREST,
}
LUMA = (0.299, 0.587, 0.114)
"""Weights of red, green and blue in brightness: ITU-R BT.601."""


@dataclass(frozen=True)
class Preprocessing:
    """How a picture is brought to the network's input; part of every Model.

    Args:
        height, width, channels: what the network takes; of own sizes, the largest height and width.
        policy: how another aspect ratio is brought to it: "crop" covers the frame and cuts what juts out on both
            sides alike, "pad" fits into the frame and fills the rest, "squash" ignores the ratio. Of own sizes: whether
            sides are cut down or padded up to a multiple of the step.
        margin: the frame is height and width times this, and the network sees its centre: 1 / crop_pct of timm.
        interpolation: how pixels are resampled, always antialiased but for "nearest".
        full_scale: the value in pictures of more than 8 bits that becomes 255; those of 8 bits stay as they are.
        mean, std: of each channel on a 0 to 1 scale; applied by the network's first operation, not here.
        fill: of each channel, the colour of padding from 0 to 255.
        sizing: "one" brings all pictures to one size; of "own" each keeps its own, see `striate.data.buckets`; of
            "patch" too, and nothing is scaled, cut or padded here: training sees patches of height and width, and a
            prediction the whole picture.
        step, least: of own sizes, what sides are a multiple of, and the shortest side; of patches, what a network
            needs the sides of a whole picture to be a multiple of, see `striate.infer.tiles`.
        tile, overlap: of patches, the largest side of a whole picture that is computed at once, and the pixels that the
            tiles of a larger one share.

    >>> import numpy as np
    >>> grey = Preprocessing(2, 2, 1, "squash", mean=(0.5,), std=(0.5,), fill=(0.0,))
    >>> grey.prepare(Picture(np.full((4, 6, 3), 7, np.uint8), "RGB")).tolist()
    [[[7, 7], [7, 7]]]
    """

    height: int
    width: int
    channels: int
    policy: Policy = "crop"
    margin: float = 1.0
    interpolation: Interpolation = "bilinear"
    full_scale: float = 255.0
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    fill: tuple[float, ...] = ()
    sizing: Sizing = "one"
    step: int = 1
    least: int = 1
    tile: int = 0
    overlap: int = 0

    def __post_init__(self) -> None:
        for name in ("mean", "std", "fill"):
            numbers = tuple(float(number) for number in getattr(self, name))
            object.__setattr__(self, name, numbers)
            if len(numbers) != self.channels or not all(math.isfinite(number) for number in numbers):
                raise DataError(f"preprocessing: {name} needs {self.channels} finite numbers, one a channel: {numbers}")
        checks = {
            "height, width and channels are at least 1": min(self.height, self.width, self.channels) >= 1,
            f"policy is one of {', '.join(POLICIES)}": self.policy in POLICIES,
            f"interpolation is one of {', '.join(_FILTERS)}": self.interpolation in _FILTERS,
            "margin is at least 1": self.margin >= 1 and math.isfinite(self.margin),
            "full_scale is above 0": self.full_scale > 0 and math.isfinite(self.full_scale),
            "std is above 0": min(self.std) > 0,
            f"sizing is one of {', '.join(SIZINGS)}": self.sizing in SIZINGS,
            "step and least are at least 1": min(self.step, self.least) >= 1,
        }
        if self.patches:
            checks |= {
                "tile is a multiple of step": self.tile > 0 and self.tile % self.step == 0,
                "overlap is at least 0 and less than half of the tile": 0 <= 2 * self.overlap < self.tile,
                "patches have no margin": self.margin == 1,
            }
        elif self.own:
            checks |= {
                "least is at most height and width": self.least <= min(self.height, self.width),
                "own sizes are cut or padded, not squashed": self.policy != "squash",
                "own sizes have no margin": self.margin == 1,
            }
        for rule, holds in checks.items():
            if not holds:
                raise DataError(f"preprocessing is of no use: {rule}; it is {asdict(self)}")

    @property
    def frame(self) -> tuple[int, int]:
        """Height and width with the margin."""
        return round(self.height * self.margin), round(self.width * self.margin)

    @property
    def own(self) -> bool:
        """Whether each picture keeps its own size."""
        return self.sizing != "one"

    @property
    def patches(self) -> bool:
        """Whether training sees patches of pictures, and a prediction whole ones."""
        return self.sizing == "patch"

    @property
    def bounds(self) -> Bounds:
        """How own sizes are brought to buckets."""
        return Bounds(self.height, self.width, self.step, self.least, pads=self.policy == "pad")

    def to_dict(self) -> dict[str, Any]:
        """Plain values; what own sizes need only where they are kept."""
        content = asdict(self)
        for name in (*(() if self.own else _OWN), *(() if self.patches else _PATCH)):
            del content[name]
        return {name: list(value) if isinstance(value, tuple) else value for name, value in content.items()}

    @classmethod
    def from_dict(cls, content: dict[str, Any]) -> Preprocessing:
        """What `to_dict` wrote. Raises `DataError` for unknown or missing keys and values of no use."""
        known = [one.name for one in fields(cls)]
        for key in content:
            if key not in known:
                near = nearest(key, known)
                raise DataError(f"preprocessing has no {key!r}" + (f"; did you mean {near!r}?" if near else ""))
        sizing = content.get("sizing", "one")
        spared = (*(_OWN if sizing == "one" else ()), *(() if sizing == "patch" else _PATCH))
        missing = [key for key in known if key not in content and key not in spared]
        if missing:
            raise DataError(f"preprocessing lacks {', '.join(missing)}", fix="state all of it; nothing is guessed")
        try:
            return cls(**content)
        except TypeError as error:
            raise DataError(f"preprocessing has a value of the wrong type: {error}") from error

    def prepare(self, picture: Picture, *, keep_margin: bool = False) -> Pixels:
        """Bring a picture to the network's input.

        Args:
            keep_margin: return the whole frame, so that shifted crops in training see more than the centre.

        Returns:
            (C, H, W): uint8 for pictures of 8 bits, else float32; on a scale of 0 to 255 either way. Of own sizes H and
            W are those of the picture's bucket.

        Raises:
            DataError: the picture's channels are neither the network's, nor grey, nor colour for a grey network.
        """
        pixels = _to_channels(picture.pixels, self.channels)
        if pixels.dtype != np.uint8:
            pixels = pixels.astype(np.float32) * np.float32(255.0 / self.full_scale)
        framed = pixels if self.patches else self._kept(pixels) if self.own else self._framed(pixels)
        if framed.shape[2] != self.channels:
            framed = np.repeat(framed, self.channels, axis=2)
        if not keep_margin and not self.own:
            framed = centre(framed, self.height, self.width)
        return cast(Pixels, np.array(framed.transpose(2, 0, 1), order="C"))  # a copy: pictures may be the user's own

    def placed(self, height: int, width: int) -> Frame:
        """Where a picture of a height and width lies in the network's input.

        Raises:
            ValueError: pictures keep their own sizes.

        >>> Preprocessing(100, 100, 1, "pad", mean=(0,), std=(1,), fill=(0,)).placed(100, 200)
        Frame(left=0.0, top=25.0, across=0.5, down=0.5, height=100, width=200)
        """
        if self.own:
            raise ValueError("pictures of their own sizes lie where they are")
        rows, columns = self.frame
        across, down, left, top = columns / width, rows / height, 0.0, 0.0
        if self.policy == "crop":
            across = down = max(across, down)
            left, top = (columns - width * across) / 2, (rows - height * down) / 2
        elif self.policy == "pad":
            inner = self._inner(height, width)
            across, down = inner[1] / width, inner[0] / height
            left, top = float((columns - inner[1]) // 2), float((rows - inner[0]) // 2)
        left, top = left - (columns - self.width) // 2, top - (rows - self.height) // 2
        return Frame(left, top, across, down, height, width)

    def _inner(self, height: int, width: int) -> Size:
        """What of the frame a padded picture fills."""
        rows, columns = self.frame
        scale = max(height / rows, width / columns)
        return max(1, min(rows, round(height / scale))), max(1, min(columns, round(width / scale)))

    def _framed(self, pixels: NDArray[Any]) -> NDArray[Any]:
        """Pixels (H, W, C) brought to the frame by the policy."""
        height, width = pixels.shape[:2]
        rows, columns = self.frame
        resample = _FILTERS[self.interpolation]
        if (height, width) == (rows, columns):
            return pixels
        if self.policy == "squash":
            return _resize(pixels, rows, columns, (0.0, 0.0, width, height), resample)
        if self.policy == "crop":
            scale = min(height / rows, width / columns)
            top, left = (height - rows * scale) / 2, (width - columns * scale) / 2
            box = (max(0.0, left), max(0.0, top), min(width, width - left), min(height, height - top))
            return _resize(pixels, rows, columns, box, resample)
        shrunk = _resize(pixels, *self._inner(height, width), (0.0, 0.0, width, height), resample)
        return self.fit(shrunk, (rows, columns))

    def _kept(self, pixels: NDArray[Any]) -> NDArray[Any]:
        """Pixels (H, W, C) of the size of their bucket: resampled only where they are larger than the bound."""
        height, width = pixels.shape[:2]
        scaled, bucket = self.bounds.place(height, width)
        if scaled != (height, width):
            pixels = _resize(pixels, *scaled, (0.0, 0.0, width, height), _FILTERS[self.interpolation])
        return self.fit(pixels, bucket)

    def fit(self, pixels: NDArray[Any], size: Size) -> NDArray[Any]:
        """Pixels (H, W, C) cut and padded to a size around their centre."""
        if pixels.shape[2] != self.channels and any(side < new for side, new in zip(pixels.shape, size, strict=False)):
            pixels = np.repeat(pixels, self.channels, axis=2)  # a frame may have colour where the picture has none
        return fitted(pixels, size, np.asarray(self.fill))


def centre(pixels: NDArray[Any], height: int, width: int) -> NDArray[Any]:
    """The central part of pixels (H, W, …); of two middles the upper left."""
    top, left = (pixels.shape[0] - height) // 2, (pixels.shape[1] - width) // 2
    return pixels[top : top + height, left : left + width]


def _to_channels(pixels: NDArray[Any], channels: int) -> NDArray[Any]:
    """Colour to grey by luma where the network is grey; grey for colour is repeated later, when it is small."""
    found = pixels.shape[2]
    if found == channels or (found == 1 and channels == 3):
        return pixels
    if found == 3 and channels == 1:
        if pixels.dtype == np.uint8:
            return np.asarray(Image.fromarray(pixels).convert("L"))[:, :, None]
        return (pixels.astype(np.float32) @ np.asarray(LUMA, np.float32))[:, :, None]
    raise DataError(
        f"the picture has {found} channels and the network takes {channels}",
        fix="only grey becomes colour and colour grey; give pictures as the network was trained on",
    )


def _resize(
    pixels: NDArray[Any], height: int, width: int, box: tuple[float, float, float, float], resample: Image.Resampling
) -> NDArray[Any]:
    """Resample the box (left, top, right, bottom) of pixels (H, W, C), with antialiasing, by Pillow.

    Three channels of bytes go at once; others one by one, since Pillow would take two or four for alpha.
    """
    if pixels.dtype == np.uint8 and pixels.shape[2] == 3:
        return np.asarray(Image.fromarray(pixels).resize((width, height), resample, box))
    layers = [
        np.asarray(Image.fromarray(np.ascontiguousarray(pixels[:, :, channel])).resize((width, height), resample, box))
        for channel in range(pixels.shape[2])
    ]
    return np.stack(layers, axis=2)
