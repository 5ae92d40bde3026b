"""Alignment of features against its definition, what moved against hand-made numbers, features of any kind of head."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from striate.evaluate.forgetting import alignment, forgetting, moved_by
from striate.infer.features import head_inputs
from striate.nets import build, head_name, resolve


def by_definition(first: Tensor, second: Tensor) -> float:
    """Kornblith's alignment with the criterion of Song et al. 2012 as a mean over all fours of different samples."""

    def criterion(a: Tensor, b: Tensor) -> float:
        total, count = 0.0, 0
        for i, j, k, m in itertools.permutations(range(len(a)), 4):
            total += float(a[i, j] * (b[i, j] + b[k, m] - 2 * b[i, k]))
            count += 1
        return total / count

    k, m = first @ first.T, second @ second.T
    return criterion(k, m) / math.sqrt(criterion(k, k) * criterion(m, m))


def test_alignment_is_that_of_its_definition() -> None:
    torch.manual_seed(1)
    first = torch.randn(8, 3, dtype=torch.float64) + 2
    second = torch.tanh(first @ torch.randn(3, 5, dtype=torch.float64)) + 0.1
    assert alignment(first, second) == pytest.approx(by_definition(first, second), rel=1e-9)


def test_turned_scaled_and_moved_features_agree_wholly_and_others_not() -> None:
    torch.manual_seed(0)
    first = torch.randn(60, 40, dtype=torch.float64)
    turn, _ = torch.linalg.qr(torch.randn(40, 40, dtype=torch.float64))
    assert alignment(first, 3 * first @ turn + 7) == pytest.approx(1, abs=1e-9)
    others = [alignment(first, torch.randn(60, 500, dtype=torch.float64)) for _ in range(10)]
    assert abs(float(np.mean(others))) < 0.1  # the biased one gives above 0.5 here
    assert math.isnan(alignment(first, torch.ones(60, 4, dtype=torch.float64)))


def test_what_moved_and_what_the_old_head_says() -> None:
    network = nn.Sequential(nn.Linear(2, 2, bias=False), nn.Linear(2, 2))
    began = {"0.weight": torch.tensor([[3.0, 0.0], [0.0, 4.0]])}
    with torch.no_grad():
        network[0].weight.copy_(torch.tensor([[3.0, 0.5], [0.0, 4.0]]))
    assert moved_by(network, began, ["0.weight"]) == pytest.approx(0.1)
    before = torch.cat([torch.eye(4), 3 * torch.eye(4)]).double()
    after = before.clone()
    after[0], after[4] = before[1], before[5]
    assert alignment(before, after) == pytest.approx(by_definition(before, after))
    found = forgetting(before, after, 0.1, (torch.eye(4), None))
    assert found.same == 0.75
    assert "75% of the pictures" in found.describe()
    assert "was not measured" in found.describe()
    assert forgetting(before, before, 0.0).same is None
    assert "hardly forgotten" in forgetting(first := torch.randn(9, 3, dtype=torch.float64), first, 0.0).describe()


@pytest.mark.parametrize("name", ["compact", "squeezenet1_1", "vit_tiny", "timm/mobilenetv3_small_050"])
def test_the_features_are_what_a_dense_head_would_take(name: str) -> None:
    arguments = {"compact": {"width": 4}, "vit_tiny": {"units": 24, "depth": 1}}.get(name, {})
    network = build(resolve(name, outputs=3, channels=3, height=64, width=64, arguments=arguments)).eval()
    images = torch.rand(5, 3, 64, 64)
    found = head_inputs(network, nn.Identity(), images.split(2))
    head = network.get_submodule(head_name(network))
    weight = head.weight.detach().double().flatten(1)
    assert found.shape == (5, weight.shape[1])
    with torch.no_grad():
        outputs = network(images).double()
    if isinstance(head, nn.Linear):
        again = found @ weight.T + head.bias.detach().double()
        torch.testing.assert_close(again, outputs, rtol=1e-4, atol=1e-5)
    assert not head._forward_pre_hooks
