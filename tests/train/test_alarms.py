"""Looking for alarms while training: told once, kept with the counters, and without a bit of the weights changed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from striate.core.errors import Interrupted
from striate.core.events import Silent
from striate.train import alarms, loop
from striate.train.loop import fit
from striate.train.recipe import Recipe, fresh_state
from striate.train.state import State
from tests.made_data import Listener
from tests.train.test_loop import StopAt
from tests.train.toy import bits, toy_networks, toy_recipe, toy_run, toy_state


def hurt(recipe: Recipe) -> State:
    """A state whose first activation is fed by a norm that lets nothing through."""
    networks = toy_networks(recipe)
    norm = next(module for module in networks["network"].modules() if isinstance(module, nn.BatchNorm2d))
    nn.init.zeros_(norm.weight)
    nn.init.constant_(norm.bias, -1.0)
    return fresh_state(recipe, networks)


def test_the_training_is_the_same_to_the_bit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = toy_recipe()
    looked = toy_state(recipe)
    fit(looked, recipe, toy_run(tmp_path / "looked"), Silent())
    monkeypatch.setattr(loop, "is_looked_at", lambda _: False)
    plain = toy_state(recipe)
    fit(plain, recipe, toy_run(tmp_path / "plain"), Silent())
    assert bits(looked) == bits(plain)
    assert (tmp_path / "looked/history.jsonl").read_bytes() == (tmp_path / "plain/history.jsonl").read_bytes()
    assert looked.counters.alarms == []


def test_an_alarm_is_told_once_and_kept(tmp_path: Path) -> None:
    recipe, told = toy_recipe(optimizer__rate=1e-9), Listener()
    state = hurt(recipe)
    fit(state, recipe, toy_run(tmp_path / "run"), told)
    found = [one for one in state.counters.alarms if one["kind"] == "dead units"]
    assert (found[0]["epoch"], found[0]["layer"]) == (0, "stem.activation1")
    assert len({one["layer"] for one in found}) == len(found)
    (warning,) = [text for text in told.warnings if "dead units" in text]
    assert warning.startswith("dead units at the first step: stem.activation1: 8 of 8 units never fire")
    assert "What helps: a lower rate" in warning


@pytest.mark.parametrize("weights", [None, "somewhere.safetensors"])
def test_first_weights_are_judged_where_they_were_drawn(tmp_path: Path, weights: str | None) -> None:
    recipe, told = toy_recipe(network__weights=weights), Listener()
    networks = toy_networks(recipe)
    with torch.no_grad():
        networks["network"].get_submodule("stem.conv1").get_parameter("weight").mul_(10)
    state = fresh_state(recipe, networks)
    fit(state, recipe, toy_run(tmp_path / "run"), told)
    found = [
        text for text in told.warnings if text.startswith("first weights too large at the first step: stem.conv1, ")
    ]
    kept = [one["layer"] for one in state.counters.alarms if one["kind"] == "first weights too large"]
    assert (len(found), kept) == ((0, []) if weights else (1, ["stem.conv1"]))


def test_resuming_tells_nothing_twice_and_keeps_what_was_told(tmp_path: Path) -> None:
    recipe, run, told = toy_recipe(optimizer__rate=1e-9), toy_run(tmp_path / "run"), Listener()
    whole = hurt(recipe)
    fit(whole, recipe, toy_run(tmp_path / "whole"), Silent())
    with pytest.raises(Interrupted):
        fit(hurt(recipe), recipe, run, StopAt(6))
    state = toy_state(recipe)  # what is restored comes from the checkpoint alone
    fit(state, recipe, run, told)
    assert state.counters.alarms == whole.counters.alarms != []
    assert not [text for text in told.warnings if "dead" in text]


def test_it_looks_ever_more_rarely_and_at_the_start_for_the_scale_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[int, bool]] = []
    recipe = toy_recipe(train__epochs=9, train__checkpoint_seconds=60.0)
    state = toy_state(recipe)

    def watched(*_: Any, start: bool, drawn: bool) -> list[Any]:
        assert drawn is start  # the toy has no pretrained weights
        seen.append((state.counters.epoch, start))
        return []

    monkeypatch.setattr(alarms, "find_alarms", watched)
    fit(state, recipe, toy_run(tmp_path / "run"), Silent())
    assert seen == [(0, True), (1, False), (2, False), (4, False), (8, False)]


def test_what_memory_cannot_hold_twice_is_said_and_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any, **__: Any) -> Any:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(alarms, "find_alarms", full)
    recipe, said = toy_recipe(), Listener()
    state = toy_state(recipe)
    fit(state, recipe, toy_run(tmp_path / "run"), said)
    assert state.counters.accumulate == recipe.plan["batch.accumulate"]
    assert any("not looked for: memory does not hold" in text for text in said.lines)
