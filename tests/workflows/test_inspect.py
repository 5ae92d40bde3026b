"""The verbs behind `striate inspect` and `striate calc`, on families, files, modules and saved Models."""

from __future__ import annotations

import html
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import small_models
import torch
from PIL import Image
from torch import Tensor, nn

import striate as st
from striate.core.errors import NetworkError, UnknownName, UsageError
from striate.nets import profile_module


def test_a_family_by_the_contract() -> None:
    found = st.inspect("lenet5", height=32, channels=1, classes=10, batch=4).to_dict()
    assert {"parameters", "trainable", "macs", "memory", "layers"} <= set(found)
    assert (found["parameters"], found["trainable"], found["macs"]) == (61_706, 61_706, 416_520)
    assert {"name", "kind", "output", "parameters", "macs", "receptive_field"} <= set(found["layers"][0])
    (row,) = (one for one in found["layers"] if one["name"] == "c3")
    assert row["receptive_field"] == {"size": [14, 14], "stride": [2, 2], "offset": [0, 0]}
    assert found["memory"]["training"] > found["memory"]["inference"] > 4 * 61_706
    assert sum(one["activation_bytes"] for one in found["layers"]) > 0


def test_a_file_keeps_its_own_outputs(tmp_path: Path) -> None:
    path = tmp_path / "own.yaml"
    path.write_text("nodes: [{node: Conv, filters: 4}, {node: GlobalPool}, {node: Dense, units: 7, name: head}]\n")
    assert st.inspect(path, height=16, channels=1).to_dict()["layers"][-1]["output"] == [7]
    with pytest.raises(NetworkError, match="gives 7 outputs, the task needs 3"):
        st.inspect(path, height=16, channels=1, classes=3)
    with pytest.raises(NetworkError, match="does not exist"):
        st.inspect(tmp_path / "none.yaml")


class Branches(nn.Module):
    """Two ways and a shortcut, with a frozen layer."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.two = nn.Conv1d(2, 2, 3, padding=1), nn.Conv1d(2, 2, 5, padding=2)
        self.one.requires_grad_(False)

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([self.one(x) + x, self.two(x)], 1)


def test_a_file_of_edits_is_inspected(tmp_path: Path) -> None:
    path = tmp_path / "edited.yaml"
    path.write_text("base: unet\narguments: {width: 4, depth: 2}\nedits: [{edit: SwapActivation, kind: silu}]\n")
    found = st.inspect(path, height=16, channels=1, classes=2).to_dict()
    assert "SiLU" in {row["kind"] for row in found["layers"]}
    assert found["layers"][-1]["output"] == [2, 16, 16]


def test_layers_that_only_training_computes_have_no_output() -> None:
    found = st.inspect("googlenet_2014", height=64, classes=3).to_dict()
    idle = [row for row in found["layers"] if not row["output"]]
    assert {row["name"].split(".")[1] for row in idle} == {"auxiliary1", "auxiliary2"}
    assert sum(row["parameters"] for row in found["layers"]) == found["parameters"]


def test_any_module_with_its_branches_on_any_grid() -> None:
    module = Branches()
    profile = profile_module(module, (2, 9))
    steps = [step.name for step in profile.flow.steps]
    assert steps == ["input", "one", "add", "two", "cat"]
    assert {(edge.source, edge.target) for edge in profile.flow.edges} == {
        (0, 1),
        (1, 2),
        (0, 2),
        (0, 3),
        (2, 4),
        (3, 4),
    }
    assert {edge.shape for edge in profile.flow.edges} == {(2, 9)}
    assert (profile.parameters, profile.trainable) == (14 + 22, 22)


def test_a_module_through_the_api_stays_where_it_is() -> None:
    module = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(4 * 36, 2))
    found = st.inspect(module, height=8, batch=2)
    assert found.name == "Sequential"
    assert found.profile.layers[0].activation_bytes == 4 * 3 * 64
    assert module.training
    assert next(module.parameters()).device.type == "cpu"


def test_a_network_that_needs_numbers_is_inspected_with_memory() -> None:
    class Asking(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.dense = nn.Linear(3 * 16, 2)

        def forward(self, x: Tensor) -> Tensor:
            result: Tensor = self.dense(x.flatten(1) * (2.0 if x.sum().item() > 0 else 1.0))
            return result

    assert st.inspect(Asking(), height=4).profile.macs == 32 * 96


def test_a_saved_model_has_its_own_size(tmp_path: Path) -> None:
    small_models.small_model(tmp_path / "model")
    found = st.inspect(tmp_path / "model").to_dict()
    assert found["input"] == [3, 16, 16]
    assert found["layers"][-1]["output"] == [3]
    with pytest.raises(UsageError, match="trained with"):
        st.inspect(tmp_path / "model", height=32)
    assert st.gradcheck(tmp_path / "model", entries=2)["passed"]


def test_mistakes_are_said() -> None:
    with pytest.raises(UnknownName, match="did you mean 'resnet18'"):
        st.inspect("resnt18")
    with pytest.raises(UsageError, match="a batch of 0"):
        st.inspect("lenet5", batch=0)
    with pytest.raises(NetworkError, match="Conv2d does not take an input of 1×224×224"):
        st.inspect(nn.Conv2d(3, 4, 3), channels=1)
    with pytest.raises(NetworkError, match=r"layer \d+"):
        st.inspect("lenet5", height=8)


def pictures(folder: Path) -> Path:
    generator = np.random.default_rng(0)
    for name in ("cat", "dog"):
        (folder / name).mkdir(parents=True)
        for number in range(12):
            Image.fromarray(generator.integers(0, 256, (16, 16, 3), np.uint8)).save(folder / name / f"{number}.png")
    return folder


def test_gradients_are_checked_and_watched_on_data(tmp_path: Path) -> None:
    data = pictures(tmp_path / "data")
    where: dict[str, Any] = {"height": 16, "classes": 2, "data": data}
    found = st.gradcheck("compact", entries=1, **where)
    assert found["passed"]
    assert found["wrong"] == []
    assert "by the loss of the task classify" in found["about"]
    watched = st.gradients("compact", **where)
    assert watched["verdict"] == "steady"
    assert len(watched["layers"][0]["norms"]) == 5
    with pytest.raises(UsageError, match="needs 2 outputs, the network has 5"):
        st.gradcheck("compact", height=16, classes=5, data=data)


def test_the_diagram_is_one_page_that_loads_nothing(tmp_path: Path) -> None:
    hostile = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU())
    hostile.add_module("</script><b>", nn.Conv2d(4, 2, 3))
    st.inspect(hostile, height=12, html=tmp_path / "net.html")
    text = html.unescape((tmp_path / "net.html").read_text("utf-8"))
    assert "</script><b>" not in text
    assert "default-src 'none'" in text
    assert text.count("<script") == 2
    assert not [one for one in ("src=", "href=", "@import", "url(") if one in text.replace("url(#tip)", "")]
    assert "prefers-color-scheme:dark" in text
    assert "3×12×12" in text


def test_calc_through_the_api() -> None:
    assert st.calc("conv", 28, 3).to_dict()["output"] == [26]
    assert st.calc("conv", (224, 224), 7, stride=2, padding=3, channels=3, filters=64, bias=False).macs == 118_013_952


def test_signals_volumes_tokens_and_grids_are_inspected_by_their_whole_shape() -> None:
    for name, shape, outputs in (
        ("fcn1d", (2, 64), (5,)),
        ("compact", (1, 8, 8, 8), (5,)),
        ("textcnn", (12,), (5,)),
        ("unet", (1, 16, 16), (5, 16, 16)),
    ):
        found = st.inspect(name, input=shape, classes=5)
        assert found.shape == shape
        assert found.profile.layers[-1].output == outputs, name
        assert found.memory.training > 0
    with pytest.raises(UsageError, match="given twice"):
        st.inspect("compact", input=(1, 8, 8), channels=1)
    with pytest.raises(UsageError, match="cannot be"):
        st.inspect("compact", input=(1, 0, 8))


class Frozen(nn.Module):
    """Two layers, of which nothing is trained."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)).requires_grad_(False)

    def forward(self, x: Tensor) -> dict[str, Any]:
        return {"out": self.layers(x), "more": [x]}


@pytest.mark.parametrize(
    "module",
    [
        Frozen(),
        nn.Sequential(nn.MaxPool2d(2)),
        nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten()).double(),
        nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten()).bfloat16(),
    ],
    ids=["frozen, a dict", "no parameters", "float64", "bfloat16"],
)
def test_any_module_is_inspected(module: nn.Module) -> None:
    found = st.inspect(module, height=8, batch=2)
    assert found.profile.layers
    assert found.memory.training >= found.memory.inference > 0


def test_a_module_stays_as_it_was() -> None:
    module = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(4 * 36, 2)).train()
    module[1].eval()
    module(torch.randn(2, 3, 8, 8)).sum().backward()
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    gradients = [one.grad for one in module.parameters()]
    profile_module(module, (3, 8, 8))
    st.inspect(module, height=8)
    st.gradcheck(module, height=8, entries=1)
    st.gradients(module, height=8)
    assert all(torch.equal(before[name], tensor) for name, tensor in module.state_dict().items())
    assert [part.training for part in module] == [True, False, True, True]
    assert all(one.grad is kept for one, kept in zip(module.parameters(), gradients, strict=True))


def test_networks_of_tokens_are_checked_and_watched() -> None:
    assert st.gradcheck("textcnn", input=(9,), classes=2, entries=1)["passed"]
    assert st.gradients("textcnn", input=(9,), classes=2)["layers"]
    module = nn.Sequential(nn.Embedding(10, 3), nn.Flatten(), nn.Linear(15, 2))
    assert st.inspect(module, input=(5,)).profile.parameters == 62
    assert st.gradcheck(module, input=(5,), entries=1)["passed"]


@pytest.mark.parametrize("verb", [st.gradcheck, st.gradients])
def test_what_cannot_be_checked_is_said(verb: Any, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="read as pictures"):
        verb("fcn1d", input=(1, 32), classes=2, data=tmp_path)
    with pytest.raises(NetworkError, match="does not take an input of 3×9×9"):
        verb(nn.Sequential(nn.Flatten(), nn.Linear(5, 2)), height=9)
    with pytest.raises(UsageError, match="run it once"):
        verb(nn.Sequential(nn.Flatten(), nn.LazyLinear(2)), height=9)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"height": 0}, "height 0 cannot be"),
        ({"channels": -1}, "channels -1 cannot be"),
    ],
)
def test_sizes_that_cannot_be_are_refused(given: dict[str, int], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        st.inspect("compact", **given)  # type: ignore[arg-type]


def test_a_module_has_its_own_classes_and_one_side_is_both() -> None:
    with pytest.raises(UsageError, match="classes are of networks by name"):
        st.inspect(nn.Sequential(nn.Conv2d(3, 4, 3)), classes=7)
    assert st.inspect("compact", width=16).shape == (3, 16, 16)
    with pytest.raises(UsageError, match="prove nothing"):
        st.gradcheck("compact", height=16, entries=0)
