"""What takes more steps or epochs than a run has is refused; what just fits is not."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace
from typing import Any

import pytest

from striate.core.errors import PlanError
from striate.core.plan import Decision
from striate.train.lengths import refuse_longer
from striate.train.recipe import fresh_state
from tests.train.toy import toy_networks, toy_recipe

# The toy's run: 3 epochs of 4 batches, a quarter of them warm-up.
RESTARTS = {"schedule__name": "cosine_restarts"}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"optimizer__lookahead": 13}, "every 13 steps, and the run has 12"),
        ({**RESTARTS, "schedule__options": {"cycles": 4, "longer": 2.0}}, "shortest of its 4 cycles would have 0.6"),
        ({**RESTARTS, "schedule__options": {"cycles": 10, "longer": 1.0}}, "10 cycles"),
        ({"schedule__name": "step", "schedule__options": {"drops": 9}}, "9 drops and 9"),
        ({"schedule__name": "plateau", "schedule__options": {"patience": 3}}, "waits for 3 epochs of 3"),
        ({"schedule__name": "plateau"}, "waits for 3 epochs of 3"),
        ({"train__swa": 0.5, "train__ema": 0.0, "transfer__frozen_epochs": 2}, "the run of 3 epochs has no two left"),
        ({"train__swa": 0.5, "train__ema": 0.0, "train__epochs": 2}, "the run of 2 epochs has no two left"),
    ],
)
def test_what_is_longer_than_the_run_is_refused(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(PlanError, match=said):
        refuse_longer(toy_recipe(**changes))


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"optimizer__lookahead": 12},
        {**RESTARTS, "schedule__options": {"cycles": 3, "longer": 2.0}},
        {**RESTARTS, "schedule__options": {"cycles": 9, "longer": 1.0}},
        {**RESTARTS, "schedule__options": {"cycles": 1}},
        {"schedule__name": "step", "schedule__options": {"drops": 8}},
        {"schedule__name": "plateau", "schedule__options": {"patience": 2}},
        {"train__swa": 0.5, "train__ema": 0.0},
        {"transfer__frozen_epochs": 4},  # a rule's: fewer are frozen, and it is said
    ],
)
def test_what_fits_is_taken(changes: dict[str, Any]) -> None:
    refuse_longer(toy_recipe(**changes))


@pytest.mark.parametrize(("frozen", "refused"), [(2, False), (3, True), (9, True)])
def test_more_frozen_epochs_than_there_are_is_refused_where_you_set_them(frozen: int, refused: bool) -> None:
    recipe = toy_recipe()
    plan = recipe.plan.replace(transfer={"frozen_epochs": Decision(frozen, "set by you", "user")})
    with pytest.raises(PlanError, match=f"is {frozen}, and the run has 3") if refused else nullcontext():
        refuse_longer(replace(recipe, plan=plan))


def test_drawing_back_takes_the_place_of_the_bodys_decay_and_not_of_the_heads() -> None:
    recipe = toy_recipe(transfer__l2_sp=0.1)
    state = fresh_state(recipe, toy_networks(recipe))
    decays = {
        name: group["weight_decay"] for group in state.optimizers["network"].param_groups for name in group["names"]
    }
    head = {name for name in decays if name not in state.anchors["network"]}
    assert {decays[name] for name in state.anchors["network"]} == {0.0}
    assert {decays[name] for name in head} == {0.0, 5e-4}  # of its bias and its weights
    plain = fresh_state(toy_recipe(), toy_networks(recipe))
    assert any(group["weight_decay"] for group in plain.optimizers["network"].param_groups[:-2])
