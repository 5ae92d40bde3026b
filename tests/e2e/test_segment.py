"""Masks from end to end: trained, scored, resumed, predicted and written."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import striate as st
from striate.core.errors import DataError, Interrupted, NetworkError, PlanError, StriateError, UnknownName, UsageError
from striate.core.events import Silent
from striate.core.plan import Decision, Plan
from striate.core.run import RunFolder
from striate.data.decode import decode_values
from striate.metrics import METRICS, statistics
from striate.tasks import make_task
from striate.train import loop
from striate.workflows.checks import check_plan
from striate.workflows.labelled import labelled, scored
from tests.shapes import CLASSES, write_scenes

SIZES = ((32, 48), (24, 24), (40, 32))
PLAN: dict[str, Any] = {
    "network.name": "unet",
    "network.arguments": {"width": 4, "depth": 2, "norm": True},
    "batch.size": 4,
    "optimizer.rate": 0.01,
    "execution.precision": "float32",
    "execution.channels_last": True,
    "execution.workers": 0,
    "predict.precision": "float32",
    "predict.channels_last": True,
    "predict.batch": 4,
    "execution.threads": 1,
    "execution.cache_bytes": 0,
    "split.near_duplicates": False,
}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_scenes(tmp_path_factory.mktemp("shapes"), 24, SIZES)


@pytest.fixture(scope="module")
def run(data: Path, tmp_path_factory: pytest.TempPathFactory) -> st.Run:
    return st.train(data, out=tmp_path_factory.mktemp("run") / "run", epochs=3, set=PLAN)


def weights_of(run: st.Run) -> bytes:
    return (run.path / "model" / "model.safetensors").read_bytes()


def test_a_run_has_scores_by_picture_tables_and_drawings(run: st.Run) -> None:
    metrics = json.loads((run.path / "metrics.json").read_text())
    assert (metrics["task"], metrics["headline"]) == ("segment", "mean_iou")
    for part in ("val", "test"):
        assert set(METRICS.names()) & set(metrics[part]) == {
            *("mean_iou", "dice", "pixel_accuracy", "boundary_f1", "hausdorff95"),
        }
        low, high = metrics[part]["mean_iou_interval"]
        assert 0 <= low <= metrics[part]["mean_iou"] <= high <= 1
        assert len(metrics["per_class"][part]) == len(CLASSES)
    drawn = json.loads((run.path / "figures" / "index.json").read_text())
    assert sum(one["section"] == "masks" for one in drawn) >= 6
    assert all((run.path / "figures" / one["file"]).exists() for one in drawn)
    page = (run.path / "report.html").read_text()
    assert "Best, median and worst" in page
    assert "pixels of new pictures like these" in page


def test_the_figures_are_those_of_the_models_own_masks(run: st.Run, data: Path) -> None:
    """From the pictures to the metrics again, by the Model alone."""
    with open(run.path / "predictions.csv", newline="") as file:
        rows = {row["key"]: row for row in csv.DictReader(file) if row["split"] == "test"}
    model, whole = st.load(run.path, device="cpu"), []
    for key, row in rows.items():
        prediction = model.predict(data / key if (data / key).exists() else data / "images" / key)
        assert not isinstance(prediction, list)
        assert prediction.mask is not None
        truth = np.asarray(Image.open(data / "masks" / Path(key).with_suffix(".png").name))
        assert prediction.mask.shape == truth.shape
        assert sum(prediction.scores.values()) == pytest.approx(1)
        whole.append(statistics(prediction.mask, truth, len(CLASSES)))
        own = METRICS.get("mean_iou")("mask", len(CLASSES)).measure(whole[-1][None], np.zeros((1, 0)))
        assert float(row["mean_iou"]) == pytest.approx(own, abs=1e-3)  # batches of one and of two differ in last digits
    metrics = json.loads((run.path / "metrics.json").read_text())
    for name in ("mean_iou", "pixel_accuracy"):
        own = METRICS.get(name)("mask", len(CLASSES)).measure(np.stack(whole), np.zeros((len(whole), 0)))
        assert metrics["test"][name] == pytest.approx(own, abs=1e-3)


def test_stopped_and_resumed_it_ends_in_the_same_bits(
    run: st.Run, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, steps = loop.train_step, []

    def stopping(*arguments: Any) -> float:
        steps.append(1)
        if len(steps) == 7:
            raise KeyboardInterrupt
        return real(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(loop, "train_step", stopping)
        with pytest.raises(Interrupted):
            st.train(data, out=tmp_path / "cut", epochs=3, set={**PLAN, "train.checkpoint_seconds": 0})
    resumed = st.resume(tmp_path / "cut")
    assert weights_of(resumed) == weights_of(run)
    assert (resumed.path / "predictions.csv").read_bytes() == (run.path / "predictions.csv").read_bytes()


def test_pictures_that_do_not_fit_into_memory_give_the_same_bits(run: st.Run, data: Path, tmp_path: Path) -> None:
    streamed = st.train(data, out=tmp_path / "run", epochs=3, set={**PLAN, "execution.pack_bytes": 0})
    assert weights_of(streamed) == weights_of(run)


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("fcn_resnet50", {"width": 4}),
        ("deeplabv3_resnet50", {"width": 4, "filters": 8}),
        ("smp/Unet", {"encoder_name": "resnet18", "encoder_depth": 3, "decoder_channels": [16, 8, 8]}),
    ],
)
def test_other_networks_go_the_same_way(data: Path, tmp_path: Path, name: str, arguments: dict[str, Any]) -> None:
    if name.startswith("smp/"):
        pytest.importorskip("segmentation_models_pytorch")
    run = st.train(
        data, out=tmp_path / "run", epochs=1, set={**PLAN, "network.name": name, "network.arguments": arguments}
    )
    assert 0 <= run.metrics["test"]["mean_iou"] <= 1
    prediction = st.load(run.path, device="cpu").predict(data / "images" / "000.png")
    assert not isinstance(prediction, list)
    assert prediction.mask is not None
    assert prediction.mask.shape == SIZES[0]


def test_other_data_is_scored_and_its_classes_are_checked(run: st.Run, tmp_path: Path) -> None:
    other = write_scenes(tmp_path / "other", 9, SIZES, seed=5)
    found = st.evaluate(run.path, other)
    assert found["samples"] == 9
    assert 0 < found["metrics"]["pixel_accuracy"] < 1
    fewer = write_scenes(tmp_path / "fewer", 3, seed=6)
    for path in (fewer / "masks").iterdir():
        Image.fromarray((np.asarray(Image.open(path)) > 0).astype(np.uint8)).save(path)
    with pytest.raises(DataError, match="the model predicts"):
        st.evaluate(run.path, fewer)


@pytest.mark.parametrize("how", ["size", "damaged"])
def test_a_mask_of_other_data_that_is_no_use_is_named_and_left_out(run: st.Run, tmp_path: Path, how: str) -> None:
    other = write_scenes(tmp_path / "other", 4, SIZES, seed=5)
    bad = other / "masks" / "002.png"
    if how == "size":
        Image.fromarray(np.asarray(Image.open(bad))[:-3]).save(bad)
    else:
        bad.write_bytes(bad.read_bytes()[:60])
    model = st.load(run.path, device="cpu")
    dataset = labelled(RunFolder(run.path), model, str(other), Silent())
    one, alone, damaged = scored(dataset, dataset.samples, model)
    several, together, also = scored(dataset, dataset.samples, st.Ensemble([model, model]))
    assert [Path(key).name for key, _ in damaged] == ["002.png"]
    assert damaged == also
    assert [sample.key for sample in alone] == [sample.key for sample in together]
    assert len(alone) == 3
    assert np.array_equal(one, several, equal_nan=True)
    assert st.evaluate(run.path, other)["samples"] == 3


def test_masks_are_written_and_never_written_over(run: st.Run, data: Path, tmp_path: Path) -> None:
    out = tmp_path / "masks"
    found = list(st.predict(run.path, [data / "images"], draw=out, outlines="coco"))
    assert len(found) == 24
    for prediction in found:
        stem = Path(prediction.key).stem
        assert (decode_values((out / f"{stem}.png").read_bytes()) == prediction.mask).all()
        assert (out / f"{stem}.overlay.png").exists()
    assert len(json.loads((out / "annotations.json").read_text())["images"]) == 24
    assert len(json.loads((out / "classes.json").read_text())["classes"]) == len(CLASSES)
    with pytest.raises(DataError, match="exists already"):
        list(st.predict(run.path, [data / "images"], draw=out))
    with pytest.raises(UnknownName):
        st.predict(run.path, [data / "images"], draw=tmp_path / "x", outlines="svg")
    with pytest.raises(UsageError, match="none is given"):
        st.predict(run.path, [data / "images"], outlines="coco")


@pytest.fixture(scope="module")
def planned(data: Path) -> Plan:
    return st.plan(data, epochs=1, set=PLAN)


@pytest.mark.parametrize(
    ("leaf", "value", "error", "said"),
    [
        ("augment.mixup", 0.2, UsageError, "augment.mixup is not for pictures with masks"),
        ("augment.mosaic", 0.2, UsageError, "augment.mosaic is not for pictures with masks"),
        ("augment.policy", "randaugment", UsageError, "augment.policy is not for pictures with masks"),
        ("augment.minority", 2.0, PlanError, "augment.minority=2 is for classes"),
        ("input.sizing", "own", PlanError, "input.sizing=own"),
        ("train.start_size", 0.5, PlanError, "train.start_size=0.5 and input.sizing=patch"),
        ("input.tile", 30, PlanError, "input.tile is 30 px, and the network takes sides that are multiples of 4"),
        ("input.overlap", 4000, PlanError, "cannot share 4000 px"),
        ("input.least", 8, PlanError, "smaller pictures are padded to a patch"),
    ],
)
def test_what_does_not_go_together_is_refused(
    planned: Plan, leaf: str, value: Any, error: type[StriateError], said: str
) -> None:
    task = make_task("segment", CLASSES, [], loss="dice_cross_entropy")
    check_plan(planned, task, [])
    group, name = leaf.split(".")
    changed = planned.replace(**{group: {name: Decision(value, "set by you", "user")}})
    with pytest.raises(error, match=said):
        check_plan(changed, task, [])


@pytest.mark.parametrize(
    ("more", "error", "said"),
    [
        ({"network.name": "compact", "network.arguments": {}}, NetworkError, "outputs for each position are needed"),
        ({"loss.class_weights": "balanced"}, UsageError, "here pixels have classes"),
        ({"train.metric": "accuracy"}, UnknownName, "accuracy"),
        ({"input.height": 30}, NetworkError, "the nearest sizes that it takes are 28 and 32"),
    ],
)
def test_what_cannot_be_is_said_before_training(
    data: Path, tmp_path: Path, more: dict[str, Any], error: type[StriateError], said: str
) -> None:
    with pytest.raises(error, match=said):
        st.train(data, out=tmp_path / "run", epochs=1, set={**PLAN, **more})


def test_weights_are_refused_with_what_to_do(run: st.Run, data: Path, tmp_path: Path) -> None:
    with pytest.raises(PlanError, match="pretrained weights are not taken"):
        st.train(data, out=tmp_path / "run", epochs=1, weights=str(run.path), set={"split.near_duplicates": False})


@pytest.mark.parametrize("how", ["size", "value"])
def test_a_mask_that_is_no_use_is_named(data: Path, tmp_path: Path, how: str) -> None:
    folder = tmp_path / "data"
    shutil.copytree(data, folder)
    path = folder / "masks" / "005.png"
    mask = np.asarray(Image.open(path)).copy()
    if how == "size":
        Image.fromarray(mask[:-2]).save(path)
    else:
        (folder / "classes.txt").write_text("\n".join(f"{place} {name}" for place, name in enumerate(CLASSES)))
        mask[3, 4] = 77
        Image.fromarray(mask).save(path)
    run = st.train(folder, out=tmp_path / "run", epochs=1, set={**PLAN, "split.damage_limit": 0.5})
    (damaged,) = json.loads((run.path / "audit.json").read_text())["quarantined"]
    assert damaged["path"] == "images/005.png"
    assert "its mask" in damaged["reason"]


@pytest.mark.parametrize("verb", ["explain", "attack", "export"])
def test_what_asks_for_one_answer_a_picture_is_refused(run: st.Run, data: Path, tmp_path: Path, verb: str) -> None:
    calls = {
        "explain": lambda: st.explain(run, [data / "images"], out=tmp_path / "out"),
        "attack": lambda: st.attack(run, data),
        "export": lambda: st.export(run, tmp_path / "model.onnx"),
    }
    with pytest.raises(UsageError, match=f"`striate {verb}` is for Models that give one answer a picture"):
        calls[verb]()


@pytest.mark.slow
def test_shapes_are_told_apart_in_minutes(tmp_path: Path) -> None:
    """A floor of what 120 pictures of 64 px teach; mean IoU is 0.97 and more."""
    data = write_scenes(tmp_path / "data", 120)
    arguments = {"width": 8, "depth": 3, "norm": True}
    plan = {**PLAN, "network.arguments": arguments, "optimizer.rate": 0.008, "evaluate.tidying": "validated"}
    run = st.train(data, out=tmp_path / "run", epochs=25, set=plan)
    assert run.metrics["test"]["mean_iou"] >= 0.95
    said = run.metrics["tidying"]
    assert len(said["tried"]) >= 6
    assert any(said["how"].values()) == (st.load(run.path, device="cpu").task.settings.tidying is not None)
