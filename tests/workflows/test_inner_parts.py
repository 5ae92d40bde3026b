"""Parts within a split: nothing that is chosen by them has a picture's near-duplicate on the side that is learnt."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

from striate.core.events import Silent
from striate.core.plan import Decision
from striate.core.records import Label, Sample
from striate.data.audit import Audit
from striate.data.split import units_of_samples
from striate.data.twins import Near
from striate.evaluate import units_of
from striate.tasks import TASKS, TaskSettings
from striate.train.pilots import PARTS, HeadPilot, head_pilots
from striate.train.probe import FOLDS, Features, parts_of
from striate.workflows import choosing, deciding, keeping, referee
from striate.workflows import train as train_workflow
from striate.workflows.materials import Materials, gather
from striate.workflows.request import ReadRequest, Request
from striate.workflows.stages import prepare
from tests.e2e.made_photos import QUICK, folder, save

COPIES = 6


@pytest.fixture(scope="module")
def copied(tmp_path_factory: pytest.TempPathFactory) -> Materials:
    """Two classes, of one of which six pictures are there twice, the copies darker."""
    data = folder(tmp_path_factory.mktemp("copied") / "data", {"a": 30, "b": 30}, side=24)
    random = np.random.default_rng(5)
    for number in range(COPIES):
        pixels = random.integers(20, 220, (24, 24, 3))
        save(data / "a" / f"twin-{number}.png", pixels)
        save(data / "a" / f"z-{number}.png", pixels * 0.9)
    overrides = {key: Decision(value, "for the test", "user") for key, value in QUICK.items()}
    request = Request(ReadRequest(str(data)), epochs=1, overrides=overrides)
    return gather(None, prepare(request, None, "cpu", Silent()), Silent())


def pairs(materials: Materials, part: str) -> list[tuple[int, int]]:
    """The places of both pictures of each pair that a split has."""
    places = {key: place for place, key in enumerate(materials.keys(part))}
    found = [(f"a/twin-{number}.png", f"a/z-{number}.png") for number in range(COPIES)]
    return [(places[one], places[other]) for one, other in found if one in places]


def kept_together(units: NDArray[np.int64], materials: Materials, part: str, count: int) -> bool:
    parts = parts_of(units, count).numpy()
    return all(parts[one] == parts[other] for one, other in pairs(materials, part))


def recorded(monkeypatch: pytest.MonkeyPatch, module: Any, name: str, take: Callable[..., Any]) -> list[Any]:
    """What a function of a module is called with, which then does what it does."""
    found, plain = [], getattr(module, name)

    def call(*arguments: Any, **named: Any) -> Any:
        found.append(take(*arguments, **named))
        return plain(*arguments, **named)

    monkeypatch.setattr(module, name, call)
    return found


def test_by_groups_alone_a_pair_would_straddle_parts(copied: Materials) -> None:
    """Without which the tests below could not fail."""
    assert len(pairs(copied, "train")) >= 3
    alone = units_of([sample.group for sample in copied.samples["train"]])
    for count in (PARTS, FOLDS):
        assert not kept_together(alone, copied, "train", count)
        assert kept_together(copied.units("train"), copied, "train", count)
    assert len(set(copied.units("train").tolist())) == copied.count("train") - len(pairs(copied, "train"))


def test_the_penalty_of_a_head_is_chosen_by_whole_units(copied: Materials, monkeypatch: pytest.MonkeyPatch) -> None:
    found: list[Any] = []
    monkeypatch.setattr(train_workflow, "fit_head", lambda *_, units, refit: found.append(units) or 1.0)
    head = train_workflow._Head(copied, copied.recipe(copied.plan), Silent())
    head.fit(nn.Identity())
    assert kept_together(found[0], copied, "train", FOLDS)


def test_remedies_are_tried_on_whole_units(copied: Materials, monkeypatch: pytest.MonkeyPatch) -> None:
    heads = recorded(monkeypatch, referee, "head_pilots", lambda head, features, units, *_, **__: units)
    drawn = recorded(monkeypatch, referee, "judged", lambda scores, targets, frequencies, seed, units: units)
    monkeypatch.setattr(referee, "possible", lambda decisions: ("none", "class_weights"))
    trials = SimpleNamespace(known=lambda question, measured, worth: measured())
    probed = copied.plan.replace(transfer={"probe": Decision(True, "for the test"),
                                           "smote": Decision(0, "for the test")},
                                 predict={"views": Decision("single", "for the test")})  # fmt: skip
    referee.referee(copied, probed, None, trials, Silent())  # type: ignore[arg-type]
    assert kept_together(heads[0], copied, "train", PARTS)
    assert drawn[0].tolist() == copied.units("train").tolist()


def test_what_is_asked_of_augmentations_and_validation_counts_whole_units(
    copied: Materials, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = keeping._known(copied, "train", 10**6)
    for one, other in pairs(copied, "train"):
        assert known.units[one] == known.units[other]
    found = recorded(monkeypatch, deciding, "fit_temperature", lambda outputs, targets, kind, units: units)
    plan = copied.plan.replace(predict={"calibration": Decision("temperature", "for the test")})
    deciding.decide(copied, plan, torch.zeros(copied.count("val"), 2), Silent())
    assert found[0].tolist() == copied.units("val").tolist()


def test_weights_are_chosen_by_whole_units(copied: Materials, monkeypatch: pytest.MonkeyPatch) -> None:
    found = recorded(monkeypatch, choosing, "head_pilots", lambda head, features, units, *_, **__: units)
    monkeypatch.setattr(choosing, "profile", lambda spec: SimpleNamespace(macs=1))
    monkeypatch.setattr(choosing, "places_by_class", lambda samples, task, count: list(range(len(samples))))
    known = copied.samples["train"]
    candidate = SimpleNamespace(
        task=copied.task,
        plan=copied.plan,
        spec={},
        weights=SimpleNamespace(source="w", tensors={"w": torch.ones(1)}),
        network=nn.Identity,
        features=lambda network, dataset, samples, workers: torch.randn(len(samples), 3).double(),
    )
    other = SimpleNamespace(**{**vars(candidate), "weights": SimpleNamespace(source="v", tensors={})})
    questions: list[Any] = []
    monkeypatch.setattr(choosing, "Trials", lambda cache, about, reporter: _Asked(about, questions))
    prepared = copied.prepared
    several: Any = [candidate, other]
    for audit in (prepared.audit, Audit(samples=prepared.audit.samples)):
        choosing.choose_weights(
            several,
            prepared.dataset,
            known,
            audit,
            minutes=None,
            cache=Any,
            reporter=Silent(),  # type: ignore[arg-type]
        )
    assert kept_together(found[0], copied, "train", PARTS)
    assert not kept_together(found[-1], copied, "train", PARTS)
    assert "together" in questions[0], "what was found with other units answers another question"
    assert "together" not in questions[1]


class _Asked:
    """Trials that keep what every question shares, and find nothing."""

    def __init__(self, about: Any, questions: list[Any]) -> None:
        questions.append(about)

    def known(self, question: Any, measure: Callable[[], Any]) -> Any:
        return measure()


@pytest.mark.parametrize("seed", range(20))
def test_units_without_anything_alike_are_those_of_groups_alone(seed: int) -> None:
    random = np.random.default_rng(seed)
    groups = [None if random.random() < 0.4 else f"g{random.integers(0, 9)}" for _ in range(40)]
    keys = random.permutation(40)
    samples = [Sample(f"{key:02}", (), Label("a"), group=group) for key, group in zip(keys, groups, strict=True)]
    expected = units_of(groups)
    assert units_of_samples(samples, Audit(samples=40)).tolist() == expected.tolist()
    pair = (samples[3].key, samples[30].key)
    joined = units_of_samples(samples, Audit(samples=40, near=Near(duplicates=(pair, ("x", samples[0].key)))))
    assert joined[3] == joined[30]
    assert len(set(joined.tolist())) == len(set(expected.tolist())) - (expected[3] != expected[30])


def test_where_all_belongs_together_no_head_is_judged() -> None:
    task = TASKS.get("classify")(("a", "b"), TaskSettings(loss="cross_entropy"))
    ones = torch.ones(8, dtype=torch.float64)
    known = Features(torch.randn(8, 3).double(), torch.eye(2)[torch.arange(8) % 2].double(), ones, torch.arange(8), 8)
    head = nn.Linear(3, 2, device="meta")
    found = head_pilots(head, known, np.zeros(8, np.int64), {"none": HeadPilot(task, ones)}, seed=0, seconds=9)
    assert not found["none"].any()
