import pytest
import torch

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


@pytest.mark.parametrize("name", SCHEDULES.names())
@pytest.mark.parametrize("steps", [1, 2, 3, 10, 1000])
@pytest.mark.parametrize("warmup", [0.0, 0.1, 0.5])
def test_every_schedule_stays_between_zero_and_one(name: str, steps: int, warmup: float) -> None:
    factors = [SCHEDULES.get(name)(step, steps, warmup) for step in range(steps)]
    assert all(0 <= factor <= 1 for factor in factors)
    assert max(factors) > 0
