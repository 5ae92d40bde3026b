"""What does not keep the class is dropped before training, where it is asked for; what the user has set is not."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import striate as st
from striate.core.errors import PlanError
from striate.core.events import Silent
from striate.core.plan import By, Decision
from striate.plan.rules.augment import ProbedAugmentation
from striate.plan.rules.views import views_after
from striate.train.class_check import VIEWS, ClassProbe, Known
from striate.workflows import keeping
from striate.workflows.keeping import keeping_classes
from striate.workflows.materials import Materials, gather
from striate.workflows.request import ReadRequest, Request
from striate.workflows.stages import prepare
from tests.made_data import Listener

DATA = Path(os.environ.get("STRIATE_DATA", "shared/data"))


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
    said, materials = Listener(), planned(digits, flip="both", color=0.2, noise=0.02, mixup=0.2)
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
    said = Listener()
    plan = keeping_classes(planned(digits, by="user", flip="both"), said).plan
    assert (plan["augment.flip"], plan["predict.views"]) == ("both", "flipped")
    (warning,) = said.warnings
    assert "augment.flip=both may not keep the class" in warning
    assert plan.decisions["augment.check"].because.endswith("flip left though warned of")


def halves() -> dict[str, Any]:
    """Bright to the left or to the right, under names from which no rule can tell that."""
    random = np.random.default_rng(0)
    names = np.array(["one", "two"])[np.arange(240) % 2]
    pictures = random.integers(0, 120, (240, 16, 16), np.uint8)
    pictures[names == "one", :, :8] += 100
    pictures[names == "two", :, 8:] += 100
    return {"x": pictures, "y": names}


TINY = {"augment.shift": 0.0, "augment.check": True, "network.arguments": {"width": 4, "blocks": [1]}}
QUICK = {
    "optimizer.rate": 0.03,
    "execution.precision": "float32",
    "execution.channels_last": False,
    "execution.threads": 1,
    "execution.workers": 0,
    "predict.precision": "float32",
    "predict.channels_last": False,
    "predict.batch": 64,
}


def test_what_the_user_has_set_stays_in_a_training_too_and_what_a_rule_chose_is_dropped(tmp_path: Path) -> None:
    said, settings = Listener(), {**TINY, **QUICK}
    run = st.train(halves(), out=tmp_path / "rule", epochs=1, set=settings, reporter=said)
    flip = run.plan.decisions["augment.flip"]
    assert (flip.value, flip.by, run.plan["predict.views"]) == ("none", "measured", "single")
    assert "horizontal does not keep the class" in flip.because
    assert not any("augment.flip" in warning for warning in said.warnings)
    mine = {**settings, "augment.flip": "horizontal"}
    run = st.train(halves(), out=tmp_path / "mine", epochs=1, set=mine, reporter=said)
    flip = run.plan.decisions["augment.flip"]
    assert (flip.value, flip.by) == ("horizontal", "user")
    assert any("augment.flip=horizontal may not keep the class" in warning for warning in said.warnings)


def test_it_keeps_within_its_share_of_the_time(digits: Materials, monkeypatch: pytest.MonkeyPatch) -> None:
    said, materials = Listener(), planned(digits, flip="both", color=0.2)
    plan = keeping_classes(materials, said, seconds=0.0).plan
    assert plan["augment.flip"] == "both"
    assert plan.decisions["augment.check"].because.endswith("for want of time not checked: flip, color")
    assert plan["augment.check"] is False
    (warning,) = said.warnings
    assert "flip, color" in warning
    asked: list[tuple[int, int]] = []

    class Watched(ClassProbe):
        def __init__(self, features: Any, train: Known, held_out: Known, size: tuple[int, int], classes: int) -> None:
            asked.append((len(train.places), len(held_out.places)))
            super().__init__(features, train, held_out, size, classes)

    monkeypatch.setattr(keeping, "ClassProbe", Watched)
    monkeypatch.setattr(keeping, "_seconds", lambda materials, features: 1.0)
    taught, held_out = materials.count("train"), materials.count("val")
    whole = (taught + held_out) + 2 * (taught + VIEWS * held_out)
    keeping_classes(materials, Silent(), seconds=0.6 * whole / keeping.SHARE)
    keeping_classes(materials, Silent(), seconds=100 * whole)
    keeping_classes(materials, Silent())
    assert asked[0] == pytest.approx((0.6 * taught, 0.6 * held_out), rel=0.05)
    assert asked[1:] == [(taught, held_out)] * 2


def test_a_function_of_the_users_is_asked_for_too(
    digits: Materials, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "emptied.py").write_text("def all(image, generator):\n    return image * 0\n")
    monkeypatch.chdir(tmp_path)
    said = Listener()
    plan = keeping_classes(planned(digits, by="user", function="emptied:all"), said).plan
    assert plan["augment.function"] == "emptied:all"
    assert any("augment.function=emptied:all may not keep the class" in warning for warning in said.warnings)


def test_the_strengths_for_small_classes_are_asked_for(digits: Materials) -> None:
    said = Listener()
    plan = keeping_classes(planned(digits, by="user", noise=0.02, minority=10.0), said).plan
    assert (plan["augment.noise"], plan["augment.minority"]) == (0.02, 10.0)
    (warning,) = said.warnings
    assert "augment.minority=10.0 (noise 0.2 for samples of small classes) may not keep the class" in warning
    assert (
        plan.decisions["augment.check"].because
        == "checked: nothing dropped, noise kept, minority left though warned of"
    )
    plan = keeping_classes(planned(digits, noise=0.02, minority=10.0), Silent()).plan
    assert (plan["augment.noise"], plan["augment.minority"]) == (0.02, 1.0)
    plan = keeping_classes(planned(digits, noise=0.02, minority=1.5), Silent()).plan
    assert plan.decisions["augment.check"].because == "checked: nothing dropped, noise, minority kept"


def test_where_all_that_would_be_strengthened_is_dropped_so_is_the_factor(digits: Materials) -> None:
    said = Listener()
    plan = keeping_classes(planned(digits, noise=0.5, minority=2.0), said).plan
    assert (plan["augment.noise"], plan["augment.minority"]) == (0.0, 1.0)


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
    found = ProbedAugmentation(0.9, 400, 0.2, lost, error)
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
