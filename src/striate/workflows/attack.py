"""`attack`: what is left of a Run's accuracy when labelled pictures are changed, within a bound, so as to mislead."""

from __future__ import annotations

from typing import Any

from striate.core.events import Reporter
from striate.core.run import RunFolder
from striate.harden import robust_accuracy
from striate.infer import Model
from striate.workflows.checks import check_one_answer
from striate.workflows.labelled import labelled, load_some


def attack(run: RunFolder, model: Model, data: str | None, reporter: Reporter, limit: int) -> dict[str, Any]:
    """Accuracy under FGSM at three strengths, the clean one beside.

    Args:
        data: labelled data; the Run's own test split without.
        limit: at most so many samples, evenly spread over the data; said in the result as `samples` of `available`
            labelled ones; `damaged` counts those among the taken that could not be decoded.

    Returns:
        what `striate.harden.robust_accuracy` returns, with `available` and `damaged`.
    """
    check_one_answer(model, "attack", "no attack on masks or boxes is built in so far")
    dataset = labelled(run, model, data, reporter)
    found = load_some(dataset, model, limit)
    reporter.stage("attacking")
    result = robust_accuracy(model, found.images, found.targets)
    return {**result, "available": len(dataset), "damaged": len(found.damaged)}
