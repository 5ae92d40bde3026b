"""timm and torchvision by name: strict arguments, heads, channels, sizes, and hubs that cannot be reached."""

from __future__ import annotations

import inspect
import re
import urllib.error
from typing import Any

import pytest
import timm
import torch
from torch import nn
from torchvision import models

from striate.core.errors import NetworkError, UsageError, WeightsError
from striate.nets import Normalize, build, depth_groups, head_name, pretrained_weights, profile, resolve
from striate.nets.libraries import check_name, known_arguments


def spec_of(
    name: str, size: int = 64, outputs: int = 5, channels: int = 3, width: int | None = None, **arguments: Any
) -> dict[str, Any]:
    return resolve(name, outputs=outputs, channels=channels, height=size, width=width or size, arguments=arguments)


@pytest.mark.parametrize("arguments", [{"drop_rate": 0.2}, {"drop_path_rate": 0.1}, {"pad_type": "same"}])
def test_arguments_of_the_class_are_accepted(arguments: dict[str, Any]) -> None:
    spec = spec_of("timm/mobilenetv2_100", **arguments)
    assert spec["arguments"] == arguments
    with torch.device("meta"):
        module, default = build(spec), build(spec_of("timm/mobilenetv2_100"))
    assert repr(module) != repr(default) or module.drop_rate != default.drop_rate


def test_known_arguments_are_the_class_s_own_less_what_the_task_sets() -> None:
    own = set(inspect.signature(timm.models.EfficientNet.__init__).parameters)
    known = set(known_arguments("timm/mobilenetv2_100"))
    assert known <= own
    assert {"drop_rate", "drop_path_rate", "pad_type", "act_layer"} <= known
    assert not known & {"num_classes", "in_chans", "block_args", "self", "device"}
    # A class that hands unnamed arguments on takes those of its base.
    assert "embed_dim" in known_arguments("timm/deit_tiny_distilled_patch16_224")


@pytest.mark.parametrize("argument", ["num_classes", "in_chans", "pretrained", "img_size"])
def test_what_the_task_sets_is_not_the_user_s(argument: str) -> None:
    with pytest.raises(UsageError, match="set by the task"):
        spec_of("timm/resnet18", **{argument: 1})


def test_an_argument_that_the_library_refuses_is_explained() -> None:
    with pytest.raises(NetworkError, match="stem_size"):
        spec_of("timm/mobilenetv2_100", stem_size=16)
    with pytest.raises(NetworkError) as raised:
        spec_of("timm/mobilenetv2_100", drop_rate="much")
    assert "drop_rate" in str(raised.value.fix) or "drop_rate" in raised.value.message


# Heads as the libraries' documentation names them; torchvision has no argument for channels.
@pytest.mark.parametrize(
    ("name", "head", "size"),
    [
        ("timm/mobilenetv2_100", "classifier", 64),
        ("timm/resnet18", "fc", 64),
        ("timm/convnext_atto", "head.fc", 64),
        ("timm/vit_tiny_patch16_224", "head", 64),
        ("timm/deit_tiny_distilled_patch16_224", "head", 64),
        ("torchvision/resnet18", "fc", 64),
        ("torchvision/squeezenet1_0", "classifier.1", 64),
        ("torchvision/mobilenet_v3_small", "classifier.3", 64),
        ("torchvision/densenet121", "classifier", 64),
        ("torchvision/vit_b_16", "heads.head", 64),
        ("torchvision/googlenet", "fc", 64),
        ("torchvision/swin_t", "head", 64),
    ],
)
def test_head_channels_and_depth_of_library_networks(name: str, head: str, size: int) -> None:
    spec = spec_of(name, size, outputs=7, channels=4)
    with torch.device("meta"):
        module = build(spec)
    assert head_name(module) == head
    layer = module.get_submodule(head)
    assert (layer.out_features if isinstance(layer, nn.Linear) else layer.out_channels) == 7
    assert module.eval()(torch.zeros(2, 4, size, size, device="meta")).shape == (2, 7)
    groups = depth_groups(module)
    names = [one for group in groups for one in group]
    assert sorted(names) == sorted(one for one, _ in module.named_parameters())
    assert all(one.startswith(head + ".") for one in groups[-1])
    assert len(groups) >= 3
    first = next(one for one, parameter in module.named_parameters() if parameter.dim() == 4)
    assert first in groups[0]


def test_positional_networks_are_built_for_their_size() -> None:
    with torch.device("meta"):
        wide = build(spec_of("timm/vit_tiny_patch16_224", 64, width=96))
    assert wide.pos_embed.shape[1] == 1 + 4 * 6
    with pytest.raises(NetworkError, match="square"):
        spec_of("torchvision/vit_b_16", 64, width=96)
    with pytest.raises(NetworkError, match=r"nearest multiple of 32 that it takes is (64|32) px"):
        spec_of("torchvision/vit_b_16", 50)


def test_no_auxiliary_heads_so_that_outputs_are_one_tensor_in_training() -> None:
    torch.manual_seed(0)
    module = build(spec_of("torchvision/googlenet", 64)).train()
    assert torch.is_tensor(module(torch.zeros(2, 3, 64, 64)))


def test_building_a_library_network_repeats_and_downloads_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("socket.socket.connect", lambda *_: pytest.fail("it reaches for the network"))
    spec = spec_of("timm/mobilenetv3_small_050")
    states = []
    for _ in range(2):
        torch.manual_seed(5)
        states.append(build(spec).state_dict())
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])


def offline(*_: object, **__: object) -> None:
    raise urllib.error.URLError("name resolution failed")


def test_a_hub_out_of_reach_is_said_and_what_else_there_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr("torch.hub.urlopen", offline)
    with pytest.raises(WeightsError, match=r"could not be fetched.*name resolution failed") as raised:
        pretrained_weights("torchvision/squeezenet1_1", {})
    assert "--weights FILE" in str(raised.value.fix)
    monkeypatch.setattr("timm.models._builder.load_state_dict_from_hf", offline)
    monkeypatch.setattr("timm.models._builder.load_state_dict_from_url", offline)
    with pytest.raises(WeightsError, match="could not be fetched"):
        pretrained_weights("timm/mobilenetv3_small_050", {"drop_rate": 0.1})


def test_hub_weights_come_with_the_library_s_own_preprocessing(monkeypatch: pytest.MonkeyPatch) -> None:
    with torch.device("meta"):
        state = build(spec_of("torchvision/squeezenet1_1", outputs=1000)).state_dict()
    asked: dict[str, Any] = {}

    def fetch(url: str, **options: Any) -> Any:
        asked.update(options)
        return {**state, "aux1.fc.weight": torch.zeros(1)}

    monkeypatch.setattr("torchvision.models._api.load_state_dict_from_url", fetch)
    weights = pretrained_weights("torchvision/squeezenet1_1", {"dropout": 0.1})
    assert weights is not None
    assert weights.sidecar is not None
    assert asked["weights_only"] is True
    assert set(weights.tensors) == set(state)
    assert weights.sidecar["preprocessing"] == {
        "mean": [0.485, 0.456, 0.406],
        "std": [0.229, 0.224, 0.225],
        "size": 224,
        "crop_pct": 0.875,
        "interpolation": "bilinear",
    }
    assert (weights.sidecar["network"], weights.sidecar["classes"]) == ("torchvision/squeezenet1_1", 1000)

    create = timm.create_model
    monkeypatch.setattr(timm, "create_model", lambda name, pretrained: create(name, pretrained=False))
    weights = pretrained_weights("timm/mobilenetv3_small_050", {})
    assert weights is not None
    assert weights.sidecar is not None
    assert weights.sidecar["preprocessing"]["interpolation"] == "bicubic"
    assert weights.sidecar["classes"] == 1000
    assert weights.source == "hub"


def hub(monkeypatch: pytest.MonkeyPatch, state: dict[str, Any]) -> None:
    """Let torchvision's hub give these tensors."""
    monkeypatch.setattr("torchvision.models._api.load_state_dict_from_url", lambda *_, **__: state)


@pytest.mark.parametrize("name", ["googlenet", "inception_v3"])
def test_hub_weights_that_torchvision_standardises_twice_are_for_what_the_network_sees(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub(monkeypatch, {})
    weights = pretrained_weights(f"torchvision/{name}", {})
    assert weights is not None
    assert weights.sidecar is not None
    preset = models.get_model_weights(name).DEFAULT.transforms()
    with torch.device("meta"):
        theirs = models.get_model(name, weights=None, transform_input=True, init_weights=False)
    pixels = torch.randint(0, 256, (2, 3, 4, 4)).to(torch.uint8)
    expected = theirs._transform_input(Normalize(preset.mean, preset.std)(pixels))
    found = weights.sidecar["preprocessing"]
    torch.testing.assert_close(Normalize(found["mean"], found["std"])(pixels), expected)


def test_hub_weights_of_densenets_have_the_names_of_today(monkeypatch: pytest.MonkeyPatch) -> None:
    with torch.device("meta"):
        state = build(spec_of("torchvision/densenet121", outputs=1000)).state_dict()
    old = {re.sub(r"(denselayer\d+\.(?:norm|conv))(\d)", r"\1.\2", name): tensor for name, tensor in state.items()}
    assert set(old) != set(state)
    hub(monkeypatch, old)
    weights = pretrained_weights("torchvision/densenet121", {})
    assert weights is not None
    assert list(weights.tensors) == list(state)


def test_hub_weights_are_refused_where_an_argument_changes_what_they_mean() -> None:
    with pytest.raises(WeightsError, match="without pad_type"):
        pretrained_weights("timm/mobilenetv2_100", {"pad_type": "same"})
    assert pretrained_weights("compact", {}) is None
    assert pretrained_weights("timm/test_vit5", {}) is None if "test_vit5" in timm.list_models() else True


def test_known_costs() -> None:
    found = profile(spec_of("torchvision/resnet18", 224, 1000))
    assert found.parameters == 11_689_512
    assert found.macs == 1_814_073_344
    found = profile(spec_of("timm/mobilenetv2_100", 224, 1000))
    assert found.parameters == 3_504_872
    assert found.macs == pytest.approx(0.30e9, rel=0.005)


@pytest.mark.parametrize(
    ("name", "what"),
    [("fcn_resnet50", "segmentation"), ("fasterrcnn_resnet50_fpn", "detection"), ("r3d_18", "video")],
)
def test_a_network_of_another_task_is_said_to_be_one(name: str, what: str) -> None:
    with pytest.raises(UsageError, match=f"torchvision/{name} is for {what}: of torchvision only"):
        check_name(f"torchvision/{name}")
