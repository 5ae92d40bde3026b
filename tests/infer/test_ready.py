"""A network made ready for predictions gives what it gave, and is timed honestly."""

import pytest
import timm
import torch
from torch import nn

from striate.infer import ForwardWay, batch_rates, forward_rates, made_ready, waves
from striate.infer import ready as module

EXACT = ForwardWay("float32", False)


def convolutional() -> nn.Module:
    torch.manual_seed(0)
    network = timm.create_model("resnet18", num_classes=5)
    for part in network.modules():
        if isinstance(part, nn.BatchNorm2d):
            nn.init.uniform_(part.running_mean, -0.5, 0.5)
            nn.init.uniform_(part.running_var, 0.5, 2.0)
    return network.eval()


@pytest.mark.parametrize("name", ["resnet18", "mobilenetv2_050", "convnext_atto", "vit_tiny_patch16_224"])
@pytest.mark.parametrize("way", [EXACT, ForwardWay("float32", True), ForwardWay("bfloat16", True)], ids=str)
def test_it_gives_what_the_network_gives(name: str, way: ForwardWay) -> None:
    torch.manual_seed(0)
    options = {"img_size": 32} if "vit" in name else {}
    network = timm.create_model(name, num_classes=5, **options).eval()
    images = waves((3, 32, 32), 4)
    before = {key: tensor.clone() for key, tensor in network.state_dict().items()}
    ready = made_ready(network, way, (3, 32, 32))
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16, enabled=way.precision == "bfloat16"):
        expected = network(images).float()
    with torch.no_grad():
        found = ready(images).float()
    share = (found - expected).norm() / expected.norm()
    assert share < (1e-5 if way.precision == "float32" else 0.05)
    assert all(torch.equal(tensor, before[key]) for key, tensor in network.state_dict().items())
    assert not any(parameter.requires_grad for parameter in ready.parameters())


def test_norms_are_folded_away() -> None:
    ready = made_ready(convolutional(), EXACT, (3, 64, 64))
    assert not any(isinstance(part, nn.BatchNorm2d) for part in ready.modules())


def test_filters_are_cast_once() -> None:
    ready = made_ready(convolutional(), ForwardWay("bfloat16", True), (3, 64, 64))
    kinds = {part.weight.dtype for part in ready.modules() if isinstance(part, nn.Conv2d | nn.Linear)}
    assert kinds == {torch.bfloat16}


def test_casting_once_gives_the_bits_of_autocast() -> None:
    network, images = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 36, 4)), waves((3, 8, 8))
    ready = made_ready(network, ForwardWay("bfloat16", False), (3, 8, 8))
    with torch.no_grad():
        with torch.autocast("cpu", torch.bfloat16):
            expected = network(images)
        assert ready.alone
        assert torch.equal(expected, ready(images))


class Wide(nn.Module):
    """Works under autocast alone: a number in float32 reaches a layer in bfloat16."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(12, 12)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layer(torch.ones(1, dtype=torch.float32) * x.flatten(1))


def test_what_needs_autocast_keeps_it_and_its_parameters() -> None:
    network = nn.Sequential(Wide(), nn.LayerNorm(12), nn.Linear(12, 3))
    network.register_parameter("extra", nn.Parameter(torch.rand(3)))
    ready = made_ready(network, ForwardWay("bfloat16", False), (3, 2, 2))
    assert not ready.alone
    assert ready.network.extra.dtype == torch.float32
    images = waves((3, 2, 2))
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        expected = network(images)
    assert torch.equal(ready(images), expected)


def test_a_way_that_disagrees_is_no_choice(monkeypatch: pytest.MonkeyPatch) -> None:
    ways = [ForwardWay("float32", True), ForwardWay("float32", False), ForwardWay("bfloat16", True)]
    found = forward_rates(convolutional(), (3, 32, 32), ways, count=2, seconds=60.0)
    assert set(found) == set(ways)
    assert all(rate > 0 for rate in found.values())
    monkeypatch.setattr(module, "OUTPUT_TOLERANCE", 1e-5)
    found = forward_rates(convolutional(), (3, 32, 32), ways, count=2, seconds=60.0)
    assert set(found) == set(ways[:2])


def test_the_time_bounds_the_trial() -> None:
    ways = [ForwardWay("float32", True), ForwardWay("float32", False)]
    assert list(forward_rates(convolutional(), (3, 32, 32), ways, count=2, seconds=0.0)) == ways[:1]
    assert list(batch_rates(convolutional(), (3, 32, 32), EXACT, (1, 2, 4), seconds=0.0)) == [1]
    assert list(batch_rates(convolutional(), (3, 32, 32), EXACT, (1, 2, 4), seconds=60.0)) == [1, 2, 4]


def test_a_cleared_head_does_not_hide_what_comes_before_it() -> None:
    network = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Flatten(), Wide(), nn.Linear(12, 3))
    network[3].layer = nn.Linear(8 * 36, 12)
    nn.init.zeros_(network[-1].weight)
    nn.init.zeros_(network[-1].bias)
    assert not made_ready(network, ForwardWay("bfloat16", False), (3, 8, 8)).alone


def test_features_that_differ_are_seen_behind_a_cleared_head(monkeypatch: pytest.MonkeyPatch) -> None:
    network = convolutional()
    nn.init.zeros_(network.fc.weight)
    nn.init.zeros_(network.fc.bias)
    assert made_ready(network, ForwardWay("bfloat16", True), (3, 32, 32)).alone
    real = module.seen

    def stirred(network: nn.Module, images: torch.Tensor, ready: module.Ready) -> list[torch.Tensor]:
        outputs, features = real(network, images, ready)
        return [outputs, 2 * features if ready.alone else features]

    monkeypatch.setattr(module, "seen", stirred)
    assert not made_ready(network, ForwardWay("bfloat16", True), (3, 32, 32)).alone
