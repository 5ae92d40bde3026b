"""What every detector keeps to: what is found, losses of each picture, specs, precision, and any backbone."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from striate.core.boxes import FOUND, MOST, NONE
from striate.core.errors import NetworkError, UnknownName
from striate.infer.ready import ForwardWay, forward_rates, made_ready
from striate.nets import (
    depth_groups,
    head_name,
    head_parameters,
    memory,
    profile,
    regularised,
    with_first_weights,
)
from striate.nets.anatomy import stem_name
from striate.nets.detectors import DETECTORS
from striate.nets.folding import find_folds, seen
from striate.nets.spec import build, form_of, resolve
from striate.train.features import hindrance
from tests.nets.detectors.made import SMALL, TWO, made, pictures, spec_of, truths

NAMES = DETECTORS.names()
each = pytest.mark.parametrize("name", NAMES)
BACKBONES: list[tuple[str, dict[str, Any]]] = [
    ("compact", {"width": 8, "blocks": [1, 1, 1, 1], "stem_stride": 2}),
    ("mobilenet_v2", {"width": 0.25}),
    ("vgg11", {}),
    ("densenet121", {"growth": 8}),
    ("googlenet", {}),
    ("torchvision/densenet121", {}),
    ("timm/convnext_atto", {}),
    ("timm/mobilenetv2_050", {"pad_type": "same"}),
    ("torchvision/mobilenet_v3_small", {}),
    ("torchvision/shufflenet_v2_x0_5", {}),
]


def test_every_detector_has_small_arguments_to_test_it_with() -> None:
    assert sorted(SMALL) == NAMES


def losses(detector: Any, images: Tensor, targets: Tensor) -> dict[str, Tensor]:
    torch.manual_seed(0)
    found: dict[str, Tensor] = detector.losses(images, targets)
    return found


@each
def test_found_rows_are_sorted_cut_and_padded(name: str) -> None:
    detector = made(name).eval()
    with torch.no_grad():
        found = detector(pictures())
    assert found.shape == (2, MOST, FOUND)
    assert found.dtype == torch.float32
    there = found[..., 5] != NONE
    assert there.any()
    assert not found[~there][:, :5].any()
    for rows, real in zip(found, there, strict=True):
        rows = rows[real]
        assert bool((there.int().diff() <= 0).all())  # what is there comes first
        assert torch.equal(rows[:, 4], rows[:, 4].sort(descending=True).values)
        assert rows[:, :4].min() >= 0
        assert rows[:, :4].max() <= 64
        assert set(rows[:, 5].tolist()) <= {0.0, 1.0, 2.0}
        assert ((rows[:, 4] >= detector.least) & (rows[:, 4] <= 1)).all()


@each
def test_losses_are_those_of_each_picture_whatever_the_batch(name: str) -> None:
    few = {"rois": 8} if name == "faster_rcnn" else {}  # so that most are not drawn
    detector = made(name, **few).eval()  # norms of the body would see the batch
    images, targets = pictures(), TWO
    together = losses(detector, images, targets)
    for number in range(2):
        alone = losses(detector, images[number : number + 1], targets[number : number + 1])
        for key, one in together.items():
            assert one.shape == (2,)
            assert one.dtype == torch.float32
            torch.testing.assert_close(one[number], alone[key][0], rtol=1e-4, atol=1e-5)
    turned = losses(detector, images.flip(0), targets.flip(0))
    assert all(torch.allclose(one, turned[key].flip(0), rtol=1e-4, atol=1e-5) for key, one in together.items())


@each
def test_room_for_more_truths_changes_nothing(name: str) -> None:
    detector = made(name).eval()
    rows = [(4, 6, 40, 50, 1), (20, 20, 36, 30, 0)]
    small, large = (losses(detector, pictures(1), truths(rows, room=room)) for room in (2, 9))
    assert small == large
    degenerate = losses(detector, pictures(1), truths([*rows, (5, 5, 5, 20, 1)]))
    assert degenerate == small


@each
def test_pictures_without_boxes_are_learnt_from(name: str) -> None:
    detector = made(name).train()
    found = losses(detector, pictures(), truths([], []))
    sum(one.sum() for one in found.values()).backward()
    assert all(bool(one.isfinite().all()) for one in found.values())
    assert found["boxes"].tolist() == [0.0, 0.0]
    gradients = [one.grad for one in detector.parameters() if one.grad is not None]
    assert gradients
    assert all(bool(one.isfinite().all()) for one in gradients)


@each
def test_a_few_steps_teach_it(name: str) -> None:
    torch.manual_seed(0)
    detector = build(spec_of(name)).train()
    optimizer = torch.optim.AdamW(detector.parameters(), lr=2e-3)
    totals = []
    for _ in range(12):
        found = losses(detector, pictures(), TWO)
        total = sum(one.sum() for one in found.values())
        optimizer.zero_grad()
        total.backward()
        optimizer.step()
        totals.append(float(total.detach()))
    assert totals[-1] < 0.8 * totals[0]
    assert all(one.grad is not None for one in detector.parameters())


@each
def test_draws_come_from_the_global_generator(name: str) -> None:
    detector = made(name).eval()
    first, again = (losses(detector, pictures(), TWO) for _ in range(2))
    assert all(torch.equal(one, again[key]) for key, one in first.items())


@each
def test_losses_and_boxes_are_computed_in_full_under_autocast(name: str) -> None:
    detector = made(name).eval()
    with torch.no_grad():
        whole, boxes = losses(detector, pictures(), TWO), detector(pictures())
        with torch.autocast("cpu", torch.bfloat16):
            mixed, found = losses(detector, pictures(), TWO), detector(pictures())
    for key, one in mixed.items():
        assert one.dtype == torch.float32
        assert torch.allclose(one, whole[key], rtol=0.25, atol=0.05), key
    assert found.dtype == boxes.dtype
    assert bool(found.isfinite().all())
    best, near = boxes[:, 0, 4], found[:, 0, 4]
    assert torch.allclose(best, near, atol=0.1)


@each
def test_a_spec_comes_back_from_json_and_builds_the_same(name: str) -> None:
    spec = spec_of(name)
    assert set(spec) == {"kind", "name", "arguments", "input", "outputs", "body"}
    again = json.loads(json.dumps(spec))
    assert again == spec
    assert spec["arguments"]["backbone"] == "resnet18"
    assert None not in spec["arguments"].values()  # what they are is said
    torch.manual_seed(0)
    first = build(spec)
    torch.manual_seed(0)
    second = build(again)
    assert list(first.state_dict()) == list(second.state_dict())
    assert all(torch.equal(one, second.state_dict()[key]) for key, one in first.state_dict().items())
    given = resolve(
        name, outputs=3, channels=3, height=64, width=64, arguments=spec["arguments"], form="boxes"
    )  # complete arguments say all
    assert given == spec


@each
def test_arguments_are_taken_strictly(name: str) -> None:
    with pytest.raises(UnknownName, match="did you mean 'width'"):
        spec_of(name, widht=8)
    with pytest.raises(UnknownName, match="did you mean 'backbone'"):
        spec_of(name, backbon="resnet18")
    with pytest.raises(UnknownName):
        spec_of(name, backbone_arguments={"widht": 8})
    with pytest.raises(UnknownName):
        spec_of(name, backbone="resnet81", backbone_arguments={})
    with pytest.raises(UnknownName, match="norm of a detector"):
        spec_of(name, norm="layer")
    with pytest.raises(NetworkError, match=r"powers of two|must double"):
        spec_of(name, strides=[8, 12])
    with pytest.raises(NetworkError, match="cannot be made"):
        spec_of(name, width="wide")
    with pytest.raises(NetworkError, match="cannot be made"):
        spec_of(name, strides=None)


@each
def test_senseless_arguments_are_refused_by_name(name: str) -> None:
    least = {"faster_rcnn": {"width": 1, "depth": 0, "hidden": 1, "rois": 1}, "ssdlite": {"width": 8}}
    for argument, lowest in least.get(name, {"width": 1, "depth": 0}).items():
        with pytest.raises(NetworkError, match=f"{argument} of a detector must be {lowest} or more, not {lowest - 1}"):
            spec_of(name, **{argument: lowest - 1})
        detector = made(name, **{argument: lowest}).train()
        assert all(bool(one.isfinite().all()) for one in losses(detector, pictures(), TWO).values())
        with pytest.raises(NetworkError, match="cannot be made"):
            spec_of(name, **{argument: lowest + 0.5})


@each
@pytest.mark.parametrize("norm", ["group", "batch", "none"])
def test_convolutions_of_the_head_have_a_norm_or_a_bias(name: str, norm: str) -> None:
    layers = list(build(spec_of(name, norm=norm)).head.modules())
    norms = sum(isinstance(one, nn.BatchNorm2d | nn.GroupNorm) for one in layers)
    plain = [one for one in layers if isinstance(one, nn.Conv2d) and one.bias is None]
    assert len(plain) <= norms
    assert (norms == 0) == (norm == "none")


@each
def test_losses_come_from_a_call_so_that_wrappers_see_it(name: str) -> None:
    detector = made(name).eval()
    for mode in (False, True):
        detector.train(mode)
        torch.manual_seed(0)
        called = detector(pictures(), TWO)
        found = losses(detector, pictures(), TWO)
        assert all(torch.equal(one, called[key]) for key, one in found.items())


@pytest.mark.slow
@each
def test_a_compiled_one_has_the_same_losses_and_gradients(name: str) -> None:
    plain, compiled = made(name).train(), made(name).train()
    graphs = []

    def backend(graph: Any, _: Any) -> Any:
        graphs.append(graph)
        return graph.forward

    compiled.compile(dynamic=False, backend=backend)
    counts = []
    for step, targets in enumerate((TWO, truths([], [(8, 8, 30, 44, 2)]), TWO.flip(0), truths([], []))):
        found = []
        for detector in (plain, compiled):
            torch.manual_seed(step)
            found.append(detector(pictures() * (step + 1), targets))
            sum(one.sum() for one in found[-1].values()).backward()
        assert all(torch.equal(one, found[1][key]) for key, one in found[0].items())
        counts.append(len(graphs))
    pairs = zip(plain.parameters(), compiled.parameters(), strict=True)
    assert all(torch.equal(one.grad, other.grad) for one, other in pairs if one.grad is not None)
    assert any("conv" in str(node.target) for graph in graphs for node in graph.graph.nodes)
    assert counts[-1] == counts[-2]  # not anew for each number of truths


@each
def test_what_it_gives_is_asked_for_by_name(name: str) -> None:
    assert form_of(name) == "boxes"
    with pytest.raises(NetworkError, match=f"{name} gives boxes, and outputs for each sample are needed"):
        resolve(name, outputs=3, channels=3, height=64, width=64)
    with pytest.raises(NetworkError, match="a backbone is a classifier"):
        spec_of(name, backbone="unet", backbone_arguments={})
    with pytest.raises(NetworkError, match="a backbone is a classifier"):
        spec_of(name, backbone=name, backbone_arguments={})


@pytest.mark.parametrize("network", ["resnet18", "unet", "timm/resnet18"])
def test_what_gives_no_boxes_is_refused_with_what_would(network: str) -> None:
    with pytest.raises(NetworkError, match="and boxes are needed") as raised:
        resolve(network, outputs=3, channels=3, height=64, width=64, form="boxes")
    assert "faster_rcnn, fcos" in str(raised.value.fix)


@each
def test_its_head_is_all_that_is_new_and_groups_of_depth_are_the_body_s_first(name: str) -> None:
    detector = build(spec_of(name))
    names = [one for one, _ in detector.named_parameters()]
    assert head_name(detector) == "head"
    assert head_parameters(detector) == [one for one in names if one.startswith("head.")]
    groups = depth_groups(detector)
    assert sorted(one for group in groups for one in group) == sorted(names)
    assert groups[-1] == head_parameters(detector)
    assert len(groups) > 5
    assert groups[0][0].startswith("body.stem")
    assert stem_name(detector) == "body.stem.conv1"
    assert not any(one.startswith("body.head") for one in names)


@each
def test_what_it_costs_is_told_without_memory(name: str) -> None:
    spec = spec_of(name)
    found, needed = profile(spec), memory(spec, 4)
    assert found.parameters == sum(one.numel() for one in build(spec).parameters())
    by_part = {part: sum(row.macs for row in found.layers if row.name.startswith(part)) for part in ("body", "head")}
    assert min(by_part.values()) > 0
    assert sum(by_part.values()) == found.macs
    assert found.activation_bytes > 0
    assert needed.training > memory(spec, 2).training > needed.parameters


@each
@pytest.mark.parametrize("way", [ForwardWay("float32", False), ForwardWay("float32", True)])
def test_a_detector_made_ready_finds_the_same(name: str, way: ForwardWay) -> None:
    detector = made(name).eval()
    images = pictures()
    with torch.no_grad():
        expected, ready = detector(images), made_ready(detector, way, (3, 64, 64))
        assert not any(isinstance(one, nn.BatchNorm2d) for one in ready.network.body.modules())
        torch.testing.assert_close(ready(images)[:, 0, 4], expected[:, 0, 4], rtol=1e-3, atol=1e-4)
        for found, before in zip(seen(ready.network, images, ready), seen(detector, images), strict=True):
            torch.testing.assert_close(found, before, rtol=1e-3, atol=1e-3)


@each
def test_bfloat16_is_a_way_to_predict(name: str) -> None:
    detector = made(name).eval()
    ways = (ForwardWay("float32", False), ForwardWay("bfloat16", False))
    assert set(forward_rates(detector, (3, 64, 64), ways, count=2, seconds=30)) == set(ways)


@each
def test_shared_layers_are_folded_too(name: str) -> None:
    detector = made(name, norm="batch").eval()
    folds = find_folds(detector, pictures())
    assert {second for _, second in folds} == {
        key for key, one in detector.named_modules() if isinstance(one, nn.BatchNorm2d)
    }


@each
@pytest.mark.parametrize(("side", "channels"), [(32, 3), (64, 1), (96, 3), (70, 3)])
def test_grey_small_and_odd_pictures_are_taken(name: str, side: int, channels: int) -> None:
    detector = made(name, side=side, channels=channels)
    images, targets = pictures(2, channels, side), truths([(2, 2, 20, 20, 0)], [])
    total = sum(one.sum() for one in losses(detector, images, targets).values())
    total.backward()
    assert torch.isfinite(total)
    with torch.no_grad():
        detector.eval()
        assert detector(images).shape == (2, MOST, FOUND)
        assert detector(pictures(1, channels, side + 64)).shape == (1, MOST, FOUND)  # another size than it was made for


@pytest.mark.slow
@each
@pytest.mark.parametrize(("backbone", "arguments"), BACKBONES)
def test_any_classifier_may_be_the_backbone(name: str, backbone: str, arguments: dict[str, Any]) -> None:
    detector = made(name, backbone=backbone, backbone_arguments=arguments).train()
    sum(one.sum() for one in losses(detector, pictures(), TWO).values()).backward()
    assert all(one.grad is not None for one in detector.parameters())
    assert [tap.stride for tap in detector.taps] == sorted(tap.stride for tap in detector.taps)
    with torch.no_grad():
        maps = detector.eval().maps(pictures())
        assert [tuple(one.shape[1:]) for one in maps] == [
            (tap.channels, 64 // tap.stride, 64 // tap.stride) for tap in detector.taps
        ]
        assert detector(pictures()).shape == (2, MOST, FOUND)


def test_a_stride_that_a_backbone_lacks_is_refused_with_those_that_it_has() -> None:
    with pytest.raises(NetworkError, match="only at 4, 8, 16, 32"):
        spec_of("retinanet", strides=[2, 4])
    with pytest.raises(NetworkError, match="no stages"):
        spec_of("fcos", backbone="vit_tiny", backbone_arguments={"patch": 16})


@pytest.mark.parametrize(
    ("backbone", "side", "positions"),
    [
        ("timm/convmixer_768_32", 224, "36 positions in place of 32: it strides otherwise"),
        ("inception_v3", 299, "45 positions in place of 48: it does without padding"),
        ("timm/inception_v3", 299, "45 positions in place of 48: it does without padding"),
        ("alexnet", 224, "31 positions in place of 32: it does without padding"),
        ("torchvision/squeezenet1_1", 224, "31 positions in place of 32: it does without padding"),
    ],
)
def test_a_body_whose_positions_lie_off_its_strides_is_refused(backbone: str, side: int, positions: str) -> None:
    with pytest.raises(NetworkError, match=f"its map at the stride 8 has {positions}") as raised:
        spec_of("fcos", side=side, backbone=backbone, backbone_arguments={}, strides=[8, 16])
    assert "padded" in str(raised.value.fix)


@pytest.mark.parametrize("side", [64, 100])
def test_a_border_rounded_down_is_no_want_of_padding(side: int) -> None:
    spec = spec_of("fcos", side=side, backbone="vgg11", backbone_arguments={}, strides=[8, 16])
    assert [tap.stride for tap in build(spec).taps] == [8, 16]


def test_maps_that_are_written_over_behind_are_copied_before() -> None:
    spec = spec_of("fcos", backbone="torchvision/densenet121", backbone_arguments={}, strides=[8, 16, 32])
    detector = build(spec).eval()
    assert [tap.altered for tap in detector.taps] == [False, False, True]
    seen = {}
    norm = detector.body.features.norm5
    norm.register_forward_hook(lambda _, __, output: seen.update(norm=output.clone()))
    with torch.no_grad():
        last = detector.maps(pictures())[-1]
    assert last.min() < 0
    assert torch.equal(last, seen["norm"])


@each
def test_rates_and_first_weights_are_the_body_s(name: str) -> None:
    spec = spec_of(name)
    found = regularised(spec, stochastic_depth=0.2, channel_dropout=0.1)
    assert found["body"] == regularised(spec["body"], stochastic_depth=0.2, channel_dropout=0.1)
    assert with_first_weights(spec, last_norm="one")["body"] != spec["body"]
    assert list(build(with_first_weights(spec, init="by_activation")).state_dict()) == list(build(spec).state_dict())
    build(found)
    with pytest.raises(NetworkError, match="no dense layer"):
        regularised(spec, dropout=0.2)


@each
def test_what_its_head_receives_is_not_kept_in_place_of_pictures(name: str) -> None:
    assert hindrance(build(spec_of(name)).eval()) == "its head takes several maps of each picture"


@each
def test_threads_do_not_mix_their_maps(name: str) -> None:
    detector = made(name).eval()
    images = [pictures(1) * scale for scale in (0.5, 1.0, 2.0)]
    with torch.no_grad():
        expected = [detector(one) for one in images]

    def find(one: Tensor) -> Tensor:
        with torch.no_grad():
            found: Tensor = detector(one)
            return found

    with ThreadPoolExecutor(3) as pool:
        found = list(pool.map(find, images * 3))
    assert all(torch.equal(one, expected[number % 3]) for number, one in enumerate(found))
