"""What the scores do not say: everything that could not be checked, or has no value."""

from __future__ import annotations

from striate.report.facts import Facts
from striate.report.html import Html, join, prose, tag
from striate.report.tables import missing


def unchecked(facts: Facts) -> Html:
    """The Run's own list of open questions, and the files that the report could not read."""
    parts: list[Html] = []
    open_questions = [str(text) for text in facts.metrics.get("not_checked") or []]
    undefined = [str(text) for text in facts.metrics.get("undefined") or []]
    if open_questions:
        parts.append(tag("ul", *(tag("li", prose(text)) for text in open_questions)))
    if undefined:
        parts.append(
            join([tag("h3", "Metrics without a value"), tag("ul", *(tag("li", prose(text)) for text in undefined))])
        )
    if facts.missing:
        entries = (tag("li", tag("code", name), f": {reason}") for name, reason in facts.missing.items())
        parts.append(join([tag("h3", "Files that this report could not read"), tag("ul", *entries)]))
    if not parts and facts.metrics:
        return tag("p", "The Run names nothing that it could not check.")
    return join(parts) if parts else missing("Nothing was recorded.")
