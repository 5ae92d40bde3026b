"""The mean of the last epochs' weights: equal to torch's, its norms' statistics too, and judged like an epoch."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_swa_avg_fn, update_bn

from striate.core.errors import Interrupted, PlanError
from striate.core.events import Silent
from striate.core.run import RunFolder
from striate.train import loop
from striate.train.averaging import EqualAverage
from striate.train.loop import fit
from striate.train.recipe import refuse_contradictions
from striate.train.schedules.cosine import cosine
from striate.train.statistics import estimate_statistics
from tests.made_data import Listener
from tests.train.test_loop import StopAt
from tests.train.toy import bits, toy_recipe, toy_run, toy_state

MEAN: dict[str, Any] = {"train__ema": 0.0, "train__swa": 0.5, "train__epochs": 4, "batch__accumulate": 1}


def plain() -> nn.Module:
    """Without dropout, which torch's way leaves awake."""
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(400, 3))


def test_mean_and_statistics_are_those_of_torch() -> None:
    recipe = toy_recipe(**MEAN)
    network = plain().double()
    recipe = replace(recipe, normalize=nn.Sequential(recipe.normalize, _Double()))
    theirs = AveragedModel(network, avg_fn=get_swa_avg_fn())
    ours = EqualAverage(network)
    for number in range(3):
        with torch.no_grad():
            for parameter in network.parameters():
                parameter.add_(torch.randn_like(parameter))
        theirs.update_parameters(network)
        ours.update(number)
    for name, parameter in ours.network.named_parameters():
        torch.testing.assert_close(parameter.data, theirs.module.get_parameter(name).data, rtol=0, atol=1e-14)
    update_bn([recipe.normalize(batch.images) for batch in recipe.batches.epoch(3)], theirs)
    estimate_statistics(ours.network, recipe, 3, parts=1)
    found, expected = dict(ours.network.named_buffers()), dict(theirs.module.named_buffers())
    assert found.keys() == expected.keys()
    for name, buffer in found.items():
        torch.testing.assert_close(buffer, expected[name], rtol=0, atol=1e-12)
    assert not any(one.training or getattr(one, "momentum", 0.1) != 0.1 for one in ours.network.modules())


class _Double(nn.Module):
    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return images.double()


def test_norms_that_keep_their_statistics_keep_them() -> None:
    recipe = toy_recipe(**MEAN, transfer__frozen_norms=True)
    network = plain()
    ours = EqualAverage(network)
    estimate_statistics(ours.network, recipe, 3, parts=1)
    assert all(torch.equal(own, ours.network.get_buffer(name)) for name, own in network.named_buffers())


def test_the_rate_stands_still_from_the_first_averaged_epoch_on() -> None:
    recipe = toy_recipe(**{**MEAN, "train__epochs": 8, "train__swa": 0.25}, schedule__name="cosine", schedule__warmup=0)
    steps = len(recipe.batches)
    assert [recipe.averaged(epoch) for epoch in range(8)] == [0] * 6 + [1, 2]
    for step in (0, steps, 5 * steps, 6 * steps, 7 * steps, 8 * steps - 1):
        assert recipe.rate(step) == pytest.approx(0.05 * cosine(min(step, 6 * steps), 8 * steps, 0))


def trained(path: Path, figures: dict[int, float], **changes: Any) -> tuple[Any, list[dict[str, Any]]]:
    """A training whose validation gives the figures by their turn, 0.5 where there is none."""
    recipe = toy_recipe(**{**MEAN, **changes})
    turns = iter(range(99))
    recipe = replace(recipe, validate=lambda networks: {"accuracy": figures.get(next(turns), 0.5)})
    run, state = toy_run(path), toy_state(recipe)
    fit(state, recipe, run, Silent())
    return state, [json.loads(line) for line in run.history.read_text().splitlines()]


def test_the_mean_is_taken_where_validation_likes_it_best(tmp_path: Path) -> None:
    state, rows = trained(tmp_path / "better", {4: 0.7})
    assert [row.get("averaged") for row in rows] == [None] * 4 + [2]
    assert (state.counters.best, state.counters.best_epoch, state.counters.averaged) == (0.7, 4, 2)
    assert state.judged()["network"] is state.means["network"].network
    worse, _ = trained(tmp_path / "worse", {2: 0.6, 4: 0.55})
    assert (worse.counters.best_epoch, worse.counters.averaged) == (3, 0)
    assert worse.judged()["network"] is worse.networks["network"]


def test_the_mean_is_that_of_the_last_epochs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ends: list[dict[str, torch.Tensor]] = []
    real = loop.save_checkpoint

    def saved(folder: Path, state: Any) -> Path:
        if state.counters.batch == 0 and state.counters.step:
            ends.append({name: one.detach().clone() for name, one in state.networks["network"].named_parameters()})
        return real(folder, state)

    monkeypatch.setattr(loop, "save_checkpoint", saved)
    state, _ = trained(tmp_path / "run", {4: 0.7})
    assert len(ends) == 4
    for name, parameter in state.judged()["network"].named_parameters():
        torch.testing.assert_close(parameter, (ends[2][name] + ends[3][name]) / 2)


@pytest.mark.parametrize("step", [6, 11, 14])
def test_an_interrupted_mean_ends_in_the_same_bits(tmp_path: Path, step: int) -> None:
    recipe = toy_recipe(**{**MEAN, "batch__accumulate": 2, "train__swa": 0.75}, transfer__frozen_epochs=1)
    whole, first = toy_state(recipe), toy_run(tmp_path / "whole")
    fit(whole, recipe, first, Silent())
    run = toy_run(tmp_path / "cut")
    with pytest.raises(Interrupted):
        fit(toy_state(recipe), recipe, run, StopAt(step))
    state = toy_state(recipe)
    fit(state, recipe, run, Silent())
    assert bits(state) == bits(whole)
    assert run.history.read_bytes() == first.history.read_bytes()


def test_a_finished_training_gives_the_mean_again(tmp_path: Path) -> None:
    state, _ = trained(tmp_path / "run", {4: 0.7})
    recipe = toy_recipe(**MEAN)
    again = toy_state(recipe)
    fit(again, recipe, RunFolder.open(tmp_path / "run"), Silent())
    assert again.counters.averaged == 2
    found, expected = again.judged()["network"].state_dict(), state.judged()["network"].state_dict()
    assert all(torch.equal(one, expected[name]) for name, one in found.items())


def test_an_extended_training_has_a_mean_of_each_of_its_parts(tmp_path: Path) -> None:
    longer = toy_recipe(**{**MEAN, "train__epochs": 7}, train__extensions={4: 4})
    assert [longer.averaged(epoch) for epoch in range(7)] == [0, 0, 1, 2, 0, 1, 2]
    run, first = toy_run(tmp_path / "run"), toy_recipe(**MEAN)
    fit(toy_state(first), first, run, Silent())
    extended = toy_state(longer)
    fit(extended, longer, run, Silent())
    rows = [json.loads(line) for line in run.history.read_text().splitlines()]
    assert [row.get("averaged") for row in rows] == [None] * 4 + [2, None, None, None, 2]
    whole, at_once = toy_run(tmp_path / "whole"), toy_state(longer)
    fit(at_once, longer, whole, Silent())
    assert bits(at_once) == bits(extended)
    assert whole.history.read_bytes() == run.history.read_bytes()


def test_a_training_that_ends_too_early_says_that_nothing_is_averaged(tmp_path: Path) -> None:
    recipe = toy_recipe(**MEAN, train__patience=1)
    recipe = replace(recipe, validate=lambda networks: {"accuracy": 0.5})
    state, heard = toy_state(recipe), Listener()
    fit(state, recipe, toy_run(tmp_path / "run"), heard)
    assert (state.counters.done, state.counters.averaged) == ("patience", 0)
    assert any("before two of the epochs from 3 on" in one for one in heard.warnings)


@pytest.mark.parametrize("name", ["cosine", "one_cycle", "constant"])
@pytest.mark.parametrize("warmup", [0.0, 0.25, 0.5])
@pytest.mark.parametrize("more", [1, 2, 3, 5])
def test_the_rate_has_risen_before_it_stands_still(name: str, warmup: float, more: int) -> None:
    changes: dict[str, Any] = {**MEAN, "train__epochs": 4 + more, "schedule__name": name, "schedule__warmup": warmup}
    recipe = toy_recipe(**changes, train__extensions={4: 4}, transfer__frozen_epochs=1)
    without = toy_recipe(**{**changes, "train__swa": 0.0}, train__extensions={4: 4}, transfer__frozen_epochs=1)
    each = len(recipe.batches)
    for first, end in ((0, 4), (4, 4 + more)):
        rates = [recipe.rate(step) for step in range(first * each, end * each)]
        usual = [without.rate(step) for step in range(first * each, end * each)]
        assert max(rates) == max(usual)
        averaged = [recipe.averaged(epoch) for epoch in range(first, end)]
        assert max(averaged) != 1
        assert averaged == [0] * (end - first - max(averaged)) + list(range(1, max(averaged) + 1))
        assert (rates == usual) or max(averaged) >= 2


def test_an_added_part_without_two_epochs_after_its_warm_up_says_that_it_has_no_mean(tmp_path: Path) -> None:
    longer, run = toy_recipe(**{**MEAN, "train__epochs": 6}, train__extensions={4: 4}), toy_run(tmp_path / "run")
    heard = Listener()
    fit(toy_state(longer), longer, run, heard)
    rows = [json.loads(line) for line in run.history.read_text().splitlines()]
    assert [row.get("averaged") for row in rows] == [None] * 4 + [2, None, None]
    assert any("from 5 to 6 have no two after their warm-up" in one for one in heard.warnings)


def test_an_epoch_that_the_time_cut_short_is_in_the_mean_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    changes = {**MEAN, "train__epochs": 8}
    recipe, run = toy_recipe(**changes), toy_run(tmp_path / "run")
    step = 6 * len(recipe.batches) + 1  # in the third epoch of the mean
    clock, cut = iter(range(10**6)), Cut(step)
    monkeypatch.setattr(loop.time, "monotonic", lambda: 10**9 if cut.over else next(clock))
    short = toy_state(recipe)
    fit(short, recipe, run, cut, deadline=10**8)
    assert (short.counters.done, short.counters.step) == ("time", step + 1)
    monkeypatch.undo()
    rows = [json.loads(line) for line in run.history.read_text().splitlines()]
    assert rows[-1]["averaged"] == 2  # of the epochs that had ended
    ends: list[dict[str, torch.Tensor]] = []
    real = EqualAverage.update

    def update(own: EqualAverage, before: int) -> None:
        network = longer_state.networks["network"]
        ends.append({name: one.detach().clone() for name, one in network.named_parameters()})
        assert before == 2  # the third, once
        real(own, before)
        kept.update({name: one.detach().clone() for name, one in own.network.named_parameters()})

    longer = toy_recipe(**{**changes, "train__epochs": 8}, train__extensions={7: 8})
    longer_state, kept = toy_state(longer), {}
    monkeypatch.setattr(EqualAverage, "update", update)
    fit(longer_state, longer, run, Silent())
    assert len(ends) == 1
    before = dict(short.means["network"].network.named_parameters())
    for name, parameter in kept.items():
        torch.testing.assert_close(parameter, (2 * before[name] + ends[0][name]) / 3)


class Cut(Silent):
    """Says that the time is over from a step on."""

    def __init__(self, step: int) -> None:
        self.step, self.over = step, False

    def progress(self, done: int, total: int, text: str = "") -> None:
        self.over = self.over or (text.startswith("epoch") and done >= self.step)


@pytest.mark.parametrize(
    ("changes", "match"),
    [({"train__ema": 0.1}, "exclude each other"), ({"schedule__warmup": 0.8}, "lets it rise")],
)
def test_contradictions_are_refused(changes: dict[str, Any], match: str) -> None:
    with pytest.raises(PlanError, match=match):
        refuse_contradictions(toy_recipe(**{**MEAN, **changes}).plan)
