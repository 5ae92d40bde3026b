"""Branches, dense connections, skips and tied weights."""

from __future__ import annotations

import copy
import time
from typing import Any

import pytest
import torch

from striate.core.errors import NetworkError
from striate.nets import (
    AdaptivePool,
    Branches,
    Conv,
    DenselyConnected,
    Flatten,
    Network,
    Node,
    Pool,
    Residual,
    Sequence,
    Skip,
    Tied,
    TransposedConv,
    Upsample,
)


def test_branches_see_one_input_and_stand_one_after_another() -> None:
    module = Branches(((Conv(2, 1),), (), (Conv(3, 3, padding=1), Conv(4, 1)))).build((5, 6, 6))
    x = torch.randn(2, 5, 6, 6)
    found = module(x)
    assert found.shape == (2, 11, 6, 6)
    assert torch.equal(found[:, 2:7], x)
    assert {name.split(".")[0] for name in module.state_dict()} == {"branch1", "branch3"}
    added = Branches(((Conv(5, 1),), ()), join="add").build((5, 6, 6))
    torch.testing.assert_close(added(x), added.get_submodule("branch1")(x) + x)


def test_branches_that_do_not_fit_are_told_with_what_each_gives() -> None:
    nodes = (Conv(4), Branches(((Conv(2, 1),), (Conv(2, 3),))))
    with pytest.raises(
        NetworkError, match="branch1 gives 2×7×7, branch2 gives 2×5×5, receives 4×7×7 from layer 1 `Conv`"
    ):
        Network("x", nodes).output_shape((1, 9, 9))


def test_a_dense_connection_hands_on_all_before_it() -> None:
    module = DenselyConnected(Conv(3, 3, padding=1, name="layer"), 2).build((4, 5, 5))
    x = torch.randn(1, 4, 5, 5)
    first = module.get_submodule("layer1")(x)
    second = module.get_submodule("layer2")(torch.cat([x, first], 1))
    torch.testing.assert_close(module(x), torch.cat([x, first, second], 1))


def skipping(*, align: str | None = None, join: str = "concat") -> Network:
    nodes = (
        Conv(4, padding=1, name="early"),
        Pool(2, stride=1) if align else Conv(4, padding=1),
        Conv(4, padding=1),
        Skip(("early",), join=join, align=align),  # type: ignore[arg-type]
    )
    return Network("x", nodes)


@pytest.mark.parametrize("join", ["concat", "add"])
@pytest.mark.parametrize("align", [None, "crop", "resize"])
def test_a_skip_joins_what_an_earlier_node_gave(join: str, align: str | None) -> None:
    network = skipping(align=align, join=join)
    module = network.build((2, 8, 8))
    x = torch.randn(3, 2, 8, 8)
    early = module.get_submodule("early")(x)
    flows = early
    for name, part in list(module.named_children())[1:3]:
        assert name
        flows = part(flows)
    if align == "crop":
        early = early[:, :, :7, :7]
    if align == "resize":
        flows = torch.nn.functional.interpolate(flows, (8, 8), mode="bilinear", align_corners=False)
    expected = flows + early if join == "add" else torch.cat([flows, early], 1)
    torch.testing.assert_close(module(x), expected)
    assert network.output_shape((2, 8, 8)) == tuple(expected.shape[1:])
    assert Network.from_dict(network.to_dict()) == network
    torch.testing.assert_close(copy.deepcopy(module)(x), expected)


@pytest.mark.parametrize(
    ("taps", "words"),
    [
        (("later",), "names 'later', which comes later: a cycle"),
        (("joined",), "names itself, which is a cycle"),
        (("erly",), "there is no node 'erly' in its list; did you mean 'early'?"),
    ],
)
def test_taps_that_lead_nowhere_or_in_a_circle_are_refused(taps: tuple[str, ...], words: str) -> None:
    nodes = (Conv(4, name="early"), Skip(taps, name="joined"), Conv(4, name="later"))
    with pytest.raises(NetworkError, match="layer 2 `Skip") as raised:
        Network("x", nodes).output_shape((1, 9, 9))
    assert words in raised.value.message
    with pytest.raises(NetworkError):
        Network("x", nodes).build((1, 9, 9))


def test_a_tap_of_another_grid_or_count_is_refused() -> None:
    nodes = (Conv(4, padding=1, name="early"), Pool(), Skip(("early",)))
    with pytest.raises(NetworkError, match="needs the grid of 'early', 4×8×8, receives 4×4×4 from layer 2 `Pool`"):
        Network("x", nodes).output_shape((1, 8, 8))
    nodes = (Conv(4, 1, name="a"), Conv(5, 1, name="b"), Flatten(), Skip(("a", "b")))
    with pytest.raises(NetworkError, match="needs taps with 0 axes, 'a' has 4×8×8 and 'b' has 5×8×8, receives a vec"):
        Network("x", nodes).output_shape((1, 8, 8))
    nodes = (Conv(4, padding=1, name="early"), Conv(3, 1), Skip(("early",), join="add"))
    with pytest.raises(NetworkError, match="needs as many channels as 'early'"):
        Network("x", nodes).output_shape((1, 8, 8))


def test_skips_work_in_every_list() -> None:
    inner = (Conv(2, 1, name="a"), Conv(2, 1), Skip(("a",), join="add"))
    x = torch.randn(1, 2, 4, 4)
    for node in (Sequence(inner), Residual(inner), Branches((inner, ()))):
        module = Network("x", (node,)).build((2, 4, 4))
        assert module(x).shape[0] == 1
        assert module(x).shape[1:] == node.output_shape((2, 4, 4))


def test_zeros_on_a_shortcut_are_those_of_the_cifar_networks_that_circulate() -> None:
    module = Residual((Conv(10, stride=2, padding=1),), shortcut="zero_padding").build((4, 9, 8))
    x = torch.randn(2, 4, 9, 8)
    expected = torch.nn.functional.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, 3, 3))
    assert torch.equal(module.get_submodule("shortcut")(x), expected)
    assert not list(module.get_submodule("shortcut").parameters())
    for filters in (3, 7):
        with pytest.raises(NetworkError, match="needs an even number of channels to add"):
            Residual((Conv(filters, padding=1),), shortcut="zero_padding").output_shape((4, 8, 8))


def test_a_layer_behind_branches_and_a_residual_reads_all_their_ends() -> None:
    nodes = (
        Conv(4, 1),
        Branches(((Conv(2, 1),), (Conv(2, 1), Conv(2, 1)), ())),
        Residual((Conv(8, padding=1),)),
        Conv(5, kernel_size=9),
    )
    network = Network("x", nodes)
    assert [one.sources for one in network.layers((1, 9, 9))] == [(0,), (1,), (1,), (3,), (1, 2, 4), (1, 2, 4, 5)]
    with pytest.raises(NetworkError, match=r"layer 6 .* receives 8×8×8 from layers 1, 2, 4 and 5"):
        network.output_shape((1, 8, 8))
    with pytest.raises(NetworkError, match=r"layer 3 `Conv\(2, kernel_size=9\)` \(branches1.branch2.conv1\): needs"):
        Network("x", (Conv(4, 1), Branches(((Conv(2, 1),), (Conv(2, 9),))))).output_shape((1, 8, 8))


def test_a_gradient_reaches_a_tapped_node_on_both_ways() -> None:
    module = skipping().build((2, 4, 4))
    module(torch.randn(1, 2, 4, 4)).sum().backward()
    assert all(parameter.grad is not None for parameter in module.parameters())


def test_tied_weights_are_one_tensor_with_the_sum_of_both_gradients() -> None:
    network = Network("x", (Conv(3, 1, name="shared"), Tied("shared"), Flatten()))
    module = network.build((3, 2, 2)).double()
    assert [name for name, _ in module.named_parameters()] == ["shared.weight", "shared.bias"]
    x = torch.randn(2, 3, 2, 2, dtype=torch.float64)
    shared = module.get_submodule("shared")
    torch.testing.assert_close(module(x), shared(shared(x)).flatten(1))
    copied = copy.deepcopy(module)
    with torch.no_grad():
        copied.get_submodule("shared").get_parameter("weight").zero_()
        copied.get_submodule("shared").get_parameter("bias").fill_(2.0)
    assert torch.equal(copied(x), torch.full((2, 12), 2.0, dtype=torch.float64))


def test_tied_weights_that_do_not_fit_are_refused() -> None:
    with pytest.raises(NetworkError, match="needs the weights of 'shared', which are for 1×8×8"):
        Network("x", (Conv(3, 1, name="shared"), Tied("shared"))).output_shape((1, 8, 8))
    with pytest.raises(NetworkError, match="a cycle"):
        Network("x", (Tied("tied1"), Conv(3))).output_shape((1, 8, 8))


def test_blocks_within_blocks_are_walked_in_no_time() -> None:
    node: Node = Conv(4, padding=1)
    for _ in range(24):
        node = Residual((node,))
    started = time.monotonic()
    Network("x", (node,)).build((4, 8, 8))
    assert time.monotonic() - started < 20


@pytest.mark.parametrize(
    "body",
    [
        (Pool(2), Conv(4, padding=1), Upsample(size=8)),
        (Conv(4), AdaptivePool(8)),
        (Pool(2), Upsample(2)),
    ],
)
@pytest.mark.parametrize("shortcut", ["auto", "identity"])
def test_a_body_that_comes_back_to_its_size_has_the_identity_beside_it(body: tuple[Node, ...], shortcut: Any) -> None:
    module = Residual(body, shortcut=shortcut, activation=None).build((4, 8, 8))
    assert isinstance(module.get_submodule("shortcut"), torch.nn.Identity)
    assert module(torch.randn(1, 4, 8, 8)).shape == (1, 4, 8, 8)


def test_a_stride_that_a_single_position_hides_has_a_projection_all_the_same() -> None:
    module = Residual((Conv(4, stride=2, padding=1),)).build((4, 1, 1))
    assert module.get_submodule("shortcut.conv").stride == (2, 2)


def test_a_body_that_enlarges_the_grid_is_told_where_that_belongs() -> None:
    with pytest.raises(NetworkError, match="no stride reaches") as raised:
        Residual((TransposedConv(4),)).output_shape((4, 8, 8))
    assert raised.value.fix == "put what enlarges the grid behind the sum"
