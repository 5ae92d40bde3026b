"""Weights of classifiers in the body of a detector, and of detectors in detectors."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import timm
import torch

from striate.core.errors import WeightsError
from striate.core.plan import Decision
from striate.nets import Weights, head_name, hub_network, load_weights, match_weights, read_weights, translated
from striate.nets.spec import build, checked, resolve
from striate.workflows.fitting import answering, check_at_once, check_fit
from tests.nets.detectors.made import SMALL, made, pictures, spec_of

FILE = Path(os.environ.get("STRIATE_DATA", ".")) / "weights" / "mobilenetv2_100_padsame_mean0.5.safetensors"
MOBILE = {"backbone": "timm/mobilenetv2_100", "backbone_arguments": {"pad_type": "same"}}


def of(module: torch.nn.Module, classes: list[str] | int = 3, task: str = "detect") -> Weights:
    """The weights of a module, with nothing said but its classes."""
    sidecar: Any = {"network": "?", "arguments": {}, "classes": classes}
    return Weights(dict(module.state_dict()), sidecar, "here", task)


@pytest.mark.parametrize("name", sorted(SMALL))
def test_those_of_a_classifier_are_all_of_the_body(name: str) -> None:
    classifier = timm.create_model("resnet18", num_classes=7)
    detector = build(spec_of(name, backbone="timm/resnet18", backbone_arguments={}))
    before = {key: one.clone() for key, one in detector.head.state_dict().items()}
    report = load_weights(detector, of(classifier, 7, "classify"), head=head_name(detector))
    assert report.unexpected == ("fc.weight", "fc.bias")
    assert report.loaded == len(detector.body.state_dict()) == len(classifier.state_dict()) - 2
    for key, one in detector.body.state_dict().items():
        assert torch.equal(one, classifier.state_dict()[key])
    assert all(torch.equal(one, before[key]) for key, one in detector.head.state_dict().items())
    assert set(report.reinitialised) == {f"head.{key}" for key in before}


def test_a_body_that_is_not_all_there_is_refused() -> None:
    detector = build(spec_of("fcos", backbone="timm/resnet18", backbone_arguments={}))
    tensors = dict(timm.create_model("resnet18").state_dict())
    lacking = {key: one for key, one in tensors.items() if not key.startswith("layer3.0.conv1")}
    with pytest.raises(WeightsError, match=r"missing in the file: body\.layer3\.0\.conv1\.weight"):
        load_weights(detector, Weights(lacking, None, "here"), head="head")
    more = {**tensors, "layer5.weight": torch.zeros(1)}
    with pytest.raises(WeightsError, match=r"unknown to the network: layer5\.weight"):
        load_weights(detector, Weights(more, None, "here"), head="head")
    with pytest.raises(WeightsError):
        load_weights(detector, Weights(dict(timm.create_model("resnet34").state_dict()), None, "here"), head="head")


def test_a_stem_for_grey_pictures_is_the_sum_of_the_colours() -> None:
    detector = build(spec_of("fcos", channels=1, backbone="timm/resnet18", backbone_arguments={}))
    classifier = timm.create_model("resnet18")
    report = load_weights(detector, of(classifier, 0, "classify"), head="head")
    assert report.adapted == ("body.conv1.weight adapted from 3 to 1 channels",)
    assert torch.allclose(detector.body.conv1.weight, classifier.conv1.weight.sum(1, keepdim=True))


@pytest.mark.skipif(not FILE.exists(), reason="the weights are not at hand")
def test_a_file_with_its_sidecar_is_of_the_backbone() -> None:
    weights = read_weights(FILE)
    detector = build(spec_of("fcos", **MOBILE))
    named = translated(weights, "fcos", {**MOBILE, "width": 16})
    report = load_weights(detector, answering(named, detector, task_of(["a"])), head="head")
    assert set(report.unexpected) == {"classifier.weight", "classifier.bias"}
    classifier = timm.create_model("mobilenetv2_100", pad_type="same").eval()
    classifier.load_state_dict(weights.tensors)
    with torch.no_grad():
        expected = classifier.forward_features(pictures())
        assert torch.allclose(detector.eval().maps(pictures())[-1], expected, atol=1e-5)


@pytest.mark.slow
@pytest.mark.skipif(not FILE.exists(), reason="the weights are not at hand")
def test_weights_are_checked_before_the_data_are_read() -> None:
    weights = read_weights(FILE)
    check_at_once(weights, chosen(name="fcos", arguments={"width": 16, "depth": 1}))
    with pytest.raises(WeightsError):
        check_at_once(weights, chosen(name="fcos", arguments={"backbone": "resnet18", "width": 16, "depth": 1}))
    check_fit(weights, spec_of("fcos", **MOBILE), "fcos", task_of(["a", "b", "c"]))
    spec = spec_of("fcos", backbone="timm/mobilenetv2_100", backbone_arguments={})
    with pytest.raises(WeightsError, match="the backbone has"):
        check_fit(weights, spec, "fcos", task_of(["a", "b", "c"]))


def chosen(**leaves: Any) -> dict[str, Decision]:
    return {f"network.{key}": Decision(value, "by the test", "user") for key, value in leaves.items()}


def task_of(classes: list[str]) -> Any:
    return SimpleNamespace(name="detect", kind="boxes", target_names=classes)


@pytest.mark.parametrize("name", sorted(SMALL))
def test_those_of_a_detector_load_whole(name: str) -> None:
    source, detector = made(name), made(name, seed=1)
    report = load_weights(detector, of(source, ["a", "b", "c"]), head="head", outputs=["a", "b", "c"])
    assert report.loaded == len(source.state_dict())
    assert not report.reinitialised
    with torch.no_grad():
        assert torch.equal(detector.eval()(pictures()), source.eval()(pictures()))


@pytest.mark.parametrize("name", sorted(SMALL))
@pytest.mark.parametrize("classes", [["a", "b", "d"], ["a", "b", "c", "d"]])
def test_other_classes_make_the_layers_of_classes_new_and_nothing_else(name: str, classes: list[str]) -> None:
    source, detector = made(name), made(name, seed=1, outputs=len(classes))
    _, report = match_weights(detector, of(source, ["a", "b", "c"]), head="head", outputs=classes)
    assert report.reinitialised
    assert all(key.startswith(detector.class_layers) for key in report.reinitialised)
    assert all(key in report.reinitialised for key in detector.state_dict() if key.startswith(detector.class_layers))
    assert not report.missing


def test_a_library_s_weights_are_of_our_family_as_a_backbone_too() -> None:
    theirs = checked(resolve("torchvision/resnet18", outputs=1000, channels=3, height=64, width=64))
    sidecar: Any = {"network": "torchvision/resnet18", "arguments": {}, "classes": 1000}
    weights = Weights({key: torch.zeros(one.shape) for key, one in theirs.state_dict().items()}, sidecar, "here")
    detector = checked(spec_of("retinanet", backbone="resnet18", backbone_arguments={}))
    found = translated(weights, "retinanet", {"backbone": "resnet18"})
    loaded, report = match_weights(detector, found, head="head")
    assert len(loaded) == len(detector.body.state_dict())
    assert report.unexpected == ("head.weight", "head.bias")
    assert translated(replace(weights, task="detect"), "retinanet", {"backbone": "resnet18"}).tensors is weights.tensors
    assert hub_network("retinanet", {"backbone": "resnet18"}) == ("torchvision/resnet18", {})
    assert hub_network("retinanet", {}) == ("torchvision/resnet50", {})
