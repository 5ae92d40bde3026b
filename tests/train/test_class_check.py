"""The probe that is asked whether an augmentation keeps the class, and the features that it sees."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.linear_model import Ridge
from sklearn.preprocessing import StandardScaler

from striate.data.augment import Augmenter
from striate.data.pack import PackedPictures
from striate.nets import Normalize, build, head_name, resolve
from striate.train.class_check import RIDGE, ClassProbe, Known, _Linear, frozen_features
from striate.train.patches import Patches, looked_at

SIDE = 16


def striped(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Noise with a bright upper half, or a bright lower one: what turning over turns into each other."""
    draws = np.random.default_rng(seed)
    images, labels = draws.integers(0, 180, (count, 3, SIDE, SIDE), np.uint8), np.arange(count) % 2
    images[labels == 0, :, : SIDE // 2] += 40
    images[labels == 1, :, SIDE // 2 :] += 40
    return images, labels


def known(count: int, seed: int, units: np.ndarray | None = None) -> Known:
    images, labels = striped(count, seed)
    places = np.arange(count)
    return Known(
        PackedPictures([str(one) for one in places], images), places, labels, places if units is None else units
    )


def probe(units: np.ndarray | None = None) -> ClassProbe:
    train = known(300, 0)
    patches = Patches(torch.from_numpy(striped(300, 0)[0][looked_at(300)]), 0)
    return ClassProbe(patches, train, known(200, 1, units), (SIDE, SIDE), 2)


def test_turning_over_is_found_to_change_the_class_and_mirroring_is_not() -> None:
    asked = probe()
    assert asked.accuracy > 0.97
    over = asked.under(Augmenter({"flip": "both"}, 0, (SIDE, SIDE)))
    assert not over.keeps_class
    assert over.lost == pytest.approx(0.5, abs=0.1), "half of the draws turn over, and no teaching helps"
    assert asked.under(Augmenter({"flip": "horizontal"}, 0, (SIDE, SIDE))).keeps_class
    assert asked.under(Augmenter({"color": 0.2}, 0, (SIDE, SIDE))).keeps_class


def test_the_error_is_of_paired_differences_and_groups_count_once() -> None:
    strong = Augmenter({"noise": 0.5}, 0, (SIDE, SIDE))
    alone, grouped = probe(), probe(np.arange(200) // 4)
    right = alone._right.astype(float)
    views = [alone._of(alone._held_out, strong, epoch) for epoch in range(2)]
    lost, error = alone._lost(alone._probe, views)
    paired = right - np.mean([alone._probe(rows) == alone._held_out.labels for rows in views], 0)
    assert lost == pytest.approx(paired.mean())
    assert error == pytest.approx(paired.std() / np.sqrt(200))
    sums = (paired - paired.mean()).reshape(50, 4).sum(1)
    assert grouped._lost(grouped._probe, views)[1] == pytest.approx(np.sqrt((sums**2).sum()) / 200)


def test_the_classifier_is_scikit_learns_ridge() -> None:
    draws = np.random.default_rng(0)
    rows, labels = draws.normal(size=(80, 6)), draws.integers(0, 3, 80)
    scaled = StandardScaler().fit_transform(rows)
    expected = Ridge(alpha=RIDGE * 80).fit(scaled, np.eye(3)[labels]).predict(scaled)
    found = _Linear(rows, labels, 3)
    assert np.array_equal(found(rows), expected.argmax(1))
    np.testing.assert_allclose((rows - found._mean) / found._scale @ found._matrix + found._offset, expected, atol=1e-4)


def test_frozen_features_are_what_the_head_receives() -> None:
    network = build(resolve("resnet20", outputs=4, channels=3, height=SIDE, width=SIDE)).eval()
    normalize = Normalize((0.5,) * 3, (0.5,) * 3)
    images = torch.from_numpy(striped(5, 0)[0])
    features = frozen_features(network, normalize, (3, SIDE, SIDE), torch.device("cpu"))
    with torch.no_grad():
        outputs = network.get_submodule(head_name(network))(features(images))
        torch.testing.assert_close(outputs, network(normalize(images)), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(("channels", "height", "width"), [(1, 2, 2), (1, 8, 8), (3, 40, 64), (4, 5, 9)])
def test_patches_are_features_of_any_picture_and_of_it_alone(channels: int, height: int, width: int) -> None:
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (30, channels, height, width), generator=generator, dtype=torch.uint8)
    patches = Patches(images, 3)
    whole = patches(images)
    assert bool(whole.isfinite().all())
    torch.testing.assert_close(patches(images[7:8])[0], whole[7], atol=1e-4, rtol=1e-4)
    assert torch.equal(Patches(images, 3)(images), whole)
    flat = torch.full((3, channels, height, width), 9, dtype=torch.uint8)
    assert bool(Patches(flat, 0)(flat).isfinite().all())
