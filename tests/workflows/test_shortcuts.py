"""Shortcuts: a class that is a mark at the border, or the background, raises the alarm; the subject does not."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
import torch

import striate as st
from striate.core.events import Silent
from striate.core.records import Label, Sample
from striate.data.pictures import PackedPictures
from striate.tasks import make_task
from striate.workflows.materials import Materials
from striate.workflows.shortcuts import look_for_shortcuts, passes, searching_seconds
from tests.e2e.made_photos import QUICK, save
from tests.made_data import Listener

SIDE, COUNT = 16, 130


@pytest.mark.slow
@pytest.mark.parametrize("place", ["border", "centre"])
def test_a_mark_at_the_border_raises_the_alarm_and_one_in_the_centre_does_not(tmp_path: Path, place: str) -> None:
    random, corner = np.random.default_rng(0), 0 if place == "border" else SIDE // 2 - 2
    for name, colour in (("blue", (0, 0, 255)), ("red", (255, 0, 0))):
        for number in range(COUNT):
            pixels = random.integers(60, 190, (SIDE, SIDE, 3))
            at = slice(corner, corner + 2 + 2 * (place == "centre"))
            pixels[at, at] = colour
            save(tmp_path / "data" / name / f"{number:03d}.png", pixels)
    quiet = {**QUICK, "augment.flip": "none", "augment.shift": 0}
    run = st.train(tmp_path / "data", out=tmp_path / "run", epochs=6, set={**quiet, "split.seed": 1})
    found = run.metrics["shortcuts"]
    assert run.metrics["test"]["accuracy"] > 0.9
    assert found["hidden"]["whole"]["accuracy"] == run.metrics["test"]["accuracy"]
    if place == "border":
        assert "centre_hidden" in found["alarms"]
        assert "may have learnt from something beside the subject" in found["words"]
        assert "may have learnt" in (run.path / "report.html").read_text("utf-8")
    else:
        assert found["alarms"] == []
        assert found["hidden"]["centre_hidden"]["share"] < 0.5
        assert "no sign of a shortcut" in found["words"]


def discs(kind: str, count: int = 80) -> Materials:
    """Discs on backgrounds, of which one has the colour of the class and the other any; or no discs at all."""
    random = np.random.default_rng(0)
    names = np.array(["blue", "red"])[np.arange(count) % 2]
    rows, columns = np.mgrid[:40, :40]
    pixels = np.empty((count, 3, 40, 40), np.uint8)
    for place, name in enumerate(names):
        known = np.array([40, 40, 200] if name == "blue" else [200, 40, 40])
        other = np.array([60, 200, 60]) + random.integers(-40, 40, 3)
        down, across, radius = random.uniform((17, 17, 7), (23, 23, 11))
        disc = (rows - down) ** 2 + (columns - across) ** 2 < radius**2
        disc = disc if kind != "none" else np.zeros_like(disc)
        inside, outside = (known, other) if kind == "subject" else (other, known)
        coloured = np.where(disc, inside[:, None, None], outside[:, None, None])
        pixels[place] = (coloured + random.normal(0, 12, (3, 40, 40))).clip(0, 255)
    samples = [Sample(f"{place:03}", (), Label(name)) for place, name in enumerate(names)]
    task = make_task("classify", ("blue", "red"), samples, loss="cross_entropy")
    found: Any = SimpleNamespace(
        task=task,
        shape=(3, 40, 40),
        size=(40, 40),
        samples={"test": samples},
        targets={"test": task.encode(samples)},
        pictures={"test": PackedPictures([one.key for one in samples], pixels)},
        preprocessing=SimpleNamespace(fill=(100.0, 100.0, 100.0)),
        count=lambda part: count,
    )
    return cast(Materials, found)


def judged(materials: Materials, where: str, reporter: Any) -> dict[str, Any]:
    """What is found of a model that compares red and blue over the whole picture, or at its corners."""

    def scores(images: torch.Tensor) -> np.ndarray:
        shown = images.float() if where == "everywhere" else images[:, :, :6, :6].float()
        redder = (shown[:, 0] - shown[:, 2]).mean((1, 2)) / 20
        return torch.softmax(torch.stack([-redder, redder], 1), 1).numpy()

    part = "test"
    whole = materials.pictures[part].batch(np.arange(materials.count(part)))
    model: Any = SimpleNamespace(task=materials.task, scores=scores)
    return look_for_shortcuts(model, materials, {part: scores(whole)}, asked=True, seed=0, reporter=reporter)


def test_a_class_that_is_the_background_raises_the_alarm() -> None:
    said = Listener()
    found = judged(discs("background"), "corner", said)
    assert "subject_hidden" in found["alarms"]
    assert found["hidden"]["subject_hidden"]["share"] == pytest.approx(1)
    assert found["hidden"]["background_hidden"]["share"] < 0.2
    assert found["subjects"]["clear"] > 0.8 * found["subjects"]["searched"]
    assert found["subjects"]["samples"] == found["subjects"]["clear"]
    assert found["subjects"]["accuracy"] == 1
    (warning,) = said.warnings
    assert "With the outermost quarter alone" in warning or "with the subject hidden where one is clear" in warning


def test_a_class_that_is_the_subject_raises_none_and_is_kept_without_the_background() -> None:
    found = judged(discs("subject"), "everywhere", Silent())
    assert found["alarms"] == []
    assert found["hidden"]["subject_hidden"]["share"] < 0.2
    assert found["hidden"]["background_hidden"]["share"] > 0.9
    assert "no sign of a shortcut" in found["words"]
    assert "subjects where colours set one apart from the border" in found["words"]


def test_without_clear_subjects_the_other_parts_are_hidden_all_the_same() -> None:
    found = judged(discs("none"), "corner", Silent())
    assert found["subjects"]["why"] == "no picture has a clear subject"
    assert set(found["hidden"]) == {"whole", "centre_hidden", "border_hidden", "frame_only"}
    assert "centre_hidden" in found["alarms"]


def test_what_it_takes_is_bounded() -> None:
    assert passes(100) == 5 * 100
    assert passes(10**6) == passes(10**5)
    assert searching_seconds(600, (3, 32, 32)) < 600 * 0.2
    assert searching_seconds(600, (3, 8, 8)) < 0.5, "pictures that are too small are not looked at"
