"""Boxes from end to end: trained, scored, resumed, predicted and written."""

from __future__ import annotations

import csv
import itertools
import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import striate as st
from striate.cli import main
from striate.core.boxes import FOUND, TRUTH, joined, parted, stacked
from striate.core.errors import DataError, Interrupted, NetworkError, PlanError, StriateError, UnknownName, UsageError
from striate.core.events import Silent
from striate.core.plan import Decision, Plan
from striate.core.records import Boxes
from striate.core.run import RunFolder
from striate.data.dataset import open_dataset
from striate.data.decode import decode
from striate.data.readers import ReadOptions
from striate.explain import box_colours
from striate.metrics import METRICS
from striate.tasks import Scale, make_task
from striate.tasks.detect import Detect
from striate.train import loop
from striate.workflows.checks import check_plan
from striate.workflows.labelled import labelled, scored
from tests.made_boxes import xml
from tests.shapes import CLASSES, scene, write_boxes

NAMES = tuple(sorted(CLASSES[1:]))
ARGUMENTS: dict[str, Any] = {
    "backbone": "compact",
    "backbone_arguments": {"width": 8, "blocks": [1, 1, 1], "stem_stride": 2},
    "strides": [4, 8],
    "width": 16,
    "depth": 1,
    "norm": "group",
    "sizes": [[10, 14], [20, 28]],
    "aspects": [1.0],
}
PLAN: dict[str, Any] = {
    "network.name": "retinanet",
    "network.arguments": ARGUMENTS,
    "input.height": 64,
    "input.width": 64,
    "batch.size": 4,
    "optimizer.rate": 0.01,
    "execution.precision": "float32",
    "execution.channels_last": False,
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
    return write_boxes(tmp_path_factory.mktemp("shapes"), 24)


@pytest.fixture(scope="module")
def run(data: Path, tmp_path_factory: pytest.TempPathFactory) -> st.Run:
    return st.train(data, out=tmp_path_factory.mktemp("run") / "run", epochs=4, set=PLAN)


def weights_of(run: st.Run) -> bytes:
    return (run.path / "model" / "model.safetensors").read_bytes()


def keys_of(run: st.Run, part: str) -> set[str]:
    with open(run.path / "split.csv", newline="") as file:
        return {row["key"] for row in csv.DictReader(file) if row["split"] == part}


def rows_of(run: st.Run, part: str) -> dict[str, dict[str, str]]:
    with open(run.path / "predictions.csv", newline="") as file:
        return {row["key"]: row for row in csv.DictReader(file) if row["split"] == part}


def test_a_run_has_scores_tables_and_drawings(run: st.Run) -> None:
    metrics = json.loads((run.path / "metrics.json").read_text())
    assert (metrics["task"], metrics["headline"]) == ("detect", "map50")
    names = {"map50", "map", "map75", "map_small", "map_medium", "map_large", "mar100"}
    for part in ("val", "test"):
        assert set(METRICS.names()) & set(metrics[part]) == names
        low, high = metrics[part]["map50_interval"]
        assert 0 <= low <= metrics[part]["map50"] <= high <= 1
        assert [row["class"] for row in metrics["per_class"][part]] == list(NAMES)
        matrix = np.array(metrics["confusion"][part]["matrix"])
        supports = [row["support"] for row in metrics["per_class"][part]]
        assert matrix[:-1].sum(1).tolist() == supports  # each thing is found, taken for another, or missed
    drawn = json.loads((run.path / "figures" / "index.json").read_text())
    assert sum(one["section"] == "boxes" for one in drawn) >= 4
    assert all((run.path / "figures" / one["file"]).exists() for one in drawn)
    (sheet,) = (one for one in drawn if one["section"] == "augmentation")
    pixels = np.asarray(Image.open(run.path / "figures" / sheet["file"]).convert("RGB"))
    assert all((pixels == colour).all(2).sum() > 100 for colour in box_colours(len(NAMES)))
    assert ("Mosaics are of the pictures on this sheet" in sheet["caption"]) == ("mosaic" in sheet["caption"])
    assert "not drawn" not in sheet["caption"]


def test_the_figures_are_those_of_the_models_own_boxes(run: st.Run, data: Path) -> None:
    """From the pictures to the metrics again, by the Model alone."""
    model, dataset = st.load(run.path, device="cpu"), open_dataset(data, ReadOptions())
    keys = rows_of(run, "test")
    samples = [sample for sample in dataset.samples if sample.key in keys]
    assert isinstance(model.task, Detect)
    pictures = [decode((data / sample.sources[0].path).read_bytes()) for sample in samples]
    frames = [model.preprocessing.placed(*one.pixels.shape[:2]) for one in pictures]
    found = model.found(model.prepare_each(pictures), frames)
    rows = joined(stacked(found, FOUND, 100), stacked([model.task.truths(one) for one in samples], TRUTH))
    metrics = json.loads((run.path / "metrics.json").read_text())
    for name in ("map50", "map", "mar100"):
        own = METRICS.get(name)("boxes", len(NAMES)).measure(rows, np.zeros((len(rows), 0)))
        assert metrics["test"][name] == pytest.approx(own, abs=2e-3)
    each = model.task.each(rows)
    for place, sample in enumerate(samples):
        assert int(float(keys[sample.key]["found"])) == each["found"][place]


def test_what_reaches_out_of_its_picture_is_scored_alike_everywhere(tmp_path: Path) -> None:
    folder = write_boxes(tmp_path / "data", 12)
    for path in (folder / "Annotations").iterdir():  # every box ends beyond the right border
        path.write_text(re.sub(r"<xmax>[^<]*<", "<xmax>90<", path.read_text()))
    run = st.train(folder, out=tmp_path / "run", epochs=1, set=PLAN)
    model = st.load(run.path, device="cpu")
    dataset = labelled(RunFolder(run.path), model, None, Silent())
    rows, samples, _ = scored(dataset, dataset.samples, model)
    with np.load(run.path / "scores.npz", allow_pickle=False) as kept:
        known = kept["test"]
    assert len(rows) == len(known) == len(samples)
    np.testing.assert_allclose(parted(rows)[1], parted(known)[1], atol=1e-3)
    assert parted(rows)[1][..., 2].max() == 64


def test_a_prediction_says_what_is_where(run: st.Run, data: Path) -> None:
    model = st.load(run.path, device="cpu")
    path = data / "JPEGImages" / "003.png"
    one, again = model.predict(path), model.predict(np.asarray(Image.open(path)))
    assert not isinstance(one, list)
    assert not isinstance(again, list)
    assert one.boxes == again.boxes
    assert one.boxes is not None
    scores = [box.score for box in one.boxes]
    assert scores == sorted(scores, reverse=True)
    assert isinstance(model.task, Detect)
    for box in one.boxes:
        assert box.score >= model.task.held(NAMES.index(box.label))
        assert 0 <= box.x1 < box.x2 <= 64
        assert 0 <= box.y1 < box.y2 <= 64
    assert sum(one.scores.values()) == len(one.boxes)
    assert one.to_dict()["boxes"] == [vars(box) if hasattr(box, "__dict__") else box for box in one.to_dict()["boxes"]]
    larger = Image.open(path).resize((128, 192))
    moved = model.predict(np.asarray(larger))
    assert not isinstance(moved, list)
    assert moved.boxes is not None
    assert all(box.x2 <= 128 and box.y2 <= 192 for box in moved.boxes)
    with pytest.raises(UsageError, match="no row of scores"):
        model.scores(model.prepare_each([decode(path.read_bytes())]))


def test_what_is_found_is_drawn_and_written_and_the_report_tells_it(run: st.Run, data: Path, tmp_path: Path) -> None:
    pictures = sorted((data / "JPEGImages").glob("*.png"))[:3]
    found = list(st.predict(run, pictures, draw=tmp_path / "out", boxes="json"))
    written = json.loads((tmp_path / "out" / "boxes.json").read_text())
    assert written["classes"] == list(NAMES)
    for one, told in zip(found, written["pictures"], strict=True):
        assert one.boxes is not None
        assert one.key == told["path"]
        assert [box["label"] for box in told["boxes"]] == [box.label for box in one.boxes]
        assert (told["width"], told["height"]) == Image.open(one.key).size
        drawn = Image.open(tmp_path / "out" / f"{Path(one.key).stem}.overlay.png")
        assert drawn.width * told["height"] == drawn.height * told["width"]
    with pytest.raises(DataError, match="exists already"):
        st.predict(run, pictures, draw=tmp_path / "out")
    page = (run.path / "report.html").read_text()
    for section in ("boxes", "confusion", "kinds", "classes", "ranking", "data"):
        assert re.search(rf'<section [^>]*id="{section}"', page)
    assert "Of 100 things in new pictures like these" in page
    assert "Sizes that stand for all boxes" in page


def test_large_pictures_are_looked_at_in_tiles_of_the_training_pictures_size(
    run: st.Run, data: Path, tmp_path: Path
) -> None:
    model = st.load(run.path, device="cpu")
    assert isinstance(model, st.Model)
    longest = max(
        max(box.x2 - box.x1, box.y2 - box.y1)
        for sample in open_dataset(data, ReadOptions()).samples
        if isinstance(sample.target, Boxes) and sample.key in keys_of(run, "train")
        for box in sample.target.boxes
    )
    assert model.task.settings.scale == Scale(64, float(longest))
    (tiling,) = model.tilings("auto")
    assert tiling == (64, min(31, max(16, int(longest))))
    large = write_boxes(tmp_path / "large", 3, (150, 110), shapes=6, seed=7)
    paths = sorted((large / "JPEGImages").iterdir())
    whole, parts = (list(st.predict(model, paths, tile=tile)) for tile in (None, "auto"))
    assert [one.key for one in parts] == [one.key for one in whole]
    assert parts != whole
    assert parts == [model.predict(path, tile="auto") for path in paths]
    small = data / "JPEGImages" / "003.png"
    assert model.predict(small, tile="auto") == model.predict(small)
    scored_so = [st.evaluate(run.path, large, tile=tile) for tile in (None, "auto")]
    assert scored_so[1]["tiles"] == [{"side": 64, "overlap": tiling.overlap}]
    assert scored_so[0]["metrics"] != scored_so[1]["metrics"]
    assert 0 <= scored_so[1]["metrics"]["map50"] <= 1
    with pytest.raises(UsageError, match="nothing can be told"):
        st.evaluate(run.path, large, tile=16)


def test_the_command_says_which_tiles(run: st.Run, data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    small = str(data / "JPEGImages" / "003.png")
    assert main(["predict", str(run.path), small, "--tile", "48", "--overlap", "20", "--json"]) == 0
    told = capsys.readouterr()
    assert json.loads(told.out)["tiles"] == [{"side": 48, "overlap": 20}]
    assert "tiles of that, which share 20 px" in told.err
    assert main(["evaluate", str(run.path), str(data), "--tile", "auto", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["tiles"][0]["side"] == 64
    for flags, said in (
        (["--tile", "much"], "no number of pixels"),
        (["--tile", "20"], "nothing can be told"),
        (["--tile", "64", "--overlap", "32"], "cannot share 32 px"),
        (["--overlap", "8"], "there are none"),
    ):
        assert main(["predict", str(run.path), small, *flags]) == 2
        assert said in capsys.readouterr().err


def test_stopped_and_resumed_it_ends_in_the_same_bits(
    run: st.Run, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, steps = loop.train_step, []

    def stopping(*arguments: Any) -> float:
        steps.append(1)
        if len(steps) == 6:
            raise KeyboardInterrupt
        return real(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(loop, "train_step", stopping)
        with pytest.raises(Interrupted):
            st.train(data, out=tmp_path / "cut", epochs=4, set={**PLAN, "train.checkpoint_seconds": 0})
    resumed = st.resume(tmp_path / "cut")
    assert weights_of(resumed) == weights_of(run)
    assert st.load(resumed.path).task.settings == st.load(run.path).task.settings
    assert (resumed.path / "predictions.csv").read_bytes() == (run.path / "predictions.csv").read_bytes()


def test_pictures_that_do_not_fit_into_memory_give_the_same_bits(run: st.Run, data: Path, tmp_path: Path) -> None:
    streamed = st.train(data, out=tmp_path / "run", epochs=4, set={**PLAN, "execution.pack_bytes": 0})
    assert weights_of(streamed) == weights_of(run)


@pytest.mark.parametrize("name", ["fcos", "faster_rcnn", "ssdlite"])
def test_other_detectors_go_the_same_way(data: Path, tmp_path: Path, name: str) -> None:
    arguments = {key: ARGUMENTS[key] for key in ("backbone", "backbone_arguments", "strides", "width", "norm")}
    if name == "faster_rcnn":
        arguments |= {"hidden": 32, "rois": 16, "sizes": [[12], [24]]}
    run = st.train(
        data, out=tmp_path / "run", epochs=1, set={**PLAN, "network.name": name, "network.arguments": arguments}
    )
    assert 0 <= run.metrics["test"]["map50"] <= 1
    model = st.load(run.path, device="cpu")
    assert model.spec["name"] == name


def test_folds_are_scored_together_and_predict_together(data: Path, tmp_path: Path) -> None:
    run = st.train(data, out=tmp_path / "run", epochs=2, folds=2, set=PLAN)
    metrics = json.loads((run.path / "metrics.json").read_text())
    assert metrics["test"]["samples"] == 24
    assert len(metrics["folds"]["each"]) == 2
    several = st.load(run.path, device="cpu")
    assert isinstance(several, st.Ensemble)
    one = several.predict(data / "JPEGImages" / "003.png")
    assert not isinstance(one, list)
    assert one.boxes is not None
    other = write_boxes(tmp_path / "other", 5, (100, 100), seed=5)
    assert st.evaluate(run.path, other)["samples"] == 5
    in_tiles = st.evaluate(run.path, other, tile="auto")
    assert {one["side"] for one in in_tiles["tiles"]} == {64}
    large = other / "JPEGImages" / "003.png"
    assert list(st.predict(run, [large], tile="auto")) == [several.predict(large, tile="auto")]


def test_two_runs_are_compared(run: st.Run, data: Path, tmp_path: Path) -> None:
    split = {"split.file": str(run.path / "split.csv")}
    other = st.train(data, out=tmp_path / "other", epochs=1, set={**PLAN, **split, "input.width": 96})
    found = st.compare(run, other)
    assert found["metrics"]["map50"]["difference"] == pytest.approx(
        other.metrics["test"]["map50"] - run.metrics["test"]["map50"], abs=1e-6
    )


def test_other_data_is_scored_and_its_classes_are_checked(run: st.Run, tmp_path: Path) -> None:
    other = write_boxes(tmp_path / "other", 9, (96, 80), seed=5)
    found = st.evaluate(run.path, other)
    assert found["samples"] == 9
    assert 0 <= found["metrics"]["map50"] <= 1
    one, *_ = (other / "Annotations").iterdir()
    one.write_text(
        one.read_text().replace(">disc<", ">ring<").replace(">square<", ">ring<").replace(">triangle<", ">ring<")
    )
    with pytest.raises(DataError, match="not trained on: ring"):
        st.evaluate(run.path, other)


def test_one_model_and_two_of_the_same_judge_alike(run: st.Run, data: Path) -> None:
    model = st.load(run.path, device="cpu")
    dataset = labelled(RunFolder(run.path), model, str(data), Silent())
    one, *_ = scored(dataset, dataset.samples, model)
    several, *_ = scored(dataset, dataset.samples, st.Ensemble([model, model]))
    metric = METRICS.get("map50")("boxes", len(NAMES))
    none = np.zeros((len(one), 0))
    # What two say alike is fused with what each says itself, so that weak boxes that overlap become one.
    assert metric.measure(several, none) == pytest.approx(metric.measure(one, none), abs=0.1)


@pytest.fixture(scope="module")
def planned(data: Path) -> Plan:
    return st.plan(data, epochs=1, set=PLAN)


@pytest.mark.parametrize(
    ("leaf", "value", "error", "said"),
    [
        ("augment.mixup", 0.2, UsageError, "augment.mixup"),
        ("augment.elastic", 0.1, UsageError, "augment.elastic"),
        ("augment.policy", "randaugment", UsageError, "augment.policy"),
        ("augment.minority", 2.0, PlanError, "augment.minority=2 is for classes"),
        ("input.sizing", "own", PlanError, "input.sizing=own"),
        ("input.sizing", "patch", PlanError, "input.sizing=patch"),
        ("input.policy", "crop", PlanError, "cut off things at the border"),
        ("input.margin", 1.2, PlanError, "input.margin=1.2"),
        ("predict.views", "mirrored", PlanError, "predict.views=mirrored"),
        ("train.start_size", 0.5, PlanError, "train.start_size=0.5"),
        ("evaluate.shortcuts", True, PlanError, "evaluate.shortcuts=True"),
        ("transfer.probe", True, PlanError, "transfer.probe=True"),
    ],
)
def test_what_does_not_go_together_is_refused(
    planned: Plan, leaf: str, value: Any, error: type[StriateError], said: str
) -> None:
    task = make_task("detect", NAMES, [], loss="of_network")
    check_plan(planned, task, [])
    group, name = leaf.split(".")
    changed = planned.replace(**{group: {name: Decision(value, "set by you", "user")}})
    with pytest.raises(error, match=said):
        check_plan(changed, task, [])


@pytest.mark.parametrize(
    ("more", "error", "said"),
    [
        ({"network.name": "compact", "network.arguments": {}}, NetworkError, "boxes"),
        ({"network.name": "unet", "network.arguments": {}}, NetworkError, "boxes"),
        ({"network.arguments": {**ARGUMENTS, "widht": 3}}, UnknownName, "widht"),
        ({"loss.class_weights": "balanced"}, UsageError, "things of many"),
        ({"loss.options": {"place": "much"}}, UsageError, "place"),
        ({"train.metric": "accuracy"}, UnknownName, "accuracy"),
        ({"predict.calibration": "temperature"}, PlanError, "predict.calibration"),
    ],
)
def test_what_cannot_be_is_said_before_training(
    data: Path, tmp_path: Path, more: dict[str, Any], error: type[StriateError], said: str
) -> None:
    with pytest.raises(error, match=said):
        st.train(data, out=tmp_path / "run", epochs=1, set={**PLAN, **more})
    assert not (tmp_path / "run").exists()


def test_a_run_of_boxes_begins_another(run: st.Run, data: Path, tmp_path: Path) -> None:
    set_ = {key: value for key, value in PLAN.items() if not key.startswith("network.")}
    again = st.train(data, out=tmp_path / "run", epochs=1, weights=str(run.path), set={**set_, "optimizer.rate": 1e-6})
    assert again.metrics["val"]["map50"] == pytest.approx(run.metrics["val"]["map50"], abs=0.15)


def test_pictures_without_things_and_without_annotation(data: Path, tmp_path: Path) -> None:
    folder = tmp_path / "data"
    shutil.copytree(data, folder)
    empty = folder / "Annotations" / "005.xml"
    text = empty.read_text()
    empty.write_text(text[: text.index("<object>")] + "</annotation>" if "<object>" in text else text)
    (folder / "Annotations" / "006.xml").unlink()
    run = st.train(folder, out=tmp_path / "run", epochs=1, set=PLAN)
    audit = json.loads((run.path / "audit.json").read_text())
    assert audit["boxes"]["pictures"] == {"with_boxes": 22, "empty": 1, "unlabelled": 1}
    fates = {row["key"]: row for row in csv.DictReader((run.path / "split.csv").read_text().splitlines())}
    assert fates["JPEGImages/006.png"]["split"] == "excluded"
    assert "no annotation" in fates["JPEGImages/006.png"]["reason"]
    assert fates["JPEGImages/005.png"]["split"] in ("train", "val", "test")


def test_no_boxes_at_all_is_said(data: Path, tmp_path: Path) -> None:
    folder = tmp_path / "data"
    shutil.copytree(data, folder)
    for path in (folder / "Annotations").iterdir():
        text = path.read_text()
        path.write_text(text[: text.index("<object>")] + "</annotation>")
    with pytest.raises(StriateError, match="box"):
        st.train(folder, out=tmp_path / "run", epochs=1, set=PLAN)


@pytest.mark.parametrize("verb", ["explain", "attack", "export"])
def test_what_asks_for_one_answer_a_picture_is_refused(run: st.Run, data: Path, tmp_path: Path, verb: str) -> None:
    calls = {
        "explain": lambda: st.explain(run, [data / "JPEGImages"], out=tmp_path / "out"),
        "attack": lambda: st.attack(run, data),
        "export": lambda: st.export(run, tmp_path / "model.onnx"),
    }
    with pytest.raises(UsageError, match=f"`striate {verb}` is for Models that give one answer a picture"):
        calls[verb]()


@pytest.fixture(scope="module")
def learnt(tmp_path_factory: pytest.TempPathFactory) -> st.Run:
    """What 320 pictures of 64 px teach, from scratch, in a minute."""
    folder = tmp_path_factory.mktemp("learnt")
    arguments = {
        **ARGUMENTS,
        "backbone_arguments": {**ARGUMENTS["backbone_arguments"], "width": 16},
        "width": 32,
        "depth": 2,
    }
    plan = {**PLAN, "network.arguments": arguments, "batch.size": 8}
    return st.train(write_boxes(folder / "data", 320, shapes=2), out=folder / "run", epochs=30, set=plan)


@pytest.mark.slow
def test_shapes_are_found_in_minutes(learnt: st.Run) -> None:
    """A floor of what these pictures teach: mAP50 is 0.97 and more."""
    assert learnt.metrics["test"]["map50"] >= 0.95


@pytest.mark.slow
def test_in_tiles_large_pictures_are_as_those_that_were_learnt_from(learnt: st.Run, tmp_path: Path) -> None:
    large = write_large(tmp_path / "large", 6)
    whole, in_tiles = (st.evaluate(learnt, large, tile=tile)["metrics"]["map50"] for tile in (None, "auto"))
    assert whole < 0.5
    assert in_tiles >= 0.85


def write_large(folder: Path, count: int) -> Path:
    """Twenty scenes in one picture, cut at its border so that its tiles lie across them."""
    (folder / "JPEGImages").mkdir(parents=True)
    (folder / "Annotations").mkdir()
    down, across, height, width = 9, 13, 4 * 64 - 20, 5 * 64 - 30
    for number in range(count):
        pixels, boxes = np.zeros((4 * 64, 5 * 64, 3), np.uint8), []
        for place, (top, left) in enumerate(itertools.product(range(0, 4 * 64, 64), range(0, 5 * 64, 64))):
            made = scene(50_000 + 100 * number + place, (64, 64), 2)
            pixels[top : top + 64, left : left + 64] = made.pixels
            for kind, *edges in made.boxes:
                x1, y1, x2, y2 = np.array(edges) + [left - across, top - down] * 2
                box = (CLASSES[kind], max(x1, 0), max(y1, 0), min(x2, width), min(y2, height))
                if min(box[3] - box[1], box[4] - box[2]) > 4:
                    boxes.append(box)
        Image.fromarray(pixels[down:, across:][:height, :width]).save(folder / "JPEGImages" / f"{number}.png")
        (folder / "Annotations" / f"{number}.xml").write_text(xml(boxes, f"{number}.png", size=(width, height)))
    return folder
