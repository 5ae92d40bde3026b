"""Detections and truths of few pictures, for tests of what judges detectors."""

from __future__ import annotations

from typing import Any

import numpy as np

from striate.core.boxes import CROWD, DIFFICULT, PLAIN, joined, stacked
from striate.metrics._boxes import Detections, Truths

Case = tuple[list[Detections], list[Truths], int]


def truths(*rows: tuple[float, ...], labels: Any = None, **more: Any) -> Truths:
    boxes = np.array(rows, np.float64).reshape(-1, 4)
    kinds = np.zeros(len(boxes), np.int64) if labels is None else np.array(labels, np.int64)
    return Truths(boxes, kinds, **{name: np.array(value) for name, value in more.items()})


def found(*rows: tuple[float, ...], scores: Any = None, labels: Any = None) -> Detections:
    boxes = np.array(rows, np.float64).reshape(-1, 4)
    kinds = np.zeros(len(boxes), np.int64) if labels is None else np.array(labels, np.int64)
    sure = np.linspace(0.9, 0.1, len(boxes)) if scores is None else np.array(scores, np.float64)
    return Detections(boxes, sure, kinds)


def drawn(seed: int, *, difficult: bool = False, pictures: int = 4, most: int = 12) -> Case:
    """Truths of all sizes, detections near them, doubled, made up and of other classes; equal scores; crowds."""
    random = np.random.default_rng(seed)
    classes = int(random.integers(1, 4))
    detections, wanted = [], []
    for _ in range(pictures):
        count = int(random.integers(0, most))
        start = random.uniform(0, 200, (count, 2))
        spans = np.exp(random.uniform(1, 5.3, (count, 2)))
        boxes = np.concatenate([start, start + spans], 1)
        labels = random.integers(0, classes, count)
        areas = spans.prod(1) * random.choice([1.0, 0.6], count)
        hard = random.random(count) < (0.2 if difficult else 0)
        wanted.append(Truths(boxes, labels, random.random(count) < 0.15, hard, areas))
        copies = random.integers(0, 3, count)
        near = np.repeat(boxes, copies, 0)
        near = near + random.normal(0, 0.07, near.shape) * np.repeat(spans, copies, 0)[:, [0, 1, 0, 1]]
        made = random.uniform(0, 250, (int(random.integers(0, 5)), 2))
        made = np.concatenate([made, made + random.uniform(2, 120, made.shape)], 1)
        every = np.concatenate([near, made, boxes[: int(random.integers(0, 2))]])
        every = np.concatenate([np.minimum(every[:, :2], every[:, 2:] - 0.5), every[:, 2:]], 1)
        kinds = np.concatenate([np.repeat(labels, copies), random.integers(0, classes, len(every) - copies.sum())])
        wrong = random.random(len(kinds)) < 0.15
        kinds = np.where(wrong, random.integers(0, classes, len(kinds)), kinds)
        scores = random.uniform(0, 1, len(every))
        if seed % 3 == 0:
            scores = np.round(scores, 1)
        detections.append(Detections(every, scores, kinds))
    return detections, wanted, classes


def rows_of(case: Case, room: int = 0) -> np.ndarray:
    """A case as rows, with room for so many more boxes than there are."""
    detections, wanted, _ = case
    said = [np.column_stack([one.boxes, one.scores, one.labels]) for one in detections]
    things = [
        np.column_stack([one.boxes, one.labels, np.where(one.crowd, CROWD, hard(one)), one.areas]) for one in wanted
    ]
    most = [max((len(one) for one in side), default=0) + room for side in (said, things)]
    return joined(stacked(said, 6, most[0]), stacked(things, 7, most[1]))


def hard(one: Truths) -> np.ndarray:
    return np.where(one.difficult, DIFFICULT, PLAIN)
