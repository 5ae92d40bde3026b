"""Pictures whose names count them and whose neighbours are alike: slices through a thing, frames of a film."""

from __future__ import annotations

import re

import numpy as np

from striate.data.oddities import Examined, Oddity, oddity

LEAST = 8
"""Pictures below which chance makes neighbours alike."""
APART = 0.1
"""By which neighbours must be more alike than others, in correlation."""
ERRORS = 3.5
"""And in standard errors."""


@oddity("serial_pictures", order=1)
def serial_pictures(examined: Examined) -> Oddity | None:
    """Names are one word with a running number, and pictures that follow each other are more alike than others."""
    if len(examined.masks) < LEAST or any(sample.group for sample in examined.samples):
        return None
    numbered = _numbered(examined)
    if numbered is None:
        return None
    copies = [examined.facts[number].miniature for number in numbered]
    if any(one is None for one in copies):
        return None  # near-duplicates are not searched for, or pictures are too small for it
    flat = np.stack([np.asarray(one, np.float64).ravel() for one in copies])
    flat -= flat.mean(1, keepdims=True)
    flat /= np.maximum(np.linalg.norm(flat, axis=1, keepdims=True), 1e-12)
    alike = flat @ flat.T
    beside = np.diagonal(alike, 1)
    others = alike[np.triu_indices(len(flat), 2)]
    error = float(np.hypot(beside.std(), others.std()) / np.sqrt(len(beside)))
    if beside.mean() - others.mean() < max(APART, ERRORS * error):
        return None
    return Oddity(
        "pictures in a row",
        f"names count {len(numbered):,} pictures, and those that follow each other are alike (correlation "
        f"{beside.mean():.2f}, others {others.mean():.2f}): slices or frames, it seems. Dealt at random, neighbours of "
        "what is tested are trained on",
        len(numbered),
        tuple(examined.keys(numbered[:2])),
        "high",
        "divide by stretches of the row, with --folds too; or give each stretch as a group",
        "--set split.order=contiguous",
    )


def _numbered(examined: Examined) -> list[int] | None:
    """The samples in the order of their numbers, where all names are one word with a number that hardly skips any."""
    found: list[tuple[int, int]] = []
    words = set()
    for number, _ in examined.masks:
        match = re.fullmatch(r"(.*?)(\d{1,9})", examined.samples[number].key.rpartition(".")[0])
        if match is None:
            return None
        words.add(match[1])
        found.append((int(match[2]), number))
    found.sort()
    values = [value for value, _ in found]
    sparse = values[-1] - values[0] + 1 > 2 * len(values)
    return None if len(words) > 1 or sparse or len(set(values)) < len(values) else [number for _, number in found]
