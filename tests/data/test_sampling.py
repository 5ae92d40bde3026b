"""Sampling of classes: shares, fair turns within a class, and epochs that are functions of their number."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from striate.core.errors import UnknownName
from striate.data.augment import Augmenter
from striate.data.loader import TrainBatches
from striate.data.pack import PackedPictures
from striate.data.sampling import SAMPLINGS, sampler

CLASSES = [0] * 40 + [1] * 10 + [2] * 3


@pytest.mark.parametrize(("name", "quotas"), [("balanced", (18, 18, 17)), ("undersampled", (3, 3, 3))])
def test_an_epoch_shows_each_class_its_quota(name: str, quotas: tuple[int, ...]) -> None:
    found = sampler(name, CLASSES, seed=0)
    assert found is not None
    for epoch in range(4):
        samples, _ = found.epoch(epoch)
        assert tuple(np.bincount(np.array(CLASSES)[samples])) == quotas


def test_the_root_lies_between_natural_and_balanced() -> None:
    found = sampler("square_root", CLASSES, seed=0)
    assert found is not None
    roots = np.sqrt([40, 10, 3])
    np.testing.assert_allclose(found.quotas, 53 * roots / roots.sum(), atol=1)
    assert len(found) == 53


def test_the_natural_one_is_none_and_an_unknown_one_offers_the_nearest() -> None:
    assert sampler("natural", CLASSES, seed=0) is None
    with pytest.raises(UnknownName, match="balanced"):
        sampler("balancd", CLASSES, seed=0)


@given(st.lists(st.integers(0, 4), min_size=1, max_size=60), st.sampled_from(SAMPLINGS[1:]), st.integers(1, 6))
def test_samples_of_a_class_are_seen_alike_and_turns_count_them(classes: list[int], name: str, epochs: int) -> None:
    found = sampler(name, classes, seed=3)
    assert found is not None
    seen: Counter[int] = Counter()
    for epoch in range(epochs):
        samples, turns = found.epoch(epoch)
        assert len(samples) == len(found)
        within = Counter(samples.tolist())
        pairs = set(zip(samples.tolist(), turns.tolist(), strict=True))
        assert pairs == {(one, turn) for one, times in within.items() for turn in range(times)}
        seen.update(within)
    for one in set(classes):
        times = [seen[place] for place, label in enumerate(classes) if label == one]
        assert max(times) - min(times) <= 1


def test_epochs_and_seeds_differ_and_each_is_the_same_again() -> None:
    orders = [tuple(sampler("balanced", CLASSES, seed=seed).epoch(epoch)[0]) for seed in (0, 1) for epoch in (0, 1)]  # type: ignore[union-attr]
    assert len(set(orders)) == 4
    assert tuple(sampler("balanced", CLASSES, seed=1).epoch(1)[0]) == orders[3]  # type: ignore[union-attr]


def batches(name: str) -> TrainBatches:
    pixels = np.random.default_rng(0).integers(0, 256, (len(CLASSES), 3, 10, 10), dtype=np.uint8)
    targets = torch.eye(3)[CLASSES]
    return TrainBatches(
        PackedPictures([str(n) for n in range(len(CLASSES))], pixels),
        targets,
        torch.ones(len(CLASSES)),
        batch_size=8,
        seed=0,
        augmenter=Augmenter({"flip": "horizontal", "shift": 0.25, "color": 0.3}, 0, (8, 8)),
        sampler=sampler(name, CLASSES, seed=0),
    )


def test_batches_hold_what_was_drawn_and_one_shown_again_looks_different() -> None:
    whole = list(batches("balanced").epoch(2))
    assert len(whole) == len(batches("balanced")) == 53 // 8
    assert sum(int(batch.targets[:, 2].sum()) for batch in whole) >= 15
    looks: dict[int, list[torch.Tensor]] = {}
    for batch in whole:
        assert batch.turns is not None
        for place, image in zip(batch.ids, batch.images, strict=True):
            looks.setdefault(int(place), []).append(image)
    again = [images for images in looks.values() if len(images) > 2]
    assert again
    assert all(not torch.equal(images[0], other) for images in again for other in images[1:])


def test_an_epoch_entered_late_is_the_same_and_parts_keep_their_turns() -> None:
    whole, late = list(batches("balanced").epoch(1)), list(batches("balanced").epoch(1, 4))
    assert all(torch.equal(one.images, other.images) for one, other in zip(whole[4:], late, strict=True))
    parts = whole[0].split(3)
    assert np.concatenate([part.turns for part in parts]).tolist() == whole[0].turns.tolist()  # type: ignore[union-attr,misc]


def test_undersampled_epochs_are_short() -> None:
    assert len(batches("undersampled")) == 1
    assert len(next(iter(batches("undersampled").epoch(0))).ids) == 8
