"""The course of a training: one cycle of the schedule, and one more for each time that the Run was extended."""

from __future__ import annotations

from dataclasses import dataclass

from striate.core.errors import PlanError
from striate.core.plan import AUTO, Plan


@dataclass(frozen=True)
class Cycle:
    """A part of the epochs over which the schedule runs once.

    Args:
        first: the epoch with which it begins.
        end: the epoch before which the schedule ends; the training may have ended, and been extended, earlier.
    """

    first: int
    end: int

    @property
    def epochs(self) -> int:
        """Epochs that the schedule is laid out for."""
        return self.end - self.first


def cycles(plan: Plan) -> tuple[Cycle, ...]:
    """The cycles of a plan, in their order.

    Raises:
        PlanError: `train.extensions` does not fit `train.epochs`, or is no mapping of epochs.

    >>> from striate.core.plan import Decision
    >>> plan = Plan({"train.epochs": Decision(40, ""), "train.extensions": Decision({22: 30}, "")})
    >>> cycles(plan)
    (Cycle(first=0, end=30), Cycle(first=22, end=40))
    """
    extensions, epochs = plan["train.extensions"], plan["train.epochs"]
    if not extensions:
        return (Cycle(0, epochs),)
    try:
        found = sorted((int(done), int(planned)) for done, planned in extensions.items())
    except (TypeError, ValueError):
        raise PlanError(
            f"train.extensions takes {{epochs done: epochs planned}}, not {extensions!r}",
            fix="leave it to `striate train --resume RUN --epochs +N`, or set it to {}",
        ) from None
    firsts = [0, *(done for done, _ in found)]
    if epochs == AUTO or any(planned < done for done, planned in found) or firsts[1] < 1 or firsts[-1] >= epochs:
        raise PlanError(
            f"train.extensions ({extensions}) does not fit train.epochs ({epochs}): it says at which of these epochs a "
            "Run was extended, and how many were planned until then",
            fix="--set train.extensions={} gives all epochs one schedule",
        )
    ends = [*(planned for _, planned in found), epochs]
    return tuple(Cycle(first, end) for first, end in zip(firsts, ends, strict=True))
