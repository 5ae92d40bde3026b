"""Families against published figures and against torchvision."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
import torch
from sklearn.datasets import load_digits

from striate.core.errors import NetworkError
from striate.nets import FAMILIES, Conv, build, profile, resolve
from striate.nets.families.compact import compact, fit
from striate.nets.families.googlenet import googlenet_2014


def spec_of(name: str, size: int, channels: int = 3, outputs: int = 10, **arguments: Any) -> dict[str, Any]:
    return resolve(name, outputs=outputs, channels=channels, height=size, width=size, arguments=arguments)


@pytest.mark.parametrize(
    ("spec", "parameters"),
    [
        (spec_of("resnet18", 224, outputs=1000), 11_689_512),
        (spec_of("googlenet_2014", 224, outputs=1000), 13_378_280),  # BVLC's Caffe model
        (spec_of("googlenet_2014", 224, outputs=1000, auxiliary=False), 6_998_552),
        (spec_of("lenet5", 32, 1), 61_706),
        (spec_of("lenet5", 28, 1, padding=2), 61_706),
        (spec_of("plain", 64), 1_626_442),
        (spec_of("plain", 64, outputs=1, filters=[32]), 3_937_409),
    ],
)
def test_parameters_as_published(spec: dict[str, Any], parameters: int) -> None:
    assert profile(spec).parameters == parameters


def conv(inputs: int, filters: int, kernel: int, *, bias: bool = True) -> int:
    """Weights of a convolution, `kernel` the number of its positions."""
    return inputs * filters * kernel + filters * bias


def unet_by_hand(channels: int, outputs: int) -> int:
    """Ronneberger et al. 2015, figure 1: 23 convolutions, of which 4 are transposed."""
    widths, total, inputs = [64, 128, 256, 512, 1024], 0, channels
    for width in widths:
        total += conv(inputs, width, 9) + conv(width, width, 9)
        inputs = width
    for width in widths[-2::-1]:
        total += conv(2 * width, width, 4) + conv(2 * width, width, 9) + conv(width, width, 9)
    return total + conv(64, outputs, 1)


def dcgan_by_hand(channels: int) -> int:
    """Radford et al. 2016, figure 1, with half its widths: norms behind all but the last."""
    widths, total, inputs = [512, 256, 128, 64], 0, channels
    for width in widths:
        total += conv(inputs, width, 16, bias=False) + 2 * width
        inputs = width
    return total + conv(64, 3, 16, bias=False)


def inception_time_by_hand(outputs: int) -> int:
    """The authors' code for a series of one channel: its first module has no bottleneck."""
    first = conv(1, 32, 40 + 20 + 10 + 1, bias=False) + 2 * 128
    other = conv(128, 32, 1, bias=False) * 2 + conv(32, 32, 70, bias=False) + 2 * 128
    shortcuts = conv(1, 128, 1, bias=False) + conv(128, 128, 1, bias=False) + 2 * 2 * 128
    return first + 5 * other + shortcuts + conv(128, outputs, 1)


def wavenet_by_hand(outputs: int) -> int:
    """Ten gated layers of 32 filters and 128 skip channels; the last adds nothing to what flows."""
    layer = conv(32, 64, 2) + conv(32, 32, 1) + conv(32, 128, 1)
    return conv(1, 32, 2) + 10 * layer - conv(32, 32, 1) + conv(128, 128, 1) + conv(128, outputs, 1)


def dense(*sizes: int) -> int:
    """Dense layers one after another, as many as there are steps between the sizes."""
    return sum(conv(inputs, units, 1) for inputs, units in pairwise(sizes))


def alexnet_2012_by_hand(outputs: int) -> int:
    """Krizhevsky et al. 2012, figure 2: layers 2, 4 and 5 see half of the maps. 60,965,224 is Caffe's."""
    maps = conv(3, 96, 11**2) + conv(48, 256, 25) + conv(256, 384, 9) + conv(192, 384, 9) + conv(192, 256, 9)
    return maps + dense(256 * 6**2, 4096, 4096, outputs)


def sppnet_by_hand(outputs: int) -> int:
    """He et al. 2014, table 1, ZF-5, with a pyramid of 6×6, 3×3, 2×2 and 1×1 bins."""
    maps = conv(3, 96, 49) + conv(96, 256, 25) + conv(256, 384, 9) + conv(384, 384, 9) + conv(384, 256, 9)
    return maps + dense(256 * (36 + 9 + 4 + 1), 4096, 4096, outputs)


def dcgan_discriminator_by_hand(channels: int) -> int:
    """PyTorch's tutorial: 64 filters at first, twice as many each time; norms behind all but the first and last."""
    inner = sum(conv(width, 2 * width, 16, bias=False) + 2 * 2 * width for width in (64, 128, 256))
    return conv(channels, 64, 16, bias=False) + inner + conv(512, 1, 16, bias=False)


def cifar_resnet_by_hand(blocks: int) -> int:
    """He et al. 2016, section 4.2: 6n + 2 layers, shortcuts without parameters."""
    total, inputs = conv(3, 16, 9, bias=False) + 2 * 16, 16
    for width in (16, 32, 64):
        total += conv(inputs, width, 9, bias=False) + (2 * blocks - 1) * conv(width, width, 9, bias=False)
        total += 2 * blocks * 2 * width
        inputs = width
    return total + dense(64, 10)


def cbam_resnet50_by_hand() -> int:
    """Woo et al. 2018, section 3, on ResNet-50's 25,557,032: 28.09 million (table 4)."""
    total = 25_557_032
    for channels, blocks in ((256, 3), (512, 4), (1024, 6), (2048, 3)):
        total += blocks * (dense(channels, channels // 16, channels) + conv(2, 1, 49, bias=False) + 2)
    return total


def fcn1d_by_hand(outputs: int) -> int:
    """Wang et al. 2017, section 3.2: kernels of 8, 5 and 3, each with a norm."""
    maps = conv(1, 128, 8) + conv(128, 256, 5) + conv(256, 128, 3)
    return maps + 2 * (128 + 256 + 128) + dense(128, outputs)


def resnet1d_by_hand(outputs: int) -> int:
    """Wang et al. 2017, section 3.3: three blocks of kernels 8, 5 and 3; the first two change the channels."""
    total, inputs = dense(128, outputs), 1
    for width in (64, 128, 128):
        total += conv(inputs, width, 8) + conv(width, width, 5) + conv(width, width, 3) + 3 * 2 * width
        total += conv(inputs, width, 1, bias=False) + 2 * width if inputs != width else 0
        inputs = width
    return total


@pytest.mark.parametrize(
    ("name", "shape", "outputs", "parameters"),
    [
        ("alexnet_2012", (3, 227, 227), 1000, alexnet_2012_by_hand(1000)),
        ("cbam_resnet50", (3, 224, 224), 1000, cbam_resnet50_by_hand()),
        ("dcgan_discriminator", (3, 64, 64), 1, dcgan_discriminator_by_hand(3)),
        ("fcn1d", (1, 128), 10, fcn1d_by_hand(10)),
        ("resnet1d", (1, 128), 10, resnet1d_by_hand(10)),
        # He et al. 2016, table 6: 0.27, 0.46, 0.66, 0.85 and 1.7 million.
        *((f"resnet{6 * n + 2}", (3, 32, 32), 10, cifar_resnet_by_hand(n)) for n in (3, 5, 7, 9, 18)),
        ("sppnet", (3, 224, 224), 1000, sppnet_by_hand(1000)),
        # Sabour et al. 2017, section 4: 8.2 million, less the decoder of 160 → 512 → 1024 → 784.
        ("capsnet", (1, 28, 28), 10, 8_215_568 - conv(160, 512, 1) - conv(512, 1024, 1) - conv(1024, 784, 1)),
        ("dcgan_generator", (100, 1, 1), 3, dcgan_by_hand(100)),
        ("inception_time", (1, 128), 10, inception_time_by_hand(10)),
        ("textcnn", (56,), 2, 20_000 * 300 + sum(conv(300, 100, window) for window in (3, 4, 5)) + conv(300, 2, 1)),
        ("unet", (1, 512, 512), 2, unet_by_hand(1, 2)),
        ("unet", (3, 512, 512), 1, unet_by_hand(3, 1)),
        ("wavenet", (1, 1024), 10, wavenet_by_hand(10)),
    ],
)
def test_parameters_by_hand(name: str, shape: tuple[int, ...], outputs: int, parameters: int) -> None:
    with torch.device("meta"):
        network = FAMILIES.get(name)(outputs).build(shape)
    assert sum(one.numel() for one in network.parameters()) == parameters


def test_the_formulas_give_the_figures_that_are_published() -> None:
    assert alexnet_2012_by_hand(1000) == 60_965_224
    assert dcgan_discriminator_by_hand(3) == 2_765_568
    assert round(cbam_resnet50_by_hand() / 1e6, 2) == 28.09
    assert [round(cifar_resnet_by_hand(n) / 1e6, 2) for n in (3, 5, 7, 9, 18)] == [0.27, 0.46, 0.66, 0.85, 1.73]


@pytest.mark.slow
def test_capsnet_reads_the_digits() -> None:
    """0.992, 0.992 and 0.989 of 360 held-out digits with seeds 0 to 2."""
    digits = load_digits()
    images = torch.from_numpy(digits.images).float()[:, None] / 16
    labels = torch.from_numpy(digits.target)
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(0))
    test, train = order[:360], order[360:]
    torch.manual_seed(0)
    network = FAMILIES.get("capsnet")(10, filters=64, kinds=8, kernel_size=3, stride=1).build((1, 8, 8))
    optimizer = torch.optim.AdamW(network.parameters(), lr=3e-3, weight_decay=0.01)
    epochs, batch = 40, 64
    steps = epochs * -(-len(train) // batch)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 3e-3, total_steps=steps)
    for _ in range(epochs):
        for rows in train[torch.randperm(len(train))].split(batch):
            down, right = torch.randint(0, 3, (2,)).tolist()  # a shift of up to one pixel
            padded = torch.nn.functional.pad(images[rows], (1, 1, 1, 1))
            shifted = padded[:, :, down : down + 8, right : right + 8]
            loss = torch.nn.functional.cross_entropy(network(shifted), labels[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    with torch.no_grad():
        accuracy = (network.eval()(images[test]).argmax(1) == labels[test]).float().mean().item()
    assert accuracy >= 0.98


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


def test_the_maps_of_spp_net_are_those_of_the_paper_s_table_1() -> None:
    layers = {one.name: one for one in FAMILIES.get("sppnet")(1000).layers((3, 224, 224))}
    assert [layers[name].output for name in ("pool1", "conv2", "pool2", "conv5", "pyramid_pool1")] == [
        (96, 55, 55), (256, 26, 26), (256, 13, 13), (256, 13, 13), (12_800,),
    ]  # fmt: skip


@pytest.mark.parametrize(("name", "width", "words"), [("sppnet", 10, "give 9"), ("alexnet_2012", 64, "give 60")])
def test_widths_that_no_share_of_which_is_whole_are_refused(name: str, width: int, words: str) -> None:
    with pytest.raises(NetworkError, match="must be a multiple") as raised:
        FAMILIES.get(name)(10, width=width)
    assert raised.value.fix == words
