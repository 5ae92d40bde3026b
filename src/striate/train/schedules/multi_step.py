"""Steps down by a factor at places of one's own (He et al. 2016, section 4.2: at 50 % and 75 %)."""

from collections.abc import Sequence

from striate.core.errors import UsageError
from striate.train.schedules import SCHEDULES, risen


@SCHEDULES.register("multi_step")
def multi_step(
    step: int, steps: int, warmup: float, *, gamma: float = 0.1, places: Sequence[float] = (0.5, 0.75)
) -> float:
    """The factor at `step` of `steps`.

    Args:
        gamma: the factor of each step down.
        places: where they are, as shares of the steps after the warm-up.

    >>> [multi_step(number, 100, 0.0) for number in (49, 50, 75)]
    [1.0, 0.1, 0.010000000000000002]
    """
    rising, share = risen(step, steps, warmup)
    if rising is not None:
        return rising
    if not 0 < gamma <= 1 or not all(0 < place < 1 for place in places):
        raise UsageError(
            f"multi_step takes gamma above 0 and up to 1 and places between 0 and 1, not {gamma}, {places}"
        )
    return float(gamma ** sum(share >= place for place in places))
