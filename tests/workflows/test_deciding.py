"""What validation decides: applied in order, said with figures, and off where the plan says so."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from striate.core.errors import PlanError
from striate.core.events import Silent
from striate.core.plan import Decision
from striate.core.records import Label, Sample, Value
from striate.evaluate import fit_temperature
from striate.plan.rules.validated import check_validated
from striate.tasks import make_task
from striate.workflows.deciding import decide, decided_figures, not_held_out

NAMES = ("cat", "dog", "owl")
PLAN = {
    "predict.calibration": "temperature",
    "evaluate.thresholds": "likeliest",
    "evaluate.label_thresholds": "half",
    "evaluate.coverage": 0.9,
    "evaluate.tidying": "none",
}


def made(kind: str, rows: int = 200) -> tuple[Any, dict[str, torch.Tensor]]:
    """What a training works with, as far as decisions look at it, and raw outputs of its held-out splits."""
    random = np.random.default_rng(0)
    targets, outputs = {}, {}
    for part in ("train", "val", "test"):
        if kind == "multilabel":
            targets[part] = (random.random((rows, 3)) < [0.5, 0.2, 0.01]).astype(np.float32)
        elif kind == "classify":
            targets[part] = np.eye(3, dtype=np.float32)[random.choice(3, rows, p=[0.6, 0.3, 0.1])]
        else:
            targets[part] = random.normal(size=(rows, 3)).astype(np.float32)
        loud = 1.0 if kind == "regress" else 5.0
        outputs[part] = loud * (targets[part] + random.normal(0, 0.7, (rows, 3)) - (0.8 if loud > 1 else 0))
    loss = {"classify": "cross_entropy", "multilabel": "binary_cross_entropy", "regress": "huber"}[kind]
    values = [Sample(str(row), (), Value((float(row),) * 3)) for row in range(3)]
    samples = {"classify": [Sample("a", (), Label("cat"))], "multilabel": [], "regress": values}[kind]
    task = make_task(kind, NAMES, samples, loss=loss)
    materials = SimpleNamespace(
        task=task,
        targets={part: torch.from_numpy(one) for part, one in targets.items()},
        samples={part: [Sample(f"{part}/{row}", ()) for row in range(rows)] for part in targets},
        units=lambda part: np.arange(rows),
    )
    return materials, {part: torch.from_numpy(outputs[part]).float() for part in ("val", "test")}


def plan(**changed: Any) -> Any:
    return {**PLAN, **{key.replace("__", "."): value for key, value in changed.items()}}


def test_probabilities_are_calibrated_before_anything_is_decided_by_them() -> None:
    materials, outputs = made("classify")
    found = decide(materials, plan(evaluate__thresholds="moved"), outputs["val"], Silent())
    settings = found.task.settings
    alone = fit_temperature(outputs["val"].numpy(), materials.targets["val"].numpy(), "label", np.arange(200))
    assert settings.temperature == alone.value is not None
    assert settings.factors is not None
    assert settings.sets is not None
    scores = torch.softmax(outputs["val"] / settings.temperature, dim=1).numpy()
    assert np.array_equal(found.task.scores(outputs["val"]).numpy(), scores)
    true = np.sort((scores * materials.targets["val"].numpy()).sum(1))
    assert settings.sets.bounds[0] == pytest.approx(float(true[19]), abs=1e-7), "the twentieth of 200"


def test_figures_stand_for_both_splits_before_and_after() -> None:
    materials, outputs = made("classify")
    found = decide(materials, plan(), outputs["val"], Silent())
    figures = decided_figures(found, outputs, materials, seed=0)
    assert set(figures) == {"calibration", "possible"}
    for part in ("val", "test"):
        before, after = (figures["calibration"][when][part] for when in ("before", "after"))
        assert set(before) == set(after) == {"log_loss", "brier", "calibration_error"}
        assert after["log_loss"] < before["log_loss"]
        assert after["calibration_error"] < before["calibration_error"]
        low, high = figures["possible"][part]["coverage_interval"]
        assert low <= figures["possible"][part]["coverage"] <= high
    assert figures["possible"]["val"]["coverage"] >= 0.9
    assert figures["possible"]["test"]["coverage"] > 0.8
    assert figures["possible"]["wanted"] == 0.9
    said = not_held_out(found, refitted=True)
    assert [
        word for word in ("temperature", "possible", "fitted once more") if not any(word in one for one in said)
    ] == []
    assert not any("thresholds were chosen" in one for one in said)


def test_off_is_off() -> None:
    materials, outputs = made("classify")
    found = decide(materials, plan(predict__calibration="none", evaluate__coverage=None), outputs["val"], Silent())
    assert found.task.settings == materials.task.settings
    assert decided_figures(found, outputs, materials, seed=0) == {}
    assert not_held_out(found, refitted=True) == []
    assert decide(materials, plan(), None, Silent()).task.settings == materials.task.settings


def test_too_few_say_so_and_leave_predictions_as_they_are() -> None:
    materials, outputs = made("classify", rows=30)
    found = decide(materials, plan(), outputs["val"], Silent())
    assert found.task.settings == materials.task.settings
    figures = decided_figures(found, outputs, materials, seed=0)
    assert figures["calibration"]["method"] == "none"
    assert "before" not in figures["calibration"]
    for name in ("calibration", "possible"):
        assert "30 independent validation samples are too few" in figures[name]["because"]
    assert "test" not in figures["possible"]


def test_each_label_has_its_threshold_on_calibrated_probabilities() -> None:
    materials, outputs = made("multilabel")
    found = decide(materials, plan(evaluate__label_thresholds="f1", evaluate__coverage=None), outputs["val"], Silent())
    settings = found.task.settings
    assert settings.temperature is not None
    assert settings.thresholds is not None
    assert settings.thresholds[2] == 0.5, "of two positives nothing is learnt"
    assert "a half for owl" in found.thresholds["because"]
    scores, targets = found.task.scores(outputs["val"]).numpy(), materials.targets["val"].numpy()
    plain = materials.task.metrics(materials.task.scores(outputs["val"]).numpy(), targets)
    assert found.task.metrics(scores, targets)["macro_f1"] >= plain["macro_f1"]
    assert decided_figures(found, outputs, materials, seed=0)["thresholds"]["values"].keys() == set(NAMES)
    assert "thresholds were chosen" in not_held_out(found, refitted=False)[0]


def test_labels_are_held_possible_too() -> None:
    materials, outputs = made("multilabel")
    found = decide(materials, plan(evaluate__label_thresholds="f1"), outputs["val"], Silent())
    figures = decided_figures(found, outputs, materials, seed=0)["possible"]
    assert figures["val"]["coverage"] >= 0.9
    assert figures["test"]["coverage"] > 0.8
    assert figures["bounds"].keys() == set(NAMES)
    assert found.task.settings.thresholds is not None
    both = zip(figures["bounds"].values(), found.task.settings.thresholds, strict=True)
    assert all(bound <= threshold for bound, threshold in both), "what is held present is possible"


def test_values_have_a_reach() -> None:
    materials, outputs = made("regress")
    found = decide(materials, plan(predict__calibration="none"), outputs["val"], Silent())
    figures = decided_figures(found, outputs, materials, seed=0)["possible"]
    assert set(figures["test"]) == set(NAMES)
    assert all(figures["val"][name]["coverage"] >= 0.9 for name in NAMES)
    assert figures["bounds"].keys() == set(NAMES)


@pytest.mark.parametrize(
    ("kind", "key", "value", "words"),
    [
        ("regress", "predict.calibration", "temperature", "probabilities"),
        ("classify", "evaluate.label_thresholds", "f1", "several labels"),
        ("classify", "evaluate.tidying", "validated", "for masks"),
    ],
)
def test_what_a_task_has_not_is_refused_before_the_training(kind: str, key: str, value: Any, words: str) -> None:
    off = {"predict.calibration": "none", "evaluate.label_thresholds": "half", "evaluate.coverage": None}
    off["evaluate.tidying"] = "none"
    decisions = {one: Decision(was, "") for one, was in off.items()} | {"task.kind": Decision(kind, "")}
    check_validated(decisions, validated=False)
    with pytest.raises(PlanError, match=words):
        check_validated({**decisions, key: Decision(value, "set by you", "user")}, validated=True)


def test_what_needs_validation_is_refused_without() -> None:
    decisions = {key: Decision(value, "") for key, value in PLAN.items()} | {"task.kind": Decision("classify", "")}
    check_validated(decisions, validated=True)
    with pytest.raises(PlanError, match="there are none"):
        check_validated(decisions, validated=False)
