"""Auxiliary heads: what flows goes on untouched, and their losses count in training alone."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn
from torchvision import models

from striate.core.errors import NetworkError
from striate.nets import (
    Auxiliary,
    Conv,
    Dense,
    Flatten,
    GlobalPool,
    Network,
    Weights,
    build,
    head_name,
    hearing,
    load_weights,
    profile,
    resolve,
)
from striate.nets.nodes.auxiliary import AuxiliaryHead

NODES = (Conv(4, padding=1), Auxiliary((GlobalPool(),), weight=0.5), Conv(8, padding=1))


def test_heads_get_as_many_outputs_as_the_network() -> None:
    network = Network("net", NODES).with_head(3, (1, 6, 6))
    assert network.nodes[1] == Auxiliary((GlobalPool(), Dense(3, name="head")), weight=0.5)
    renewed = network.with_head(7, (1, 6, 6), renew=True)
    assert renewed.nodes[1] == Auxiliary((GlobalPool(), Dense(7, name="head")), weight=0.5)
    assert renewed.with_head(7, (1, 6, 6)) == renewed
    assert Network.from_dict(renewed.to_dict()) == renewed


def test_what_flows_goes_on_and_heads_answer_in_training_to_who_hears() -> None:
    torch.manual_seed(0)
    network = Network("net", NODES).with_head(3, (1, 6, 6)).build((1, 6, 6))
    images = torch.randn(5, 1, 6, 6)
    plain = nn.Sequential(*(one for one in network if not isinstance(one, AuxiliaryHead)))
    assert torch.equal(network(images), plain(images))
    with hearing(network) as heard:
        assert torch.equal(network(images), plain(images))
    ((weight, outputs),) = heard
    assert weight == 0.5
    head = network.get_submodule("auxiliary1.head")
    assert torch.equal(outputs, head(network.conv1(images).mean((2, 3))))
    with hearing(network.eval()) as heard:
        network(images)
    assert not heard
    network.train()(images)  # nobody hears, and nothing is kept
    assert all(module.heard is None for module in network.modules() if isinstance(module, AuxiliaryHead))


def test_an_error_on_the_way_leaves_nothing_behind() -> None:
    network = Network("net", NODES).with_head(3, (1, 6, 6)).build((1, 6, 6))
    with pytest.raises(RuntimeError), hearing(network):
        network(torch.randn(5, 2, 6, 6))
    copy.deepcopy(network)
    with hearing(network) as heard:
        network(torch.randn(5, 1, 6, 6))
    assert len(heard) == 1


def test_a_head_that_ends_in_a_grid_is_refused_by_number() -> None:
    with pytest.raises(NetworkError, match=r"layers 2 to 3 `Auxiliary.*end in a vector, receives 4×6×6 from layer 1"):
        Network("net", (Conv(4, padding=1), Auxiliary((Conv(2), Conv(3))), Dense(3))).output_shape((1, 6, 6))
    with pytest.raises(NetworkError, match="has no nodes"):
        Auxiliary(())
    with pytest.raises(NetworkError, match="above 0"):
        Auxiliary((Flatten(),), weight=0.0)


def test_costs_of_predictions_leave_its_operations_out_and_those_of_training_do_not() -> None:
    found = {
        flag: profile(resolve("googlenet", outputs=10, channels=3, height=96, width=96, arguments={"auxiliary": flag}))
        for flag in (False, True)
    }
    assert found[True].macs == found[False].macs
    assert found[True].activation_bytes > found[False].activation_bytes
    extra = [row for row in found[True].layers if not row.output]
    assert sum(row.parameters for row in extra) == found[True].parameters - found[False].parameters
    assert {row.name.split(".")[1] for row in extra} == {"auxiliary1", "auxiliary2"}


def test_weights_without_them_leave_them_new_and_weights_with_them_fit_a_network_without() -> None:
    def made(auxiliary: bool) -> nn.Module:
        arguments = {"auxiliary": auxiliary, "width": 0.125}
        return build(resolve("googlenet", outputs=4, channels=3, height=64, width=64, arguments=arguments))

    without, with_them = made(False), made(True)
    report = load_weights(with_them, Weights(without.state_dict(), None, "file"), head=head_name(with_them))
    assert report.loaded == len(without.state_dict())
    assert all(".auxiliary" in name for name in report.reinitialised)
    assert torch.equal(with_them.get_parameter("head.weight"), without.get_parameter("head.weight"))
    report = load_weights(without, Weights(with_them.state_dict(), None, "file"), head=head_name(without))
    assert report.loaded == len(without.state_dict())
    assert all(".auxiliary" in name for name in report.unexpected)
    assert "left out" in report.describe()


@pytest.mark.parametrize(
    ("name", "size", "parameters"), [("googlenet", 96, 13_004_888), ("inception_v3", 299, 27_161_264)]
)
def test_heads_are_torchvision_s(name: str, size: int, parameters: int) -> None:
    """Their tensors come in the same order; what reaches ours reaches theirs."""
    torch.manual_seed(0)
    arguments = {"auxiliary": True}
    ours = build(resolve(name, outputs=1000, channels=3, height=size, width=size, arguments=arguments)).double()
    theirs = models.get_model(name, weights=None, aux_logits=True, init_weights=False).double()
    assert sum(map(torch.numel, ours.parameters())) == parameters
    assert sum(map(torch.numel, theirs.parameters())) == parameters
    heads = [module for module in ours.modules() if isinstance(module, AuxiliaryHead)]
    places = ["aux1", "aux2"] if name == "googlenet" else ["AuxLogits"]
    assert len(heads) == len(places)
    for head, place in zip(heads, places, strict=True):
        other = theirs.get_submodule(place)
        values = [one for key, one in other.state_dict().items() if "num_batches" not in key]
        names = [key for key in head.state_dict() if "num_batches" not in key]
        head.load_state_dict(dict(zip(names, values, strict=True)), strict=False)
        received: list[Tensor] = []
        hook = head.register_forward_pre_hook(lambda _, inputs, into=received: into.append(inputs[0]))
        for one in (*head.modules(), *other.modules()):
            if isinstance(one, nn.Dropout):
                one.p = 0.0
        with hearing(ours) as heard:
            ours(torch.randn(2, 3, size, size, dtype=torch.double))
        hook.remove()
        answer = heard[heads.index(head)][1]
        assert torch.allclose(other(received[0]), answer, atol=1e-10)
