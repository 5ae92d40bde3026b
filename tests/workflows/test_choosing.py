"""Weights chosen among several by a head on their features; their sources, the gap and what is forgotten, in Runs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression

import striate as st
from striate.core.errors import UsageError, WeightsError
from striate.core.records import Label, Labels, Sample, Source, Value
from striate.core.tensors import write_tensors
from striate.nets import build, resolve
from striate.nets.sources import described
from striate.plan.rules.network import ProbedWeights, chosen_weights
from striate.tasks import TASKS, TaskSettings
from striate.train.pilots import PARTS
from striate.train.probe import parts_of
from striate.workflows.choosing import places_by_class, probe, standard_error
from striate.workflows.request import ReadRequest, Request
from tests.e2e.made_photos import QUICK, folder, save
from tests.made_data import Listener

SET = {key: value for key, value in QUICK.items() if key != "network.arguments"} | {"optimizer.rate": 1e-4}
ARGUMENTS = {"width": 8, "blocks": [1, 1]}


def samples(labels: np.ndarray, groups: list[str | None] | None = None) -> list[Sample]:
    return [
        Sample(f"{number:04d}", (Source("file", "x"),), Label("abc"[label]), group=groups[number] if groups else None)
        for number, label in enumerate(labels)
    ]


def classify() -> Any:
    return TASKS.get("classify")(("a", "b", "c"), TaskSettings(loss="cross_entropy"))


# -- the parts


def test_the_probe_is_logistic_regression_on_parts() -> None:
    random = np.random.default_rng(0)
    labels = np.sort(random.integers(0, 3, 90))
    rows = random.normal(size=(90, 6)) * [1, 10, 0.1, 1, 1, 1] + labels[:, None] * [0.8, 0, 0.05, 0, 0, 0]
    found = probe(torch.from_numpy(rows), classify(), samples(labels), np.arange(90))
    standard = (rows - rows.mean(0)) / rows.std(0, ddof=1)
    part = parts_of(np.arange(90), PARTS).numpy()
    expected = np.zeros(90)
    for one in range(PARTS):
        other = part != one
        fitted = LogisticRegression(C=1.0, max_iter=2000, tol=1e-8).fit(standard[other], labels[other])
        expected[~other] = fitted.predict(standard[~other]) == labels[~other]
    assert 0.4 < expected.mean() < 0.9
    assert (found == expected).mean() > 0.98  # of rows on a border


def test_values_and_several_labels_are_probed_too() -> None:
    random = np.random.default_rng(0)
    rows = torch.from_numpy(random.normal(size=(60, 3)))
    noise = torch.from_numpy(random.normal(size=(60, 3)))
    values = 5 + 2 * rows.numpy() @ [1.0, -1.0, 0.5]
    settings = TaskSettings(loss="huber", mean=(float(values.mean()),), std=(float(values.std()),))
    measure = TASKS.get("regress")(("size",), settings)
    held = [Sample(str(n), (Source("file", "x"),), Value((float(value),))) for n, value in enumerate(values)]
    assert -0.1 < probe(rows, measure, held, np.arange(60)).mean() <= 0
    assert probe(noise, measure, held, np.arange(60)).mean() < -0.5
    several = TASKS.get("multilabel")(("a", "b"), TaskSettings(loss="binary_cross_entropy"))
    on = [tuple(name for name, place in (("a", 0), ("b", 1)) if row[place] > 0) for row in rows]
    held = [Sample(str(n), (Source("file", "x"),), Labels(names)) for n, names in enumerate(on)]
    found = probe(rows, several, held, np.arange(60))
    assert found.mean() > 0.85
    assert set(found.tolist()) <= {0.0, 0.5, 1.0}
    assert 0.3 < probe(noise, several, held, np.arange(60)).mean() < 0.7


def test_samples_that_are_taken_keep_the_shares_of_classes() -> None:
    labels = np.array([0] * 60 + [1] * 30 + [2] * 10)
    np.random.default_rng(0).shuffle(labels)
    places = places_by_class(samples(labels), classify(), 50)
    assert len(set(places)) == 50
    assert places == sorted(places)
    assert np.bincount(labels[places]).tolist() == [30, 15, 5]
    assert places_by_class(samples(labels), classify(), 100) == list(range(100))


def test_the_error_of_a_mean_counts_units_and_not_samples() -> None:
    figures = np.random.default_rng(0).random(40)
    assert standard_error(figures, np.arange(40)) == pytest.approx(figures.std(ddof=1) / np.sqrt(40))
    twice = np.repeat(figures, 2)
    assert standard_error(twice, np.repeat(np.arange(40), 2)) == pytest.approx(figures.std(ddof=1) / np.sqrt(40))
    assert standard_error(twice, np.arange(80)) < standard_error(figures, np.arange(40))


def one(score: float, behind: float, error: float, macs: int) -> ProbedWeights:
    return ProbedWeights("label", 100, score, 0.02, behind, error, macs)


def test_the_cheapest_of_equals_is_taken_and_the_ranking_said() -> None:
    found = [one(0.8, 0.01, 0.02, 10**8), one(0.81, 0.0, 0.0, 3 * 10**8), one(0.5, 0.31, 0.03, 10**7)]
    place, because = chosen_weights(["/w/a.safetensors", "/w/b.safetensors", "/w/c.safetensors"], found)
    assert place == 0
    assert because.index("b.safetensors 0.810 ± 0.020 (300 M") < because.index("a.safetensors 0.800")
    assert because.index("a.safetensors 0.800") < because.index("c.safetensors 0.500")
    assert "0.010 behind, within a standard error of 0.020, and cheaper" in because
    found[0] = one(0.8, 0.03, 0.02, 10**8)
    assert chosen_weights(["a", "b", "c"], found)[0] == 1
    assert "/x/w.pt 0.800" in chosen_weights(["/x/w.pt", "/y/w.pt", "c"], found)[1]


def test_without_time_the_first_is_taken_and_that_is_said() -> None:
    place, because = chosen_weights(["a", "b"], [])
    assert place == 0
    assert "no time" in because


def test_several_weights_are_kept_in_a_request() -> None:
    request = Request(ReadRequest("data"), weights=("/a", "/b"))
    content = json.loads(json.dumps(request.to_dict()))
    assert Request.from_dict(content, None) == request


# -- through trainings of seconds


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two classes alike in brightness: stripes that stand and stripes that lie."""
    random, place = np.random.default_rng(0), tmp_path_factory.mktemp("stripes")
    for name, axis in (("lying", 0), ("standing", 1)):
        for number in range(45):
            wave = np.expand_dims(60 * ((np.arange(16) + random.integers(4)) % 4 < 2), 1 - axis)
            save(place / "photos" / name / f"{number:03d}.png", (90 + wave + random.normal(0, 40, (16, 16)))[..., None]
                 + np.zeros((16, 16, 3)))  # fmt: skip
    return place / "photos"


def sidecar(name: str = "compact", **more: Any) -> dict[str, Any]:
    preprocessing = {"mean": [0.4] * 3, "std": [0.2] * 3, "size": 16, "crop_pct": 1.0, "interpolation": "bilinear"}
    return {"network": name, "arguments": ARGUMENTS, "preprocessing": preprocessing, "classes": 2, **more}


def file(path: Path, tensors: dict[str, Any], **more: Any) -> Path:
    write_tensors(path, tensors)
    path.with_suffix(".json").write_text(json.dumps(sidecar(**more)))
    return path


@pytest.fixture(scope="module")
def known(photos: Path) -> Any:
    """A Run that knows the stripes."""
    settings = {**QUICK, "optimizer.rate": 0.2, "augment.shift": 0}
    return st.train(photos, out=photos.parent / "known", epochs=6, set=settings)


@pytest.fixture(scope="module")
def files(photos: Path, known: Any) -> tuple[Path, Path]:
    """Weights that know the stripes, and weights that know nothing, their filters all alike."""
    tensors = {name: tensor.clone() for name, tensor in known.model.network.state_dict().items()}
    knowing = file(photos.parent / "knowing.safetensors", tensors, license="MIT", source="stripes", bias="two ways")
    blank = build(resolve("compact", outputs=2, channels=3, height=16, width=16, arguments=ARGUMENTS)).state_dict()
    empty = {name: torch.zeros_like(one) if one.dim() == 4 else one for name, one in blank.items()}
    return file(photos.parent / "empty.safetensors", empty), knowing


@pytest.fixture(scope="module")
def tuned(photos: Path, files: tuple[Path, Path]) -> Any:
    settings = {**SET, "transfer.forgetting": True}
    return st.train(photos, out=photos.parent / "tuned", weights=list(files), epochs=1, set=settings)


def test_the_weights_that_know_are_taken_and_the_ranking_is_in_the_plan(
    tuned: Any, files: tuple[Path, Path], photos: Path
) -> None:
    decision = tuned.plan.decisions["network.weights"]
    assert decision.value == str(files[1])
    assert decision.by == "measured"
    assert "knowing.safetensors 1.000 ± " in decision.because
    assert "empty.safetensors 0." in decision.because
    assert decision.because.index("knowing") < decision.because.index("empty")
    assert "training samples" in decision.because


def test_what_was_found_is_found_again_and_the_plan_names_one(
    tuned: Any, files: tuple[Path, Path], photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("striate.workflows.choosing.head_inputs", None)  # would fail
    found = st.plan(photos, weights=files, epochs=1, set=SET)
    assert found.decisions["network.weights"] == tuned.plan.decisions["network.weights"]
    again = st.train(photos, tuned.path / "plan.yaml", out=photos.parent / "again")
    for name in ("model/model.safetensors", "history.jsonl", "predictions.csv", "weights.json"):
        assert (again.path / name).read_bytes() == (tuned.path / name).read_bytes(), name


def test_resuming_needs_only_the_weights_that_were_taken(
    tuned: Any, files: tuple[Path, Path], photos: Path, tmp_path: Path
) -> None:
    import shutil

    shutil.copytree(tuned.path, tmp_path / "run")
    for name in ("metrics.json", "report.html"):
        (tmp_path / "run" / name).unlink()
    aside = files[0].rename(files[0].with_suffix(".aside"))
    try:
        again = st.resume(tmp_path / "run")
    finally:
        aside.rename(files[0])
    assert again.metrics["forgetting"] == tuned.metrics["forgetting"]
    assert (again.path / "model/model.safetensors").read_bytes() == (
        tuned.path / "model/model.safetensors"
    ).read_bytes()


def test_sources_go_into_the_model_the_report_and_on(tuned: Any, photos: Path, tmp_path: Path) -> None:
    (source,) = tuned.model.sources
    assert source == {"source": "stripes", "network": "compact", "license": "MIT", "bias": "two ways"}
    assert "stripes; licence: MIT; known bias: two ways" in repr(tuned.model)
    report = (tuned.path / "report.html").read_text()
    for words in ("Pretrained weights", "stripes", "MIT", "two ways", "deviations from what"):
        assert words in report
    assert st.inspect(tuned).to_dict()["sources"] == [source]
    next_ = st.train(photos, out=tmp_path / "next", weights=tuned.path, epochs=1, set=SET)
    first, second = next_.model.sources
    assert first["source"] == f"the Run {tuned.path}"
    assert first["license"] == "not stated"
    assert second == source


def test_the_gap_is_kept_and_said(tuned: Any) -> None:
    gap = json.loads((tuned.path / "weights.json").read_text())["gap"]
    assert gap["verdict"] == "near"  # they learnt on these pictures
    assert gap["pictures"] == tuned.metrics["split"]["train"]
    assert all(name.endswith("norm") or "norm" in name for name in gap["layers"])


def test_forgetting_is_measured_when_asked(tuned: Any, known: Any) -> None:
    found = tuned.metrics["forgetting"]
    assert 0 <= found["distance"] < 0.1
    assert 0.5 < found["agreement"] <= 1.001
    assert 0 <= found["same"] <= 1
    assert found["in_words"][1:-1] in (tuned.path / "report.html").read_text()
    assert "forgetting" not in known.metrics
    assert not known.model.sources
    assert "Pretrained weights" not in (known.path / "report.html").read_text()


def test_a_network_without_norms_cannot_tell(photos: Path, tmp_path: Path) -> None:
    network = build(resolve("lenet5", outputs=2, channels=3, height=32, width=32, arguments={}))
    path = tmp_path / "plain.safetensors"
    write_tensors(path, network.state_dict())
    said = sidecar("lenet5")
    said |= {"arguments": {}, "preprocessing": {**said["preprocessing"], "size": 32}}
    path.with_suffix(".json").write_text(json.dumps(said))
    reporter = Listener()
    run = st.train(photos, out=tmp_path / "run", weights=path, epochs=1, set=SET, reporter=reporter)
    assert any("cannot be told: the network has no batch norms" in line for line in reporter.said)
    assert json.loads((run.path / "weights.json").read_text())["gap"] is None
    assert "cannot be told" in (run.path / "report.html").read_text()


# -- bad input


def refused(said: str, photos: Path, out: Path, weights: Any, kind: type[Exception] = UsageError, **more: Any) -> None:
    with pytest.raises(kind, match=said):
        st.train(photos, out=out, weights=weights, epochs=1, **{"set": SET, **more})
    assert not out.exists()


def test_what_cannot_be_chosen_from_is_refused(files: tuple[Path, Path], photos: Path, tmp_path: Path) -> None:
    out, (empty, knowing) = tmp_path / "run", files
    refused("given twice", photos, out, [knowing, str(knowing)])
    refused("`none` is no file", photos, out, [knowing, "none"])
    refused("`hub` is no file", photos, out, [knowing, "hub"])
    refused("empty list", photos, out, [])
    refused("network.name cannot be given with several", photos, out, list(files), model="compact")
    refused("two weights are given", photos, out, list(files), set={**SET, "network.weights": str(knowing)})
    refused("does not exist", photos, out, [knowing, tmp_path / "w.safetensors"], WeightsError)
    (tmp_path / "bare.safetensors").write_bytes(knowing.read_bytes())
    refused("bare.safetensors has no sidecar", photos, out, [empty, tmp_path / "bare.safetensors"])
    (tmp_path / "bare.json").write_bytes(knowing.with_suffix(".json").read_bytes())
    with pytest.raises(UsageError, match="hold the same weights"):
        st.plan(photos, weights=[knowing, tmp_path / "bare.safetensors"], epochs=1, set=SET)


def test_one_in_a_list_is_one(files: tuple[Path, Path], photos: Path) -> None:
    found = st.plan(photos, weights=[files[0]], epochs=1, set=SET)
    assert found["network.weights"] == str(files[0])
    assert found.decisions["network.weights"].by == "user"


def test_a_source_that_says_little_is_described_all_the_same() -> None:
    assert described({}) == "a source that is not stated; licence: not stated"


def test_where_the_time_carries_too_few_samples_the_first_is_taken(
    files: tuple[Path, Path], photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("striate.workflows.choosing.SECONDS", 0.0)
    found = st.plan(photos, weights=list(files), epochs=1, set={**SET, "input.margin": 1.1, "execution.cache_bytes": 0})
    assert found["network.weights"] == str(files[0])
    assert "no time" in found.decisions["network.weights"].because


def test_a_folder_of_few_samples_is_enough(files: tuple[Path, Path], tmp_path: Path) -> None:
    few = folder(tmp_path / "few", {"dark": 12, "light": 12})
    assert "on parts of" in st.plan(few, weights=list(files), epochs=1, set=SET).decisions["network.weights"].because
