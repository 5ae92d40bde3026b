"""What a given test would have gained by the training samples that it shares pictures or groups with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from striate.core.records import Sample
from striate.core.wording import plural
from striate.data.split import units_of_samples
from striate.evaluate.leaks import parts, seconds_of_parts
from striate.train.ridge import OutOfFold, answers
from striate.workflows.label_free import LEAST, LabelFree, left_until
from striate.workflows.leak_drawn import drawn, exchanged
from striate.workflows.leak_random import FOLDS, divisions, strata
from striate.workflows.leak_words import cut, figures, headline, sentence
from striate.workflows.materials import Materials

MOST = 3000
"""Samples that are looked at, at most: those of the test, of training, and what they share."""


def given_leak(materials: Materials, shared: Sequence[Sample], look: LabelFree, ends: float | None) -> dict[str, Any]:
    """The given test's score by heads fitted to as many samples, with some that it shares among them, and without.

    Args:
        shared: what is left out of training, since it belongs with given test samples.
        ends: of `time.perf_counter`, when it should be done; None where time is not short.

    Returns:
        plain values, with `parts`: of all test samples, of those that share and of the rest; `words` alone where it
        cannot be told.
    """
    seed, task = materials.plan["train.seed"], materials.task
    tests, train = ([one for one in materials.samples[part] if one.weight] for part in ("test", "train"))
    sizes = np.array([len(tests), len(shared), len(train)])
    units = np.split(units_of_samples([*tests, *shared, *train], materials.prepared.audit), np.cumsum(sizes)[:2])
    whole, (of_tests, of_shared, of_train) = int(sizes.sum()), units
    name, metric = headline(task, materials.plan["train.metric"])
    more = 0.0
    if left_until(ends):
        more = look.adding(shared) * len(shared) / whole
        more += seconds_of_parts(metric, task.encode(tests[:1]).shape[1], 1)
    count = look.carried([*tests, *train], min(MOST, whole), left_until(ends), more=more)
    asked_of, alike, known_of = drawn(of_tests, of_shared, len(train), count, seed)
    strata_of_all = strata([*(train[place] for place in known_of), *(shared[place] for place in alike)])
    stays, taken = exchanged(strata_of_all[: len(known_of)], strata_of_all[len(known_of) :], seed)
    short = f", and time carries {count} of {whole:,}" if count < min(MOST, whole) else ""
    if not len(taken) or len(known_of) < LEAST:
        why = f"{len(known_of)} training samples and {len(taken)} that the test shares are too few{short}"
        return {"words": f"What the given test's leak is worth is not told: {why}."}
    judged, extra, kept = (
        [samples[place] for place in places]
        for samples, places in ((tests, asked_of), (shared, alike[taken]), (train, known_of))
    )
    look.add(extra)
    asked, rows = look(judged), look(kept)
    true, taught = (task.encode(samples).double().numpy() for samples in (judged, kept))
    numbers = np.unique(of_train[known_of], return_inverse=True)[1].astype(np.int64)
    numbers = numbers if numbers.max() + 1 >= 2 * FOLDS else np.arange(len(kept))
    penalty = OutOfFold(rows, taught).best(divisions(numbers, strata(kept), seed))[1]
    without = answers(rows, taught, asked, penalty)
    leaky, more_taught = np.concatenate([rows[stays], look(extra)]), task.encode(extra).double().numpy()
    with_leak = answers(leaky, np.concatenate([taught[stays], more_taught]), asked, penalty)
    leaking = np.isin(of_tests[asked_of], of_shared[alike[taken]])
    of_units = np.unique(of_tests[asked_of], return_inverse=True)[1].astype(np.int64)
    found = parts(metric, [with_leak], [without], true, leaking, units=of_units, seed=seed)
    said = sentence(look.words, "training on what the given test shares would have scored", name, found["all"])
    beside = (
        f" {plural(len(shared), 'training sample belongs', 'training samples belong')} with "
        f"{int(np.isin(of_tests, of_shared).sum()):,} of {len(tests):,} test samples, and "
        f"{'stays' if len(shared) == 1 else 'stay'} out of training; the head with the leak has {len(extra):,} in the "
        "place of as many others."
    )
    return {
        **figures(name, found["all"]),
        "samples": len(judged),
        "trained": len(kept),
        "shared": len(extra),
        "leaking": int(leaking.sum()),
        "penalty": penalty,
        "parts": {part: figures(name, one) for part, one in found.items()},
        "words": said + beside + cut(len(judged) + len(alike) + len(kept), whole),
    }
