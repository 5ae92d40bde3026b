"""Findings: each is told by its figures, none within chance, and of a cause and its effect the cause alone."""

from __future__ import annotations

import math
import re
import shlex
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest
from sklearn.metrics import roc_auc_score

from striate.evaluate.findings import FINDINGS, Doubt, Evidence, Finding, Judged, diagnose, doubt_of
from striate.evaluate.findings.small_validation import _half_width


def epochs(losses: list[float]) -> list[dict[str, Any]]:
    return [{"epoch": number, "train_loss": loss} for number, loss in enumerate(losses, 1)]


FLAT = [2.3, 1.2, 0.6, 0.4, 0.35, 0.33, 0.32, 0.32, 0.31]
WELL = Evidence(
    kind="label",
    metric="accuracy",
    train=Judged(0.99, 0.01, 300),
    val=Judged(0.97, 0.01, 300),
    history=epochs(FLAT),
    best_epoch=9,
    loss_error=0.03,
    chance=0.1,
    doubt=Doubt(291, 9, 0.9, 0.05),
    samples=1000,
    duplicates=0,
    conflicts=0,
    rate=0.05,
    usual_rate=0.05,
    optimizer="sgd",
    epochs=9,
    minutes=None,
    tuned=False,
    kept_share=0.0,
    network="compact",
    arguments={"width": 16, "blocks": [1, 1]},
    parameters=20_000,
    ended_by="all epochs",
)
SHORT = replace(
    WELL,
    train=Judged(0.6, 0.03, 300),
    val=Judged(0.58, 0.03, 300),
    doubt=Doubt(174, 126, 0.85, 0.02),
    parameters=500,
)
HARD = replace(WELL, train=Judged(0.82, 0.009, 2000), val=Judged(0.76, 0.02, 500), doubt=Doubt(380, 120, 0.85, 0.02))
HARD = replace(HARD, samples=20_000, parameters=300_000)
"""A fine network on pictures of which some cannot be told apart."""
HEALTHY: dict[str, Evidence] = {
    "several labels": replace(
        WELL, kind="labels", metric="macro_f1", train=Judged(0.9, 0.02, 300), val=Judged(0.84, 0.03, 300), doubt=None
    ),
    "no validation": replace(WELL, val=None, doubt=None, loss_error=None, chance=0.0),
    "no validation, an honest ceiling": replace(HARD, val=None, doubt=None, loss_error=None, chance=0.0),
    "pretrained": replace(WELL, tuned=True, rate=0.005, usual_rate=0.005, parameters=25_000_000),
    "pretrained, an honest ceiling": replace(HARD, tuned=True, parameters=25_000_000, network="resnet50"),
    "an honest ceiling": HARD,
    "an honest ceiling, a larger network than is named": replace(HARD, arguments={}, parameters=25_000_000),
    "an honest ceiling, no gap": replace(HARD, val=Judged(0.815, 0.02, 500)),
    "a small network that learns some of it by heart": replace(HARD, parameters=500),
    "quantiles, which R² does not judge": replace(
        WELL, kind="value", metric="r2", train=None, val=None, doubt=None, chance=0.0
    ),
    "thresholds moved by validation": replace(
        WELL, metric="macro_f1", train=Judged(0.92, 0.02, 300), val=Judged(0.95, 0.02, 300)
    ),
    "cut by the clock in its last epochs": replace(WELL, ended_by="time", epochs=10),
    "groups": replace(WELL, train=Judged(0.97, 0.03, 40, grouped=True), val=Judged(0.94, 0.03, 40, grouped=True)),
    "equal pictures that were left out": replace(WELL, duplicates=40, conflicts=1),
}


def names(evidence: Evidence) -> list[str]:
    return [one.name for one in diagnose(evidence)]


def test_a_training_that_went_well_has_no_finding() -> None:
    assert diagnose(WELL) == []
    assert diagnose(replace(WELL, kind="value", metric="r2", doubt=None, chance=0.0)) == []
    assert diagnose(replace(WELL, train=None, val=None, doubt=None, history=[])) == []


@pytest.mark.parametrize("case", HEALTHY)
def test_no_healthy_evidence_is_called_ill(case: str) -> None:
    assert diagnose(HEALTHY[case]) == []


@pytest.mark.parametrize(
    ("evidence", "name", "words", "flag"),
    [
        (SHORT, "under-fitting", "accuracy is 0.600 ± 0.030", "--set 'network.arguments={width: 64, blocks: [1, 1]}'"),
        (replace(SHORT, arguments={}), "under-fitting", "flattened at 0.31", "--model resnet18"),
        (SHORT, "under-fitting", "500 parameters are fewer than the 1,000 samples", ""),
        (replace(SHORT, tuned=True, kept_share=0.5), "under-fitting", "is 0.600", "--set transfer.kept_share=0"),
        (
            replace(SHORT, parameters=20_000, train=Judged(0.4, 0.03, 300), val=Judged(0.4, 0.03, 300)),
            "under-fitting",
            "accuracy is 0.400",
            "--set 'network.arguments={width: 64",
        ),
        (
            replace(SHORT, arguments={"width": 4, "norm": None, "pool": "it's", "deep": True}),
            "under-fitting",
            "accuracy is 0.600",
            "--set 'network.arguments={width: 16, norm: null, pool: it'\"'\"'s, deep: true}'",
        ),
        (replace(SHORT, rate=0.6), "rate too high", "12 times the usual for sgd", "--set optimizer.rate=0.05"),
        (
            replace(SHORT, rate=0.1, history=epochs([2.3, 9.0, 2.3])),
            "rate too high",
            "began at 2.3, was 9 at its highest",
            "--set optimizer.rate=0.05",
        ),
        (replace(SHORT, rate=0.005), "rate too low", "10 times less than the usual", "--set optimizer.rate=0.05"),
        (replace(SHORT, rate=0.0), "rate too low", "inf times less", "--set optimizer.rate=0.05"),
        (replace(SHORT, history=epochs([2.3, 2.2])), "ended by budget", "2,000 looks at 1,000 samples", "--epochs 90"),
        (
            replace(SHORT, history=epochs([2.3, 2.1, 1.9, 1.7, 1.5, 1.3]), minutes=2.0),
            "ended by budget",
            "40% of the fall",
            "--minutes 6",
        ),
        (replace(WELL, ended_by="time", epochs=90), "ended by budget", "in epoch 9 of 90", "--epochs 1080"),
        (
            replace(WELL, doubt=Doubt(210, 90, 0.55, 0.04), val=Judged(0.7, 0.03, 300)),
            "label noise suspected",
            "of 300 validation samples 90",
            "--set augment.mixup=0.2",
        ),
        (
            replace(WELL, ended_by="time", epochs=90, minutes=2.0),
            "ended by budget",
            "in epoch 9 of 90",
            "--minutes 24",
        ),
        (
            replace(SHORT, ended_by="time", epochs=10, minutes=2.0),
            "ended by budget",
            "accuracy is 0.600",
            "--minutes 2.7",
        ),
        (replace(WELL, duplicates=20, conflicts=9), "conflicting labels", "20 groups of equal pictures 9", ""),
        (
            replace(WELL, val=Judged(0.7, 0.03, 300), doubt=Doubt(210, 90, 0.85, 0.02)),
            "over-fitting",
            "accuracy is 0.990 ± 0.010, and on validation 0.700: 0.290 ± 0.032 apart; 1,000 samples were learnt",
            "--set augment.mixup=0.2",
        ),
        (
            replace(WELL, tuned=True, kept_share=0.5, val=Judged(0.7, 0.03, 300), doubt=None),
            "over-fitting",
            "0.290 ± 0.032 apart",
            "--set transfer.kept_share=0.75",
        ),
        (
            replace(WELL, val=Judged(0.95, 0.1, 10, grouped=True), doubt=None),
            "validation too small to tell",
            "on 10 groups of validation samples accuracy is 0.950 ± 0.196",
            "--val DIR",
        ),
        (
            replace(WELL, val=Judged(0.95, 0.1, 10), doubt=None),
            "validation too small to tell",
            "on 10 validation samples accuracy is 0.950 ± 0.196",
            "--val DIR",
        ),
    ],
)
def test_what_is_wrong_is_named_first_with_figures_and_a_flag(
    evidence: Evidence, name: str, words: str, flag: str
) -> None:
    found: Finding = diagnose(evidence)[0]
    assert found.name == name
    assert words in found.figures
    assert flag in found.flag
    assert found.advice


def test_the_cause_is_told_and_not_its_effect() -> None:
    assert names(replace(SHORT, rate=5.0, history=epochs([2.3, 2.2]))) == ["rate too high"]
    assert names(replace(SHORT, rate=5e-5, history=epochs([2.3, 2.2]))) == ["rate too low"]
    conflicting = replace(SHORT, duplicates=20, conflicts=9)  # which were not trained on
    assert names(conflicting) == ["under-fitting", "conflicting labels"]
    known = set(FINDINGS.names())
    assert all(set(sign.explains) <= known for _, sign in FINDINGS.items())
    assert len({sign.order for _, sign in FINDINGS.items()}) == len(known)


def turning(last: float, best: int) -> Evidence:
    """The weights of one epoch taken, the validation loss at 0.5 in the fourth and so much in the last."""
    history = [
        {**row, "val": {"log_loss": loss}}
        for row, loss in zip(epochs(FLAT), [2, 1, 0.6, 0.5, *5 * [last]], strict=True)
    ]
    return replace(SHORT, history=history, best_epoch=best)


def test_what_is_learnt_by_heart_after_the_weights_that_were_taken_is_over_fitting() -> None:
    (found,) = diagnose(turning(0.6, 4))
    assert found.name == "over-fitting"
    assert "rose from 0.5 in epoch 4 to 0.6 at the end" in found.figures
    assert names(turning(0.55, 4)) == ["under-fitting"]  # within two standard errors
    assert names(turning(0.6, 8)) == ["under-fitting"]  # the score went on rising
    assert names(replace(turning(0.6, 4), loss_error=None)) == ["under-fitting"]
    assert names(turning(0.6, 0)) == ["under-fitting"]  # the fitted head, which no epoch beat
    assert names(replace(turning(0.6, 4), train=WELL.train, val=WELL.val, doubt=WELL.doubt)) == []


@pytest.mark.parametrize("loss", [0.3, 0.9], ids=["lowest", "highest"])
def test_the_mean_of_epochs_is_no_epoch_of_the_curve(loss: float) -> None:
    """`train.swa` ends a history with a row of the mean's validation, which no training loss belongs to."""
    evidence = turning(0.6, 4)
    mean = {"epoch": 9, "train_loss": None, "val": {"log_loss": loss}}
    averaged = replace(evidence, history=[*evidence.history, mean])
    assert diagnose(averaged) == diagnose(evidence)
    assert diagnose(replace(WELL, history=[*WELL.history, mean])) == []


def test_a_flag_is_given_only_where_it_goes_further() -> None:
    large = replace(SHORT, arguments={}, train=Judged(0.3, 0.01, 2000), val=Judged(0.3, 0.02, 500), doubt=None)
    flags = {parameters: diagnose(replace(large, parameters=parameters))[0].flag for parameters in (10**6, 25 * 10**6)}
    assert flags == {10**6: "--model resnet18", 25 * 10**6: ""}
    (tuned,) = diagnose(replace(large, tuned=True))
    assert (tuned.name, tuned.flag) == ("under-fitting", "")
    for arguments in ({"width": 4, "blocks": (1, 1)}, {"width": 4, "norm": None, "act": {"slope": 0.1}}):
        flag = diagnose(replace(SHORT, arguments=arguments))[0].flag
        (said,) = shlex.split(flag.removeprefix("--set "))
        plain = {name: list(value) if isinstance(value, tuple) else value for name, value in arguments.items()}
        assert yaml.safe_load(said.removeprefix("network.arguments=")) == {**plain, "width": 16}


def test_a_rate_far_from_the_usual_at_which_it_learnt_is_no_fault() -> None:
    assert names(replace(WELL, rate=5.0)) == names(replace(WELL, rate=5e-5)) == []


@pytest.mark.parametrize(
    ("evidence", "name"),
    [
        (replace(SHORT, train=Judged(0.85, 0.03, 300)), "under-fitting"),
        (replace(SHORT, val=Judged(0.5, 0.03, 300)), "under-fitting"),
        (replace(SHORT, parameters=1000), "under-fitting"),
        (replace(WELL, val=Judged(0.85, 0.03, 300)), "over-fitting"),
        (replace(WELL, doubt=Doubt(210, 90, 0.65, 0.04), val=Judged(0.7, 0.03, 300)), "label noise suspected"),
        (replace(WELL, doubt=Doubt(295, 5, 0.5, 0.01)), "label noise suspected"),
        (replace(SHORT, doubt=Doubt(100, 200, 0.5, 0.03), val=Judged(0.33, 0.03, 300)), "label noise suspected"),
        (replace(WELL, duplicates=20, conflicts=3), "conflicting labels"),
        (replace(WELL, duplicates=5, conflicts=5), "conflicting labels"),
    ],
)
def test_what_chance_explains_is_not_told(evidence: Evidence, name: str) -> None:
    assert name not in names(evidence)


def test_values_and_labels_have_limits_of_their_own() -> None:
    values = replace(SHORT, kind="value", metric="r2", doubt=None, chance=0.0)
    assert names(values) == []  # R² of 0.6 on its own samples: what is left may not be in the pictures
    assert names(replace(values, train=Judged(0.3, 0.03, 300), val=Judged(0.28, 0.03, 300))) == ["under-fitting"]


@given(st.integers(2, 60), st.integers(0, 10**6), st.sampled_from([2, 3, 7]))
def test_separation_is_the_area_under_the_curve(count: int, seed: int, classes: int) -> None:
    random = np.random.default_rng(seed)
    scores = random.integers(1, 6, (count, classes)) / 1.0  # with ties
    scores /= scores.sum(1, keepdims=True)
    targets = np.eye(classes)[random.integers(0, classes, count)]
    right = scores.argmax(1) == targets.argmax(1)
    found = doubt_of(scores, targets)
    if right.all() or not right.any():
        assert found is None
        return
    assert found is not None
    assert (found.right, found.wrong) == (right.sum(), (~right).sum())
    assert found.separation == pytest.approx(roc_auc_score(right, scores.max(1)))
    assert found.error >= 0


def test_the_error_of_the_area_is_that_of_its_draws() -> None:
    random = np.random.default_rng(0)
    areas, errors = [], []
    for _ in range(400):
        good, bad = random.exponential(1.0, 60), random.exponential(0.6, 40)
        sure = 0.5 + 0.5 * (1 - np.exp(-np.concatenate([good, bad])))
        scores = np.stack([sure, 1 - sure], 1)
        found = doubt_of(scores, np.eye(2)[[0] * 60 + [1] * 40])
        assert found is not None
        areas.append(found.separation)
        errors.append(found.error)
    assert np.mean(errors) == pytest.approx(np.std(areas), rel=0.1)


def test_a_perfect_score_is_not_certain() -> None:
    judged = Judged.of({"accuracy": 1.0, "accuracy_interval": [1.0, 1.0], "samples": 20}, "accuracy")
    assert judged is not None
    share = 22 / 24
    assert judged.error == pytest.approx(math.sqrt(share * (1 - share) / 24))
    assert Judged.of({"accuracy": None, "samples": 20}, "accuracy") is None
    assert Judged.of({"r2": 0.5, "r2_interval": None, "samples": 20}, "r2") is None
    grouped = Judged.of({"r2": 0.5, "r2_interval": [0.304, 0.696], "samples": 20, "groups": 7}, "r2")
    assert grouped is not None
    assert (grouped.error, grouped.count, grouped.grouped) == (pytest.approx(0.1), 7, True)
    assert "on 7 groups of its own training samples" in replace(WELL, train=grouped).learnt


@pytest.mark.parametrize(("right", "count"), [(10, 10), (0, 7), (9, 10), (270, 300)])
def test_the_width_is_wilsons(right: int, count: int) -> None:
    interval = binomtest(right, count).proportion_ci(method="wilson")
    found = _half_width(Judged(right / count, 0.0, count), share=True)
    assert found == pytest.approx((interval.high - interval.low) / 2, rel=1e-3)


def test_the_page_names_each_in_the_order_in_which_they_are_told() -> None:
    page = Path(__file__).parents[2] / "docs" / "diagnosis.md"
    if not page.exists():
        pytest.skip("the docs are not beside the tests")
    signs = sorted(FINDINGS.items(), key=lambda entry: entry[1].order)
    assert re.findall(r"^\| `(\w+)` \|", page.read_text("utf-8"), re.MULTILINE) == [name for name, _ in signs]
