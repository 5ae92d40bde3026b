"""What flows through every stage: sources, samples, targets, datasets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

SPLITS = ("train", "val", "test")
Split = Literal["train", "val", "test"]


@dataclass(frozen=True, slots=True)
class Source:
    """Where a picture's bytes are.

    Args:
        kind: "file" (path), "zip" or "tar" (path of the archive and its member), or "array" (name of an array held
            by the Dataset, and the row in it).
        path: the file's or archive's path, or the array's name.
        member: the member of the archive.
        row: the row of the array.
        span: where the member begins in the archive's file, in bytes, and how many it takes there (of a zip: where its
            own header begins). With it a member is read as a loose file is, without the archive's index.
    """

    kind: Literal["file", "zip", "tar", "array"]
    path: str
    member: str = ""
    row: int = 0
    span: tuple[int, int] | None = None

    def __str__(self) -> str:
        if self.kind == "file":
            return self.path
        return f"{self.path}[{self.row}]" if self.kind == "array" else f"{self.path}::{self.member}"


@dataclass(frozen=True, slots=True)
class Label:
    """One class out of several."""

    name: str


@dataclass(frozen=True, slots=True)
class Labels:
    """Any number of classes at once, sorted."""

    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Value:
    """One or more real numbers."""

    values: tuple[float, ...]


VOID = 255
"""The class of a pixel that has none: nothing is learnt from it, and nothing is scored there."""


@dataclass(frozen=True, slots=True)
class MaskCode:
    """How what a mask file holds stands for classes, which are places in `Dataset.target_names`.

    Args:
        kind: "index" (a grey value, or the number of a palette's colour, is one), "color" (an RGB colour is one),
            "threshold" (grey from `threshold` on is class 1, below it class 0), "files" (a file a class: what is not 0
            in it is of that class, of a JPEG or a smoothed file what is at least half of its highest value, as
            `striate.data.masks.covered` has it; a later file covers an earlier one), or "regions" (outlines, in the
            mask itself).
        classes: the class of each value, (value, class), or of each colour, ((red, green, blue), class); for "files"
            (number of the file, class); for "threshold" (0, class below it) and (1, class from it on), or nothing
            where these are 0 and 1. A class of `VOID` is none. Values that are not named are an error.
        threshold: of the kind "threshold".
        background: the class of pixels that no file or region covers.
    """

    kind: Literal["index", "color", "threshold", "files", "regions"]
    classes: tuple[tuple[int | tuple[int, int, int], int], ...] = ()
    threshold: int = 128
    background: int = 0


@dataclass(frozen=True, slots=True)
class Region:
    """A part of a picture that is of one class.

    Args:
        place: the class, a place in `Dataset.target_names`, or `VOID`.
        polygons: corners (x1, y1, x2, y2, …) in pixels, a pixel's centre at a half; what any of them encloses.
        counts: in place of polygons, run lengths down the columns, of outside and inside in turn, as COCO has them.
        size: (height, width) of the picture that was annotated, where that is known; of run lengths it must be.
    """

    place: int
    polygons: tuple[tuple[float, ...], ...] = ()
    counts: tuple[int, ...] = ()
    size: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class Mask:
    """A class for each pixel.

    Args:
        code: how what is held stands for classes; one object for all samples of a Dataset that are coded alike.
        sources: where the mask's bytes are; one, or of the kind "files" one a class.
        regions: of the kind "regions", a later one covers an earlier one.
    """

    code: MaskCode
    sources: tuple[Source, ...] = ()
    regions: tuple[Region, ...] = ()


@dataclass(frozen=True, slots=True)
class Box:
    """Where one thing is in a picture, and what.

    Args:
        label: the class.
        x1, y1, x2, y2: the edges in pixels from the picture's left and top, of which the first pixel reaches from 0
            to 1. Finite, x1 < x2 and y1 < y2; they may lie outside of the picture, where the data has them there.
        difficult: that it is hard to see: neither finding nor missing it counts.
        crowd: that it stands for many things together, as COCO's `iscrowd` and Open Images' `IsGroupOf` say.
        area: of the thing itself in pixels, where the data says it; else that of the box counts.
    """

    label: str
    x1: float
    y1: float
    x2: float
    y2: float
    difficult: bool = False
    crowd: bool = False
    area: float | None = None

    @property
    def corners(self) -> tuple[float, float, float, float]:
        """The edges alone: x1, y1, x2, y2."""
        return self.x1, self.y1, self.x2, self.y2


@dataclass(frozen=True, slots=True)
class Boxes:
    """All things in a picture; none where it was looked at and nothing is there. Equal where the boxes are.

    Args:
        boxes: in the order of the data.
        size: (height, width) of the picture as the annotation states it, by which a wrong one is found.
        dropped: boxes of the data that are none, each with the reason.
    """

    boxes: tuple[Box, ...]
    size: tuple[int, int] | None = field(default=None, compare=False)
    dropped: tuple[str, ...] = field(default=(), compare=False)


Target: TypeAlias = Label | Labels | Value | Mask | Boxes
TargetKind = Literal["label", "labels", "value", "mask", "boxes"]


@dataclass(frozen=True, slots=True)
class Sample:
    """One row of a Dataset.

    Args:
        key: what the sample is called everywhere: its path relative to the data, with forward slashes. Unique.
        sources: where the bytes are; several are stacked as channels.
        target: what is to be predicted; None where it is not known (prediction).
        split: the split that the data itself gives, or None.
        group: samples of one group never straddle a split.
        weight: how much the sample counts in the loss.
        columns: what else a table says of it, by name: nothing learns from it, and scores are looked at by it.
        time: when it was taken, in seconds since 1970; None where that was not asked for.
    """

    key: str
    sources: tuple[Source, ...]
    target: Target | None = None
    split: Split | None = None
    group: str | None = None
    weight: float = 1.0
    columns: tuple[tuple[str, str], ...] = field(default=(), repr=False, compare=False)
    time: float | None = None


@dataclass(frozen=True)
class Dataset:
    """A table of samples from any reader; never altered on disk.

    Args:
        path: what the user named, absolute.
        reader: the reader's name.
        task: the task inferred from the targets ("classify", "multilabel", "regress", "segment", "detect"), or None
            without.
        samples: the rows, sorted by key.
        target_names: class names (sorted) for classification and detection, column names for regression.
        arrays: arrays that samples of kind "array" point into, (N, H, W) or (N, H, W, C).
        notes: what was inferred, in sentences for the user.
        relabelled: by key, the class that a sample had before the user corrected it.
        left_out: by key, why a sample is in no split, where the user wants it so.
        unpaired: files that are no samples, as their mask or their picture is missing, and which of the two it is.
    """

    path: str
    reader: str
    task: str | None
    samples: tuple[Sample, ...]
    target_names: tuple[str, ...] = ()
    arrays: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    relabelled: Mapping[str, str] = field(default_factory=dict)
    left_out: Mapping[str, str] = field(default_factory=dict)
    unpaired: Mapping[str, str] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.samples)

    def select(self, keys: set[str]) -> Dataset:
        """The same Dataset with only the samples of these keys."""
        return replace(self, samples=tuple(sample for sample in self.samples if sample.key in keys))

    @property
    def given_splits(self) -> set[str]:
        """The splits that the data itself names."""
        return {sample.split for sample in self.samples if sample.split is not None}


@dataclass(frozen=True)
class Picture:
    """A decoded picture.

    Args:
        pixels: (H, W, C), uint8 for depths up to 8 bits, else uint16 or float32, in the file's own scale.
        mode: what the file held, such as "RGB", "I;16", "CMYK", "P".
        notes: what had to be done: "turned by EXIF", "alpha over white", "first of 12 frames".
        camera: maker and model by EXIF; "" where it is not said.
        taken: when it was taken, by EXIF and by the camera's own clock: "2024:05:01 12:30:59"; "" where it is not said.
    """

    pixels: NDArray[Any]
    mode: str
    notes: tuple[str, ...] = ()
    camera: str = ""
    taken: str = ""


@dataclass(frozen=True)
class Damaged:
    """A sample that cannot be used, and why."""

    key: str
    reason: str


Pixels: TypeAlias = NDArray[np.uint8] | NDArray[np.float32]
