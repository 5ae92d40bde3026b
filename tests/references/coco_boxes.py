"""COCO's average precision restated from its `cocoeval.py`, one number at a time, to hold the fast one against.

Plain lists and loops; nothing of `striate` is used but the records that hold the boxes.
"""

from __future__ import annotations

from typing import Any

Case = tuple[list[Any], list[Any], int]
"""Detections and truths, one of each a picture, and the number of classes."""


def overlap(one: list[float], other: list[float], crowd: bool) -> float:
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    if width <= 0 or height <= 0:
        return 0.0
    own = (one[2] - one[0]) * (one[3] - one[1])
    theirs = (other[2] - other[0]) * (other[3] - other[1])
    return width * height / (own if crowd else own + theirs - width * height)


def evaluate(found: Any, true: Any, label: int, low: float, high: float, threshold: float) -> Any:
    """Of one picture: (score, matched, ignored) of each detection, and how many truths count."""
    truths = []
    for place in range(len(true.labels)):
        if true.labels[place] == label:
            ignored = bool(true.crowd[place] or true.difficult[place])
            ignored = ignored or true.areas[place] < low or true.areas[place] > high
            truths.append((true.boxes[place].tolist(), bool(true.crowd[place]), ignored))
    truths.sort(key=lambda entry: entry[2])
    rows = [place for place in range(len(found.labels)) if found.labels[place] == label]
    rows.sort(key=lambda place: -found.scores[place])
    used = [False] * len(truths)
    told = []
    for row in rows[:100]:
        box = found.boxes[row].tolist()
        best, most = -1, min(threshold, 1 - 1e-10)
        for place, (edges, crowd, ignored) in enumerate(truths):
            if used[place] and not crowd:
                continue
            if best > -1 and not truths[best][2] and ignored:
                break
            value = overlap(box, edges, crowd)
            if value < most:
                continue
            best, most = place, value
        if best == -1:
            area = (box[2] - box[0]) * (box[3] - box[1])
            told.append((float(found.scores[row]), False, area < low or area > high))
        else:
            used[best] = True
            told.append((float(found.scores[row]), True, truths[best][2]))
    return told, sum(not ignored for _, _, ignored in truths)


def precision_and_recall(case: Case, label: int, low: float, high: float, threshold: float, limit: int) -> Any:
    """(101 precisions, the most recall), or None where no truth counts."""
    rows, counted = [], 0
    for found, true in zip(case[0], case[1], strict=True):
        told, some = evaluate(found, true, label, low, high, threshold)
        rows += told[:limit]
        counted += some
    if not counted:
        return None
    rows.sort(key=lambda row: -row[0])
    good = bad = 0
    recalls, precisions = [], []
    for _, matched, ignored in rows:
        good += matched and not ignored
        bad += not matched and not ignored
        recalls.append(good / counted)
        precisions.append(good / (good + bad) if good + bad else 0.0)
    read = []
    for step in range(101):
        reached = [precision for recall, precision in zip(recalls, precisions, strict=True) if recall >= step / 100]
        read.append(max(reached) if reached else 0.0)
    return read, (recalls[-1] if recalls else 0.0)
