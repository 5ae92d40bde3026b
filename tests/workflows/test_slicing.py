"""Slices of a Run: what samples are told apart by, and the sentence about the weakest."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from striate.core.records import Label, Labels, Sample, Target, Value
from striate.data.pictures import PackedPictures
from striate.tasks import Task, make_task
from striate.workflows.materials import Materials
from striate.workflows.slicing import attributes_of, rightness, sliced

NAMES = ("cat", "dog")


def task(kind: str, targets: list[Target], names: tuple[str, ...] = NAMES) -> Task:
    loss = {"classify": "cross_entropy", "multilabel": "binary_cross_entropy", "regress": "huber"}[kind]
    return make_task(kind, names, [Sample(str(n), (), one) for n, one in enumerate(targets)], loss=loss)


def made(count: int = 200) -> tuple[list[Sample], PackedPictures]:
    """Pictures of two sites and two classes; those of the first site are dark and of the camera "old"."""
    samples, pixels = [], np.zeros((count, 1, 16, 16), np.uint8)
    for place in range(count):
        site, name = place % 4 // 2, NAMES[place % 2]
        pixels[place] = np.random.default_rng(place).integers(0, 60, (16, 16)) + 120 * site
        columns = (("camera", ("old", "new")[site]), ("age", str(place)))
        key = f"site{site}/{name}/{place:03}.png"
        samples.append(Sample(key, (), Label(name), group=f"person {place % 5}", columns=columns))
    return samples, PackedPictures([one.key for one in samples], pixels)


def materials(samples: list[Sample], pictures: PackedPictures, sides: dict[str, tuple[int, int]]) -> Materials:
    asked = task("classify", [one.target for one in samples if one.target])
    audit = SimpleNamespace(sides=sides)
    return cast(
        Materials,
        SimpleNamespace(
            task=asked,
            samples={"test": samples},
            targets={"test": asked.encode(samples)},
            pictures={"test": pictures},
            prepared=SimpleNamespace(audit=audit),
        ),
    )


def test_samples_are_told_apart_by_what_is_known_of_them() -> None:
    samples, pictures = made(8)
    found = attributes_of(samples, {samples[0].key: (30, 40)}, pictures)
    assert found["class"] == ["cat", "dog"] * 4
    assert found["height"] == [30, *[None] * 7]
    assert found["width"][0] == 40
    assert found["folder"] == ["site0", "site0", "site1", "site1"] * 2
    assert found["column camera"] == ["old", "old", "new", "new"] * 2
    assert found["column age"] == list(map(float, range(8)))
    assert found["brightness"] == pytest.approx(pictures.array.mean((1, 2, 3)).tolist())
    assert all(0 < one <= 1 for one in found["sharpness"])


@pytest.mark.parametrize("weak", ["column camera", None])
def test_the_weakest_slice_is_named_in_words(weak: str | None) -> None:
    samples, pictures = made()
    samples = [Sample(one.key, (), one.target, columns=one.columns) for one in samples]
    given = materials(samples, pictures, {one.key: (16, 16) for one in samples})
    targets, random = given.targets["test"].numpy(), np.random.default_rng(0)
    wrong = random.random(200) < np.where([weak and dict(one.columns)["camera"] == "old" for one in samples], 0.5, 0.1)
    scores = np.where(wrong[:, None], targets[:, ::-1], targets).astype(np.float32)
    found = sliced(given, {"test": scores}, seed=0)
    if weak is None:
        assert found["worst"] is None
        assert "none is worse than the rest beyond chance" in found["words"]
        return
    assert found["worst"]["figure"] < 0.65
    assert found["worst"]["by"] in ("column camera", "folder", "brightness")  # which are one and the same here
    assert "against" in found["words"]
    assert {one["by"] for one in found["slices"]} >= {"class", "brightness", "folder", "column camera", "column age"}
    assert not {"height", "width"} & {one["by"] for one in found["slices"]}, "all are of one size"


def test_groups_are_drawn_whole_and_too_few_samples_say_so() -> None:
    samples, pictures = made(12)
    given = materials(samples, pictures, {})
    found: dict[str, Any] = sliced(given, {"test": given.targets["test"].numpy()}, seed=0)
    assert found["slices"] == []
    assert found["too_small"] > 0
    assert "large enough" in found["words"]
    assert sliced(given, {}, seed=0) == {}


def test_rightness_is_of_each_task() -> None:
    single = task("classify", [Label("cat"), Label("dog")])
    assert rightness(single, np.array([[0.9, 0.1], [0.8, 0.2]]), np.eye(2)).tolist() == [1, 0]
    several = task("multilabel", [Labels(("cat",)), Labels(("dog",))])
    assert rightness(several, np.array([[0.9, 0.6], [0.1, 0.9]]), np.eye(2)).tolist() == [0.5, 1]
    values = task("regress", [Value((1.0,)), Value((2.0,))], ("age",))
    assert rightness(values, np.array([[1.5], [2.0]]), np.array([[1.0], [2.0]])).tolist() == [0.5, 0]
