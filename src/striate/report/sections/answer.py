"""The answer in plain words: how many of a hundred new pictures will be right, and against which simple guess."""

from __future__ import annotations

from collections import Counter

from striate.report.facts import Facts
from striate.report.html import Html, join, label, number, shown, tag
from striate.report.judged import Judged, judged, supports
from striate.report.sections.leak import large


def answer(facts: Facts) -> Html | None:
    """What the simplest guess would score, what no mistake does not say, and a large leak; None without figures."""
    found = judged(facts)
    if found is None:
        return None
    told = [part for part in (_guess(facts, found), _certain(found), large(facts)) if part is not None]
    return tag("div", *(tag("p", part) for part in told), class_="card words") if told else None


def in_words(facts: Facts) -> Html | None:
    """The one sentence for someone who reads no further; None where the files hold no figure for it."""
    found = judged(facts)
    return None if found is None else _meaning(facts, found)


def of_so_many(value: float, bounds: tuple[float, float] | None) -> str:
    """A share as a count of a round number, large enough to tell the interval's ends apart.

    >>> of_so_many(0.778, (0.736, 0.817))
    'Of 100 new pictures like these, about 78 (74 to 82)'
    >>> of_so_many(0.9962, (0.993, 0.999)), of_so_many(1.0, (1.0, 1.0))
    ('Of 1 000 new pictures like these, about 996 (993 to 999)', 'Of 100 new pictures like these, about 100')
    """
    low, high = bounds or (value, value)
    base = next((size for size in (100, 1000, 10000) if (high - low) * size >= 2), 100)
    spread = f" ({shown(round(low * base))} to {shown(round(high * base))})" if high > low else ""
    return f"Of {shown(base)} new pictures like these, about {shown(round(value * base))}{spread}".replace(
        "\u202f", " "
    )


def _meaning(facts: Facts, found: Judged) -> Html | None:
    if facts.task == "regress":
        return _off(facts, found)
    if facts.task == "detect":
        return _finds(facts, found)
    names = {"multilabel": "subset_accuracy", "segment": "pixel_accuracy"}
    name = names.get(facts.task, "accuracy")
    value = found.value(name)
    if value is None:
        return None
    if facts.task == "segment":
        words = of_so_many(value, found.bounds(name)).replace("new pictures", "pixels of new pictures")
        return join([words, " will get the right class."])
    ends = "exactly the right labels" if facts.task == "multilabel" else "the right name"
    return join([of_so_many(value, found.bounds(name)), f" will get {ends}."])


def _finds(facts: Facts, found: Judged) -> Html | None:
    """How many things are found, and how many of what is found is right, from the thresholds on."""
    counts = {name: sum(supports(facts, found.key, name).values()) for name in ("support", "found", "invented")}
    called = counts["found"] + counts["invented"]
    if not counts["support"]:
        return None
    words = f"Of 100 things in new pictures like these, about {100 * counts['found'] / counts['support']:.0f} are found"
    right = f"; of 100 findings, about {100 * counts['found'] / called:.0f} are right" if called else ""
    return join([f"{words}{right}."])


def _off(facts: Facts, found: Judged) -> Html | None:
    """By how much a predicted value misses, in its own unit."""
    value, bounds = found.value("mae"), found.bounds("mae")
    if value is None:
        return None
    spread = [" (", _rough(bounds[0]), " to ", _rough(bounds[1]), ")"] if bounds is not None else []
    columns = [column for column in (facts.audit.get("target_summary") or {}).values() if isinstance(column, dict)]
    low, high = (columns[0].get("min"), columns[0].get("max")) if len(columns) == 1 else (None, None)
    where: list[Html | str] = []
    if isinstance(low, int | float) and isinstance(high, int | float):
        where = [", where the true ones run from ", _rough(low), " to ", _rough(high)]
    several = " (the mean over all of them)" if len(columns) > 1 else ""
    return join(["Predicted values", several, " of new pictures like these miss by ", _rough(value), *spread,
                 " on average", *where, "."])  # fmt: skip


def _certain(found: Judged) -> Html | None:
    """What can be said where not one mistake was seen, and the bootstrap's interval has no width."""
    if found.value("accuracy") != 1.0 or not found.count:
        return None
    groups = found.scores.get("groups")
    seen = groups if isinstance(groups, int) else found.count
    share, what = min(100.0, 300 / seen), "groups" if seen == groups else "number"
    return join(
        [
            f"Not one of the {shown(found.count)} was wrong; that does not exclude mistakes in up to {share:.2g} % of "
            f"new ones (the rule of three: 3 divided by the {what} seen)."
        ]
    )


def _guess(facts: Facts, found: Judged) -> Html | None:
    """The same question put to the simplest answer there is."""
    if facts.task == "regress":
        return _mean_guess(facts, found)
    if facts.task == "multilabel":
        return _set_guess(facts, found)
    if facts.task == "detect":  # the simplest answer, nothing, finds nothing
        return None
    counts = supports(facts, found.key)
    if not counts:
        return None
    what = " pixels" if facts.task == "segment" else ""
    name, most = max(counts.items(), key=lambda one: one[1])
    total = sum(counts.values())
    return join(
        [
            "For comparison: always naming the commonest class there, ",
            tag("b", name),
            ", would be right for ",
            number(most),
            " of ",
            number(total),
            f"{what}: {100 * most / total:.0f} of 100.",
        ]
    )


def _set_guess(facts: Facts, found: Judged) -> Html | None:
    """The commonest set of labels as the only answer."""
    sets = Counter(row.get("target") or "" for row in facts.predictions if row.get("split") == found.key)
    if not sets or found.value("subset_accuracy") is None:
        return None
    name, most = sets.most_common(1)[0]
    words = " and ".join(name.split(";")) if name else "no label at all"
    total = sum(sets.values())
    share = f" of {shown(total)}: {100 * most / total:.0f} of 100."
    return join(
        ["For comparison: always giving ", tag("b", words), f" would be exactly right for {shown(most)}{share}"]
    )


def _mean_guess(facts: Facts, found: Judged) -> Html | None:
    r2, rmse = found.value("r2"), found.value("rmse")
    if r2 is None:
        return None
    told = ["Compared with always answering the mean, the squared misses ",
            f"shrink by {100 * r2:.0f} %" if r2 >= 0 else f"grow by {-100 * r2:.0f} %",
            " (", label("r2"), " ", _rough(r2), ")"]  # fmt: skip
    columns = [column for column in (facts.audit.get("target_summary") or {}).values() if isinstance(column, dict)]
    if len(columns) == 1 and isinstance(columns[0].get("std"), int | float) and rmse is not None:
        told += ["; the values spread by ", _rough(columns[0]["std"]), " around it, and the predictions by ",
                 _rough(rmse), " around the truth (root mean square)"]  # fmt: skip
    return join([*told, "."])


def _rough(value: float) -> Html:
    """A figure in three digits, as one says it; in full in the element."""
    return tag("data", f"{value:.3g}", value=repr(value))
