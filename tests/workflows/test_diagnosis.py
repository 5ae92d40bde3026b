"""The diagnosis: of trainings that went wrong in planted ways, of some that went well, and how a Run tells it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.datasets import load_digits

import striate as st
from striate.evaluate.findings import Evidence, Finding, diagnose
from striate.workflows import diagnose as workflow
from striate.workflows.materials import watched
from tests.made_data import Listener

Data = dict[str, NDArray[Any]]
SETTINGS: dict[str, Any] = {
    "network.arguments": {"width": 8, "blocks": [1]},
    "batch.size": 16,
    "optimizer.rate": 0.03,
    "augment.flip": "none",
    "augment.shift": 0.0,
    "execution.precision": "float32",
    "execution.channels_last": False,
    "execution.threads": 1,
    "execution.workers": 0,
    "predict.precision": "float32",
    "predict.channels_last": False,
    "predict.batch": 64,
}


def digits(count: int) -> Data:
    """Handwritten digits of 8×8 pixels, ten classes."""
    found = load_digits()
    rows = np.random.default_rng(0).permutation(len(found.images))[:count]
    return {"x": np.rint(found.images[rows] * (255 / 16)).astype(np.uint8), "y": found.target[rows]}


def patches(count: int, noise: float, classes: int = 3) -> Data:
    """A pattern of 8×8 pixels for each class, under noise."""
    random = np.random.default_rng(0)
    labels = np.arange(count) % classes
    patterns = 60.0 * random.integers(0, 2, (classes, 8, 8))
    images = 100 + patterns[labels] + random.normal(0, noise, (count, 8, 8))
    return {"x": images.clip(0, 255).astype(np.uint8), "y": labels}


def mislabelled(data: Data, share: float) -> Data:
    """A share of the labels shuffled among themselves."""
    random = np.random.default_rng(7)
    labels = data["y"].copy()
    hit = random.random(len(labels)) < share
    labels[hit] = random.permutation(labels[hit])
    return {"x": data["x"], "y": labels}


def trained(path: Path, data: Data, epochs: int | None, seed: int = 0, **settings: Any) -> list[str]:
    """The names of what is found after a training, and the alarms behind them."""
    minutes = settings.pop("minutes", None)
    run = st.train(
        data,
        out=path / "run",
        epochs=epochs,
        minutes=minutes,
        seed=seed,
        set={**SETTINGS, **{key.replace("__", "."): value for key, value in settings.items()}},
    )
    return [one["name"] for one in run.diagnosis["findings"]] + [one["kind"] for one in run.diagnosis["alarms"]]


PLANTED: dict[str, tuple[str, Callable[[Path], list[str]]]] = {
    "one epoch": ("ended by budget", lambda path: trained(path, digits(800), 1)),
    "three epochs": ("ended by budget", lambda path: trained(path, digits(600), 3)),
    "cut by the clock": (
        "ended by budget",
        lambda path: trained(path, patches(600, 40), None, minutes=0.05, train__epochs=500),
    ),
    "one filter": (
        "under-fitting",
        lambda path: trained(path, digits(800), 12, network__arguments={"width": 1, "blocks": [1]}),
    ),
    "two filters": (
        "under-fitting",
        lambda path: trained(path, patches(900, 60, classes=12), 16, network__arguments={"width": 2, "blocks": [1]}),
    ),
    "few samples": (
        "over-fitting",
        lambda path: trained(path, patches(300, 170), 25, network__arguments={"width": 16, "blocks": [1]}),
    ),
    "few samples of many classes": (
        "over-fitting",
        lambda path: trained(
            path, patches(420, 150, classes=6), 25, network__arguments={"width": 16, "blocks": [1, 1]}
        ),
    ),
    "a hundred times the rate": ("rate too high", lambda path: trained(path, digits(600), 6, optimizer__rate=4.0)),
    "a thousand times the rate": (
        "rate too high",
        lambda path: trained(path, patches(600, 60, 6), 6, optimizer__rate=40.0),
    ),
    "a thousand times AdamW's rate": (
        "rate too high",
        lambda path: trained(path, digits(600), 6, optimizer__name="adamw", optimizer__rate=1.0),
    ),
    "a thousandth of the rate": ("rate too low", lambda path: trained(path, digits(600), 6, optimizer__rate=3e-5)),
    "a thousandth of AdamW's rate": (
        "rate too low",
        lambda path: trained(path, patches(600, 60, 6), 6, optimizer__name="adamw", optimizer__rate=7e-7),
    ),
    "eleven samples to validate": (
        "validation too small to tell",
        lambda path: trained(path, patches(70, 20), 8, batch__size=8),
    ),
    "a third of the labels shuffled": (
        "label noise suspected",
        lambda path: trained(path, mislabelled(patches(1200, 30, classes=4), 0.3), 6),
    ),
    "a third of the labels shuffled, AdamW": (
        "label noise suspected",
        lambda path: trained(
            path, mislabelled(patches(1500, 30), 0.33), 8, optimizer__name="adamw", optimizer__rate=2e-3
        ),
    ),
}
HEALTHY: dict[str, Callable[[Path], list[str]]] = {
    "digits": lambda path: trained(path, digits(1797), 12, network__arguments={"width": 16, "blocks": [1, 1]}),
    "patterns": lambda path: trained(path, patches(600, 30), 6),
    "patterns, another seed": lambda path: trained(path, patches(600, 30), 8, seed=3),
    "patterns, AdamW": lambda path: trained(path, patches(600, 30), 10, optimizer__name="adamw", optimizer__rate=2e-3),
    "a plateau schedule": lambda path: trained(path, patches(600, 30), 8, schedule__name="plateau"),
    "by the clock, and done": lambda path: trained(path, patches(600, 30), None, minutes=1.0, train__epochs=6),
    "values": lambda path: trained(path, _brightness(), 15, optimizer__rate=0.003),
    "five times the usual rate": lambda path: trained(path, patches(600, 30), 6, optimizer__rate=0.15),
}


def _brightness() -> Data:
    random = np.random.default_rng(2)
    values = random.uniform(30, 200, 500)
    images = values[:, None, None] + random.normal(0, 20, (500, 8, 8))
    return {"x": images.clip(0, 255).astype(np.uint8), "y": values + random.normal(0, 2, 500)}


@pytest.mark.slow
@pytest.mark.parametrize("case", PLANTED)
def test_what_was_planted_is_named_first(tmp_path: Path, case: str) -> None:
    name, train = PLANTED[case]
    assert train(tmp_path)[0] == name


@pytest.mark.slow
@pytest.mark.parametrize("case", HEALTHY)
def test_no_healthy_training_is_called_ill(tmp_path: Path, case: str) -> None:
    assert HEALTHY[case](tmp_path) == []


def test_a_run_holds_and_tells_its_diagnosis(tmp_path: Path) -> None:
    told = Listener()
    run = st.train(digits(200), out=tmp_path / "run", epochs=1, set=SETTINGS, reporter=told)
    content = json.loads((run.path / "diagnosis.json").read_text())
    assert content == run.diagnosis
    found = content["findings"][0]
    assert found["name"] == "ended by budget"
    assert any(text.startswith(f"{found['name']}: {found['figures']}") for text in told.warnings)
    known = run.metrics["train"]
    assert known["samples"] == watched(run.metrics["split"]["train"], run.metrics["split"]["val"])
    assert f"accuracy is {known['accuracy']:.3f}" in found["figures"]
    page = (run.path / "report.html").read_text()
    assert "<h3>Ended by budget</h3>" in page
    assert f"<code>{found['flag']}</code>" in page


def looked_at(patch: pytest.MonkeyPatch, path: Path, data: Data, **options: Any) -> tuple[Evidence, st.Run]:
    """What the diagnosis of a training looked at, and the Run."""
    seen: list[Evidence] = []

    def watched(evidence: Evidence) -> list[Finding]:
        seen.append(evidence)
        return diagnose(evidence)

    patch.setattr(workflow, "diagnose", watched)
    settings = {**SETTINGS, **options.pop("set", {})}
    run = st.train(data, out=path / "run", set=settings, **options)
    return seen[0], run


def test_decisions_by_costs_are_not_judged_as_mistakes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One class costs so much to miss that it is always decided for."""
    costs = {"0": {"1": 1e20, "2": 1e20}}
    evidence, run = looked_at(
        monkeypatch, tmp_path, patches(120, 20), epochs=12, set={"batch.size": 8, "evaluate.costs": costs}
    )
    assert evidence.metric == "accuracy"
    assert run.metrics["train"]["accuracy"] < 0.5
    assert evidence.train is not None
    assert evidence.val is not None
    assert evidence.train.value > 0.9
    assert evidence.val.value > run.metrics["val"]["accuracy"] + 0.3
    assert not evidence.short


def test_a_quantile_is_not_judged_as_a_guess(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(2)
    data = {"x": random.integers(0, 256, (60, 8, 8), np.uint8), "y": random.normal(size=60)}
    for share, judged in ((0.9, False), (0.5, True)):
        options = {"loss.name": "quantile", "loss.options": {"share": share}, "batch.size": 16}
        evidence, run = looked_at(monkeypatch, tmp_path / f"{share}", data, epochs=1, set=options)
        assert run.metrics["headline"] == run.plan["train.metric"] == "pinball"
        low, high = run.metrics["test"]["pinball_interval"]
        assert low <= run.metrics["test"]["pinball"] <= high
        assert f"q being {share}" in (run.path / "report.html").read_text()
        assert (evidence.train is not None, evidence.val is not None) == (judged, judged)


def test_training_samples_are_judged_by_their_groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = {**patches(120, 30), "group": np.arange(120) // 6}
    evidence, run = looked_at(monkeypatch, tmp_path, data, epochs=1)
    rows = [line.split(",") for line in (run.path / "split.csv").read_text().splitlines()]
    groups = {int(row[0].rsplit("/", 1)[-1]) // 6 for row in rows if row[1] == "train"}
    assert run.metrics["train"]["groups"] == len(groups)
    assert evidence.train is not None
    assert (evidence.train.count, evidence.train.grouped) == (len(groups), True)


def test_a_training_that_ends_in_a_mean_of_epochs_is_diagnosed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = mislabelled(patches(90, 60), 0.5)
    evidence, run = looked_at(monkeypatch, tmp_path, data, epochs=6, set={"train.swa": 0.5, "batch.size": 8})
    assert any(row.get("epoch") and row["train_loss"] is None for row in evidence.history)
    assert run.metrics["training"]["averaged"]


def test_training_samples_are_scored_as_they_are(tmp_path: Path) -> None:
    """With few of them, all: the Model gives the same scores for their pictures."""
    data = patches(60, 30)
    run = st.train(data, out=tmp_path / "run", epochs=6, set={**SETTINGS, "augment.shift": 0.4, "batch.size": 8})
    split = (run.path / "split.csv").read_text().splitlines()[1:]
    rows = [number for number, line in enumerate(split) if line.split(",")[1] == "train"]
    right = 0
    for row in rows:
        key = split[row].split(",")[0]
        place = int(key.rsplit("/", 1)[-1].split("[")[-1].rstrip("]"))
        right += run.model.predict(data["x"][place]).label == str(data["y"][place])
    assert run.metrics["train"]["samples"] == len(rows)
    assert run.metrics["train"]["accuracy"] == pytest.approx(right / len(rows))
