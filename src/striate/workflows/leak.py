"""What a leak would have added to the score: torn groups in a random split, and a given test that shares with train.

The score of the Run itself has no such leak, since units stay whole and what a given test shares is left out of
training. What that is worth is told by heads on features that no label of these samples has taught, so that nothing
knows a sample before a head learns it; heads with the leak and without differ by that leak alone.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from striate.core.artifacts import write_json
from striate.core.events import Reporter
from striate.core.records import Sample
from striate.core.run import RunFolder
from striate.workflows.label_free import LabelFree, left_until, untold
from striate.workflows.leak_given import given_leak
from striate.workflows.leak_random import DIVISIONS, FOLDS, judged_samples, random_leak, timed, too_few_tied
from striate.workflows.materials import Materials

SHARE = 0.05
"""Of a time budget, for all of it; without one only the samples are bounded."""
TIMES = " The leak of times is not measured."
METHOD = (
    "Told by heads of least squares on {features}, which no label of these samples has taught: the network may gain "
    "more by a leak, or less. A random split is {divisions} divisions into {folds} parts, each judged by heads of the "
    "others: units (groups and near-duplicates) torn, beside the same with units whole and as many samples of each "
    "class or range in each part. A given test is judged by heads fitted to as many samples of each class or range, "
    "with training samples that it shares in the place of others, and without. Intervals are of the difference, by a "
    "paired bootstrap over units, all divisions pooled."
)


def measure_leak(run: RunFolder, materials: Materials, left: float | None, reporter: Reporter) -> None:
    """Write `leak.json` into a Run that has none, where the plan asks for it, and say what is in it.

    Args:
        left: seconds of the time budget, of which it takes a share; None without a budget.
    """
    if not materials.plan["evaluate.leak"] or run.leak.exists():
        return
    ends = None if left is None else time.perf_counter() + SHARE * left
    known = {sample.key: sample for sample in materials.prepared.dataset.samples}
    shared = [one for key in materials.prepared.split.left_out_for("test") if (one := known[key]).weight]
    pool = judged_samples(materials)
    why = too_few_tied(pool, materials)
    more = {"unmeasured": "times"} if timed(materials) else {}
    if not shared and why is not None:
        write_json(run.leak, {"words": why + (TIMES if more else ""), **more})
        return
    reporter.stage("measuring what a leak is worth")
    cannot = untold(materials) or ("no time is left for it" if left_until(ends) == 0 else None)
    if cannot is not None:
        found: dict[str, Any] = {"words": f"What a leak is worth is not told: {cannot}."}
    else:
        found = _measured(materials, shared, [] if why is not None else pool, ends)
    found["words"] += TIMES if more else ""
    reporter.line(f"leak: {found['words']}")
    write_json(run.leak, {**found, **more})


def _measured(
    materials: Materials, shared: Sequence[Sample], pool: Sequence[Sample], ends: float | None
) -> dict[str, Any]:
    found: dict[str, Any] = {}
    with LabelFree(materials) as look:
        if shared:
            half = ends if ends is None or not pool else (time.perf_counter() + ends) / 2
            found["given"] = given_leak(materials, shared, look, half)
        if pool:
            found["random"] = random_leak(materials, pool, look, ends)
        method = METHOD.format(features=look.words, divisions=DIVISIONS, folds=FOLDS)
    return {**found, "words": " ".join(one["words"] for one in found.values()), "method": method}
