"""From names to networks: families, files, misspelt names, sizes that do not fit."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from striate.core.errors import NetworkError, UnknownName, UsageError
from striate.nets import build, resolve, resolve_shape
from striate.nets.spec import checked


def named(name: str, size: int = 32, outputs: int = 5, channels: int = 3, **arguments: Any) -> dict[str, Any]:
    return resolve(name, outputs=outputs, channels=channels, height=size, width=size, arguments=arguments)


def test_a_spec_is_json_and_rebuilds_the_same_network() -> None:
    spec = named("compact", width=4)
    again = json.loads(json.dumps(spec))
    assert again == spec
    torch.manual_seed(3)
    first = build(spec)
    torch.manual_seed(3)
    second = build(again)
    for (name, one), (other, two) in zip(first.state_dict().items(), second.state_dict().items(), strict=True):
        assert name == other
        assert torch.equal(one, two)
    torch.manual_seed(4)
    assert not torch.equal(build(spec).state_dict()["head.weight"], first.state_dict()["head.weight"])


def test_resolving_and_counting_leave_the_random_state_alone() -> None:
    torch.manual_seed(0)
    before = torch.get_rng_state()
    checked(named("compact", width=4))
    checked(named("torchvision/squeezenet1_1"))
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("compct", "there is no network 'compct'; did you mean 'compact'?"),
        ("resnet500", "did you mean 'resnet50'?"),
        ("tim/resnet18", "there is no library of networks 'tim'; did you mean 'timm'?"),
        ("timm/mobilenetv2_10", "there is no network in timm 'mobilenetv2_10'; did you mean 'mobilenetv2_1"),
        ("torchvision/resnet19", "there is no network in torchvision 'resnet19'; did you mean 'resnet18'?"),
    ],
)
def test_misspelt_networks_get_the_nearest_name(name: str, words: str) -> None:
    with pytest.raises(UnknownName, match=re.escape(words)):
        named(name)


@pytest.mark.parametrize(
    ("name", "arguments", "words"),
    [
        ("compact", {"widht": 8}, "there is no argument of compact 'widht'; did you mean 'width'?"),
        ("resnet18", {"depth": 8}, "there is no argument of resnet18 'depth'"),
        ("timm/mobilenetv2_100", {"pad_tipe": "same"}, "'pad_tipe'; did you mean 'pad_type'?"),
        ("timm/mobilenetv2_100", {"drop_ratte": 0.1}, "did you mean 'drop_rate'?"),
        ("timm/vit_tiny_patch16_224", {"depht": 2}, "did you mean 'depth'?"),
        ("torchvision/squeezenet1_0", {"drpout": 0.1}, "did you mean 'dropout'?"),
    ],
)
def test_misspelt_arguments_get_the_nearest_name(name: str, arguments: dict[str, Any], words: str) -> None:
    with pytest.raises(UnknownName, match=re.escape(words)):
        named(name, **arguments)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"width": "8"}, "filters must be an integer"),
        ({"blocks": 3}, "compact cannot be made with"),
        ({"blocks": []}, "at least one stage"),
        ({"blocks": [1, 0]}, "count must be at least 1"),
        ({"stem_stride": 0}, "stride must be at least 1"),
        ({"pool": "avg"}, "did you mean 'average'"),
        ({"dropout": 1.5}, "rate must lie in"),
    ],
)
def test_arguments_of_the_wrong_kind_are_refused(arguments: dict[str, Any], words: str) -> None:
    with pytest.raises(NetworkError, match=re.escape(words)):
        named("compact", **arguments)


def test_a_size_that_leaves_nothing_is_refused_with_the_layer() -> None:
    with pytest.raises(NetworkError, match=re.escape("layer 4 `Conv(16, kernel_size=5")) as raised:
        named("lenet5", size=8, channels=1)
    assert "receives 6×2×2 from layer 3 `Pool`" in raised.value.message
    for size in ((0, 8), (8, -1)):
        with pytest.raises(NetworkError, match="cannot be"):
            resolve("plain", outputs=2, channels=1, height=size[0], width=size[1])


def test_a_size_that_a_library_s_network_cannot_take_is_refused_with_the_layer_and_the_nearest() -> None:
    with pytest.raises(NetworkError, match=r"features\.20 \(`MaxPool2d`\), which receives 512×1×1") as raised:
        named("torchvision/vgg11", size=16)
    assert raised.value.fix == "the nearest multiple of 32 that it takes is 32 px"


def test_a_file_takes_no_arguments_and_must_exist(tmp_path: Path) -> None:
    with pytest.raises(NetworkError, match="does not exist"):
        named(str(tmp_path / "none.yaml"))
    with pytest.raises(UsageError, match="takes no arguments"):
        named(str(tmp_path / "none.yaml"), width=3)


@pytest.mark.parametrize(
    "spec",
    [
        {},
        {"kind": "nodes"},
        {"kind": "pickle", "name": "a"},
        {**named("compact", width=4), "extra": 1},
        {key: value for key, value in named("compact", width=4).items() if key != "outputs"},
        {**named("compact", width=4), "outputs": 6},
    ],
)
def test_what_is_no_spec_is_refused(spec: dict[str, Any]) -> None:
    with pytest.raises(NetworkError):
        build(spec)


def test_the_description_of_a_model_is_a_network_file(tmp_path: Path) -> None:
    path = tmp_path / "model.json"
    path.write_text(json.dumps({"striate_model": 1, "network": named("compact", width=4)}))
    spec = named(str(path), size=24, outputs=9)
    assert (spec["input"], spec["outputs"]) == ([3, 24, 24], 9)
    assert build(spec)(torch.zeros(2, 3, 24, 24)).shape == (2, 9)
    path.write_text(json.dumps({"striate_model": 1, "network": named("torchvision/squeezenet1_1", dropout=0.2)}))
    assert named(str(path))["arguments"] == {"dropout": 0.2}
    path.write_text(json.dumps({"striate_model": 1, "network": [1]}))
    with pytest.raises(NetworkError, match="holds no network"):
        named(str(path))


def test_importing_and_using_our_own_networks_imports_no_library() -> None:
    code = (
        "import sys\n"
        "import striate.nets as nets\n"
        "nets.FAMILIES.names(), nets.NODES.names()\n"
        "spec = nets.resolve('compact', outputs=2, channels=1, height=8, width=8)\n"
        "nets.profile(spec)\n"
        "print(sorted({'timm', 'torchvision'} & set(sys.modules)))"
    )
    child = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert child.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("name", "shape", "grid", "words"),
    [
        ("alexnet", (3, 32, 32), False, "the nearest size that it takes is 63"),
        ("unet", (1, 100, 100), True, "the nearest sizes that it takes are 96 and 112"),
        ("vit_tiny", (3, 100, 100), False, "the nearest that it takes are 96×96"),
        ("inception_v3", (3, 32, 32), False, "the nearest size that it takes is 75"),
    ],
)
def test_a_size_that_a_family_does_not_take_is_refused_with_the_nearest_that_it_does(
    name: str, shape: tuple[int, ...], grid: bool, words: str
) -> None:
    with pytest.raises(NetworkError) as raised:
        resolve_shape(name, shape, outputs=3, form="grid" if grid else "row")
    assert raised.value.fix is not None
    assert raised.value.fix.count("nearest") == 1
    assert words in raised.value.fix


def test_outputs_of_each_position_are_not_those_of_a_sample() -> None:
    with pytest.raises(NetworkError, match="unet gives a grid of outputs, and outputs for each sample are needed"):
        resolve_shape("unet", (3, 32, 32), outputs=2)
    with pytest.raises(NetworkError, match="resnet18 gives one row a sample, and outputs for each position"):
        resolve_shape("resnet18", (3, 32, 32), outputs=2, form="grid")
    with pytest.raises(NetworkError, match="takes pictures"):
        resolve_shape("timm/resnet18", (3, 32), outputs=2)


def test_too_few_tokens_are_told_how_many_are_enough() -> None:
    with pytest.raises(NetworkError) as raised:
        resolve_shape("textcnn", (3,), outputs=2)
    assert raised.value.fix is not None
    assert raised.value.fix.endswith("the nearest size that it takes is 5")
