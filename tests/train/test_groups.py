"""What learns: decay, rates by depth, and the share that stays as it came."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from striate.nets import build, depth_groups, resolve
from striate.train.groups import freeze_body, kept_parameters, parameter_groups
from striate.train.loop import fit
from tests.made_data import Listener
from tests.train.toy import toy_recipe, toy_run, toy_state


@pytest.fixture
def network() -> nn.Module:
    return build(resolve("resnet18", outputs=3, channels=3, height=32, width=32))


def test_the_lowest_share_of_the_depth_never_learns(network: nn.Module) -> None:
    names = [name for name, _ in network.named_parameters()]
    assert kept_parameters(network, 0.0) == set()
    half = kept_parameters(network, 0.5)
    assert half == set(names[: len(half)])
    assert 0 < len(half) < len(names)
    assert kept_parameters(network, 1.0) == {name for name in names if not name.startswith("head.")}


@pytest.mark.parametrize("share", [0.0, 0.4])
def test_groups_hold_what_learns_once(network: nn.Module, share: float) -> None:
    groups = parameter_groups(network, weight_decay=0.1, stem_rate=0.01, kept_share=share)
    names = [name for group in groups for name in group["names"]]
    kept = kept_parameters(network, share)
    assert sorted([*names, *kept]) == sorted(name for name, _ in network.named_parameters())
    for group in groups:
        assert all((parameter.dim() > 1) == (group["weight_decay"] > 0) for parameter in group["params"])
    assert groups[-1]["factor"] == 1.0
    assert groups[0]["factor"] == pytest.approx(0.01) if not share else groups[0]["factor"] > 0.01


def test_only_what_may_learn_gets_gradients(network: nn.Module) -> None:
    freeze_body(network, frozen=False, frozen_norms=True, kept_share=0.4)
    network(torch.randn(2, 3, 32, 32)).sum().backward()
    kept = kept_parameters(network, 0.4)
    assert kept == {name for name, parameter in network.named_parameters() if parameter.grad is None}
    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    assert not any(norm.training for norm in norms)
    freeze_body(network, frozen=True, kept_share=0.4)
    learning = {name for name, parameter in network.named_parameters() if parameter.requires_grad}
    assert learning == {"head.weight", "head.bias"}


@pytest.mark.parametrize("opened", [0, 1, 3, 99, None])
def test_what_is_opened_learns_from_the_head_down(network: nn.Module, opened: int | None) -> None:
    depths = depth_groups(network)
    freeze_body(network, frozen=False, kept_share=0.1, opened=opened)
    learning = {name for name, parameter in network.named_parameters() if parameter.requires_grad}
    expected = depths if opened is None else depths[max(0, len(depths) - 1 - opened) :]
    assert learning == {name for names in expected for name in names} - kept_parameters(network, 0.1)
    for name, module in network.named_modules():
        if isinstance(module, nn.BatchNorm2d):
            assert module.training == (f"{name}.weight" in learning)


def test_one_more_group_learns_after_each_so_many_epochs() -> None:
    gradual = toy_recipe(transfer__unfreeze_epochs=2, train__epochs=9)
    assert [gradual.opened(epoch) for epoch in range(5)] == [0, 0, 1, 1, 2]
    after = toy_recipe(transfer__unfreeze_epochs=1, transfer__frozen_epochs=3, train__epochs=9)
    assert [after.frozen(epoch) for epoch in range(4)] == [True] * 3 + [False]
    assert [after.opened(epoch) for epoch in range(3, 6)] == [1, 2, 3]
    assert toy_recipe().opened(0) is None


def test_weights_move_when_their_turn_comes(tmp_path: Path) -> None:
    recipe = toy_recipe(transfer__unfreeze_epochs=1, train__epochs=2, train__ema=0.0, optimizer__weight_decay=0.1)
    state, heard = toy_state(recipe), Listener()
    network = state.networks["network"]
    before, depths = {name: one.detach().clone() for name, one in network.named_parameters()}, depth_groups(network)
    fit(state, recipe, toy_run(tmp_path / "run"), heard)
    moved = {name for name, one in network.named_parameters() if not torch.equal(one, before[name])}
    assert set(depths[-1]) <= moved <= {*depths[-1], *depths[-2]}
    assert any(f"2 of {len(depths)} groups of depth learn" in one for one in heard.warnings)
