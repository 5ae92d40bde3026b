"""What the rules decide by the boxes that the audit found."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from striate.core.errors import UsageError
from striate.core.plan import Decision
from striate.nets import build, resolve
from striate.nets.detectors import DETECTORS
from striate.plan import boxes
from striate.plan.context import Context


class Seen(dict[str, Any]):
    """What the rules see of pictures of one size with boxes of these sides."""

    def __init__(
        self,
        size: tuple[int, int] = (480, 640),
        sides: tuple[float, float, float] = (20, 70, 300),
        device: str = "cpu",
        count: int = 200,
        **chosen: Any,
    ) -> None:
        least, small, most = sides
        spread = {"min": least, "p10": small, "median": small, "p90": most, "max": most}
        area = {end: side * side / (size[0] * size[1]) for end, side in spread.items()}
        aspect = {"min": 0.3, "p10": 0.7, "median": 1.0, "p90": 1.5, "max": 3.0}
        self.audit = SimpleNamespace(
            sizes={"height": {"median": float(size[0])}, "width": {"median": float(size[1])}},
            boxes={"width": spread, "height": spread, "share": area, "aspect": aspect},
        )
        self.machine, self.weights = SimpleNamespace(device=device), None
        self.overrides = {key: SimpleNamespace(value=value) for key, value in chosen.items()}
        self.train_samples = range(count)
        super().__init__({key: value for key, (value, _) in boxes.size(cast(Context, self)).items()})

    @property
    def network(self) -> tuple[str, dict[str, Any]]:
        found = boxes.network(cast(Context, self))
        return found["network.name"][0], found["network.arguments"][0]


def test_nine_of_ten_boxes_have_pixels_enough_where_the_machine_carries_it() -> None:
    assert (Seen()["input.height"], Seen()["input.width"]) == (256, 320)  # 70 of 640 px are 35 of 320
    assert Seen(sides=(5, 10, 50))["input.width"] == boxes.MOST_OF_PROCESSOR
    assert Seen(sides=(5, 10, 50), device="cuda")["input.width"] == boxes.SIDES[-1]
    assert Seen(size=(64, 64), sides=(4, 12, 30))["input.width"] == 128  # twice as large, and no more
    tall = Seen(size=(2000, 500), sides=(50, 200, 400))
    assert (tall["input.height"], tall["input.width"]) == (320, 96)
    because = boxes.size(cast(Context, Seen(sides=(5, 10, 50))))["input.height"][1]
    assert "fewer than the 32 wanted" in because


@given(
    st.tuples(st.integers(40, 4000), st.integers(40, 4000)),
    st.tuples(st.floats(0.01, 0.2), st.floats(1, 2), st.floats(1, 3)),
)
def test_maps_and_anchors_go_from_the_smallest_box_to_the_largest(size: Any, shares: Any) -> None:
    least = shares[0] * min(size)
    seen = Seen(size, (least, least * shares[1], min(least * shares[1] * shares[2], min(size))))
    name, arguments = seen.network
    assert name == "retinanet"
    strides, sizes = arguments["strides"], arguments["sizes"]
    assert strides == [strides[0] * 2**step for step in range(len(strides))]
    assert len(strides) >= 2
    assert len(sizes) == len(strides)
    flat = [one for level in sizes for one in level]
    assert flat == sorted(flat)
    assert min(arguments["aspects"]) < 1 < max(arguments["aspects"])


@pytest.mark.parametrize("name", DETECTORS.names())
def test_each_detector_is_planned_with_arguments_that_it_takes(name: str) -> None:
    seen = Seen(**{"network.name": name})
    found, arguments = seen.network
    spec = resolve(found, outputs=3, channels=3, height=64, width=64, arguments=arguments, form="boxes")
    assert sum(one.numel() for one in build(spec).parameters()) > 10_000


def test_what_you_name_lies_over_what_the_boxes_decide() -> None:
    mine = Decision({"backbone": "timm/resnet18", "strides": [4, 8]}, "set by you", "user")
    seen = Seen(**{"network.arguments": mine.value})
    laid = boxes.laid_over(cast(Context, seen), mine)
    assert laid.by == "user"
    assert laid.value["backbone"] == "timm/resnet18"
    assert laid.value["strides"] == [4, 8]
    assert (laid.value["norm"], laid.value["width"]) == ("group", 128)
    assert [len(laid.value["sizes"]), laid.value["sizes"][0][0]] == [2, 8]
    assert "norm" in laid.because
    assert boxes.laid_over(cast(Context, seen), laid) == laid


@pytest.mark.parametrize("strides", [8, "8", None, [], ["a", "b"], [8.5]])
def test_strides_that_are_none_leave_the_refusal_to_the_network(strides: object) -> None:
    mine = Decision({"strides": strides}, "set by you", "user")
    laid = boxes.laid_over(cast(Context, Seen(**{"network.arguments": mine.value})), mine)
    assert laid.value["strides"] == strides
    assert laid.value["sizes"] == Seen().network[1]["sizes"]


def test_the_weights_of_a_detector_begin_no_other() -> None:
    sidecar = {"network": "retinanet", "arguments": {"strides": [8, 16]}, "source": "made pictures"}
    weights = SimpleNamespace(sidecar=sidecar, source="run")
    for chosen in ({}, {"network.name": "retinanet"}):
        seen = Seen(**chosen)
        seen.weights = cast(Any, weights)
        assert seen.network == ("retinanet", {"strides": [8, 16]})
    seen = Seen(**{"network.name": "fcos"})
    seen.weights = cast(Any, weights)
    with pytest.raises(UsageError, match="retinanet, and cannot begin another, fcos"):
        boxes.network(cast(Context, seen))


@pytest.mark.parametrize("name", DETECTORS.names())
def test_what_is_said_of_a_detector_is_its_own(name: str) -> None:
    because = boxes.network(cast(Context, Seen(**{"network.name": name})))["network.name"][1]
    assert because == f"{boxes.LOOKS[name]} over a small network from scratch"


def test_one_shape_has_one_aspect_and_unknown_boxes_the_usual() -> None:
    seen = Seen()
    seen.audit.boxes["aspect"] = dict.fromkeys(("p10", "median", "p90"), 2.0)
    assert seen.network[1]["aspects"] == [0.5]  # height over width
    seen.audit.boxes["aspect"] |= {"p10": 1.9, "p90": 4.0}
    assert seen.network[1]["aspects"] == [0.25, 0.5]  # none twice
    seen.audit.boxes = {}
    assert seen.network[1]["strides"] == [8, 16, 32]
    assert boxes.size(cast(Context, seen))["input.width"][0] == 320


@pytest.mark.parametrize(("count", "size"), [(30, 4), (200, 8), (5000, 16)])
def test_batches_are_small(count: int, size: int) -> None:
    assert boxes.batch_size(cast(Context, Seen(count=count)))[0] == size


@pytest.mark.parametrize(("count", "mosaic"), [(100, 0.5), (5000, 0.0)])
def test_few_pictures_are_laid_together(count: int, mosaic: float) -> None:
    found = boxes.augment(cast(Context, Seen(count=count)), {"augment.flip": ("horizontal", "usual")})
    assert found["augment.mosaic"][0] == mosaic
    assert found["augment.flip"] == ("horizontal", "usual")
