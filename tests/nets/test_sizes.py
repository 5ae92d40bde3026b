"""Which sizes a network takes, against trying each on real pictures."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from striate.core.errors import NetworkError
from striate.nets import build, resolve
from striate.nets.sizes import AnySize

SPP = {"width": 3, "units": 8, "levels": [2, 1]}


def spec(name: str, side: int, **arguments: Any) -> dict[str, Any]:
    return resolve(name, outputs=3, channels=3, height=side, width=side, arguments=arguments)


def trains(network: torch.nn.Module, height: int, width: int) -> bool:
    """Whether two pictures of a size pass through it in training."""
    try:
        return tuple(network.train()(torch.zeros(2, 3, height, width)).shape) == (2, 3)
    except (RuntimeError, ValueError):
        return False


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("compact", {"width": 4}),
        ("sppnet", SPP),
        ("cifarnet", {"widths": [4, 4]}),
        ("compact", {"width": 4, "stem_stride": 4}),
    ],
)
def test_the_least_side_is_that_of_the_smallest_pictures_that_pass(name: str, arguments: dict[str, Any]) -> None:
    found = spec(name, 64, **arguments)
    least = AnySize(found).least()
    network = build(found)
    assert [trains(network, side, side) for side in range(1, 65)] == [side >= least for side in range(1, 65)]
    assert trains(network, least, 80)


def test_of_a_step_it_is_a_multiple() -> None:
    any_size = AnySize(spec("sppnet", 64, **SPP))
    least = any_size.least()
    assert any_size.least(8) == -(-least // 8) * 8
    with pytest.raises(NetworkError, match=rf"sppnet takes no pictures of {least - 1}×64 px"):
        any_size.refuse([(64, 64), (least - 1, 64)])
    any_size.refuse([(64, 64), (least, 64), (70, least)])


@pytest.mark.parametrize(
    ("name", "side", "arguments"), [("lenet5", 32, {}), ("vit_tiny", 64, {}), ("torchvision/vit_b_16", 64, {})]
)
def test_a_network_bound_to_one_grid_is_refused_with_the_fix(name: str, side: int, arguments: dict[str, Any]) -> None:
    with pytest.raises(NetworkError, match=rf"{name} is bound to pictures of {side}×{side} px") as error:
        AnySize(spec(name, side, **arguments)).least()
    assert "SpatialPyramidPool" in str(error.value.fix)


def test_the_callers_random_numbers_stay() -> None:
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    AnySize(spec("compact", 32, width=4, dropout=0.5)).least()
    assert torch.equal(torch.rand(3), expected)
