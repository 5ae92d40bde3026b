"""Samples of small classes are altered more strongly, each by its own draws as ever."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from striate.core.errors import PlanError
from striate.core.events import Silent
from striate.core.plan import Decision, Plan
from striate.core.records import Label, Labels, Sample, Source, Value
from striate.data.augment import Augmenter
from striate.plan.rules.augment import stronger
from striate.workflows.augmenting import augmenter_of, small_classes, tell_minority
from tests.made_data import Listener

SETTINGS = {"flip": "horizontal", "color": 0.2, "noise": 0.1, "minority": 3.0, "check": False, "function": None}
SIDE = 8


def plan(kind: str = "classify", **settings: object) -> Plan:
    values = {f"augment.{name}": value for name, value in {**SETTINGS, **settings}.items()}
    values |= {"task.kind": kind, "train.seed": 4, "normalize.mean": [0.5]}
    return Plan({key: Decision(value, "for the test") for key, value in values.items()})


def labelled(*names: str) -> list[Sample]:
    return [Sample(f"{place}.png", (Source("array", "x", row=place),), Label(name)) for place, name in enumerate(names)]


def test_small_classes_have_fewer_than_half_of_the_mean() -> None:
    many = labelled(*["a"] * 10, *["b"] * 9, *["c"] * 4, *["d"] * 3)  # the mean is 6.5
    assert small_classes(many).tolist() == [False] * 23 + [True] * 3
    assert not small_classes(labelled("a", "b")).any()
    several = [Sample("x", (Source("array", "x", row=0),), Labels(names)) for names in [("a", "b")] * 9 + [("a", "c")]]
    assert small_classes(several).tolist() == [False] * 9 + [True]


def test_their_samples_are_altered_as_by_the_stronger_settings_and_the_others_as_ever() -> None:
    samples = labelled(*["a"] * 9, "b", *["a"] * 9, "b")
    pixels = torch.randint(0, 256, (20, 3, SIDE, SIDE), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    usual, strong = (Augmenter(one, 4, (SIDE, SIDE)) for one in (SETTINGS, stronger(SETTINGS, 3.0)))
    both, ids = augmenter_of(plan(), samples, (SIDE, SIDE)), np.arange(20)
    found = both.images(pixels, ids, 2)
    small = torch.from_numpy(small_classes(samples))
    assert small.sum() == 2
    assert torch.equal(found[small], strong.images(pixels, ids, 2)[small])
    assert torch.equal(found[~small], usual.images(pixels, ids, 2)[~small])
    assert not torch.equal(strong.images(pixels, ids, 2)[small], usual.images(pixels, ids, 2)[small])
    for row in (9, 10):
        assert torch.equal(both.images(pixels[[row]], ids[[row]], 2)[0], found[row]), "in any batch"
    assert both.images(pixels, ids, 2, (4, 4)).shape == (20, 3, 4, 4)
    flips = augmenter_of(plan(color=0.0, noise=0.0), samples, (SIDE, SIDE))
    assert flips.images(pixels, ids, 0).dtype == torch.uint8


def test_strengths_stay_within_their_leaves() -> None:
    grown = stronger({"shift": 0.3, "crop": 0.4, "jpeg": 50, "hue": 0.0, "mixup": 0.2, "policy": "augmix"}, 10.0)
    assert grown == {"shift": 0.5, "crop": 0.01, "jpeg": 1, "hue": 0.0, "mixup": 0.2, "policy": "augmix"}
    assert isinstance(grown["jpeg"], int)
    assert stronger({"rotate": 10.0}, 1.0) == {"rotate": 10.0}


def mine(**settings: object) -> Plan:
    """A plan whose factor for small classes is the user's."""
    return plan(**settings).replace(augment={"minority": Decision(3.0, "set by you", "user")})


def test_small_classes_are_named_with_what_alters_them() -> None:
    said = Listener()
    tell_minority(mine(), labelled(*["a"] * 9, "b", *["c"] * 9), said)
    assert said.lines == ["augment.minority: samples of b are altered more strongly: color 0.2 → 0.6, noise 0.1 → 0.3"]
    many = labelled(*["a"] * 99, *(f"rare{number}" for number in range(10)))
    tell_minority(mine(), many, said)
    assert "rare7 and 2 more are" in said.lines[-1]
    tell_minority(plan(minority=1.0), many, said)
    assert len(said.lines) == 2


def test_a_factor_that_changes_nothing_is_refused() -> None:
    rare, even = labelled(*["a"] * 9, "b"), labelled(*["a"] * 9, *["b"] * 8)
    with pytest.raises(PlanError, match=r"no class has fewer than half"):
        tell_minority(mine(), even, Silent())
    for still in ({}, {"flip": "none"}, {"policy": "augmix"}, {"mixup": 0.2}):
        with pytest.raises(PlanError, match=r"flips, policies, mixing and your own function are not scaled"):
            tell_minority(mine(color=0.0, noise=0.0, **still), rare, Silent())
    with pytest.raises(PlanError, match=r"changes nothing"):
        tell_minority(mine(color=0.0, noise=0.5), rare, Silent())  # as strong as it may be
    tell_minority(plan(color=0.0, noise=0.0), rare, Silent())  # a trial's, and not the user's
    with pytest.raises(PlanError, match="not regress"):
        tell_minority(mine(kind="regress"), [], Silent())


def test_values_have_no_small_classes() -> None:
    samples = [Sample("x", (Source("array", "x", row=0),), Value((1.0,)))]
    with pytest.raises(PlanError, match="not regress"):
        augmenter_of(plan("regress"), samples, (SIDE, SIDE))
    assert augmenter_of(plan("regress", minority=1.0), samples, (SIDE, SIDE))
