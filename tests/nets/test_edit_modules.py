"""Edits of libraries' networks, and of any module: what changes, what keeps its name and weights, what is refused."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from torch import nn
from torch.nn import functional

from striate.core.errors import NetworkError, UnknownName, UsageError, WeightsError
from striate.infer.ready import ForwardWay, made_ready
from striate.nets import (
    EDITS,
    FAMILIES,
    ChangeStage,
    ChangeStem,
    Conv,
    ConvBlockAttention,
    CutAfter,
    Dense,
    Edit,
    GroupNorm,
    InsertAfterStages,
    ReplaceHead,
    Scale,
    SqueezeExcite,
    SwapActivation,
    SwapNorm,
    SwapPooling,
    Weights,
    build,
    edit,
    head_name,
    hub_network,
    load_weights,
    profile,
    resolve,
    translated,
)
from striate.nets.edits import edits_from_plain
from striate.nets.libraries import build_library
from striate.nets.surgery import module_stages

SIZE = 64
SHAPE = (3, SIZE, SIZE)
CHANGES: list[Edit] = [
    InsertAfterStages(SqueezeExcite(reduction=4)),
    InsertAfterStages(ConvBlockAttention(4)),
    SwapActivation("elu"),
    SwapNorm(GroupNorm(4)),
    SwapPooling("average"),
    ChangeStage(2, kernel_size=5),
    ChangeStage(2, dilation=2),
    ChangeStem(1, pool=False),
    CutAfter(2),
    ReplaceHead((Dense(20), Dense(10, name="head"))),
]
GRIDS = {
    "torchvision/resnet18": [16, 8, 4, 2],
    "torchvision/resnet50": [16, 8, 4, 2],
    "torchvision/vgg11_bn": [64, 32, 16, 8, 4],
    "torchvision/mobilenet_v2": [32, 16, 8, 4, 2],
    "torchvision/mobilenet_v3_small": [16, 8, 4, 2],
    "torchvision/efficientnet_b0": [32, 16, 8, 4, 2],
    "torchvision/densenet121": [16, 8, 4, 2],
    "torchvision/convnext_tiny": [16, 8, 4, 2],
    "torchvision/regnet_y_400mf": [16, 8, 4, 2],
    "timm/resnet18": [16, 8, 4, 2],
    "timm/mobilenetv3_small_050": [16, 8, 4, 2],
    "timm/convnext_atto": [16, 8, 4, 2],
}


def made(name: str = "torchvision/resnet18", outputs: int = 10) -> nn.Module:
    torch.manual_seed(0)
    return build_library(name, {}, outputs=outputs, channels=3, height=SIZE, width=SIZE)


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: type(change).__name__)
@pytest.mark.parametrize("name", ["torchvision/resnet18", "timm/resnet18"])
def test_a_copy_is_changed_trains_and_keeps_the_names_and_weights_of_what_stays(name: str, change: Edit) -> None:
    before = made(name)
    state = {key: one.clone() for key, one in before.state_dict().items()}
    after = edit(before, change, shape=SHAPE)
    assert {key: one.shape for key, one in before.state_dict().items()} == {
        key: one.shape for key, one in state.items()
    }
    assert all(torch.equal(one, state[key]) for key, one in before.state_dict().items())
    kept = [key for key, one in after.state_dict().items() if key in state and one.shape == state[key].shape]
    assert len(kept) > 20
    unchanged = [key for key in kept if torch.equal(after.state_dict()[key], state[key])]
    assert len(unchanged) >= len(kept) - 20
    outputs = after.train()(torch.randn(2, *SHAPE))
    assert outputs.shape == (2, 10)
    outputs.square().mean().backward()
    assert all(one.grad is not None for one in after.parameters())
    assert repr(after) != repr(before)
    assert head_name(after)


@pytest.mark.parametrize("name", GRIDS)
def test_stages_are_where_the_grid_halves(name: str) -> None:
    with torch.device("cpu" if "regnet" in name else "meta"):  # it reads numbers back while it is made
        module = made(name)
    assert [one.output[1] for one in module_stages(module, SHAPE)] == GRIDS[name]


def test_attention_behind_each_stage_is_applied_to_its_output() -> None:
    before = made().eval()
    after = edit(before, InsertAfterStages(SqueezeExcite(reduction=4)), shape=SHAPE).eval()
    assert [name for name, _ in after.layer3.named_children()] == ["0", "1", "1_excite"]
    x = torch.randn(2, *SHAPE)
    stem = nn.Sequential(before.conv1, before.bn1, before.relu, before.maxpool)(x)
    for number in range(1, 5):
        stem = after.get_submodule(f"layer{number}.1_excite")(before.get_submodule(f"layer{number}")(stem))
    assert torch.allclose(after(x), before.fc(stem.mean((2, 3))), atol=1e-5)


def test_where_a_stage_stands_in_no_list_one_is_made() -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first = nn.Conv2d(3, 8, 3, padding=1)
            self.second = nn.Conv2d(8, 8, 3, stride=2, padding=1)
            self.head = nn.Linear(8, 4)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.head(self.second(functional.relu(self.first(x))).mean((2, 3)))

    before = Net()
    after = edit(before, InsertAfterStages(SqueezeExcite(reduction=2)), shape=(3, 8, 8))
    x = torch.randn(2, 3, 8, 8)
    inner = after.first.excite(before.first(x))
    expected = before.head(after.second.excite(before.second(functional.relu(inner))).mean((2, 3)))
    assert torch.allclose(after(x), expected, atol=1e-6)
    report = load_weights(copy.deepcopy(after), Weights(before.state_dict(), None, "file"), head="head", edited=True)
    assert report.loaded == len(before.state_dict())
    twice = edit(after, InsertAfterStages(SqueezeExcite(reduction=2)), shape=(3, 8, 8))
    assert [name for name, _ in twice.first.named_children()] == ["before", "excite", "excite_excite"]
    assert sum(type(one).__name__ == "Excitation" for one in twice.modules()) == 4


@pytest.mark.parametrize("name", ["timm/efficientnet_b0", "torchvision/regnet_y_400mf"])
def test_what_was_put_in_is_part_of_predictions(name: str) -> None:
    network = edit(made(name), InsertAfterStages(SqueezeExcite(reduction=4)), shape=SHAPE).eval()
    with torch.no_grad():
        for one in network.modules():
            if type(one).__name__ == "Excitation":
                for parameter in one.parameters():
                    parameter.normal_(0, 0.5)
        x = torch.randn(2, *SHAPE)
        expected = network(x)
        ready = made_ready(network, ForwardWay("float32", True), SHAPE)
        assert torch.allclose(ready(x), expected, atol=1e-3 * expected.abs().max().item())
        assert torch.allclose(copy.deepcopy(network)(x), expected, atol=1e-6)


@pytest.mark.parametrize(
    "then",
    [
        InsertAfterStages(SqueezeExcite(reduction=4)),
        SwapActivation("silu"),
        SwapNorm(GroupNorm(4)),
        ChangeStage(3, kernel_size=5),
        ChangeStem(1),
        ReplaceHead(),
    ],
    ids=lambda change: type(change).__name__,
)
def test_a_cut_network_is_edited_as_any_other(then: Edit) -> None:
    cut = edit(made(), CutAfter(3), shape=SHAPE)
    assert len(module_stages(cut, SHAPE)) == 3
    after = edit(cut, then, shape=SHAPE)
    other = edit(made(), then, shape=SHAPE)
    kinds = (nn.SiLU, nn.GroupNorm)
    for number in (1, 2, 3):
        inner = [list(net.get_submodule(f"layer{number}").modules()) for net in (after, other)]
        counts = [sum(isinstance(one, kinds) or type(one).__name__ == "Excitation" for one in found) for found in inner]
        assert counts[0] == counts[1]
    after(torch.randn(2, *SHAPE)).sum().backward()
    assert all(one.grad is not None for one in after.parameters())


def test_a_dilation_leaves_the_weights_and_sizes_what_they_are() -> None:
    before = made()
    after = edit(before, ChangeStage(3, dilation=2), shape=SHAPE)
    assert after.layer3[1].conv1.dilation == (2, 2)
    assert after.layer3[1].conv1.padding == (2, 2)
    assert after.layer2[1].conv1.dilation == (1, 1)
    assert torch.equal(after.layer3[1].conv1.weight, before.layer3[1].conv1.weight)
    images = torch.randn(2, 128, 8, 8)
    assert after.layer3(images).shape == before.layer3(images).shape
    grouped = edit(made(), ChangeStage(2, groups=4), shape=SHAPE)
    assert {one.groups for one in grouped.layer2.modules() if isinstance(one, nn.Conv2d)} == {1, 4}
    depthwise = edit(made("torchvision/mobilenet_v2"), ChangeStage(3, kernel_size=5), shape=SHAPE)
    found = [one for one in depthwise.features[4:7].modules() if isinstance(one, nn.Conv2d) and one.groups > 1]
    assert {one.kernel_size for one in found} == {(5, 5)}
    assert all(one.groups == one.in_channels for one in found)


def test_gates_and_attention_keep_their_activations() -> None:
    after = edit(made("torchvision/mobilenet_v3_small"), SwapActivation("silu"), shape=SHAPE)
    kinds = {type(one).__name__ for one in after.modules()}
    assert {"SiLU", "Hardsigmoid"} <= kinds
    assert "Hardswish" not in kinds
    inner = [one for one in after.modules() if type(one).__name__ == "SqueezeExcitation"]
    assert inner
    assert all(isinstance(one.activation, nn.ReLU) for one in inner)
    only = edit(made("torchvision/mobilenet_v3_small"), SwapActivation("silu", of="hard_swish"), shape=SHAPE)
    assert any(isinstance(one, nn.ReLU) for one in only.features.modules())


def test_norms_of_timm_keep_what_they_do_besides() -> None:
    before = made("timm/mobilenetv3_small_050")
    after = edit(before, SwapNorm(GroupNorm(4)), shape=SHAPE)
    assert not any(isinstance(one, nn.BatchNorm2d) for one in after.modules())
    acts = sum(type(one).__name__ in ("Hardswish", "ReLU") for one in before.modules())
    assert sum(type(one).__name__ in ("Hardswish", "ReLU") for one in after.modules()) == acts
    with pytest.raises(NetworkError, match=r"edit 1 `SwapNorm`: its norm .*groups"):
        edit(before, SwapNorm(GroupNorm(7)), shape=SHAPE)


def test_a_cut_network_ends_in_the_stage_and_keeps_its_names() -> None:
    before = made("timm/mobilenetv3_small_050").eval()
    after = edit(before, CutAfter(2), shape=SHAPE).eval()
    assert set(after.state_dict()) - {"head.weight", "head.bias"} < set(before.state_dict())
    x = torch.randn(2, *SHAPE)
    stage = module_stages(before, SHAPE)[1]
    seen: list[torch.Tensor] = []
    before.get_submodule(stage.parts[-1]).register_forward_hook(lambda _, __, output: seen.append(output))
    before(x)
    assert torch.allclose(after(x), after.head(seen[0].mean((2, 3))), atol=1e-5)


@pytest.mark.parametrize(
    ("name", "change", "words"),
    [
        ("torchvision/googlenet", SwapActivation("silu"), "calls relu as functions, 57 times"),
        ("torchvision/inception_v3", SwapPooling("max"), "calls avg_pool2d as a function"),
        ("torchvision/resnet18", SwapPooling("max"), "has no pooling layers that this edit changes"),
        ("torchvision/resnet18", SwapActivation("silu", of="tanh"), "has no activations of kind tanh"),
        ("torchvision/resnet18", Scale(width=0.5), "fixed when its library builds it"),
        ("torchvision/resnet18", ChangeStage(5, kernel_size=3), "has no stage 5"),
        ("torchvision/resnet18", ChangeStage(2, groups=3), "3 groups do not divide"),
        ("torchvision/resnet18", ChangeStem(2), "has a stride of 2 already"),
        ("torchvision/resnet18", InsertAfterStages(Conv(8)), "does not keep the shape"),
        ("torchvision/inception_v3", ChangeStage(1, kernel_size=1), "padded less"),
        ("torchvision/densenet121", SwapPooling("max", whole=True), "calls adaptive_avg_pool2d as a function"),
        ("torchvision/squeezenet1_1", SwapActivation("silu"), None),
        ("timm/resnet18", SwapPooling("max", whole=True), None),
        ("torchvision/vgg11", ChangeStem(1, pool=False), None),
        ("torchvision/mobilenet_v2", ChangeStem(1, pool=False), "has no pooling layer"),
        ("torchvision/vit_b_16", InsertAfterStages(SqueezeExcite()), "no stages are found"),
        ("torchvision/vit_b_16", SwapNorm(GroupNorm(4)), "has no norms of channels"),
        ("torchvision/swin_t", CutAfter(1), "no stages are found"),
    ],
)
def test_what_cannot_be_changed_is_refused(name: str, change: Edit, words: str | None) -> None:
    size = 224 if "vit" in name else 96
    module = build_library(name, {}, outputs=10, channels=3, height=size, width=size)
    if words is None:
        edit(module, change, shape=(3, size, size))
        return
    with pytest.raises(NetworkError, match=words):
        edit(module, change, shape=(3, size, size))


def test_a_module_needs_a_shape_and_a_network_of_nodes_none() -> None:
    with pytest.raises(UsageError, match="shape"):
        edit(made(), ReplaceHead())  # type: ignore[call-overload]
    with pytest.raises(UsageError, match="leave shape out"):
        edit(FAMILIES.get("resnet18")(10), ReplaceHead(), shape=SHAPE)  # type: ignore[call-overload]


def test_a_size_that_the_network_does_not_take_is_said_with_one_that_it_does(tmp_path: Path) -> None:
    path = written(tmp_path, {"base": "torchvision/inception_v3", "edits": FILE["edits"][:1]})
    with pytest.raises(NetworkError, match="does not take an input of 3×32×32") as raised:
        resolve(path, outputs=5, channels=3, height=32, width=32)
    assert "nearest multiple of 32 that it takes is 96 px" in str(raised.value.fix)


@pytest.mark.parametrize(
    "function",
    [
        lambda net, x: functional.relu(net.second(functional.relu(x).mean((2, 3)))),  # a grid and a vector
        lambda net, x: torch.tanh(functional.relu(input=net.second(net.act(x).mean((2, 3))))),
        lambda net, x: net.second(net.act(x).mean((2, 3))).relu_(),
    ],
)
def test_an_activation_called_as_a_function_is_refused_wherever_it_stands(function: Any) -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.act, self.second = nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Linear(8, 4)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            found: torch.Tensor = function(self, self.first(x))
            return found

    with pytest.raises(NetworkError, match="calls relu as functions"):
        edit(Net(), SwapActivation("silu"), shape=(3, 8, 8))


def test_a_gate_called_as_a_function_is_refused_where_it_is_asked_for() -> None:
    class Net(nn.Sequential):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.sigmoid(super().forward(x))

    net = Net(nn.Conv2d(3, 8, 3), nn.Sigmoid(), nn.ReLU())
    assert isinstance(edit(net, SwapActivation("silu"), shape=(3, 8, 8))[2], nn.SiLU)
    with pytest.raises(NetworkError, match="calls sigmoid as functions"):
        edit(net, SwapActivation("hard_sigmoid", of="sigmoid"), shape=(3, 8, 8))


def test_edits_leave_each_part_in_its_mode() -> None:
    module = made().train()
    module.layer1.eval()
    for change in (CutAfter(2), InsertAfterStages(SqueezeExcite(reduction=4)), SwapActivation("silu")):
        after = edit(module, change, shape=SHAPE)
        assert after.training
        assert not after.get_submodule("layer1.0.bn1").training
        assert after.get_submodule("layer2.0.bn1").training


def test_what_does_something_else_in_training_is_not_cut() -> None:
    class Dropping(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = made("torchvision/mobilenet_v2").features
            self.head = nn.Linear(1280, 4)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.head(functional.dropout(self.inner(x), 0.2, self.training).mean((2, 3)))

    class Late(Dropping):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            if self.training:
                x = x + 1
            return super().forward(x)

    with pytest.raises(NetworkError, match="something else in training"):
        edit(Late(), CutAfter(2), shape=SHAPE)


FILE = {
    "base": "torchvision/resnet18",
    "edits": [
        {"edit": "InsertAfterStages", "node": {"node": "SqueezeExcite", "reduction": 4}},
        {"edit": "SwapActivation", "kind": "silu"},
        {"edit": "ChangeStem", "stride": 1, "pool": False},
    ],
}


def written(tmp_path: Path, content: Any, name: str = "mine.yaml") -> str:
    (tmp_path / name).write_text(yaml.safe_dump(content))
    return str(tmp_path / name)


@pytest.mark.parametrize("base", ["torchvision/resnet18", "resnet18"])
def test_a_file_of_edits_is_a_network(tmp_path: Path, base: str) -> None:
    path = written(tmp_path, {**FILE, "base": base})
    spec = resolve(path, outputs=5, channels=1, height=32, width=32)
    assert json.loads(json.dumps(spec)) == spec
    assert [one["edit"] for one in spec["edits"]] == ["InsertAfterStages", "SwapActivation", "ChangeStem"]
    torch.manual_seed(1)
    first = build(spec)
    torch.manual_seed(1)
    second = build(json.loads(json.dumps(spec)))
    assert all(torch.equal(one, two) for one, two in zip(first.parameters(), second.parameters(), strict=True))
    assert first(torch.randn(2, 1, 32, 32)).shape == (2, 5)
    assert profile(spec).parameters == sum(one.numel() for one in first.parameters())
    assert any(isinstance(one, nn.SiLU) for one in first.modules())
    (tmp_path / "model.json").write_text(json.dumps({"striate_model": 1, "network": spec}))
    again = resolve(str(tmp_path / "model.json"), outputs=7, channels=1, height=32, width=32)
    assert build(again)(torch.randn(2, 1, 32, 32)).shape == (2, 7)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"edits": []}, "is not a list of edits"),
        ({"edits": [{"edit": "SwapActivatin", "kind": "silu"}]}, "did you mean 'SwapActivation'"),
        ({"edits": [{"edit": "SwapActivation", "kin": "silu"}]}, "no argument 'kin'; did you mean 'kind'"),
        ({"edits": [{"edit": "SwapActivation", "kind": "sillu"}]}, "kind must be one of"),
        ({"edits": [{"edit": "SwapActivation"}]}, "kind must be given"),
        ({"edits": ["SwapActivation"]}, "edit 1 is not an edit"),
        ({"edits": [{"edit": "InsertAfterStages", "node": {"node": "Squeeze"}}]}, "edit 1, node: there is no node"),
        ({"edits": [{"edit": "CutAfter", "stage": 9}]}, "has no stage 9"),
        ({"edit": []}, "no 'edit'; did you mean 'edits'"),
        ({"base": "torchvision/resnet19"}, "did you mean 'resnet18'"),
        ({"base": 3}, "`base` must be"),
        ({"base": "other.yaml"}, "`base` must be"),
        ({"arguments": [1]}, "must be a mapping"),
        ({"arguments": {"widht": 2}}, "widht"),
    ],
)
def test_a_file_that_is_wrong_says_where(tmp_path: Path, change: dict[str, Any], words: str) -> None:
    path = written(tmp_path, {**FILE, **change})
    with pytest.raises((NetworkError, UnknownName), match=words):
        resolve(path, outputs=5, channels=3, height=64, width=64)


SIDECAR = {
    "network": "torchvision/resnet18",
    "arguments": {},
    "preprocessing": {"mean": [0.5] * 3, "std": [0.5] * 3, "size": 64, "crop_pct": 1.0, "interpolation": "bilinear"},
    "classes": 10,
}


@pytest.mark.parametrize("base", ["torchvision/resnet18", "resnet18"])
def test_weights_of_the_network_before_its_edits_load_and_the_rest_is_named(tmp_path: Path, base: str) -> None:
    path = written(tmp_path, {**FILE, "base": base})
    given = Weights(dict(made().state_dict()), SIDECAR, "file")
    network = build(resolve(path, outputs=4, channels=3, height=64, width=64))
    report = load_weights(network, translated(given, path, {}), head=head_name(network), edited=True)
    assert hub_network(path, {}) == ("torchvision/resnet18", {})
    said = report.describe()
    assert all(name in said for name in report.reinitialised[:12])
    assert len(report.reinitialised) <= 12 or f"and {len(report.reinitialised) - 12} more" in said
    own = network.state_dict()
    assert report.loaded == len(given.tensors) - 2
    assert set(report.reinitialised) == {name for name in own if "excite" in name or name.startswith(("fc", "head"))}
    head = "fc" if base.startswith("torch") else "head"
    assert f"new: {'layer1.1_excite' if head == 'fc' else 'stage1_excite'}" in report.describe()
    stem = next(name for name in own if name.endswith("conv1.weight"))
    assert torch.equal(own[stem], given.tensors["conv1.weight"])


def test_a_handful_of_tensors_that_fit_is_too_few(tmp_path: Path) -> None:
    path = written(tmp_path, {"base": "resnet18", "edits": [{"edit": "Scale", "width": 2.0}]})
    network = build(resolve(path, outputs=4, channels=3, height=64, width=64))
    given = translated(Weights(dict(made().state_dict()), SIDECAR, "file"), path, {})
    with pytest.raises(WeightsError, match="of this network, its head aside, fit file: too few"):
        load_weights(network, given, head=head_name(network), edited=True)


def test_weights_of_another_network_are_refused_though_tensors_fit(tmp_path: Path) -> None:
    path = written(tmp_path, FILE)
    for sidecar in (
        {**SIDECAR, "network": "torchvision/resnet34"},
        {**SIDECAR, "arguments": {"zero_init_residual": True}},
    ):
        with pytest.raises(WeightsError, match="and the edits change torchvision/resnet18"):
            translated(Weights(dict(made().state_dict()), sidecar, "file"), path, {})
    network = build(resolve(path, outputs=4, channels=3, height=64, width=64))
    with pytest.raises(WeightsError, match="fit file: too few"):
        load_weights(network, Weights({"a": torch.zeros(1)}, None, "file"), head="fc", edited=True)


def test_every_edit_is_plain_and_back() -> None:
    changes = [*CHANGES, Scale(2.0)]
    assert {type(one).__name__ for one in changes} == set(EDITS.names())
    plain = json.loads(json.dumps([one.to_dict() for one in changes]))
    assert list(edits_from_plain(plain)) == changes


def test_attention_goes_ahead_of_a_head_that_is_a_convolution() -> None:
    before = build_library("torchvision/squeezenet1_1", {}, outputs=9, channels=3, height=SIZE, width=SIZE)
    found = module_stages(before, SHAPE)
    assert found[-1].parts[-1] == "features.12"
    assert found[-1].output == (512, 3, 3)
    after = edit(before, InsertAfterStages(SqueezeExcite()), shape=SHAPE)
    assert [name for name, _ in after.get_submodule("classifier").named_children()] == ["0", "1", "2", "3"]
    assert "12_excite" in dict(after.get_submodule("features").named_children())
    assert after(torch.randn(2, *SHAPE)).shape == (2, 9)


def test_a_head_that_is_a_convolution_is_drawn_anew_and_takes_no_other_nodes() -> None:
    before = build_library("torchvision/squeezenet1_1", {}, outputs=9, channels=3, height=SIZE, width=SIZE)
    after = edit(before, ReplaceHead(), shape=SHAPE)
    same = [name for name, one in after.state_dict().items() if torch.equal(one, before.state_dict()[name])]
    assert set(before.state_dict()) - set(same) == {"classifier.1.weight", "classifier.1.bias"}
    with pytest.raises(NetworkError, match=r"the head classifier\.1 of SqueezeNet is no dense layer"):
        edit(before, ReplaceHead((Dense(9),)), shape=SHAPE)
