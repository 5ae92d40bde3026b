"""The timed trial: what may win, what is not timed further, and that it measures what will be trained."""

from __future__ import annotations

import gc
import weakref
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import nn

from striate.core.errors import NonFinite, PlanError
from striate.core.plan import Decision
from striate.nets import head_parameters, resolve
from striate.plan.rules.execution import Way
from striate.train import speed
from striate.train.speed import range_test, training_rate, try_ways, tuning_seconds, with_execution
from striate.train.state import State
from tests.train.toy import toy_networks, toy_recipe, toy_state

PLAIN, LAST, FOLDED = (
    Way("float32", False, False, False),
    Way("float32", True, False, False),
    Way("float32", True, True, False),
)


def test_each_way_that_agrees_has_a_rate() -> None:
    recipe = toy_recipe(transfer__frozen_norms=True)
    rates = try_ways(recipe, lambda: toy_networks(recipe), [FOLDED, LAST, PLAIN], seconds=60)
    assert set(rates) == {FOLDED, LAST, PLAIN}
    assert min(rates.values()) > 0


def test_the_machines_rate_is_a_rate() -> None:
    before = torch.get_num_threads()
    assert 1e6 < training_rate("cpu", 1) < 1e15
    assert torch.get_num_threads() == before


def test_fine_tuning_is_timed_on_its_network() -> None:
    before = torch.get_num_threads()
    small, large = (
        tuning_seconds(1, resolve("resnet18", outputs=2, channels=3, height=side, width=side), ["float32"])
        for side in (32, 128)
    )
    assert small is not None
    assert large is not None
    assert 0 < small < large
    assert torch.get_num_threads() == before


def test_fine_tuning_that_memory_cannot_hold_is_not_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_memory(*_: object, **__: object) -> float:
        raise RuntimeError("[enforce fail at alloc_cpu.cpp:73] . DefaultCPUAllocator: can't allocate memory")

    monkeypatch.setattr(speed, "_pass_seconds", no_memory)
    spec = resolve("resnet18", outputs=2, channels=3, height=32, width=32)
    assert tuning_seconds(1, spec, ["float32", "bfloat16"]) is None


@pytest.fixture(autouse=True)
def long(monkeypatch: pytest.MonkeyPatch) -> None:
    """The toy's steps are few, so that a trial could be no share of them."""
    monkeypatch.setattr(speed, "SHARE", 1e-9)


def test_a_trial_takes_no_more_than_its_share_of_the_training(monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = toy_recipe()
    monkeypatch.setattr(speed, "SHARE", 1e9)
    assert set(try_ways(recipe, lambda: toy_networks(recipe), [PLAIN, LAST], seconds=60)) == {PLAIN}
    unknown = replace(recipe, plan=recipe.plan.replace(train={"epochs": Decision("auto", "for the test")}))
    assert set(try_ways(unknown, lambda: toy_networks(recipe), [PLAIN, LAST], seconds=60)) == {PLAIN, LAST}


def test_long_steps_are_timed_on_fewer_samples(monkeypatch: pytest.MonkeyPatch) -> None:
    recipe, seen = toy_recipe(batch__size=64), []
    looked = speed._loss_and_gradient
    monkeypatch.setattr(
        speed,
        "_loss_and_gradient",
        lambda state, tried, batch: seen.append(len(batch.ids)) or looked(state, tried, batch),
    )
    whole = len(next(iter(recipe.batches.epoch(0))).ids)
    monkeypatch.setattr(speed, "LONG", 1e9)
    assert set(try_ways(recipe, lambda: toy_networks(recipe), [LAST], seconds=60)) == {LAST}
    assert speed.LEAST <= seen[0] == seen[1] < whole  # how long it takes, once the first is done
    assert seen[2:] == [whole, whole]  # what it gives, and gives on other samples
    seen.clear()
    monkeypatch.setattr(speed, "LONG", 1e-9)
    assert set(try_ways(recipe, lambda: toy_networks(recipe), [LAST, PLAIN], seconds=60)) == {LAST, PLAIN}
    assert all(speed.LEAST <= count < whole for count in seen)


def test_the_trial_holds_few_networks_at_once() -> None:
    recipe = toy_recipe(transfer__frozen_norms=True)
    made: list[weakref.ref[nn.Module]] = []
    alive: list[int] = []

    def networks() -> dict[str, nn.Module]:
        gc.collect()
        alive.append(sum(one() is not None for one in made))
        found = toy_networks(recipe)
        made.extend(map(weakref.ref, found.values()))
        return found

    five = [FOLDED, LAST, PLAIN, Way("bfloat16", True, False, False), Way("float32", False, True, False)]
    try_ways(recipe, networks, five, seconds=60)
    assert len(alive) == 6  # one more tells how long a step is
    assert max(alive) == speed.RIVALS


def test_a_way_that_disagrees_cannot_win(monkeypatch: pytest.MonkeyPatch) -> None:
    exact = speed.losses_of

    def wrong(state: object, recipe: speed.Recipe, batch: object) -> dict[str, torch.Tensor]:
        losses = exact(state, recipe, batch)  # type: ignore[arg-type]
        factor = float("nan") if recipe.plan["execution.channels_last"] else 1.0
        return {name: loss * factor for name, loss in losses.items()}

    monkeypatch.setattr(speed, "losses_of", wrong)
    recipe = toy_recipe()
    assert set(try_ways(recipe, lambda: toy_networks(recipe), [PLAIN, LAST], seconds=60)) == {PLAIN}


def test_a_gradient_that_points_elsewhere_cannot_win(monkeypatch: pytest.MonkeyPatch) -> None:
    """The loss alone would not tell: it is the same number, from outputs whose gradient is turned round."""
    exact = speed.losses_of

    def wrong(state: object, recipe: speed.Recipe, batch: object) -> dict[str, torch.Tensor]:
        losses = exact(state, recipe, batch)  # type: ignore[arg-type]
        if not recipe.plan["execution.channels_last"]:
            return dict(losses)
        return {name: 2 * loss.detach() - loss for name, loss in losses.items()}

    monkeypatch.setattr(speed, "losses_of", wrong)
    recipe = toy_recipe()
    assert set(try_ways(recipe, lambda: toy_networks(recipe), [PLAIN, LAST], seconds=60)) == {PLAIN}


def test_a_cleared_head_hides_no_gradient(monkeypatch: pytest.MonkeyPatch) -> None:
    """The body's gradient through a head of zeros would be zero in every way."""
    recipe = toy_recipe()

    def networks() -> dict[str, nn.Module]:
        found = toy_networks(recipe)
        for name in head_parameters(found["network"]):
            nn.init.zeros_(found["network"].get_parameter(name))
        return found

    seen: list[float] = []
    exact = speed._loss_and_gradient

    def watched(state: State, *arguments: Any) -> Any:
        found = exact(state, *arguments)
        head = sum(
            state.networks["network"].get_parameter(name).numel() for name in head_parameters(networks()["network"])
        )
        seen.append(float(found.gradient[:-head].norm()))
        return found

    monkeypatch.setattr(speed, "_loss_and_gradient", watched)
    try_ways(recipe, networks, [PLAIN, LAST], seconds=60)
    assert min(seen) > 0


def test_a_loss_that_is_not_finite_names_its_samples(monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = toy_recipe()
    step = type(recipe.task).step

    def broken(task: Any, networks: Any, batch: Any) -> dict[str, torch.Tensor]:
        return {name: loss * float("nan") for name, loss in step(task, networks, batch).items()}

    monkeypatch.setattr(type(recipe.task), "step", broken)
    with pytest.raises(NonFinite, match=r"toy/\d+"):
        try_ways(recipe, lambda: toy_networks(recipe), [PLAIN, LAST], seconds=60)


def test_folding_norms_that_learn_is_refused() -> None:
    with pytest.raises(PlanError, match="keep their statistics"):
        toy_state(toy_recipe(execution__fold_norms=True))


def test_no_further_way_is_tried_after_the_time() -> None:
    recipe = toy_recipe()
    assert set(try_ways(recipe, lambda: toy_networks(recipe), [PLAIN, LAST], seconds=0)) == {PLAIN}


def test_the_trial_trains_what_will_be_trained() -> None:
    """With norms that keep their statistics, and with the share that never learns left alone."""
    recipe = toy_recipe(transfer__frozen_norms=True, transfer__kept_share=0.5)
    made: list[nn.Module] = []

    def networks() -> dict[str, nn.Module]:
        found = toy_networks(recipe)
        made.extend(found.values())
        return found

    try_ways(recipe, networks, [FOLDED], seconds=60)
    range_test(with_execution(recipe, LAST), networks(), low=1e-4, high=1e-2, steps=3, seconds=60)
    for network in made:
        norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
        assert norms
        assert all(float(norm.running_mean.abs().max()) == 0 for norm in norms)
        assert {parameter.requires_grad for parameter in network.parameters()} == {True, False}


def test_rounding_may_move_a_gradient_as_far_as_other_samples_do_but_not_that_of_the_last_layers() -> None:
    gradient, last = torch.tensor([1.0, 0.0, 0.0]), torch.tensor([1.0, 0.0])
    exact = speed._Found(2.0, gradient, last)
    known = speed._Reference(exact, speed._Found(2.1, torch.tensor([0.0, 1.0, 0.0]), torch.tensor([0.0, 1.0])))

    def allowed(loss: float = 2.0, whole: float = 0.0, end: float = 0.0) -> bool:
        return known.allows(
            speed._Found(loss, gradient + torch.tensor([0.0, 0.0, whole]), last + torch.tensor([0.0, end]))
        )

    assert allowed(loss=2.09)
    assert not allowed(loss=2.11)
    assert not allowed(loss=float("nan"))
    assert allowed(whole=1.7)  # 1.25 times the square root of two is 1.77
    assert not allowed(whole=1.8)
    assert allowed(end=0.7)
    assert not allowed(end=0.72)
    alike = speed._Reference(exact, exact)  # samples that are all one
    assert alike.allows(speed._Found(2.0, gradient + 0.14, last))
    assert not alike.allows(speed._Found(2.0, gradient + 0.15, last))
