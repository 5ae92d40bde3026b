import json
import os
import shutil
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from striate.core.errors import Interrupted, NonFinite, PlanError, StriateError
from striate.core.events import Silent
from striate.core.plan import Decision, Plan
from striate.data.loader import Batch
from striate.plan.rules.growing import size_at
from striate.train import graphs, loop
from striate.train.checkpoints import list_checkpoints, load_newest
from striate.train.graphs import Replayed
from striate.train.loop import fit
from striate.train.recipe import Recipe, fresh_state, refuse_contradictions
from striate.train.state import State
from tests.made_data import Listener
from tests.train.toy import PLAN, SIDE, bits, toy_recipe, toy_run, toy_state


class StopAt(Silent):
    """Sends this process a SIGINT once a step is reached, as Ctrl-C would."""

    def __init__(self, step: int) -> None:
        self.step = step

    def progress(self, done: int, total: int, text: str = "") -> None:
        if done == self.step:
            os.kill(os.getpid(), signal.SIGINT)


def trained(path: Path, recipe: Recipe) -> tuple[State, bytes]:
    run = toy_run(path)
    state = toy_state(recipe)
    fit(state, recipe, run, Silent())
    return state, run.history.read_bytes()


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"optimizer__name": "adamw", "schedule__name": "cosine"},
        {"execution__channels_last": True},
        {"execution__precision": "bfloat16", "execution__channels_last": True},
        {"transfer__frozen_epochs": 1, "optimizer__name": "adamw"},
        {"workers": 2, "memory_bytes": 0},
        {"train__start_size": 0.5},
        {"optimizer__name": "lion", "optimizer__rate": 1e-3, "optimizer__lookahead": 3},
        {"optimizer__name": "muon", "optimizer__rate": 2e-3, "transfer__l2_sp": 0.1},
        {"optimizer__name": "adam", "optimizer__rate": 2e-3, "optimizer__sam": 0.05},
        {"optimizer__name": "nadam", "optimizer__rate": 2e-3, "optimizer__adaptive_clip": 0.02},
        {
            "optimizer__name": "rmsprop",
            "optimizer__rate": 1e-3,
            "optimizer__clip_value": 0.1,
            "optimizer__l1": 1e-4,
        },
        {
            "optimizer__name": "adagrad",
            "optimizer__rate": 1e-2,
            "schedule__name": "plateau",
            "schedule__options": {"patience": 1},
        },
        {"transfer__frozen_norms": True, "execution__fold_norms": True, "transfer__kept_share": 0.3},
        {"transfer__unfreeze_epochs": 1, "optimizer__name": "adamw"},
    ],
    ids=[
        "sgd",
        "adamw",
        "channels-last",
        "bfloat16",
        "frozen",
        "streaming",
        "growing",
        "lion, lookahead",
        "muon, L2-SP",
        "adam, SAM",
        "nadam, adaptive clip",
        "rmsprop, L1, clipped",
        "adagrad, plateau",
        "folded",
        "unfreezing",
    ],
)
@pytest.mark.parametrize("step", [1, 6])
def test_an_interrupted_run_ends_in_the_same_bits(tmp_path: Path, changes: dict, step: int) -> None:
    recipe = toy_recipe(**changes)
    whole, history = trained(tmp_path / "whole", recipe)
    run = toy_run(tmp_path / "cut")
    with pytest.raises(Interrupted, match=f"stopped at step {step} "):
        fit(toy_state(recipe), recipe, run, StopAt(step))
    assert list_checkpoints(run.checkpoints)[0].name == f"step-{step:08d}"
    state = toy_state(recipe)
    fit(state, recipe, run, Silent())
    assert bits(state) == bits(whole)
    assert run.history.read_bytes() == history


def test_training_learns_and_history_tells(tmp_path: Path) -> None:
    state, history = trained(tmp_path / "run", toy_recipe(train__epochs=12, augment__mixup=0.0))
    rows = [json.loads(line) for line in history.splitlines()]
    assert [row["epoch"] for row in rows] == list(range(1, 13))
    assert rows[-1]["train_loss"] < rows[0]["train_loss"]
    assert state.counters.best == max(row["val"]["accuracy"] for row in rows) > 0.9
    assert state.counters.done == "all epochs"


def test_the_callers_random_state_is_left_alone(tmp_path: Path) -> None:
    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(1)
    trained(tmp_path / "run", toy_recipe(train__epochs=1))
    assert torch.equal(torch.rand(3), expected)


def test_patience_stops_and_the_best_weights_come_back(tmp_path: Path) -> None:
    recipe = toy_recipe(train__epochs=30, train__patience=2, train__ema=0.0)
    figures = iter([0.5, 0.9, 0.8, 0.7, 0.6])
    seen: list[dict[str, bytes]] = []
    run, state = toy_run(tmp_path / "run"), None

    def validate(networks: dict) -> dict[str, float]:
        seen.append(bits(state))
        return {"accuracy": next(figures)}

    recipe = Recipe(recipe.plan, recipe.task, recipe.batches, recipe.keys, recipe.normalize, validate)
    state = toy_state(recipe)
    fit(state, recipe, run, Silent())
    assert (state.counters.done, state.counters.epoch, state.counters.best_epoch) == ("patience", 4, 2)
    assert bits(state) == seen[1] != seen[3]


def test_of_equal_epochs_the_later_is_taken_and_patience_goes_on(tmp_path: Path) -> None:
    figures = iter([0.5, 0.7, 0.7, 0.6, 0.7, 0.7])
    recipe = replace(toy_recipe(train__epochs=9, train__patience=4), validate=lambda _: {"accuracy": next(figures)})
    run, state = toy_run(tmp_path / "run"), toy_state(recipe)
    fit(state, recipe, run, Silent())
    assert (state.counters.done, state.counters.epoch, state.counters.best_epoch) == ("patience", 6, 6)


@pytest.mark.parametrize(
    ("figures", "margin", "best"),
    [
        ([0.9, 0.9, 0.94, 0.92, 0.9], 1.0, 0),  # a tie, and gains within √(0.9 · 0.1 / 50) = 0.042
        ([0.9, 0.9, 0.96, 0.92, 0.97], 1.0, 4),
        ([0.9, 0.96, 0.94, 0.95, 0.96], 1.0, 4),  # once beaten, any gain and the later of equals count
        ([0.9, 0.9, 0.94, 0.92, 0.9], 0.0, 2),
        ([1.0, 0.9, 1.0, 1.0, 1.0], 1.0, 0),
    ],
)
def test_training_replaces_the_fitted_head_where_it_beats_it_by_a_standard_error(
    tmp_path: Path, figures: list[float], margin: float, best: int
) -> None:
    told = iter(figures)
    recipe = toy_recipe(train__epochs=4, train__patience=9, transfer__probe=True, transfer__margin=margin)
    recipe = replace(recipe, validate=lambda _: {"accuracy": next(told)}, validated=50)
    run, state = toy_run(tmp_path / "run"), toy_state(recipe)
    start = bits(state)
    fit(state, recipe, run, Silent())
    assert (state.counters.epoch, state.counters.best_epoch) == (4, best)
    assert (bits(state) == start) == (best == 0)


def test_patience_does_not_run_against_the_fitted_head(tmp_path: Path) -> None:
    told = iter([0.8, 0.80, 0.82, 0.83, 0.84, 0.9])
    recipe = toy_recipe(train__epochs=5, train__patience=2, transfer__probe=True, transfer__margin=1.0)
    recipe = replace(recipe, validate=lambda _: {"accuracy": next(told)}, validated=50)
    run, state = toy_run(tmp_path / "run"), toy_state(recipe)
    fit(state, recipe, run, Silent())
    assert (state.counters.done, state.counters.best_epoch) == ("all epochs", 5)


def test_the_margin_is_the_standard_error_of_a_share() -> None:
    recipe = replace(toy_recipe(transfer__margin=2.0), validated=100)
    assert recipe.margin(0.5) == pytest.approx(0.1)
    assert recipe.margin(1.0) == replace(recipe, validated=0).margin(0.5) == 0


def test_a_gradient_that_is_not_finite_stops_names_samples_and_keeps_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = toy_recipe()
    run, state = toy_run(tmp_path / "run"), toy_state(recipe)
    step = type(recipe.task).step

    def broken(task, networks, batch):
        losses = step(task, networks, batch)
        return {name: loss * float("nan") if state.counters.step == 5 else loss for name, loss in losses.items()}

    monkeypatch.setattr(type(recipe.task), "step", broken)
    with pytest.raises(NonFinite, match=r"step 5 .*toy/\d+"):
        fit(state, recipe, run, Silent())
    kept = toy_state(recipe)
    load_newest(run.checkpoints, kept, Silent())
    assert kept.counters.step == 5
    assert all(bool(tensor.isfinite().all()) for tensor in kept.model_tensors().values())


def test_running_out_of_memory_halves_the_batch_and_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = toy_recipe(batch__accumulate=1)
    real, failed = loop.train_step, []

    def small_machine(state, recipe, batch):
        if state.counters.accumulate < 4:
            failed.append(state.counters.accumulate)
            raise RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate")
        return real(state, recipe, batch)

    monkeypatch.setattr(loop, "train_step", small_machine)
    run, state, said = toy_run(tmp_path / "run"), toy_state(recipe), Listener()
    fit(state, recipe, run, said)
    assert failed == [1, 2]
    assert state.counters.accumulate == 4
    assert any("computed in 4 parts" in text for text in said.warnings)


def test_a_deadline_ends_training_with_a_validation(tmp_path: Path) -> None:
    recipe = toy_recipe(train__epochs=50)
    run, state, said = toy_run(tmp_path / "run"), toy_state(recipe), Listener()
    fit(state, recipe, run, said, deadline=0.0)
    assert state.counters.done == "time"
    assert len(run.history.read_text().splitlines()) == 1
    assert any("time was over" in text for text in said.warnings)


def test_accumulation_changes_nothing_but_rounding(tmp_path: Path) -> None:
    import copy

    from striate.train.step import train_step

    results = []
    for parts in (1, 4):
        recipe = toy_recipe(batch__accumulate=parts, optimizer__clip=0.0)
        torch.manual_seed(0)
        network = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.Flatten(), torch.nn.Linear(400, 3)).double()
        recipe = Recipe(
            recipe.plan,
            recipe.task,
            recipe.batches,
            recipe.keys,
            copy.deepcopy(recipe.normalize).double(),
            recipe.validate,
        )
        from striate.train.state import Counters

        state = State(
            {"network": network},
            {},
            {"network": torch.optim.SGD([{"params": list(network.parameters()), "factor": 1.0}], lr=0.1)},
            Counters(accumulate=parts),
        )
        for batch in recipe.batches.epoch(0):
            train_step(state, recipe, batch)
        results.append(torch.cat([parameter.detach().flatten() for parameter in network.parameters()]))
    assert torch.allclose(results[0], results[1], rtol=0, atol=1e-6)


def test_pictures_grow_from_epoch_to_epoch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = toy_recipe(train__start_size=0.5, train__epochs=5)
    seen: list[tuple[int, ...]] = []
    real = loop.train_step

    def watched(state: State, recipe: Recipe, batch: Batch) -> float:
        seen.append(tuple(batch.images.shape[2:]))
        return real(state, recipe, batch)

    monkeypatch.setattr(loop, "train_step", watched)
    fit(toy_state(recipe), recipe, toy_run(tmp_path / "run"), Silent())
    expected = [size_at(epoch, 5, (SIDE, SIDE), 0.5) for epoch in range(5)]
    assert [seen[epoch * len(recipe.batches)] for epoch in range(5)] == expected
    assert (expected[0], expected[-1]) == ((8, 8), (SIDE, SIDE))


@pytest.mark.parametrize("epochs", [1, 3])
def test_a_network_for_one_size_cannot_grow(epochs: int) -> None:
    """Known before the number of epochs is, for which a trial takes one."""
    recipe = toy_recipe(train__start_size=0.5, train__epochs=epochs)
    fixed = nn.Sequential(nn.Flatten(), nn.Linear(3 * SIDE * SIDE, 3))
    with pytest.raises(PlanError, match="takes no pictures of 8×8 px") as error:
        fresh_state(recipe, {"network": fixed})
    assert "train.start_size=1" in str(error.value)


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("g++") is None, reason="there is no compiler")
def test_a_compiled_run_goes_on_to_the_same_bits_and_is_near_the_plain_one(tmp_path: Path) -> None:
    recipe = toy_recipe(execution__compile=True)
    whole, _ = trained(tmp_path / "whole", recipe)
    run = toy_run(tmp_path / "cut")
    with pytest.raises(Interrupted):
        fit(toy_state(recipe), recipe, run, StopAt(6))
    state = toy_state(recipe)
    fit(state, recipe, run, Silent())
    assert bits(state) == bits(whole)
    plain, _ = trained(tmp_path / "plain", toy_recipe())
    assert plain.model_tensors().keys() == whole.model_tensors().keys()
    first = plain.networks["network"](torch.ones(2, 3, SIDE, SIDE))
    torch.testing.assert_close(whole.networks["network"](torch.ones(2, 3, SIDE, SIDE)), first, rtol=0.05, atol=0.05)


def test_what_cannot_be_compiled_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = toy_recipe(execution__compile=True)
    monkeypatch.setattr(shutil, "which", lambda _: None)
    with pytest.raises(PlanError, match=r"needs a C\+\+ compiler"):
        toy_state(recipe)
    with pytest.raises(PlanError, match=r"execution.compile and train.start_size exclude"):
        toy_state(toy_recipe(execution__compile=True, train__start_size=0.5))
    with pytest.raises(PlanError, match=r"execution.compile and execution.fold_norms exclude"):
        toy_state(toy_recipe(execution__compile=True, execution__fold_norms=True, transfer__frozen_norms=True))


def standing_still(recipe: Recipe) -> Recipe:
    """Validation never gains."""
    return replace(recipe, validate=lambda _: {"accuracy": 0.5})


def test_where_validation_stands_still_the_rate_falls(tmp_path: Path) -> None:
    changes = {"schedule__name": "plateau", "schedule__options": {"factor": 0.5, "patience": 2}, "schedule__warmup": 0}
    recipe = standing_still(toy_recipe(train__epochs=7, **changes))
    state, history = trained(tmp_path / "run", recipe)
    rates = [json.loads(line)["rate"] for line in history.splitlines()]
    assert rates == [0.05, 0.05, 0.05, 0.025, 0.025, 0.0125, 0.0125]
    assert state.counters.drops == 3


def test_a_gain_below_the_least_does_not_renew_patience(tmp_path: Path) -> None:
    figures = iter([0.5, 0.51, 0.52, 0.7, 0.71, 0.72, 0.73, 0.9])
    recipe = replace(
        toy_recipe(train__epochs=8, train__patience=3, train__min_gain=0.05),
        validate=lambda _: {"accuracy": next(figures)},
    )
    state, _ = trained(tmp_path / "run", recipe)
    assert state.counters.done == "patience"
    assert state.counters.epoch == 7  # the fourth gained enough, three after it did not
    assert state.counters.best == 0.73  # and the best is the best


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"schedule__name": "step", "schedule__options": {"gama": 0.1}}, "did you mean 'gamma'"),
        ({"schedule__name": "step", "schedule__options": {"gamma": 3.0}}, "gamma"),
        ({"schedule__name": "multi_step", "schedule__options": {"places": [2.0]}}, "places"),
        ({"optimizer__options": {"nesterof": True}}, "did you mean 'nesterov'"),
        ({"optimizer__name": "adamw", "optimizer__options": {"beta2": 2.0}}, "beta"),
        ({"optimizer__name": "lion", "optimizer__options": {"beta2": 1.0}}, "Lion"),
        ({"optimizer__name": "muon", "optimizer__options": {"iterations": 0}}, "one iteration"),
    ],
)
def test_options_are_tried_before_the_first_step(changes: dict[str, Any], why: str) -> None:
    with pytest.raises(StriateError, match=why):
        toy_state(toy_recipe(**changes))


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({}, "is for CUDA devices"),
        ({"execution__device": "cuda", "execution__compile": True}, "execution.compile exclude"),
        ({"execution__device": "cuda", "execution__fold_norms": True, "transfer__frozen_norms": True}, "fold_norms"),
        ({"execution__device": "cuda", "batch__accumulate": 2}, "whole batches"),
    ],
)
def test_what_cannot_be_recorded_as_graphs_is_said(changes: dict[str, Any], why: str) -> None:
    values = {**PLAN, **{key.replace("__", "."): value for key, value in changes.items()}, "execution.graphed": True}
    values["batch.accumulate"] = changes.get("batch__accumulate", 1)
    with pytest.raises(PlanError, match=why):
        refuse_contradictions(Plan({key: Decision(value, "for the test") for key, value in values.items()}))


def test_passes_that_cannot_be_recorded_are_computed_as_ever_and_it_is_said(tmp_path: Path) -> None:
    recipe = toy_recipe(batch__accumulate=1)
    state, said = toy_state(recipe), Listener()
    replay = Replayed(state.networks["network"], low=False)
    replay.refused = "it waits for the device"
    state.replays["network"] = replay
    fit(state, recipe, toy_run(tmp_path / "said"), said)
    assert sum("it waits for the device" in line for line in said.warnings) == 1
    plain, _ = trained(tmp_path / "plain", recipe)
    assert bits(state) == bits(plain)


def test_a_layout_in_which_torch_corrupts_memory_is_refused_on_large_pictures() -> None:
    narrow = nn.Sequential(nn.Conv2d(3, 16, 1, stride=2), nn.Flatten(), nn.Linear(16 * 36, 3))
    recipe = toy_recipe(execution__channels_last=True)
    fresh_state(recipe, {"network": narrow})  # small ones are safe
    recipe.batches.augmenter.size = (64, 64)
    with pytest.raises(PlanError, match="corrupts memory in the backward pass of 0") as error:
        fresh_state(recipe, {"network": narrow})
    assert "execution.channels_last=false" in str(error.value)
    fresh_state(toy_recipe(), {"network": narrow})


def test_patience_counts_from_the_first_figure_that_is_one(tmp_path: Path) -> None:
    figures = iter([float("nan"), 0.4, 0.5, 0.6, 0.7, 0.8])
    recipe = toy_recipe(train__epochs=6, train__patience=2, train__min_gain=0.01)
    recipe = replace(recipe, validate=lambda _: {"accuracy": next(figures)})
    state = toy_state(recipe)
    fit(state, recipe, toy_run(tmp_path / "run"), Silent())
    assert (state.counters.done, state.counters.best_epoch) == ("all epochs", 6)
    assert state.counters.mark == 0.8


def test_where_memory_runs_out_graphs_are_let_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Held(nn.Module):
        refused = None

        def __init__(self, network: nn.Module) -> None:
            super().__init__()
            self.network = (network,)

        def refresh(self) -> None: ...

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return self.network[0](images)

    recipe, said = toy_recipe(batch__accumulate=1), Listener()
    state = toy_state(recipe)
    state.replays["network"] = Held(state.networks["network"])  # type: ignore[assignment]
    real, emptied = loop.train_step, []
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: emptied.append(not state.replays))

    def short(state: State, recipe: Recipe, batch: Batch) -> float:
        if state.counters.step == 3 and state.counters.accumulate == 1:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return real(state, recipe, batch)

    monkeypatch.setattr(loop, "train_step", short)
    fit(state, recipe, toy_run(tmp_path), said)
    assert state.counters.accumulate == 2
    assert not state.replays
    assert emptied == [True]


def test_averages_do_not_move_in_a_step_that_is_found_not_finite(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a GPU that is found after the update, which its kernels then left out."""
    from striate.train import step

    recipe = toy_recipe()
    state = toy_state(recipe)
    recipe.set_learning(state.networks["network"], 0)
    first, second, *_ = recipe.batches.epoch(0)
    step.train_step(state, recipe, first)
    average = state.averages["network"].network
    before = {key: one.clone() for key, one in average.state_dict().items()}
    asked = iter([0.5])

    def late(*_: Any) -> float:
        for figure in asked:
            return figure
        raise NonFinite("as a GPU says")

    monkeypatch.setattr(step, "_check", late)
    with pytest.raises(NonFinite):
        step.train_step(state, recipe, second)
    assert all(torch.equal(one, before[key]) for key, one in average.state_dict().items())


def test_graphs_of_pictures_that_grew_give_way_to_those_of_larger_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    network = nn.Conv2d(3, 4, 3)
    recorded: list[int] = []

    class Fake:
        def __init__(self, passes: Any, network: nn.Module, images: torch.Tensor) -> None:
            recorded.append(images.shape[2])

    monkeypatch.setattr(graphs, "_Graph", Fake)
    monkeypatch.setattr(graphs, "KEPT", 2)
    replay = Replayed(network, low=False)
    found = {side: replay._graph(torch.zeros(1, 3, side, side)) for side in (4, 5, 6, 7)}
    assert all(found.values())
    assert recorded == [4, 5, 6, 7]
    assert [shape[2] for shape in replay._graphs] == [6, 7]
    assert replay._graph(torch.zeros(1, 3, 7, 7)) is found[7]
    assert (
        replay._graph(torch.zeros(1, 3, 4, 4)) is None
    )  # recorded again and again, they would cost more than they save
    network.weight.requires_grad_(False)
    replay.refresh()
    assert replay._graph(torch.zeros(1, 3, 4, 4)) is not None
