"""What a given test would have gained by the training samples that it shares pictures or groups with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from striate.core.records import Sample
from striate.core.seeds import permutation
from striate.core.wording import plural
from striate.data.split import units_of_samples
from striate.evaluate.leaks import parts
from striate.train.ridge import OutOfFold, answers
from striate.workflows.label_free import LEAST, LabelFree
from striate.workflows.leak_random import FOLDS, divisions, strata
from striate.workflows.leak_words import cut, figures, headline, sentence
from striate.workflows.materials import Materials

MOST = 3000
"""Samples that are looked at, at most: those of the test, of training, and what they share."""


def given_leak(
    materials: Materials, shared: Sequence[Sample], look: LabelFree, allowed: float | None
) -> dict[str, Any]:
    """The given test's score by heads fitted with the training samples that it shares, and without.

    Args:
        shared: what is left out of training, since it belongs with given test samples.
        allowed: seconds; None where time is not short.

    Returns:
        plain values, with `parts`: of all test samples, of those that share and of the rest; `words` alone where it
        cannot be told.
    """
    seed, task = materials.plan["train.seed"], materials.task
    tests, train = ([one for one in materials.samples[part] if one.weight] for part in ("test", "train"))
    whole = len(tests) + len(shared) + len(train)
    count = look.carried([*tests, *shared, *train], MOST, allowed)
    short = f", and time carries {count} of {whole:,}" if count < min(MOST, whole) else ""
    tests, train = (_some(one, count / whole, seed) for one in (tests, train))
    units = units_of_samples([*tests, *shared, *train], materials.prepared.audit)
    of_tests, of_shared, of_train = np.split(units, [len(tests), len(tests) + len(shared)])
    kept = np.isin(of_shared, of_tests)  # what is shared with tests that are looked at
    shared = [sample for sample, one in zip(shared, kept, strict=True) if one]
    if not shared or len(train) < LEAST:
        why = f"{len(train)} training samples and {len(shared)} that the test shares are too few{short}"
        return {"words": f"What the given test's leak is worth is not told: {why}."}
    leaking = np.isin(of_tests, of_shared[kept])
    asked, extra, known = (look(samples) for samples in (tests, shared, train))
    true, more, taught = (task.encode(samples).double().numpy() for samples in (tests, shared, train))
    numbers = np.unique(of_train, return_inverse=True)[1].astype(np.int64)
    numbers = numbers if numbers.max() + 1 >= 2 * FOLDS else np.arange(len(train))
    penalty = OutOfFold(known, taught).best(divisions(numbers, strata(train), seed))[1]
    without = answers(known, taught, asked, penalty)
    with_leak = answers(np.concatenate([known, extra]), np.concatenate([taught, more]), asked, penalty)
    name, metric = headline(task, materials.plan["train.metric"])
    of_units = np.unique(of_tests, return_inverse=True)[1].astype(np.int64)
    found = parts(metric, [with_leak], [without], true, leaking, units=of_units, seed=seed)
    said = sentence(look.words, "training on what the given test shares would have scored", name, found["all"])
    beside = (
        f" {plural(len(shared), 'training sample belongs', 'training samples belong')} with {int(leaking.sum()):,} of "
        f"{len(tests):,} test samples, and {'stays' if len(shared) == 1 else 'stay'} out of training."
    )
    return {
        **figures(name, found["all"]),
        "samples": len(tests),
        "trained": len(train),
        "shared": len(shared),
        "leaking": int(leaking.sum()),
        "penalty": penalty,
        "parts": {part: figures(name, one) for part, one in found.items()},
        "words": said + beside + cut(len(tests) + len(shared) + len(train), whole),
    }


def _some(samples: Sequence[Sample], share: float, seed: int) -> list[Sample]:
    """That share of the samples, drawn at random, in their order."""
    if share >= 1:
        return list(samples)
    drawn: NDArray[np.int64] = permutation(len(samples), seed, "leak given")[: round(share * len(samples))]
    return [samples[place] for place in np.sort(drawn)]
