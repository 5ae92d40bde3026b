"""The peak rate throughout, after a linear warm-up."""

from striate.train.schedules import SCHEDULES, risen


@SCHEDULES.register("constant")
def constant(step: int, steps: int, warmup: float) -> float:
    """The factor at `step` of `steps`.

    >>> constant(0, 100, 0.1), constant(99, 100, 0.1)
    (0.1, 1.0)
    """
    rising, _ = risen(step, steps, warmup)
    return 1.0 if rising is None else rising
