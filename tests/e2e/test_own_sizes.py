"""Pictures that keep their own sizes, from the folder to the exported file."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import striate as st
from striate.core.errors import Interrupted, NetworkError, PlanError
from striate.core.events import Silent
from striate.infer import Model
from striate.infer.prediction import Prediction
from striate.train import loop
from tests.e2e.made_photos import QUICK, folder
from tests.e2e.made_textures import textures

OWN = {**QUICK, "input.sizing": "own"}
SQUARE = {"input.height": 64, "input.width": 64}
PYRAMID = {
    **{key: value for key, value in OWN.items() if key != "network.arguments"},
    "network.name": "sppnet",
    "network.arguments": {"width": 12, "units": 32, "levels": [2, 1], "dropout": 0.0},
    "optimizer.name": "adamw",
    "optimizer.rate": 0.003,
}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return textures(tmp_path_factory.mktemp("textures") / "data", 12)


@pytest.fixture(scope="module")
def run(data: Path, tmp_path_factory: pytest.TempPathFactory) -> st.Run:
    return st.train(data, out=tmp_path_factory.mktemp("run") / "own", epochs=4, set=OWN)


def metrics(run: st.Run) -> dict[str, Any]:
    return dict(json.loads((run.path / "metrics.json").read_text()))


def weights_of(run: st.Run) -> bytes:
    return (run.path / "model" / "model.safetensors").read_bytes()


def predictions(run: st.Run) -> list[dict[str, str]]:
    with (run.path / "predictions.csv").open() as file:
        return list(csv.DictReader(file))


def test_the_scale_of_a_texture_is_learnt_and_resizing_loses_it(run: st.Run, data: Path, tmp_path: Path) -> None:
    resized = st.train(data, out=tmp_path / "one", epochs=4, set=QUICK)
    own, one = (metrics(each)["val"]["accuracy"] for each in (run, resized))
    assert own >= 0.95
    assert own > one + 0.1


@pytest.mark.slow
def test_with_a_spatial_pyramid_too(data: Path, tmp_path: Path) -> None:
    own = st.train(data, out=tmp_path / "own", epochs=15, set=PYRAMID)
    resized = {**PYRAMID, "input.sizing": "one", **SQUARE}
    one = st.train(data, out=tmp_path / "one", epochs=15, set=resized)
    assert metrics(own)["val"]["accuracy"] >= 0.9
    assert metrics(own)["val"]["accuracy"] > metrics(one)["val"]["accuracy"] + 0.1
    assert own.plan["input.least"] > 24
    assert "padded to it" in own.plan.decisions["input.least"].because
    with pytest.raises(NetworkError, match="with free height and width"):
        st.export(own, tmp_path / "model.onnx")
    assert not (tmp_path / "model.onnx").exists()


def test_the_because_has_the_figures(run: st.Run) -> None:
    because = run.plan.decisions["input.step"].because
    assert because.startswith("5 distinct sizes, 5 buckets: batches of 8 are ")
    assert because.endswith(" full in the mean, and nothing is cut")
    assert (run.plan["input.height"], run.plan["input.width"]) == (56, 56)
    assert json.loads((run.path / "audit.json").read_text())["by_size"]["24x40"] == 24


def test_stopped_and_resumed_it_ends_in_the_same_bits(
    run: st.Run, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, steps = loop.train_step, []

    def stopping(*arguments: Any) -> float:
        steps.append(1)
        if len(steps) == 30:
            raise KeyboardInterrupt
        return real(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(loop, "train_step", stopping)
        with pytest.raises(Interrupted):
            st.train(data, out=tmp_path / "cut", epochs=4, set={**OWN, "train.checkpoint_seconds": 0})
    assert weights_of(st.resume(tmp_path / "cut")) == weights_of(run)


@pytest.mark.slow
def test_workers_and_streaming_change_no_bit(run: st.Run, data: Path, tmp_path: Path) -> None:
    more = {"execution.workers": 2, "execution.pack_bytes": 0, "execution.cache_bytes": 0}
    assert weights_of(st.train(data, out=tmp_path / "run", epochs=4, set={**OWN, **more})) == weights_of(run)


def test_of_one_size_that_fills_batches_it_has_the_bits_of_one(tmp_path: Path) -> None:
    photos = folder(tmp_path / "photos", {"dark": 25, "light": 25})
    runs = [
        st.train(photos, out=tmp_path / name, epochs=2, set={**QUICK, "input.sizing": name}) for name in ("own", "one")
    ]
    assert metrics(runs[0])["split"]["train"] % QUICK["batch.size"] == 0
    assert weights_of(runs[0]) == weights_of(runs[1])
    assert metrics(runs[0])["val"] == metrics(runs[1])["val"]


def test_predictions_are_those_of_the_score_in_the_order_asked(run: st.Run, data: Path) -> None:
    model, rows = Model.load(run.path), predictions(run)
    paths = [data / row["key"] for row in rows]
    for size, workers in ((None, 0), (3, 2)):
        found = list(model.predict_paths(paths, batch_size=size, workers=workers))
        assert [one.key for one in found] == [str(path) for path in paths]
        assert [one.label for one in found] == [row["prediction"] for row in rows]
        sure = [one.probability for one in found]
        assert np.allclose(sure, [float(row["confidence"]) for row in rows], atol=1e-5)
    single = model.predict(paths[0])
    assert isinstance(single, Prediction)
    assert single.label == rows[0]["prediction"]
    assert "in own sizes" in repr(model)


def test_damaged_pictures_are_left_out_and_the_order_stays(run: st.Run, data: Path, tmp_path: Path) -> None:
    model, chosen = Model.load(run.path), sorted(data.rglob("*.png"))[::9]
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"no picture")
    said: list[str] = []
    found = list(model.predict_paths([*chosen[:3], broken, *chosen[3:]], on_damaged=lambda key, _: said.append(key)))
    assert len(said) == 1
    assert [one.label for one in found] == [one.label for one in model.predict([str(path) for path in chosen])]


def test_the_network_sees_the_picture_as_it_is(run: st.Run, data: Path) -> None:
    model, path = Model.load(run.path), data / "fine" / "1-000.png"
    pixels = torch.from_numpy(np.array(Image.open(path)))[None, None]
    with torch.no_grad():
        expected = model.task.scores(model.outputs(pixels).cpu()).numpy()
    assert np.allclose(model.scores(pixels), expected, atol=1e-6)
    found = model.predict(path)
    assert isinstance(found, Prediction)
    assert list(found.scores.values()) == pytest.approx(expected[0].tolist(), abs=1e-5)


def test_evaluating_explaining_attacking_and_previewing_keep_sizes(run: st.Run, data: Path, tmp_path: Path) -> None:
    again = st.evaluate(run, data)["metrics"]
    assert again["samples"] == 120
    assert again["accuracy"] >= 0.95
    some = [data / "fine" / "0-000.png", data / "fine" / "4-001.png", data / "coarse" / "1-000.png"]
    st.explain(run, some, out=tmp_path / "heat")
    shapes = [Image.open(path).size for path in sorted((tmp_path / "heat").glob("*[0-9].png"))]
    aspects = [across / down for across, down in shapes]
    assert aspects == pytest.approx([1.0, 1.0, 40 / 24])
    assert st.attack(run)["clean"] == metrics(run)["test"]["accuracy"]
    st.augment(data, sheet=tmp_path / "sheet.png", set=OWN)
    assert Image.open(tmp_path / "sheet.png").width > 200
    assert (run.path / "figures" / "augmentation.png").exists()


def test_an_exported_file_takes_any_size(run: st.Run, tmp_path: Path) -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    report = st.export(run, tmp_path / "model.onnx")
    assert report["input"]["shape"] == ["batch", 1, "height", "width"]
    session = onnxruntime.InferenceSession(tmp_path / "model.onnx", providers=["CPUExecutionProvider"])
    model = Model.load(run.path)
    for count, height, width in ((1, 24, 24), (3, 17, 50), (2, 56, 33)):
        pixels = torch.from_numpy(
            np.random.default_rng(0).uniform(0, 255, (count, 1, height, width)).astype(np.float32)
        )
        (found,) = session.run(None, {"pixels": pixels.numpy()})
        assert np.allclose(found, model.scores(pixels), atol=1e-4)


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"network.name": "lenet5", "network.arguments": {}}, "lenet5 is bound to pictures of 56×56 px"),
        ({"network.name": "vit_tiny", "network.arguments": {}, **SQUARE}, "vit_tiny is bound to pictures of 64×64 px"),
        ({"train.start_size": 0.5}, "train.start_size=0.5 and input.sizing=own exclude each other"),
        ({"execution.compile": True}, "execution.compile=True and input.sizing=own exclude each other"),
        ({"execution.graphed": True}, "a graph would be recorded for each size"),
        ({"batch.sampling": "balanced"}, "batch.sampling=balanced and input.sizing=own exclude each other"),
        ({"augment.check": True}, "augment.check=True and input.sizing=own exclude each other"),
        ({"input.margin": 1.1}, "input.margin=1.1 and input.sizing=own exclude each other"),
        ({"input.policy": "squash"}, "input.policy=squash resamples pictures"),
        ({"input.least": 60}, "input.least is 60, more than the largest pictures of 56×56 px"),
        ({"input.sizing": "one", "input.step": 4}, "input.step is 4, and is for pictures that keep their own sizes"),
    ],
)
def test_what_does_not_go_together_is_refused_by_the_plan(data: Path, more: dict[str, Any], said: str) -> None:
    with pytest.raises((PlanError, NetworkError), match=said) as error:
        st.plan(data, epochs=1, set={**OWN, **more})
    assert error.value.fix


@pytest.mark.slow
def test_buckets_of_a_step_short_sides_and_averaged_weights(data: Path, tmp_path: Path) -> None:
    more = {"input.step": 16, "input.policy": "pad", "input.least": 30, "augment.mixup": 0.2, "train.swa": 0.5}
    found = st.train(data, out=tmp_path / "run", epochs=3, set={**OWN, **more, "train.ema": 0, "schedule.warmup": 0})
    because = found.plan.decisions["input.step"].because
    model = Model.load(found.path)
    assert model.preprocessing.bounds.place(24, 40).bucket == (32, 48)
    assert because == "set by you"
    assert 0 <= metrics(found)["val"]["accuracy"] <= 1


@pytest.mark.slow
def test_tuning_a_run_fits_its_head_on_own_sizes(run: st.Run, data: Path, tmp_path: Path) -> None:
    more = {key: value for key, value in OWN.items() if key != "network.arguments"}
    tuned = st.train(data, out=tmp_path / "tuned", weights=run.path, epochs=1, set={**more, "transfer.probe": True})
    assert metrics(tuned)["val"]["accuracy"] >= 0.95
    assert tuned.plan["transfer.cached_features"] is False


@pytest.mark.slow
def test_the_rules_measure_and_train_on_own_sizes(data: Path, tmp_path: Path) -> None:
    free = {"input.sizing": "own", "execution.threads": 1, "execution.workers": 0, "network.arguments": {"width": 8}}
    found = st.train(data, out=tmp_path / "run", epochs=2, set={**free, "batch.size": 8})
    assert found.plan.resolved
    assert found.plan["execution.graphed"] is False


NORM_OF_VECTORS = """
name: vectors
nodes:
  - {node: Conv, filters: 8, kernel_size: 3, padding: same}
  - {node: Activation, kind: relu}
  - {node: SpatialPyramidPool, levels: [2, 1]}
  - {node: Dense, units: 8}
  - {node: BatchNorm}
  - {node: Activation, kind: relu}
"""


@pytest.mark.parametrize("more", [{}, {"batch.accumulate": 2}, {"batch.size": 2}])
def test_a_norm_of_vectors_never_sees_one_sample(tmp_path: Path, more: dict[str, Any]) -> None:
    """Three pictures of a size, and some that are alone in theirs: a batch of one would be an error of torch's."""
    network = tmp_path / "vectors.yaml"
    network.write_text(NORM_OF_VECTORS)
    sizes = [(12, 12), (12, 14), (20, 12), (13, 31), (25, 9)]
    photos = textures(tmp_path / "photos", 3, sizes)
    for place in (3, 4):  # all but one of each class
        for name in ("coarse", "fine"):
            for number in (1, 2):
                (photos / name / f"{place}-{number:03d}.png").unlink()
    said: list[str] = []

    class Heard(Silent):
        def line(self, text: str) -> None:
            said.append(text)

    chosen = {**OWN, "network.name": str(network), "network.arguments": {}, "batch.size": 4, "input.step": 1, **more}
    found = st.train(photos, out=tmp_path / "run", epochs=2, set=chosen, reporter=Heard())
    assert found.metrics["training"]["epochs"] == 2
    assert [one for one in said if "alone in their size" in one]
