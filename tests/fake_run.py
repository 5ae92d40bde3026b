"""Runs that no training made: every file in its real format, with figures that agree with one another."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import fake_boxes
import numpy as np
from PIL import Image, ImageDraw

from striate.core.artifacts import write_json
from striate.core.plan import Decision, Plan
from striate.core.run import RunFolder

TRASH = ("cardboard", "glass", "metal", "paper", "plastic", "trash")
HOSTILE = '<script>alert("x")</script>&\'"'


def make_run(folder: Path, task: str = "classify", names: Sequence[str] = TRASH, *, per_class: int = 84) -> RunFolder:
    """A finished Run.

    Args:
        names: the classes, or the columns of a regression.
        per_class: test samples of each class, or of the whole for regression and detection.
    """
    folder.mkdir(parents=True, exist_ok=True)
    run = RunFolder(folder)
    random = np.random.default_rng(3)
    if task == "detect":
        metrics, rows, header = _detection(random, names, per_class)
    elif task == "regress":
        metrics, rows, header = _regression(random, names, per_class)
    elif task == "multilabel":
        metrics, rows, header = _multilabel(random, names, per_class)
    else:
        metrics, rows, header = _classification(random, names, per_class)
    write_json(run.metrics, metrics)
    _write_csv(run.predictions, header, rows)
    run.history.write_text("".join(json.dumps(row) + "\n" for row in _history(random, metrics)))
    write_json(run.audit, _audit(task, names, per_class))
    _write_csv(run.split, ["key", "split", "target", "group", "reason"], _split(task, names, rows))
    _plan(task, names).write(run.plan)
    write_json(run.environment, _environment(folder))
    _figures(run, random, names, task)
    return run


def _classification(
    random: np.random.Generator, names: Sequence[str], per_class: int
) -> tuple[dict[str, Any], list[list[Any]], list[str]]:
    count = len(names)
    likeness = random.gamma(0.4, 1.0, (count, count))
    np.fill_diagonal(likeness, 0)
    recall = random.uniform(0.82, 0.97, count)
    chances = likeness / likeness.sum(1, keepdims=True) * (1 - recall)[:, None] + np.diag(recall)
    rows: list[list[Any]] = []
    metrics: dict[str, Any] = {}
    for split, size in (("val", max(2, per_class // 2)), ("test", per_class)):
        matrix = np.zeros((count, count), int)
        losses = []
        for true in range(count):
            for index, called in enumerate(random.choice(count, size, p=chances[true])):
                right = called == true
                confidence = float(random.beta(9, 1) if right else random.beta(4, 2))
                loss = float(-np.log(confidence if right else (1 - confidence) * 0.6 + 1e-3))
                losses.append(loss)
                matrix[true, called] += 1
                key = f"{names[true]}/{names[true]}_{split}{index:04d}.jpg"
                rows.append([split, key, names[true], names[called], round(confidence, 6), round(loss, 6)])
        table = _table(names, matrix)
        accuracy = float(np.trace(matrix) / matrix.sum())
        metrics[split] = {
            "samples": int(matrix.sum()),
            "accuracy": accuracy,
            "accuracy_interval": _interval(accuracy, matrix.sum()),
            "macro_precision": _mean(table, "precision"),
            "macro_recall": _mean(table, "recall"),
            "macro_f1": _mean(table, "f1"),
            "macro_f1_interval": _interval(_mean(table, "f1"), matrix.sum()),
            "log_loss": float(np.mean(losses)),
        }
        if count > 5:
            metrics[split]["top5_accuracy"] = min(1.0, accuracy + 0.09)
    header = ["split", "key", "target", "prediction", "confidence", "loss"]
    extra = {
        "per_class": {"test": table},
        "confusion": {"test": matrix.tolist()},
    }
    return _metrics("classify", "accuracy", metrics, extra, rows), rows, header


def _multilabel(
    random: np.random.Generator, names: Sequence[str], per_class: int
) -> tuple[dict[str, Any], list[list[Any]], list[str]]:
    table = [
        {
            "class": name,
            "precision": float(random.uniform(0.6, 0.95)),
            "recall": float(random.uniform(0.6, 0.95)),
            "f1": float(random.uniform(0.6, 0.95)),
            "support": int(random.integers(5, per_class)),
        }
        for name in names
    ]
    rows: list[list[Any]] = []
    for index in range(per_class):
        true = ";".join(sorted(random.choice(names, 2, replace=False)))
        called = true if random.random() < 0.7 else names[0]
        rows.append(["test", f"{index:04d}.jpg", true, called, 0.8, float(random.gamma(1, 0.3))])
    flat = {"macro_f1": _mean(table, "f1"), "macro_f1_interval": _interval(_mean(table, "f1"), per_class)}
    metrics = {"val": dict(flat), "test": {**flat, "subset_accuracy": 0.7}}
    header = ["split", "key", "target", "prediction", "confidence", "loss"]
    return _metrics("multilabel", "macro_f1", metrics, {"per_class": {"test": table}}, rows), rows, header


def _regression(
    random: np.random.Generator, names: Sequence[str], count: int
) -> tuple[dict[str, Any], list[list[Any]], list[str]]:
    rows: list[list[Any]] = []
    metrics: dict[str, Any] = {}
    for split, size in (("val", count), ("test", count)):
        true = random.gamma(4, 4, (size, len(names)))
        called = true * 0.94 + 0.8 + random.normal(0, 2.0, true.shape)
        error = np.abs(called - true).mean(1)
        r2 = float(1 - ((called - true) ** 2).sum() / ((true - true.mean(0)) ** 2).sum())
        metrics[split] = {
            "mae": float(error.mean()),
            "mae_interval": [float(error.mean() * 0.9), float(error.mean() * 1.1)],
            "rmse": float(np.sqrt(((called - true) ** 2).mean())),
            "r2": r2,
            "r2_interval": [r2 - 0.04, r2 + 0.03],
        }
        for index in range(size):
            pairs = [value for pair in zip(true[index], called[index], strict=True) for value in pair]
            rows.append([split, f"images/{split}_{index:05d}.png", *pairs, error[index]])
    header = ["split", "key", *(f"{part}_{name}" for name in names for part in ("target", "prediction")), "error"]
    each = [{"value": name, "r2": 0.9, "mae": 1.5, "rmse": None, "support": count} for name in names]
    return _metrics("regress", "r2", metrics, {"per_class": {"test": each}}, rows), rows, header


def _detection(
    random: np.random.Generator, names: Sequence[str], count: int
) -> tuple[dict[str, Any], list[list[Any]], list[str]]:
    metrics, extra, rows, header = fake_boxes.detection(random, names, count)
    return _metrics("detect", "map50", metrics, extra, rows), rows, header


def _metrics(
    task: str, headline: str, scores: dict[str, Any], extra: dict[str, Any], rows: list[list[Any]]
) -> dict[str, Any]:
    counts = {split: sum(row[0] == split for row in rows) for split in ("val", "test")}
    return {
        "task": task,
        "headline": headline,
        **scores,
        **extra,
        "undefined": [],
        "training": {
            "seconds": 287.4,
            "epochs": 24,
            "steps": 1104,
            "samples_per_second": 146.2,
            "parameters": 2_231_590,
            "macs": 153_410_000,
            "best_epoch": 21,
        },
        "split": {"train": 1617, **counts, "quarantined": 3, "excluded": 2},
        "not_checked": [
            "Near-duplicates: pictures of the same scene with other pixels may stand on both sides of the split.",
            "The data names no groups, so pictures of one object could not be kept together.",
        ],
    }


def _history(random: np.random.Generator, metrics: dict[str, Any]) -> list[dict[str, Any]]:
    name = metrics["headline"]
    final = metrics["val"][name]
    rows = []
    for epoch in range(1, 25):
        t = epoch / 24
        noise = float(random.normal(0, 0.012 * (1.2 - t)))
        rows.append(
            {
                "epoch": epoch,
                "step": epoch * 46,
                "train_loss": 0.42 + 1.35 * float(np.exp(-4 * t)) + noise,
                "rate": 0.05 * (t / 0.2 if t < 0.2 else (1 - t) / 0.8) + 1e-5,
                "val": {
                    ("rmse" if name == "r2" else "log_loss"): 0.36 + 1.1 * float(np.exp(-3.4 * t)) + 2 * noise,
                    name: final * (1 - 0.55 * float(np.exp(-4.5 * t))) + noise,
                },
            }
        )
    return rows


def _audit(task: str, names: Sequence[str], per_class: int) -> dict[str, Any]:
    random = np.random.default_rng(5)
    classes = {} if task == "regress" else {name: int(random.integers(per_class, 6 * per_class)) for name in names}
    first = names[0]
    group = [f"{first}/{first}_0012.jpg", f"{first}/{first}_0391.jpg"]
    return {
        "samples": 2527,
        "quarantined": [
            {"path": f"{first}/{first}_0044.jpg", "reason": "truncated: 8,112 bytes of the picture are missing"},
            {"path": f"{first}/notes.jpg", "reason": "not a picture: its first bytes are text"},
            {"path": f"{first}/bomb.png", "reason": "30000×30000 is more than 100,000,000 pixels"},
        ],
        "duplicates": [group, [f"{names[-1]}/a.jpg", f"{names[-1]}/b.jpg", f"{first}/c.jpg"]],
        "conflicts": [[f"{names[-1]}/a.jpg", f"{names[-1]}/b.jpg", f"{first}/c.jpg"]],
        "near_duplicates": [[f"{first}/{first}_0007.jpg", f"{names[-1]}/d.jpg"]],
        "near_conflicts": [[f"{first}/{first}_0007.jpg", f"{names[-1]}/d.jpg"]],
        "near_pairs": [{"one": f"{first}/{first}_0007.jpg", "other": f"{names[-1]}/d.jpg", "similarity": 0.93}],
        "near_pairs_found": 1,
        "near_duplicates_checked": True,
        "leaks": [{"test": "test/x/1.jpg", "train": "train/x/7.jpg", "kind": "exact"}],
        "classes": classes,
        "sizes": {
            "height": {"min": 384, "median": 384, "max": 512},
            "width": {"min": 384, "median": 512, "max": 512},
            "aspect": {"min": 0.75, "median": 1.333, "max": 1.333},
        },
        "channels": {"3": 2524},
        "modes": {"RGB": 2511, "CMYK": 13},
        "notes": {"turned by EXIF": 41},
        "depth": 8,
        "value_range": [0, 255],
        "full_scale": 255.0,
        "detail": 0.93,
        "orientation": {"upside_down": 0.619, "mirrored": 0.646, "upside_down_in_a_class": 0.663},
        "mean": [0.6731, 0.6398, 0.6048],
        "std": [0.2062, 0.2072, 0.2299],
        "target_summary": {name: {"mean": 16.0, "std": 8.1, "min": 1.0, "max": 51.0, "distinct": 312} for name in names}
        if task == "regress"
        else {},
        "remarks": [f"The class “{first}” holds 4.3 times as many pictures as the smallest."],
        "fingerprint": "9f2c1b7e" * 8,
        "hashes": {},
        **({"boxes": fake_boxes.audited(names, per_class)} if task == "detect" else {}),
    }


def _split(task: str, names: Sequence[str], rows: list[list[Any]]) -> list[list[str]]:
    split, random = [], np.random.default_rng(11)
    for row in rows:
        target = f"{row[2]:.3f}" if task == "regress" else str(row[2])
        if task == "detect":
            target = fake_boxes.target_of(random, names)
        split.append([str(row[1]), str(row[0]), target, "", ""])
        for copy in range(2):
            split.append([f"{row[1]}.{copy}.jpg", "train", target, "", ""])
    last = {"regress": "", "detect": f"{names[-1]} 1 2 30 40"}.get(task, names[-1])
    split.append(
        [f"{names[-1]}/a.jpg", "excluded", last, "", f"the same pixels as {names[0]}/c.jpg, which has another target"]
    )
    split.append([f"{names[0]}/notes.jpg", "quarantined", "", "", "not a picture: its first bytes are text"])
    return split


def _plan(task: str, names: Sequence[str]) -> Plan:
    return Plan(
        {
            "task.kind": Decision(task, f"every sample has one of {len(names)} labels"),
            "split.fractions": Decision([0.64, 0.16, 0.2], "the data names no splits"),
            "split.seed": Decision(7, "set by you", "user"),
            "input.size": Decision([224, 224], "the median picture is 384×512 and the weights were trained at 224"),
            "input.policy": Decision("crop", "95 % of the pictures have an aspect between 0.75 and 1.34"),
            "network.name": Decision("timm/mobilenetv2_100", "set by you", "user"),
            "network.arguments": Decision({"pad_type": "same"}, "the weights' sidecar says so"),
            "augment.flip": Decision("horizontal", "the classes are photographs of objects, which survive a mirror"),
            "augment.mixup": Decision(0.2, "2,527 samples are few for 2.2 million parameters"),
            "optimizer.name": Decision(
                "sgd", "SGD with Nesterov momentum holds for fine-tuning convolutional networks"
            ),
            "optimizer.rate": Decision(
                0.0513, "a range test of 61 steps fell fastest at 0.103; half of it is taken", "measured"
            ),
            "train.epochs": Decision(24, "4.8 minutes at 146 samples a second", "measured"),
            "train.file": Decision(None, "none was given"),
        }
    )


def _environment(folder: Path) -> dict[str, Any]:
    return {
        "striate_run": 1,
        "call": ["striate", "train", "trashnet/", "--minutes", "5", "--seed", "7"],
        "data": "/data/trashnet",
        "machine": {"processor": "Intel Xeon Platinum 8481C", "cores": 2, "memory_bytes": 16_700_000_000},
        "versions": {"striate": "0.1.0", "python": "3.11.7", "torch": "2.15.0", "torchvision": "0.29.0"},
        "started": "2026-03-01T10:00:00+00:00",
    }


def _figures(run: RunFolder, random: np.random.Generator, names: Sequence[str], task: str) -> None:
    run.figures.mkdir(exist_ok=True)
    entries = fake_boxes.figures(run, names) if task == "detect" else []
    for section, count in (("mistakes", 8), ("explanations", 4)) if task != "detect" else ():
        for index in range(count):
            image = Image.fromarray((random.random((3, 3, 3)) * 110 + 80).astype(np.uint8)).resize((224, 224), 3)
            box = (40, 50, 80 + 18 * index, 180)
            ImageDraw.Draw(image).ellipse(box, fill=(190, 150 - 12 * index, 90))
            heat = image.convert("L").convert("RGB")
            ImageDraw.Draw(heat).ellipse(box, fill=(250, 210, 60))
            stem = f"{section}-{index + 1}"
            image.save(run.figures / f"{stem}.png")
            heat.save(run.figures / f"{stem}-heat.png")
            true, called = names[index % len(names)], names[(index + (section == "mistakes")) % len(names)]
            caption = f"{true}/{true}_{index:04d}.jpg: predicted {called} (97%), true {true}"
            entries.append({"file": f"{stem}.png", "caption": caption, "section": section})
            caption = f"where the evidence lies (Grad-CAM): {caption}"
            entries.append({"file": f"{stem}-heat.png", "caption": caption, "section": section})
    image = Image.new("RGB", (160, 160), (120, 140, 160))
    image.save(run.figures / "equal-1.png")
    caption = f"{names[-1]}/a.jpg ({names[-1]}) and {names[0]}/c.jpg ({names[0]}): equal pixels, different targets"
    entries.append({"file": "equal-1.png", "caption": caption, "section": "equal"})
    sheet = Image.fromarray((random.random((4, 16, 3)) * 110 + 80).astype(np.uint8)).resize((672, 168), 0)
    sheet.save(run.figures / "augmentation.png")
    caption = "Training samples, one a row: as validation would show it, then as the first 7 epochs showed it. "
    caption += "On: flip horizontal, shift 0.125."
    entries.append({"file": "augmentation.png", "caption": caption, "section": "augmentation"})
    write_json(run.figures / "index.json", entries)


def _table(names: Sequence[str], matrix: np.ndarray) -> list[dict[str, Any]]:
    found, called, right = matrix.sum(1), matrix.sum(0), np.diag(matrix)
    precision, recall = right / np.maximum(called, 1), right / np.maximum(found, 1)
    f1 = 2 * right / np.maximum(found + called, 1)
    return [
        {"class": name, "precision": float(p), "recall": float(r), "f1": float(f), "support": int(n)}
        for name, p, r, f, n in zip(names, precision, recall, f1, found, strict=True)
    ]


def _mean(table: list[dict[str, Any]], name: str) -> float:
    return float(np.mean([row[name] for row in table]))


def _interval(value: float, count: int) -> list[float]:
    half = 1.96 * float(np.sqrt(max(value * (1 - value), 1e-4) / count))
    return [max(0.0, value - half), min(1.0, value + half)]


def _write_csv(path: Path, header: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        writer.writerows(rows)
