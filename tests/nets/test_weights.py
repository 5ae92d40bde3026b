"""Weights files: what is read, what is refused, what is adapted; proved on the real files where they are at hand."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from striate.core.errors import WeightsError
from striate.core.tensors import write_tensors
from striate.nets import LoadReport, Normalize, Weights, build, head_name, load_weights, read_weights, resolve
from striate.nets.loading import adapt_channels, adapt_positions
from striate.nets.weights import check_sidecar

REAL = Path(os.environ.get("STRIATE_DATA", Path(__file__).parents[3] / "shared" / "data")) / "weights"
real = pytest.mark.skipif(not REAL.is_dir(), reason="the real weights files are not on this machine")

SIDECAR: dict[str, Any] = {
    "network": "compact",
    "arguments": {"width": 4},
    "preprocessing": {"mean": [0.5], "std": [0.25], "size": 16, "crop_pct": 0.875, "interpolation": "bilinear"},
    "classes": 3,
    "license": "Apache-2.0",
    "source": "a test",
}


def spec_of(outputs: int = 3, channels: int = 1, **arguments: Any) -> dict[str, Any]:
    arguments = {"width": 4, **arguments}
    return resolve("compact", outputs=outputs, channels=channels, height=16, width=16, arguments=arguments)


def network(seed: int = 0, **options: Any) -> nn.Module:
    torch.manual_seed(seed)
    return build(spec_of(**options))


def saved(folder: Path, tensors: dict[str, Any], sidecar: Any = SIDECAR, name: str = "w.safetensors") -> Path:
    path = folder / name
    if path.suffix == ".safetensors":
        write_tensors(path, tensors)
    else:
        torch.save(tensors, path)
    if sidecar is not None:
        path.with_suffix(".json").write_text(json.dumps(sidecar))
    return path


def equal(one: nn.Module, two: nn.Module, but: tuple[str, ...] = ()) -> bool:
    pairs = zip(one.state_dict().items(), two.state_dict().items(), strict=True)
    return all(torch.equal(a, b) for (name, a), (_, b) in pairs if name not in but)


def test_all_is_loaded_where_all_fits(tmp_path: Path) -> None:
    first, second = network(0), network(1)
    weights = read_weights(saved(tmp_path, first.state_dict()))
    assert weights.sidecar == SIDECAR
    report = load_weights(second, weights, head="head")
    assert equal(first, second)
    assert (report.loaded, report.reinitialised, report.missing) == (len(first.state_dict()), (), ())
    assert report.describe() == f"weights: {report.loaded} tensors loaded"


@pytest.mark.parametrize("name", ["w.pth", "w.pt", "w.th"])
@pytest.mark.parametrize("nest", [None, "state_dict", "model"])
def test_torch_files_nested_or_not_prefixed_or_not(tmp_path: Path, name: str, nest: str | None) -> None:
    first, second = network(0), network(1)
    state: dict[str, Any] = {f"module.{key}": tensor for key, tensor in first.state_dict().items()}
    state = state if nest is None else {"epoch": 3, nest: state}
    load_weights(second, read_weights(saved(tmp_path, state, name=name)), head="head")
    assert equal(first, second)


def test_a_head_of_another_size_stays_new_and_is_named(tmp_path: Path) -> None:
    first, second, untouched = network(0), network(1, outputs=5), network(1, outputs=5)
    report = load_weights(second, read_weights(saved(tmp_path, first.state_dict())), head="head")
    assert report.reinitialised == ("head.weight", "head.bias")
    assert "new: head.weight, head.bias" in report.describe()
    assert torch.equal(second.head.weight, untouched.head.weight)  # type: ignore[arg-type, union-attr]
    heads = ("head.weight", "head.bias")
    for name, tensor in first.state_dict().items():
        assert name in heads or torch.equal(tensor, second.state_dict()[name])


def test_rows_of_the_head_go_by_the_names_of_the_classes(tmp_path: Path) -> None:
    sidecar = {**SIDECAR, "classes": ["ant", "bee", "cat"]}
    first = network(0).eval()
    weights = read_weights(saved(tmp_path, first.state_dict(), sidecar))
    images = torch.randn(4, 1, 16, 16)
    for names in (("bee", "cat", "dog", "eel"), ("cat", "dog", "ant"), ("cat", "bee", "ant"), ("eel", "bee")):
        second = network(1, outputs=len(names)).eval()
        report = load_weights(second, weights, head="head", outputs=names)
        logits, before = second(images), first(images)
        for place, name in enumerate(names):
            known = before[:, sidecar["classes"].index(name)] if name in sidecar["classes"] else torch.zeros(4)
            torch.testing.assert_close(logits[:, place], known, rtol=1e-6, atol=1e-6)
        assert report.kept == tuple(name for name in names if name in sidecar["classes"])
        assert report.reinitialised == ()
    assert "the head keeps its rows of bee, new: eel, given up: ant, cat" in report.describe()


def test_a_head_of_the_same_size_for_other_classes_stays_new(tmp_path: Path) -> None:
    weights = read_weights(saved(tmp_path, network(0).state_dict(), {**SIDECAR, "classes": ["ant", "bee", "cat"]}))
    second, untouched = network(1), network(1)
    report = load_weights(second, weights, head="head", outputs=("x", "y", "z"))
    assert report.reinitialised == ("head.weight", "head.bias")
    assert report.kept == ()
    assert torch.equal(second.get_parameter("head.weight"), untouched.get_parameter("head.weight"))
    same = load_weights(network(1), weights, head="head", outputs=("ant", "bee", "cat"))
    assert (same.kept, same.reinitialised, same.adapted) == ((), (), ())


def test_a_file_without_a_head_leaves_it_new(tmp_path: Path) -> None:
    state = {name: tensor for name, tensor in network(0).state_dict().items() if not name.startswith("head.")}
    report = load_weights(network(1), read_weights(saved(tmp_path, state)), head="head")
    assert report.missing == report.reinitialised == ("head.weight", "head.bias")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda state: state.pop("stem.conv1.weight"), "missing in the file: stem.conv1.weight"),
        (lambda state: state.update(other=torch.zeros(2)), "unknown to the network: other"),
        (
            lambda state: state.update({"stage1.block1.conv1.weight": torch.zeros(4, 4, 1, 1)}),
            "of another shape: stage1.block1.conv1.weight is 4×4×1×1 in the file and 4×4×3×3 in the network",
        ),
        (lambda state: state.update({"head.weight": torch.zeros(3, 9)}), "head.weight is 3×9 in the file"),
    ],
)
def test_what_does_not_fit_is_named_and_nothing_is_changed(tmp_path: Path, change: Any, words: str) -> None:
    state = dict(network(0).state_dict())
    change(state)
    second = network(1)
    with pytest.raises(WeightsError, match=re.escape(words)) as raised:
        load_weights(second, read_weights(saved(tmp_path, state)), head="head")
    assert "compact with arguments {'width': 4}" in str(raised.value.fix)
    assert equal(second, network(1))


def test_batch_counters_may_be_missing_as_in_old_files(tmp_path: Path) -> None:
    state = {k: v for k, v in network(0).state_dict().items() if not k.endswith("num_batches_tracked")}
    report = load_weights(network(1), read_weights(saved(tmp_path, state)), head="head")
    assert (report.loaded, report.missing) == (len(state), ())


def test_layouts_survive_loading(tmp_path: Path) -> None:
    second = network(1, channels=3).to(memory_format=torch.channels_last)
    path = saved(tmp_path, network(0, channels=3).state_dict())
    load_weights(second, read_weights(path), head="head")
    weight = second.get_parameter("stage1.block1.conv1.weight")
    assert weight.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("channels", [1, 2, 4, 6, 7, 12])
def test_adapted_channels_see_a_grey_picture_as_before(channels: int) -> None:
    torch.manual_seed(0)
    stem, grey = torch.randn(5, 3, 3, 3, dtype=torch.float64), torch.randn(1, 1, 6, 6, dtype=torch.float64)
    before = nn.functional.conv2d(grey.expand(1, 3, 6, 6), stem)
    adapted = adapt_channels(stem, channels)
    assert adapted.shape == (5, channels, 3, 3)
    torch.testing.assert_close(nn.functional.conv2d(grey.expand(1, channels, 6, 6), adapted), before)


def test_a_stem_for_other_channels_is_adapted_and_said(tmp_path: Path) -> None:
    path = saved(tmp_path, network(0, channels=3).state_dict())
    second = network(1)
    report = load_weights(second, read_weights(path), head="head")
    assert report.adapted == ("stem.conv1.weight adapted from 3 to 1 channels",)
    assert report.adapted[0] in report.describe()
    summed = network(0, channels=3).get_parameter("stem.conv1.weight").sum(1, keepdim=True)
    assert torch.equal(second.get_parameter("stem.conv1.weight"), summed)


def test_without_a_sidecar_network_and_preprocessing_must_be_given(tmp_path: Path) -> None:
    weights = read_weights(saved(tmp_path, network().state_dict(), sidecar=None))
    assert weights.sidecar is None
    for given in ({}, {"network": "compact"}, {"preprocessing": SIDECAR["preprocessing"]}):
        with pytest.raises(WeightsError, match="never guessed"):
            weights.described(**given)
    made = weights.described("compact", {"width": 4}, SIDECAR["preprocessing"])
    assert made.sidecar is not None
    assert made.sidecar["arguments"] == {"width": 4}
    with pytest.raises(WeightsError, match="lacks std"):
        weights.described("compact", {}, dict.fromkeys(("mean",), 1) | {"mean": [0.5]})


def test_a_sidecar_is_not_contradicted(tmp_path: Path) -> None:
    weights = read_weights(saved(tmp_path, network().state_dict()))
    assert weights.described("compact") is weights
    with pytest.raises(WeightsError, match="trained with network 'compact'"):
        weights.described("lenet5")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"netwrk": "compact"}, "unknown key 'netwrk'; did you mean 'network'?"),
        ({"classes": "many"}, "classes has a value of the wrong kind"),
        ({"arguments": None}, "arguments has a value of the wrong kind"),
        ({"preprocessing": {**SIDECAR["preprocessing"], "maen": 1}}, "unknown key 'maen'; did you mean 'mean'?"),
        ({"preprocessing": {**SIDECAR["preprocessing"], "std": [0.2, 0.2]}}, "as many of the one as of the other"),
        ({"preprocessing": {**SIDECAR["preprocessing"], "std": [0.0]}}, "std above 0"),
        ({"preprocessing": {**SIDECAR["preprocessing"], "crop_pct": 2}}, "crop_pct lie in"),
        ({"preprocessing": {**SIDECAR["preprocessing"], "interpolation": "cubic"}}, "interpolation must be one of"),
        ({"preprocessing": {"mean": [0.5]}}, "lacks std, size, crop_pct, interpolation"),
    ],
)
def test_a_wrong_sidecar_is_refused(tmp_path: Path, change: dict[str, Any], words: str) -> None:
    path = saved(tmp_path, network().state_dict(), {**SIDECAR, **change})
    with pytest.raises(WeightsError, match=re.escape(words)):
        read_weights(path)


@pytest.mark.parametrize("key", ["network", "arguments", "preprocessing", "classes"])
def test_what_a_sidecar_must_say(key: str) -> None:
    with pytest.raises(WeightsError, match=f"lacks {key}"):
        check_sidecar({name: value for name, value in SIDECAR.items() if name != key}, "w.json")
    assert check_sidecar({k: v for k, v in SIDECAR.items() if k != "license"}, "w.json")["license"] == "not stated"
    with pytest.raises(WeightsError, match="not a JSON object"):
        check_sidecar([1], "w.json")


def test_sources_with_licence_and_bias_go_from_one_to_the_next(tmp_path: Path) -> None:
    before = {"source": "ImageNet", "network": "compact", "license": "MIT", "bias": "mostly of the West"}
    said = {**SIDECAR, "source": "birds", "license": "CC0", "bias": "few owls", "sources": [before]}
    first, second = read_weights(saved(tmp_path, network().state_dict(), said)).sources
    assert first == {"source": "birds", "network": SIDECAR["network"], "license": "CC0", "bias": "few owls"}
    assert second == before
    run = run_of(tmp_path, spec_of(), network().state_dict())
    content = json.loads((run / "model" / "model.json").read_text())
    (run / "model" / "model.json").write_text(json.dumps({**content, "summary": {"sources": [first, second]}}))
    assert [one["source"] for one in read_weights(run).sources] == [f"the Run {run}", "birds", "ImageNet"]
    assert Weights({}, None, "w.pth").sources == [{"source": "w.pth", "license": "not stated"}]


@pytest.mark.parametrize("sources", ["ImageNet", ["ImageNet"], [{"source": 1}], [{"origin": "ImageNet"}]])
def test_sources_that_are_none_are_refused(sources: Any) -> None:
    with pytest.raises(WeightsError, match="sources"):
        check_sidecar({**SIDECAR, "sources": sources}, "w.json")


class Evil:
    def __reduce__(self) -> Any:
        return os.mkdir, ("pwned",)


def test_a_pickle_with_code_is_refused_and_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(WeightsError, match="code besides tensors"):
        read_weights(saved(tmp_path, {"state_dict": Evil()}, name="w.pth"))
    assert not (tmp_path / "pwned").exists()


@pytest.mark.parametrize("name", ["w.safetensors", "w.pth"])
@pytest.mark.parametrize("share", [0.0, 0.1, 0.6, 0.99])
def test_a_truncated_file_is_refused(tmp_path: Path, name: str, share: float) -> None:
    path = saved(tmp_path, network().state_dict(), name=name)
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(WeightsError, match=re.escape(name)):
        read_weights(path)


def test_what_is_no_weights_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="does not exist"):
        read_weights(tmp_path / "none.pth")
    with pytest.raises(WeightsError, match="there is no Model in"):
        read_weights(tmp_path)
    (tmp_path / "w.onnx").write_bytes(b"x")
    with pytest.raises(WeightsError, match="not a weights file by its name"):
        read_weights(tmp_path / "w.onnx")
    with pytest.raises(WeightsError, match="does not hold tensors by name"):
        read_weights(saved(tmp_path, {"epoch": 3}, name="e.pth"))
    with pytest.raises(WeightsError, match=r"not finite, in stem\.conv1\.weight"):
        read_weights(saved(tmp_path, {"stem.conv1.weight": torch.tensor([1.0, float("nan")])}, name="n.pth"))
    (tmp_path / "j.safetensors").write_bytes(saved(tmp_path, network().state_dict()).read_bytes())
    (tmp_path / "j.json").write_text("{")
    with pytest.raises(WeightsError, match=r"j\.json"):
        read_weights(tmp_path / "j.safetensors")


def run_of(folder: Path, spec: dict[str, Any], tensors: dict[str, Any]) -> Path:
    """What a finished Run leaves of its Model."""
    model = folder / "run" / "model"
    model.mkdir(parents=True)
    write_tensors(model / "model.safetensors", tensors)
    content = {
        "striate_model": 1,
        "sha256": hashlib.sha256((model / "model.safetensors").read_bytes()).hexdigest(),
        "network": spec,
        "preprocessing": {
            "height": 16, "width": 16, "margin": 1.25, "mean": [0.5], "std": [0.25], "interpolation": "bicubic",
        },
        "classes": ["a", "b", "c"],
        "task": {"name": "classify"},
    }  # fmt: skip
    (model / "model.json").write_text(json.dumps(content))
    return folder / "run"


def test_a_run_and_its_model_are_weights_with_their_truth(tmp_path: Path) -> None:
    first = network(0)
    run = run_of(tmp_path, spec_of(), first.state_dict())
    for path in (run, run / "model"):
        weights = read_weights(path)
        assert weights.sidecar is not None
        assert weights.sidecar["network"] == "compact"
        assert weights.sidecar["arguments"] == {"width": 4}
        assert weights.outputs == ("a", "b", "c")
        assert weights.sidecar["preprocessing"] == {
            "mean": [0.5], "std": [0.25], "size": 16, "crop_pct": 0.8, "interpolation": "bicubic",
        }  # fmt: skip
        second = network(1)
        load_weights(second, weights, head=head_name(second))
        assert equal(first, second)


def test_a_run_of_a_network_file_resolves_from_its_model(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("nodes: [{node: Conv, filters: 4}, {node: GlobalPool}]")
    spec = resolve(str(file), outputs=3, channels=1, height=16, width=16)
    first = build(spec)
    run = run_of(tmp_path, spec, first.state_dict())
    file.unlink()
    weights = read_weights(run)
    assert weights.sidecar is not None
    again = resolve(weights.sidecar["network"], outputs=7, channels=1, height=16, width=16)
    second = build(again)
    report = load_weights(second, weights, head=head_name(second))
    assert report.reinitialised == ("head.weight", "head.bias")
    assert torch.equal(second.get_parameter("conv1.weight"), first.get_parameter("conv1.weight"))


def test_a_run_whose_weights_are_not_those_described_is_refused(tmp_path: Path) -> None:
    run = run_of(tmp_path, spec_of(), network(0).state_dict())
    write_tensors(run / "model" / "model.safetensors", network(1).state_dict())
    with pytest.raises(WeightsError, match="SHA-256 differs"):
        read_weights(run)
    (run / "model" / "model.json").write_text("{}")
    with pytest.raises(WeightsError, match="does not describe a Model"):
        read_weights(run)


# -- the real files


def library(sidecar: dict[str, Any], outputs: int, channels: int = 3, size: int = 64) -> nn.Module:
    return build(
        resolve(
            sidecar["network"],
            outputs=outputs,
            channels=channels,
            height=size,
            width=size,
            arguments=sidecar["arguments"],
        )
    )


@real
def test_mobilenetv2_loads_strictly_with_its_sidecar_s_arguments() -> None:
    weights = read_weights(REAL / "mobilenetv2_100_padsame_mean0.5.safetensors")
    assert weights.sidecar is not None
    assert weights.sidecar["network"] == "timm/mobilenetv2_100"
    assert weights.sidecar["arguments"] == {"pad_type": "same"}
    module = library(weights.sidecar, 1000)
    report = load_weights(module, weights, head=head_name(module))
    assert report == LoadReport(loaded=len(weights.tensors))  # nothing missing, unexpected, new or adapted
    state = module.state_dict()
    assert set(state) - set(weights.tensors) == {name for name in state if name.endswith("num_batches_tracked")}
    assert all(torch.equal(tensor, state[name]) for name, tensor in weights.tensors.items())
    # The padding matters although the tensors fit either: this is what the sidecar is for.
    other = library({**weights.sidecar, "arguments": {}}, 1000)
    load_weights(other, weights, head=head_name(other))
    preprocessing = weights.sidecar["preprocessing"]
    x = Normalize(preprocessing["mean"], preprocessing["std"])(torch.randint(0, 256, (2, 3, 64, 64)).to(torch.uint8))
    with torch.no_grad():
        right, wrong = module.eval()(x), other.eval()(x)
    assert (right - wrong).norm() > 0.5 * right.norm()


@real
def test_squeezenet_loads_with_a_new_head_of_five_classes() -> None:
    weights = read_weights(REAL / "squeezenet1_0_torchvision_rgbnorm.safetensors")
    assert weights.sidecar is not None
    module = library(weights.sidecar, 5)
    fresh = module.get_parameter("classifier.1.weight").clone()
    report = load_weights(module, weights, head=head_name(module))
    assert report.reinitialised == ("classifier.1.weight", "classifier.1.bias")
    assert report.loaded == len(weights.tensors) - 2
    assert torch.equal(module.get_parameter("classifier.1.weight"), fresh)
    assert torch.equal(module.get_parameter("features.0.weight"), weights.tensors["features.0.weight"])
    grey = library(weights.sidecar, 5, channels=1)
    report = load_weights(grey, weights, head=head_name(grey))
    assert report.adapted == ("features.0.weight adapted from 3 to 1 channels",)


@real
def test_resnet20_is_read_without_running_its_pickle_and_asks_for_its_truth() -> None:
    weights = read_weights(REAL / "resnet20-12fca82f.th")
    assert weights.sidecar is None
    assert weights.tensors["conv1.weight"].shape == (16, 3, 3, 3)
    assert sum(tensor.numel() for name, tensor in weights.tensors.items() if "running" not in name) == 269_722
    with pytest.raises(WeightsError, match="never guessed"):
        weights.described()
    with pytest.raises(WeightsError, match=r"missing in the file: stem\.conv1\.weight"):
        load_weights(network(), weights, head="head")


@real
def test_a_real_file_cut_short_or_of_another_network_is_refused(tmp_path: Path) -> None:
    source = REAL / "squeezenet1_0_torchvision_rgbnorm.safetensors"
    (tmp_path / "w.safetensors").write_bytes(source.read_bytes()[:100_000])
    shutil.copy(source.with_suffix(".json"), tmp_path / "w.json")
    with pytest.raises(WeightsError, match="not a whole safetensors file"):
        read_weights(tmp_path / "w.safetensors")
    with pytest.raises(WeightsError, match="do not fit this network"):
        load_weights(network(), read_weights(source), head="head")


def test_a_mapping_in_memory_is_weights_too() -> None:
    first, second = network(0), network(1)
    load_weights(second, Weights(dict(first.state_dict()), None, "memory"), head="head")
    assert equal(first, second)


@pytest.mark.parametrize("sides", [(14, 10), (14, 20), (7, 14)])
@pytest.mark.parametrize("ahead", [0, 1])
def test_positions_are_interpolated_as_timm_does(sides: tuple[int, int], ahead: int) -> None:
    from timm.layers import resample_abs_pos_embed

    before, after = sides
    positions = torch.randn(1, before**2 + ahead, 8)
    expected = resample_abs_pos_embed(positions, [after, after], num_prefix_tokens=ahead)
    found = adapt_positions(positions, after**2 + ahead)
    assert found is not None
    torch.testing.assert_close(found, expected)
    assert adapt_positions(positions, after**2 + ahead + 1) is None


@pytest.mark.parametrize("name", ["vit_tiny", "timm/vit_tiny_patch16_224"])
def test_a_vision_transformer_takes_weights_of_another_size_and_says_so(name: str) -> None:
    arguments = {"units": 24, "depth": 1} if name == "vit_tiny" else {"embed_dim": 24, "depth": 1}
    old, new = (
        build(resolve(name, outputs=5, channels=3, height=side, width=side, arguments=arguments)) for side in (64, 96)
    )
    report = load_weights(new, Weights(old.state_dict(), None, "old"), head=head_name(new))
    assert len(report.adapted) == 1
    assert "interpolated from 17 to 37 positions" in report.describe()
    assert new(torch.randn(1, 3, 96, 96)).shape == (1, 5)
