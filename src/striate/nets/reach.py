"""What the positions of a grid see of an input's axis: exact arithmetic on intervals that repeat.

Position j of a layer's output takes an interval of positions of its input, and each of these one of pixels. All such
intervals have bounds that grow by `shift` every so many positions; convolution keeps a period of one, transposed
convolution and up-sampling multiply it. So the receptive field of any chain of them is exact at each position, however
far from the border, in whole numbers (Araujo, Norris and Sim 2019, "Computing receptive fields of convolutional neural
networks", for strides without up-sampling).
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from math import gcd, lcm

LONGEST_PERIOD = 4096


class Unknown(Exception):
    """The field cannot be told; what is not known is said, and never guessed."""


@dataclass(frozen=True)
class Window:
    """Output position j takes the inputs ⌈(numerator·j + low) / denominator⌉ to ⌊(numerator·j + high) / denominator⌋.

    >>> Window(2, 1, -1, 1).span(5)     # a 3×3 convolution of stride 2, padded by 1
    (9, 11)
    >>> Window(1, 2, -1, 0).span(5)     # nearest-neighbour up-sampling by 2
    (2, 2)
    """

    numerator: int
    denominator: int
    low: int
    high: int

    def span(self, position: int) -> tuple[int, int]:
        """The first and the last position that an output position takes."""
        low, high = self.numerator * position + self.low, self.numerator * position + self.high
        return -(-low // self.denominator), high // self.denominator


@dataclass(frozen=True)
class Reach:
    """The first and last pixel that each position sees, along one axis, borders aside.

    Args:
        firsts, lasts: of the positions of one period.
        shift: by how much both grow from one period to the next.

    >>> pixels = Reach((0,), (0,), 1)
    >>> strided = pixels.through(Window(2, 1, -1, 1)).through(Window(1, 1, -1, 1))
    >>> strided, strided.stride
    (Reach(firsts=(-3,), lasts=(3,), shift=2), Fraction(2, 1))
    """

    firsts: tuple[int, ...]
    lasts: tuple[int, ...]
    shift: int

    @property
    def period(self) -> int:
        """Positions after which it repeats."""
        return len(self.firsts)

    @property
    def stride(self) -> Fraction:
        """Pixels from one position to the next, in the mean."""
        return Fraction(self.shift, self.period)

    @property
    def size(self) -> int:
        """Pixels that a position sees; the most where positions differ."""
        return max(last - first + 1 for first, last in zip(self.firsts, self.lasts, strict=True))

    def span(self, position: int) -> tuple[int, int]:
        """The first and the last pixel that a position sees; below zero, and beyond the input, lies padding."""
        periods, place = divmod(position, self.period)
        return self.firsts[place] + periods * self.shift, self.lasts[place] + periods * self.shift

    def through(self, window: Window) -> Reach:
        """What the outputs of an operation with this window see."""
        factor = gcd(window.numerator, self.period) or self.period
        period = window.denominator * (self.period // factor)
        spans = [window.span(position) for position in _period(period)]
        return _reduced(
            [self.span(first)[0] for first, _ in spans],
            [self.span(last)[1] for _, last in spans],
            self.shift * (window.numerator // factor),
        )

    def mixed(self, extent: int, step: int) -> Reach:
        """What is seen where all positions that differ by 0 … extent − 1 steps from the block's first are mixed."""
        period = lcm(self.period, extent * step)
        starts = [position - position // step % extent * step for position in _period(period)]
        return _reduced(
            [self.span(start)[0] for start in starts],
            [self.span(start + (extent - 1) * step)[1] for start in starts],
            self.shift * (period // self.period),
        )

    def joined(self, other: Reach) -> Reach:
        """What is seen by either. Raises `Unknown` where the two move at different strides."""
        if self.stride != other.stride:
            raise Unknown("grids of different strides meet")
        period = lcm(self.period, other.period)
        spans = [(self.span(position), other.span(position)) for position in _period(period)]
        return _reduced(
            [min(one[0], two[0]) for one, two in spans],
            [max(one[1], two[1]) for one, two in spans],
            self.shift * (period // self.period),
        )


def _period(length: int) -> range:
    if length > LONGEST_PERIOD:
        raise Unknown(f"the field repeats only after {length} positions")
    return range(length)


def _reduced(firsts: list[int], lasts: list[int], shift: int) -> Reach:
    """The same with the shortest period."""
    count = len(firsts)
    for period in (one for one in range(1, count + 1) if count % one == 0):
        periods = count // period
        if shift % periods:
            continue
        step = shift // periods
        if all(
            bounds[place] == bounds[place % period] + place // period * step
            for bounds in (firsts, lasts)
            for place in range(period, count)
        ):
            return Reach(tuple(firsts[:period]), tuple(lasts[:period]), step)
    raise AssertionError("the whole is a period of itself")
