"""Whether predicted masks are tidied: chosen on validation, once the weights stand."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from striate.core.artifacts import finite
from striate.core.events import Reporter
from striate.core.plan import Plan
from striate.data.loader import Batch
from striate.evaluate import choose_tidying
from striate.infer import ForwardWay, predict_outputs
from striate.tasks import Tidying
from striate.workflows.materials import Materials


def tidy(
    materials: Materials, network: nn.Module, plan: Plan, reporter: Reporter
) -> tuple[Materials, Tensor | None, dict[str, Any]]:
    """What validation says of tidying, where the plan asks for it.

    Returns:
        the materials with a task that tidies as was chosen; what is kept of the validation split by it, or None where
        nothing changed; and what was found, for `metrics.json`.
    """
    if plan["evaluate.tidying"] == "none" or "val" not in materials.pictures:
        return materials, None, {}
    task = materials.task
    masks: list[tuple[NDArray[np.uint8], NDArray[np.uint8]]] = []

    def kept(outputs: Tensor, batch: Batch) -> Tensor:
        masks.extend(zip(task.classes(outputs), batch.targets.numpy(), strict=True))
        return torch.zeros(len(outputs), 0)

    way = ForwardWay(plan["predict.precision"], plan["predict.channels_last"])
    predict_outputs(
        materials.ready(network, way),
        materials.normalize,
        materials.unseen("val"),
        views=plan["predict.views"],
        device=plan["execution.device"],
        kept=kept,
    )
    found = choose_tidying(masks, task.target_names, metric=task.headline, seed=plan["train.seed"])
    reporter.line(f"tidying: {found.because}")
    said = {
        "because": found.because,
        "before": found.before,
        "after": found.after,
        "how": found.how.to_dict(),
        "tried": {words: {**asdict(one), "kept": one.kept} for words, one in found.tried.items()},
    }
    if found.how == Tidying():
        return materials, None, finite(said)
    tidied = replace(materials, task=task.with_decisions(tidying=found.how))
    return tidied, tidied.outputs(network, "val", plan, views=plan["predict.views"]), finite(said)
