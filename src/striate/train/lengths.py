"""What is longer than the run: settings that its steps or epochs never come to, and so would do nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from striate.core.errors import PlanError
from striate.core.options import options_of, with_options
from striate.core.plan import Plan
from striate.core.wording import plural
from striate.train.course import cycles
from striate.train.recipe import Recipe
from striate.train.schedules import SCHEDULES


def refuse_longer(recipe: Recipe) -> None:
    """Raise `PlanError` where something takes more steps or epochs than there are.

    Args:
        recipe: whose epochs are known.
    """
    plan, steps, epochs = recipe.plan, recipe.steps, int(recipe.plan["train.epochs"])
    every = plan["optimizer.lookahead"]
    if every > steps:
        raise PlanError(
            f"optimizer.lookahead lets slow weights follow every {every} steps, and the run has {steps}",
            fix=f"set it to {max(1, steps // 2)} at most, or train longer",
        )
    _refuse_no_mean(recipe, epochs)
    _refuse_frozen(plan)
    frozen = sum(recipe.frozen(epoch) for epoch in range(epochs)) * len(recipe.batches)
    falling = steps - frozen - round(plan["schedule.warmup"] * (steps - frozen))
    name = plan["schedule.name"]
    schedule = SCHEDULES.get(name)
    given = with_options(schedule, plan["schedule.options"], f"the schedule {name}").keywords
    for option, said in _LONGEST.get(name, _nothing)({**options_of(schedule), **given}, falling, epochs).items():
        raise PlanError(
            f"the schedule {name} is longer than the run: {said}", fix=f"lower {option} in schedule.options"
        )


def _refuse_no_mean(recipe: Recipe, epochs: int) -> None:
    if recipe.plan["train.swa"] > 0 and not any(recipe.averaged(epoch) for epoch in range(epochs)):
        raise PlanError(
            f"train.swa averages the weights of two epochs at least, after the frozen ones and the warm-up, and the "
            f"run of {plural(epochs, 'epoch', 'epochs')} has no two left",
            fix="leave train.swa out, train longer, or lower schedule.warmup",
        )


def _refuse_frozen(plan: Plan) -> None:
    decided, epochs = plan.decisions["transfer.frozen_epochs"], cycles(plan)[0].end
    if decided.by == "user" and decided.value >= epochs:
        raise PlanError(
            f"transfer.frozen_epochs is {decided.value}, and the run has {plural(epochs, 'epoch', 'epochs')}, the last "
            "of which is never frozen",
            fix=f"set it to {epochs - 1} at most, or `--set transfer.kept_share=1` for a body that never learns",
        )


Longer = Callable[[Mapping[str, Any], int, int], dict[str, str]]
"""From a schedule's options, the steps after the warm-up and the epochs to what is too long, by the option."""


def _nothing(options: Mapping[str, Any], steps: int, epochs: int) -> dict[str, str]:
    return {}


def _restarts(options: Mapping[str, Any], steps: int, epochs: int) -> dict[str, str]:
    cycles, longer = options["cycles"], options["longer"]
    lengths = [longer**number for number in range(cycles)]
    shortest = steps * min(lengths) / sum(lengths)
    if cycles == 1 or shortest >= 1:
        return {}
    return {"cycles": f"the shortest of its {cycles} cycles would have {shortest:.2g} of the {steps} steps"}


def _drops(options: Mapping[str, Any], steps: int, epochs: int) -> dict[str, str]:
    drops = options["drops"]
    return {"drops": f"it has {drops} drops and {steps} steps"} if drops >= steps else {}


def _stands(options: Mapping[str, Any], steps: int, epochs: int) -> dict[str, str]:
    patience = options["patience"]
    return {"patience": f"it waits for {patience} epochs of {epochs}"} if patience >= epochs else {}


_LONGEST: dict[str, Longer] = {"cosine_restarts": _restarts, "step": _drops, "plateau": _stands}
