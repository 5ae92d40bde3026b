"""Predicted memory: by hand where that is possible, and against what a real step holds.

Against what a process takes of the machine it is measured by `python -m benchmarks memory`.
"""

from __future__ import annotations

import pytest
import torch
from torch import nn

from striate.nets import memory, resolve
from striate.nets.memory import Holding, module_memory


def test_a_dense_layer_by_hand() -> None:
    with torch.device("meta"):
        module = nn.Linear(100, 50)
    parameters = 4 * (100 * 50 + 50)
    found = module_memory(module, (100,), 16)
    assert found.parameters == found.gradients == found.state == parameters
    assert found.batch == 4 * 16 * 100
    assert found.inference == parameters + found.batch + 4 * 16 * 50
    assert found.training == 3 * parameters + found.batch + found.activations
    assert 0 <= found.activations <= 2 * 4 * 16 * 50


def test_a_chain_keeps_what_backward_needs() -> None:
    with torch.device("meta"):
        module = nn.Sequential(nn.Linear(10, 10), *[nn.Tanh() for _ in range(6)], nn.Flatten(), nn.Linear(400, 1))
    found, one = module_memory(module, (4, 10, 10), 8), 4 * 8 * 400
    assert one * 7 <= found.activations <= one * 8  # what Tanh keeps, and a gradient on its way
    assert 2 * one <= found.inference - found.batch - found.parameters <= 2 * one + 64


def test_more_copies() -> None:
    spec = resolve("compact", outputs=4, channels=3, height=32, width=32)
    plain, more = memory(spec, 16), memory(spec, 16, copies=3)
    assert more.training - plain.training == 2 * plain.gradients
    assert (more.parameters, more.gradients) == (plain.parameters, plain.gradients)


@pytest.mark.parametrize("name", ["resnet18", "torchvision/mobilenet_v2"])
def test_a_batch_of_one_lies_on_the_line_of_larger_ones(name: str) -> None:
    one, two, three = (memory(resolve(name, outputs=4, channels=3, height=32, width=32), count) for count in (1, 2, 3))
    assert one.training <= two.training <= three.training
    assert one.batch == 4 * 3 * 32 * 32


def test_shapes_alone_hold_what_a_real_step_holds() -> None:
    peaks = []
    for device in ("meta", "cpu"):
        torch.manual_seed(0)
        with torch.device(device):
            module = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 36, 4))
            images = torch.zeros(4, 3, 8, 8)
        with Holding() as held:
            module(images).sum().backward()
        peaks.append(held.peak)
    assert peaks[0] == pytest.approx(peaks[1], rel=0.02)
