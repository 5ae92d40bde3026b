"""One cycle: up and down along cosines (Smith and Topin 2018), as `torch.optim.lr_scheduler.OneCycleLR` has it."""

import math

from striate.train.schedules import SCHEDULES

FIRST, LAST = 1 / 25, 1e-4 / 25


@SCHEDULES.register("one_cycle")
def one_cycle(step: int, steps: int, warmup: float) -> float:
    """The factor at `step` of `steps`: 1/25 at first, 1 after the warm-up, 4e-6 at last.

    >>> round(one_cycle(0, 100, 0.25), 9), one_cycle(24, 100, 0.25)
    (0.04, 1.0)
    """
    top = warmup * steps - 1 if warmup * steps > 1 else 0.0
    last = max(steps - 1, 1)
    if step <= top:
        return _cosine(FIRST, 1.0, step / top if top else 1.0)
    return _cosine(1.0, LAST, min(1.0, (step - top) / max(last - top, 1e-9)))


def _cosine(start: float, end: float, share: float) -> float:
    return end + (start - end) / 2 * (1 + math.cos(math.pi * share))
