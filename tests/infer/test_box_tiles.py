"""Large pictures in tiles: a made detector finds there what it finds in the whole picture at full scale."""

from __future__ import annotations

import json
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage
from torch import Tensor, nn

from striate.core.boxes import FOUND, MOST, NONE
from striate.core.errors import DataError, UsageError
from striate.core.records import Box, Boxes, Picture, Sample
from striate.data.prepare import Preprocessing
from striate.infer import Ensemble, Model, Prediction, Tiling, tiling_of
from striate.infer.box_tiles import LEAST, merged, tiles
from striate.tasks import Scale, TaskSettings, make_task, task_from_dict
from striate.tasks.detect import Detect
from tests.small_models import small_model

NAMES = ("grey", "white")
HEIGHT, WIDTH, TILE = 300, 500, 96
Square = tuple[int, int, int, int]
"""Left, top, side and class."""


class Bright(nn.Module):
    """Finds what is bright, to the pixel: boxes around what hangs together, the brightest the surest.

    Args:
        most: rows that it gives.
    """

    def __init__(self, most: int = MOST) -> None:
        super().__init__()
        self.most = most
        self.shapes: list[tuple[int, ...]] = []

    def forward(self, images: Tensor) -> Tensor:
        self.shapes.append(tuple(images.shape))
        found = torch.zeros(len(images), self.most, FOUND)
        found[..., 5] = NONE
        for rows, image in zip(found, images.numpy(), strict=True):
            parts, _ = ndimage.label(image[0] > 0.2)
            seen = []
            for number, (down, across) in enumerate(ndimage.find_objects(parts), 1):
                light = float(image[0][parts == number].max())
                seen.append([across.start, down.start, across.stop, down.stop, light, float(light > 0.75)])
            seen.sort(key=lambda row: -row[4])
            if seen:
                rows[: len(seen)] = torch.tensor(seen[: self.most])
        return found


def model_of(height: int = TILE, width: int = TILE, *, scale: Scale | None = None, batch: int = 4) -> Model:
    """A Model that sees pictures of a size as they are."""
    task = Detect(NAMES, TaskSettings(loss="of_network", thresholds=(0.0, 0.0), scale=scale))
    plain = Preprocessing(height, width, 1, "pad", mean=(0.0,), std=(1.0,), fill=(0.0,))
    network = Bright()
    found = Model(network, {}, plain, task, batch_size=batch)
    found._ready = network  # it has no layers to be made ready
    return found


def picture(squares: list[Square], height: int = HEIGHT, width: int = WIDTH) -> NDArray[np.uint8]:
    """Squares on black, each of a light of its own, so that order and score tell which was found."""
    pixels = np.zeros((height, width), np.uint8)
    for number, (left, top, side, label) in enumerate(squares):
        pixels[top : top + side, left : left + side] = (220 if label else 100) + number
    return pixels


def boxes(found: Prediction | list[Prediction]) -> list[Any]:
    assert isinstance(found, Prediction)
    assert found.boxes is not None
    return list(found.boxes)


def apart(squares: list[Square]) -> list[Square]:
    """Those that touch none before them, nor leave the picture."""
    kept: list[Square] = []
    for left, top, side, label in squares:
        free = all(left > x + size or x > left + side or top > y + size or y > top + side for x, y, size, _ in kept)
        if free and left + side <= WIDTH and top + side <= HEIGHT:
            kept.append((left, top, side, label))
    return kept


def look(squares: list[Square], overlap: int | None) -> tuple[list[Any], list[Any]]:
    """What is found in tiles, and in the whole."""
    pixels = picture(squares)
    return boxes(model_of().predict(pixels, tile=TILE, overlap=overlap)), boxes(model_of(HEIGHT, WIDTH).predict(pixels))


square = st.tuples(st.integers(0, WIDTH), st.integers(0, HEIGHT), st.integers(3, 24), st.integers(0, 1))
corners = [(x, y) for x in (67, 72, 91, 96, 134, 404) for y in (66, 68, 92, 96, 204)]
BORDERS: list[Square] = [(x, y, 12, (x + y) % 2) for x, y in corners]


@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(square, max_size=25).map(apart))
@example(apart(BORDERS))
@example([])
def test_tiles_find_what_the_whole_shows(squares: list[Square]) -> None:
    in_tiles, in_whole = look(squares, None)
    assert in_tiles == in_whole
    assert len(in_tiles) == len(squares)


@settings(deadline=None, max_examples=30, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.tuples(st.integers(0, 440), st.integers(0, 240), st.integers(3, 80), st.integers(0, 1))).map(apart))
def test_large_things_beside_small_ones_are_put_together(squares: list[Square]) -> None:
    in_tiles, in_whole = look(squares, None)
    assert in_tiles == in_whole


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 200), st.integers(0, 100), st.integers(25, 200), st.sampled_from([0, 4, 24, 47]))
@example(60, 60, 150, 24)
@example(0, 0, 200, 24)
def test_a_square_that_no_tile_holds_is_put_together(left: int, top: int, side: int, overlap: int) -> None:
    """Larger than the overlap, or than a tile: of an overlap of none there is nothing to know it by."""
    in_tiles, in_whole = look([(left, top, side, 1)], overlap)
    if overlap:
        assert in_tiles == in_whole
    else:
        assert len(in_tiles) >= 1


def test_where_tiles_share_nothing_parts_stay_parts() -> None:
    in_tiles, _ = look([(90, 90, 20, 1)], 0)
    assert in_tiles


def test_a_picture_within_the_tile_is_seen_whole() -> None:
    pixels = picture([(10, 20, 30, 1), (50, 60, 12, 0)], 80, 90)
    model, plain = model_of(), model_of()
    assert model.predict(pixels, tile=TILE) == plain.predict(pixels)
    assert shapes_of(model) == shapes_of(plain) == [(1, 1, TILE, TILE)]
    half = model_of(48, 48)
    assert half.predict(pixels, tile=200) == half.predict(pixels)


def test_tiles_are_prepared_as_pictures_are() -> None:
    """Of half their size, as the network takes them: places are those of the picture all the same."""
    in_tiles = boxes(model_of(48, 48).predict(picture([(202, 100, 20, 1), (90, 90, 16, 0)]), tile=TILE))
    edges = sorted((one.x1, one.y1, one.x2, one.y2) for one in in_tiles)
    np.testing.assert_allclose(edges, [(90, 90, 106, 106), (202, 100, 222, 120)], atol=2.01)


def test_the_limit_grows_with_the_tiles() -> None:
    squares = [(x, y, 3, 1) for y in range(0, HEIGHT - 3, 8) for x in range(0, WIDTH - 3, 8)]
    pixels = np.zeros((HEIGHT, WIDTH), np.uint8)
    for left, top, side, _ in squares:
        pixels[top : top + side, left : left + side] = 200
    found = model_of().predict(pixels, tile=TILE, overlap=8)
    count = len(tiles((HEIGHT, WIDTH), Tiling(TILE, 8)))
    assert MOST < len(squares) * 0.6 < len(boxes(found)) <= MOST * count
    assert len(boxes(model_of(HEIGHT, WIDTH).predict(pixels))) == MOST
    many = np.array([[30.0 * n, 0, 30 * n + 10, 10, 0.5, 0] for n in range(500)])
    assert len(merged([many, many[:0]], tiles((20, 100), Tiling(64, 16)))) == 2 * MOST


def test_the_surest_come_first() -> None:
    pixels = picture([(10 + 40 * n, 20 * n, 12, n % 2) for n in range(10)])
    scores = [one.score for one in boxes(model_of().predict(pixels, tile=TILE))]
    assert scores == sorted(scores, reverse=True)
    assert len(set(scores)) == 10


def row(*edges: float, score: float = 0.5, label: int = 0) -> NDArray[np.float64]:
    return np.array([[*edges, score, label]])


TWO = tiles((64, 100), Tiling(64, 16))  # 0 to 64 and 36 to 100
NOTHING = np.zeros((0, FOUND))


@pytest.mark.parametrize(
    ("first", "second", "kept"),
    [
        # cut in the first, and whole in the second, which is surer or not
        (row(50, 8, 64, 20, score=0.9), row(50, 8, 80, 20, score=0.3), [row(50, 8, 80, 20, score=0.3)]),
        # another class in the first, or nothing in the second: the second tile has seen all of it
        (row(50, 8, 64, 20, label=1), row(50, 8, 80, 20), [row(50, 8, 80, 20)]),
        (row(50, 8, 64, 20), NOTHING, []),
        # it begins where the second tile does not reach: that may not know it
        (row(20, 8, 64, 20), NOTHING, [row(20, 8, 64, 20)]),
        # two parts of one, and two that do not agree
        (row(20, 8, 64, 20), row(36, 8, 90, 21, score=0.7), [row(20, 8, 90, 21, score=0.7)]),
        (row(20, 8, 64, 20), row(36, 30, 90, 42, score=0.7), [row(36, 30, 90, 42, score=0.7), row(20, 8, 64, 20)]),
        (row(20, 8, 64, 20), row(36, 8, 90, 20, label=1), [row(20, 8, 64, 20), row(36, 8, 90, 20, label=1)]),
        # the same thing whole in both
        (row(40, 8, 60, 20, score=0.6), row(40, 8, 61, 20), [row(40, 8, 60, 20, score=0.6)]),
        # a thing at the picture's own edge is not cut
        (row(0, 0, 20, 20), row(80, 0, 100, 64), [row(0, 0, 20, 20), row(80, 0, 100, 64)]),
        # a small thing in front of a large one of its class stays, if it is whole or its own tile saw both
        (np.concatenate([row(10, 8, 60, 50), row(20, 20, 28, 28)]), NOTHING, [row(10, 8, 60, 50), row(20, 20, 28, 28)]),
        (np.concatenate([row(30, 8, 64, 50), row(34, 20, 64, 28)]), NOTHING, [row(30, 8, 64, 50), row(34, 20, 64, 28)]),
    ],
)  # fmt: skip
def test_boxes_of_two_tiles(first: Any, second: Any, kept: list[Any]) -> None:
    np.testing.assert_array_equal(merged([first, second], TWO), np.concatenate([NOTHING, *kept]))


def test_one_tile_is_left_as_it_is() -> None:
    found = np.concatenate([row(0, 0, 10, 10), row(0, 0, 10, 9)])
    np.testing.assert_array_equal(merged([found], tiles((64, 64), Tiling(64, 16))), found)


@given(st.integers(1, 400), st.integers(LEAST, 120), st.data())
def test_every_thing_within_the_overlap_is_whole_in_a_tile(side: int, tile: int, data: st.DataObject) -> None:
    overlap = data.draw(st.integers(0, (tile - 1) // 2))
    across = [(one.left, one.right) for one in tiles((8, side), Tiling(tile, overlap))]
    long = data.draw(st.integers(0, min(overlap, side)))
    first = data.draw(st.integers(0, side - long))
    assert any(left <= first and first + long <= right for left, right in across)
    assert across[0][0] == 0
    assert across[-1][1] == side


def detect(scale: Scale | None = None) -> Detect:
    return Detect(NAMES, TaskSettings(loss="of_network", scale=scale))


def test_the_rule_of_tile_and_overlap() -> None:
    small, large = Scale(640, 100.4), Scale(640, 200.4)
    assert tiling_of(detect(), None) is None
    assert tiling_of(detect(), 400) == (400, 100)
    assert tiling_of(detect(small), "auto") == (640, 160)
    assert tiling_of(detect(large), "auto") == (640, 201)
    assert tiling_of(detect(large), 300) == (300, 149)  # as large things as half of a tile are put together
    assert tiling_of(detect(large), 300, 20) == (300, 20)
    assert tiling_of(detect(Scale(20, 5.0)), "auto") == (LEAST, 8)
    assert tiling_of(detect(), np.int64(100), np.int64(10)) == (100, 10)  # type: ignore[arg-type]


def test_the_scale_is_of_training_pictures_and_things_and_is_kept() -> None:
    """Boxes are cut to their picture, and a crowd is no thing."""
    boxes = (Box("grey", -50, 10, 30, 25), Box("white", 0, 0, 90, 40, crowd=True))
    samples = [Sample(key, (), Boxes(some)) for key, some in (("a", boxes), ("b", ()), ("c", boxes[:1]))]
    task = detect().with_scale(samples, [(40, 100), (70, 60), (20, 50)])
    assert task.settings.scale == Scale(70, 30.0)
    again = task_from_dict(json.loads(json.dumps(task.to_dict())))
    assert again.settings.scale == task.settings.scale
    older = detect().to_dict()  # as Models are that know of none
    assert "scale" not in older
    assert task_from_dict(older).settings.scale is None
    assert detect().with_scale(samples[1:2], [(70, 60)]).settings.scale == Scale(70, 0.0)


@pytest.mark.parametrize(
    ("tile", "overlap", "said"),
    [
        (31, None, "31 px nothing can be told"),
        (0, None, "0 px"),
        (-5, None, "-5 px"),
        (96, 48, "cannot share 48 px"),
        (96, -1, "cannot share -1 px"),
        (None, 12, "there are none"),
        ("auto", None, "does not say how large"),
        ("large", None, "a tile is a whole number of pixels, or auto, not 'large'"),
        (96.5, None, "a tile is a whole number of pixels"),
        (True, None, "a tile is a whole number of pixels"),
        (96, 9.5, "an overlap is a whole number of pixels"),
    ],
)
def test_tiles_that_cannot_be_are_refused(tmp_path: Path, tile: Any, overlap: Any, said: str) -> None:
    model, pixels = model_of(), picture([])
    for one in (model, Ensemble([model, model])):
        with pytest.raises(UsageError, match=said):
            one.predict(pixels, tile=tile, overlap=overlap)
        with pytest.raises(UsageError, match=said):  # before anything is taken
            one.predict_paths([], tile=tile, overlap=overlap)


def test_models_of_other_tasks_have_no_tiles(tmp_path: Path) -> None:
    model = small_model(tmp_path)
    with pytest.raises(UsageError, match="tiles are for Models of boxes, and this one, of classify"):
        model.predict(np.zeros((20, 20, 3), np.uint8), tile=64)
    masks = make_task("segment", ("ground", "disc"), [], loss="dice")
    with pytest.raises(UsageError, match="cuts large pictures by itself"):
        tiling_of(masks, "auto")


def test_models_together_look_at_their_own_tiles() -> None:
    pixels = picture([(60, 60, 20, 1), (200, 30, 12, 0), (88, 190, 24, 0)])
    models = [model_of(scale=Scale(TILE, 24.0)), model_of(128, 128, scale=Scale(128, 24.0))]
    several = Ensemble(models)
    assert several.tilings("auto") == (Tiling(96, 24), Tiling(128, 32))
    found = boxes(several.predict(pixels, tile="auto"))
    expected = boxes(model_of(HEIGHT, WIDTH).predict(pixels))
    assert [(one.label, one.x1, one.y1, one.x2, one.y2) for one in found] == [
        (one.label, one.x1, one.y1, one.x2, one.y2) for one in expected
    ]
    assert [one.score for one in found] == pytest.approx([one.score for one in expected])
    # Three networks find more than one alone may, in as many tiles.
    many = np.zeros((HEIGHT, WIDTH), np.uint8)
    many[::8, ::8] = 200
    assert len(boxes(Ensemble(models[:1]).predict(many, tile=TILE))) > MOST


def test_files_come_in_their_order_and_damaged_ones_are_left_out(tmp_path: Path) -> None:
    """Large and small ones share batches; one of two channels is found out when its tiles are prepared."""
    pixels = [picture([(20 * n, 10 * n, 12, 1)]) for n in range(4)] + [picture([(5, 5, 9, 0)], 40, 40)]
    for number, one in enumerate(pixels):
        Image.fromarray(one).save(tmp_path / f"{number}.png")
    (tmp_path / "2.png").write_bytes(b"none")
    for model in (model_of(batch=7), Ensemble([model_of()])):
        for workers in (0, 2):
            told: list[str] = []
            found = list(
                model.predict_paths(
                    [tmp_path], tile=TILE, workers=workers, on_damaged=lambda key, _, told=told: told.append(key)
                )
            )
            assert [Path(one.key).name for one in found] == ["0.png", "1.png", "3.png", "4.png"]
            assert [Path(key).name for key in told] == ["2.png"]
            assert [len(boxes(one)) for one in found] == [1, 1, 1, 1]
    model = model_of(batch=7)
    list(model.predict_paths([tmp_path], tile=TILE, on_damaged=lambda *_: None))
    parts = 3 * len(tiles((HEIGHT, WIDTH), Tiling(TILE, 24))) + 1
    assert [shape[0] for shape in shapes_of(model)] == [7] * (parts // 7) + [parts % 7] * (parts % 7 > 0)


def shapes_of(model: Model) -> list[tuple[int, ...]]:
    assert isinstance(model.network, Bright)
    return model.network.shapes


def test_a_picture_of_other_channels_is_damage() -> None:
    two = np.zeros((200, 200, 2), np.uint8)
    with pytest.raises(DataError, match="2 channels"):
        model_of().predict(two, tile=TILE)
    with pytest.raises(DataError, match="2 channels"):
        model_of().found_in_tiles(Picture(two, "LA"), (Tiling(TILE, 24),))


@pytest.mark.slow
def test_memory_does_not_grow_with_the_picture() -> None:
    """6000 × 5000 pixels: beside the picture there is no more than beside a fiftieth of it."""
    peaks = []
    for height, width in ((600, 1000), (5000, 6000)):
        pixels = np.zeros((height, width), np.uint8)
        pixels[100:120, 200:220] = 200
        model = model_of(320, 320)
        model.predict(pixels[:400, :400], tile=320)
        tracemalloc.start()
        found = boxes(model.predict(pixels, tile=320))
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert [(one.x1, one.y1, one.x2, one.y2) for one in found] == [(200, 100, 220, 120)]
        assert max(shape[0] for shape in shapes_of(model)) == model.batch_size
    assert peaks[1] < peaks[0] + 4e6
