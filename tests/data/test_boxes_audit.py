"""The audit of boxes: each finding planted, ordinary boxes silent, figures by hand, anchors of planted sizes."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from striate.core.events import Silent
from striate.core.records import Box, Boxes, Dataset, Label, Sample, Source
from striate.data.anchors import anchors, overlaps
from striate.data.audit import Audit, run_audit
from striate.data.oddities import Oddity
from striate.data.oddities.boxes_duplicated import SAME, _pairs

HEIGHT, WIDTH = 180, 240


def ordinary(seed: int) -> list[Box]:
    random = np.random.default_rng(seed)
    found = []
    for number in range(5):
        x, y = random.uniform(0, WIDTH - 60), random.uniform(0, HEIGHT - 50)
        w, h = random.uniform(20, 60), random.uniform(20, 50)
        found.append(Box("ab"[number % 2], x, y, x + w, y + h))
    return found


def dataset(targets: Sequence[Boxes | None]) -> Dataset:
    """Pictures of noise in memory, with these targets."""
    random = np.random.default_rng(0)
    pixels = random.integers(0, 256, (len(targets), HEIGHT, WIDTH, 3), dtype=np.uint8)
    samples = tuple(
        Sample(f"{number:02}", (Source("array", "x", row=number),), target) for number, target in enumerate(targets)
    )
    return Dataset("made", "made", "detect", samples, ("a", "b"), {"x": pixels})


def audited(targets: Sequence[Boxes | None]) -> Audit:
    return run_audit(dataset(targets), workers=0, reporter=Silent(), near=False)


def findings(targets: Sequence[Boxes | None]) -> dict[str, Oddity]:
    return {one.name: one for one in audited(targets).findings}


PLAIN = [Boxes(tuple(ordinary(seed)), (HEIGHT, WIDTH)) for seed in range(24)]


def planted(*boxes: Box, place: int = 3) -> list[Boxes | None]:
    found: list[Boxes | None] = [*PLAIN]
    found[place] = replace(PLAIN[place], boxes=(*PLAIN[place].boxes, *boxes))
    return found


def test_ordinary_boxes_hear_nothing() -> None:
    assert not findings(PLAIN)


@pytest.mark.parametrize(
    ("name", "box", "severity"),
    [
        ("boxes outside the picture", Box("a", -9, 5, 30, 40), "low"),
        ("boxes outside the picture", Box("a", 200, 100, WIDTH + 1.5, 150), "low"),
        ("boxes outside the picture", Box("a", WIDTH, 5, WIDTH + 20, 40), "high"),
        ("boxes outside the picture", Box("a", 20, -30, 40, 0), "high"),
        ("tiny boxes", Box("a", 10, 10, 13.5, 90), "low"),
        ("tiny boxes", Box("a", 10, 10, 16, 16), "low"),
    ],
)
def test_what_lies_outside_or_is_tiny(name: str, box: Box, severity: str) -> None:
    found = findings(planted(box))
    assert set(found) == {name}
    assert (found[name].severity, found[name].count, found[name].samples) == (severity, 1, ("03",))


def test_a_pixel_beyond_the_edge_is_a_matter_of_counting() -> None:
    assert not findings(planted(Box("a", 200, 100, WIDTH + 1, HEIGHT + 1)))


def test_doubled_boxes() -> None:
    first = PLAIN[3].boxes[0]
    (one,) = findings(planted(replace(first, x2=first.x2 + 0.3))).values()
    assert (one.name, one.text, one.samples) == ("boxes that are doubled", "1 box stands twice", ("03",))
    (two,) = findings(planted(replace(first, label="b"), first)).values()
    assert two.text == "1 box stands twice and 2 pairs name one thing by two classes"
    assert not findings(planted(replace(first, crowd=True)))
    assert not findings(planted(replace(first, x2=first.x1 + 0.9 * (first.x2 - first.x1))))


def test_pairs_equal_all_compared_with_all() -> None:
    random = np.random.default_rng(0)
    for _ in range(50):
        start = random.uniform(0, 50, (12, 2))
        edges = np.concatenate([start, start + random.uniform(1, 40, (12, 2))], 1)
        edges = np.concatenate([edges, edges[:6] + random.normal(0, 0.4, (6, 4))])
        wanted = set()
        for one, other in itertools.combinations(range(len(edges)), 2):
            a, b = edges[one], edges[other]
            w, h = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
            both = max(0.0, w) * max(0.0, h)
            union = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - both
            if both >= SAME * union:
                wanted.add((one, other))
        assert {tuple(sorted(pair)) for pair in _pairs(edges).tolist()} == wanted


def test_boxes_that_are_none_and_pictures_without() -> None:
    targets: list[Boxes | None] = [*PLAIN, None, Boxes(()), replace(PLAIN[0], dropped=("x: no width", "y: no height"))]
    found = findings(targets)
    assert set(found) == {"boxes that are none", "pictures without annotation"}
    assert found["boxes that are none"].text.startswith("2 boxes have no width")
    assert found["pictures without annotation"].samples == ("24",)
    figures = audited(targets).boxes
    assert (figures["dropped"], figures["reasons"]) == (2, ["x: no width", "y: no height"])
    assert figures["pictures"] == {"with_boxes": 25, "empty": 1, "unlabelled": 1}


@pytest.mark.parametrize(("scale", "word"), [(1.0, "fractions"), (100.0, "percent")])
def test_percent_and_fractions_are_recognised(scale: float, word: str) -> None:
    limits = (WIDTH, HEIGHT, WIDTH, HEIGHT)
    targets = [
        Boxes(
            tuple(
                Box(box.label, *(edge / limit * scale for edge, limit in zip(box.corners, limits, strict=True)))
                for box in one.boxes
            )
        )
        for one in PLAIN
    ]
    found = findings(targets)["boxes that are no pixels"]
    assert found.severity == "high"
    assert f"seem to be {word}" in found.text


def scaled(scale: float, box: Box) -> Box:
    limits = (WIDTH, HEIGHT, WIDTH, HEIGHT)
    x1, y1, x2, y2 = (edge / limit * scale for edge, limit in zip(box.corners, limits, strict=True))
    return replace(box, x1=x1, y1=y1, x2=x2, y2=y2)


@pytest.mark.parametrize(("scale", "word"), [(1.0, "fractions"), (80.0, "percent")])
def test_one_edge_that_strays_says_nothing_of_the_others(scale: float, word: str) -> None:
    targets = [Boxes(tuple(scaled(scale, box) for box in one.boxes)) for one in PLAIN]
    first, *rest = targets[3].boxes
    targets[3] = Boxes((replace(first, x1=-0.3 * scale, x2=1.5 * scale), *rest))
    found = findings(targets)["boxes that are no pixels"]
    assert f"seem to be {word}" in found.text
    assert f"all edges but 2 (from {-0.3 * scale:g} to {1.5 * scale:g}) of 120 boxes" in found.text
    many = [Boxes((replace(one.boxes[0], x2=300 * scale), *one.boxes[1:])) for one in targets]
    assert "boxes that are no pixels" not in findings(many)


def test_pixels_in_one_corner_are_no_percent() -> None:
    corner = [Boxes(tuple(scaled(45.0, box) for box in one.boxes)) for one in PLAIN]
    assert "boxes that are no pixels" not in findings(corner)


def test_a_stated_size_that_is_another() -> None:
    targets = [*PLAIN]
    targets[2] = replace(PLAIN[2], size=(WIDTH, HEIGHT))
    targets[4] = replace(PLAIN[4], size=(90, 120))
    (found,) = findings(targets).values()
    assert (found.name, found.samples, found.severity) == ("annotations of another size", ("02", "04"), "high")
    assert "1 of them as if it was turned" in found.text
    assert not findings([replace(one, size=None) for one in PLAIN])


def test_figures_by_hand_and_through_a_file() -> None:
    boxes = (Box("a", 0, 0, 24, 18), Box("a", 10, 10, 58, 46, difficult=True), Box("b", 0, 0, 100, 50, crowd=True))
    audit = audited([Boxes(boxes[:2]), Boxes(boxes[2:]), Boxes(())])
    found = audit.boxes
    assert (found["boxes"], found["difficult"], found["crowd"]) == (3, 1, 1)
    assert found["by_class"] == {"a": 2, "b": 1}
    assert audit.classes == {"a": 1, "b": 1}
    assert found["per_picture"] == {"min": 0, "p10": 0.2, "median": 1, "p90": 1.8, "max": 2}
    assert found["width"]["max"] == 48  # of things, not of the crowd
    assert found["share"]["min"] == pytest.approx(24 * 18 / HEIGHT / WIDTH)
    assert found["aspect"]["max"] == pytest.approx(4 / 3)
    assert found["anchors"]["3"] == {"sizes": [[24, 18], [48, 36]], "mean_iou": 1.0}
    again = Audit.from_dict(audit.to_dict())
    assert again.boxes == found
    assert "3 (a: 2, b: 1); 0 dropped" in audit._repr_html_()
    before = audit.to_dict()
    del before["boxes"]
    assert Audit.from_dict(before).boxes == {}


def test_other_tasks_have_no_figures() -> None:
    assert run_audit(replace(dataset(PLAIN), task="classify"), workers=0, reporter=Silent(), near=False).boxes == {}


def test_no_box_is_left() -> None:
    assert audited([Boxes(()), None]).boxes["boxes"] == 0


# Anchors


def test_overlaps_equal_those_of_boxes_with_one_corner() -> None:
    random = np.random.default_rng(0)
    sizes, others = random.uniform(1, 9, (20, 2)), random.uniform(1, 9, (7, 2))
    for one, other in itertools.product(range(20), range(7)):
        w, h = min(sizes[one][0], others[other][0]), min(sizes[one][1], others[other][1])
        union = sizes[one].prod() + others[other].prod() - w * h
        assert overlaps(sizes, others)[one, other] == pytest.approx(w * h / union)


@pytest.mark.parametrize("count", [1, 3, 5, 9])
def test_anchors_find_planted_sizes_and_beat_random_ones(count: int) -> None:
    random = np.random.default_rng(count)
    centres = np.stack([2.0 ** np.arange(count), 3 * 1.7 ** np.arange(count)], 1)
    sizes = (centres[:, None] * random.normal(1, 0.02, (count, 40, 2))).reshape(-1, 2)
    found, overlap = anchors(random.permutation(sizes), count)
    assert np.abs(found / centres - 1).max() < 0.02
    assert overlap == pytest.approx(overlaps(sizes, found).max(1).mean())
    assert overlap > -0.001 + max(
        overlaps(sizes, sizes[random.integers(0, len(sizes), count)]).max(1).mean() for _ in range(50)
    )


def test_more_anchors_fit_better_and_the_order_is_nothing() -> None:
    random = np.random.default_rng(0)
    sizes = random.lognormal(3, 0.7, (400, 2))
    means = [anchors(sizes, count)[1] for count in (1, 2, 3, 5, 9)]
    assert means == sorted(means)
    one, other = anchors(sizes, 5), anchors(sizes[::-1], 5)
    assert np.allclose(one[0], other[0])
    assert one[1] == pytest.approx(other[1])


def test_few_sizes_and_none() -> None:
    found, overlap = anchors(np.array([[4.0, 4], [2, 2], [4, 4], [0, 3]]), 3)
    assert (found.tolist(), overlap) == ([[2, 2], [4, 4]], 1.0)
    assert len(anchors(np.zeros((0, 2)), 3)[0]) == 0


def test_near_equal_pictures_with_other_boxes_are_in_no_conflict() -> None:
    """A crop has other boxes than its whole; of labels, the same pictures are in conflict."""
    random = np.random.default_rng(3)
    coarse = random.integers(0, 256, (8, HEIGHT // 10, WIDTH // 10, 3)).repeat(10, 1).repeat(10, 2)
    pixels = np.concatenate([coarse, coarse[:1] + random.integers(-3, 4, coarse[:1].shape)]).clip(0, 255)
    plain = dataset([Boxes((Box("a", 1, 2, 30, 40 + number),)) for number in range(len(pixels))])
    boxed = replace(plain, arrays={"x": pixels.astype(np.uint8)})
    near = run_audit(boxed, workers=0, reporter=Silent()).near
    assert near.duplicates == (("00", "08"),)
    assert near.conflicts == ()
    labelled = tuple(replace(one, target=Label("ab"[one.key == "08"])) for one in boxed.samples)
    told = run_audit(replace(boxed, task="classify", samples=labelled), workers=0, reporter=Silent()).near
    assert told.conflicts == (("00", "08"),)


def twins(first: Boxes, second: Boxes) -> Audit:
    """The audit of two equal pictures."""
    made = dataset([first, second])
    pixels = made.arrays["x"].copy()
    pixels[1] = pixels[0]
    return run_audit(replace(made, arrays={"x": pixels}), workers=0, reporter=Silent(), near=False)


def test_equal_boxes_in_another_order_are_in_no_conflict_and_have_one_fingerprint() -> None:
    boxes = PLAIN[0].boxes
    plain = twins(Boxes(boxes), Boxes(boxes))
    for other in (
        Boxes(boxes[::-1]),
        Boxes(boxes, (HEIGHT, WIDTH)),
        Boxes(boxes, dropped=("/some/folder/x.json, annotation 1: no width",)),
    ):
        found = twins(Boxes(boxes), other)
        assert found.duplicates == (("00", "01"),)
        assert (found.conflicts, found.fingerprint) == ((), plain.fingerprint)
    for other in (Boxes(boxes[1:]), Boxes((replace(boxes[0], label="b"), *boxes[1:]))):
        found = twins(Boxes(boxes), other)
        assert found.conflicts == (("00", "01"),)
        assert found.fingerprint != plain.fingerprint


def test_more_things_than_a_network_finds_are_told() -> None:
    many = [Box("a", x, y, x + 5, y + 5) for x in range(0, 120, 6) for y in range(0, 36, 6)]
    assert len(many) == 120
    found = findings(planted(*many))["more boxes than are found"]
    assert "up to 12" in found.text  # with those that are there anyway
    assert found.count == 1
    assert "more boxes than are found" not in findings(planted(*many[:90]))
