"""How long to train."""

from collections.abc import Callable

from striate.core.plan import AUTO
from striate.plan.context import Context
from striate.plan.leaves import Leaf
from striate.plan.rule import Decisions, rule


@rule(
    "length",
    {
        "train.minutes": Leaf(float, "time from the start to the finished Run", low=0, none=True),
        "train.epochs": Leaf(int, "passes over the training samples", low=1, measured=True),
        "train.patience": Leaf(int, "epochs without gain after which training stops", low=1),
        "train.min_gain": Leaf(float, "what counts as a gain of the validation metric", low=0),
        "train.extensions": Leaf(dict, "where the Run was extended: {epochs done: epochs planned until then}"),
    },
)
def length(context: Context) -> Decisions:
    count, budget = context.shown, context.budget
    gain = (0.0, "any gain counts")
    extensions: tuple[dict[int, int], str] = ({}, "the Run was not extended; `--resume RUN --epochs +N` does")
    patience = (1000, "the rate falls to the last step, so stopping early would cut the gain short")
    if budget.epochs is not None:
        return {
            "train.minutes": (None, "epochs are given"),
            "train.epochs": (budget.epochs, "set by you"),
            "train.patience": patience,
            "train.min_gain": gain,
            "train.extensions": extensions,
        }
    if budget.minutes is not None:
        return {
            "train.minutes": (budget.minutes, "set by you"),
            "train.epochs": (AUTO, f"as many as {budget.minutes:g} minutes carry, measured at the start"),
            "train.patience": patience,
            "train.min_gain": gain,
            "train.extensions": extensions,
        }
    if context["network.weights"] is not None:
        epochs = 12
        because = f"fine-tuning {count} samples"
    else:
        epochs = max(16, min(60, round(60_000 / count)))
        because = f"{count} samples from scratch, about {epochs * count:,} looks in all"
    return {
        "train.minutes": (None, "none are given"),
        "train.epochs": (epochs, because),
        "train.patience": (max(6, epochs // 2), "half of the epochs without a better validation is enough"),
        "train.min_gain": gain,
        "train.extensions": extensions,
    }


def epochs_in(seconds: float, spent: Callable[[int], float]) -> tuple[int, str]:
    """The epochs that a time carries, one at least, and the because.

    Args:
        seconds: the time for the fit.
        spent: the time that so many epochs take, by what was measured; it rises with their number.

    >>> epochs_in(100.0, lambda epochs: 9.0 * epochs)
    (11, '9 s an epoch measured, 100 s left for the fit')
    """
    least, most = 1, 2
    while spent(most) <= seconds:
        least, most = most, 2 * most
    while most - least > 1:
        middle = (least + most) // 2
        least, most = (middle, most) if spent(middle) <= seconds else (least, middle)
    return least, f"{spent(least) / least:.3g} s an epoch measured, {seconds:.0f} s left for the fit"
