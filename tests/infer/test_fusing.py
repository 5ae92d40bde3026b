"""Convolutions that add and activate as they write: the same numbers, in fewer operations."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from striate.infer import fusing
from striate.infer.fusing import FusedConv, fused
from striate.infer.ready import ForwardWay, made_ready, waves
from striate.nets import build, resolve

pytestmark = pytest.mark.skipif(not torch.backends.mkldnn.is_available(), reason="torch was built without oneDNN")

ACTIVATIONS: list[nn.Module] = [
    nn.ReLU(),
    nn.ReLU(inplace=True),
    nn.ReLU6(),
    nn.Hardtanh(-0.5, 0.7),
    nn.LeakyReLU(0.2),
    nn.GELU(),
    nn.GELU("tanh"),
    nn.SiLU(),
    nn.Hardswish(),
    nn.Sigmoid(),
    nn.Tanh(),
]


class Applied(nn.Module):
    """A convolution, then a function of what it gives and of what it received, then a head."""

    def __init__(self, convolution: nn.Module, function: Callable[[nn.Module, Tensor, Tensor], Tensor]) -> None:
        super().__init__()
        self.convolution = convolution
        self.relu = nn.ReLU(inplace=True)
        self.function = function
        self.head = nn.Linear(6, 2)

    def forward(self, x: Tensor) -> Tensor:
        y = self.function(self, self.convolution(x), x)
        found: Tensor = self.head(y.flatten(2).mean(2))
        return found


def parts_of(network: nn.Module) -> list[FusedConv]:
    return [module for module in network.modules() if isinstance(module, FusedConv)]


def compared(network: nn.Module, *shape: int) -> list[FusedConv]:
    """Fuse, see that several batches give the same, and return what was fused."""
    network.eval()
    with torch.no_grad():
        faster = fused(network, torch.randn(2, *shape), but="head")
        for count in (1, 2, 5):
            images = torch.randn(count, *shape)
            assert torch.allclose(faster(images), network(images), atol=1e-5)
        larger = torch.randn(2, shape[0], *(size + 3 for size in shape[1:]))
        assert torch.allclose(faster(larger), network(larger), atol=1e-5)
    return parts_of(faster)


@pytest.mark.parametrize("activation", ACTIVATIONS, ids=str)
def test_an_activation_is_computed_with_the_convolution(activation: nn.Module) -> None:
    network = Applied(nn.Conv2d(6, 6, 3, padding=1), lambda net, y, x: activation(y))
    network.add_module("activation", activation)
    (part,) = compared(network, 6, 9, 8)
    assert part.then.attribute != "none"


@pytest.mark.parametrize(
    ("function", "then", "added"),
    [
        (lambda net, y, x: net.relu(y), "relu", False),
        (lambda net, y, x: y.relu(), "relu", False),
        (lambda net, y, x: torch.relu(y), "relu", False),
        (lambda net, y, x: nn.functional.relu(y, inplace=True), "relu", False),
        (lambda net, y, x: nn.functional.hardswish(y), "hardswish", False),
        (lambda net, y, x: net.relu(y + x), "relu", True),
        (lambda net, y, x: net.relu(x + y), "relu", True),
        (lambda net, y, x: y + x, "none", True),
        (lambda net, y, x: torch.add(x, y), "none", True),
        (lambda net, y, x: nn.functional.leaky_relu(y, 0.3), "none", False),  # its slope is not read: left alone
        (lambda net, y, x: torch.tanh(y + x), "none", True),  # only ReLU can follow a sum
        (lambda net, y, x: y + 1, "none", False),
        (lambda net, y, x: y + y, "none", False),
        (lambda net, y, x: torch.add(y, x, alpha=2), "none", False),
        (lambda net, y, x: y + x.mean((2, 3), keepdim=True), "none", False),  # spread over the map
        (lambda net, y, x: net.relu(y) * y, "none", False),  # two readers
    ],
)
def test_what_follows_a_convolution_is_fused_where_it_may(
    function: Callable[[nn.Module, Tensor, Tensor], Tensor], then: str, added: bool
) -> None:
    (part,) = compared(Applied(nn.Conv2d(6, 6, 3, padding=1), function), 6, 7, 7)
    assert (part.then.attribute, part.added) == (then, added)


@pytest.mark.parametrize(
    ("convolution", "shape"),
    [
        (nn.Conv2d(6, 6, 3, padding=1, groups=6), (6, 8, 8)),
        (nn.Conv2d(6, 6, 3, padding=2, dilation=2, groups=2, bias=False), (6, 8, 8)),
        (nn.Conv2d(3, 6, (1, 5), stride=2), (3, 8, 9)),
        (nn.Conv3d(3, 6, 3, padding=1), (3, 4, 5, 6)),
    ],
    ids=str,
)
def test_every_kind_of_convolution_gives_the_same(convolution: nn.Module, shape: tuple[int, ...]) -> None:
    assert len(compared(Applied(convolution, lambda net, y, x: torch.relu(y)), *shape)) == 1


class Padded(nn.Conv2d):
    """Another class's forward is its own."""

    def forward(self, input: Tensor) -> Tensor:
        return super().forward(nn.functional.pad(input, (1, 1, 1, 1))) * 2


@pytest.mark.parametrize(
    "convolution",
    [
        nn.Conv2d(6, 6, 3, padding=1, padding_mode="reflect"),
        nn.Conv2d(6, 6, 3, padding="same"),
        nn.Conv2d(6, 6, 3).double(),
        Padded(6, 6, 3),
    ],
    ids=str,
)
def test_a_convolution_that_the_operator_does_not_know_is_left(convolution: nn.Module) -> None:
    network = Applied(convolution, lambda net, y, x: net.relu(y.float())).eval()
    images = torch.randn(2, 6, 9, 9, dtype=next(convolution.parameters()).dtype)
    assert fused(network, images, but="head") is network


def test_a_network_that_cannot_be_traced_is_computed_as_it_is() -> None:
    network = Applied(nn.Conv2d(6, 6, 3), lambda net, y, x: y if float(x.sum()) > 0 else -y).eval()
    assert fused(network, torch.randn(2, 6, 9, 9), but="head") is network


@pytest.mark.parametrize(
    ("change", "then"),
    [
        (lambda net, x: net.relu(x), "none"),  # in place
        (lambda net, x: x.relu_(), "none"),
        (lambda net, x: nn.functional.relu(x, inplace=True), "none"),
        (lambda net, x: x.__iadd__(1.0), "none"),
        (lambda net, x: torch.relu(x), "relu"),
    ],
)
def test_a_convolution_is_not_moved_behind_a_change_of_what_it_reads(
    change: Callable[[nn.Module, Tensor], Tensor], then: str
) -> None:
    class Late(Applied):
        def forward(self, x: Tensor) -> Tensor:
            x = x * 1.0
            y = self.convolution(x)
            z = change(self, x)
            found: Tensor = self.head(torch.relu(y + z).flatten(2).mean(2))
            return found

    (part,) = compared(Late(nn.Conv2d(6, 6, 3, padding=1), lambda net, y, x: y), 6, 7, 7)
    assert part.then.attribute == then


def test_two_calls_of_one_convolution_are_two_operations() -> None:
    network = Applied(nn.Conv2d(6, 6, 3, padding=1), lambda net, y, x: net.relu(net.convolution(net.relu(y)) + x))
    assert [part.added for part in compared(network, 6, 7, 7)] == [False, True]


def test_dropout_stands_in_nobody_s_way() -> None:
    network = Applied(nn.Conv2d(6, 6, 3), lambda net, y, x: net.relu(net.dropout(y)))
    network.dropout = nn.Dropout(0.5)
    (part,) = compared(network, 6, 7, 7)
    assert part.then.attribute == "relu"


def test_a_statement_that_changes_a_tensor_stays() -> None:
    def stated(net: nn.Module, y: Tensor, x: Tensor) -> Tensor:
        z = y + 1.0
        z.relu_()  # nothing reads what it returns
        return net.relu(net.convolution(z) + z)

    parts = compared(Applied(nn.Conv2d(6, 6, 3, padding=1), stated), 6, 7, 7)
    assert [part.added for part in parts] == [False, True]


def test_arguments_by_name_stand_in_nobody_s_way() -> None:
    network = Applied(nn.Conv2d(6, 6, 3), lambda net, y, x: net.relu(net.dropout(input=net.relu(y))))
    network.dropout = nn.Dropout(0.5)
    (part,) = compared(network, 6, 7, 7)
    assert part.then.attribute == "relu"


def test_memory_that_runs_out_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 10 bytes")

    monkeypatch.setattr(fusing, "_note_shapes", full)
    with pytest.raises(RuntimeError, match="can't allocate"):
        fused(Applied(nn.Conv2d(6, 6, 3), lambda net, y, x: y).eval(), torch.randn(2, 6, 9, 9), but="head")


WAYS = [ForwardWay("float32", True), ForwardWay("float32", False), ForwardWay("bfloat16", True)]


def test_signals_are_computed_as_they_were() -> None:
    network = Applied(nn.Conv1d(3, 6, 3), lambda net, y, x: net.relu(y)).eval()
    assert fused(network, torch.randn(2, 3, 20), but="head") is network


@pytest.mark.parametrize("name", ["resnet18", "torchvision/mobilenet_v3_small", "timm/efficientnet_b0", "cifarnet"])
@pytest.mark.parametrize("way", WAYS, ids=str)
def test_real_networks_are_fused_and_give_the_same(name: str, way: ForwardWay) -> None:
    torch.manual_seed(0)
    network = build(resolve(name, outputs=4, channels=3, height=64, width=64)).eval()
    images = waves((3, 64, 64), 3)
    ready = made_ready(network, way, (3, 64, 64))
    left = [module for module in ready.modules() if isinstance(module, nn.Conv2d)]
    if way.precision == "float32" or torch.ops.mkldnn._is_mkldnn_bf16_supported():
        assert parts_of(ready)
        assert not left
    with torch.no_grad():
        expected, found = network(images), ready(images).float()
    tolerance = 1e-5 if way.precision == "float32" else 0.05
    assert (found - expected).norm() <= tolerance * expected.norm()


def test_a_fusion_that_gives_something_else_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = {nn.ReLU: lambda _: fusing.Pointwise("tanh")}
    monkeypatch.setattr(fusing, "_BY_MODULE", wrong)
    network = build(resolve("lenet5", outputs=4, channels=1, height=32, width=32)).eval()
    network_with_relu = build(resolve("resnet18", outputs=4, channels=3, height=32, width=32)).eval()
    for one, shape in ((network, (1, 32, 32)), (network_with_relu, (3, 32, 32))):
        ready = made_ready(one, ForwardWay("float32", True), shape)
        with torch.no_grad():
            assert torch.allclose(ready(waves(shape)), one(waves(shape)), atol=1e-4)
    assert not parts_of(ready)
