"""Counts against figures worked by hand, and memory against what autograd holds in a real step."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from striate.nets import build, profile, resolve
from striate.nets.counting import count_operations
from striate.nets.measure import saved_bytes


def spec_of(name: str, size: int, channels: int = 3, outputs: int = 10, **arguments: Any) -> dict[str, Any]:
    return resolve(name, outputs=outputs, channels=channels, height=size, width=size, arguments=arguments)


def test_lenet5_by_hand() -> None:
    found = profile(spec_of("lenet5", 32, 1))
    macs = {"c1": 28 * 28 * 6 * 25, "c3": 10 * 10 * 16 * 150, "c5": 120 * 400, "f6": 120 * 84, "head": 84 * 10}
    parameters = {"c1": 156, "c3": 2416, "c5": 48120, "f6": 10164, "head": 850}
    rows = {row.name: row for row in found.layers}
    assert {name: rows[name].macs for name in macs} == macs
    assert {name: rows[name].parameters for name in parameters} == parameters
    assert found.macs == sum(macs.values()) == sum(row.macs for row in found.layers)
    assert found.parameters == 61_706 == sum(row.parameters for row in found.layers)
    assert rows["c3"].output == (16, 10, 10)
    assert rows["s2"].kind == "AvgPool2d"
    assert [row.name for row in found.layers] == [
        "c1", "activation1", "s2", "c3", "activation2", "s4", "c5", "activation3", "flatten1", "f6", "activation4",
        "head",
    ]  # fmt: skip


class Token(nn.Module):
    """Hands a view of a parameter to a layer, as transformers do with their class token."""

    def __init__(self) -> None:
        super().__init__()
        self.token = nn.Parameter(torch.zeros(1, 4))
        self.inner = nn.Linear(4, 3)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.inner(self.token.expand(len(images), -1)) + images.mean()


def test_a_view_of_a_parameter_is_no_hindrance_to_counting() -> None:
    module = Token()
    rows, macs, _ = count_operations(module, torch.zeros(2, 3, 4, 4))
    assert macs == 12
    assert sum(row.parameters for row in rows) == 4 + 15
    assert all(one.requires_grad for one in module.parameters())
    assert sum(row.trainable for row in rows) == 4 + 15


def test_a_batch_costs_so_many_times_more() -> None:
    spec = spec_of("compact", 16, width=4)
    one, eight = profile(spec), profile(spec, batch=8)
    assert (eight.macs, eight.parameters) == (8 * one.macs, one.parameters)
    assert eight.activation_bytes == pytest.approx(8 * one.activation_bytes, abs=8)


def test_what_is_kept_is_each_saved_tensor_once_and_no_parameter() -> None:
    # The convolution keeps its input, the norm its input and two statistics, ReLU its output, which is also what the
    # dense layer keeps as input (flattened: the same memory).
    conv, norm = nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4)
    module = nn.Sequential(conv, norm, nn.ReLU(), nn.Flatten(), nn.Linear(4 * 64, 5))
    expected = 4 * (2 * 3 * 64 + 2 * 4 * 64 + 2 * 4 + 2 * 4 * 64)
    assert sum(saved_bytes(module, torch.zeros(2, 3, 8, 8)).values()) == expected


@pytest.mark.parametrize(("name", "size"), [("compact", 32), ("torchvision/resnet18", 64)])
def test_shapes_alone_tell_what_a_real_step_keeps(name: str, size: int) -> None:
    spec = spec_of(name, size)
    module = build(spec).train()
    real = sum(saved_bytes(module, torch.randn(2, 3, size, size)).values())
    assert profile(spec, batch=2).activation_bytes == pytest.approx(real, rel=0.02)


def test_operations_outside_any_layer_are_counted_and_belong_to_the_part_that_holds_them() -> None:
    class Attention(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.parts = nn.ModuleList([nn.Linear(8, 8), nn.Linear(8, 8)])

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            a, b = (part(x) for part in self.parts)
            result: torch.Tensor = a @ b.transpose(1, 2) @ x
            return result

    rows, macs, _ = count_operations(Attention(), torch.zeros(2, 5, 8))
    assert macs == 2 * 5 * 8 * 8 + 2 * 5 * 5 * 8
    assert {row.name: row.macs for row in rows} == {"": 2 * 5 * 5 * 8, "parts.0": 320, "parts.1": 320}


def test_rows_add_up_for_networks_of_every_build() -> None:
    for name in ("torchvision/swin_t", "timm/vit_tiny_patch16_224"):
        found = profile(spec_of(name, 64))
        assert sum(row.macs for row in found.layers) == found.macs
        assert all(row.macs >= 0 for row in found.layers)


def test_counting_leaves_no_hooks() -> None:
    module = build(spec_of("compact", 16, width=4)).eval()
    count_operations(module, torch.zeros(2, 3, 16, 16))
    assert not any(part._forward_hooks or part._forward_pre_hooks for part in module.modules())
