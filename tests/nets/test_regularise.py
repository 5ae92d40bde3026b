"""What is left out at random: in every family that has a place, by a library's own argument, and nowhere by mistake."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn
from torchvision.ops import StochasticDepth as Theirs

from striate.core.errors import NetworkError
from striate.nets import FAMILIES, build, load_weights, regularised, resolve
from striate.nets.families import in_grid
from striate.nets.nodes.dropout import SampleDropout
from striate.nets.weights import Weights

SMALL: dict[str, dict[str, Any]] = {"compact": {"width": 8, "blocks": [1, 2]}, "mobilenet_v2": {"width": 0.25}}
PICTURES = ("compact", "resnet18", "resnet20", "densenet121", "mobilenet_v2", "vgg11", "efficientnet_b0", "squeezenet")


def spec_of(name: str, side: int = 64) -> dict[str, Any]:
    return resolve(name, outputs=3, channels=3, height=side, width=side, arguments=SMALL.get(name, {}))


def named_so(kind: type[nn.Module], module: nn.Module) -> list[float]:
    return [one.p for one in module.modules() if type(one) is kind]


@pytest.mark.parametrize("name", sorted({*PICTURES} & set(FAMILIES.names())))
def test_names_of_weights_and_predictions_stay(name: str) -> None:
    spec = spec_of(name)
    done = 0
    with torch.device("meta"):
        before = build(spec)
    for rates in ({"dropout": 0.3}, {"channel_dropout": 0.2}, {"stochastic_depth": 0.4}):
        try:
            changed = regularised(spec, **rates)
        except NetworkError:
            continue
        with torch.device("meta"):
            after = build(changed)
        assert list(after.state_dict()) == list(before.state_dict())
        done += 1
    assert done
    assert in_grid(name) is False


def test_dropout_stands_ahead_of_the_head_once() -> None:
    for name in ("compact", "resnet18", "mobilenet_v2"):
        once = regularised(spec_of(name), dropout=0.3)
        assert named_so(nn.Dropout, build(once)) == [0.3]
        assert named_so(nn.Dropout, build(regularised(once, dropout=0.5))) == [0.5]
    assert regularised(spec_of("compact")) == spec_of("compact")


def test_dropout_of_the_networks_own_gets_the_rate_and_auxiliary_heads_keep_theirs() -> None:
    with torch.device("meta"):
        network = build(regularised(spec_of("googlenet", 96), dropout=0.25))
    assert sorted(named_so(nn.Dropout, network)) in ([0.25], [0.25, 0.7, 0.7])


def test_stochastic_depth_rises_over_every_residual_block() -> None:
    network = build(regularised(spec_of("resnet18"), stochastic_depth=0.4))
    rates = named_so(SampleDropout, network)
    assert rates == pytest.approx([0.4 * number / 8 for number in range(1, 9)])
    own = build(regularised(spec_of("efficientnet_b0"), stochastic_depth=0.16))
    assert named_so(SampleDropout, own) == pytest.approx([0.16 * number / 9 for number in range(1, 10)])


def test_branches_are_left_out_as_torchvision_leaves_them_out() -> None:
    network = build(regularised(spec_of("compact", 16), stochastic_depth=0.5)).train()
    for norm in network.modules():
        if isinstance(norm, nn.BatchNorm2d):
            nn.init.ones_(norm.weight)  # the last of each branch starts at 0
    reference = build(regularised(spec_of("compact", 16), stochastic_depth=0.5)).train()
    reference.load_state_dict(network.state_dict())
    for name, one in list(reference.named_modules()):
        if type(one) is SampleDropout:
            reference.set_submodule(name, Theirs(one.p, "row"))
    images = torch.randn(8, 3, 16, 16)
    outputs = []
    for one in (network, reference):
        torch.manual_seed(0)
        outputs.append(one(images))
    assert torch.equal(*outputs)
    assert not torch.equal(network(images), network(images))
    network.eval()
    assert torch.equal(network(images), network(images))


def test_channels_are_left_out_whole_behind_each_stage() -> None:
    network = build(regularised(spec_of("compact", 16), channel_dropout=0.5)).train()
    names = [name for name, one in network.named_modules() if isinstance(one, nn.Dropout2d)]
    assert names == ["stage1_dropout", "stage2_dropout"]
    seen: list[torch.Tensor] = []
    network.get_submodule(names[0]).register_forward_hook(lambda _, __, output: seen.append(output))
    network(torch.rand(4, 3, 16, 16))
    gone = (seen[0] == 0).flatten(2).all(2).float().mean()
    assert 0.1 < gone < 0.9


def test_weights_of_the_network_without_fit_the_one_with() -> None:
    plain = build(spec_of("compact", 16))
    spec = regularised(spec_of("compact", 16), dropout=0.2, channel_dropout=0.1, stochastic_depth=0.1)
    network = build(spec)
    load_weights(network, Weights(dict(plain.state_dict()), None, "a test"), head="head")
    images = torch.randn(2, 3, 16, 16)
    assert torch.equal(network.eval()(images), plain.eval()(images))


@pytest.mark.parametrize(
    ("name", "rates", "arguments"),
    [
        ("timm/resnet18", {"dropout": 0.2, "stochastic_depth": 0.1}, {"drop_rate": 0.2, "drop_path_rate": 0.1}),
        ("timm/mobilenetv2_100", {"stochastic_depth": 0.1}, {"drop_path_rate": 0.1}),
        ("torchvision/mobilenet_v3_small", {"dropout": 0.4}, {"dropout": 0.4}),
        ("torchvision/convnext_tiny", {"stochastic_depth": 0.3}, {"stochastic_depth_prob": 0.3}),
    ],
)
def test_a_librarys_network_gets_its_own_argument(name: str, rates: dict, arguments: dict) -> None:
    assert regularised(spec_of(name), **rates)["arguments"] == arguments


@pytest.mark.parametrize(
    ("name", "rates", "match"),
    [
        ("torchvision/resnet18", {"dropout": 0.2}, r"network.dropout: torchvision/resnet18 has no place for it"),
        ("timm/vgg11", {"stochastic_depth": 0.2}, "takes no drop_path_rate or stochastic_depth_prob"),
        ("timm/resnet18", {"channel_dropout": 0.2}, "has no argument"),
        ("vgg11", {"stochastic_depth": 0.2}, "has no residual blocks"),
    ],
)
def test_a_network_without_a_place_is_refused(name: str, rates: dict, match: str) -> None:
    with pytest.raises(NetworkError, match=match) as caught:
        regularised(spec_of(name), **rates)
    assert caught.value.fix
