"""Networks of segmentation-models-pytorch by name: strict arguments, outputs for each pixel, heads, and weights."""

from __future__ import annotations

import importlib.util
from typing import Any

import pytest
import timm
import torch

from striate.core.errors import NetworkError, UnknownName, UsageError, WeightsError
from striate.nets import build, depth_groups, head_name, load_weights, pretrained_weights, resolve_shape
from striate.nets.families import in_grid
from striate.nets.libraries import check_name, known_arguments
from striate.nets.smp import PACKAGE

installed = pytest.mark.skipif(
    importlib.util.find_spec(PACKAGE) is None, reason="segmentation-models-pytorch is not installed"
)
SMALL = {"encoder_name": "tu-mobilenetv3_small_050"}


def spec_of(name: str, size: int = 64, outputs: int = 3, channels: int = 3, **arguments: Any) -> dict[str, Any]:
    return resolve_shape(f"smp/{name}", (channels, size, size), outputs=outputs, arguments=arguments, form="grid")


def test_without_the_package_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("striate.nets.smp.names", lambda: pytest.fail("it is looked for first"))
    from striate.nets import smp

    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(UsageError, match="not installed") as raised:
        smp.require()
    assert raised.value.fix == 'pip install "striate[segment]"'


def test_its_networks_give_outputs_for_each_pixel() -> None:
    assert in_grid("smp/Unet")
    with pytest.raises(NetworkError, match="gives a grid of outputs, and outputs for each sample"):
        resolve_shape("smp/Unet", (3, 64, 64), outputs=3)
    with pytest.raises(NetworkError, match="takes pictures"):
        resolve_shape("smp/Unet", (3, 64), outputs=3, form="grid")


@installed
@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("Unet", {"encoder_name": "resnet18", "encoder_depth": 3, "decoder_channels": [32, 16, 8]}),
        ("DeepLabV3Plus", SMALL),
        *(
            pytest.param(name, arguments, marks=pytest.mark.slow)
            for name, arguments in {
                "UnetPlusPlus": SMALL,
                "MAnet": SMALL,
                "Linknet": SMALL,
                "FPN": SMALL,
                "PSPNet": SMALL,
                "DeepLabV3": {"encoder_name": "resnet18"},
                "PAN": {"encoder_name": "resnet18"},
                "UPerNet": SMALL,
                "Segformer": SMALL,
            }.items()
        ),
    ],
)
def test_heads_channels_and_depth(name: str, arguments: dict[str, Any]) -> None:
    spec = spec_of(name, 128, channels=4, **arguments)
    with torch.device("meta"):
        module = build(spec).eval()
        assert module(torch.zeros(2, 4, 128, 128)).shape == (2, 3, 128, 128)
    assert head_name(module).startswith("segmentation_head")
    assert module.get_submodule(head_name(module)).out_channels == 3
    groups = depth_groups(module)
    assert sorted(one for group in groups for one in group) == sorted(one for one, _ in module.named_parameters())


@installed
def test_it_is_the_library_s_own() -> None:
    import segmentation_models_pytorch as smp

    spec = spec_of("Unet", encoder_name="resnet18")
    torch.manual_seed(3)
    ours = build(spec).eval()
    torch.manual_seed(3)
    theirs = smp.Unet("resnet18", encoder_weights=None, classes=3).eval()
    pictures = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        assert torch.equal(ours(pictures), theirs(pictures))


@installed
def test_building_repeats_and_downloads_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("socket.socket.connect", lambda *_: pytest.fail("it reaches for the network"))
    spec, states = spec_of("Unet", **SMALL), []
    for _ in range(2):
        torch.manual_seed(5)
        states.append(build(spec).state_dict())
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])


@installed
def test_names_and_arguments_are_strict() -> None:
    with pytest.raises(UnknownName, match="did you mean 'Unet'"):
        check_name("smp/Unett")
    known = known_arguments("smp/Unet")
    assert {"encoder_name", "decoder_channels"} <= set(known)
    assert not set(known) & {"kwargs", "classes", "activation", "self"}
    with pytest.raises(UnknownName, match="did you mean 'decoder_channels'"):
        spec_of("Unet", decoder_chanels=[1])
    for argument in ("classes", "in_channels", "encoder_weights", "activation", "aux_params"):
        with pytest.raises(UsageError, match="set by the task"):
            spec_of("Unet", **{argument: 1})
    with pytest.raises(UnknownName, match="did you mean 'resnet18'"):
        spec_of("Unet", encoder_name="resnett18")
    with pytest.raises(UnknownName, match="mobilenetv3_small_050"):
        spec_of("Unet", encoder_name="tu-mobilenetv3_smal_050")


@installed
def test_sizes_and_arguments_that_do_not_fit_are_explained() -> None:
    with pytest.raises(NetworkError, match="divisible by 32") as raised:
        spec_of("FPN", 50, **SMALL)
    assert "the nearest multiple of 32 that it takes is" in str(raised.value.fix)
    with pytest.raises(NetworkError, match=r"\(1, 3, 32, 32\) for one picture of 3×64×64") as raised:
        spec_of("FPN", upsampling=2, **SMALL)
    assert "upsampling" in str(raised.value.fix)


@installed
def test_the_hub_gives_an_encoder_of_timm_and_what_decodes_stays_new(monkeypatch: pytest.MonkeyPatch) -> None:
    real, asked = timm.create_model, []

    def create(name: str, pretrained: bool = False, **options: Any) -> Any:
        asked.append((name, pretrained))
        torch.manual_seed(11)
        return real(name, pretrained=False, **options)

    monkeypatch.setattr("timm.create_model", create)
    arguments = {"encoder_name": "tu-mobilenetv3_small_100"}
    weights = pretrained_weights("smp/Unet", arguments)
    assert ("mobilenetv3_small_100", True) in asked
    assert weights is not None
    assert weights.sidecar is not None
    assert weights.sidecar["arguments"] == arguments
    assert weights.sidecar["preprocessing"]["size"] == 224
    assert weights.sidecar["source"].startswith("timm's hub, timm/mobilenetv3_small_100")
    assert all(name.startswith("encoder.") for name in weights.tensors)
    torch.manual_seed(0)
    module = build(spec_of("Unet", channels=1, **arguments))
    before = {name: one.clone() for name, one in module.state_dict().items()}
    report = load_weights(module, weights, head=head_name(module))
    after = module.state_dict()
    changed = {name for name in after if not torch.equal(before[name], after[name])}
    assert changed
    assert all(name.startswith("encoder.") for name in changed)
    assert all(name.startswith(("decoder.", "segmentation_head.")) for name in report.reinitialised)
    assert "1 channels" in report.describe()
    assert len(report.describe()) < 1000
    short = type(weights)(
        {name: one for name, one in weights.tensors.items() if "conv_stem" not in name},
        weights.sidecar,
        "hub",
        part=weights.part,
    )
    with pytest.raises(WeightsError, match="missing in the file: encoder"):
        load_weights(module, short, head=head_name(module))


@installed
def test_what_smp_s_own_encoders_were_trained_for_is_not_guessed() -> None:
    with pytest.raises(WeightsError, match="is not known beforehand") as raised:
        pretrained_weights("smp/Unet", {"encoder_name": "resnet34"})
    assert "tu-resnet34" in str(raised.value.fix)
