"""Masks that travel with their pictures: packed, cut into patches, and moved by augmentation."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from striate.core.cache import Cache
from striate.core.errors import DataError, UsageError
from striate.core.events import Silent
from striate.core.records import VOID, Mask, MaskCode, Sample, Source
from striate.data.audit import run_audit
from striate.data.augment import AUGMENTATIONS, Augmenter, ImageAugmentation
from striate.data.dataset import open_dataset
from striate.data.loader import EvalBatches, TrainBatches
from striate.data.masks import decode_mask
from striate.data.pack import pack
from striate.data.pictures import OwnPictures, Patches
from striate.data.planes import mask_digest, patch
from striate.data.prepare import Preprocessing
from striate.data.sampling import Repeats, patch_counts
from striate.data.store import Store
from tests.shapes import CLASSES, scene, write_scenes

SIZES = ((40, 56), (24, 24), (40, 56))
HOW = Preprocessing(
    32, 32, 3, "pad", mean=(0.5,) * 3, std=(0.2,) * 3, fill=(127.0,) * 3, sizing="patch", step=8, tile=64, overlap=16
)


def _packed(folder: Path, count: int = 5, **options: object) -> OwnPictures:
    dataset = open_dataset(write_scenes(folder, count, SIZES))
    keys = [sample.key for sample in dataset.samples]
    found = pack(
        dataset,
        keys,
        HOW,
        keep_margin=False,
        workers=0,
        memory_bytes=10**9,
        reporter=Silent(),
        masks=True,
        **options,  # type: ignore[arg-type]
    )
    assert isinstance(found, OwnPictures)
    return found


def test_pictures_and_masks_are_packed_as_they_are(tmp_path: Path) -> None:
    found = _packed(tmp_path)
    assert found.masked
    assert found.shape == (3, 40, 56)
    for number, planes in enumerate(found.arrays):
        made = scene(number, SIZES[number % 3])
        assert (planes[:3] == made.pixels.transpose(2, 0, 1)).all()
        assert (planes[3] == made.mask).all()


def test_a_mask_that_changes_is_not_taken_from_the_cache(tmp_path: Path) -> None:
    data, cache = tmp_path / "data", Cache(tmp_path / "cache", 10**8)
    digests = {f"images/{number:03}.png": str(number) for number in range(5)}
    first = _packed(data, cache=cache, digests=digests)
    again = _packed(data, cache=cache, digests=digests)
    assert all((one == other).all() for one, other in zip(first.arrays, again.arrays, strict=True))
    path = data / "masks" / "000.png"
    turned = np.asarray(Image.open(path))[::-1].copy()
    dataset = open_dataset(data)
    before = mask_digest(Store(), dataset.samples[0])
    Image.fromarray(turned).save(path)
    assert mask_digest(Store(), dataset.samples[0]) != before
    keys = [sample.key for sample in dataset.samples]
    found = pack(
        dataset, keys, HOW, keep_margin=False, workers=0, memory_bytes=10**9, reporter=Silent(), masks=True,
        cache=cache, digests=digests,
    )  # fmt: skip
    assert isinstance(found, OwnPictures)
    assert (found.arrays[0][3] == turned).all()


@pytest.mark.parametrize("size", [(8, 8), (40, 56), (64, 64), (16, 100)])
@pytest.mark.parametrize("place", [(0.0, 0.0), (0.5, 0.2), (0.999, 0.999)])
def test_a_patch_is_a_part_of_the_picture_or_padded(size: tuple[int, int], place: tuple[float, float]) -> None:
    planes = np.random.default_rng(0).integers(0, 4, (2, 40, 56)).astype(np.uint8)
    found = patch(planes, size, place, masked=True)
    assert found.shape == (2, *size)
    known = found[1] != VOID
    assert known.sum() == min(size[0], 40) * min(size[1], 56)
    if size[0] <= 40 and size[1] <= 56:
        views = np.lib.stride_tricks.sliding_window_view(planes, size, axis=(1, 2))
        assert (views == found[:, None, None]).all((0, 3, 4)).any()


def test_every_place_is_drawn_and_draws_hang_on_names_alone(tmp_path: Path) -> None:
    row = np.arange(10, dtype=np.uint8).reshape(1, 1, 10)
    whole = OwnPictures(["a"], [row], np.array([[1, 10]]), replace(HOW, channels=1, mean=(0.5,), std=(0.2,), fill=(0,)))
    patches = Patches(whole, (1, 4))
    drawn = set()
    for epoch in range(60):
        (first,) = patches.shown([np.array([0])], [np.array([0])], 0, epoch)
        (alike,) = patches.shown([np.array([0, 0])], [np.array([7, 0])], 0, epoch)
        assert torch.equal(alike[1], first[0])
        drawn.add(int(first[0, 0, 0, 0]))
    assert drawn == set(range(7))


def _train(found: OwnPictures, settings: dict[str, object], seed: int = 0) -> TrainBatches:
    count = len(found)
    times = patch_counts(found.sizes, (32, 32))  # type: ignore[arg-type]
    return TrainBatches(
        Patches(found, (32, 32)),
        torch.zeros(count, 0),
        torch.ones(count),
        batch_size=4,
        seed=seed,
        augmenter=Augmenter(settings, seed, (32, 32)),
        sampler=Repeats(times, seed),
    )


MOVING = {"flip": "both", "rotate": 30.0, "scale": 0.3, "elastic": 0.05, "shear": 10.0, "perspective": 0.2}


def test_batches_hold_masks_and_an_epoch_can_be_entered_anywhere(tmp_path: Path) -> None:
    batches = _train(_packed(tmp_path), {**MOVING, "color": 0.3})
    whole = list(batches.epoch(3))
    assert len(whole) == len(batches) == 2  # two of 40 × 56 px are shown twice, three... as their area has room for
    for batch in whole:
        assert batch.images.shape == (4, 3, 32, 32)
        assert batch.targets.shape == (4, 32, 32)
        assert batch.targets.dtype == torch.uint8
    (last,) = batches.epoch(3, 1)
    assert torch.equal(last.images, whole[1].images)
    assert torch.equal(last.targets, whole[1].targets)
    assert not torch.equal(next(iter(batches.epoch(4))).images, whole[0].images)


@pytest.mark.parametrize("setting", sorted(MOVING))
def test_a_mask_is_moved_as_its_picture_is(tmp_path: Path, setting: str) -> None:
    """A picture whose brightness says the class: what the mask says of it stays true wherever it is moved."""
    mask = np.zeros((2, 32, 32), np.uint8)
    mask[0, 8:20, 10:30], mask[1, 4:28, 4:12] = 1, 2
    images = torch.from_numpy(mask[:, None] * 100).float()
    augmenter = Augmenter({setting: MOVING[setting]}, 0, (32, 32))
    moved = 0
    for epoch in range(6):
        found, masks = augmenter.with_masks(images, torch.from_numpy(mask), np.array([0, 1]), epoch)
        told = found[:, 0] / 100
        clear = (told - told.round()).abs() < 0.2  # not on a border, where colours mix
        clear &= torch.tensor([[[True]], [[True]]])
        right = (told.round() == masks) | (told.round() == 1) & (masks == 2) | (masks == 0) & (told.round() == 1)
        assert right[clear].all()  # halfway to 2 there is 1
        assert (told.round() == masks)[clear].float().mean() > 0.95
        moved += int((masks != torch.from_numpy(mask)).any())
    assert moved >= 4


def test_flips_and_shifts_of_masks_are_exact() -> None:
    mask = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (4, 16, 16)).astype(np.uint8))
    augmenter = Augmenter({"flip": "both", "shift": 0.25}, 0, (16, 16))
    found, masks = augmenter.with_masks(mask[:, None], mask, np.arange(4), 1)
    assert torch.equal(found[:, 0], masks)


def test_colours_leave_masks_alone() -> None:
    names = [name for name, one in AUGMENTATIONS.items() if isinstance(one, ImageAugmentation) and one.moves is False]
    assert set(names) >= {"color", "gamma", "hue", "blur", "noise", "erase", "jpeg"}
    mask = torch.randint(0, 3, (2, 16, 16), dtype=torch.uint8)
    settings = {"color": 0.5, "gamma": 0.5, "hue": 0.2, "blur": 0.05, "noise": 0.1, "erase": 0.3, "jpeg": 40}
    images = torch.randint(0, 256, (2, 3, 16, 16), dtype=torch.uint8)
    found, masks = Augmenter(settings, 0, (16, 16)).with_masks(images, mask, np.arange(2), 0)
    assert torch.equal(masks, mask)
    assert not torch.equal(found.float(), images.float())


@pytest.mark.parametrize("settings", [{"mixup": 0.2}, {"cutmix": 1.0}, {"policy": "randaugment"}])
def test_what_masks_cannot_follow_is_refused(settings: dict[str, object]) -> None:
    with pytest.raises(UsageError, match=f"augment.{next(iter(settings))} is not for pictures with masks"):
        Augmenter(settings, 0, (16, 16)).refuse_masks()


def test_void_is_moved_as_a_class_of_its_own() -> None:
    mask = torch.full((1, 32, 32), VOID, dtype=torch.uint8)
    mask[0, :, :16] = 1
    _, masks = Augmenter({"rotate": 90.0}, 0, (32, 32)).with_masks(mask[:, None], mask, np.array([3]), 0)
    assert set(masks.unique().tolist()) == {1, VOID}


def test_whole_pictures_are_scored_with_their_masks(tmp_path: Path) -> None:
    found = _packed(tmp_path)
    seen = {}
    for batch in EvalBatches(found, batch_size=2):
        assert batch.images.shape[1] == 3
        seen |= zip(batch.ids.tolist(), batch.targets.numpy(), strict=True)
    for number in range(5):
        assert (seen[number] == scene(number, SIZES[number % 3]).mask).all()


def test_shares_of_pixels(tmp_path: Path) -> None:
    dataset = open_dataset(write_scenes(tmp_path, 3, SIZES))
    found = run_audit(dataset, workers=0, reporter=Silent(), near=False).pixel_shares
    pixels = np.concatenate([scene(number, SIZES[number]).mask.ravel() for number in range(3)])
    assert list(found.values()) == pytest.approx((np.bincount(pixels, minlength=len(CLASSES)) / pixels.size).tolist())


def test_a_mask_of_another_size_is_named(tmp_path: Path) -> None:
    folder = write_scenes(tmp_path, 2)
    Image.fromarray(np.zeros((10, 10), np.uint8)).save(folder / "masks" / "001.png")
    dataset = open_dataset(folder)
    with pytest.raises(DataError, match=r"001.png has 10 × 10 pixels, its picture 64 × 64"):
        decode_mask(Store(), dataset.samples[1], (64, 64))


def test_a_digest_tells_regions_apart() -> None:
    code = MaskCode("index", ((0, 0), (1, 1)))
    one, other = (Sample("a", (), Mask(replace(code, background=back), ())) for back in (0, 1))
    assert mask_digest(Store(), one) != mask_digest(Store(), other)
    assert Source("file", "a") != Source("file", "b")
