"""Odd pictures planted into copies of real ones, and how many of them the audit's findings name.

Pictures of each data set are drawn and written, as JPEGs, into a temporary folder by their class. In single ones a
fault of a kind is planted: light or focus taken away, bars, and so on; a picture is found where the finding of its kind
names it, and what else it names is listed as natural. Then, in turn, all or some pictures of one class get a mark,
bars or the softness of enlarged ones, which should be told of that class and of no other.
"""

from __future__ import annotations

import os
import random
import re
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from benchmarks.goals import results_path
from benchmarks.planted import SETS, pictures
from benchmarks.tables import ORIGIN, add_rows, origin
from striate.core.events import Silent
from striate.core.machine import processors
from striate.data import oddities
from striate.data.audit import run_audit
from striate.data.dataset import open_dataset
from striate.data.decode import decode

HEADER = ("data", "seed", "kind", "planted", "found", "others", "pictures", *ORIGIN)
SPLITS = ("train", "val", "test")

Change = Callable[[Image.Image, random.Random], Image.Image]


def _dark(image: Image.Image, draws: random.Random) -> Image.Image:
    share = draws.uniform(0.04, 0.1)
    return image.point(lambda value: value * share)


def _bright(image: Image.Image, draws: random.Random) -> Image.Image:
    share = draws.uniform(0.04, 0.1)
    return image.point(lambda value: 255 - (255 - value) * share)


def _constant(image: Image.Image, draws: random.Random) -> Image.Image:
    return Image.new("RGB", image.size, tuple(draws.randrange(256) for _ in range(3)))


def _blurred(image: Image.Image, draws: random.Random) -> Image.Image:
    return image.filter(ImageFilter.GaussianBlur(draws.uniform(0.015, 0.03) * min(image.size)))


def _letterboxed(image: Image.Image, draws: random.Random) -> Image.Image:
    return _barred(image, draws.uniform(0.04, 0.15), 0, draws.choice(["black", "white", "grey"]))


def _framed(image: Image.Image, draws: random.Random) -> Image.Image:
    share = draws.uniform(0.04, 0.1)
    return _barred(image, share, share, draws.choice(["black", "white"]))


def _barred(image: Image.Image, down: float, along: float, colour: str) -> Image.Image:
    width, height = image.size
    found = Image.new("RGB", image.size, colour)
    left, top = round(along * width), round(down * height)
    found.paste(image.crop((left, top, width - left, height - top)), (left, top))
    return found


def _grey(image: Image.Image, draws: random.Random) -> Image.Image:
    return image.convert("L")


def _shrunk(image: Image.Image, draws: random.Random) -> Image.Image:
    return image.resize((max(1, image.width // 4), max(1, image.height // 4)))


def _long(image: Image.Image, draws: random.Random) -> Image.Image:
    return image.crop((0, 0, image.width, max(1, image.height // 5)))


SINGLE: Mapping[str, tuple[str, Change]] = {
    "constant": ("constant pictures", _constant),
    "4 to 10 % of the light": ("very dark or bright", _dark),
    "4 to 10 % of the darkness": ("very dark or bright", _bright),
    "blurred by 1.5 to 3 % of the side": ("blurred", _blurred),
    "bars over 8 to 30 %": ("bars at the edges", _letterboxed),
    "a frame": ("bars at the edges", _framed),
    "without colour": ("odd channels", _grey),
    "a quarter of the side": ("odd size", _shrunk),
    "a strip": ("odd aspect", _long),
}
"""By kind, the finding that should name it, and what is done to a picture."""


def _mark(strength: float, scaled: bool) -> Change:
    """Four letters at the bottom right, by so much of white; as wide as a fifth of the picture, or 48 px."""

    def change(image: Image.Image, draws: random.Random) -> Image.Image:
        width = round(0.2 * image.width) if scaled else min(48, image.width // 2)
        layer = Image.new("L", (30, 12), 0)
        ImageDraw.Draw(layer).text((2, 0), "SITE", fill=255)
        layer = layer.resize((width, max(1, round(width * 0.4)))).point(lambda value: value * strength)
        found = image.copy()
        margin = max(1, width // 8)
        place = image.width - layer.width - margin, image.height - layer.height - margin
        found.paste(Image.new("RGB", layer.size, "white"), place, layer)
        return found

    return change


def _enlarged(image: Image.Image, draws: random.Random) -> Image.Image:
    small = image.resize((max(1, image.width // 4), max(1, image.height // 4)), Image.Resampling.LANCZOS)
    return small.resize(image.size, Image.Resampling.BICUBIC)


SHORTCUTS: Mapping[str, tuple[str, Change, float]] = {
    "a white mark, all of a class": ("a mark shared by a class", _mark(1.0, True), 1.0),
    "a white mark, 60 % of a class": ("a mark shared by a class", _mark(1.0, True), 0.6),
    "a half transparent mark, all of a class": ("a mark shared by a class", _mark(0.5, True), 1.0),
    "a white mark of 48 px, all of a class": ("a mark shared by a class", _mark(1.0, False), 1.0),
    "bars, 60 % of a class": ("bars at the edges", _letterboxed, 0.6),
    "enlarged fourfold, all of a class": ("enlarged pictures", _enlarged, 1.0),
}
"""By kind, the finding, what is done, and to which share of the class."""


def drawn(name: str, data: Path, count: int, draws: random.Random) -> list[tuple[str, Image.Image]]:
    """Pictures of a set with their class, the same number of each class where there are so many."""
    by_class: dict[str, list[bytes]] = {}
    for key, content in pictures(name, data):
        folders = [part for part in key.split("/")[:-1] if part not in SPLITS]
        by_class.setdefault(folders[-1], []).append(content)
    found = []
    for label in sorted(by_class):
        for content in draws.sample(by_class[label], min(count, len(by_class[label]))):
            pixels: NDArray[np.uint8] = decode(content).pixels
            found.append((label, Image.fromarray(np.repeat(pixels, 3, 2) if pixels.shape[2] == 1 else pixels)))
    return found


def audited(folder: Path, files: list[tuple[str, Image.Image]]) -> dict[str, oddities.Oddity]:
    """The findings of pictures written as JPEGs, by name."""
    for number, (label, image) in enumerate(files):
        path = folder / label / f"{number:05}.jpg"
        path.parent.mkdir(exist_ok=True)
        image.save(path, "JPEG", quality=92)
    audit = run_audit(open_dataset(folder), workers=processors(), reporter=Silent(), near=False)
    return {one.name: one for one in audit.findings}


def single(files: list[tuple[str, Image.Image]], each: int, draws: random.Random) -> dict[str, tuple[int, int, int]]:
    """By kind: planted, found, and others that the finding names, which no kind of its own was planted in."""
    places = draws.sample(range(len(files)), each * len(SINGLE))
    planted = {kind: places[n * each : (n + 1) * each] for n, kind in enumerate(SINGLE)}
    changed = list(files)
    for kind, numbers in planted.items():
        for number in numbers:
            changed[number] = files[number][0], SINGLE[kind][1](files[number][1], draws)
    with tempfile.TemporaryDirectory() as folder:
        found = audited(Path(folder), changed)
    touched = {number for numbers in planted.values() for number in numbers}
    told = {name: {int(key.split("/")[1][:5]) for key in one.samples} for name, one in found.items()}
    return {
        kind: (
            each,
            len(told.get(SINGLE[kind][0], set()) & set(numbers)),
            len(told.get(SINGLE[kind][0], set()) - touched),
        )
        for kind, numbers in planted.items()
    }


def classes_named(text: str, labels: Sequence[str]) -> tuple[set[str], int]:
    """The classes that a finding names as having a shortcut, and how many more it counts without their names.

    >>> classes_named("9 % of the class a, 1 % of the others", ["a", "b"])
    ({'a'}, 0)
    """
    found = set()
    for label in labels:
        name = re.escape(label)
        if re.search(rf"the class {name}(,| have them,)|(pictures of |looked at\), ){name} \(", text):
            found.add(label)
    more = re.search(r"looked at\) and (\d+) more have", text)
    return found, int(more[1]) if more else 0


def shortcut(files: list[tuple[str, Image.Image]], kind: str, draws: random.Random) -> tuple[int, int, int]:
    """For each class in turn: classes planted in, those that are told as shortcuts, and wrong classes that are."""
    name, change, share = SHORTCUTS[kind]
    labels = sorted({label for label, _ in files})[:2]
    right = wrong = 0
    for chosen in labels:
        numbers = [number for number, (label, _) in enumerate(files) if label == chosen]
        marked = set(draws.sample(numbers, round(share * len(numbers))))
        changed = [
            (label, change(one, draws) if number in marked else one) for number, (label, one) in enumerate(files)
        ]
        with tempfile.TemporaryDirectory() as folder:
            one = audited(Path(folder), changed).get(name)
        if one is not None and one.severity == "high":
            told, more = classes_named(one.text, sorted({label for label, _ in files}))
            right, wrong = right + (chosen in told), wrong + len(told - {chosen}) + more
    return len(labels), right, wrong


def run(call: Any) -> list[str]:
    """Plant, audit, and write a row a kind; returns them as lines.

    Args:
        call: data, seeds, count, each, results.
    """
    root, table = Path(os.environ.get("STRIATE_DATA", "../shared/data")), results_path("odd", call.results)
    about, lines = origin(), []
    oddities.SHOWN = 10**6  # type: ignore[misc]  # all that a finding is about, not its first few
    for name in call.data:
        for seed in call.seeds:
            draws = random.Random(f"odd {name} {seed}")
            files = drawn(name, root, call.count, draws)
            found = single(files, call.each, draws)
            found |= {kind: shortcut(files, kind, draws) for kind in SHORTCUTS}
            for kind, (planted, right, others) in found.items():
                add_rows(table, HEADER, [[name, seed, kind, planted, right, others, len(files), *about]])
                lines.append(f"{name}, seed {seed}: {kind}: {right} of {planted}, {others} others in {len(files)}")
                print(lines[-1], flush=True)
    return lines


__all__ = ["SETS", "SHORTCUTS", "SINGLE", "run"]
