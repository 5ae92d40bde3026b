"""Optimizers step as their papers and other libraries have them."""

from __future__ import annotations

import pytest
import timm.optim
import torch
from torch import nn

from striate.core.registry import file_names
from striate.train.lookahead import Lookahead
from striate.train.optimizers import OPTIMIZERS, make_optimizer
from striate.train.optimizers.lion import Lion
from striate.train.optimizers.muon import Muon, orthogonal

DRAWS = torch.Generator().manual_seed(0)
GRADIENTS = [torch.randn(6, 4, 3, 3, generator=DRAWS, dtype=torch.float64) for _ in range(8)]
START = torch.randn(6, 4, 3, 3, generator=DRAWS, dtype=torch.float64)


def steps(optimizer: torch.optim.Optimizer, weight: nn.Parameter, count: int = 8) -> torch.Tensor:
    for gradient in GRADIENTS[:count]:
        weight.grad = gradient.reshape(weight.shape).to(weight.dtype)
        optimizer.step()
    return weight.detach()


def group(weight: nn.Parameter, rate: float = 0.01, decay: float = 0.1) -> list[dict[str, object]]:
    return [{"params": [weight], "lr": rate, "weight_decay": decay}]


def test_the_registry_holds_each_file_and_no_more() -> None:
    assert OPTIMIZERS.names() == file_names("striate.train.optimizers")


@pytest.mark.parametrize("name", OPTIMIZERS.names())
def test_each_goes_down_a_bowl(name: str) -> None:
    filters, vector = nn.Parameter(START[:4, :2].float()), nn.Parameter(torch.ones(5))
    rate = 0.1 if name == "muon" else 0.02  # its steps have one size, a fifth of it, whatever the gradient's
    groups = [{"params": [filters, vector], "lr": rate, "weight_decay": 0.0}]
    optimizer = make_optimizer(name, groups, 0.9, {})
    losses = []
    for _ in range(120):
        optimizer.zero_grad()
        loss = (filters**2).mean() * 10 + (vector**2).mean() * 10
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < (0.8 if name == "adagrad" else 0.1) * losses[0]


def test_lion_is_timms() -> None:
    ours, theirs = (nn.Parameter(START.clone()) for _ in range(2))
    other = timm.optim.Lion([theirs], lr=0.01, betas=(0.9, 0.99), weight_decay=0.1)
    torch.testing.assert_close(steps(Lion(group(ours), (0.9, 0.99)), ours), steps(other, theirs))


def test_muon_is_torchs_on_filters_as_matrices() -> None:
    ours, theirs = nn.Parameter(START.float()), nn.Parameter(START.float().reshape(6, -1))
    other = torch.optim.Muon([theirs], lr=0.01, weight_decay=0.1, momentum=0.95, adjust_lr_fn="match_rms_adamw")
    expected = steps(other, theirs) - START.float().reshape(6, -1)
    found = steps(Muon(group(ours), 0.95), ours).reshape(6, -1) - START.float().reshape(6, -1)
    assert (found - expected).norm() < 0.02 * expected.norm()  # torch's iterates in bfloat16


def test_vectors_and_dense_layers_step_as_adamw_has_them() -> None:
    ours, theirs = (nn.Parameter(START.reshape(24, 9).clone()) for _ in range(2))
    other = torch.optim.AdamW([theirs], lr=0.01, betas=(0.95, 0.999), weight_decay=0.1)
    torch.testing.assert_close(steps(Muon(group(ours), 0.95), ours), steps(other, theirs))


@pytest.mark.parametrize("shape", [(6, 40), (40, 6), (12, 12)])
def test_orthogonal_is_near_the_nearest_orthogonal_matrix(shape: tuple[int, int]) -> None:
    matrix = torch.randn(shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    found = orthogonal(matrix, iterations=6)
    left, _, right = torch.linalg.svd(matrix, full_matrices=False)
    assert (found - left @ right).norm() < 0.35 * min(shape) ** 0.5
    values = torch.linalg.svdvals(found)
    assert values.min() > 0.5
    assert values.max() < 1.3


@pytest.mark.parametrize("inner", ["sgd", "adamw"])
def test_lookahead_is_its_papers_algorithm(inner: str) -> None:
    ours, fast = (nn.Parameter(START.float()) for _ in range(2))
    optimizer = Lookahead(make_optimizer(inner, group(ours), 0.9, {}), every=3, share=0.5)
    plain, slow = make_optimizer(inner, group(fast), 0.9, {}), START.float()
    for number, gradient in enumerate(GRADIENTS, 1):
        for one, by in ((ours, optimizer), (fast, plain)):
            one.grad = gradient.float()
            by.step()
        if number % 3 == 0:
            slow = slow + 0.5 * (fast.detach() - slow)
            fast.data.copy_(slow)
        torch.testing.assert_close(ours, fast)


@pytest.mark.parametrize("name", OPTIMIZERS.names())
@pytest.mark.parametrize("every", [0, 3])
def test_what_was_saved_goes_on_to_the_same_bits(name: str, every: int) -> None:
    def made(weight: nn.Parameter) -> torch.optim.Optimizer:
        optimizer = make_optimizer(name, group(weight), 0.9, {})
        return Lookahead(optimizer, every, 0.5) if every else optimizer

    whole = nn.Parameter(START.float())
    steps(made(whole), whole)
    first = nn.Parameter(START.float())
    begun = made(first)
    steps(begun, first, 4)
    again = nn.Parameter(first.detach().clone())
    optimizer = made(again)
    optimizer.load_state_dict(begun.state_dict())
    for gradient in GRADIENTS[4:]:
        again.grad = gradient.float()
        optimizer.step()
    assert torch.equal(again, whole)


def test_the_counts_of_lookahead_stay_on_the_processor_when_loaded() -> None:
    weight = nn.Parameter(START.float())
    begun = Lookahead(torch.optim.SGD([weight], lr=0.01), 3, 0.5)
    steps(begun, weight, 4)
    elsewhere = nn.Parameter(START.float().to("meta"))  # as a GPU, no place to read a number from
    found = Lookahead(torch.optim.SGD([elsewhere], lr=0.01), 3, 0.5)
    found.load_state_dict(begun.state_dict())
    assert found.state[elsewhere]["slow"].device.type == "meta"
    assert float(found.state[elsewhere]["fast_steps"]) == 4
    assert found.inner.state is found.state
    again = Lookahead(torch.optim.SGD([weight], lr=0.01), 3, 0.5)
    again.load_state_dict(begun.state_dict())
    steps(again, weight, 1)
    assert float(begun.state[weight]["fast_steps"]) == 4  # it is a copy
