"""Batches: exact from any start, the same in a thread or not, with workers or not; and no thread left behind."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from made_data import many_files

from striate.core.errors import DataError
from striate.core.events import Silent
from striate.data.augment import Augmenter
from striate.data.loader import Batch, EvalBatches, TrainBatches, ahead
from striate.data.pack import PackedPictures, pack
from striate.data.prepare import Preprocessing

SETTINGS = {"flip": "horizontal", "shift": 0.25, "rotate": 10.0, "scale": 0.2, "color": 0.2, "mixup": 0.5}


def train_batches(count: int = 23, batch_size: int = 5, seed: int = 0, **more: object) -> TrainBatches:
    pixels = np.random.default_rng(0).integers(0, 256, (count, 3, 10, 10), dtype=np.uint8)
    settings = more.pop("settings", SETTINGS)
    return TrainBatches(
        PackedPictures([str(n) for n in range(count)], pixels),
        torch.eye(count),
        torch.linspace(0.5, 2.0, count),
        batch_size=batch_size,
        seed=seed,
        augmenter=Augmenter(settings, seed, (8, 8)),  # type: ignore[arg-type]
        **more,  # type: ignore[arg-type]
    )


def same(one: Batch, other: Batch) -> bool:
    return (
        torch.equal(one.images, other.images)
        and torch.equal(one.targets, other.targets)
        and torch.equal(one.weights, other.weights)
        and one.total_weight == other.total_weight
        and bool((one.ids == other.ids).all())
    )


def no_threads() -> bool:
    return not any(thread.name == "striate-ahead" for thread in threading.enumerate())


@pytest.mark.parametrize("start", [1, 2, 3])
def test_starting_late_equals_having_played_what_was_before(start: int) -> None:
    batches = train_batches()
    whole = list(batches.epoch(3))
    assert len(whole) == len(batches) == 4
    late = list(train_batches().epoch(3, start))
    assert len(late) == 4 - start
    assert all(same(one, other) for one, other in zip(late, whole[start:], strict=True))


def test_starting_at_the_end_gives_nothing() -> None:
    assert list(train_batches().epoch(0, 4)) == []


def test_epochs_and_seeds_differ_and_each_sample_comes_once() -> None:
    batches = train_batches()
    orders = []
    for epoch in range(3):
        ids = np.concatenate([batch.ids for batch in batches.epoch(epoch)])
        assert len(ids) == len(set(ids.tolist())) == 20, "a ragged tail is left out"
        orders.append(tuple(ids.tolist()))
    assert len(set(orders)) == 3
    assert tuple(np.concatenate([batch.ids for batch in train_batches(seed=1).epoch(0)])) != orders[0]
    assert set().union(*orders) == set(range(23)), "what one epoch leaves out another has"


def test_fewer_samples_than_a_batch_make_one() -> None:
    batches = train_batches(count=3, batch_size=8)
    assert len(batches) == 1
    (batch,) = batches.epoch(0)
    assert sorted(batch.ids.tolist()) == [0, 1, 2]


def test_targets_and_weights_follow_their_samples() -> None:
    for batch in train_batches(settings={}).epoch(1):
        assert torch.equal(batch.targets.argmax(1), torch.from_numpy(batch.ids))
        assert torch.equal(batch.weights, torch.linspace(0.5, 2.0, 23)[torch.from_numpy(batch.ids)])
        assert batch.total_weight == pytest.approx(float(batch.weights.sum()))
        assert batch.images.dtype == torch.uint8
        assert batch.images.shape == (5, 3, 8, 8)
    for batch in train_batches().epoch(1):
        assert batch.total_weight == pytest.approx(float(batch.weights.sum()), rel=1e-6), "mixing keeps the sum"


@pytest.mark.parametrize("count", [0, 1, 4])
def test_a_thread_changes_nothing(count: int) -> None:
    expected = list(train_batches(ahead=0).epoch(2))
    found = list(train_batches(ahead=count).epoch(2))
    assert all(same(one, other) for one, other in zip(found, expected, strict=True))
    assert no_threads()


def test_memory_and_workers_change_nothing(tmp_path: Path) -> None:
    data = many_files(tmp_path, 30)
    keys = [sample.key for sample in data.samples]
    preprocessing = Preprocessing(8, 8, 3, "crop", 1.25, mean=(0.5,) * 3, std=(0.2,) * 3, fill=(0.0,) * 3)
    found = []
    for workers, memory in ((0, 10**9), (2, 10**9), (0, 0), (2, 0)):
        pictures = pack(
            data, keys, preprocessing, keep_margin=True, workers=workers, memory_bytes=memory, reporter=Silent()
        )
        batches = TrainBatches(
            pictures, torch.eye(30), torch.ones(30), batch_size=7, seed=5, augmenter=Augmenter(SETTINGS, 5, (8, 8))
        )
        next(batches.epoch(0))  # an epoch left early does not disturb the next
        found.append(list(batches.epoch(1, 1)))
        pictures.close()
    for other in found[1:]:
        assert all(same(one, two) for one, two in zip(found[0], other, strict=True))
    assert len(found[0]) == 3


def test_leaving_early_ends_the_thread() -> None:
    epoch = train_batches(count=400, batch_size=2).epoch(0)
    next(epoch)
    assert not no_threads()
    epoch.close()  # type: ignore[attr-defined]
    assert no_threads()


def test_an_error_ahead_is_raised_here_after_what_came_before() -> None:
    def broken() -> Iterator[int]:
        yield 1
        raise DataError("gone")

    items = ahead(broken, 3)
    assert next(items) == 1
    with pytest.raises(DataError, match="gone"):
        next(items)
    assert no_threads()


def test_it_is_prepared_ahead_and_no_further() -> None:
    made = []

    def numbers() -> Iterator[int]:
        for number in range(100):
            made.append(number)
            yield number

    items = ahead(numbers, 3)
    assert next(items) == 0
    deadline = time.monotonic() + 5
    while len(made) < 5 and time.monotonic() < deadline:
        time.sleep(0.01)
    time.sleep(0.05)
    assert made == [0, 1, 2, 3, 4]  # taken, three in the queue, one in hand
    items.close()  # type: ignore[attr-defined]
    assert no_threads()


def test_no_gradient_is_recorded_and_the_mode_is_left() -> None:
    for count in (0, 2):
        weights = torch.ones(23, requires_grad=True)
        batches = train_batches(ahead=count)
        batches.weights = weights
        for batch in batches.epoch(0):
            assert not batch.weights.requires_grad
            assert torch.is_grad_enabled()


def test_evaluation_keeps_the_order_and_the_tail() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (7, 3, 8, 8), dtype=np.uint8)
    batches = EvalBatches(PackedPictures(list("abcdefg"), pixels), torch.eye(7), batch_size=3)
    found = list(batches)
    assert len(found) == len(batches) == 3
    assert batches.count == 7
    assert [batch.ids.tolist() for batch in found] == [[0, 1, 2], [3, 4, 5], [6]]
    assert torch.equal(torch.cat([batch.images for batch in found]), torch.from_numpy(pixels))
    assert torch.equal(torch.cat([batch.targets for batch in found]), torch.eye(7))
    assert [batch.total_weight for batch in found] == [3, 3, 1]
    assert all(same(one, other) for one, other in zip(found, batches, strict=True)), "it can be walked again"
    bare = list(EvalBatches(PackedPictures(list("abcdefg"), pixels), batch_size=10, size=(4, 4)))
    assert bare[0].targets.shape == (7, 0)
    assert torch.equal(bare[0].images, torch.from_numpy(pixels[:, :, 2:6, 2:6]))


def test_a_split_batch_is_the_whole_and_keeps_its_weight() -> None:
    (batch, *_) = train_batches().epoch(0)
    for parts in (1, 2, 3, 5, 9):
        pieces = batch.split(parts)
        assert len(pieces) == min(parts, 5)
        assert max(len(piece.ids) for piece in pieces) - min(len(piece.ids) for piece in pieces) <= 1
        assert torch.equal(torch.cat([piece.images for piece in pieces]), batch.images)
        assert torch.equal(torch.cat([piece.targets for piece in pieces]), batch.targets)
        assert torch.equal(torch.cat([piece.weights for piece in pieces]), batch.weights)
        assert np.concatenate([piece.ids for piece in pieces]).tolist() == batch.ids.tolist()
        assert {piece.total_weight for piece in pieces} == {batch.total_weight}


def test_a_batch_moves_to_a_device() -> None:
    (batch, *_) = train_batches().epoch(0)
    moved = batch.to("meta")
    assert {moved.images.device.type, moved.targets.device.type, moved.weights.device.type} == {"meta"}
    assert moved.total_weight == batch.total_weight


def test_nothing_to_train_on_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="0 pictures"):
        train_batches(count=0)
