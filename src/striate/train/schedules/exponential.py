"""An exponential fall to a share of the peak."""

from striate.core.errors import UsageError
from striate.train.schedules import SCHEDULES, risen


@SCHEDULES.register("exponential")
def exponential(step: int, steps: int, warmup: float, *, end: float = 0.001) -> float:
    """The factor at `step` of `steps`.

    Args:
        end: what it comes to at the end.

    >>> exponential(50, 100, 0.0, end=0.01)
    0.1
    """
    rising, share = risen(step, steps, warmup)
    if rising is not None:
        return rising
    if not 0 < end <= 1:
        raise UsageError(f"exponential takes an end above 0 and up to 1, not {end}")
    return float(end**share)
