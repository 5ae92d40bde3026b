"""Randomness as a function of its names, not of history: (seed, purpose, epoch, sample) → numbers.

Any number can be drawn at any time, in any order, by any worker, and is always the same; so a resumed run needs no
saved generator. The mixing function is SplitMix64's finaliser (Steele, Lea and Flood, "Fast splittable pseudorandom
number generators", OOPSLA 2014), vectorised over samples.
"""

from __future__ import annotations

import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)


def _mix(z: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """SplitMix64's finaliser: a bijection of 64 bits in which every input bit moves about half of the output's."""
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


def _fold(parts: tuple[int | str, ...]) -> NDArray[np.uint64]:
    state = np.zeros(1, np.uint64)
    for part in parts:
        number = zlib.crc32(part.encode()) if isinstance(part, str) else int(part)
        state = _mix(state * np.uint64(3) + _GOLDEN + np.uint64(number & 0xFFFFFFFFFFFFFFFF))
    return state


def derive(*parts: int | str) -> int:
    """A 63-bit seed named by its parts.

    >>> derive(0, "shuffle", 3) == derive(0, "shuffle", 3) != derive(0, "shuffle", 4)
    True
    """
    with np.errstate(over="ignore"):
        return int(_fold(parts)[0] >> np.uint64(1))


def generator(*parts: int | str) -> np.random.Generator:
    """A NumPy generator named by its parts."""
    return np.random.Generator(np.random.PCG64(derive(*parts)))


def permutation(count: int, *parts: int | str) -> NDArray[np.int64]:
    """An order of `count` things, named by its parts."""
    return generator(*parts).permutation(count).astype(np.int64)


def uniforms(samples: Any, count: int, *parts: int | str) -> NDArray[np.float64]:
    """Uniform numbers in [0, 1) for each sample.

    Args:
        samples: the samples' indices, shape (N,).
        count: how many numbers each sample needs.
        parts: what names the draw: seed, purpose, epoch.

    Returns:
        shape (N, count); row i depends on `samples[i]` and `parts` alone, not on its neighbours.

    >>> whole = uniforms([0, 1, 2], 2, 7, "flip", 0)
    >>> bool((uniforms([2], 2, 7, "flip", 0) == whole[2:]).all())
    True
    """
    with np.errstate(over="ignore"):
        rows = _mix(_fold(parts) + (np.asarray(samples, np.uint64) + np.uint64(1)) * _GOLDEN)
        cells = _mix(rows[:, None] + (np.arange(count, dtype=np.uint64) + np.uint64(1))[None, :] * _GOLDEN)
    return np.asarray((cells >> np.uint64(11)).astype(np.float64) * 2.0**-53)
