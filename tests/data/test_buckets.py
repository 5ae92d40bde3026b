"""Own sizes: each picture in its bucket, each sample once an epoch, one size a batch, and nothing hangs on history."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pytest
import torch
from made_data import noise, picture_files
from PIL import Image
from torchvision.transforms.v2 import functional

from striate.core.cache import Cache
from striate.core.errors import DataError
from striate.core.events import Silent
from striate.core.records import Dataset, Picture
from striate.data import pack as packing
from striate.data.augment import Augmenter
from striate.data.buckets import Bounds, batches, census, count_batches, fitted, in_accord, in_turn, middle, numbered
from striate.data.loader import Batch, EvalBatches, TrainBatches
from striate.data.pack import pack
from striate.data.pictures import OwnPictures, PackedPictures, Pictures, StreamingOwnPictures
from striate.data.prepare import Preprocessing

Mixed: TypeAlias = "tuple[Dataset, list[np.ndarray]]"


def own(height: int = 64, width: int = 64, channels: int = 3, **more: object) -> Preprocessing:
    half = (0.5,) * channels
    usual: dict[str, Any] = {"mean": half, "std": half, "fill": (127.5,) * channels, "sizing": "own"}
    return Preprocessing(height, width, channels, **{**usual, **more})


def mixed(seed: int, count: int, choices: int = 5) -> np.ndarray:
    """Heights and widths, some of them often and some once."""
    random = np.random.default_rng(seed)
    known = random.integers(3, 12, (choices, 2))
    return known[np.minimum(random.geometric(0.4, count) - 1, choices - 1)]


def pictures_of(sizes: np.ndarray, seed: int = 0) -> OwnPictures:
    arrays = [noise(seed + row, *map(int, size)).transpose(2, 0, 1) for row, size in enumerate(sizes)]
    return OwnPictures([str(row) for row in range(len(sizes))], arrays, sizes, own())


def trained(sizes: np.ndarray, batch_size: int = 4, seed: int = 0, ahead: int = 2, **settings: object) -> TrainBatches:
    count = len(sizes)
    return TrainBatches(
        pictures_of(sizes),
        torch.eye(count),
        torch.linspace(0.5, 2.0, count),
        batch_size=batch_size,
        seed=seed,
        augmenter=Augmenter(settings, seed, None),
        ahead=ahead,
    )


def equal(one: Batch, other: Batch) -> bool:
    tensors = ((one.images, other.images), (one.targets, other.targets), (one.weights, other.weights))
    return (
        all(torch.equal(*both) for both in tensors)
        and one.total_weight == other.total_weight
        and one.ids.tolist() == other.ids.tolist()
    )


@pytest.mark.parametrize("seed", range(20))
def test_each_sample_once_and_one_size_a_batch_and_as_equal_as_can_be(seed: int) -> None:
    random = np.random.default_rng(seed)
    sizes, size = mixed(seed, int(random.integers(1, 60))), int(random.integers(1, 9))
    order, codes = random.permutation(len(sizes)), numbered(sizes)
    found = batches(order, codes, size)
    assert sorted(np.concatenate(found).tolist()) == list(range(len(sizes)))
    assert len(found) == count_batches(codes, size)
    for batch in found:
        assert len({tuple(one) for one in sizes[batch].tolist()}) == 1
        assert 1 <= len(batch) <= max(size, 3 if size == 2 else 1)
        assert len(batch) > 1 or size == 1 or (codes == codes[batch[0]]).sum() == 1
    for code in np.unique(codes):
        lengths = [len(batch) for batch in found if codes[batch[0]] == code]
        assert len(lengths) == -(-int((codes == code).sum()) // size) or size == 2
        assert max(lengths) - min(lengths) <= 1


def test_batches_of_one_bucket_that_fills_them_are_the_cuts_of_the_order() -> None:
    order = np.random.default_rng(0).permutation(24)
    found = batches(order, np.zeros(24, np.int64), 8)
    assert [one.tolist() for one in found] == [order[first : first + 8].tolist() for first in (0, 8, 16)]


def test_the_order_of_batches_is_shuffled_and_prefers_no_bucket() -> None:
    sizes = np.repeat([[4, 4], [4, 6], [8, 8]], 16, axis=0)
    codes, places = numbered(sizes), Counter[int]()
    for seed in range(200):
        found = batches(np.random.default_rng(seed).permutation(48), codes, 4)
        places.update(place for place, batch in enumerate(found) if codes[batch[0]] == 2)
    assert len(places) == 12
    means = np.average(list(places), weights=list(places.values()))
    assert means == pytest.approx(5.5, abs=0.3)


@pytest.mark.parametrize("seed", range(30))
def test_in_accord_none_is_alone_and_those_in_company_stay(seed: int) -> None:
    sizes = mixed(seed, 40, choices=25)
    found = in_accord(sizes)
    before, after = (Counter(map(tuple, rows.tolist())) for rows in (sizes, found))
    assert min(after.values()) > 1
    for row, (old, new) in enumerate(zip(sizes.tolist(), found.tolist(), strict=True)):
        if before[tuple(old)] > 1:
            assert old == new, f"{row} had company"
    assert (in_accord(sizes) == found).all()


@pytest.mark.parametrize(
    "sizes", [[[5, 7]], [[5, 7], [9, 3]], [[5, 7], [9, 3], [20, 30]], [[1, 1], [1, 2], [1, 3], [1, 4]]]
)
def test_in_accord_where_all_are_alone(sizes: list[list[int]]) -> None:
    found = in_accord(np.array(sizes))
    assert len(found) == 1 or min(Counter(map(tuple, found.tolist())).values()) > 1


@pytest.mark.parametrize("step", [1, 4, 8])
@pytest.mark.parametrize("pads", [False, True])
def test_a_bucket_is_a_multiple_of_the_step_within_the_bounds_and_keeps_the_aspect(step: int, pads: bool) -> None:
    bounds = Bounds(96, 64, step, least=10, pads=pads)
    lowest = -(-10 // step) * step
    for height, width in np.random.default_rng(0).integers(1, 400, (300, 2)).tolist():
        scaled, bucket = bounds.place(height, width)
        assert scaled[0] <= 96
        assert scaled[1] <= 64
        assert (scaled == (height, width)) == (height <= 96 and width <= 64)
        assert abs(scaled[0] * width - scaled[1] * height) <= max(height, width), "the aspect, to a pixel"
        for side, made in zip(scaled, bucket, strict=True):
            assert made % step == 0
            assert made >= lowest
            if side >= lowest:
                assert (0 <= made - side < step) if pads else (0 <= side - made < step)


def test_a_picture_keeps_its_pixels_or_is_cut_at_both_ends_alike() -> None:
    pixels = noise(0, 21, 30)
    assert (own().prepare(Picture(pixels, "RGB")) == pixels.transpose(2, 0, 1)).all()
    cut = own(step=4).prepare(Picture(pixels, "RGB"))
    assert (cut == pixels[:20, 1:29].transpose(2, 0, 1)).all()
    padded = own(step=4, policy="pad").prepare(Picture(pixels, "RGB"))
    assert padded.shape == (3, 24, 32)
    assert (padded[:, 1:22, 1:31] == pixels.transpose(2, 0, 1)).all()
    assert (padded[:, 0] == 128).all()


def test_a_picture_above_the_bound_is_scaled_as_torchvision_does_it() -> None:
    pixels = noise(0, 90, 120)
    found = own(45, 100).prepare(Picture(pixels, "RGB"))
    expected = functional.resize(torch.from_numpy(pixels).permute(2, 0, 1), [45, 60], antialias=True)
    assert found.shape == (3, 45, 60)
    assert np.abs(found.astype(int) - expected.numpy().astype(int)).max() <= 1


def test_a_short_side_is_padded_with_the_mean_and_keeps_its_scale() -> None:
    pixels = noise(0, 5, 20, 1)
    found = own(channels=3, least=8).prepare(Picture(pixels, "L"))
    assert found.shape == (3, 8, 20)
    assert (found[:, 1:6] == pixels[None, :, :, 0]).all()
    assert (found[:, [0, 6, 7]] == 128).all()


def test_fitted_of_deeper_pixels_keeps_them() -> None:
    found = fitted(np.full((2, 2, 1), 3.5, np.float32), (2, 4), np.array([1.25]))
    assert found[0, :, 0].tolist() == [1.25, 3.5, 3.5, 1.25]


@pytest.mark.parametrize(
    "settings", [{}, {"flip": "both", "shift": 0.2, "color": 0.3}, {"mixup": 0.5}, {"cutmix": 1.0}]
)
def test_epochs_are_functions_of_seed_and_epoch_from_any_start(settings: dict[str, object]) -> None:
    sizes = in_accord(mixed(3, 37))
    whole = list(trained(sizes, **settings).epoch(2))
    assert sorted(np.concatenate([batch.ids for batch in whole]).tolist()) == list(range(37))
    for batch in whole:
        assert {tuple(size) for size in sizes[batch.ids].tolist()} == {tuple(batch.images.shape[2:])}
    for start in (1, len(whole) - 1):
        late = list(trained(sizes, ahead=0, **settings).epoch(2, start))
        assert all(equal(one, other) for one, other in zip(late, whole[start:], strict=True))
    others = [trained(sizes, **settings).order(1), trained(sizes, seed=1, **settings).order(2)]
    for other in others:
        assert [one.tolist() for one in other] != [batch.ids.tolist() for batch in whole]


def test_each_sample_counts_alike_in_an_epoch_whatever_its_batch() -> None:
    sizes = in_accord(mixed(1, 31))
    loader = trained(sizes, batch_size=8)
    weights = torch.linspace(0.5, 2.0, 31, dtype=torch.float64)
    found = torch.zeros(31, dtype=torch.float64)
    for batch in loader.epoch(0):
        mean = float(batch.weights.double().sum()) / len(batch.ids)
        for sample in batch.ids:  # its share of the step, in units of its batch's mean weight
            found[int(sample)] = weights[int(sample)] / batch.total_weight * mean
    assert torch.allclose(found, weights * found[0] / weights[0], rtol=1e-6)
    assert float((found / weights).mean()) == pytest.approx(len(loader) / 31)


def test_of_one_size_batches_have_the_bits_of_one_sizing() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (24, 3, 8, 8), dtype=np.uint8)
    keys, sizes = [str(row) for row in range(24)], np.full((24, 2), 8)
    settings = {"flip": "horizontal", "shift": 0.25, "rotate": 10.0, "mixup": 0.5}

    def made(pictures: Pictures, size: tuple[int, int] | None) -> list[Batch]:
        loader = TrainBatches(
            pictures,
            torch.eye(24),
            torch.ones(24),
            batch_size=8,
            seed=0,
            augmenter=Augmenter(settings, 0, size),
        )
        return [batch for epoch in range(3) for batch in loader.epoch(epoch)]

    one = made(PackedPictures(keys, pixels), (8, 8))
    mine = made(OwnPictures(keys, list(pixels), sizes, own()), None)
    assert len(one) == len(mine) == 9
    assert all(equal(*both) for both in zip(one, mine, strict=True))


def test_evaluation_goes_size_by_size_and_is_put_in_order() -> None:
    sizes = mixed(0, 30)
    rows = np.random.default_rng(0).permutation(30)[:17]
    batches = EvalBatches(pictures_of(sizes), batch_size=4, rows=rows)
    came = [batch.ids for batch in batches]
    assert len(came) == len(batches)
    assert sorted(np.concatenate(came).tolist()) == sorted(rows.tolist())
    shown = torch.from_numpy(np.concatenate(came))
    assert batches.sorted(shown).tolist() == rows.tolist()
    assert EvalBatches(pictures_of(sizes), batch_size=4, rows=rows[:0]).sorted(torch.zeros(0, 2)).shape == (0, 2)


def test_in_turn_takes_each_once() -> None:
    sizes = mixed(5, 40)
    found = in_turn(np.arange(40), sizes, 3)
    assert sorted(np.concatenate(found).tolist()) == list(range(40))
    assert all(len({tuple(one) for one in sizes[batch].tolist()}) == 1 and len(batch) <= 3 for batch in found)
    assert in_turn(np.arange(0), sizes, 3) == []


def test_the_middle_is_the_size_of_a_picture_of_median_area() -> None:
    sizes = mixed(2, 41)
    areas = sorted(sizes.prod(1).tolist())
    assert np.prod(middle(sizes)) == areas[20]
    assert list(middle(sizes)) in sizes.tolist()


def test_a_census_counts_what_the_batches_then_are() -> None:
    sizes = np.random.default_rng(0).integers(5, 40, (60, 2))
    bounds = Bounds(32, 32, step=8, least=9)
    counted = census(Counter(f"{height}x{width}" for height, width in sizes.tolist()), bounds, 8)
    placed = [bounds.place(*size) for size in sizes.tolist()]
    made = np.array([one.bucket for one in placed])
    assert counted.sizes == len({tuple(size) for size in sizes.tolist()})
    assert counted.buckets == len(np.unique(made, axis=0))
    assert counted.fill == pytest.approx(60 / (8 * count_batches(numbered(made), 8)))
    assert counted.scaled == int((sizes.max(1) > 32).sum())
    assert counted.padded == sum(min(one.scaled) < 16 for one in placed)


@pytest.fixture
def mixed_files(tmp_path: Path) -> Mixed:
    sizes = [(8, 8), (8, 12), (8, 8), (12, 8), (8, 12), (20, 9)]
    pixels = {f"a/{row}.png": noise(row, *size) for row, size in enumerate(sizes)}
    return picture_files(tmp_path, pixels), list(pixels.values())


def test_memory_disk_streaming_and_workers_give_the_same_pixels(mixed_files: Mixed, tmp_path: Path) -> None:
    dataset, pixels = mixed_files
    keys = [sample.key for sample in dataset.samples]
    digests = {key: f"digest of {key}" for key in keys}

    def packed(**more: object) -> Any:
        usual = {"workers": 0, "memory_bytes": 10**9, "keep_margin": True, "reporter": Silent()}
        return pack(dataset, keys, own(32, 32), **{**usual, **more})

    memory = packed()
    cache = Cache(tmp_path / "cache", 10**9)
    written, again = packed(cache=cache, digests=digests), packed(cache=cache, digests=digests, memory_bytes=0)
    kinds = {
        "memory": memory,
        "written": written,
        "found": again,
        "streaming": packed(memory_bytes=0),
        "by workers": packed(memory_bytes=0, workers=2),
    }
    assert isinstance(memory, OwnPictures)
    assert isinstance(again, OwnPictures)
    assert isinstance(again.arrays[0].base, np.ndarray), "mapped from the disk"
    assert isinstance(kinds["streaming"], StreamingOwnPictures)
    for name, found in kinds.items():
        assert found.sizes.tolist() == [list(one.shape[:2]) for one in pixels], name
        for places in in_turn(np.arange(6), found.sizes, 2):
            batch = found.batch(places)
            assert all(
                (one.numpy() == pixels[place].transpose(2, 0, 1)).all()
                for place, one in zip(places, batch, strict=True)
            )
        with pytest.raises(ValueError, match="holds 2 of them"):
            found.batch(np.array([0, 1]))
        found.close()


def test_deep_pictures_among_others_are_float_wherever_they_are(
    tmp_path: Path,
) -> None:
    deep = (noise(1, 8, 8, 1).astype(np.uint16) * 257)[:, :, 0]
    dataset = picture_files(tmp_path, {"a/0.png": noise(0, 8, 8, 1), "a/2.png": noise(2, 6, 6, 1)})
    Image.fromarray(deep).save(tmp_path / "a" / "2.png")
    keys = [sample.key for sample in dataset.samples]
    for memory in (10**9, 0):
        usual: dict[str, Any] = {"keep_margin": False, "workers": 0, "memory_bytes": memory, "reporter": Silent()}
        found = pack(dataset, keys, own(32, 32, 1, full_scale=65535.0), **usual)
        assert found.dtype == np.float32
        assert found.batch(np.array([0])).dtype == torch.float32
        assert torch.allclose(found.batch(np.array([1]))[0, 0], torch.from_numpy(deep / 257.0).float(), atol=1e-4)


def test_those_alone_in_their_size_are_brought_to_the_nearest_for_training_alone(mixed_files: Mixed) -> None:
    dataset, pixels = mixed_files
    keys, said = [sample.key for sample in dataset.samples], []

    class Heard(Silent):
        def line(self, text: str) -> None:
            said.append(text)

    usual = {"workers": 0, "memory_bytes": 10**9, "keep_margin": True, "reporter": Heard()}
    found = pack(dataset, keys, own(32, 32), accord=True, **usual)
    assert found.sizes is not None
    assert found.sizes.tolist() == [[8, 8], [8, 12], [8, 8], [8, 8], [8, 12], [8, 8]]
    assert (found.batch(np.array([0, 3]))[1].numpy() == pixels[3][2:10].transpose(2, 0, 1)).all()
    assert "2 training pictures" in said[0]
    plain = pack(dataset, keys, own(32, 32), **usual)
    assert plain.sizes is not None
    assert plain.sizes.tolist()[5] == [20, 9]


def test_a_damaged_entry_of_the_cache_is_made_anew(mixed_files: Mixed, tmp_path: Path) -> None:
    dataset, _ = mixed_files
    keys = [sample.key for sample in dataset.samples]
    cache = Cache(tmp_path / "cache", 10**9)
    more = {"workers": 0, "memory_bytes": 10**9, "keep_margin": True, "reporter": Silent(), "cache": cache}
    more["digests"] = {key: key for key in keys}
    first = pack(dataset, keys, own(32, 32), **more)
    before = [np.array(one) for one in first.arrays]
    file = next((tmp_path / "cache").rglob(packing._PIXELS))
    content = bytearray(file.read_bytes())
    content[7] ^= 255
    file.write_bytes(content)
    second = pack(dataset, keys, own(32, 32), **more)
    assert all((one == other).all() for one, other in zip(second.arrays, before, strict=True))


def test_preprocessing_is_written_with_own_sizes_and_without_as_ever() -> None:
    mine, plain = own(step=4, least=3), Preprocessing(8, 8, 1, mean=(0.5,), std=(0.5,), fill=(0.0,))
    assert Preprocessing.from_dict(mine.to_dict()) == mine
    assert "sizing" not in plain.to_dict()
    assert Preprocessing.from_dict(plain.to_dict()) == plain


@pytest.mark.parametrize(
    "more", [{"policy": "squash"}, {"margin": 1.15}, {"least": 65}, {"step": 0}, {"sizing": "mixed"}]
)
def test_preprocessing_of_no_use_is_refused(more: dict[str, object]) -> None:
    with pytest.raises(DataError, match="of no use"):
        own(**more)
