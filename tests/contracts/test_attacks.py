"""What every attack must do; a new one is tested here by being registered."""

from __future__ import annotations

import inspect
from pathlib import Path

import pytest
import torch
from small_models import NAMES, pictures, small_model
from torch import Tensor

from striate.core.registry import file_names
from striate.harden import ATTACKS, Attack, robust_accuracy
from striate.infer import Model

attacks = pytest.mark.parametrize("attack", [entry for _, entry in ATTACKS.items()], ids=ATTACKS.names())
tasks = pytest.mark.parametrize("task", list(NAMES))


def targets_of(model: Model, count: int) -> Tensor:
    """What the model itself says, as the true targets: every attack begins from no error."""
    scores = torch.from_numpy(model.scores(pictures(count)))
    if model.task.name == "classify":
        return torch.nn.functional.one_hot(scores.argmax(1), scores.shape[1]).float()
    return (scores >= 0.5).float() if model.task.name == "multilabel" else scores + 1


def test_each_is_a_file_of_its_name() -> None:
    assert ATTACKS.names() == file_names("striate.harden")
    for name, entry in ATTACKS.items():
        assert inspect.unwrap(entry).__module__ == f"striate.harden.{name}"


@attacks
def test_it_is_documented(attack: Attack) -> None:
    assert attack.__doc__
    assert "Args:" in attack.__doc__


@attacks
@tasks
@pytest.mark.parametrize("epsilon", [1.0, 8.0])
def test_the_change_is_bounded_and_makes_the_loss_worse(
    tmp_path: Path, attack: Attack, task: str, epsilon: float
) -> None:
    model, images = small_model(tmp_path, task), pictures(8)
    targets = targets_of(model, 8)
    changed = attack(model, images, targets, epsilon)
    assert changed.shape == images.shape
    assert changed.dtype == torch.float32
    assert 0 <= float(changed.min()) <= float(changed.max()) <= 255
    assert 0 < float((changed - images.float()).abs().max()) <= epsilon + 1e-3
    with torch.no_grad():
        clean = model.task.losses(model.outputs(images), targets).mean()
        worse = model.task.losses(model.outputs(changed), targets).mean()
    assert float(worse) > float(clean)


@attacks
def test_the_same_call_gives_the_same_bits(tmp_path: Path, attack: Attack) -> None:
    model, images = small_model(tmp_path), pictures(5)
    first, second = (attack(model, images, targets_of(model, 5), 2.0) for _ in range(2))
    assert torch.equal(first, second)


@attacks
def test_pictures_and_model_are_left_as_they_were(tmp_path: Path, attack: Attack) -> None:
    model, images = small_model(tmp_path), pictures(4)
    targets = targets_of(model, 4)
    kept, network = images.clone(), model.network.train()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    changed = attack(model, images, targets, 2.0)
    assert torch.equal(images, kept)
    assert not changed.requires_grad
    assert all(module.training for module in network.modules())
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert all(parameter.grad is None for parameter in network.parameters())


@pytest.mark.parametrize("name", ATTACKS.names())
@tasks
def test_what_it_leaves_is_reported(tmp_path: Path, name: str, task: str) -> None:
    model = small_model(tmp_path, task)
    report = robust_accuracy(model, pictures(9), targets_of(model, 9), name)
    assert report["attack"] == name
    assert report["metric"] in model.task.metric_names
    assert len(report["strengths"]) == 3
