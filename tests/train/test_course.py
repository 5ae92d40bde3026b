"""The rates of an extended training: as they were up to the extension, then a cycle of their own."""

from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from striate.core.errors import PlanError
from striate.core.plan import Decision, Plan
from striate.train.course import cycles
from striate.train.recipe import Recipe
from striate.train.schedules import SCHEDULES
from tests.train.toy import toy_recipe

EACH = 4
"""Steps an epoch of the toy training."""


def recipe_of(epochs: int, extensions: dict[int, int], **changes: Any) -> Recipe:
    return toy_recipe(train__epochs=epochs, train__extensions=extensions, **changes)


def plan_of(epochs: Any, extensions: Any) -> Plan:
    return Plan({"train.epochs": Decision(epochs, ""), "train.extensions": Decision(extensions, "")})


def test_the_added_epochs_are_torchs_one_cycle_up_to_half_the_rate() -> None:
    recipe = recipe_of(10, {4: 4})
    assert len(recipe.batches) == EACH
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    theirs = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, 0.5 * 0.05, total_steps=6 * EACH, pct_start=0.25, cycle_momentum=False
    )
    for step in range(6 * EACH):
        assert recipe.rate(4 * EACH + step) == pytest.approx(theirs.get_last_lr()[0], abs=1e-12)
        optimizer.step()
        if step < 6 * EACH - 1:
            theirs.step()


@pytest.mark.parametrize("name", SCHEDULES.names())
def test_what_was_before_an_extension_stays_as_it_was(name: str) -> None:
    changes = {"schedule__name": name, "transfer__frozen_epochs": 2, "train__start_size": 0.5}
    before, after = recipe_of(6, {}, **changes), recipe_of(9, {4: 6}, **changes)
    for step in range(4 * EACH):
        assert after.rate(step, 1) == before.rate(step, 1)
        assert after.average_horizon(step) == before.average_horizon(step)
    for epoch in range(4):
        assert after.size(epoch) == before.size(epoch)
        assert after.frozen(epoch) == before.frozen(epoch)
    assert not any(after.frozen(epoch) for epoch in range(4, 9))
    assert after.size(8) == after.shape[1:]
    assert after.average_horizon(4 * EACH) == pytest.approx(0.2 * 5 * EACH)


@pytest.mark.parametrize(("name", "expected"), [("constant", 0.05), ("plateau", 0.05 * 0.1**2)])
def test_a_rate_that_does_not_fall_by_itself_goes_on(name: str, expected: float) -> None:
    recipe = recipe_of(7, {4: 4}, schedule__name=name)
    assert [recipe.rate(step, drops=2) for step in range(4 * EACH, 7 * EACH)] == pytest.approx([expected] * 3 * EACH)


def test_one_added_epoch_of_one_batch_falls_too() -> None:
    recipe = recipe_of(5, {4: 4}, schedule__name="cosine", batch__size=72)
    assert len(recipe.batches) == 1
    assert recipe.rate(4) == pytest.approx(0.5 * 0.05)


@given(st.lists(st.tuples(st.integers(1, 20), st.integers(0, 5)), max_size=4), st.integers(1, 20))
def test_cycles_follow_each_other_to_the_last_epoch(parts: list[tuple[int, int]], last: int) -> None:
    done, extensions = 0, {}
    for more, missed in parts:
        done += more
        extensions[done] = done + missed
    found = cycles(plan_of(done + last, extensions))
    assert [cycle.first for cycle in found] == [0, *extensions]
    assert [cycle.end for cycle in found] == [*extensions.values(), done + last]
    named = {str(key): value for key, value in reversed(extensions.items())}  # as JSON keeps them
    assert cycles(plan_of(done + last, named)) == found


@pytest.mark.parametrize(
    ("epochs", "extensions"),
    [(4, {4: 4}), (4, {0: 2}), (9, {4: 3}), (9, {"a": 3}), (9, {3: None}), ("auto", {3: 3})],
)
def test_extensions_that_cannot_be_are_refused(epochs: Any, extensions: Any) -> None:
    with pytest.raises(PlanError, match=r"train\.extensions"):
        cycles(plan_of(epochs, extensions))
