"""What limits the score, and what would help most: the findings, the mistakes that weigh most, the weakest classes."""

from __future__ import annotations

from typing import Any

from striate.core.wording import plural
from striate.report.facts import Facts, names_in
from striate.report.html import Html, escape, join, number, prose, shown, tag
from striate.report.judged import BACKGROUND, MISSED, Judged, called_names, confused, confusion, judged
from striate.report.sections.boxes import errors_of, kind_in_words

PAIRS, WEAKEST = 3, 2


def limits(facts: Facts) -> Html | None:
    """What would help most, and everything else that holds the score down; None where nothing is known."""
    found = judged(facts)
    if found is None:
        return None
    told = [*_findings(facts), *_kind(facts), *_pairs(facts, found), *_weak(facts, found), *_miss(facts, found)]
    if not told:
        return None
    first, rest = told[0], told[1:]
    head = tag("p", "What would help most: ", first, class_="lead")
    return join([head, tag("ul", *(tag("li", text) for text in rest)) if rest else None])


def _findings(facts: Facts) -> list[Html]:
    """The diagnosis in short: cause first, as it tells them."""
    found: Any = facts.diagnosis.get("findings")
    told = []
    for one in found if isinstance(found, list) else []:
        if isinstance(one, dict):
            flag = [" (", tag("code", str(one["flag"])), ")"] if one.get("flag") else []
            name = tag("a", str(one.get("name")), href="#diagnosis")
            told.append(join([prose(str(one.get("advice"))), *flag, ", since the diagnosis is “", name, "”."]))
    return told


def _pairs(facts: Facts, found: Judged) -> list[Html]:
    """The confusions that make up most of the mistakes."""
    content = confusion(facts, found.key)
    pairs = [] if content is None else confused(*content, called_names(facts, content[0]))
    if facts.task == "detect":  # what is missed or invented is told by kind
        pairs = [pair for pair in pairs if pair[1] != BACKGROUND and pair[2] != MISSED]
    total = sum(pair[0] for pair in pairs)
    if not total:
        return []
    listed = [
        join([tag("b", true), " called ", tag("b", called), f" ({plural(count, 'time', 'times')})"])
        for count, true, called, _ in pairs
    ]
    shown_ = sum(pair[0] for pair in pairs[:PAIRS])
    text = f": {shown(shown_)} of {plural(total, 'mistake', 'mistakes')}."
    return [join(["looking at what is confused most, ", join(listed[:PAIRS], ", "), text])]


def _kind(facts: Facts) -> list[Html]:
    """The kind of mistake that costs most, where things are looked for."""
    errors = errors_of(facts)
    costs = {} if errors is None else {name: one for name, one in errors[2].items() if isinstance(one, int | float)}
    if errors is None or not costs or max(costs.values()) <= 0:
        return []
    kind = max(costs, key=lambda name: costs[name])
    words = f"fewer of the mistake that costs most, {number(costs[kind])} of mAP50: "
    return [join([Html(words), tag("b", kind_in_words(kind)), " (", tag("a", "all kinds", href="#kinds"), ")."])]


def _weak(facts: Facts, found: Judged) -> list[Html]:
    """The classes that are found least, beside how many samples they were learnt from."""
    tables = facts.metrics.get("per_class")
    entries = tables.get(found.key) if isinstance(tables, dict) else None
    judged_ = [
        entry
        for entry in entries or []
        if isinstance(entry, dict) and isinstance(entry.get("recall"), int | float) and entry["recall"] < 1
    ]
    judged_.sort(key=lambda entry: (entry["recall"], str(entry.get("class"))))
    learnt: dict[str, int] = {}
    for row in facts.split:
        if row.get("split") == "train":
            for name in names_in(facts, row.get("target") or ""):
                learnt[name] = learnt.get(name, 0) + 1
    told, what = [], {"segment": "pixels", "detect": "things"}.get(facts.task, "pictures")
    seen = "found" if facts.task == "detect" else "recognised"
    for entry in judged_[:WEAKEST]:
        name = str(entry.get("class"))
        from_ = f", and was learnt from {shown(learnt[name])}" if name in learnt else ""
        parts = [f", which is {seen} in {100 * entry['recall']:.0f} % of its ", f"{shown(entry.get('support'))} ",
                 f"{found.words} {what}{from_}."]  # fmt: skip
        told.append(join(["more pictures of ", tag("b", name), *parts]))
    return told


def _miss(facts: Facts, found: Judged) -> list[Html]:
    """How far a few large misses carry, where values are predicted."""
    mae, rmse = found.value("mae"), found.value("rmse")
    if facts.task != "regress" or not mae or rmse is None:
        return []
    ratio = rmse / mae
    says = (
        "a few large misses weigh most: the pictures under Predicted values are the first to look at"
        if ratio > 1.5
        else "the misses are much alike, and no few pictures explain them"
    )
    return [escape(f"the root mean square of the misses is {ratio:.2f} times their mean: {says}.")]
