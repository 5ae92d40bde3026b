"""What does not keep the class is dropped before training, where it is asked for; what the user has set is not."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from striate.core.errors import PlanError
from striate.core.events import Silent
from striate.core.plan import By, Decision
from striate.plan.rules.augment import Probed
from striate.plan.rules.views import views_after
from striate.workflows.keeping import keeping_classes
from striate.workflows.materials import Materials, gather
from striate.workflows.request import ReadRequest, Request
from striate.workflows.stages import prepare

DATA = Path(os.environ.get("STRIATE_DATA", "shared/data"))


class Said(Silent):
    def __init__(self) -> None:
        self.lines: list[str] = []
        self.warnings: list[str] = []

    def line(self, text: str) -> None:
        self.lines.append(text)

    def warn(self, text: str) -> None:
        self.warnings.append(text)


@pytest.fixture(scope="module")
def digits() -> Materials:
    """Materials of the built-in digits, with nothing on but the check."""
    still = {"augment.shift": 0.0, "augment.flip": "none", "augment.check": True}
    overrides = {key: Decision(value, "for the test") for key, value in still.items()}
    return gather(None, prepare(Request(ReadRequest(), epochs=1, overrides=overrides), None, "cpu", Silent()), Silent())


def planned(materials: Materials, by: By = "rule", **augment: Any) -> Materials:
    """The same with augmentations that a rule would have chosen, or the user."""
    chosen = {name: Decision(value, "for the test", by) for name, value in augment.items()}
    plan = materials.plan.replace(augment=chosen)
    plan = plan.replace(predict={"views": Decision(*views_after(plan["augment.flip"]))})
    return replace(materials, prepared=replace(materials.prepared, plan=plan))


def test_vertical_flips_of_digits_are_dropped_and_the_views_of_predictions_follow(digits: Materials) -> None:
    said, materials = Said(), planned(digits, flip="both", color=0.2, noise=0.02, mixup=0.2)
    plan = keeping_classes(materials, said).plan
    assert plan["augment.flip"] != "both"
    assert plan["predict.views"] == {"none": "single", "horizontal": "mirrored"}[plan["augment.flip"]]
    flip = plan.decisions["augment.flip"]
    assert flip.by == "measured"
    assert "both does not keep the class" in flip.because
    assert "validation samples" in flip.because
    assert (plan["augment.color"], plan["augment.noise"], plan["augment.mixup"]) == (0.2, 0.02, 0.2)
    check = plan.decisions["augment.check"]
    assert (check.value, check.by) == (False, "measured")
    assert check.because == "checked: flip dropped, color, noise kept"
    assert len(said.lines) == 1
    assert plan.decisions == keeping_classes(materials, Silent()).plan.decisions, "a function of seed and data"


def test_what_the_user_has_set_stays_with_a_warning(digits: Materials) -> None:
    said = Said()
    plan = keeping_classes(planned(digits, by="user", flip="both"), said).plan
    assert (plan["augment.flip"], plan["predict.views"]) == ("both", "flipped")
    (warning,) = said.warnings
    assert "augment.flip=both may not keep the class" in warning
    assert plan.decisions["augment.check"].because.endswith("flip left though warned of")


def test_a_policy_that_is_dropped_leaves_no_options(digits: Materials) -> None:
    materials = planned(digits, policy="randaugment", policy_options={"n": 4, "m": 30})
    materials = keeping_classes(materials, Silent())
    assert (materials.plan["augment.policy"], materials.plan["augment.policy_options"]) == ("none", {})
    materials.recipe(materials.plan)


def test_nothing_is_checked_unless_it_is_asked_for(digits: Materials) -> None:
    materials = planned(digits, flip="both", check=False)
    assert keeping_classes(materials, Silent()) is materials


def test_what_has_no_classes_or_no_validation_samples_cannot_be_checked(digits: Materials) -> None:
    values = digits.plan.replace(task={"kind": Decision("regress", "for the test")})
    with pytest.raises(PlanError, match="not regress"):
        keeping_classes(replace(digits, prepared=replace(digits.prepared, plan=values)), Silent())
    with pytest.raises(PlanError, match="no validation samples"):
        keeping_classes(replace(digits, pictures={"train": digits.pictures["train"]}), Silent())


@pytest.mark.parametrize(
    ("lost", "error", "kept"), [(0.03, 0.01, False), (0.03, 0.02, True), (0.009, 0.001, True), (-0.1, 0.01, True)]
)
def test_a_loss_counts_above_two_standard_errors_and_a_point(lost: float, error: float, kept: bool) -> None:
    found = Probed(0.9, 400, 0.2, lost, error)
    assert found.keeps_class is kept
    assert "90.0% of 400" in str(found)
    assert "20.0% before it was taught" in str(found)


@pytest.mark.slow
@pytest.mark.skipif(not (DATA / "flowers").is_dir(), reason="needs the flowers")
def test_hue_is_dropped_for_flowers_and_their_mirror_images_stay() -> None:
    read = ReadRequest(str(DATA / "flowers"))
    decisions = {"augment.check": True, "augment.flip": "horizontal", "augment.hue": 0.3}
    overrides = {key: Decision(value, "for the test") for key, value in decisions.items()}
    overrides |= {key: Decision(64, "for the test", "user") for key in ("input.height", "input.width")}
    request = Request(read, epochs=1, overrides=overrides)
    materials = gather(None, prepare(request, None, "cpu", Silent()), Silent())
    plan = keeping_classes(materials, Silent()).plan
    assert (plan["augment.flip"], plan["augment.hue"]) == ("horizontal", 0.0)
    assert "does not keep the class" in plan.decisions["augment.hue"].because
