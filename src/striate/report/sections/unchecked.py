"""What the scores do not say: everything that could not be checked, or has no value."""

from __future__ import annotations

from striate.report.facts import Facts
from striate.report.html import Html, join, prose, shown, tag
from striate.report.tables import missing

ALIKE = 3
"""Metrics without a value for one reason, above which they are told together."""


def unchecked(facts: Facts) -> Html:
    """The Run's own list of open questions, and the files that the report could not read."""
    parts: list[Html] = []
    open_questions = [str(text) for text in facts.metrics.get("not_checked") or []]
    undefined = [str(text) for text in facts.metrics.get("undefined") or []]
    if open_questions:
        parts.append(tag("ul", *(tag("li", prose(text)) for text in open_questions)))
    if undefined:
        parts.append(join([tag("h3", "Metrics without a value"), _undefined(undefined)]))
    if facts.missing:
        entries = (tag("li", tag("code", name), f": {reason}") for name, reason in facts.missing.items())
        parts.append(join([tag("h3", "Files that this report could not read"), tag("ul", *entries)]))
    if not parts and facts.metrics:
        return tag("p", "The Run names nothing that it could not check.")
    return join(parts) if parts else missing("Nothing was recorded.")


def _undefined(texts: list[str]) -> Html:
    """What has no value and why; of many alike, which they are is folded away."""
    alike: dict[tuple[str, str], list[str]] = {}
    for text in texts:
        subject, _, why = text.partition(": ")
        split, _, _ = subject.partition(", ")
        alike.setdefault((split, why), []).append(text)
    entries = []
    for (split, why), same in alike.items():
        if len(same) <= ALIKE:
            entries += [tag("li", prose(text)) for text in same]
        else:
            names = (text.partition(": ")[0].removeprefix(f"{split}, ") for text in same)
            summary = tag("summary", prose(f"{split}, {shown(len(same))} alike: {why}"))
            entries.append(tag("li", tag("details", summary, tag("p", ", ".join(names)))))
    return tag("ul", *entries)
