"""Wrong labels found: how many of the first of a list are ones that were planted.

A share of the labels is flipped to another class, drawn by a seed and given as a list of corrections, so that the data
stays as it is. The pictures are looked at once; each seed flips, fits and lists anew.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.goals import data_folder, results_path
from benchmarks.tables import ORIGIN, add_rows, origin
from striate.core.artifacts import write_csv
from striate.core.events import Silent
from striate.core.records import Dataset, Label
from striate.core.seeds import generator
from striate.data.relabel import relabelled
from striate.workflows.labels import features_of, features_words, judge, judged_samples
from striate.workflows.planned import task_of
from striate.workflows.request import ReadRequest, Request
from striate.workflows.stages import prepare

HEADER = (
    *("data", "features", "seed", "samples", "planted", "listed", "first", "precision", "recall"),
    *("agreement", "seconds_features", "seconds_judging", *ORIGIN),
)
WEIGHTS = "weights/mobilenetv2_100_padsame_mean0.5.safetensors"


def flips(dataset: Dataset, keys: list[str], share: float, seed: int) -> dict[str, str]:
    """For a share of the samples, another class than theirs, each as likely as any other."""
    random = generator(seed, "flipped labels")
    labels = {sample.key: sample.target.name for sample in dataset.samples if isinstance(sample.target, Label)}
    found = {}
    for key in sorted(random.permutation(sorted(keys))[: round(share * len(keys))].tolist()):
        others = [name for name in dataset.target_names if name != labels[key]]
        found[key] = others[int(random.integers(len(others)))]
    return found


def run(call: Any) -> list[str]:
    """Plant, look and count, a row a seed; the mean of each data set in words."""
    said = []
    for name in call.data:
        rows = _rows(name, call.seeds, call.share, call.weights)
        add_rows(results_path("labels", call.results), HEADER, rows)
        precision = [float(row[7]) for row in rows]
        said.append(
            f"{name}: of the first {call.share:.0%} of the list {statistics.mean(precision):.3f} were planted "
            f"({min(precision):.3f} to {max(precision):.3f} over {len(rows)} seeds)"
        )
    return said


def _rows(name: str, seeds: list[int], share: float, weights: bool) -> list[list[Any]]:
    data = data_folder()
    asked = str(data / WEIGHTS) if weights else None
    prepared = prepare(Request(ReadRequest(data=str(data / name)), weights=asked), None, "cpu", Silent())
    samples = judged_samples(prepared.dataset, prepared.audit)
    began = time.perf_counter()
    features = features_of(prepared, task_of(prepared), samples)
    looked, rows = time.perf_counter() - began, []
    keys = [sample.key for sample in samples]
    for seed in seeds:
        planted = flips(prepared.dataset, keys, share, seed)
        with tempfile.TemporaryDirectory() as folder:
            write_csv(Path(folder) / "flips.csv", ["path", "label"], list(planted.items()))
            dataset = relabelled(prepared.dataset, Path(folder) / "flips.csv")
        known = {sample.key: sample for sample in dataset.samples}
        began = time.perf_counter()
        found = judge(
            prepared.audit, [known[key] for key in keys], task_of(prepared), features, features_words(prepared)
        )
        seconds = time.perf_counter() - began
        listed = list(dict.fromkeys(one.path for one in found.suspects))
        first = listed[: len(planted)]
        right = sum(path in planted for path in first) / max(1, len(first))
        recall = sum(path in planted for path in listed) / len(planted)
        rows.append(
            [name, found.features, seed, len(keys), len(planted), len(listed), len(first), f"{right:.4f}"]
            + [f"{recall:.4f}", f"{found.accuracy:.4f}", f"{looked:.1f}", f"{seconds:.1f}", *origin()]
        )
        print(f"{name}, seed {seed}: {right:.3f} of the first {len(first)}, {recall:.3f} of all planted", flush=True)
    return rows
