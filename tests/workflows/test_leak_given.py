"""A given test's leak is told by as many samples with it as without, and what is drawn keeps its proportions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from striate.core.records import Label, Sample
from striate.data.audit import Audit
from striate.tasks import TASKS, TaskSettings
from striate.workflows.leak_drawn import drawn, exchanged
from striate.workflows.leak_given import given_leak

CLASSES = ("a", "b")


class Look:
    """Features that were made, in the place of those of pictures."""

    words = "made features"

    def __init__(self, features: dict[str, np.ndarray]) -> None:
        self.features = features
        self.added: list[str] = []

    def __call__(self, samples: Sequence[Sample]) -> np.ndarray:
        return np.stack([self.features[one.key] for one in samples])

    def add(self, samples: Sequence[Sample]) -> None:
        self.added += [one.key for one in samples]

    def carried(self, samples: Sequence[Sample], most: int, seconds: float | None, **more: Any) -> int:
        return most


def found_of(seed: int, strength: float) -> tuple[dict[str, Any], Look]:
    """What is told of 30 groups of 28 samples, 24 of which give 10 to the test, by how far a group tells its class."""
    random = np.random.default_rng(seed)
    parts: dict[str, list[Sample]] = {"train": [], "test": [], "shared": []}
    features = {}
    for group in range(30):
        own, name = strength * random.normal(size=60), CLASSES[group % 2]
        for number in range(30 if group < 24 else 20):
            part = "train" if group >= 24 else "test" if number < 10 else "shared"
            one = Sample(f"{group:02}/{number:02}", (), Label(name), group=f"g{group}")
            features[one.key] = random.normal(size=60) + own
            features[one.key][:10] += 0.35 * (group % 2)
            parts[part].append(one)
    materials: Any = SimpleNamespace(
        plan={"train.seed": 0, "train.metric": "accuracy"},
        task=TASKS.get("classify")(CLASSES, TaskSettings("cross_entropy")),
        samples=parts,
        prepared=SimpleNamespace(audit=Audit(len(features))),
    )
    look: Any = Look(features)
    return given_leak(materials, parts["shared"], look, None), look


def test_more_samples_are_no_leak() -> None:
    """Of groups that tell nothing, 480 shared samples beside 120 others would add points by their number alone."""
    worths = [found_of(seed, 0.0)[0]["worth"] for seed in range(8)]
    assert abs(np.mean(worths)) < 0.02, worths
    found, look = found_of(0, 0.0)
    assert not found["told"]
    assert (found["trained"], found["shared"], found["samples"]) == (120, 120, 240)
    assert len(look.added) == 120, "only what was drawn is prepared"
    assert "480 training samples belong with 240 of 240 test samples, and stay out of training" in found["words"]
    assert "the head with the leak has 120 in the place of as many others." in found["words"]


def test_groups_that_tell_their_class_are_a_leak() -> None:
    found = found_of(0, 1.0)[0]
    assert found["large"]
    assert found["worth"] > 0.1
    assert found["leaking"] == 240, "each unit has a sample in the head"


@pytest.mark.parametrize("seed", range(20))
def test_heads_have_as_many_of_each_stratum(seed: int) -> None:
    random = np.random.default_rng(seed)
    known = random.choice(list("abcd"), random.integers(1, 60)).tolist()
    shared = random.choice(list("bcde"), random.integers(0, 60)).tolist()
    stays, taken = exchanged(known, shared, seed)
    assert Counter(known[place] for place in stays) + Counter(shared[place] for place in taken) == Counter(known)
    assert len(set(stays.tolist())) == len(stays)
    assert len(set(taken.tolist())) == len(taken)
    for name in "bcde":
        first = [place for place, one in enumerate(shared) if one == name][: known.count(name)]
        assert [place for place in taken.tolist() if shared[place] == name] == first


@pytest.mark.parametrize(
    ("tests", "groups", "each", "train", "count"),
    [
        (1000, 50, 100, 45_000, 3000),
        (1000, 50, 400, 45_000, 3000),
        (1000, 1000, 1, 45_000, 3000),
        (200, 10, 3, 300, 530),
        (200, 10, 3, 300, 40),
        (200, 100, 5, 300, 100),
        (200, 200, 2, 300, 11),
        (200, 10, 3, 300, 0),
    ],
)
def test_what_is_shared_is_cut_as_the_rest_is(tests: int, groups: int, each: int, train: int, count: int) -> None:
    of_tests, of_shared = np.arange(tests) % groups, np.repeat(np.arange(groups), each)
    judged, shared, known = drawn(of_tests, of_shared, train, count, seed=0)
    for places, size in ((judged, tests), (shared, len(of_shared)), (known, train)):
        assert len(set(places.tolist())) == len(places)
        assert len(places) == 0 or places.max() < size
    whole, total = tests + len(of_shared) + train, len(judged) + len(shared) + len(known)
    assert total <= count
    assert set(of_shared[shared]) == set(of_tests[judged]), "each unit that is judged has one sample at least, no other"
    taken = np.bincount(of_shared[shared], minlength=groups)[sorted(set(of_tests[judged]))]
    if len(judged):
        assert taken.max() - taken.min() <= 0
        share = len(known) / train
        assert taken.max() == max(1, round(share * each)) or abs(taken.max() - share * each) < 1
        assert len(judged) / tests == pytest.approx(share, abs=1 / tests)
    if count >= whole:
        assert total == whole
    firsts = of_shared[shared][: len(taken)]
    assert len(set(firsts)) == len(taken), "the first of each unit before the second of any"
