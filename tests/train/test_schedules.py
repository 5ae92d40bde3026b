from typing import Any

import pytest
import torch
from torch.optim.lr_scheduler import (
    ConstantLR,
    CosineAnnealingWarmRestarts,
    ExponentialLR,
    MultiStepLR,
    PolynomialLR,
    StepLR,
)

from striate.core.registry import file_names
from striate.train.schedules import SCHEDULES


def test_one_cycle_is_torchs() -> None:
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    reference = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, 0.3, total_steps=50, pct_start=0.25, cycle_momentum=False
    )
    ours = SCHEDULES.get("one_cycle")
    for step in range(50):
        assert 0.3 * ours(step, 50, 0.25) == pytest.approx(reference.get_last_lr()[0], abs=1e-12)
        optimizer.step()
        if step < 49:
            reference.step()


def test_cosine_is_torchs_after_its_warm_up() -> None:
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    reference = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=90)
    ours = SCHEDULES.get("cosine")
    assert [ours(step, 100, 0.1) for step in range(10)] == pytest.approx([(step + 1) / 10 for step in range(10)])
    for step in range(10, 100):
        assert ours(step, 100, 0.1) == pytest.approx(reference.get_last_lr()[0], abs=1e-9)
        optimizer.step()
        reference.step()


@pytest.mark.parametrize(
    ("name", "options", "reference"),
    [
        ("constant", {}, lambda optimizer: ConstantLR(optimizer, 1.0)),
        ("step", {"gamma": 0.3, "drops": 3}, lambda optimizer: StepLR(optimizer, 30, 0.3)),
        ("multi_step", {"gamma": 0.2, "places": [0.25, 0.5]}, lambda optimizer: MultiStepLR(optimizer, [30, 60], 0.2)),
        ("exponential", {"end": 0.01}, lambda optimizer: ExponentialLR(optimizer, 0.01 ** (1 / 120))),
        ("polynomial", {"power": 0.9}, lambda optimizer: PolynomialLR(optimizer, 120, 0.9)),
        (
            "cosine_restarts",
            {"cycles": 3, "longer": 2.0},
            lambda optimizer: CosineAnnealingWarmRestarts(optimizer, round(120 / 7), 2),
        ),
    ],
)
def test_others_are_torchs(name: str, options: dict[str, Any], reference: Any) -> None:
    steps = 119 if name == "cosine_restarts" else 120  # seven parts
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    theirs = reference(optimizer)
    for step in range(steps):
        assert SCHEDULES.get(name)(step, steps, 0.0, **options) == pytest.approx(theirs.get_last_lr()[0], abs=1e-9)
        optimizer.step()
        theirs.step()


def test_the_registry_holds_each_file_and_no_more() -> None:
    assert SCHEDULES.names() == file_names("striate.train.schedules")


@pytest.mark.parametrize("name", SCHEDULES.names())
@pytest.mark.parametrize("steps", [1, 2, 3, 10, 1000])
@pytest.mark.parametrize("warmup", [0.0, 0.1, 0.5])
def test_every_schedule_stays_between_zero_and_one(name: str, steps: int, warmup: float) -> None:
    factors = [SCHEDULES.get(name)(step, steps, warmup) for step in range(steps)]
    assert all(0 <= factor <= 1 for factor in factors)
    assert max(factors) > 0
