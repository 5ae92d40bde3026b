"""A frozen body computed once: the same head as from pictures, each sample seen once, and said where it cannot be."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from striate.core.errors import Interrupted
from striate.core.events import Silent
from striate.data.augment import Augmenter
from striate.train.features import Features, find_features, hindrance, only_head_learns
from striate.train.loop import fit
from striate.train.recipe import Recipe, fresh_state
from striate.train.state import State
from tests.made_data import Listener
from tests.train.test_loop import StopAt
from tests.train.toy import bits, toy_networks, toy_recipe, toy_run, toy_state, undropped

PLAIN: dict[str, Any] = {
    **{f"augment__{name}": 0.0 for name in ("shift", "rotate", "scale", "color", "mixup")},
    "augment__flip": "none",
    "train__epochs": 4,
    "transfer__frozen_epochs": 3,
    "transfer__cached_features": True,
}


def unjudged(recipe: Recipe) -> Recipe:
    return replace(recipe, validate=lambda networks: {"accuracy": 0.5})


class _Double(nn.Module):
    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return images.double()


def trained(path: Path, cached: bool, *, double: bool = False, **changes: Any) -> tuple[State, Listener]:
    recipe = unjudged(toy_recipe(**{**PLAIN, **changes, "transfer__cached_features": cached}))
    networks = toy_networks(recipe)
    if double:
        recipe = replace(recipe, normalize=nn.Sequential(recipe.normalize, _Double()))
        networks["network"].double()
    state, lines = fresh_state(recipe, networks), Listener()
    fit(state, recipe, toy_run(path), lines)
    return state, lines


def farthest(one: State, other: State) -> float:
    pairs = zip(one.model_tensors().values(), other.model_tensors().values(), strict=True)
    return max(float((a.double() - b.double()).abs().max()) for a, b in pairs)


@pytest.mark.parametrize(
    ("changes", "double", "most"),
    [
        ({"optimizer__name": "adamw", "batch__size": 20}, True, 1e-12),
        ({"transfer__frozen_epochs": 1, "transfer__kept_share": 1.0, "optimizer__sam": 0.05}, True, 1e-12),
        (
            {"transfer__frozen_norms": True, "execution__fold_norms": True, "execution__channels_last": True},
            False,
            1e-6,
        ),
    ],
    ids=["adamw", "kept, sam", "folded"],
)
def test_the_weights_are_those_of_recomputing(
    tmp_path: Path, changes: dict[str, Any], double: bool, most: float
) -> None:
    changes = {"train__epochs": 3, "transfer__frozen_epochs": 2, **changes}
    cached, lines = trained(tmp_path / "cached", True, double=double, **changes)
    assert any("computed once" in line for line in lines.lines)
    anew, _ = trained(tmp_path / "anew", False, double=double, **changes)
    assert farthest(cached, anew) < most
    assert cached.counters.alarms == anew.counters.alarms


def counting(network: nn.Module) -> list[int]:
    """Samples that come to the body, pass by pass."""
    seen: list[int] = []
    network.get_submodule("stem").register_forward_hook(lambda _, inputs, __: seen.append(len(inputs[0])))
    return seen


@pytest.mark.parametrize("epochs", [2, 6])
def test_the_body_sees_each_sample_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, epochs: int) -> None:
    monkeypatch.setattr("striate.train.loop.is_looked_at", lambda epoch: False)  # copies hear this hook, too
    changes = {"train__epochs": epochs, "transfer__frozen_epochs": 0, "transfer__kept_share": 1.0, "batch__size": 16}
    recipe = unjudged(toy_recipe(**{**PLAIN, **changes}, train__ema=0.0))
    state = fresh_state(recipe, undropped(recipe))
    seen = counting(state.networks["network"])
    fit(state, recipe, toy_run(tmp_path / "run"), Silent())
    first = seen[0]
    assert sum(seen) == len(recipe.batches.pictures) + first  # the first part once more, to see whether anything draws
    assert state.counters.step == epochs * len(recipe.batches)


@pytest.mark.parametrize("step", [1, 6, 13])
def test_an_interrupted_training_finds_the_same_features(tmp_path: Path, step: int) -> None:
    recipe = toy_recipe(**PLAIN)
    whole = toy_state(recipe)
    fit(whole, recipe, toy_run(tmp_path / "whole"), Silent())
    run = toy_run(tmp_path / "cut")
    with pytest.raises(Interrupted):
        fit(toy_state(recipe), recipe, run, StopAt(step))
    state = toy_state(recipe)
    fit(state, recipe, run, Silent())
    assert bits(state) == bits(whole)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"augment__flip": "horizontal"}, "pictures are altered at random"),
        ({"train__start_size": 0.5}, "pictures grow"),
        ({"execution__pack_bytes": 10}, "they would take"),
        ({"transfer__frozen_epochs": 0, "transfer__kept_share": 1.0}, "dropout1 leaves parts out at random"),
        ({"transfer__frozen_epochs": 0, "transfer__unfreeze_epochs": 1}, "dropout1 leaves parts out at random"),
        ({"transfer__frozen_epochs": 0}, "more than the head learns from the first epoch on"),
    ],
)
def test_where_they_are_not_the_same_each_time_it_is_said(tmp_path: Path, changes: dict[str, Any], why: str) -> None:
    state, lines = trained(tmp_path / "run", True, **changes)
    assert any("in every epoch" in line and why in line for line in lines.lines)
    assert state.features is None


def test_fewer_frozen_epochs_than_planned_is_said(tmp_path: Path) -> None:
    _, lines = trained(tmp_path / "run", True, train__epochs=2, transfer__frozen_epochs=3)
    assert "transfer.frozen_epochs: of 2 epochs 1 are frozen, not 3, as the last never is" in lines.lines


def test_where_memory_does_not_hold_them_it_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> torch.Tensor:
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 99 bytes")

    anew, _ = trained(tmp_path / "anew", False)
    network, pictures = Drawing(0.0).train(), torch.randn(4, 4)
    with monkeypatch.context() as patched:
        patched.setattr("striate.train.features.torch.empty", full)
        features = find_features(network, iter(pictures.split(2)), 4, 10**6)
    assert features == "memory does not hold their 0.00 GB"
    monkeypatch.setattr("striate.train.features._room", lambda count, found: None)
    state, lines = trained(tmp_path / "run", True)
    assert any("in every epoch, as memory does not hold" in line for line in lines.lines)
    assert state.counters.accumulate == anew.counters.accumulate  # no batch is halved for it
    assert bits(state) == bits(anew)


class Drawing(nn.Module):
    """Leaves numbers out by a function, as timm's ResNets do."""

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.body, self.head, self.rate = nn.Linear(4, 8), nn.Linear(8, 3), rate

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        result: torch.Tensor = self.head(nn.functional.dropout(self.body(x), self.rate, self.training))
        return result


def behind(network: nn.Module) -> nn.Module:
    return nn.Sequential(network, nn.ReLU())


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (lambda: Drawing(0.5), "draws at random"),
        (lambda: behind(Drawing(0.0)), "not its end"),
        (lambda: Drawing(0.0), None),
    ],
)
def test_what_no_layer_shows_is_found_by_trying(make: Callable[[], nn.Module], why: str | None) -> None:
    network, pictures = make().train(), torch.randn(10, 4)
    assert hindrance(network) is None
    found = find_features(network, iter(pictures.split(4)), 10, 10**6)
    if why is not None:
        assert isinstance(found, str)
        assert why in found
        return
    assert isinstance(found, Features)
    assert torch.equal(found.rows, network.body(pictures))  # type: ignore[operator]
    assert found.stand(network)
    assert not found.stand(network.eval())


def test_norms_of_batches_are_a_hindrance() -> None:
    network = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Flatten(), nn.Linear(8, 3))
    assert "the norm 1" in str(hindrance(network.train()))
    assert hindrance(network.eval()) is None
    bare = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2, track_running_stats=False), nn.Linear(8, 3)).eval()
    assert "the norm 1" in str(hindrance(bare))


def test_only_the_head_learns_where_all_else_is_frozen() -> None:
    network = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    assert not only_head_learns(network)
    network[0].requires_grad_(False)
    assert only_head_learns(network)


def test_batches_without_pictures_are_the_same_batches() -> None:
    batches = toy_recipe(**PLAIN).batches
    for bare, whole in itertools.zip_longest(batches.bare(2, 1), batches.fetched(2, 1)):
        assert bare.images.shape == (len(whole.ids), 0)
        assert (bare.ids == whole.ids).all()
        assert torch.equal(bare.targets, whole.targets)
        assert (bare.total_weight, bare.weights.tolist()) == (whole.total_weight, whole.weights.tolist())
    shown = list(batches.in_order())
    assert [number for batch in shown for number in batch.ids.tolist()] == list(range(len(batches.pictures)))
    first = next(batch for batch in batches.epoch(0) if 3 in batch.ids)
    assert torch.equal(shown[0].images[3], first.images[first.ids.tolist().index(3)])


def test_an_augmenter_of_small_classes_is_not_idle() -> None:
    assert Augmenter({}, 0, (8, 8)).idle
    assert not Augmenter({}, 0, (8, 8), ("a",), (np.array([True]), {"gamma": 0.5})).idle
