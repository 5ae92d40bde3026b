"""The whole way, from pictures of each kind to a Run that predicts, explains, is attacked and exported."""

import csv
import html
import json
import re
import shlex
import shutil
import zipfile
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import yaml

import striate as st
from striate.cli import main
from striate.core.events import Silent
from striate.data.dataset import list_pictures
from striate.data.store import Store
from striate.workflows.figures import draw_explanations
from tests.e2e.made_photos import QUICK, folder, table


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory):
    place = tmp_path_factory.mktemp("classify")
    photos = folder(place / "photos", {"dark": 40, "light": 40})
    (photos / "dark" / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n broken")
    return st.train(photos, out=place / "run", epochs=3, set=QUICK)


def test_a_run_is_complete(run) -> None:
    names = {path.name for path in run.path.iterdir()} - {".lock"}
    files = "plan.yaml network.json audit.json split.csv history.jsonl metrics.json predictions.csv environment.json"
    files += " scores.npz leak.json report.html diagnosis.json learnt.csv"
    assert names == {*files.split(), "figures", "checkpoints", "model"}
    assert run.finished
    assert run.metrics["test"]["accuracy"] > 0.8
    low, high = run.metrics["test"]["accuracy_interval"]
    assert low <= run.metrics["test"]["accuracy"] <= high
    assert run.metrics["split"]["quarantined"] == 1
    assert len((run.path / "history.jsonl").read_text().splitlines()) == 3


def test_the_plan_of_a_run_is_resolved_and_repeats_it(run, tmp_path: Path) -> None:
    """The command that the report gives, called."""
    assert run.plan.resolved
    page = (run.path / "report.html").read_text()
    (command,) = re.findall(r'<dt>train it again</dt><dd tabindex="0"><code>striate (train [^<]+)</code>', page)
    assert main([*shlex.split(html.unescape(command)), "--out", str(tmp_path / "again")]) == 0
    for name in ("model/model.safetensors", "history.jsonl", "predictions.csv"):
        assert (tmp_path / "again" / name).read_bytes() == (run.path / name).read_bytes(), name


def test_the_model_alone_predicts_the_same(run, tmp_path: Path) -> None:
    photos = run.path.parent / "photos"
    damaged: list[str] = []
    whole = list(st.predict(run, [photos], on_damaged=lambda key, reason: damaged.append(key)))
    assert len(whole) == 80
    assert len(damaged) == 1
    shutil.copytree(run.path / "model", tmp_path / "elsewhere")
    copied = list(st.predict(tmp_path / "elsewhere", [photos], on_damaged=lambda *_: None))
    assert copied == whole
    assert {one.label for one in whole} == {"dark", "light"}


def test_the_report_shows_the_figures_of_the_run(run) -> None:
    page = (run.path / "report.html").read_text()
    assert f"{run.metrics['test']['accuracy']:.3f}"[:5] in page or f"{run.metrics['test']['accuracy']:.1%}" in page
    assert "http://" not in page.replace("http://www.w3.org", "")
    assert "https://" not in page


def test_predictions_are_those_of_the_metrics(run) -> None:
    rows = [row for row in csv.DictReader((run.path / "predictions.csv").open()) if row["split"] == "test"]
    right = sum(row["target"] == row["prediction"] for row in rows) / len(rows)
    assert right == pytest.approx(run.metrics["test"]["accuracy"])
    with np.load(run.path / "scores.npz", allow_pickle=False) as kept:
        sure = kept["test"].max(axis=1)
        assert kept["val"].shape == (run.metrics["split"]["val"], 2)
    assert sure.tolist() == pytest.approx([float(row["confidence"]) for row in rows])


def test_what_validation_decided_is_in_scores_predictions_and_model_alike(run) -> None:
    model, metrics = st.load(run.path), run.metrics
    assert metrics["calibration"]["temperature"] == model.task.settings.temperature
    for name, value in (metrics["calibration"].get("after") or {}).get("test", {}).items():
        assert value == pytest.approx(metrics["test"][name])
    with open(run.path / "predictions.csv", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["split"] == "test"]
    sure = np.mean([float(row["loss"]) for row in rows])
    assert sure == pytest.approx(metrics["test"]["log_loss"], rel=1e-4)
    if model.task.settings.sets is not None:
        assert 0.5 <= metrics["possible"]["test"]["coverage"] <= 1
    assert set(metrics["curves"]["test"]["roc"]["classes"]) == set(model.classes)
    areas = [one["area"] for one in metrics["curves"]["test"]["roc"]["classes"].values()]
    assert np.mean(areas) == pytest.approx(metrics["test"]["roc_auc"])


@pytest.mark.slow
def test_digits_get_a_temperature_that_makes_the_test_split_more_honest(tmp_path: Path) -> None:
    run = st.train(out=tmp_path / "run", epochs=4, set={"execution.precision": "float32"})
    found = run.metrics["calibration"]
    assert found["method"] == "temperature"
    assert st.load(run.path).task.settings.temperature == found["temperature"] != 1
    for name in ("log_loss", "brier", "calibration_error"):
        assert run.metrics["test"][name] == found["after"]["test"][name] < found["before"]["test"][name]
    held = run.metrics["possible"]["test"]
    assert held["coverage_interval"][1] >= 0.9
    assert held["accuracy_of_single"] >= run.metrics["test"]["accuracy"] - 0.02
    with open(run.path / "predictions.csv", newline="") as file:
        losses = [float(row["loss"]) for row in csv.DictReader(file) if row["split"] == "test"]
    assert np.mean(losses) == pytest.approx(found["after"]["test"]["log_loss"], rel=1e-3)


def test_captions_say_what_predictions_say(run) -> None:
    rows = {row["key"]: row for row in csv.DictReader((run.path / "predictions.csv").open()) if row["split"] == "test"}
    entries = json.loads((run.path / "figures" / "index.json").read_text())
    captions = [entry["caption"] for entry in entries if entry["section"] == "explanations"]
    assert captions
    for caption in captions:
        key, said = caption.removeprefix("where the evidence lies (Grad-CAM): ").split(": ", 1)
        row = rows[key]
        assert said == f"predicted {row['prediction']} ({float(row['confidence']):.0%}), true {row['target']}"


def test_a_figure_explains_what_its_caption_names(run, tmp_path: Path) -> None:
    """Told other scores than the model's own, the map is that of the class with the largest of them."""
    picture = list(list_pictures([run.path.parent / "photos" / "light" / "000.png"]))
    own, other = run.model.classes.index("light"), run.model.classes.index("dark")
    drawn = {}
    for place in (own, other):
        told = np.eye(2, dtype=np.float32)[[place]]
        entries = draw_explanations(tmp_path / str(place), run.model, Store(), picture, "mistakes", told)
        assert f"predicted {run.model.classes[place]} (100%)" in entries[0]["caption"]
        drawn[place] = (tmp_path / str(place) / entries[1]["file"]).read_bytes()
    assert drawn[own] != drawn[other]


def test_a_finished_run_is_left_as_it_is(run) -> None:
    before = (run.path / "report.html").stat().st_mtime_ns
    assert st.resume(run.path).path == run.path
    assert (run.path / "report.html").stat().st_mtime_ns == before


def test_it_is_explained(run, tmp_path: Path) -> None:
    page = st.explain(run, [run.path.parent / "photos" / "light" / "000.png"], out=tmp_path / "why")
    assert "data:image/png;base64," in page.read_text()


def test_it_is_attacked_at_three_strengths(run) -> None:
    found = st.attack(run)
    assert found["clean"] == pytest.approx(run.metrics["test"]["accuracy"])
    assert len(found["strengths"]) == 3


def test_it_is_scored_on_other_data(run, tmp_path: Path) -> None:
    other = folder(tmp_path / "other", {"dark": 6, "light": 6})
    found = st.evaluate(run, other)
    assert found["samples"] == 12
    assert 0 <= found["metrics"]["accuracy"] <= 1
    with pytest.raises(st.StriateError, match="not trained on: green"):
        st.evaluate(run, folder(tmp_path / "strange", {"dark": 2, "green": 2}))


def test_it_is_exported_with_proof(run) -> None:
    pytest.importorskip("onnxruntime")
    found = st.export(run)
    assert (run.path / "model" / "model.onnx").exists()
    assert found


def test_runs_are_listed(run) -> None:
    found = st.runs(run.path.parent)
    assert [(one.status, one.metric) for one in found] == [("finished", "accuracy")]


def test_a_run_shows_itself(run) -> None:
    for shown in (run, run.plan, run.audit, run.model):
        assert "<" in shown._repr_html_()


def test_a_table_with_one_number_is_a_regression(tmp_path: Path) -> None:
    path = table(tmp_path, "file,brightness", lambda number, brightness: f"{brightness}.5")
    run = st.train(path, out=tmp_path / "run", epochs=12, set={**QUICK, "optimizer.rate": 0.01})
    assert run.metrics["task"] == "regress"
    assert run.metrics["test"]["r2"] > 0.5
    assert {"mae", "rmse", "r2", "mae_interval"} <= set(run.metrics["test"])


def test_a_table_with_several_labels_is_multilabel(tmp_path: Path) -> None:
    def labels(number: int, brightness: int) -> str:
        return "bright;odd" if brightness > 80 and number % 2 else "bright" if brightness > 80 else "dim"

    run = st.train(table(tmp_path, "file,labels", labels), out=tmp_path / "run", epochs=2, set=QUICK)
    assert run.metrics["task"] == "multilabel"
    assert run.model.classes == ("bright", "dim", "odd")
    assert "subset_accuracy" in run.metrics["test"]


def test_a_zip_is_read_as_it_is(tmp_path: Path) -> None:
    photos = folder(tmp_path / "photos", {"dark": 20, "light": 20})
    with zipfile.ZipFile(tmp_path / "photos.zip", "w") as archive:
        for path in sorted(photos.rglob("*.png")):
            archive.write(path, path.relative_to(photos))
    run = st.train(tmp_path / "photos.zip", out=tmp_path / "run", epochs=1, set=QUICK)
    assert run.metrics["split"]["train"] + run.metrics["split"]["val"] + run.metrics["split"]["test"] == 40


def test_arrays_are_kept_so_that_the_run_can_be_resumed(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    labels = np.arange(60) % 2
    images = random.integers(0, 100, (60, 10, 10), np.uint8) + (labels * 100).astype(np.uint8)[:, None, None]
    run = st.train({"x": images, "y": labels}, out=tmp_path / "run", epochs=2, set=QUICK)
    assert (run.path / "arrays.npz").exists()
    assert run.model.preprocessing.channels == 1
    (run.path / "metrics.json").unlink()
    (run.path / "report.html").unlink()
    before = (run.path / "model" / "model.safetensors").read_bytes()
    assert st.resume(run).finished
    assert (run.path / "model" / "model.safetensors").read_bytes() == before


def test_a_run_is_weights_for_another(run, tmp_path: Path) -> None:
    photos = folder(tmp_path / "photos", {"black": 20, "grey": 20, "white": 20})
    tuned = st.train(photos, out=tmp_path / "run", weights=run.path, epochs=2, set={"optimizer.rate": 0.001})
    assert tuned.plan["transfer.probe"] is True
    assert tuned.plan["network.weights"] == str(run.path)
    assert tuned.metrics["test"]["accuracy"] > 0.6


def test_a_head_that_no_epoch_beat_learns_from_the_validation_samples_once_they_have_chosen_it(
    run, tmp_path: Path
) -> None:
    photos = folder(tmp_path / "photos", {"black": 20, "grey": 20, "white": 20})
    way = {"predict.precision": "float32", "predict.channels_last": False, "predict.batch": 8}
    settings = {"optimizer.rate": 1e-6, "transfer.margin": 5.0, **way}
    kept, refitted = (
        st.train(photos, out=tmp_path / name, weights=run.path, epochs=1, set={**settings, "transfer.refit": more})
        for name, more in (("kept", False), ("refitted", True))
    )
    assert refitted.metrics["training"]["best_epoch"] == 0
    counts = refitted.metrics["split"]
    assert refitted.metrics["training"]["refitted"] == counts["train"] + counts["val"]
    assert "refitted" not in kept.metrics["training"]

    def rows(run: st.Run, part: str) -> list[str]:
        return [line for line in run.path.joinpath("predictions.csv").read_text().splitlines() if line.startswith(part)]

    assert rows(kept, "val") == rows(refitted, "val")  # what chose the head was found out before
    assert [row.split(",")[1] for row in rows(kept, "test")] == [row.split(",")[1] for row in rows(refitted, "test")]
    assert rows(kept, "test") != rows(refitted, "test")
    assert (kept.path / "history.jsonl").read_bytes() == (refitted.path / "history.jsonl").read_bytes()
    files = [refitted.path / name for name in ("model/model.safetensors", "predictions.csv", "metrics.json")]
    before = [file.read_bytes() for file in files]
    (refitted.path / "metrics.json").unlink()  # as if it had been killed while it was scored
    st.resume(refitted)
    assert [file.read_bytes() for file in files] == before


@pytest.mark.slow
def test_fine_tuning_by_minutes_with_folded_norms(run, tmp_path: Path) -> None:
    photos = folder(tmp_path / "photos", {"a": 20, "b": 20, "c": 20})
    settings = {"execution.workers": 0, "batch.size": 8, "execution.fold_norms": True}
    tuned = st.train(photos, weights=run.path, out=tmp_path / "run", minutes=0.2, set=settings)
    assert tuned.plan["transfer.frozen_norms"] is True
    assert tuned.plan["train.epochs"] >= 1
    assert tuned.finished
    assert not (tuned.path / "checkpoints" / ".timed").exists()


def test_a_network_from_a_file_trains_and_ships_without_it(tmp_path: Path) -> None:
    file = tmp_path / "net.yaml"
    nodes = [
        {"node": "Conv", "filters": 8},
        {"node": "Activation"},
        {"node": "GlobalPool"},
        {"node": "Dense", "units": 2},
    ]
    file.write_text(yaml.safe_dump({"name": "mine", "nodes": nodes}))
    photos = folder(tmp_path / "photos", {"dark": 20, "light": 20})
    settings = {key: value for key, value in QUICK.items() if key != "network.arguments"}
    run = st.train(photos, out=tmp_path / "run", model=str(file), epochs=1, set=settings)
    file.unlink()
    assert run.model.predict(photos / "dark" / "000.png").label in ("dark", "light")
    assert json.loads((run.path / "model" / "model.json").read_text())["network"]["kind"] == "nodes"


def test_an_edited_network_takes_the_weights_of_the_one_before_and_ships_without_its_file(run, tmp_path: Path) -> None:
    edits = [
        {"edit": "SwapActivation", "kind": "silu"},
        {"edit": "InsertAfterStages", "node": {"node": "SqueezeExcite", "reduction": 4}},
    ]
    file = tmp_path / "edited.yaml"
    file.write_text(yaml.safe_dump({"base": "compact", "arguments": QUICK["network.arguments"], "edits": edits}))
    photos = folder(tmp_path / "photos", {"dark": 20, "light": 20})
    settings = {key: value for key, value in QUICK.items() if key != "network.arguments"}
    said: list[str] = []
    hears = Silent()
    hears.line = hears.warn = said.append  # type: ignore[method-assign]
    edited = st.train(
        photos, out=tmp_path / "run", model=str(file), weights=run.path, epochs=1, set=settings, reporter=hears
    )
    assert any("tensors loaded; new: stage1_excite" in line for line in said)
    assert edited.plan["transfer.probe"] is False
    assert edited.plan["transfer.frozen_epochs"] == 0
    file.unlink()
    assert edited.model.predict(photos / "dark" / "000.png").label in ("dark", "light")
    again = st.train(photos, out=tmp_path / "again", weights=edited.path, epochs=1, set=settings)
    assert again.plan["network.name"].endswith("model.json")
    (tmp_path / "library.yaml").write_text(yaml.safe_dump({"base": "timm/mobilenetv3_small_050", "edits": edits}))
    library = st.train(photos, out=tmp_path / "library", model=str(tmp_path / "library.yaml"), epochs=1, set=settings)
    (tmp_path / "library.yaml").unlink()
    assert library.model.predict(photos / "dark" / "000.png").label in ("dark", "light")
    later = st.plan(photos, weights=library.path, set=settings)  # its weights are those after the edits
    assert later["transfer.probe"] is True
    assert [one["edit"] for one in json.loads((library.path / "network.json").read_text())["edits"]] == [
        "SwapActivation",
        "InsertAfterStages",
    ]


@pytest.mark.slow
def test_minutes_without_weights_choose_a_network_as_wide_as_they_carry(tmp_path: Path) -> None:
    photos = folder(tmp_path / "photos", {"dark": 30, "light": 30}, side=32)
    run = st.train(photos, out=tmp_path / "run", minutes=0.15, set={"execution.workers": 0, "batch.size": 16})
    assert run.finished
    assert run.plan.resolved
    assert run.plan["network.name"] == "cifarnet"
    assert "GMAC/s measured" in run.plan.decisions["network.name"].because
    assert run.plan["train.epochs"] > 1
    assert run.metrics["test"]["accuracy"] > 0.8
    again = st.train(photos, run.path / "plan.yaml", out=tmp_path / "again")
    rows = [(one.path / "history.jsonl").read_text().splitlines() for one in (run, again)]
    common = min(map(len, rows)) - 1  # a busy machine may stop either at its deadline, in the middle of an epoch
    assert common >= 1
    assert rows[0][:common] == rows[1][:common]
    model = st.load(run.path / "model")
    assert model.predict(photos / "light" / "000.png").label == "light"


def test_validation_samples_that_weigh_nothing_still_validate_but_teach_nothing(run, tmp_path: Path) -> None:
    photos = folder(tmp_path / "photos", {"black": 20, "grey": 20})
    lines = ["path,label,split,weight"]
    for number, path in enumerate(sorted(photos.rglob("*.png"))):
        part = ("train", "train", "val", "test")[number % 4]
        lines.append(f"{path.relative_to(photos)},{path.parent.name},{part},{0 if part == 'val' else 1}")
    (photos / "list.csv").write_text("\n".join(lines) + "\n")
    settings = {"optimizer.rate": 1e-6, "transfer.margin": 5.0}
    tuned = st.train(photos / "list.csv", out=tmp_path / "run", weights=run.path, epochs=1, set=settings)
    assert tuned.plan["transfer.refit"] is True
    assert tuned.metrics["training"]["best_epoch"] == 0
    assert "refitted" not in tuned.metrics["training"]
    assert 0 <= tuned.metrics["val"]["accuracy"] <= 1


def test_pictures_kept_on_disk_change_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STRIATE_CACHE", str(tmp_path / "cache"))
    photos = folder(tmp_path / "photos", {"dark": 20, "light": 20})
    trained = [
        st.train(photos, out=tmp_path / name, epochs=1, set=QUICK, cache_size=size)
        for name, size in (("without", 0), ("written", None), ("found", None))
    ]
    for name in ("model/model.safetensors", "predictions.csv", "history.jsonl"):
        assert len({(run.path / name).read_bytes() for run in trained}) == 1, name
    kept = Counter(entry.path.parent.name for entry in st.cache())  # nothing of the first training
    assert kept["packs"] == 3  # train, val, test
    assert kept["audits"] == 1
    assert st.clear_cache() > 0
    assert st.cache() == []
    (trained[2].path / "metrics.json").unlink()
    (trained[2].path / "report.html").unlink()
    st.resume(trained[2])  # which decodes for itself
    assert (trained[2].path / "predictions.csv").read_bytes() == (trained[0].path / "predictions.csv").read_bytes()
