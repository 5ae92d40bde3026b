"""`compare`: two Runs by their predictions for the same samples, and what their plans decide otherwise."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from striate.core.artifacts import read_json
from striate.core.plan import Plan
from striate.core.run import RunFolder
from striate.core.wording import plural
from striate.evaluate import units_of
from striate.evaluate.paired import Difference, differences, mcnemar
from striate.metrics import Metric
from striate.tasks import TASKS
from striate.workflows.answers import Answers, answers, joined_groups, named, prepared, same_samples
from striate.workflows.finish import TWINS

SHARES = ("accuracy", "f1", "precision", "recall")
"""How the names end of metrics that are shares, whose differences are told in points."""
ABSENT = "(no such leaf)"


def compare(first: RunFolder, second: RunFolder, part: str = "test", seed: int = 0) -> dict[str, Any]:
    """Judge two Runs by the same samples.

    Args:
        part: the split, "test" or "val".
        seed: of resamples and swaps; the same seed gives the same figures.

    Returns:
        plain values: `runs`, `split`, `samples`, `groups` (None without), `headline`, `metrics` by name as
        `striate.evaluate.paired.Difference` has them, `decisions` (samples that only one is right about, where each
        has one class), `better` (a path, or None), `words`, `notes`, and `plan`: both values of each leaf that differs.

    Raises:
        RunError: a Run is not finished, or they are of different tasks.
        DataError: they were not judged by the same samples, or by fewer than two.
    """
    runs = answers(first, part), answers(second, part)
    keys = same_samples(*runs, part=part)
    ready = prepared(runs, keys, part)
    groups = joined_groups(*runs, keys)
    units = units_of(groups) if any(groups) else None
    found = differences(ready.metrics, *ready.seen, ready.targets, units=units, seed=seed)
    headline = runs[0].headline if runs[0].headline in found else TASKS.get(runs[0].task).headline
    judged = found[headline]
    names = named(runs[0].path, runs[1].path)
    content: dict[str, Any] = {
        "runs": [str(run.path) for run in runs],
        "split": part,
        "samples": len(keys),
        "groups": None if units is None else int(units.max()) + 1,
        "headline": headline,
        "metrics": {name: asdict(one) for name, one in found.items()},
        "better": _better(runs, judged, ready.metrics[headline]),
        "words": _words(names, headline, judged, ready.metrics[headline], len(keys)),
        "notes": [*_notes(runs, names, keys, headline, part), *ready.notes],
        "plan": _apart(runs[0].plan, runs[1].plan),
    }
    if TASKS.get(runs[0].task).kind == "label":
        right = [rows["accuracy"].argmax(1) == ready.targets.argmax(1) for rows in ready.seen]
        only_first, only_second, _ = mcnemar(right[0], right[1])
        content["decisions"] = {"only_first_right": only_first, "only_second_right": only_second}
    return content


def _better(runs: Sequence[Answers], judged: Difference, metric: Metric) -> str | None:
    if not judged.told or judged.difference is None:
        return None
    return str(runs[int((judged.difference > 0) == metric.higher_is_better)].path)


def _words(names: tuple[str, str], headline: str, judged: Difference, metric: Metric, samples: int) -> str:
    """Which is better, by how much, or why that is not known."""
    word = headline.replace("_", " ")
    if judged.difference is None:
        return f"{word} is not defined on these samples, so the two cannot be compared by it"
    scale, unit = (100, " points of ") if headline.endswith(SHARES) else (1, " in ")
    second = (judged.difference > 0) == metric.higher_is_better
    turned = -1 if judged.difference < 0 else 1
    size = f"{abs(judged.difference) * scale:.3g}{unit}{word}"
    if judged.low is None or judged.high is None:
        return f"{names[1]} and {names[0]} differ by {size}, and {judged.why}: nothing is told by that"
    low, high = sorted(turned * scale * end for end in (judged.low, judged.high))
    spread = f"95 % interval {low:.3g} to {high:.3g}, {p_words(judged.p)}"
    if judged.told:
        return f"{names[int(second)]} is better by {size} ({spread})"
    if judged.difference == 0:
        return f"the two are equal in {word} on these {samples:,} samples ({spread})"
    needed = f"; about {judged.needed:,} such samples would be needed to tell them apart" if judged.needed else ""
    return f"the two cannot be told apart on these {samples:,} samples: they differ by {size} ({spread}){needed}"


def p_words(p: float | None) -> str:
    """A p value in words.

    >>> p_words(0.0312), p_words(0.00003), p_words(None)
    ('p = 0.031', 'p < 0.001', 'no test was made, as swaps would take too long')
    """
    return (
        "no test was made, as swaps would take too long" if p is None else "p < 0.001" if p < 0.001 else f"p = {p:.2g}"
    )


def _notes(
    runs: tuple[Answers, Answers],
    names: tuple[str, str],
    keys: Sequence[str],
    headline: str,
    part: str,
) -> list[str]:
    """What the figures do not say by themselves."""
    metrics = [read_json(RunFolder(run.path).metrics) for run in runs]
    folds = [one.get("folds", {}).get("count", 1) for one in metrics]
    each = "Each Run is one training"
    if max(folds) > 1:
        each = "; ".join(
            f"{name} is {plural(count, 'training', 'trainings, one a fold')}"
            for name, count in zip(names, folds, strict=True)
        )
    found = [f"{each}: another seed moves a score too, and the test knows of the samples alone."]
    if part == "test" and max(folds) == 1:  # of folds, equal samples are drawn together
        twins = [said for one in metrics for said in one.get("not_checked", ()) if said.endswith(TWINS)]
        found += twins[:1]
    if part == "val":
        found.append("Validation chose the weights of both, so that its figures are a little optimistic.")
    selected = dict.fromkeys(run.headline for run in runs)
    if [*selected] != [headline]:
        found.append(f"The Runs were selected by {' and '.join(selected)}; judged is {headline}.")
    audits = [RunFolder(run.path).audit for run in runs]
    prints = [read_json(path).get("fingerprint") if path.exists() else None for path in audits]
    if prints[0] != prints[1]:
        found.append(
            "The Runs were trained on data that differ somewhere: their samples are taken to be the same by name and "
            "target."
        )
    for run, name in zip(runs, names, strict=True):
        said = Counter(run.rows[key]["prediction"] for key in keys) if "prediction" in run.rows[keys[0]] else Counter()
        if len(said) == 1:
            found.append(f"{name} answers every sample with {next(iter(said))!r}.")
    return found


def _apart(first: Plan, second: Plan) -> dict[str, dict[str, Any]]:
    """Both values of each leaf that differs."""
    keys = sorted({*first, *second})
    pairs = {key: {"first": first.get(key, ABSENT), "second": second.get(key, ABSENT)} for key in keys}
    return {key: pair for key, pair in pairs.items() if pair["first"] != pair["second"]}
