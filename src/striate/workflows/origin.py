"""What is known of the weights that a training began with: their sources, how far the new pictures are from those, and
how much of it is forgotten in the end."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

import numpy as np
from torch import Tensor, nn

from striate.core.artifacts import read_json, write_json
from striate.core.events import Reporter
from striate.core.run import RunFolder
from striate.data.loader import EvalBatches
from striate.evaluate.domain import domain_gap
from striate.evaluate.forgetting import forgetting, moved_by
from striate.infer.features import head_inputs
from striate.nets import head_name
from striate.nets.sources import described
from striate.workflows.choosing import spread
from striate.workflows.materials import Materials

LOOKED_AT, COMPARED, LEAST_COMPARED, AT_ONCE = 64, 1000, 8, 32
"""Training pictures for the gap, at most; validation pictures for what is forgotten, at most and at least; at once."""
UNTOLD = (
    "how far the pictures are from what the weights were trained on cannot be told: the network has no batch norms "
    "that came with them"
)


def keep_origin(run: RunFolder, materials: Materials, reporter: Reporter) -> None:
    """Write `weights.json` into a Run that begins with weights, and say what is in it."""
    weights = materials.prepared.weights
    if weights is None:
        return
    reporter.stage("comparing with the weights' source")
    for source in weights.sources:
        reporter.line(f"weights: {described(source)}")
    network = materials.networks()["network"]
    report = materials.load(network)
    brought = set(weights.tensors) - set(report.reinitialised if report is not None else ())
    network = network.to(materials.plan["execution.device"])
    gap = domain_gap(network, materials.normalize, _pictures(materials, "train", LOOKED_AT), brought)
    words = UNTOLD if gap is None else gap.describe()
    reporter.line(words)
    told = None if gap is None else {**asdict(gap), "verdict": gap.verdict}
    write_json(run.weights, {"sources": weights.sources, "gap": told, "gap_in_words": words})


def sources_in(run: RunFolder) -> list[dict[str, str]]:
    """The sources that a Run has kept, the nearest first; none of one from scratch."""
    return list(read_json(run.weights)["sources"]) if run.weights.exists() else []


def measure_forgetting(materials: Materials, network: nn.Module, reporter: Reporter) -> dict[str, Any] | str:
    """How much of the source a trained network has forgotten; or why that cannot be told.

    Args:
        network: as it is judged.
    """
    weights = materials.prepared.weights
    if weights is None or "val" not in materials.pictures or materials.count("val") < LEAST_COMPARED:
        why = "the weights are not at hand" if weights is None else f"it takes {LEAST_COMPARED} validation pictures"
        return f"How much of the source was forgotten was not measured: {why}."
    reporter.stage("measuring what is forgotten")
    began = materials.networks()["network"].to(materials.plan["execution.device"])
    first, last = (
        head_inputs(one, materials.normalize, _pictures(materials, "val", COMPARED)) for one in (began, network)
    )
    head, parameters = head_name(network), dict(network.named_parameters())
    names = [
        name
        for name, tensor in weights.tensors.items()
        if name in parameters and not name.startswith(f"{head}.") and tensor.shape == parameters[name].shape
    ]
    matrix = weights.tensors.get(f"{head}.weight")
    old = None
    if (
        matrix is not None
        and matrix.shape[1:] == first.shape[1:]
        and isinstance(network.get_submodule(head), nn.Linear)
    ):
        old = matrix, weights.tensors.get(f"{head}.bias")
    found = forgetting(first, last, moved_by(network, weights.tensors, names), old)
    reporter.line(found.describe())
    return {**asdict(found), "in_words": found.describe()}


def _pictures(materials: Materials, part: str, most: int) -> Iterator[Tensor]:
    """Some pictures of a split, evenly spread, as networks take them but for the standardising."""
    samples = materials.samples[part]
    places = np.array(spread(samples, materials.task, min(most, len(samples))))
    pictures = materials.pictures[part]
    for batch in EvalBatches(pictures, batch_size=AT_ONCE, size=materials.size, ahead=0, rows=places):
        yield batch.images
