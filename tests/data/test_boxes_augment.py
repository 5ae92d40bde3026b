"""Boxes that follow their pictures: a painted thing stays in its box, and boxes are kept and cut by one rule.

Each thing has a channel of its own, in which nothing else is; two more say of each pixel where it came from.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage
from torch import Tensor

from striate.core.boxes import AREA, COUNTS, CROWD, DIFFICULT, LABEL, NONE, PLAIN, TRUTH, Frame
from striate.core.errors import UsageError
from striate.data.augment import AUGMENTATIONS, Augmenter, BoxAugmentation, ImageAugmentation, centre
from striate.data.augment._follow import LEAST, Boxes, flat, room, window
from striate.plan.planner import leaves

FOLLOWED = [name for name, one in AUGMENTATIONS.items() if isinstance(one, ImageAugmentation) and one.plane is not None]
STILL = [name for name, one in AUGMENTATIONS.items() if isinstance(one, ImageAugmentation) and one.moves is False]
STRONG: dict[str, Any] = {"flip": "both", "shift": 0.3, "crop": 0.3, "rotate": 40.0, "scale": 0.6, "shear": 25.0}
STRONG |= {"perspective": 0.4, "color": 0.5, "gamma": 0.8, "hue": 0.4, "grey": 0.3, "blur": 0.05, "noise": 0.1}
STRONG |= {"erase": 0.3, "jpeg": 40}
FRAME = torch.tensor([*Frame(1, 2, 3, 4, 5, 6), 0.0])
FULL = 255.0


def strong(*names: str) -> dict[str, Any]:
    return {setting: STRONG[setting] for name in names for setting in AUGMENTATIONS.get(name).settings}


def scene(edges: Any, height: int, width: int) -> Tensor:
    """A picture (M + 2, H, W) with a channel for each box, filled where it is, and two of where each pixel lies."""
    pixels = torch.zeros(len(edges) + 2, height, width)
    for channel, (x1, y1, x2, y2) in zip(pixels, np.asarray(edges, int), strict=False):
        channel[y1:y2, x1:x2] = FULL
    pixels[-2], pixels[-1] = torch.arange(width) + 0.5, (torch.arange(height) + 0.5)[:, None]
    return pixels


def truths(*pictures: Any, base: int = 0, most: int = 0) -> Tensor:
    """Targets of pictures with boxes: classes are counted on over all of them."""
    found = torch.zeros(len(pictures), 1 + max([most, *map(len, pictures)]), TRUTH)
    found[:, 1:, LABEL] = NONE
    found[:, 0] = FRAME
    for target, edges in zip(found, pictures, strict=True):
        rows = torch.tensor(np.asarray(edges, np.float32).reshape(-1, 4))
        target[1 : 1 + len(rows), :4] = rows
        target[1 : 1 + len(rows), LABEL] = base + torch.arange(len(rows))
        target[1 : 1 + len(rows), AREA] = 7 + torch.arange(len(rows))
        base += len(rows)
    return found


def boxed(target: Tensor) -> dict[int, Tensor]:
    """The edges of each class that is to be found in a picture's rows, which hold something first and nothing after."""
    rows = target[1:]
    holds = rows[:, LABEL] != NONE
    assert (holds.long().diff() <= 0).all()
    assert not rows[~holds][:, [0, 1, 2, 3, COUNTS, AREA]].any()
    return {int(row[LABEL]): row[:4] for row in rows[holds & (rows[:, COUNTS] == PLAIN)]}


def seen(channel: Tensor, least: float) -> Tensor | None:
    """The edges of the pixels in which a thing has at least so much."""
    rows, columns = torch.nonzero(channel >= least * FULL, as_tuple=True)
    if not len(rows):
        return None
    return torch.stack([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]).float()


def taken(picture: Tensor) -> np.ndarray:
    """How much of the source each pixel of a picture takes, (H, W), by its ramps: their median beside what was filled,
    where they break off and all of the picture takes as much."""
    x, y = picture[-2:].double().numpy()
    (x_down, x_across), (y_down, y_across) = np.gradient(x), np.gradient(y)
    found = np.abs(x_across * y_down - x_down * y_across)
    whole = ndimage.minimum_filter((x >= 0.5) & (y >= 0.5), 5, mode="nearest")
    return np.where(whole, found, np.median(found[whole])) if whole.any() else found


PLACES = st.tuples(*[st.floats(0, 1)] * 4)


def drawn(places: Any, height: int, width: int, least: int = 6) -> list[list[int]]:
    """Boxes of whole pixels with sides of at least so many, one for each four numbers from 0 to 1."""
    found = []
    for left, top, wide, high in places:
        x1, y1 = int(left * (width - least)), int(top * (height - least))
        x2, y2 = x1 + least + int(wide * (width - least - x1)), y1 + least + int(high * (height - least - y1))
        found.append([x1, y1, x2, y2])
    return found


@pytest.mark.parametrize("name", FOLLOWED)
@settings(max_examples=25, deadline=None)
@given(
    places=st.lists(PLACES, min_size=1, max_size=4),
    size=st.tuples(st.integers(24, 60), st.integers(24, 60)),
    seed=st.integers(0, 10**6),
)
def test_a_thing_stays_in_its_box(name: str, places: Any, size: tuple[int, int], seed: int) -> None:
    edges = drawn(places, *size)
    augmenter = Augmenter(strong(name), seed, size, fill=(0.0,))
    images, targets = augmenter.with_boxes(scene(edges, *size)[None], truths(edges), np.array([5]), 1, 0)
    assert tuple(images.shape[2:]) == size
    assert targets.shape == (1, 1 + len(edges), TRUTH)
    found, counts = boxed(targets[0]), taken(images[0])
    for number, (x1, y1, x2, y2) in enumerate(edges):
        channel = images[0, number].float()
        left = (channel.numpy() / FULL * counts).sum() / ((x2 - x1) * (y2 - y1))
        if number in found:
            assert left > LEAST - 0.1
            outer = seen(channel, 0.02)
            assert outer is not None
            torch.testing.assert_close(found[number], outer, atol=1.6, rtol=0)
        else:
            assert left < LEAST + 0.1


@pytest.mark.parametrize(("name", "value"), [("crop", 0.3), ("scale", 0.6)])
@settings(max_examples=40, deadline=None)
@given(places=PLACES, seed=st.integers(0, 10**6))
def test_upright_things_keep_their_centre_and_extent_to_a_fraction_of_a_pixel(
    name: str, value: float, places: Any, seed: int
) -> None:
    edges = drawn([places], 48, 40)
    augmenter = Augmenter({name: value}, seed, (48, 40), fill=(0.0,))
    images, targets = augmenter.with_boxes(scene(edges, 48, 40)[None], truths(edges), np.array([0]), 0, 0)
    light = images[0, 0].numpy() / FULL
    for x1, y1, x2, y2 in boxed(targets[0]).values():
        if x1 > 2 and y1 > 2 and x2 < 38 and y2 < 46:  # whole, with the blur of its edges
            down, across = (light.sum(axis) @ (np.arange(light.shape[1 - axis]) + 0.5) for axis in (1, 0))
            assert across / light.sum() == pytest.approx(float(x1 + x2) / 2, abs=0.3)
            assert down / light.sum() == pytest.approx(float(y1 + y2) / 2, abs=0.3)
            assert light.sum() == pytest.approx(float((x2 - x1) * (y2 - y1)), rel=0.12)


@settings(max_examples=40, deadline=None)
@given(places=st.lists(PLACES, min_size=1, max_size=3), seed=st.integers(0, 10**6), height=st.integers(9, 40))
def test_flips_and_shifts_of_bytes_are_exact(places: Any, seed: int, height: int) -> None:
    edges = drawn(places, height, 31, least=1)
    pixels, ids = scene(edges, height, 31)[None].byte(), np.array([3])
    augmenter = Augmenter({"flip": "both", "shift": 0.3}, seed, (height, 31), fill=(0.0,))
    images, targets = augmenter.with_boxes(pixels, truths(edges), ids, 0, 0)
    assert images.dtype == torch.uint8
    found = boxed(targets[0])
    for number, (x1, y1, x2, y2) in enumerate(edges):
        left = int((images[0, number] > 0).sum())
        assert (number in found) == (left >= LEAST * (x2 - x1) * (y2 - y1) and left > 0)
        if number in found:
            expected = seen(images[0, number].float(), 1.0)
            assert expected is not None
            torch.testing.assert_close(found[number], expected, atol=1e-4, rtol=0)
    flipping = Augmenter({"flip": "both"}, seed, (height, 31))
    once, mirrored = flipping.with_boxes(pixels, truths(edges), ids, 0, 0)
    assert all(torch.equal(box, seen(once[0, number].float(), 1.0)) for number, box in boxed(mirrored[0]).items())
    twice, back = flipping.with_boxes(once, mirrored, ids, 0, 0)
    assert torch.equal(twice, pixels)
    assert torch.equal(back, truths(edges))


@pytest.mark.parametrize("names", [[name] for name in FOLLOWED] + [FOLLOWED + STILL])
def test_rows_are_the_same_in_any_batch(names: list[str]) -> None:
    random = np.random.default_rng(1)
    pictures = [drawn(random.random((count, 4)), 33, 40) for count in (3, 0, 1, 4, 2)]
    pixels = torch.from_numpy(random.integers(0, 256, (5, 3, 33, 40)).astype(np.uint8))
    targets, ids = truths(*pictures), np.arange(10, 15)
    augmenter = Augmenter(strong(*names), 3, (33, 40))
    images, moved = augmenter.with_boxes(pixels, targets, ids, 2, 0)
    assert not torch.equal(moved, targets)
    again = augmenter.with_boxes(pixels, targets, ids, 2, 9)
    assert torch.equal(again[0], images)
    assert torch.equal(again[1], moved)
    for row in range(5):
        one = slice(row, row + 1)
        alone = augmenter.with_boxes(pixels[one], targets[one], ids[one], 2, 0)
        assert torch.equal(alone[0][0], images[row])
        assert torch.equal(alone[1][0], moved[row])
    order = random.permutation(5)
    mixed = augmenter.with_boxes(pixels[torch.from_numpy(order)], targets[torch.from_numpy(order)], ids[order], 2, 0)
    assert torch.equal(mixed[1], moved[torch.from_numpy(order)])
    assert not torch.equal(augmenter.with_boxes(pixels, targets, ids, 3, 0)[1], moved)
    assert not torch.equal(augmenter.with_boxes(pixels, targets, ids, 2, 0, np.ones(5, np.int64))[1], moved)
    assert torch.equal(targets, truths(*pictures)), "what was given is left as it is"


@pytest.mark.parametrize("name", STILL)
def test_what_moves_nothing_leaves_boxes_and_gives_the_usual_pictures(name: str) -> None:
    random = np.random.default_rng(2)
    pixels = torch.from_numpy(random.integers(0, 256, (2, 3, 24, 24)).astype(np.uint8))
    targets, augmenter = truths([[1, 2, 9, 20]], [], most=3), Augmenter(strong(name), 0, (24, 24))
    images, found = augmenter.with_boxes(pixels, targets, np.arange(2), 0, 0)
    assert torch.equal(found, targets)
    assert torch.equal(images, augmenter.images(pixels, np.arange(2), 0))


@pytest.mark.parametrize("name", ["flip", "crop", "perspective"])
def test_where_nothing_of_beyond_shows_pictures_are_the_usual_ones(name: str) -> None:
    pixels = torch.rand(4, 3, 20, 30) * 255
    augmenter = Augmenter(strong(name), 0, (20, 30))
    images, _ = augmenter.with_boxes(pixels, truths([], [], [], []), np.arange(4), 0, 0)
    assert torch.equal(images, augmenter.images(pixels, np.arange(4), 0))


@pytest.mark.parametrize("name", ["shift", "affine", "shear"])
def test_beyond_the_border_a_colour_shows_and_no_mirrored_thing(name: str) -> None:
    edges = [[0, 0, 10, 12], [14, 20, 24, 30]]
    pixels, ids, mirrored = scene(edges, 40, 24)[None].expand(12, -1, -1, -1), np.arange(12), 0
    augmenter = Augmenter(strong(name), 0, (40, 24), fill=(0.0,))
    filled, targets = augmenter.with_boxes(pixels, truths(*[edges] * 12), ids, 0, 0)
    for picture, other, target in zip(filled, augmenter.images(pixels, ids, 0), targets, strict=True):
        for number, box in boxed(target).items():
            x1, y1, x2, y2 = (box + torch.tensor([-1.6, -1.6, 1.6, 1.6])).clamp(min=0).round().long()
            outside = torch.ones(40, 24, dtype=torch.bool)
            outside[y1:y2, x1:x2] = False
            assert not picture[number % 2, outside].gt(0.02 * FULL).any()
            mirrored += int(other[number % 2, outside].gt(0.5 * FULL).any())
    assert mirrored, "else the test would see no difference"
    colours = torch.tensor([10.0, 250.0, 60.0])
    plain = torch.full((12, 3, 40, 24), 100, dtype=torch.uint8)
    images, _ = Augmenter(strong(name), 0, (40, 24), fill=colours.tolist()).with_boxes(
        plain, truths(*[[]] * 12), ids, 0, 0
    )
    assert images.dtype == (torch.uint8 if name == "shift" else torch.float32)
    if name == "shift":
        rounded, _ = Augmenter(strong(name), 0, (40, 24), fill=(9.6,)).with_boxes(plain, truths(*[[]] * 12), ids, 0, 0)
        assert set(rounded.unique().tolist()) == {10, 100}
    off = (images.float() - 100) / (colours - 100)[:, None, None]  # 1 where the colour shows, 0 in the picture
    torch.testing.assert_close(off, off[:, :1].expand_as(off), atol=1e-4, rtol=0)
    assert (off > -1e-4).all()
    assert (off < 1 + 1e-4).all()
    assert (off > 0.99).any()
    assert (off < 0.01).any()
    torch.testing.assert_close(augmenter.images(plain, ids, 0).float(), plain.float())


def test_boxes_of_the_input_are_cut_out_of_a_margin() -> None:
    """What lies in the margin comes into sight by a shift, with its box."""
    edges = np.array([[4, 3, 12, 9], [14, 14, 20, 24], [0, 20, 3, 30]])  # in the picture of 32 × 28 with its margin
    pixels, size = scene(edges, 32, 28)[None].byte(), (24, 20)
    targets = truths(edges - [4, 4, 4, 4])
    images, found = Augmenter({}, 0, size).with_boxes(pixels, targets, np.array([0]), 0, 0)
    assert torch.equal(images, centre(pixels, size))
    assert {number: box.tolist() for number, box in boxed(found[0]).items()} == {0: [0, 0, 8, 5], 1: [10, 10, 16, 20]}
    shown = set()
    for name in ("shift", "crop", "affine"):
        augmenter = Augmenter(strong(name), 0, size, fill=(0.0,))
        for epoch in range(6):
            images, found = augmenter.with_boxes(pixels, targets, np.array([0]), epoch, 0)
            assert tuple(images.shape[2:]) == size
            for number, box in boxed(found[0]).items():
                outer = seen(images[0, number].float(), 0.02)
                assert outer is not None
                torch.testing.assert_close(box, outer, atol=1.6, rtol=0)
                shown.add(number)
    assert shown == {0, 1, 2}
    own = Augmenter({"flip": "both"}, 0, None)  # batches that keep their sizes have no margin
    images, found = own.with_boxes(pixels, truths(edges), np.array([0]), 1, 0)
    assert all(torch.equal(box, seen(images[0, number].float(), 1.0)) for number, box in boxed(found[0]).items())


def test_the_rule_of_what_is_kept() -> None:
    edges = [[2, 0, 12, 10], [1, 0, 11, 10], [0, 0, 10, 10], [3, 0, 13, 10], [28, 0, 38, 5], [10, 2, 12, 4]]
    whole = Boxes.of(truths(edges)[:, 1:], (10, 40))
    cut = whole.followed(window(0, 8, (10, 40), (10, 20)), (10, 40), (10, 20))
    assert cut.shares[0].tolist() == pytest.approx([0.4, 0.3, 0.2, 0.5, 0.0, 1.0], abs=1e-5)
    rows = cut.kept()[0]
    assert rows[:, LABEL].tolist() == [0, 1, 2, 3, 5, NONE]
    assert rows[:5, COUNTS].tolist() == [PLAIN, PLAIN, DIFFICULT, PLAIN, PLAIN]  # of the third a fifth is left
    expected = torch.tensor([[0.0, 0, 4, 10], [0, 0, 3, 10], [0, 0, 2, 10], [0, 0, 5, 10], [2, 2, 4, 4]])
    torch.testing.assert_close(rows[:5, :4], expected, atol=1e-4, rtol=0)
    later = cut.followed(window(0, 2, (10, 20), (10, 18)), (10, 20), (10, 18))
    assert later.shares[0, :4].tolist() == pytest.approx([0.2, 0.1, 0.0, 0.3], abs=1e-5)  # of the whole
    halved = Boxes.of(truths([[0, 0, 2, 9], [0, 0, 1, 9]])[:, 1:], (10, 10)).followed(flat(1, 2, 2), (10, 10), (10, 10))
    assert halved.kept()[0, :, LABEL].tolist() == [0, NONE]  # half a pixel wide


def test_what_little_is_left_of_a_thing_or_a_crowd_is_no_background() -> None:
    """A window of the middle of one thing that fills the picture, and of a crowd that does."""
    targets = truths([[0, 0, 40, 40], [0, 0, 40, 40]])
    targets[0, 2, COUNTS] = CROWD
    rows = Boxes.of(targets[:, 1:], (40, 40)).followed(window(10, 10, (40, 40), (10, 10)), (40, 40), (10, 10)).kept()[0]
    assert rows[:, LABEL].tolist() == [0, 1]
    assert rows[:, COUNTS].tolist() == [DIFFICULT, CROWD]
    assert rows[:, :4].tolist() == [[0, 0, 10, 10]] * 2
    pixels = torch.zeros(8, 1, 20, 20)
    whole = truths([[0, 0, 20, 20]]).repeat(8, 1, 1)
    whole[:, 1, COUNTS] = CROWD
    _, found = Augmenter({"mosaic": 1.0}, 0, (20, 20)).with_boxes(pixels, whole, np.arange(8), 0, 0)
    assert ((found[:, 1:5, LABEL] != NONE).sum(1) == 4).all()  # of each quarter


def test_the_strongest_perspective_keeps_what_is_seen_and_stretches_no_box_to_the_horizon() -> None:
    """A leaf's strongest turns the plane until its far end lies beyond the horizon, where no picture shows it."""
    most = leaves()["augment.perspective"].high
    assert most is not None
    edges = [[0, 0, 40, 40], [0, 0, 8, 8], [30, 0, 40, 12], [15, 15, 25, 25]]
    pixels, one = scene(edges, 40, 40)[None], AUGMENTATIONS.get("perspective")
    assert isinstance(one, ImageAugmentation)
    assert one.plane is not None
    before = Boxes.of(truths(edges)[:, 1:], (40, 40))
    for row in np.random.default_rng(0).integers(0, 2, (60, 8)).astype(float):
        plane = one.plane(row[None], (40, 40), (40, 40), most)
        after = before.followed(plane, (40, 40), (40, 40))
        picture = one.apply(pixels, row[None], most)[0]
        assert bool(torch.isfinite(after.rows).all())
        for number, (box, share) in enumerate(zip(after.rows[0, :, :4], after.shares[0], strict=True)):
            outer = seen(picture[number], 0.02)
            if outer is None:
                assert share < 0.02
            elif share > LEAST and (box[2:] - box[:2]).min() > 2:
                inner = seen(picture[number], 0.5)  # edges are blurred, where the plane is near by some pixels
                assert inner is not None
                inward = torch.tensor([1.0, 1, -1, -1])
                assert ((box - outer) * inward > -1.6).all()
                assert ((inner - box) * inward > -1.6).all()
        source = plane[0] @ np.array([[-1.0, 1, 1, -1], [-1, -1, 1, 1], [1, 1, 1, 1]])
        x, y = source[:2] / source[2]
        assert after.shares[0, 0] == pytest.approx(abs(x @ np.roll(y, -1) - y @ np.roll(x, -1)) / 8, abs=1e-4)


def test_what_lies_outside_of_a_picture_from_the_start_is_cut_off_and_does_not_count() -> None:
    targets = truths([[-30, 2, 10, 8], [30, 30, 40, 40], [-5, -5, -1, 50]])
    _, found = Augmenter({"flip": "both"}, 0, (20, 20)).with_boxes(
        torch.zeros(1, 1, 20, 20), targets, np.array([1]), 0, 0
    )
    assert list(boxed(found[0])) == [0]
    _, found = Augmenter({}, 0, (20, 20)).with_boxes(torch.zeros(1, 1, 20, 20), targets, np.array([1]), 0, 0)
    assert boxed(found[0])[0].tolist() == [0, 2, 10, 8]


def test_a_turned_box_is_the_upright_one_around_its_corners() -> None:
    plane = flat(1, 0, 0)
    plane[0, 0, 1], plane[0, 1, 0] = -1, 1
    boxes = Boxes.of(truths([[6, 7, 10, 9]])[:, 1:], (20, 20))
    quarter = boxes.followed(plane, (20, 20), (20, 20))
    torch.testing.assert_close(quarter.rows[0, 0, :4], torch.tensor([7.0, 10, 9, 14]))
    plane[0, :2, :2] = np.array([[1, -1], [1, 1]]) * np.sqrt(0.5)
    eighth = boxes.followed(plane, (20, 20), (20, 20)).rows[0, 0, :4]
    middle, half = (eighth[:2] + eighth[2:]) / 2, (eighth[2:] - eighth[:2]) / 2
    assert half.tolist() == pytest.approx([3 * np.sqrt(0.5)] * 2, abs=1e-4)
    turned = np.array([[1, 1], [-1, 1]]) * np.sqrt(0.5) @ np.array([8 - 10, 8 - 10]) + 10
    assert middle.tolist() == pytest.approx(turned.tolist(), abs=1e-4)


def test_a_turned_box_is_that_of_the_part_that_is_seen() -> None:
    """A bar along the right border, turned by an eighth: both of its ends leave the picture, and stretch no box."""
    plane = flat(1, 0, 0)
    plane[0, :2, :2] = np.array([[1, -1], [1, 1]]) * np.sqrt(0.5)
    turned = Boxes.of(truths([[16, 0, 20, 20]])[:, 1:], (20, 20)).followed(plane, (20, 20), (20, 20))
    assert turned.rows[0, 0, :4].tolist() == pytest.approx([6 * np.sqrt(2), 0, 20, 20 - 6 * np.sqrt(2)], abs=1e-4)
    lost = sum((place - (10 * np.sqrt(2) - 10)) for place in np.linspace(6, 10, 4001)) / 1000  # at each end
    assert float(turned.shares) == pytest.approx(1 - 2 * lost / 80, abs=1e-3)


def test_marks_classes_and_areas_stay_and_the_frame_is_left() -> None:
    edges = [[1, 1, 9, 9], [10, 2, 18, 8], [2, 10, 8, 19]]
    targets = truths(edges, edges[:1], most=5)
    targets[0, 1:4, COUNTS] = torch.tensor([PLAIN, DIFFICULT, CROWD])
    _, found = Augmenter({"flip": "both", "scale": 0.3, "shift": 0.1}, 0, (20, 20)).with_boxes(
        torch.zeros(2, 1, 20, 20), targets, np.arange(2), 0, 0
    )
    assert torch.equal(found[:, 0], targets[:, 0])
    for row in found[0, 1:][found[0, 1:, LABEL] != NONE]:
        (before,) = targets[0, 1:][targets[0, 1:, LABEL] == row[LABEL]]
        assert torch.equal(row[LABEL:], before[LABEL:])
        assert not torch.equal(row[:4], before[:4])


@pytest.mark.parametrize("mosaic", [0.0, 1.0])
def test_pictures_without_any_box_have_none_after(mosaic: float) -> None:
    augmenter = Augmenter({**strong(*FOLLOWED), "mosaic": mosaic}, 0, (16, 16))
    for most in (0, 3):
        _, found = augmenter.with_boxes(torch.zeros(2, 1, 16, 16), truths([], [], most=most), np.arange(2), 0, 0)
        assert found.shape[1] == 1 + (min(most, 1) if mosaic else most)
        assert (found[:, 1:, LABEL] == NONE).all()


@pytest.mark.parametrize(
    "given", [{"elastic": 0.1}, {"policy": "randaugment"}, {"mixup": 0.2}, {"cutmix": 1.0}, {"function": "math:sqrt"}]
)
def test_what_boxes_cannot_follow_is_refused(given: dict[str, Any]) -> None:
    augmenter = Augmenter(given, 0, (16, 16))
    with pytest.raises(UsageError, match=f"augment.{next(iter(given))} is not for pictures with boxes") as raised:
        augmenter.refuse_boxes()
    assert raised.value.fix == f"leave augment.{next(iter(given))} out"
    with pytest.raises(UsageError, match="not for pictures with boxes"):
        augmenter.with_boxes(torch.zeros(1, 1, 16, 16), truths([]), np.array([0]), 0, 0)


def test_small_classes_altered_more_strongly_are_refused() -> None:
    with pytest.raises(UsageError, match=r"augment\.minority is not for pictures with boxes"):
        Augmenter({}, 0, (16, 16), minority=(np.array([True]), {"rotate": 9.0})).refuse_boxes()


def test_every_augmentation_is_followed_or_refused() -> None:
    """Of those to come too: what moves says along which plane, or is refused, and what may show beyond moves."""
    for name, one in AUGMENTATIONS.items():
        if isinstance(one, ImageAugmentation):
            assert one.plane is None or one.moves, name
            assert not one.fills or one.plane is not None, name
    Augmenter({**strong(*FOLLOWED, *STILL), "mosaic": 0.5}, 0, (16, 16)).refuse_boxes()


# Four pictures around a point.


def crowd(count: int, height: int, width: int, seed: int) -> tuple[Tensor, Tensor, list[list[list[int]]]]:
    """Pictures of which each thing has a channel of its own and its number for a class; the last channel says which
    picture it is."""
    random = np.random.default_rng(seed)
    pictures = [drawn(random.random((2, 4)) * [1, 1, 0.5, 0.5], height, width, least=4) for _ in range(count)]
    pixels = torch.zeros(count, 2 * count + 1, height, width)
    for number, (edges, planes) in enumerate(zip(pictures, pixels, strict=True)):
        planes[2 * number : 2 * number + 2] = scene(edges, height, width)[:2]
        planes[-1] = number
    return pixels, truths(*pictures), pictures


@pytest.mark.parametrize("seed", range(12))
def test_in_a_mosaic_each_thing_lies_in_its_box(seed: int) -> None:
    count, height, width = 7, 40, 56
    pixels, targets, pictures = crowd(count, height, width, seed)
    images, found = Augmenter({"mosaic": 1.0}, seed, (height, width)).with_boxes(
        pixels, targets, np.arange(count), 0, 0
    )
    assert images.shape == pixels.shape
    assert found.shape[1] - 1 in (1, 2, 4, 8)
    assert torch.equal(found[:, 0], targets[:, 0])
    checked = 0
    images[:, -1] = images[:, -1].round()
    for number, (picture, target) in enumerate(zip(images, found, strict=True)):
        parts = [int(picture[-1, row, column]) for row in (0, -1) for column in (0, -1)]
        assert parts[0] == number  # no sample of an epoch is left out
        assert set(picture[-1].unique().tolist()) == {float(part) for part in parts}, "all of it is covered"
        boxes = boxed(target)
        for part in parts:
            for thing, (x1, y1, x2, y2) in enumerate(pictures[part], 2 * part):
                if parts.count(part) > 1:
                    continue
                left, outer = float(picture[thing].sum()) / FULL / (x2 - x1) / (y2 - y1), seen(picture[thing], 0.02)
                if thing in boxes:
                    assert outer is not None
                    torch.testing.assert_close(boxes[thing], outer, atol=1.2, rtol=0)
                    assert left > LEAST / 4 - 0.05  # at half its sides
                    checked += 1
                else:
                    assert left < LEAST + 0.1
    assert checked > 5


def test_a_mosaic_is_named_by_seed_epoch_and_batch_and_as_frequent_as_asked_for() -> None:
    pixels, targets, _ = crowd(8, 20, 20, 0)
    ids = np.arange(8)
    augmenter = Augmenter({"mosaic": 0.4}, 3, (20, 20))
    images, moved = augmenter.with_boxes(pixels, targets, ids, 1, 5)
    assert images.dtype == torch.float32
    again = augmenter.with_boxes(pixels, targets, ids, 1, 5)
    assert torch.equal(again[0], images)
    assert torch.equal(again[1], moved)
    for epoch, number, other in ((1, 6, augmenter), (2, 5, augmenter), (1, 5, Augmenter({"mosaic": 0.4}, 4, (20, 20)))):
        assert not torch.equal(other.with_boxes(pixels, targets, ids, epoch, number)[0], images)
    altered = 0
    for number in range(60):
        images, moved = augmenter.with_boxes(pixels, targets, ids, 0, number)
        same = (images == pixels).flatten(1).all(1)
        altered += int((~same).sum())
        for row in torch.nonzero(same).flatten().tolist():
            assert torch.equal(moved[row, :3], targets[row])
            assert (moved[row, 3:, LABEL] == NONE).all()
    assert 0.33 < altered / 480 < 0.47
    assert not augmenter.idle


def test_a_mosaic_is_made_of_altered_pictures() -> None:
    """And of a single picture, and of one of a pixel, of which none can be."""
    pixels, targets, _ = crowd(4, 24, 24, 2)
    both = Augmenter({"mosaic": 1.0, "flip": "both", "shift": 0.1}, 0, (24, 24), fill=(0.0,))
    images, moved = both.with_boxes(pixels.byte(), targets, np.arange(4), 0, 0)
    for picture, target in zip(images, moved, strict=True):
        assert bool(picture[:-1].any()) or not boxed(target)
    for size in (1, 2, 5):
        tiny = torch.rand(1, 1, size, size)
        own = Augmenter({"mosaic": 1.0, "flip": "both"}, 0, None)
        images, moved = own.with_boxes(tiny, truths([[0, 0, size, size]]), np.array([0]), 0, 0)
        assert images.shape == tiny.shape
        assert bool(torch.isfinite(images).all())
        assert bool(torch.isfinite(moved).all())


def test_rows_of_a_mosaic_come_in_few_shapes() -> None:
    assert [room(most, 20) for most in (0, 1, 2, 3, 9, 16, 17, 20)] == [1, 1, 2, 4, 16, 16, 20, 20]
    assert room(0, 0) == 0


def test_a_mosaic_is_for_boxes_alone() -> None:
    assert [name for name, one in AUGMENTATIONS.items() if isinstance(one, BoxAugmentation)] == ["mosaic"]
    augmenter = Augmenter({"mosaic": 0.5}, 0, (8, 8))
    with pytest.raises(UsageError, match=r"augment\.mosaic is for pictures with boxes alone"):
        augmenter.refuse_scenes()
    with pytest.raises(UsageError, match=r"augment\.mosaic is for pictures with boxes alone"):
        augmenter.mix(torch.zeros(1, 1, 8, 8), torch.zeros(1, 1), torch.ones(1), 0, 0)
    with pytest.raises(UsageError, match=r"augment\.mosaic is not for pictures with masks"):
        augmenter.refuse_masks()
    Augmenter({}, 0, (8, 8)).refuse_scenes()
