"""Altering pictures with their boxes: flips, crops, jitter of scale and mosaics, each a function of its draws.

Colour, noise and blur leave boxes where they are: what is registered for pictures does for these as well. What cuts
drops boxes of which too little is left, by `kept`, and cuts the others to the picture.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.functional import interpolate

Floats: TypeAlias = NDArray[np.float64]
Rule: TypeAlias = Literal["share", "centre"]

LEAST = 0.3
"""Share of a box's area that must be left of it: less of a thing cannot be told from its surroundings."""


@dataclass(frozen=True)
class Scene:
    """A picture and its boxes.

    Args:
        pixels: (C, H, W), uint8 or float32.
        edges: x1, y1, x2, y2 in pixels, (B, 4).
        labels: the class of each, (B,).
        aside: which do not count: crowds, and what is difficult, (B,).
    """

    pixels: NDArray[Any]
    edges: Floats
    labels: NDArray[np.int64]
    aside: NDArray[np.bool_]

    @property
    def size(self) -> tuple[int, int]:
        """Height and width."""
        return self.pixels.shape[1], self.pixels.shape[2]

    def chosen(self, rows: NDArray[np.bool_], edges: Floats) -> Scene:
        """The same picture with some of the boxes, at other edges (of all)."""
        return replace(self, edges=edges[rows], labels=self.labels[rows], aside=self.aside[rows])


def flip(scene: Scene, draw: float, share: float = 0.5) -> Scene:
    """Mirror a picture from left to right.

    Args:
        draw: from 0 to 1; below `share` it is mirrored.

    >>> scene = Scene(np.arange(4).reshape(1, 1, 4), np.array([[0.0, 0, 1, 1]]), np.zeros(1, int), np.zeros(1, bool))
    >>> flip(scene, 0.2).pixels.tolist(), flip(scene, 0.2).edges.tolist()
    ([[[3, 2, 1, 0]]], [[3.0, 0.0, 4.0, 1.0]])
    """
    if draw >= share:
        return scene
    width = scene.size[1]
    edges = scene.edges.copy()
    edges[:, [0, 2]] = width - scene.edges[:, [2, 0]]
    return replace(scene, pixels=np.ascontiguousarray(scene.pixels[:, :, ::-1]), edges=edges)


def kept(edges: Floats, size: tuple[int, int], rule: Rule = "share", least: float = LEAST) -> NDArray[np.bool_]:
    """Which boxes are still there once the picture is cut to a size.

    Args:
        edges: (B, 4), in the cut picture's pixels.
        size: its height and width.
        rule: "share": of the box's area at least a share is inside; "centre": its centre is (Liu et al. 2016, "SSD",
            section 2.2).
        least: that share.

    Returns:
        (B,); never a box of which nothing is inside.
    """
    height, width = size
    inside = np.clip(edges, 0, [width, height, width, height])
    left = (inside[:, 2:] - inside[:, :2]).prod(1)
    if rule == "centre":
        middle = (edges[:, :2] + edges[:, 2:]) / 2
        return np.asarray(((middle >= 0) & (middle < [width, height])).all(1) & (left > 0))
    return np.asarray((left >= least * (edges[:, 2:] - edges[:, :2]).prod(1)) & (left > 0))


def cut(scene: Scene, top: int, left: int, size: tuple[int, int], fill: float = 0.0, rule: Rule = "share") -> Scene:
    """Take a window out of a picture; what of it lies outside of the picture is filled.

    Args:
        top, left: where the window begins, in pixels; below 0, or far on, it reaches out of the picture.
        size: its height and width.
        fill: the shade of what lies outside.
        rule: by which boxes are kept, see `kept`.
    """
    height, width = size
    pixels = np.full((scene.pixels.shape[0], height, width), fill, scene.pixels.dtype)
    rows, columns = (_overlap(begin, side, of) for begin, side, of in zip((top, left), size, scene.size, strict=True))
    pixels[:, rows[0], columns[0]] = scene.pixels[:, rows[1], columns[1]]
    edges = scene.edges - np.array([left, top, left, top])
    inside = np.clip(edges, 0, [width, height, width, height])
    return replace(scene, pixels=pixels).chosen(kept(edges, size, rule), inside)


def _overlap(begin: int, side: int, whole: int) -> tuple[slice, slice]:
    """Along one axis, the part of a window and the part of the picture that are the same pixels."""
    first, last = max(0, begin), max(max(0, begin), min(whole, begin + side))
    return slice(first - begin, last - begin), slice(first, last)


def crop(scene: Scene, draws: Floats, smallest: float = 0.3, aspect: float = 4 / 3, rule: Rule = "share") -> Scene:
    """Take a window of any place, size and mild shape out of a picture.

    Args:
        draws: (4,), from 0 to 1: area, proportions, place down, place to the right.
        smallest: the smallest area as a share of the picture's.
        aspect: the most that its proportions differ from the picture's own.
        rule: by which boxes are kept, see `kept`.
    """
    area = smallest + (1 - smallest) * draws[0]
    shape = np.exp(np.log(aspect) * (2 * draws[1] - 1))
    shares = min(1.0, (area / shape) ** 0.5), min(1.0, (area * shape) ** 0.5)
    size = tuple(max(1, round(share * side)) for share, side in zip(shares, scene.size, strict=True))
    top, left = (
        int(draw * (whole - side + 1)) if draw < 1 else whole - side
        for draw, whole, side in zip(draws[2:], scene.size, size, strict=True)
    )
    return cut(scene, top, left, (size[0], size[1]), rule=rule)


def resized(scene: Scene, size: tuple[int, int]) -> Scene:
    """Bring a picture with its boxes to a height and width."""
    if size == scene.size:
        return scene
    pixels = torch.from_numpy(np.ascontiguousarray(scene.pixels)).float()[None]
    found = interpolate(pixels, size, mode="bilinear", align_corners=False, antialias=True)[0].numpy()
    if scene.pixels.dtype == np.uint8:
        found = found.round().clip(0, 255).astype(np.uint8)
    down, across = (new / old for new, old in zip(size, scene.size, strict=True))
    return replace(scene, pixels=found, edges=scene.edges * np.array([across, down, across, down]))


def scale_jitter(
    scene: Scene,
    draws: Floats,
    size: tuple[int, int],
    scales: tuple[float, float] = (0.1, 2.0),
    fill: float = 0.0,
    rule: Rule = "share",
) -> Scene:
    """Bring a picture to a size at a random scale: of a larger one a window is taken, a smaller one is laid on ground.

    Ghiasi et al. 2021, "Simple Copy-Paste", section 3, large scale jittering.

    Args:
        draws: (3,), from 0 to 1: scale, place down, place to the right.
        size: height and width of what is given.
        scales: the least and largest, 1 for a picture that just fits; their logarithm is uniform.
        fill: the shade of the ground.
    """
    fit = min(new / old for new, old in zip(size, scene.size, strict=True))
    scale = fit * scales[0] * (scales[1] / scales[0]) ** float(draws[0])
    sides = tuple(max(1, round(side * scale)) for side in scene.size)
    larger = resized(scene, (sides[0], sides[1]))
    starts = [round(float(draw) * (side - new)) for draw, side, new in zip(draws[1:], sides, size, strict=True)]
    return cut(larger, starts[0], starts[1], size, fill, rule)


def mosaic(
    scenes: Sequence[Scene], draws: Floats, size: tuple[int, int], fill: float = 0.0, rule: Rule = "share"
) -> Scene:
    """Lay four pictures around a point, each cut to its quarter.

    Bochkovskiy et al. 2020, "YOLOv4", section 3.3. Each picture is brought to the size as far as it fits, and lies with
    a corner at the point: that of the upper left quarter with its lower right one, and so on.

    Args:
        scenes: four, of the upper left, upper right, lower left and lower right quarter.
        draws: (2,), from 0 to 1: the point, from a quarter of the size to three, down and to the right.
        size: height and width of what is given.
        fill: the shade where no picture lies.

    Raises:
        ValueError: they are not four, or differ in channels or type.
    """
    if len(scenes) != 4 or len({(len(one.pixels), one.pixels.dtype) for one in scenes}) != 1:
        raise ValueError("a mosaic takes four pictures of equal channels and type")
    down, across = (round((0.25 + 0.5 * float(draw)) * side) for draw, side in zip(draws, size, strict=True))
    pixels = np.full((len(scenes[0].pixels), *size), fill, scenes[0].pixels.dtype)
    parts = []
    for number, one in enumerate(scenes):
        lower, right = divmod(number, 2)
        fit = min(new / old for new, old in zip(size, one.size, strict=True))
        sides = tuple(max(1, round(side * fit)) for side in one.size)
        fitted = resized(one, (sides[0], sides[1]))
        quarter = (size[0] - down if lower else down, size[1] - across if right else across)
        starts = 0 if lower else sides[0] - quarter[0], 0 if right else sides[1] - quarter[1]
        part = cut(fitted, *starts, quarter, fill, rule)
        top, left = (down if lower else 0), (across if right else 0)
        pixels[:, top : top + quarter[0], left : left + quarter[1]] = part.pixels
        parts.append(replace(part, edges=part.edges + np.array([left, top, left, top])))
    return Scene(
        pixels,
        np.concatenate([one.edges for one in parts]),
        np.concatenate([one.labels for one in parts]),
        np.concatenate([one.aside for one in parts]),
    )
