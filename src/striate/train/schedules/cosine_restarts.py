"""Cosines down to zero, each longer than the last (Loshchilov and Hutter 2017, equation 5)."""

import math

from striate.core.errors import UsageError
from striate.train.schedules import SCHEDULES, risen


@SCHEDULES.register("cosine_restarts")
def cosine_restarts(step: int, steps: int, warmup: float, *, cycles: int = 3, longer: float = 2.0) -> float:
    """The factor at `step` of `steps`.

    Args:
        cycles: how many there are.
        longer: how many times as long each is as the one before.

    >>> [round(cosine_restarts(number, 70, 0.0), 2) for number in (0, 9, 10, 29, 30, 69)]
    [1.0, 0.02, 1.0, 0.01, 1.0, 0.0]
    """
    rising, share = risen(step, steps, warmup)
    if rising is not None:
        return rising
    if cycles < 1 or not longer > 0:
        raise UsageError(f"cosine_restarts takes one cycle at least and a factor above 0, not {cycles} and {longer}")
    lengths = [longer**number for number in range(cycles)]
    place, number = share * sum(lengths), 0
    while number < cycles - 1 and place >= lengths[number]:
        place -= lengths[number]
        number += 1
    return 0.5 * (1 + math.cos(math.pi * place / lengths[number]))
