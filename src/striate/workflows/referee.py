"""The referee: which remedy for classes of unequal size, by short trials of each beside the others.

All begin with the same weights and see samples in the same order, and are judged on the same unseen samples, so that
what one gives more than another is no luck of theirs. With a head that is fitted to frozen features the trial is such a
head, on parts of the training samples in turn; the features are computed once. Otherwise it is a short training.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from striate.core.events import Reporter
from striate.core.plan import AUTO, Decision, Plan
from striate.evaluate import even_f1, move_thresholds, resample_counts
from striate.metrics import moved
from striate.nets import head_name
from striate.plan.remedies import REMEDIES, applied, chosen_remedy, possible
from striate.plan.rules.execution import Way
from striate.train.pilots import HeadPilot, head_pilots, step_pilot
from striate.train.probe import Look
from striate.train.speed import TIMED, range_test, with_execution
from striate.workflows.materials import Materials
from striate.workflows.trials import Trials, time_for

SECONDS, SHARE, LEAST_STEPS = 240.0, 0.15, 20
"""For all trials: at most, of the time for the training, and the steps below which one says nothing."""
RESAMPLES = 200
IN_A_HEAD = ("balanced_softmax", "class_weights", "square_root_weights", "effective_weights", "smote", "focal")
"""What a fitted head can tell apart: a sampling shows it nothing that weights do not."""
IN_STEPS = ("balanced_softmax", "class_weights", "balanced_sampling", "square_root_sampling")
"""What short trainings are tried with; more of them would each be too short to tell."""

Scores = dict[str, NDArray[np.float32]]


def referee(materials: Materials, plan: Plan, seconds: float | None, trials: Trials, reporter: Reporter) -> Plan:
    """The plan with the remedy that the trials found.

    Args:
        plan: with execution and rate measured, and `imbalance.remedy` "auto".
        seconds: left for the training; None without a time budget.
        trials: what was found before for the same question.
    """
    reporter.stage("trying remedies for unequal classes")
    trial, part = (_heads, "train") if plan["transfer.probe"] else (_steps, "val")
    question = {
        "referee": trial.__name__,
        "seed": plan["train.seed"],
        "possible": possible(plan.decisions),
        "way": [plan[key] for key in plan if key.startswith("execution.")],
    }

    def measured() -> tuple[dict[str, float], dict[str, tuple[float, float]]]:
        scores = trial(materials, plan, time_for(SECONDS, SHARE, seconds), reporter)
        targets = materials.targets[part].numpy()
        return judged(scores, targets, _frequencies(materials), plan["train.seed"], materials.units(part))

    figures, behind = trials.known(question, measured, worth=lambda found: bool(found[0]))
    remedy, because = chosen_remedy(figures, behind, possible(plan.decisions))
    reporter.line(f"imbalance: {remedy} ({because})")
    return plan.replace(**applied(remedy, because))


def _under(materials: Materials, plan: Plan, remedy: str) -> tuple[Materials, Plan]:
    """What a training works with under a remedy."""
    changed = plan.replace(**applied(remedy, "in a pilot"))
    return materials.under(changed), changed


def _heads(materials: Materials, plan: Plan, allowed: float, reporter: Reporter) -> Scores:
    began = time.monotonic()
    single = plan.replace(transfer={"probe_views": Decision(False, "in a pilot", "measured")})
    recipe, network = materials.recipe(single), materials.networks()["network"]
    head = network.get_submodule(head_name(network))
    assert isinstance(head, nn.Linear)  # a rule lets heads be fitted only where they are
    features = Look(network.to(recipe.device), recipe, reporter).at(materials.unaltered("train"))
    features = features.take(torch.argsort(features.ids))  # those of own sizes come size by size
    samples = materials.samples["train"]
    pilots = {}
    for name in ("none", *(one for one in IN_A_HEAD if one in possible(plan.decisions))):
        own, _ = _under(materials, plan, name)
        neighbours = REMEDIES.get(name, {}).get("transfer.smote", 0)
        if neighbours and (smallest := _smallest(own)) <= neighbours:
            reporter.line(f"smote is not tried: it needs {neighbours} neighbours, the smallest class has {smallest}")
            continue
        pilots[name] = HeadPilot(own.task, own.task.weights(samples), neighbours)
    left = allowed - (time.monotonic() - began)  # the features are part of the trial
    return head_pilots(head, features, materials.units("train"), pilots, seed=plan["train.seed"], seconds=left)


def _steps(materials: Materials, plan: Plan, allowed: float, reporter: Reporter) -> Scores:
    names = ("none", *(one for one in IN_STEPS if one in possible(plan.decisions)))
    recipe, rate = materials.recipe(plan), float(plan["optimizer.rate"])
    timed = with_execution(recipe, Way(*(plan[f"execution.{leaf}"] for leaf in Way._fields)))
    limits: dict[str, Any] = {"low": rate / 300, "high": rate, "steps": TIMED + 1, "seconds": allowed}
    each = range_test(timed, materials.networks(), **limits).step_seconds
    most = 10**9 if plan["train.epochs"] == AUTO else recipe.steps
    steps = min(most, int(allowed / len(names) / each))
    if steps < LEAST_STEPS:
        reporter.line(f"no pilot is run: {allowed:.0f} s carry {steps} steps each, and {LEAST_STEPS} say little")
        return {}
    found: Scores = {}
    for number, name in enumerate(names):
        own, changed = _under(materials, plan, name)
        state = step_pilot(own.recipe(changed), own.networks(), steps)
        if state is None:
            reporter.warn(f"{name} is not judged: its pilot came to a loss that is not finite at this rate")
        else:
            found[name] = own.scores(state.judged()["network"], "val", changed)
        reporter.progress(number + 1, len(names), name)
    return found


def judged(
    scores: Scores,
    targets: NDArray[np.float32],
    frequencies: list[float],
    seed: int,
    units: NDArray[np.int64] | None = None,
) -> tuple[dict[str, float], dict[str, tuple[float, float]]]:
    """What the pilots amount to, moved thresholds among them, which cost no pilot.

    Args:
        scores: probabilities (N, K) by remedy; empty where nothing was tried. Moved thresholds are judged by "none".
        targets: one-hot, (N, K).
        frequencies: of the classes in training.
        units: (N,), what belongs together and is drawn together; by default each stands alone.

    Returns:
        `even_f1` by remedy; how far each is behind the best, and the standard error of that over resamples.
    """
    if not scores:
        return {}, {}
    units = np.arange(len(targets)) if units is None else units
    if "none" in scores:
        scores = {**scores, "moved_thresholds": _crossed(scores["none"], targets, frequencies, units)}
    figures = {name: float(even_f1(rows, targets)[0]) for name, rows in scores.items()}
    counts = resample_counts(int(units.max()) + 1, seed, 0, RESAMPLES)[:, units]
    resampled = {name: even_f1(rows, targets, counts) for name, rows in scores.items()}
    best = max(figures, key=lambda name: figures[name])
    behind = {
        name: (figures[best] - figure, float(np.nanstd(resampled[best] - resampled[name])))
        for name, figure in figures.items()
    }
    return figures, behind


def _crossed(
    scores: NDArray[np.float32], targets: NDArray[np.float32], frequencies: list[float], units: NDArray[np.int64]
) -> NDArray[np.float32]:
    """Probabilities moved by what the other half of the samples finds best, so that it is no praise of itself."""
    found, halves = np.array(scores), units % 2
    for half in (0, 1):
        others = halves != half
        factors = move_thresholds(scores[others], targets[others], frequencies).factors
        found[~others] = moved(scores[~others].astype(np.float64), factors)
    return found


def _frequencies(materials: Materials) -> list[float]:
    """Of the classes in training."""
    counts: list[float] = materials.targets["train"].sum(dim=0).tolist()
    return counts


def _smallest(materials: Materials) -> int:
    counts = _frequencies(materials)
    return int(min(count for count in counts if count) * 2 // 3)  # two of three parts are learnt from
