"""What the plan does about classes of unequal size, and that nothing corrects twice."""

from __future__ import annotations

from typing import Any

import pytest

from striate.core.errors import PlanError
from striate.core.plan import Decision, Plan
from striate.plan.planner import user_decisions
from striate.plan.remedies import NEUTRAL, REMEDIES, applied, chosen_remedy, possible
from tests.plan.test_rules import measured, pictures, planned

RARE = {"common": 260, "rare": 12}


def plan(counts: dict[str, int] | None = None, **settings: Any) -> Plan:
    named = {key.replace("__", "."): value for key, value in settings.items()}
    return planned(pictures(counts or RARE), overrides=user_decisions(named))


def test_equal_classes_need_nothing_and_unequal_ones_a_trial() -> None:
    assert plan({"a": 60, "b": 40})["imbalance.remedy"] == "none"
    found = plan()
    assert found["imbalance.remedy"] == "auto"
    assert {key: found[key] for key in NEUTRAL} == dict(NEUTRAL)
    assert "ratio" in found.decisions["imbalance.remedy"].because


@pytest.mark.parametrize("remedy", [name for name in REMEDIES if name != "smote"])
def test_a_remedy_by_name_sets_its_leaves_and_no_other(remedy: str) -> None:
    found = plan(imbalance__remedy=remedy)
    assert {key: found[key] for key in NEUTRAL} == {
        **NEUTRAL,
        **{k: v for k, v in REMEDIES[remedy].items() if k in NEUTRAL},
    }
    for key, value in REMEDIES[remedy].items():
        assert found[key] == value
        assert remedy in found.decisions[key].because or key == "loss.label_smoothing"


def test_what_was_measured_is_the_plan_of_that_name() -> None:
    base = plan()
    for remedy in REMEDIES:
        tried = base.replace(**applied(remedy, "for the test"))
        assert tried["imbalance.remedy"] == remedy
        assert all(tried[key] == value for key, value in REMEDIES[remedy].items())
        assert tried.decisions["imbalance.remedy"].by == "measured"


def test_a_setting_of_ones_own_leaves_no_trial() -> None:
    for key, value in (("loss__class_weights", "none"), ("loss__name", "focal"), ("batch__sampling", "balanced")):
        found = plan(**{key: value})
        assert found["imbalance.remedy"] == "own"
        assert "you set" in found.decisions["imbalance.remedy"].because
    costly = plan(evaluate__costs={"rare": {"common": 20}})
    assert (costly["imbalance.remedy"], costly["train.metric"]) == ("own", "expected_cost")


@pytest.mark.parametrize(
    "settings",
    [
        {"loss__class_weights": "balanced", "batch__sampling": "balanced"},
        {"loss__class_weights": {"rare": 3}, "batch__sampling": "balanced"},
        {"loss__name": "logit_adjustment", "batch__sampling": "undersampled"},
        {"imbalance__remedy": "balanced_softmax", "loss__class_weights": "effective"},
        {"evaluate__costs": {"rare": {"common": 20}}, "loss__class_weights": "balanced"},
        {"evaluate__thresholds": "moved", "loss__class_weights": "square_root"},
        {"loss__name": "focal", "loss__options": {"alpha": [1, 2]}, "loss__class_weights": "balanced"},
    ],
)
def test_two_corrections_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(PlanError, match="together twice"):
        plan(**settings)


def test_a_trial_that_was_asked_for_beside_a_setting_is_refused() -> None:
    with pytest.raises(PlanError, match=r"loss\.name=focal"):
        plan(imbalance__remedy="auto", loss__name="focal")


def test_smote_needs_a_fitted_head_and_enough_samples() -> None:
    with pytest.raises(PlanError, match=r"transfer\.probe"):
        plan(transfer__smote=5)
    with pytest.raises(PlanError, match=r"transfer\.probe"):
        plan(imbalance__remedy="smote")


def test_the_first_that_is_not_surely_behind_is_taken() -> None:
    figures = {"none": 0.5, "balanced_softmax": 0.69, "class_weights": 0.7, "focal": 0.6}
    behind = {"none": (0.2, 0.02), "balanced_softmax": (0.01, 0.02), "class_weights": (0.0, 0.0), "focal": (0.1, 0.02)}
    remedy, because = chosen_remedy(figures, behind)
    assert remedy == "balanced_softmax"
    assert all(f"{name} {figure:.3f}" in because for name, figure in figures.items())
    assert "standard error" in because
    behind["balanced_softmax"] = (0.01, 0.005)
    assert chosen_remedy(figures, behind)[0] == "class_weights"
    assert chosen_remedy({}, {})[0] == "balanced_softmax"
    alike = dict.fromkeys(("none", "moved_thresholds", "focal"), 1.0)
    assert chosen_remedy(alike, dict.fromkeys(alike, (0.0, 0.0)))[0] == "none"
    assert chosen_remedy({"none": 0.7, "focal": 0.5}, {"none": (0.0, 0.0), "focal": (0.2, 0.01)})[0] == "none"


def rerun(settings: dict[str, Any], **mine: Any) -> Plan:
    """A plan made of another as its file says it, with settings of the user's beside it."""
    first = plan(**settings)
    named = user_decisions({key.replace("__", "."): value for key, value in mine.items()})
    return planned(pictures(RARE), overrides={**first.decisions, **named})


def test_a_whole_plan_file_is_checked_too() -> None:
    with pytest.raises(PlanError, match="together twice"):
        rerun({"imbalance__remedy": "none"}, loss__class_weights="balanced", batch__sampling="balanced")
    with pytest.raises(PlanError, match="together twice"):
        rerun({"loss__class_weights": "balanced"}, batch__sampling="balanced")


def test_a_remedy_that_is_named_beside_a_plan_file_sets_its_leaves() -> None:
    found = rerun({}, imbalance__remedy="class_weights")
    assert (found["imbalance.remedy"], found["loss.class_weights"]) == ("class_weights", "balanced")
    again = rerun({"imbalance__remedy": "balanced_softmax"}, imbalance__remedy="class_weights")
    assert (again["loss.name"], again["loss.class_weights"]) == ("cross_entropy", "balanced")
    assert again["loss.label_smoothing"] == 0.1


def test_a_setting_beside_a_plan_file_that_leaves_a_trial_is_ones_own() -> None:
    found = rerun({}, loss__class_weights="effective")
    assert (found["imbalance.remedy"], found["loss.class_weights"]) == ("own", "effective")


def test_a_resolved_plan_is_the_same_again() -> None:
    base = plan()
    for remedy in ("balanced_softmax", "moved_thresholds", "balanced_sampling"):
        tried = base.replace(**applied(remedy, "for the test"))
        again = planned(pictures(RARE), overrides=tried.decisions)
        assert dict(again) == dict(tried)


def test_a_remedy_and_a_setting_that_contradicts_it_are_refused() -> None:
    with pytest.raises(PlanError, match=r"sets loss\.name=balanced_softmax"):
        plan(imbalance__remedy="balanced_softmax", loss__name="poly1")


def test_what_the_user_set_is_not_tried_over() -> None:
    found = plan(loss__label_smoothing=0.05)
    assert found["imbalance.remedy"] == "auto"
    assert not {"balanced_softmax", "focal"} & set(possible(found.decisions))
    assert {"class_weights", "moved_thresholds"} <= set(possible(found.decisions))
    assert chosen_remedy({}, {}, possible(found.decisions))[0] == "class_weights"


def test_costs_are_decided_on_by_probabilities_as_they_are() -> None:
    costs = {"rare": {"common": 20}}
    assert plan(evaluate__costs=costs)["loss.label_smoothing"] == 0
    for key, value in (("loss__label_smoothing", 0.1), ("augment__mixup", 0.2), ("loss__name", "focal")):
        with pytest.raises(PlanError, match="not those of the classes"):
            plan(evaluate__costs=costs, **{key: value})


def test_moved_thresholds_and_sampling_are_for_single_classes() -> None:
    values = measured((24, 24, 3))
    for key, value in (("evaluate.thresholds", "moved"), ("batch.sampling", "balanced"), ("imbalance.remedy", "focal")):
        with pytest.raises(PlanError, match="single classes"):
            planned(values, overrides=user_decisions({key: value}))


def test_a_plan_file_of_before_there_were_remedies_keeps_what_it_corrects_by() -> None:
    weighed = {"loss.class_weights": Decision("balanced", "the small ones would be given up", "rule")}
    found = planned(pictures(RARE), overrides=weighed)
    assert (found["imbalance.remedy"], found["loss.class_weights"]) == ("own", "balanced")
    assert "the plan file has loss.class_weights=balanced" in found.decisions["imbalance.remedy"].because
    neutral = {"loss.class_weights": Decision("none", "nothing to weigh", "rule")}
    assert planned(pictures(RARE), overrides=neutral)["imbalance.remedy"] == "auto"
