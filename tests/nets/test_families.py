"""Families against published figures and against torchvision."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from striate.nets import Conv, build, profile, resolve
from striate.nets.families.compact import compact, fit
from striate.nets.families.googlenet import googlenet_2014


def spec_of(name: str, size: int, channels: int = 3, outputs: int = 10, **arguments: Any) -> dict[str, Any]:
    return resolve(name, outputs=outputs, channels=channels, height=size, width=size, arguments=arguments)


@pytest.mark.parametrize(
    ("spec", "parameters"),
    [
        (spec_of("resnet18", 224, outputs=1000), 11_689_512),
        (spec_of("googlenet_2014", 224, outputs=1000), 6_998_552),  # BVLC's Caffe model, its auxiliary heads left out
        (spec_of("lenet5", 32, 1), 61_706),
        (spec_of("lenet5", 28, 1, padding=2), 61_706),
        (spec_of("plain", 64), 1_626_442),
        (spec_of("plain", 64, outputs=1, filters=[32]), 3_937_409),
    ],
)
def test_parameters_as_published(spec: dict[str, Any], parameters: int) -> None:
    assert profile(spec).parameters == parameters


def test_resnet18_operations_as_torchvision_s() -> None:
    assert profile(spec_of("resnet18", 224, outputs=1000)).macs == 1_814_073_344


def test_the_paper_s_googlenet_has_the_sizes_of_its_table_1() -> None:
    layers = {one.name: one for one in googlenet_2014(1000).layers((3, 224, 224))}
    stem = ("conv1", "pool1", "conv3", "pool2")
    assert [layers[f"stem.{name}"].output for name in stem] == [
        (64, 112, 112), (64, 56, 56), (192, 56, 56), (192, 28, 28),
    ]  # fmt: skip
    assert [layers[f"stage{number}.pool1"].output for number in (1, 2)] == [(480, 14, 14), (832, 7, 7)]
    assert layers["global_pool1"].input == (1024, 7, 7)
    assert layers["stage2.inception1.branch3.conv2"].node == Conv(48, 5, padding=2)


def test_plain_shapes_of_the_first_lesson() -> None:
    rows = {row.name: row.output for row in profile(spec_of("plain", 64)).layers}
    assert [rows[name][1] for name in ("conv1", "pool1", "conv2", "pool2")] == [62, 31, 29, 14]
    assert rows["flatten1"] == (12_544,)


@pytest.mark.parametrize("side", [8, 12, 16, 24, 28, 32, 48, 63, 64, 96, 128, 160, 191, 192, 224, 256, 512])
def test_fit_brings_the_last_map_to_4_to_8_px(side: int) -> None:
    layers = compact(10, **fit(side)).layers((3, side, side))
    last = next(one.input for one in layers if type(one.node).__name__ == "GlobalPool")
    assert 4 <= last[1] <= 8


def test_the_compact_network_s_arguments() -> None:
    network = compact(10, width=8, blocks=(1, 3), stem_stride=4, dropout=0.3, pool="both")
    layers = {one.name: one for one in network.layers((3, 64, 64))}
    assert layers["stem.conv1"].output == (8, 16, 16)
    assert layers["stage2.block3.norm2"].output == (16, 8, 8)
    assert layers["dropout1"].input == (32,)
    assert layers["head"].output == (10,)


def test_each_block_is_the_identity_at_first() -> None:
    torch.manual_seed(0)
    module = build(spec_of("compact", 16, width=8, blocks=[2])).eval()
    x = torch.rand(2, 8, 16, 16)  # as after a ReLU
    stage = module.get_submodule("stage1")
    assert torch.equal(stage(x), x)
    norms = [one for name, one in module.named_modules() if name.endswith("norm2")]
    assert norms
    assert not any(one.weight.any() for one in norms)  # type: ignore[operator, union-attr]


def test_the_signal_keeps_its_size_through_depth() -> None:
    torch.manual_seed(0)
    module = build(spec_of("compact", 32, width=16, blocks=[4, 4, 4])).train()
    sizes: list[float] = []
    for name, part in module.named_children():
        if name.startswith("stage"):
            part.register_forward_hook(lambda _, __, out: sizes.append(out.std().item()))
    module(torch.randn(16, 3, 32, 32))
    assert len(sizes) == 3
    assert all(0.3 < size < 2.0 for size in sizes)
