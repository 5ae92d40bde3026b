"""What every explanation must do; a new one is tested here by being registered."""

from __future__ import annotations

import inspect
from pathlib import Path

import numpy as np
import pytest
import torch
from small_models import pictures, small_model

from striate.core.registry import file_names
from striate.explain import EXPLANATIONS, Explanation

entries = [entry for _, entry in EXPLANATIONS.items()]
explanations = pytest.mark.parametrize("explain", entries, ids=EXPLANATIONS.names())
tasks = pytest.mark.parametrize("task", ["classify", "multilabel", "regress"])


def test_each_is_a_file_of_its_name() -> None:
    assert EXPLANATIONS.names() == file_names("striate.explain")
    for name, entry in EXPLANATIONS.items():
        assert inspect.unwrap(entry).__module__ == f"striate.explain.{name}"


@explanations
def test_it_is_documented(explain: Explanation) -> None:
    assert explain.__doc__
    assert "Args:" in explain.__doc__


@explanations
@tasks
def test_maps_lie_on_the_picture_and_between_0_and_1(tmp_path: Path, explain: Explanation, task: str) -> None:
    model = small_model(tmp_path, task, size=32)
    for images in (pictures(5, size=32), pictures(5, size=32).float()):
        found = explain(model, images)
        assert found.shape == (5, 32, 32)
        assert found.dtype == np.float32
        assert np.isfinite(found).all()
        assert 0 <= found.min() <= found.max() <= 1


@explanations
def test_the_same_call_gives_the_same_bits(tmp_path: Path, explain: Explanation) -> None:
    model, images = small_model(tmp_path, size=32), pictures(5, size=32)
    np.testing.assert_array_equal(explain(model, images, 1), explain(model, images, 1))


@explanations
def test_a_picture_is_explained_alike_alone_and_in_company(tmp_path: Path, explain: Explanation) -> None:
    model, images = small_model(tmp_path, size=32), pictures(6, size=32)
    targets = torch.tensor([0, 1, 2, 0, 1, 2])
    whole = explain(model, images, targets)
    for row in range(6):
        alone = explain(model, images[row : row + 1], int(targets[row]))
        np.testing.assert_allclose(alone[0], whole[row], atol=1e-4)


@explanations
def test_no_evidence_is_dark(tmp_path: Path, explain: Explanation) -> None:
    """With all weights zero no picture says anything, and no map may light up."""
    model = small_model(tmp_path, size=32)
    with torch.no_grad():
        for parameter in model.network.parameters():
            parameter.zero_()
    assert explain(model, pictures(3, size=32), 0).max() < 1e-3


@explanations
def test_the_model_is_left_as_it_was(tmp_path: Path, explain: Explanation) -> None:
    model, images = small_model(tmp_path, size=32), pictures(3, size=32)
    network = model.network.train()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    random = torch.random.get_rng_state()
    explain(model, images)
    assert all(module.training for module in network.modules())
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert all(parameter.grad is None and parameter.requires_grad for parameter in network.parameters())
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in network.modules())
    assert not any(module._backward_hooks or module._backward_pre_hooks for module in network.modules())
    assert torch.equal(torch.random.get_rng_state(), random)


@explanations
def test_no_pictures_no_maps(tmp_path: Path, explain: Explanation) -> None:
    assert explain(small_model(tmp_path, size=32), pictures(0, size=32)).shape == (0, 32, 32)
