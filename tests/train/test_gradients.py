"""What is done to gradients before a step: bounds, penalties, and the climb of sharpness-aware steps."""

from __future__ import annotations

import copy

import pytest
import torch
from timm.utils import adaptive_clip_grad
from torch import nn

from striate.train.clipping import clip
from striate.train.penalties import draw_back, penalise
from striate.train.sharpness import uphill
from striate.train.step import train_step
from tests.train.toy import toy_recipe, toy_state

OFF = {"most": 0.0, "value": 0.0, "adaptive": 0.0}


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 5, 3), nn.BatchNorm2d(5), nn.ReLU(), nn.Flatten(), nn.Linear(5 * 16, 2))


def with_gradients(scale: float = 100.0) -> nn.Sequential:
    found = network()
    (scale * found(torch.randn(4, 3, 6, 6, generator=torch.Generator().manual_seed(1))).square().sum()).backward()
    return found


def gradients(found: nn.Module) -> list[torch.Tensor]:
    return [one.grad.clone() for one in found.parameters() if one.grad is not None]


def norm(found: nn.Module) -> torch.Tensor:
    return torch.nn.utils.get_total_norm(gradients(found))


def test_adaptive_clipping_is_timms_and_spares_the_head() -> None:
    ours, theirs = with_gradients(), with_gradients()
    head = list(ours[-1].parameters())
    clip(list(ours.parameters()), norm(ours), **{**OFF, "adaptive": 0.01}, head=head)
    adaptive_clip_grad(list(theirs[:-1].parameters()), clip_factor=0.01)
    for one, other in zip(gradients(ours), gradients(theirs), strict=True):
        torch.testing.assert_close(one, other)
    assert norm(ours[0]) < norm(with_gradients()[0])


def test_values_and_norms_are_clipped_as_torch_does() -> None:
    for bounds, theirs_by in (
        ({"value": 0.01}, lambda parameters: nn.utils.clip_grad_value_(parameters, 0.01)),
        ({"most": 0.5}, lambda parameters: nn.utils.clip_grad_norm_(parameters, 0.5)),
    ):
        ours, theirs = with_gradients(), with_gradients()
        clip(list(ours.parameters()), norm(ours), **{**OFF, **bounds})
        theirs_by(list(theirs.parameters()))
        for one, other in zip(gradients(ours), gradients(theirs), strict=True):
            torch.testing.assert_close(one, other)


def test_the_norm_is_taken_anew_after_other_bounds() -> None:
    found, cut = with_gradients(), with_gradients()
    assert norm(found) > 100  # above the bound; what is left after the other one is not
    clip(list(found.parameters()), norm(found), most=100, value=0.01, adaptive=0.0)
    nn.utils.clip_grad_value_(cut.parameters(), 0.01)
    assert 0 < norm(cut) < 1
    assert all(torch.equal(one, other) for one, other in zip(gradients(found), gradients(cut), strict=True))


def test_penalties_are_the_gradients_of_what_they_say() -> None:
    for kind in ("l1", "l2_sp"):
        ours, theirs = with_gradients(1.0), with_gradients(1.0)
        start = {name: one.detach() + 0.1 for name, one in ours.named_parameters()}
        if kind == "l1":
            groups = [
                {"params": [one for one in ours.parameters() if one.dim() > 1], "decayed": True},
                {"params": [one for one in ours.parameters() if one.dim() == 1], "decayed": False},
            ]
            penalise(groups, 0.3)
            extra = 0.3 * sum(one.abs().sum() for one in theirs.parameters() if one.dim() > 1)
        else:
            draw_back(ours, start, 0.3)
            extra = 0.15 * sum((one - start[name]).square().sum() for name, one in theirs.named_parameters())
        extra.backward()
        for one, other in zip(gradients(ours), gradients(theirs), strict=True):
            torch.testing.assert_close(one, other)


def test_uphill_stands_at_the_worst_point_nearby_and_comes_back() -> None:
    found = with_gradients(1.0).double()
    before, slopes = copy.deepcopy(found.state_dict()), gradients(found)
    length = torch.nn.utils.get_total_norm(slopes)
    with uphill([found], 0.05):
        moved = [one - before[name] for name, one in found.named_parameters()]
        assert float(torch.nn.utils.get_total_norm(moved)) == pytest.approx(0.05)
        for step, slope in zip(moved, slopes, strict=True):
            torch.testing.assert_close(step, 0.05 * slope / length)
        assert all(one.grad is None for one in found.parameters())
        found(torch.randn(4, 3, 6, 6, dtype=torch.float64) + 7)
    assert all(torch.equal(one, before[name]) for name, one in found.state_dict().items())
    assert found[1].track_running_stats


def test_uphill_comes_back_where_something_fails() -> None:
    found = with_gradients()
    before = copy.deepcopy(found.state_dict())
    with pytest.raises(RuntimeError, match="halfway"), uphill([found], 0.05):
        raise RuntimeError("halfway")
    assert all(torch.equal(one, before[name]) for name, one in found.state_dict().items())


def test_a_sharpness_aware_step_is_a_step_with_the_gradient_from_uphill() -> None:
    recipe = toy_recipe(optimizer__sam=0.1, optimizer__clip=0.0, batch__accumulate=1, train__ema=0.0)
    batch = next(iter(recipe.batches.epoch(0)))
    ours, theirs = toy_state(recipe), toy_state(toy_recipe(optimizer__clip=0.0, batch__accumulate=1, train__ema=0.0))
    plain = theirs.networks["network"]
    for state in (ours, theirs):
        recipe.set_learning(state.networks["network"], 0)
    first = train_step(ours, recipe, batch)
    # By hand: the gradient, the climb, the gradient there, back, and the step.
    kept = {name: one.detach().clone() for name, one in plain.named_parameters()}
    still = toy_recipe(optimizer__clip=0.0, optimizer__rate=0.0, batch__accumulate=1, train__ema=0.0)
    caught: list[list[torch.Tensor]] = []
    optimizer = theirs.optimizers["network"]
    step = optimizer.step
    optimizer.step = lambda *_: caught.append(gradients(plain))  # type: ignore[assignment, method-assign]
    assert train_step(theirs, still, batch) == first
    statistics = {name: one.clone() for name, one in plain.named_buffers()}
    length = torch.nn.utils.get_total_norm(caught[0])
    with torch.no_grad():
        for one, slope in zip(plain.parameters(), caught[0], strict=True):
            one.add_(slope * (0.1 / (length + 1e-12)))
    theirs.counters.step = 0
    train_step(theirs, still, batch)
    with torch.no_grad():
        for name, one in plain.named_parameters():
            one.copy_(kept[name])
        for name, buffer in plain.named_buffers():
            buffer.copy_(statistics[name])
    for one, slope in zip(plain.parameters(), caught[1], strict=True):
        one.grad = slope
    for own in optimizer.param_groups:
        own["lr"] = recipe.rate(0) * own["factor"]
    step()
    for (name, one), other in zip(
        ours.networks["network"].state_dict().items(), plain.state_dict().values(), strict=True
    ):
        torch.testing.assert_close(one, other, msg=name)
