"""Steps down by a factor, evenly spread (He et al. 2016, section 3.4, which has three)."""

from striate.core.errors import UsageError
from striate.train.schedules import SCHEDULES, risen


@SCHEDULES.register("step")
def step(step: int, steps: int, warmup: float, *, gamma: float = 0.1, drops: int = 2) -> float:
    """The factor at `step` of `steps`.

    Args:
        gamma: the factor of each step down.
        drops: how many there are, at equal distances.

    >>> [step(number, 90, 0.0) for number in (0, 29, 30, 60)]
    [1.0, 1.0, 0.1, 0.010000000000000002]
    """
    rising, share = risen(step, steps, warmup)
    if rising is not None:
        return rising
    if not 0 < gamma <= 1 or drops < 1:
        raise UsageError(f"step takes gamma above 0 and up to 1 and one drop at least, not {gamma} and {drops}")
    return gamma ** int(share * (drops + 1))
