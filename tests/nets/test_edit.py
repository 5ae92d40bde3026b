"""Edits of networks as values: what changes, what stays, and which weights still fit."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from torch import nn

from striate.core.errors import NetworkError
from striate.nets import (
    FAMILIES,
    ChangeStage,
    ChangeStem,
    Conv,
    ConvBlockAttention,
    CutAfter,
    Dense,
    Dropout,
    Edit,
    Flatten,
    GlobalPool,
    GroupNorm,
    InsertAfterStages,
    Network,
    Node,
    ReplaceHead,
    Scale,
    SqueezeExcite,
    SwapActivation,
    SwapNorm,
    SwapPooling,
    Upsample,
    carry,
    edit,
    resolve,
    stages,
)
from striate.nets.node import named

SHAPE = (3, 32, 32)
EDITS: list[Edit] = [
    InsertAfterStages(SqueezeExcite(reduction=4)),
    InsertAfterStages(ConvBlockAttention(4)),
    SwapActivation("silu"),
    SwapNorm(GroupNorm(4)),
    SwapPooling("average"),
    ChangeStage(2, kernel_size=5),
    ChangeStage(3, dilation=2),
    ChangeStem(1, pool=False),
    Scale(width=0.5),
    Scale(depth=2),
    CutAfter(2),
    ReplaceHead((Dense(20), Dense(10, name="head"))),
]


def network(name: str = "resnet18", **arguments: object) -> Network:
    return FAMILIES.get(name)(10, **(arguments or {"width": 16}))


def kinds(one: Network, shape: tuple[int, ...] = SHAPE) -> list[str]:
    return [type(layer.node).__name__ for layer in one.layers(shape)]


@pytest.mark.parametrize("change", EDITS, ids=lambda change: type(change).__name__)
def test_an_edited_network_is_a_value_that_trains_and_keeps_what_fits(change: Edit, tmp_path: Path) -> None:
    before = network()
    plain = before.to_dict()
    after = edit(before, change)
    assert before.to_dict() == plain
    assert after != before
    after.to_file(tmp_path / "net.yaml")
    assert Network.from_file(tmp_path / "net.yaml") == after
    whole = after.with_head(10, SHAPE)
    old, new = before.build(SHAPE), whole.build(SHAPE)
    report = carry(old, new)
    assert {*report.kept, *report.new, *report.reshaped} == set(new.state_dict())
    assert {*report.kept, *report.dropped, *report.reshaped} == set(old.state_dict())
    assert report.kept
    for name in report.kept:
        assert torch.equal(new.state_dict()[name], old.state_dict()[name])
    loss = new(torch.randn(2, *SHAPE)).square().mean()
    loss.backward()
    assert all(one.grad is not None for one in new.parameters())
    assert report.describe().startswith(f"{len(report.kept)} tensors kept")


@pytest.mark.parametrize("name", ["googlenet", "densenet121", "mobilenet_v2", "efficientnet_b0", "vgg11_bn"])
def test_other_families_are_edited_alike(name: str) -> None:
    shape = (3, 64, 64)
    arguments = {"densenet121": {"growth": 8}, "vgg11_bn": {"width": 8, "units": 16}}.get(name, {"width": 0.25})
    before = network(name, **arguments)
    after = edit(before, InsertAfterStages(SqueezeExcite(4)), SwapActivation("gelu"))
    found = kinds(after, shape)
    assert found.count("SqueezeExcite") == kinds(before, shape).count("SqueezeExcite") + len(stages(before))
    assert {layer.node.kind for layer in after.layers(shape) if hasattr(layer.node, "kind") and layer.name.split(".")[-1].startswith("activation")} == {"gelu"}  # fmt: skip  # noqa: E501
    assert after.build(shape)(torch.randn(2, *shape)).shape == (2, 10)


def test_activations_of_one_kind_alone_are_swapped_and_gates_stay() -> None:
    before = network("mobilenet_v3_small", width=0.5)
    after = edit(before, SwapActivation("silu", of="relu"))
    modules = list(after.build((3, 32, 32)).modules())
    assert any(isinstance(one, nn.SiLU) for one in modules)
    assert any(isinstance(one, nn.Hardswish) for one in modules)
    assert any(isinstance(one, nn.Hardsigmoid) for one in modules)
    with pytest.raises(NetworkError, match="has no activations of kind tanh"):
        edit(before, SwapActivation("silu", of="tanh"))


def test_norms_keep_their_first_scale() -> None:
    after = edit(network(), SwapNorm(GroupNorm(4)))
    blocks = [layer.node for layer in after.layers(SHAPE) if layer.name.endswith("block1.norm2")]
    assert blocks
    assert all(isinstance(node, GroupNorm) and node.initial_scale == 0 for node in blocks)
    norms = {type(one).__name__ for one in after.build(SHAPE).modules() if "Norm" in type(one).__name__}
    assert norms == {"GroupNorm"}, "projections have norms too"
    with pytest.raises(NetworkError, match="has no norms"):
        edit(network("vgg11", width=8, units=16), SwapNorm(GroupNorm(4)))


def test_a_stage_keeps_its_sizes_under_other_kernels_and_dilations() -> None:
    before = network()
    for change in (
        ChangeStage(2, kernel_size=7),
        ChangeStage(2, dilation=3),
        ChangeStage(2, kernel_size=5, dilation=2),
    ):
        after = edit(before, change)
        assert [one.output for one in after.layers(SHAPE)] == [one.output for one in before.layers(SHAPE)]
    grouped = [
        layer.node.groups for layer in edit(before, ChangeStage(2, groups=4)).layers(SHAPE)
        if isinstance(layer.node, Conv) and layer.node.kernel_size == 3
    ]  # fmt: skip
    assert grouped.count(4) == 4


def test_width_and_depth_are_factors() -> None:
    before = network("resnet50", width=16)
    counts = [sum(one.numel() for one in edit(before, Scale(width=w)).build(SHAPE).parameters()) for w in (0.5, 2.0)]
    expected = [sum(one.numel() for one in network("resnet50", width=w).build(SHAPE).parameters()) for w in (8, 32)]
    assert counts == expected
    assert len(kinds(edit(before, Scale(depth=2)))) > 1.8 * len(kinds(before))


def test_a_cut_network_gets_a_head_and_a_smaller_stem_keeps_more_pixels() -> None:
    cut = edit(network(), CutAfter(2), ChangeStem(1, pool=False))
    assert cut.output_shape(SHAPE) == (32, 16, 16)
    assert cut.with_head(7, SHAPE).output_shape(SHAPE) == (7,)


def test_an_edited_file_is_a_model_of_the_command_line(tmp_path: Path) -> None:
    edit(network(), InsertAfterStages(SqueezeExcite(reduction=4)), ReplaceHead()).to_file(tmp_path / "mine.yaml")
    spec = resolve(str(tmp_path / "mine.yaml"), outputs=6, channels=1, height=28, width=28)
    assert spec["outputs"] == 6


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (ChangeStage(9, kernel_size=5), "has no stage 9"),
        (CutAfter(0), "has no stage 0"),
        (ChangeStem(2), "has a stride of 2 already"),
        (SwapPooling("max"), "has no pooling layers that this edit changes"),
        (SwapActivation("relu"), "has no activations that this edit changes"),
    ],
)
def test_an_edit_that_changes_nothing_is_refused(change: Edit, words: str) -> None:
    with pytest.raises(NetworkError, match=words):
        edit(network(), change)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: ChangeStage(1, kernel_size=4), "have no centre"),
        (lambda: ChangeStage(1), "changes nothing"),
        (lambda: ChangeStage(1, groups=0), "at least 1"),
        (lambda: ChangeStem(0), "at least 1"),
        (lambda: Scale(width=0.0), "above 0"),
        (lambda: SwapActivation("sillu"), "kind must be one of"),  # type: ignore[arg-type]
        (lambda: InsertAfterStages("SqueezeExcite"), "node must be a node"),  # type: ignore[arg-type]
        (lambda: CutAfter(True), "stage must be an integer"),
    ],
)
def test_an_edit_that_makes_no_sense_is_refused_when_it_is_made(make: Callable[[], Edit], words: str) -> None:
    with pytest.raises(NetworkError, match=words):
        make()


def test_a_network_without_stages_is_told_how_to_get_them() -> None:
    with pytest.raises(NetworkError, match="has no stages") as raised:
        edit(network("textcnn", units=8), CutAfter(1))
    assert raised.value.fix is not None
    assert "stage1" in raised.value.fix


NO_GRID = {"textcnn"}
"""Families none of whose parts gives channels on a grid: its branches end in the largest of each filter."""
GRIDS = {"textcnn": (56,), "fcn1d": (1, 128), "resnet1d": (1, 128), "inception_time": (1, 128), "wavenet": (1, 128)}


SMALLER = {"capsnet"}
"""Families with unpadded kernels wider than 5, which can be made no narrower at the same sizes."""


def shape_of(name: str) -> tuple[int, ...]:
    return (100, 1, 1) if name == "dcgan_generator" else GRIDS.get(name, (3, 224, 224))


@pytest.mark.parametrize("name", FAMILIES.names())
def test_every_family_takes_attention_behind_its_stages_and_ends_after_one(name: str) -> None:
    before, shape = FAMILIES.get(name)(10), shape_of(name)
    if name in NO_GRID:
        with pytest.raises(NetworkError, match="gives channels on a grid"):
            stages(before)
        return
    found, layers = stages(before), {one.name: one for one in before.layers(shape)}
    after = edit(before, InsertAfterStages(SqueezeExcite(4)))
    if not name.startswith("vit"):  # whose stage is of tokens, which these nodes do not take
        changed = after.layers(shape)
        put_in = [one for one in changed if one.name.endswith("_excite")]
        assert len(put_in) == len(found)
        assert all(len(one.input) == len(shape) for one in put_in)
        assert max(one.number for one in put_in) < next(one.number for one in changed if one.name == "head")
        assert set(layers) <= {one.name for one in changed}, "no other node is renamed"
    cut = edit(before, CutAfter(len(found)))
    assert cut.nodes == before.nodes[: found[-1].stop]
    assert "head" not in {node.name for node in cut.nodes}
    assert len(cut.output_shape(shape)) == (2 if name.startswith("vit") else len(shape))
    assert all(one.start >= last.stop for last, one in pairwise(found))


@pytest.mark.parametrize("name", FAMILIES.names())
def test_every_family_s_stages_take_other_kernels_and_dilations_at_the_same_sizes(name: str) -> None:
    before, shape, changed = FAMILIES.get(name)(10), shape_of(name), 0
    refused: list[str] = []
    for number in range(1, len(stages(before)) + 1) if name not in NO_GRID else ():
        for change in (ChangeStage(number, kernel_size=5), ChangeStage(number, dilation=2)):
            try:
                after = edit(before, change)
            except NetworkError as error:
                refused.append(error.message)
                continue
            changed += after != before
            assert [one.output for one in after.layers(shape)] == [one.output for one in before.layers(shape)]
    said = (
        f"edit 1 `ChangeStage`: the network '{name}' has no convolutions wider than 1",
        *(("edit 1 `ChangeStage`: `Conv(256, kernel_size=9)` is padded less",) if name in SMALLER else ()),
    )
    assert all(one.startswith(said) for one in refused)
    assert bool(changed) != (name in NO_GRID | {"dcgan_generator"} or name.startswith("vit"))


def test_stages_are_runs_of_nodes_on_one_grid() -> None:
    names = [name for name, _ in named(FAMILIES.get("alexnet")(10).nodes)]
    found = [[names[place] for place in places] for places in stages(FAMILIES.get("alexnet")(10))]
    assert found[0] == ["pool1", "conv2", "activation2"], "the first convolution strides: it is the stem"
    assert [one for one in found[1] if one.startswith("conv")] == ["conv3", "conv4", "conv5"]
    assert len(found) == 2
    blocks = [[node.name for node in FAMILIES.get("mobilenet_v1")(10).nodes[one.start : one.stop]] for one in stages(FAMILIES.get("mobilenet_v1")(10))]  # fmt: skip  # noqa: E501
    assert blocks == [["block1"], ["block2", "block3"], ["block4", "block5"], [f"block{n}" for n in range(6, 12)], ["block12", "block13"]]  # fmt: skip  # noqa: E501
    trimmed = Network("net", (Conv(4), Dropout(0.5), Conv(3, 1, name="head"), GlobalPool()))
    assert stages(trimmed) == [range(1)]


def test_averages_that_count_padding_become_maxima() -> None:
    before = FAMILIES.get("inception_v3")(10)
    after = edit(before, SwapPooling("max"))
    pools = [one.node for one in after.layers((3, 299, 299)) if type(one.node).__name__ == "Pool"]
    assert {(node.kind, node.count_padding) for node in pools} == {("max", False)}


@pytest.mark.parametrize(
    ("name", "nodes", "gives"),
    [
        ("squeezenet1_1", (), (7,)),
        ("capsnet", (Flatten(),), (7,)),
        ("dcgan_discriminator", (), (7,)),
        ("unet", (Conv(7, 1, name="head"),), (7, 224, 224)),
        ("fcn_resnet50", (Conv(7, 1, name="head"), Upsample(8)), (7, 224, 224)),
        ("deeplabv3_resnet50", (GlobalPool(), Dense(7, name="head")), (7,)),
        ("resnet18", (), (7,)),
    ],
)
def test_the_head_is_replaced_with_all_behind_it(name: str, nodes: tuple[Node, ...], gives: tuple[int, ...]) -> None:
    before, shape = FAMILIES.get(name)(10), shape_of(name)
    after = edit(before, ReplaceHead(nodes))
    whole = after if len(gives) > 1 else after.with_head(7, shape)
    assert whole.output_shape(shape) == gives
    place = next(place for place, node in enumerate(before.nodes) if node.name == "head")
    assert after.nodes == (*before.nodes[:place], *nodes)


def test_a_network_without_a_head_is_told_so() -> None:
    with pytest.raises(NetworkError, match="edit 2 `ReplaceHead`: no node of 'resnet18' is called 'head'"):
        edit(network(), CutAfter(2), ReplaceHead())


def deeper(name: str) -> bool:
    try:
        return edit(FAMILIES.get(name)(10), Scale(depth=2)) != FAMILIES.get(name)(10)
    except NetworkError as error:
        return "has no repetitions" not in error.message


def test_the_families_that_can_be_made_deeper_are_those_of_the_page() -> None:
    page = (Path(__file__).parents[2] / "docs" / "edit.md").read_text()
    part = next(one for one in page.split("\n\n") if one.startswith("Depth is of "))
    said = {name for name in FAMILIES.names() if f"`{name}`" in part}
    found = {name for name in FAMILIES.names() if deeper(name)}
    assert said == found


def test_a_deeper_mobilenet_keeps_the_names_of_its_blocks() -> None:
    before = network("mobilenet_v2", width=0.25)
    old, new = (one.build(SHAPE).state_dict() for one in (before, edit(before, Scale(depth=2))))
    assert {name for name in old if name not in new} == set()
    assert {name.rpartition(".block")[0] for name in new if name not in old} == {f"stage{n}" for n in range(1, 8)}
    assert "stage7.block2.conv1.weight" in new
