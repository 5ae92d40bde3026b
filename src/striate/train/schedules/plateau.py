"""The peak rate, lowered each time that validation stands still."""

from striate.core.errors import UsageError
from striate.train.schedules import SCHEDULES, risen


@SCHEDULES.register("plateau")
def plateau(step: int, steps: int, warmup: float, *, factor: float = 0.1, patience: int = 3) -> float:
    """The factor at `step` of `steps`, but for the drops, of which the loop keeps count (see `Recipe.rate`).

    Args:
        factor: of each drop.
        patience: epochs without a better validation before one; `train.patience` should be longer.

    >>> plateau(50, 100, 0.0)
    1.0
    """
    rising, _ = risen(step, steps, warmup)
    if rising is not None:
        return rising
    if not 0 < factor < 1 or patience < 1:
        raise UsageError(
            f"plateau takes a factor between 0 and 1 and a patience of 1 at least, not {factor}, {patience}"
        )
    return 1.0
