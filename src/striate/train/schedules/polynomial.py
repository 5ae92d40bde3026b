"""A polynomial fall to zero (Chen et al. 2018, "DeepLab", section 4.1, which takes the power 0.9)."""

from striate.core.errors import UsageError
from striate.train.schedules import SCHEDULES, risen


@SCHEDULES.register("polynomial")
def polynomial(step: int, steps: int, warmup: float, *, power: float = 0.9) -> float:
    """The factor at `step` of `steps`.

    Args:
        power: of what is left of the steps; 1 is a straight line.

    >>> polynomial(75, 100, 0.0, power=2.0)
    0.0625
    """
    rising, share = risen(step, steps, warmup)
    if rising is not None:
        return rising
    if not power > 0:
        raise UsageError(f"polynomial takes a power above 0, not {power}")
    return float((1 - share) ** power)
