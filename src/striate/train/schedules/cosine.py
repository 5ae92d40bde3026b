"""Half a cosine down to zero after a linear warm-up (Loshchilov and Hutter 2017, equation 5, without restarts)."""

import math

from striate.train.schedules import SCHEDULES


@SCHEDULES.register("cosine")
def cosine(step: int, steps: int, warmup: float) -> float:
    """The factor at `step` of `steps`: rises to 1 over the warm-up, falls towards 0 at the end.

    >>> cosine(0, 100, 0.1), cosine(10, 100, 0.1), round(cosine(55, 100, 0.1), 3)
    (0.1, 1.0, 0.5)
    """
    rising = round(warmup * steps)
    if step < rising:
        return (step + 1) / rising
    return 0.5 * (1 + math.cos(math.pi * (step - rising) / max(1, steps - rising)))
